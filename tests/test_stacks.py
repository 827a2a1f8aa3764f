"""Stacks whose planes have to do with each other: what neighbours give and leave."""

import numpy as np
import pytest
from scipy import ndimage

from n2d import Noise2DetailDenoiser
from n2d.datasets import fluorescence_cells

SIGMA = 12.0


def scene(n=6, shape=(96, 112), step=0.0, seed=0):
    """A scene that moves by `step` pixels a frame."""
    margin = 24
    height, width = (side + 2 * margin for side in shape)
    still = 200 * fluorescence_cells((height, width), rng=seed)
    frames = [
        ndimage.shift(still, (0.6 * step * t, 0.8 * step * t), mode="nearest")
        for t in range(n)
    ]
    return np.stack(frames)[:, margin:-margin, margin:-margin]


def noisy(clean, seed=1, sigma=SIGMA):
    return clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)


def psnr(image, clean):
    return 10 * np.log10(255**2 / np.mean((image - clean) ** 2))


def gains(clean, stack="time", seed=1):
    """Decibels that neighbours add to every plane, and both results."""
    data = noisy(clean, seed)
    denoiser = Noise2DetailDenoiser(random_state=0).fit(data)
    alone = denoiser.transform(data)
    together = denoiser.set_params(stack=stack).transform(data)
    won = [
        psnr(b, c) - psnr(a, c) for a, b, c in zip(alone, together, clean, strict=True)
    ]
    return np.array(won), alone, together


def test_static_frames_gain():
    won, _, _ = gains(scene())
    assert won.mean() > 2.0
    assert won.min() > 1.0


def test_moving_frames_gain():
    won, _, _ = gains(scene(step=0.5))
    assert won.mean() > 1.2
    assert won.min() > 0.2


def test_images_that_are_strangers_are_not_harmed():
    clean = np.concatenate([scene(1, seed=k) for k in range(5)])
    won, _, _ = gains(clean)
    assert np.abs(won).max() < 0.1


def test_a_single_image_comes_out_as_it_would_without_neighbours():
    data = noisy(scene(1))
    denoiser = Noise2DetailDenoiser(random_state=0).fit(data)
    alone = denoiser.transform(data)
    together = denoiser.set_params(stack="time").transform(data)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"init": "random"}, "trained beforehand"),
        ({"solver": "paper"}, "trained beforehand"),
        ({"detail_max_iter": 10}, "stage 3"),
    ],
)
def test_networks_that_are_trained_on_the_image_take_no_neighbours(parameters, message):
    denoiser = Noise2DetailDenoiser(stack="time", **parameters)
    with pytest.raises(ValueError, match=message):
        denoiser.fit(np.zeros((2, 16, 16)))
