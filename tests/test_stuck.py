"""Salt and pepper is replaced; clipped noise, highlights and photons are not."""

import numpy as np
import pytest

from n2d import Noise2DetailDenoiser
from n2d.datasets import fluorescence_cells
from n2d.noise import (
    Defects,
    NoiseModel,
    estimate_noise,
    stuck_pixels,
    without_stuck_pixels,
)
from n2d.noise.stuck import find_stuck

SIDE = 128
SCENE = 20 + 200 * fluorescence_cells((SIDE, SIDE), rng=1).astype(float)


def salted(image, share, rng, values=(0.0, 255.0)):
    """Pixels struck at random, and which ones."""
    struck = rng.random(image.shape) < share
    return np.where(struck, rng.choice(values, image.shape), image), struck


def noisy(level, rng):
    return (SCENE + rng.normal(0, level, SCENE.shape)).clip(0, 255)


def rmse(result):
    return np.sqrt(np.mean((result - SCENE) ** 2))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.2])
@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
def test_salt_and_pepper_costs_little_more_than_is_lost(share, dtype):
    rng = np.random.default_rng(0)
    image = noisy(8, rng)
    broken, struck = salted(image, share, rng)
    denoiser = Noise2DetailDenoiser(random_state=0).fit(broken.astype(dtype))
    assert [value for value, _, _ in denoiser.noise_.stuck] == [0.0, 255.0]
    found = sum(part for _, _, part in denoiser.noise_.stuck)
    assert found == pytest.approx(struck.mean(), rel=0.1)
    assert denoiser.noise_.level == pytest.approx(8, rel=0.2)
    plain = Noise2DetailDenoiser(random_state=0).fit_transform(image)
    # As if so many pixels fewer told something of the same scene, and a little more.
    most = rmse(plain) * (1 + 0.2 * (share > 0.05)) / np.sqrt(1 - share)
    assert rmse(denoiser.transform(broken.astype(dtype))) < 1.1 * most
    assert denoiser.trust_.verdict == "good"


@pytest.mark.parametrize("values", [(255.0,), (0.0,), (0.0, 255.0)])
def test_without_any_other_noise_too(values):
    broken, struck = salted(SCENE, 0.05, np.random.default_rng(0), values)
    result = Noise2DetailDenoiser(random_state=0).fit_transform(broken)
    # What is not struck stays, what is becomes what is around it.
    assert np.abs(result - SCENE)[~struck].max() < 3
    assert rmse(result) < 0.1 * rmse(broken)


def test_channels_are_struck_each_for_itself():
    rng = np.random.default_rng(0)
    clean = np.stack([SCENE, 0.5 * SCENE + 60], axis=-1)
    image = clean + rng.normal(0, 5, clean.shape)
    broken = image.copy()
    broken[..., 1], _ = salted(image[..., 1], 0.05, rng)
    denoiser = Noise2DetailDenoiser(channel_axis=-1, random_state=0).fit(broken)
    assert [len(noise.stuck) for noise in denoiser.noise_] == [0, 2]
    plain = Noise2DetailDenoiser(channel_axis=-1, random_state=0).fit_transform(image)
    errors = [
        np.std(x - clean, axis=(0, 1)) for x in (denoiser.transform(broken), plain)
    ]
    assert (errors[0] < 1.2 * errors[1]).all()


def photons(mean):
    return lambda rng: rng.poisson(mean * SCENE / SCENE.mean()).astype(float)


def pulses(rng):
    """Pulses of a photomultiplier, of any height, up to what its converter can hold."""
    counts = rng.poisson(3 * SCENE / SCENE.mean())
    return np.round(20 * rng.gamma(counts + 1e-9)).clip(0, 255)


def glints(rng):
    """Highlights at the end of the values, as optics show them."""
    at = np.arange(SIDE)
    image = 0 * SCENE
    for y, x in rng.uniform(3, SIDE - 3, (80, 2)):
        spread = [np.exp(-((at - c) ** 2) / (2 * 0.6**2)) for c in (y, x)]
        image += 800 * np.outer(*spread)
    return (SCENE / 2 + image + rng.normal(0, 3, image.shape)).clip(0, 255)


def lattice(rng):
    """Dots as sharp as pixels, all of one value."""
    image = noisy(5, rng) / 2
    image[4::8, 4::8] = 255
    return image


def lines(rng):
    """A grid drawn over an image."""
    row, column = np.indices(SCENE.shape)
    return np.where((row % 16 == 0) | (column % 16 == 0), 255.0, noisy(8, rng))


