"""Second thoughts about noise, against noise that is known."""

from dataclasses import replace

import numpy as np
import pytest

from n2d import Noise2DetailDenoiser
from n2d.datasets import training_scene
from n2d.noise import (
    NoiseModel,
    discount_texture,
    doubt_noise,
    least_level,
    refine_noise,
)

BLUR_04 = np.exp(-(np.arange(1, 5) ** 2) / (4 * 0.4**2))


def wiener(shape=(256, 256), signal=2.0, seed=0):
    """Signal and noise of one spectrum each: the best denoiser multiplies."""
    rng = np.random.default_rng(seed)
    y = signal * rng.standard_normal(shape) + rng.standard_normal(shape)
    keep = signal**2 / (signal**2 + 1)
    z = rng.standard_normal(shape)
    return {
        "denoised": [keep * y],
        "removed": [(1 - keep) * y],
        "probe": [z],
        "response": [keep * z],
    }


def test_the_best_denoiser_confirms_what_it_was_told():
    refined = refine_noise(NoiseModel(level=1.0), **wiener())
    assert refined.variance(0.0) == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(refined.correlation, 0, atol=0.02)


def test_noise_taken_for_correlated_is_recognized_as_white():
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((256, 256))
    nothing = np.zeros_like(noise)
    told = NoiseModel(level=2.0, correlation=np.full((2, 4), 0.3))
    refined = refine_noise(told, [nothing], [noise / 2], [nothing], [nothing])
    assert refined.level == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(refined.correlation, 0, atol=0.02)


@pytest.mark.parametrize(("taken", "level"), [(0.5, 0.8), (0.95, 1.0)])
def test_of_what_is_correlated_and_stays_less_is_believed(taken, level):
    rng = np.random.default_rng(2)
    w, z = rng.standard_normal((2, 256, 256))
    removed = taken * (w + np.roll(w, 1, axis=0)) / np.sqrt(2)  # neighbours: 0.5
    told = NoiseModel(level=1.0, correlation=[[0.3, 0, 0, 0], [0, 0, 0, 0]])
    refined = refine_noise(told, [w], [removed], [z], [(1 - taken**2) * z])
    assert refined.level == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize(("taken", "level"), [(0.95, 2.0), (0.6, 0.64)])
def test_what_is_nearly_all_taken_is_not_doubted(taken, level):
    # Told less than there is, the denoiser took no more than it was told.
    w, z = np.random.default_rng(3).standard_normal((2, 256, 256))
    told = NoiseModel(level=2.0, correlation=np.full((2, 4), 0.2))
    parts = [w], [taken * w], [z], [(1 - taken**2) * z]
    assert doubt_noise(told, *parts).level == pytest.approx(level, abs=0.1)


def test_places_with_hardly_any_light_do_not_count():
    # There the stabilized noise is weaker, whatever the gain.
    parts = wiener()
    told = NoiseModel(level=1.0, gain=0.5, read_noise=0.1)
    dark = np.zeros((256, 256))
    parts = {name: [part[0], dark] for name, part in parts.items()}
    lit = {name: [part[0]] for name, part in parts.items()}
    parts["denoised"], lit["denoised"] = [dark + 100, dark], [dark + 100]
    both, alone = refine_noise(told, **parts), refine_noise(told, **lit)
    assert both.gain == pytest.approx(alone.gain)
    assert alone.gain == pytest.approx(0.5, rel=0.03)


def test_neither_level_nor_correlation_ever_grows():
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((64, 65))
    rough = [3 * (noise[:, 1:] + noise[:, :-1])]
    nothing = [np.zeros((64, 64))]
    told = NoiseModel(level=1.0, correlation=[[0.0] * 4, [0.1, -0.1, 0.0, 0.0]])
    refined = refine_noise(told, nothing, rough, nothing, nothing)
    assert refined.level <= 1 + 1e-9
    assert (np.abs(refined.correlation) <= np.abs(told.correlation) + 1e-9).all()


def test_units_do_not_matter():
    told = NoiseModel(level=1.0, gain=0.1, offset=-8.0, read_noise=0.5)
    parts = wiener()
    refined = refine_noise(told, **parts).rescaled(3, 7)
    parts["denoised"] = [3 * x + 7 for x in parts["denoised"]]
    scaled = refine_noise(told.rescaled(3, 7), **parts)
    intensity = np.linspace(-20, 40, 7)
    np.testing.assert_allclose(
        scaled.variance(intensity), refined.variance(intensity), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1, 40)])
