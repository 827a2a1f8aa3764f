"""The transform gives noise of standard deviation 1, the inverse the right mean."""

import numpy as np
import pytest
from scipy import stats

from n2d.noise import (
    NoiseModel,
    add_poisson_gaussian_noise,
    add_poisson_noise,
    stabilize,
    unstabilize,
)

# In units that are not photons and with an offset, so that a forgotten unit shows.
GAIN, OFFSET = 3.0, 40.0
READS = [0.0, 0.4, 1.0, 3.0, 9.0, 30.0]  # photons


def model(read, gain=GAIN, offset=OFFSET):
    return NoiseModel(level=1.0, gain=gain, offset=offset, read_noise=read * gain)


def moments_after(noise, photons):
    """Mean and variance of the stabilised noisy intensity, by direct summation."""
    read = noise.read_noise / noise.gain
    k = np.arange(stats.poisson.ppf(1e-12, photons), stats.poisson.isf(1e-12, photons))
    p = stats.poisson.pmf(k, photons)
    # Midpoints of a fine grid of the normal distribution: independent of quadrature
    # by Gauss and Hermite.
    z = np.linspace(-7, 7, 2001) if read else np.zeros(1)
    q = np.exp(-(z**2) / 2)
    y = noise.gain * (k[:, None] + read * z) + noise.offset
    weights = p[:, None] * q / (p.sum() * q.sum())
    f = stabilize(y, noise)
    mean = np.sum(weights * f)
    return mean, np.sum(weights * f**2) - mean**2


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("photons", [3, 5, 10, 30, 100, 1000])
def test_noise_has_standard_deviation_one(read, photons):
    _, variance = moments_after(model(read), photons)
    assert np.sqrt(variance) == pytest.approx(1, abs=0.035)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("photons", [0.3, 1, 2, 5, 10, 30, 59, 61, 100, 1000])
def test_inverse_is_unbiased(read, photons):
    noise = model(read)
    mean, _ = moments_after(noise, photons)
    found = (unstabilize(mean, noise) - OFFSET) / GAIN
    assert found == pytest.approx(photons, rel=2e-3, abs=2e-3)


def test_inverse_is_unbiased_on_simulated_counts():
    noise = NoiseModel(level=1.0, gain=1 / 7)
    for photons in (1, 4, 20, 100):
        noisy = add_poisson_noise(np.full((700, 700), photons / 7), 7, rng=photons)
        found = unstabilize(stabilize(noisy, noise).mean(), noise) * 7
        assert found == pytest.approx(photons, rel=0.01)


@pytest.mark.parametrize("read", READS)
def test_round_trip(read):
    noise = model(read)
    x = np.linspace(OFFSET - 200, OFFSET + 5000, 9999)
    back = unstabilize(stabilize(x, noise), noise, unbiased=False)
    assert back == pytest.approx(x, abs=1e-9)


def assert_smooth_and_rising(function, low, high):
    """Slopes are positive, and neighbouring ones meet as the step shrinks."""
    jumps = []
    for n in (20_001, 200_001):
        x = np.linspace(low, high, n)
        slope = np.diff(function(x)) / np.diff(x)
        assert np.all(slope > 0)
        jumps.append(np.abs(np.diff(slope)).max())
    assert jumps[1] < 0.2 * jumps[0]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("unbiased", [True, False])
def test_inverse_rises_with_continuous_derivative(read, unbiased):
    noise = model(read)
    assert_smooth_and_rising(
        lambda d: unstabilize(d, noise, unbiased=unbiased), -10, 60
    )


@pytest.mark.parametrize("read", READS)
def test_transform_rises_with_continuous_derivative(read):
    noise = model(read)
    assert_smooth_and_rising(lambda x: stabilize(x, noise), OFFSET - 50, OFFSET + 900)


@pytest.mark.parametrize(("a", "b"), [(1 / 255, 0.0), (250.0, -3e4), (1.0, 100.0)])
@pytest.mark.parametrize("noise", [model(0.7), NoiseModel(2.0, offset=3.0)])
def test_equivariant(noise, a, b):
    x = np.linspace(20, 400, 50)
    f = stabilize(x, noise)
    other = noise.rescaled(a, b)
    assert stabilize(a * x + b, other) == pytest.approx(f, abs=1e-9)
    expected = a * unstabilize(f, noise) + b
    assert unstabilize(f, other) == pytest.approx(expected, abs=1e-6 * a)


@pytest.mark.parametrize("gain", [0.0, 1e-300, 1e-12, 1e-7])
def test_without_photon_noise_it_is_affine(gain):
    noise = NoiseModel(level=2.0, gain=gain, offset=5.0, read_noise=2.0)
    x = np.linspace(-100, 300, 401)
    assert stabilize(x, noise) == pytest.approx((x - 5) / 2, abs=1e-3)
    assert unstabilize((x - 5) / 2, noise) == pytest.approx(x, abs=3e-3)


def test_without_noise_it_is_a_shift():
    noise = NoiseModel(level=0.0, offset=5.0)
    x = np.array([-1.0, 7.0])
    assert np.array_equal(stabilize(x, noise), x - 5)
    assert np.array_equal(unstabilize(x - 5, noise), x)


def test_denoised_scene_keeps_its_mean():
    # A low-light camera: the mean over pixels stands for a perfect denoiser.
    clean = np.full((600, 600), 102.0)
    noisy = add_poisson_gaussian_noise(clean, 2.0, 1.0, offset=100.0, rng=0)
    noise = NoiseModel(level=2.2, gain=2.0, offset=100.0, read_noise=1.0)
    mean = stabilize(noisy, noise).mean()
    assert unstabilize(mean, noise) == pytest.approx(102, abs=0.02)
    assert unstabilize(mean, noise, unbiased=False) < 101.8


@pytest.mark.parametrize("function", [stabilize, unstabilize])
@pytest.mark.parametrize("shape", [(), (0,), (1, 1), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", ">f8"])
def test_any_shape_and_dtype(function, shape, dtype):
    image = np.full(shape, 60, dtype)
    image.flags.writeable = False
    result = function(image, model(0.5))
    assert result.shape == shape
    assert result.dtype == np.float64
    expected = function(np.float64(60), model(0.5))
    assert np.all(result == expected)
    assert np.all(image == 60)


@pytest.mark.parametrize("function", [stabilize, unstabilize])
def test_bad_input_is_named(function):
    with pytest.raises(TypeError, match="noise must be a NoiseModel, got float"):
        function(np.zeros(3), 1.0)
    with pytest.raises(TypeError, match="must hold real numbers"):
        function(np.zeros(3, complex), model(0))


@pytest.mark.parametrize("read", [0.0, 1.0, 16.0])
def test_pixels_too_dark_for_the_model_stay_near(read):
    # Without photons or read noise to explain them they would go off towards minus
    # infinity, and pull their neighbours along.
    noise = NoiseModel(level=10.0, gain=0.1, read_noise=read * 0.1)
    start = -4 * noise.read_noise - noise.gain
    dark = start - np.array([0.0, 40.0, 200.0])
    stabilized = stabilize(dark, noise)
    np.testing.assert_allclose(np.diff(stabilized), [-4.0, -16.0])
    for unbiased in (True, False):
        back = unstabilize(stabilized, noise, unbiased=unbiased)
        np.testing.assert_allclose(np.diff(back), [-40.0, -160.0])