@pytest.mark.parametrize(
    "image",
    [
        *(photons(mean) for mean in (0.05, 0.5, 5, 50)),
        lambda rng: (1.5 * SCENE - 60 + rng.normal(0, 20, SCENE.shape)).clip(0, 255),
        lambda rng: np.round(noisy(12, rng) / 16) * 16,
        *(pulses, glints, lattice, lines),
    ],
    ids=[
        *(f"{mean} photons" for mean in (0.05, 0.5, 5, 50)),
        *("clipped", "rounded", "pulses", "glints", "lattice", "lines"),
    ],
)
def test_what_is_at_an_end_for_another_reason_stays(image):
    assert find_stuck([image(np.random.default_rng(0))]) == []


def test_where_the_scene_is_at_an_end_too_it_stays():
    rng = np.random.default_rng(0)
    image = noisy(5, rng)
    image[20:60, 30:90] = 255  # saturated, with corners
    broken, struck = salted(image, 0.04, rng)
    noise = estimate_noise(broken)
    assert [value for value, _, _ in noise.stuck] == [0.0, 255.0]
    (rest,) = without_stuck_pixels([broken], noise)
    bright = np.zeros(image.shape, bool)
    bright[20:60, 30:90] = True
    assert (rest[bright & ~struck] == 255).all()
    off = np.abs(rest - SCENE) > 60
    assert (off & ~bright).sum() < 0.1 * struck.sum()


def test_what_is_replaced_does_not_depend_on_unit_and_offset():
    broken, _ = salted(
        noisy(8, np.random.default_rng(0)), 0.05, np.random.default_rng(1)
    )
    plain = Noise2DetailDenoiser(random_state=0).fit_transform(broken)
    moved = Noise2DetailDenoiser(random_state=0).fit_transform(0.013 * broken - 7.1)
    np.testing.assert_allclose((moved + 7.1) / 0.013, plain, atol=0.5)


def test_parts_are_what_the_whole_is():
    broken, _ = salted(
        noisy(8, np.random.default_rng(0)), 0.1, np.random.default_rng(1)
    )
    intensities = Noise2DetailDenoiser(random_state=0).fit(broken)._intensities
    whole = intensities.forward(broken[None])
    part = intensities.forward(broken[None, 32:100, 24:90])
    reach = intensities.reach
    inner = (slice(None), slice(reach, -reach), slice(reach, -reach))
    np.testing.assert_array_equal(part[inner], whole[:, 32:100, 24:90][inner])


def test_they_are_believed_where_they_are_told_and_kept(tmp_path):
    rng = np.random.default_rng(0)
    broken, _ = salted(noisy(8, rng), 0.05, rng)
    measured = Noise2DetailDenoiser(random_state=0).fit(broken)
    told = NoiseModel.from_json(measured.noise_.to_json())
    assert told.stuck == measured.noise_.stuck
    given = Noise2DetailDenoiser(noise=told, random_state=0).fit(broken)
    assert rmse(given.transform(broken)) < 1.1 * rmse(measured.transform(broken))
    measured.save(tmp_path / "salted.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "salted.n2d")
    np.testing.assert_array_equal(loaded.transform(broken), measured.transform(broken))


def test_pixels_of_another_value_are_not_stuck():
    rng = np.random.default_rng(0)
    image = rng.normal(100, 1, (40, 40))
    image[10, 10], image[20, 20], image[30, 30] = 255.0, 254.0, 100.0
    found = stuck_pixels(image, image, [(255.0, 8, 0.01)])
    assert np.argwhere(found).tolist() == [[10, 10]]
    assert not stuck_pixels(image[:4], image[:4], [(255.0, 8, 0.01)]).any()


@pytest.mark.parametrize("unit", [1.0, 1 / 255, 1e-6])
@pytest.mark.filterwarnings("error")
def test_they_are_replaced_where_most_pixels_are_the_same(unit):
    struck = np.random.default_rng(0).random((64, 64)) < 0.03
    flat = np.where(np.arange(64) < 40, 100.0, 180.0) * np.ones((64, 1))
    noise = NoiseModel(0.0, defects=Defects(stuck=[(255.0 * unit, 3, 0.03)]))
    (replaced,) = without_stuck_pixels([np.where(struck, 255, flat) * unit], noise)
    assert not (replaced == 255 * unit).any()
    assert np.abs(replaced - flat * unit).max() <= 80 * unit


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")
def test_a_mask_with_ragged_borders_warns_of_no_overflow():
    y, x = np.mgrid[:96, :96]
    scene = 100 + 40 * np.sin(y / 9) * np.cos(x / 7) + 30 * (x > 48)
    rng = np.random.default_rng(0)
    mask = scene + rng.normal(0, 10, scene.shape) > 120
    assert np.isfinite(Noise2DetailDenoiser().fit_transform(mask)).all()
