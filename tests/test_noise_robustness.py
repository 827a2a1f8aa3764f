"""Measuring and stabilising together, on what detectors really deliver."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from n2d.datasets import fluorescence_cells, training_scene
from n2d.noise import (
    NoiseModel,
    add_correlated_noise,
    add_gaussian_noise,
    add_poisson_gaussian_noise,
    estimate_noise,
    stabilize,
    unstabilize,
)

SCENE = 255 * fluorescence_cells((320, 320), rng=3).astype(np.float64)
CAMERA = {"gain": 2.0, "sigma": 4.0, "offset": 100.0}
NOISY = add_poisson_gaussian_noise(SCENE + 100, rng=0, **CAMERA)


def same(one, other, rel=1e-6):
    """Whether two measured models agree up to rounding."""
    size = max(one.level, 1e-300)
    return (
        one.level == pytest.approx(other.level, rel=rel)
        and one.gain == pytest.approx(other.gain, rel=rel, abs=rel)
        and one.offset == pytest.approx(other.offset, abs=rel * 100 * size)
        and one.read_noise == pytest.approx(other.read_noise, abs=rel * 100 * size)
        and one.correlation == pytest.approx(other.correlation, abs=10 * rel)
    )


@pytest.mark.parametrize("stretch", [1.0, 0.3])
def test_measured_noise_is_stabilised_everywhere(stretch):
    clean = stretch * SCENE + 100
    noisy = add_poisson_gaussian_noise(clean, rng=1, **CAMERA)
    noise = estimate_noise(noisy)
    residual = stabilize(noisy, noise) - stabilize(clean, noise)
    for low, high in ((0, 50), (50, 90), (90, 100)):
        inside = (clean >= np.percentile(clean, low)) & (
            clean <= np.percentile(clean, high)
        )
        assert residual[inside].std() == pytest.approx(1, abs=0.15)


def test_level_is_that_of_the_whole_image():
    truth = np.sqrt(np.mean((NOISY - SCENE - 100) ** 2))
    noise = estimate_noise(NOISY)
    assert noise.level == pytest.approx(truth, rel=0.1)
    assert noise.level == pytest.approx(
        np.sqrt(np.mean(noise.variance(SCENE + 100))), rel=0.1
    )


@pytest.mark.parametrize(("a", "b"), [(1 / 65535, 0.0), (37.0, -5000.0)])
def test_equivariant(a, b):
    assert same(estimate_noise(a * NOISY + b), estimate_noise(NOISY).rescaled(a, b))


def test_axes_follow_the_image():
    noisy = add_correlated_noise(SCENE, 12.0, (0.7, 0.0), rng=0)
    upright, turned = estimate_noise(noisy), estimate_noise(noisy.T)
    assert upright.correlation[0, 0] == pytest.approx(0.6, abs=0.1)
    assert upright.correlation[1, 0] == pytest.approx(0, abs=0.1)
    assert turned.correlation[::-1] == pytest.approx(upright.correlation, abs=0.05)
    assert turned.level == pytest.approx(upright.level, rel=0.05)


def test_layout_byte_order_and_width_do_not_matter():
    counts = np.round(NOISY).astype(np.uint16)
    expected = estimate_noise(counts)
    read_only = counts.copy()
    read_only.flags.writeable = False
    for other in (
        np.asfortranarray(counts),
        counts.astype(">u2"),
        counts.astype(np.float64),
        counts.astype(np.int32),
        np.repeat(counts, 2, axis=1)[:, ::2],
        read_only,
    ):
        assert same(estimate_noise(other), expected)
    assert same(estimate_noise(counts.astype(np.float32)), expected, rel=1e-4)


def test_same_answer_twice_and_input_kept():
    noisy = NOISY.copy()
    assert estimate_noise(noisy) == estimate_noise(noisy)
    assert np.array_equal(noisy, NOISY)


def test_windows_tell_what_the_image_tells():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 320 - 64, (40, 2))
    windows = np.stack([NOISY[y : y + 64, x : x + 64] for y, x in corners])
    truth = np.sqrt(2 * np.mean(SCENE) + 16)
    noise = estimate_noise(windows)
    assert noise.level == pytest.approx(truth, rel=0.15)
    assert noise.gain == pytest.approx(2, rel=0.15)


def test_large_image_as_its_part():
    large = np.tile(SCENE, (4, 4))
    noisy = add_poisson_gaussian_noise(large + 100, rng=2, **CAMERA)
    noise = estimate_noise(noisy)
    assert noise.level == pytest.approx(np.std(noisy - large - 100), rel=0.1)
    assert noise.gain == pytest.approx(2, rel=0.15)


def test_channels_are_measured_on_their_own():
    gains = (0.5, 2.0, 6.0)
    for channel, gain in enumerate(gains):
        noisy = add_poisson_gaussian_noise(SCENE, gain, 1.0, rng=channel)
        assert estimate_noise(noisy).gain == pytest.approx(gain, rel=0.15)


def test_detectors_that_clip_and_round():
    # Dark parts under 0 and bright parts over 255 are cut off, and with them the
    # noise of all the flat background: what is left is texture.
    noisy = add_gaussian_noise(1.4 * SCENE - 20, 12.0, rng=0)
    capture = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    noise = estimate_noise(capture)
    assert noise.read_noise == pytest.approx(12, rel=0.2)
    assert noise.correlation[:, 0] == pytest.approx(0, abs=0.12)


def test_empty_frame_around_the_image():
    framed = np.zeros((448, 448))
    framed[64:-64, 64:-64] = NOISY
    inside, whole = estimate_noise(NOISY), estimate_noise(framed)
    assert whole.gain == pytest.approx(inside.gain, rel=0.15)


def test_offset_much_larger_than_the_signal():
    shifted = estimate_noise(NOISY.astype(np.float32) + np.float32(60_000))
    assert shifted.level == pytest.approx(estimate_noise(NOISY).level, rel=0.02)


@pytest.mark.parametrize("read", [0.3, 1.0])
def test_object_on_a_background_without_light(read):
    # Nearly three quarters of the image have a hundredth of the noise of the rest, and
    # the rest is as rough as it is noisy everywhere.
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=y.shape), 2)
    inside = np.hypot(y, x) < 0.6
    clean = np.maximum(inside * (90 + 25 * texture / texture.std()), 0)
    noisy = add_poisson_gaussian_noise(clean, 8.0, read, rng=0)
    noise = estimate_noise(noisy)
    assert noise.gain == pytest.approx(8, rel=0.2)
    assert noise.level == pytest.approx(np.std(noisy - clean), rel=0.15)


@pytest.mark.parametrize("photons", [0.05, 0.5])
def test_hardly_any_photons(photons):
    clean = SCENE / SCENE.mean() * photons
    noise = estimate_noise(add_poisson_gaussian_noise(clean, 1.0, 0.0, rng=0))
    assert noise.level == pytest.approx(np.sqrt(photons), rel=0.2)


def test_signal_of_either_sign():
    noisy = np.round(add_gaussian_noise(8 * SCENE - 1000, 40.0, rng=0))
    noise = estimate_noise(noisy.astype(np.int16))
    assert noise.level == pytest.approx(40, rel=0.1)


def test_read_noise_alone_has_no_gain():
    noise = estimate_noise(add_gaussian_noise(SCENE, 10.0, rng=0))
    # What the gain adds to the variance from the darkest to the brightest pixel.
    assert noise.gain * np.ptp(SCENE) < 0.3 * noise.level**2


@pytest.mark.parametrize("value", [0, 7, -3.5, 1e6])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 5), (64, 64)])
def test_constant_images_have_no_noise(value, shape):
    noise = estimate_noise(np.full(shape, value))
    assert noise.level == pytest.approx(0, abs=1e-6 * max(1, abs(value)))
    assert noise.gain == 0
    assert noise.reach() == (0, 0)


def test_smooth_image_without_noise():
    y, x = np.mgrid[:128, :128] / 128
    assert estimate_noise(y**2 + np.sin(3 * x)).level < 1e-3


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.float32, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
    ).filter(lambda a: np.isfinite(a).all() and np.abs(a).max() < 1e15)
)
def test_any_small_image_gets_an_answer(image):
    noise = estimate_noise(image)
    assert isinstance(noise, NoiseModel)
    back = unstabilize(stabilize(image, noise), noise, unbiased=False)
    scale = np.abs(image.astype(np.float64)).max() + noise.level + 1e-30
    assert back == pytest.approx(image.astype(np.float64), abs=1e-6 * scale)
    assert np.isfinite(unstabilize(stabilize(image, noise), noise)).all()


@pytest.mark.parametrize("read", [0.15, 0.6])
def test_sparse_scene_rounded_to_8_bits(read):
    # Nine tenths of the image are dark and, after rounding, nearly constant.
    clean = 3.0 + np.maximum(SCENE - np.percentile(SCENE, 90), 0)
    noisy = add_poisson_gaussian_noise(clean, 2.0, read, offset=3.0, rng=0)
    noise = estimate_noise(np.clip(np.round(noisy), 0, 255).astype(np.uint8))
    assert noise.level == pytest.approx(np.std(noisy - clean), rel=0.1)
    assert noise.gain == pytest.approx(2, rel=0.15)


def test_drawing_without_noise():
    y, x = np.mgrid[:256, :256]
    drawing = 50 * (x // 50 % 2) + 30 * (y // 70) + 90 * (np.hypot(y - 99, x - 99) < 60)
    assert estimate_noise(drawing).level < 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_is_refused(bad):
    noisy = NOISY.copy()
    noisy[200, 100] = bad
    with pytest.raises(ValueError, match="NaN"):
        estimate_noise(noisy)


def test_not_numbers_are_refused():
    with pytest.raises(TypeError, match="real numbers"):
        estimate_noise(NOISY.astype(complex))


def test_texture_that_grows_with_light_is_no_noise_that_vanishes_in_the_dark():
    # Texture above a tenth of the range and none below is no photon noise: with the
    # straight line through it, darker pixels would lie far below the offset.
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 512) * np.ones((512, 1))
    texture = np.sqrt(np.maximum(ramp - 0.1, 0)) * rng.standard_normal(ramp.shape)
    image = 200 * (ramp + 0.05 * texture + 0.002 * rng.standard_normal(ramp.shape))
    noise = estimate_noise(image)
    assert noise.gain > 0
    assert image.min() > noise.offset - 5 * noise.gain
    assert noise.level == pytest.approx(np.std(image - 200 * ramp), rel=0.1)


@pytest.mark.parametrize(("seed", "rows"), [(0, 24), (0, 28), (12, 24)])
def test_a_band_of_one_value_does_not_keep_the_rest_from_being_measured(seed, rows):
    # Of the blocks 5 to 10 % say nothing: fewer than of an image without noise.
    scene = 200 * training_scene((200, 200), kind="objects", rng=seed).astype(float)
    rng = np.random.default_rng(seed)
    noisy = scene + 0.3 * rng.standard_normal(scene.shape)
    noisy[:rows] = np.median(noisy)
    whole, rest = estimate_noise(noisy), estimate_noise(noisy[rows:])
    assert whole.level == pytest.approx(rest.level, rel=0.3)
