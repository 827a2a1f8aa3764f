"""Simulated noise has the moments its parameters promise."""

import numpy as np
import pytest
from scipy import stats

from n2d import noise as nz

RAMP = np.tile(np.linspace(0.05, 1.0, 512), (512, 1))

SIMULATORS = {
    "gaussian": lambda im, rng: nz.add_gaussian_noise(im, 0.2, rng=rng),
    "poisson": lambda im, rng: nz.add_poisson_noise(im, 30, rng=rng),
    "poisson_gaussian": lambda im, rng: nz.add_poisson_gaussian_noise(
        im, 0.01, 0.02, rng=rng
    ),
    "correlated": lambda im, rng: nz.add_correlated_noise(im, 0.1, 0.8, rng=rng),
    "rician": lambda im, rng: nz.add_rician_noise(im, 0.1, rng=rng),
}
each_simulator = pytest.mark.parametrize("add", SIMULATORS.values(), ids=SIMULATORS)


@each_simulator
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", ">f4", "bool"])
def test_float64_out_same_shape_input_kept(add, dtype):
    image = np.ones((5, 7), dtype)
    image.flags.writeable = False
    noisy = add(image, 0)
    assert noisy.dtype == np.float64
    assert noisy.shape == image.shape
    assert np.all(image == 1)


@each_simulator
def test_seed_decides(add):
    image = RAMP[:16, :16]
    assert np.array_equal(add(image, 3), add(image, 3))
    assert np.array_equal(add(image, 3), add(image, np.random.default_rng(3)))
    assert not np.array_equal(add(image, 3), add(image, 4))


@each_simulator
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3, 4), (0, 3)])
def test_any_shape(add, shape):
    assert add(np.ones(shape), 0).shape == shape


@each_simulator
def test_bad_images_are_refused(add):
    with pytest.raises(ValueError, match="image has NaN"):
        add(np.array([[np.nan, 1.0]]), 0)
    with pytest.raises(TypeError, match="image must hold real numbers"):
        add(np.ones((2, 2), complex), 0)


def test_nothing_is_clipped():
    noisy = nz.add_gaussian_noise(np.zeros((64, 64)), 1.0, rng=0)
    assert noisy.min() < -2
    assert nz.add_poisson_noise(np.ones((64, 64)), 2, rng=0).max() > 2


def test_gaussian_is_gaussian():
    noise = nz.add_gaussian_noise(np.full((100, 100), 5.0), 2.0, rng=0) - 5
    assert stats.kstest(noise.ravel(), stats.norm(0, 2).cdf).pvalue > 1e-3


def test_poisson_is_poisson():
    counts = nz.add_poisson_noise(np.full((100, 100), 0.2), 20, rng=0) * 20
    values, observed = np.unique(counts.round(), return_counts=True)
    expected = stats.poisson(4.0).pmf(values) * counts.size
    common = expected > 20
    z = (observed - expected)[common] / np.sqrt(expected[common])
    assert np.sum(z**2) < stats.chi2(common.sum()).ppf(0.999)


def test_poisson_gaussian_mean_and_variance_follow_intensity():
    gain, sigma, offset = 2.0, 3.0, 100.0
    clean = offset + 80 * RAMP
    noisy = nz.add_poisson_gaussian_noise(clean, gain, sigma, offset=offset, rng=1)
    assert abs(np.mean(noisy - clean)) < 0.1
    variance = np.var(noisy - clean, axis=0)
    slope, intercept = np.polyfit(clean[0] - offset, variance, 1)
    assert slope == pytest.approx(gain, rel=0.03)
    assert intercept == pytest.approx(sigma**2, abs=3)


def test_poisson_gaussian_tends_to_gaussian():
    args = {"offset": 0.0, "rng": 0}
    flat = nz.add_poisson_gaussian_noise(RAMP, 0.0, 0.5, **args)
    assert np.array_equal(flat, nz.add_gaussian_noise(RAMP, 0.5, rng=0))
    near = nz.add_poisson_gaussian_noise(RAMP, 1e-9, 0.5, **args)
    assert np.std(near - RAMP) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("blur", [0.0, 0.3, 0.7, 1.1, (0.4, 1.0)])
