import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2d.diagnostics import check_residual, fourier_ring_correlation
from n2d.noise import (
    NoiseModel,
    add_correlated_noise,
    add_gaussian_noise,
    add_poisson_gaussian_noise,
)


def scene(shape=(256, 256), seed=0):
    """Blobs between 0 and 1, about 8 pixels wide."""
    image = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return (image - image.min()) / np.ptp(image)


def test_the_residual_of_the_clean_image_is_noise():
    clean = 200 * scene()
    noise = NoiseModel(level=10.0)
    report = check_residual(add_gaussian_noise(clean, 10, rng=1), clean, noise)
    n = clean.size
    assert report.n_pixels == n
    assert report.level == pytest.approx(1, abs=4 / math.sqrt(2 * n))
    assert abs(report.signal_correlation) < 4 / math.sqrt(n)
    assert np.abs(report.correlation).max() < 4.5 / math.sqrt(n)
    assert report.mean_error == pytest.approx(10 / 256)
    assert abs(report.mean_shift) < 4 * report.mean_error


def test_signal_dependent_noise_counts_alike_in_dark_and_bright():
    clean = 10 + 300 * scene()
    noisy = add_poisson_gaussian_noise(clean, 2.0, 3.0, rng=2)
    noise = NoiseModel(level=18.0, gain=2.0, offset=0.0, read_noise=3.0)
    report = check_residual(noisy, clean, noise)
    assert report.level == pytest.approx(1, abs=0.01)
    bright = clean > np.median(clean)
    stretched = [(noisy[where], clean[where]) for where in (bright, ~bright)]
    for y, x in stretched:  # pixels without neighbours: only the level makes sense
        part = check_residual(y[None], x[None], noise)
        assert part.level == pytest.approx(1, abs=0.02)


def test_correlated_noise_is_expected_where_it_was_measured():
    clean = 200 * scene()
    noisy = add_correlated_noise(clean, 10, (0, 0.7), rng=3)
    report = check_residual(noisy, clean)
    true = math.exp(-1 / (4 * 0.7**2))
    assert report.correlation[1, 0] == pytest.approx(true, abs=0.03)
    assert report.correlation[0, 0] == pytest.approx(0, abs=0.03)
    assert abs(report.excess_correlation) < 0.1
    # The same residual would be a bad sign if the noise were white.
    white = check_residual(noisy, clean, NoiseModel(level=10.0))
    assert white.excess_correlation == pytest.approx(true, abs=0.03)
    assert report.mean_error > 1.3 * white.mean_error


def test_lost_contrast_shows_as_correlation_with_the_signal():
    clean = 200 * scene()
    noisy = add_gaussian_noise(clean, 10, rng=4)
    faded = clean.mean() + 0.5 * (clean - clean.mean())
    report = check_residual(noisy, faded, NoiseModel(level=10.0))
    lost = 0.5 * clean.std()  # residual: noise plus half of the signal
    expected = lost / math.hypot(lost, 10)
    assert report.signal_correlation == pytest.approx(expected, abs=0.01)
    assert report.level == pytest.approx(math.hypot(lost, 10) / 10, abs=0.02)
    assert report.excess_correlation > 0.3
    exaggerated = clean.mean() + 1.5 * (clean - clean.mean())
    report = check_residual(noisy, exaggerated, NoiseModel(level=10.0))
    assert report.signal_correlation == pytest.approx(-expected, abs=0.01)


def test_noise_left_in_and_a_shifted_mean_show():
    clean = 200 * scene()
    noisy = add_gaussian_noise(clean, 10, rng=5)
    half = (clean + noisy) / 2 + 3
    report = check_residual(noisy, half, NoiseModel(level=10.0))
    assert report.mean_shift == pytest.approx(3, abs=0.1)
    assert report.mean_shift > 50 * report.mean_error
    assert report.level == pytest.approx(math.hypot(0.5, 0.3), abs=0.01)
    nothing_removed = check_residual(noisy, noisy, NoiseModel(level=10.0))
    assert nothing_removed.level == nothing_removed.signal_correlation == 0


def test_the_report_is_indifferent_to_units_and_can_be_read():
    clean = 200 * scene()
    noisy = add_gaussian_noise(clean, 10, rng=6)
    report = check_residual(noisy, clean)
    other = check_residual(1e-3 * noisy + 5, 1e-3 * clean + 5)
    assert other.level == pytest.approx(report.level, rel=1e-3)
    assert other.correlation == pytest.approx(report.correlation, abs=1e-3)
    lines = str(report).splitlines()
    assert len(lines) == 5
    assert "residual / noise level" in lines[0]
    assert f"{report.level:.2f}" in lines[0]
    assert max(map(len, lines)) < 88


