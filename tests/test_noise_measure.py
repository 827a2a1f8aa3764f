"""The noise measured on one image agrees with the noise that was put there."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from n2d import noise as nz
from n2d.datasets import fluorescence_cells
from n2d.noise import blocks

SCENES = {
    "cells": 255.0 * fluorescence_cells((384, 384), rng=0),
    "camera": data.camera().astype(float),
    "cell": data.cell().astype(float),
    "retina": data.retina()[400:900, 400:900, 1].astype(float),
}
each_scene = pytest.mark.parametrize("scene", SCENES)


def true_correlation(blur):
    """Autocorrelation of a sampled Gaussian kernel at lags 1 to 4."""
    taps = np.exp(-0.5 * (np.arange(-12, 13) / max(blur, 1e-9)) ** 2)
    return [np.sum(taps[d:] * taps[:-d]) / np.sum(taps**2) for d in range(1, 5)]


@each_scene
@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_gaussian(scene, sigma):
    clean = SCENES[scene]
    noise = nz.estimate_noise(nz.add_gaussian_noise(clean, sigma, rng=1))
    assert noise.level == pytest.approx(sigma, rel=0.1)
    # The gain that is not there changes the variance by little over the image.
    assert noise.gain * np.std(clean) < 0.2 * sigma**2
    assert noise.correlation == pytest.approx(np.zeros((2, 4)), abs=0.1)


@each_scene
@pytest.mark.parametrize("peak", [10, 30])
def test_poisson(scene, peak):
    clean = SCENES[scene]
    noisy = 255 * nz.add_poisson_noise(clean / 255, peak, rng=1)
    noise = nz.estimate_noise(noisy)
    assert noise.gain == pytest.approx(255 / peak, rel=0.15)
    assert noise.level == pytest.approx(np.std(noisy - clean), rel=0.1)
    assert noise.correlation == pytest.approx(np.zeros((2, 4)), abs=0.1)


@each_scene
def test_poisson_gaussian(scene):
    clean = SCENES[scene] + 100
    noisy = nz.add_poisson_gaussian_noise(clean, 3.0, 8.0, offset=100, rng=1)
    noise = nz.estimate_noise(noisy)
    assert noise.gain == pytest.approx(3, rel=0.15)
    assert noise.level == pytest.approx(np.std(noisy - clean), rel=0.1)
    ends = np.quantile(clean, [0.05, 0.5, 0.95])
    assert noise.variance(ends) == pytest.approx(3 * (ends - 100) + 64, rel=0.25)


@each_scene
@pytest.mark.parametrize("blur", [0.45, 0.7, (0.0, 0.5), (0.6, 0.3)])
def test_correlated(scene, blur):
    clean = SCENES[scene]
    noise = nz.estimate_noise(nz.add_correlated_noise(clean, 20, blur, rng=1))
    assert noise.level == pytest.approx(20, rel=0.1)
    truth = [true_correlation(b) for b in np.broadcast_to(blur, 2)]
    assert noise.correlation == pytest.approx(np.array(truth), abs=0.1)


def test_correlated_and_signal_dependent():
    clean = SCENES["cells"]
    unit = nz.add_correlated_noise(np.zeros_like(clean), 1.0, 0.7, rng=1)
    noisy = clean + np.sqrt(3 * clean + 50) * unit
    noise = nz.estimate_noise(noisy)
    assert noise.level == pytest.approx(np.std(noisy - clean), rel=0.1)
    assert noise.gain == pytest.approx(3, rel=0.15)
    assert noise.correlation[:, 0] == pytest.approx([0.6, 0.6], abs=0.1)


def test_captured_in_8_bits():
    # Mostly dark, clipped at 0, rounded: level is that of the noise still there.
    clean = 160 * fluorescence_cells((512, 512), rng=3).astype(float)
    noisy = nz.add_poisson_gaussian_noise(clean, 3.0, 2.0, rng=0)
    capture = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    noise = nz.estimate_noise(capture)
    assert noise.gain == pytest.approx(3, rel=0.15)
    assert noise.level == pytest.approx(np.std(capture - clean), rel=0.1)


def test_light_noise():
    clean = SCENES["cells"]
    noise = nz.estimate_noise(nz.add_gaussian_noise(clean, 0.5, rng=0))
    assert 0.4 < noise.level < 1.0


def test_no_noise():
    y, x = np.mgrid[:200, :200] / 200
    assert nz.estimate_noise(255 * (y**2 + np.sin(3 * x))).level < 0.05
    assert nz.estimate_noise(SCENES["cells"]).level < 1
    steps = np.zeros((200, 200))
    steps[50:150, 80:] = 100
    steps[90:120, 20:50] = 40
    assert nz.estimate_noise(steps).level == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (9, 9), (30, 30), (200, 200)])
def test_constant(shape):
    noise = nz.estimate_noise(np.full(shape, 7, np.uint8))
    assert noise.level == 0
    assert noise.gain == 0
    assert noise.offset == 7


@pytest.mark.parametrize(
    "shape", [(1, 400), (400, 1), (2, 200), (11, 60), (12, 60), (40, 40), (90, 300)]
)
def test_small_images(shape):
    noisy = nz.add_gaussian_noise(np.full(shape, 100.0), 10.0, rng=0)
    assert nz.estimate_noise(noisy).level == pytest.approx(10, rel=0.2)


def test_one_pixel_and_two():
    assert nz.estimate_noise(np.array([[3.0]])).level == 0
    assert np.isfinite(nz.estimate_noise(np.array([[3.0, 5.0]])).level)


def test_equivariant():
    noisy = nz.add_poisson_gaussian_noise(SCENES["camera"], 2.0, 5.0, rng=0)
    one = nz.estimate_noise(noisy).rescaled(0.01, -3)
    other = nz.estimate_noise(0.01 * noisy - 3)
    for name in ("level", "gain", "offset", "read_noise", "correlation"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-6)


def test_same_answer_each_time_and_input_kept():
    noisy = nz.add_gaussian_noise(np.zeros((700, 700)), 1.0, rng=0)
    noisy.flags.writeable = False
    before = noisy.copy()
    assert nz.estimate_noise(noisy) == nz.estimate_noise(noisy)
    assert np.array_equal(noisy, before)


def test_windows_and_lists():
    clean = 100 + np.zeros((600, 600))
    noisy = nz.add_correlated_noise(clean, 10.0, 0.6, rng=0)
    windows = np.stack([noisy[:64, i : i + 64] for i in range(0, 536, 40)])
    for several in (windows, list(windows), (noisy[:50], noisy[100:, :70])):
        noise = nz.estimate_noise(several)
        assert noise.level == pytest.approx(10, rel=0.1)
        assert noise.correlation[:, 0] == pytest.approx([0.5, 0.5], abs=0.1)
    nested = [[1, 2, 1, 2], [2, 1, 2, 1]]
    assert nz.estimate_noise(nested) == nz.estimate_noise(np.array(nested))


@pytest.mark.parametrize("blur", [0, 1.5])
def test_small_images_know_how_well_they_are_known(blur):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(64, 64))
    noise = ndimage.gaussian_filter(noise, blur, mode="wrap") if blur else noise
    noise *= 8 / noise.std()
    found = nz.estimate_noise(np.repeat(np.arange(8.0), 8) + noise)
    assert found.level == pytest.approx(8, rel=0.1 + found.spread)
    assert found.spread < 0.3


def test_cost_does_not_grow_with_the_image():
    noisy = np.zeros((2048, 2048), np.float32)
    noisy += np.random.default_rng(0).standard_normal(noisy.shape, np.float32)
    sampled = blocks.sample_blocks([noisy])
    assert len(sampled) == blocks._MAX_BLOCKS
    assert nz.estimate_noise(noisy).level == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros(5), ValueError, "image must have shape"),
        (np.zeros((2, 2, 2, 2)), ValueError, "image must have shape"),
        (np.zeros((0, 5)), ValueError, "at least one pixel"),
        ([np.zeros(5), np.zeros(5), np.zeros((2, 2))], ValueError, "image must"),
        (np.full((9, 9), np.nan), ValueError, "NaN or infinite"),
        (np.diag([np.inf, 1, 2]), ValueError, "NaN or infinite"),
        (np.zeros((9, 9), complex), TypeError, "real numbers"),
        ([["a", "b"]], TypeError, "real numbers"),
    ],
)
def test_bad_images_are_named(image, error, message):
    with pytest.raises(error, match=message):
        nz.estimate_noise(image)


def test_single_pixels_tell_of_no_noise():
    assert nz.estimate_noise([np.array([[1.0]]), np.array([[5.0]])]).level == 0