def test_correlated_level_and_correlation(blur):
    noise = nz.add_correlated_noise(np.zeros((600, 600)), 2.0, blur, rng=0)
    assert noise.std() == pytest.approx(2.0, rel=0.02)
    for axis, b in enumerate(np.broadcast_to(blur, 2)):
        # The truth independently: autocorrelation of the sampled Gaussian.
        taps = np.exp(-0.5 * (np.arange(-9, 10) / max(b, 1e-9)) ** 2)
        truth = np.sum(taps[1:] * taps[:-1]) / np.sum(taps**2)
        rolled = np.moveaxis(noise, axis, 0)
        assert np.mean(rolled[1:] * rolled[:-1]) / 4 == pytest.approx(truth, abs=0.02)


def test_correlated_borders_have_the_same_level_and_share_nothing():
    noise = nz.add_correlated_noise(np.zeros((4000, 8, 8)), 1.0, 1.0, rng=0)
    assert noise.std(axis=0) == pytest.approx(np.ones((8, 8)), abs=0.06)
    assert abs(np.mean(noise[:, :, 0] * noise[:, :, -1])) < 0.02


def test_correlated_axes():
    noise = nz.add_correlated_noise(
        np.zeros((200, 200, 3)), 1.0, 0.8, axes=(0, 1), rng=0
    )
    assert np.mean(noise[1:] * noise[:-1]) > 0.6
    assert abs(np.mean(noise[..., 1:] * noise[..., :-1])) < 0.03


def test_rician_second_moment():
    # E[y**2] = x**2 + 2 sigma**2 whatever the signal.
    noisy = nz.add_rician_noise(RAMP, 0.3, rng=0)
    assert np.mean(noisy**2 - RAMP**2) == pytest.approx(2 * 0.09, rel=0.02)


@pytest.mark.parametrize("sigma", [1.0, 20.0])
def test_the_mean_of_rician_noise_is_undone(sigma):
    signal = np.array([0.0, 0.3, 1.0, 3.0, 29.9, 30.1, 36.0])
    mean = stats.rice.mean(signal, scale=sigma)
    found = nz.remove_rician_bias(mean, sigma) / sigma
    np.testing.assert_allclose(found[1:], signal[1:], rtol=2e-5)
    assert found[0] < 0.01
    # Darker than noise alone there is nothing, and far above it no bias.
    assert nz.remove_rician_bias([0.0, 1e9], sigma) == pytest.approx([0.0, 1e9])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nz.add_gaussian_noise(RAMP, -1), ValueError, "sigma"),
        (lambda: nz.add_gaussian_noise(RAMP, np.inf), ValueError, "sigma"),
        (lambda: nz.add_gaussian_noise(RAMP, "a"), TypeError, "sigma"),
        (lambda: nz.add_poisson_noise(RAMP, 0), ValueError, "peak"),
        (lambda: nz.add_poisson_noise(-RAMP, 5), ValueError, "shift or clip"),
        (lambda: nz.add_poisson_noise(RAMP, 1e19), ValueError, "photons in one"),
        (
            lambda: nz.add_poisson_gaussian_noise(RAMP, 1, 1, offset=1),
            ValueError,
            "offset=1",
        ),
        (
            lambda: nz.add_poisson_gaussian_noise(RAMP, 1, 1, offset=np.nan),
            ValueError,
            "offset",
        ),
        (lambda: nz.add_poisson_gaussian_noise(RAMP, -1, 1), ValueError, "gain"),
        (lambda: nz.add_correlated_noise(RAMP, 1, (1, 2, 3)), ValueError, "blur"),
        (lambda: nz.add_correlated_noise(RAMP, 1, -1), ValueError, "blur"),
        (lambda: nz.add_correlated_noise(RAMP[0], 1, 1), ValueError, "two axes"),
        (
            lambda: nz.add_correlated_noise(RAMP, 1, 1, axes=(0, 2)),
            ValueError,
            "axes",
        ),
        (
            lambda: nz.add_correlated_noise(RAMP, 1, 1, axes=(1, -1)),
            ValueError,
            "different",
        ),
        (lambda: nz.add_rician_noise(-RAMP, 1), ValueError, "magnitude"),
        (lambda: nz.remove_rician_bias(RAMP, 0), ValueError, "sigma"),
        (lambda: nz.remove_rician_bias(1j * RAMP, 1), TypeError, "denoised"),
    ],
)
def test_bad_parameters_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