def test_a_stack_is_checked_as_one():
    clean = 200 * scene((3, 64, 64))
    noisy = add_gaussian_noise(clean, 10, rng=7)
    noise = NoiseModel(level=10.0)
    each = [
        check_residual(y, x, noise).level ** 2
        for y, x in zip(noisy, clean, strict=True)
    ]
    together = check_residual(noisy, clean, noise)
    assert together.level**2 == pytest.approx(np.mean(each))
    assert together.n_pixels == clean.size


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"denoised": np.ones((64, 65))}, ValueError, "same shape"),
        ({"denoised": np.full((64, 64), np.nan)}, ValueError, "denoised contains NaN"),
        ({"noisy": np.ones((64, 64), complex)}, TypeError, "noisy must hold real"),
        ({"noisy": np.ones(64)}, ValueError, "noisy must have shape"),
        ({"noise": 10.0}, TypeError, "noise must be a NoiseModel"),
        ({"noise": NoiseModel(level=0.0)}, ValueError, "no noise"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    arguments = {"noisy": np.eye(64), "denoised": np.eye(64), "noise": NoiseModel(1.0)}
    with pytest.raises(error, match=message):
        check_residual(**(arguments | change))


def frames(blur, level, seed, shape=(512, 512)):
    """Two noisy captures of white noise seen through a Gaussian blur."""
    rng = np.random.default_rng(seed)
    seen = gaussian_filter(rng.normal(size=shape), blur, mode="wrap")
    return seen + rng.normal(0, level, (2, *shape))


@pytest.mark.parametrize("shape", [(512, 512), (384, 512)])
def test_ring_correlation_follows_the_transfer_function(shape):
    blur, level = 1.5, 0.1
    frc = fourier_ring_correlation(*frames(blur, level, 0, shape))
    passed = np.exp(-4 * (np.pi * blur * frc.frequency) ** 2)
    expected = passed / (passed + level**2)
    tolerance = 0.02 + 4 / np.sqrt(frc.n_coefficients / 2)
    assert (np.abs(frc.correlation - expected) < tolerance).all()
    assert (frc.correlation - expected).mean() == pytest.approx(0, abs=0.01)
    # passed = level**2 / 6 is where the correlation is 1/7.
    at = math.sqrt(math.log(6 / level**2)) / (2 * math.pi * blur)
    assert frc.resolution() == pytest.approx(1 / at, rel=0.03)


def test_resolution_is_in_units_of_the_pixel_size():
    a, b = frames(1.5, 0.1, 1)
    pixels = fourier_ring_correlation(a, b)
    micrometres = fourier_ring_correlation(a, b, pixel_size=0.065)
    for criterion in ("1/7", "half-bit"):
        assert micrometres.resolution(criterion) == pytest.approx(
            0.065 * pixels.resolution(criterion)
        )
    assert micrometres.frequency.max() < 0.5 / 0.065
    assert "half-bit" in str(micrometres)


def test_ring_correlation_of_equal_and_of_unrelated_images():
    a, b = np.random.default_rng(2).normal(size=(2, 256, 256))
    same = fourier_ring_correlation(a, 3 * a + 7, pixel_size=2.0)
    assert same.correlation == pytest.approx(1)
    assert same.resolution() == 4.0
    unrelated = fourier_ring_correlation(a, b)
    # Half of the coefficients are the conjugates of the others, and the window
    # correlates neighbours.
    assert (np.abs(unrelated.correlation) < 8 / np.sqrt(unrelated.n_coefficients)).all()
    assert abs(unrelated.correlation[20:].mean()) < 0.02
    assert unrelated.resolution("half-bit") > 20


def test_thresholds():
    frc = fourier_ring_correlation(*frames(1.5, 0.1, 3))
    assert frc.threshold() == pytest.approx(1 / 7)
    # van Heel & Schatz (2005) print the numbers of the half-bit curve.
    root = np.sqrt(frc.n_coefficients)
    printed = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    assert frc.threshold("half-bit") == pytest.approx(printed, abs=1e-4)
    with pytest.raises(ValueError, match="criterion must be"):
        frc.threshold("1/3")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"second": np.ones((64, 65))}, ValueError, "same shape"),
        ({"first": np.ones((2, 64, 64))}, ValueError, "same shape"),
        ({"first": np.eye(8), "second": np.eye(8)}, ValueError, "at least 16"),
        ({"pixel_size": 0}, ValueError, "pixel_size must be finite and above 0"),
        ({"pixel_size": "1 um"}, TypeError, "pixel_size must be one number"),
    ],
)
def test_bad_frames_are_named(change, error, message):
    arguments = {"first": np.eye(64), "second": np.eye(64)}
    with pytest.raises(error, match=message):
        fourier_ring_correlation(**(arguments | change))
