"""Intensities mapped by PyTorch are those that NumPy maps."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from n2d.applying.mapping import DeviceIntensities
from n2d.fitting.intensities import Intensities
from n2d.noise import NoiseModel
from n2d.noise.place import Places

SHAPE = (40, 52)
CURVE = np.array([[0.0, 0.2, 0.5, 1.0], [4e-4, 9e-4, 5e-4, 1e-4]])
MODELS = {
    "none": NoiseModel(0.0),
    "white": NoiseModel(0.03, offset=0.1),
    "photons": NoiseModel(0.1, gain=0.02, offset=0.05, read_noise=0.0),
    "few photons, read noise": NoiseModel(0.3, gain=0.1, offset=0.2, read_noise=0.05),
    "much read noise": NoiseModel(0.1, gain=0.002, offset=0.2, read_noise=0.05),
    "curve": NoiseModel(0.02, curve=CURVE),
}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(
                not torch.cuda.is_available(),
                reason="PyTorch finds no GPU on this machine",
            ),
        ],
    ),
]


def values(n_channels):
    # Far beyond both ends, too.
    rng = np.random.default_rng(0)
    return rng.uniform(-150, 500, (n_channels, *SHAPE))


def places(n_channels):
    rng = np.random.default_rng(1)
    return tuple(
        Places(
            SHAPE,
            rng.normal(0, 0.01, SHAPE[0]),
            rng.normal(0, 0.01, SHAPE[1]),
            np.array([[0.1, 0.3, 0.01, 0.02]]),
            rng.uniform(0.5, 2, (5, 5)),
        )
        for _ in range(n_channels)
    )


def maps(kind):
    if kind == "colours":
        rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
        rotation[0] *= 2  # not orthonormal
        noise = tuple(MODELS[k] for k in ("white", "photons", "curve"))
        return Intensities((-20.0, 300.0), noise, rotation, np.array([1.0, 2, 3]))
    if kind == "places":
        return Intensities((-20.0, 300.0), (MODELS["photons"],), places=places(1))
    if kind == "nothing known":
        return Intensities((-20.0, 300.0))
    return Intensities((-20.0, 300.0), (MODELS[kind],))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", [*MODELS, "colours", "places", "nothing known"])
def test_the_maps_are_the_same(kind, device):
    intensities = maps(kind)
    x = values(3 if kind == "colours" else 1)
    found = DeviceIntensities(intensities, torch.device(device))
    seen = found.forward(torch.from_numpy(x).to(device), 3, 5).cpu().numpy()
    expected = intensities.forward(x, 3, 5)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, expected, rtol=1e-6, atol=1e-6)

    denoised = expected.astype(np.float64)
    back = found.backward(torch.from_numpy(denoised).to(device), 3, 5).cpu().numpy()
    np.testing.assert_allclose(
        back, intensities.backward(denoised, 3, 5), rtol=1e-10, atol=1e-8
    )
    error = np.random.default_rng(4).uniform(0.1, 2, x.shape)
    told = found.backward_error(
        *(torch.from_numpy(a).to(device) for a in (error, denoised)), 3, 5
    )
    channel = denoised, error
    if intensities.rotation is not None:
        turn = np.linalg.inv(intensities.rotation)
        channel = denoised, np.sqrt(np.tensordot(turn**2, error**2, axes=1))
        channel = np.tensordot(turn, denoised, axes=1), channel[1]
    # Half of what lies between one standard error below and above.
    plain = replace(intensities, rotation=None)
    above, below = (
        plain.backward(channel[0] + sign * channel[1], 3, 5) for sign in (1, -1)
    )
    np.testing.assert_allclose(
        told.cpu().numpy(), (above - below) / 2, rtol=1e-8, atol=1e-7
    )


def test_what_was_read_from_a_memory_map_may_be_read_only():
    shift = np.ones(1)
    shift.flags.writeable = False  # as joblib.load(mmap_mode="r") gives it
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            DeviceIntensities(Intensities((0.0, 1.0), shift=shift), torch.device("cpu"))
    finally:
        torch.set_warn_always(False)
