"""Images that count few quanta tell their noise by their steps; others do not."""

import numpy as np
import pytest
from scipy import ndimage

from n2d import Noise2DetailDenoiser
from n2d.datasets import fluorescence_cells
from n2d.noise import estimate_noise
from n2d.noise.counts import gain_of_counts

SCENE = fluorescence_cells((192, 192), rng=1).astype(float) + 0.02
SCENE /= SCENE.mean()


@pytest.mark.parametrize("mean", [0.03, 0.1, 0.3, 0.6])
@pytest.mark.parametrize(("gain", "dark"), [(1, 0), (0.25, -3.0), (37.0, 100)])
def test_a_quantum_is_the_gain_and_the_noise_follows(mean, gain, dark):
    # A few bright places, by which a gain cannot be told.
    light = np.where(ndimage.gaussian_filter(SCENE, 1) > 6, 20, mean) * SCENE
    counts = np.random.default_rng(0).poisson(light)
    noise = estimate_noise(gain * counts + dark)
    assert noise.gain == pytest.approx(gain)
    assert noise.offset == dark
    assert noise.read_noise == 0
    assert noise.level == pytest.approx(gain * np.sqrt(light.mean()), rel=0.1)
    assert not noise.correlation.any()
    assert noise.spread < 0.015  # no map of places is looked for


@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")
def test_dim_images_are_better_than_any_blur():
    light = 0.13 * SCENE
    for seed in range(3):
        counts = np.random.default_rng(seed).poisson(light).astype(float)
        result = Noise2DetailDenoiser(random_state=0).fit_transform(counts)
        blurred = [ndimage.gaussian_filter(counts, blur) for blur in (1, 1.5, 2, 3)]
        best = min(np.std(image - light) for image in blurred)
        assert np.std(result - light) < best


@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")
def test_pixels_that_count_nothing_are_found_all_the_same():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.3 * SCENE).astype(float)
    hot = rng.random(counts.shape) < 0.003
    broken = np.where(hot, rng.integers(100, 900, counts.shape), counts)
    noise = estimate_noise(broken)
    assert noise.gain == 1
    assert noise.level == pytest.approx(np.sqrt(0.3), rel=0.1)
    assert noise.defects.hot == pytest.approx(hot.mean(), rel=0.25)
    result = Noise2DetailDenoiser(random_state=0).fit_transform(broken)
    assert result.max() < 30
    assert estimate_noise(counts).defects.hot == 0


def clipped(rng):
    """Weak noise about a background that was subtracted."""
    return np.round(rng.normal(0, 2, SCENE.shape)).clip(0)


def pulses(rng):
    """Photons that a photomultiplier answers by pulses of any height."""
    return np.round(20 * rng.gamma(rng.poisson(0.3 * SCENE) + 1e-9))


def text(rng):
    """Strokes, none of them by chance."""
    row, column = np.indices(SCENE.shape)
    return 1.0 * (row % 12 < 2) * (column % 40 < 30) + 1.0 * (row % 24 < 1)


@pytest.mark.parametrize(
    "image",
    [
        *(clipped, pulses, text),
        lambda rng: rng.poisson(20 * SCENE + 5).astype(float),  # many
        lambda rng: rng.poisson(0.3 * SCENE) + rng.normal(0, 0.3, SCENE.shape),
        lambda rng: ndimage.zoom(1.0 * rng.poisson(0.3 * SCENE), 1.5, order=1),
        lambda rng: 1.0 * (rng.random(SCENE.shape) < 0.1),  # two values say too little
        lambda rng: np.repeat(rng.poisson(0.3 * SCENE), 2, axis=1).astype(float),
        lambda rng: np.zeros((64, 64)),
        lambda rng: rng.poisson(0.3, (1, 5)).astype(float),
    ],
    ids=[
        *("clipped", "pulses", "text", "many", "read noise", "enlarged"),
        *("two values", "repeated", "constant", "tiny"),
    ],
)
def test_other_images_are_measured_otherwise(image):
    assert gain_of_counts([image(np.random.default_rng(0))]) is None