def test_images_too_small_to_tell_change_nothing(shape):
    told = NoiseModel(level=2.0)
    some = [np.ones(shape)]
    assert refine_noise(told, some, some, some, some) == told


def test_blur_is_kept_and_texture_is_not():
    blurred = NoiseModel(level=3.0, correlation=[BLUR_04, [0.3, 0.1, 0.0, 0.0]])
    kept = discount_texture(blurred)
    np.testing.assert_allclose(kept.correlation[0], BLUR_04, atol=1e-9)
    assert kept.correlation[1, 0] < blurred.correlation[1, 0]
    long = NoiseModel(level=3.0, gain=0.5, correlation=np.full((2, 4), 0.2))
    white = discount_texture(long)
    np.testing.assert_allclose(white.correlation, 0)
    assert white.level == pytest.approx(3 * 0.8)
    assert white.gain == pytest.approx(0.5 * 0.64)


def test_strong_and_negative_correlations_are_left_alone():
    strong = NoiseModel(level=1.0, correlation=[[0.6, 0.3], [0.6, 0.3]])
    assert discount_texture(strong) == strong
    ramp = NoiseModel(level=1.0, correlation=[[0.3, -0.2], [-0.1, -0.1]])
    assert discount_texture(ramp) == ramp


@pytest.mark.parametrize("spread", [0.05, 0.5])
def test_noise_of_a_known_level_has_the_correlation_that_is_seen(spread):
    # Sharpened and blurred, as by back-projection: negative further on, along y.
    rng = np.random.default_rng(4)
    f = [np.abs(np.fft.fftfreq(256))[:, None], np.abs(np.fft.fftfreq(256))]
    filtered = np.fft.fft2(rng.standard_normal((256, 256))) * (f[0] + 0.02)
    filtered *= np.exp(-20 * (f[0] ** 2 + f[1] ** 2))
    noise = np.fft.ifft2(filtered).real
    noise /= noise.std()
    truth = [[np.mean(n[k:] * n[:-k]) for k in (1, 2)] for n in (noise, noise.T)]
    assert truth[0][1] < -0.05
    across = [np.mean(n[1:, 1:] * n[:-1, :-1]) for n in (noise, noise[:, ::-1])]
    told = NoiseModel(1.0, correlation=[[0.2, 0, 0, 0], [0.5, 0, 0, 0]])
    told = replace(told, diagonals=np.zeros((2, 3)), spread=spread)
    nothing = [np.zeros(noise.shape)]
    refined = refine_noise(told, nothing, [noise], nothing, nothing)
    if spread < 0.1:
        np.testing.assert_allclose(refined.correlation[:, :2], truth, atol=0.03)
        np.testing.assert_allclose(refined.diagonals[:, 0], across, atol=0.03)
    else:
        assert (np.abs(refined.correlation[:, :2]) <= told.correlation[:, :2]).all()
        assert not refined.diagonals.any()
    assert refined.level <= 1


@pytest.mark.parametrize("kind", ["tissue", "objects"])
@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")
def test_second_thoughts_leave_of_a_level_what_is_known_of_it(kind, monkeypatch):
    # Noise that the network has never seen, stronger to the right in an image too small
    # for a map: told the mean, it takes away less than there is; told that, less again.
    scene = 100 * training_scene((64, 96), kind=kind, rng=12).astype(float)
    local = 25 * np.linspace(0.5, 1.5, 96)
    noisy = (scene + local * np.random.default_rng(0).standard_normal(scene.shape))[:60]
    level = Noise2DetailDenoiser(random_state=0).fit(noisy).noise_.level
    assert level == pytest.approx(25, rel=0.3)
    monkeypatch.setattr("n2d.noise.refine._SPREADS", np.inf)
    without = Noise2DetailDenoiser(random_state=0).fit(noisy).noise_.level
    assert without < 0.6 * level


def test_the_better_and_the_stronger_a_level_is_the_more_of_it_is_left():
    scene = [np.outer(np.arange(64.0), np.ones(64))]
    of_spread = [least_level(NoiseModel(1, spread=s), scene) for s in (0, 0.1, 0.4)]
    assert of_spread[0] == 1
    assert of_spread == sorted(of_spread, reverse=True)
    shares = [
        least_level(NoiseModel(level, spread=0.3), scene) / level
        for level in (1, 4, 20, 63)
    ]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(np.exp(-0.9))
    assert least_level(NoiseModel(1.0), scene) == 0
