"""Pixels that say nothing are replaced; points of a scene are not."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.special import erf

from n2d import Noise2DetailDenoiser, NoiseWarning
from n2d.datasets import fluorescence_cells
from n2d.noise import Defects, NoiseModel, estimate_noise, hot_pixels

SIDE = 128
SCENE = 20 + 200 * fluorescence_cells((SIDE, SIDE), rng=1).astype(float)


def with_defects(image, share, rng):
    """Hot, dead and telegraph pixels: any value from far below to far above."""
    hot = rng.random(image.shape) < share
    jump = rng.choice([-1, 1, 1], image.shape) * rng.uniform(150, 600, image.shape)
    return np.where(hot, image + jump, image), hot


def points(sigma, count, rng):
    """Points of light as optics of a Gaussian blur (pixels) show them."""
    image = np.zeros((SIDE, SIDE))
    at = np.arange(SIDE)
    for y, x in rng.uniform(3, SIDE - 3, (count, 2)):
        spread = [
            (erf((at + 0.5 - c) / s) - erf((at - 0.5 - c) / s)) / 2
            for c, s in ((y, sigma * np.sqrt(2)), (x, sigma * np.sqrt(2)))
        ]
        image += rng.exponential(3000) * np.outer(*spread)
    return image


def text(rng):
    """Small print, with dots."""
    image = Image.new("L", (SIDE, SIDE), 250)
    for line in range(12):
        ImageDraw.Draw(image).text((2, 10 * line), "i.e. jijiji, 1.5: 0...", fill=5)
    return np.asarray(image, float)


def lattice(rng):
    """Dots as sharp as pixels, eight apart."""
    image = np.zeros((SIDE, SIDE))
    image[::8, ::8] = 200
    return image


def halftone(rng):
    """Dots at random, more of them where the scene is brighter."""
    density = 0.02 * fluorescence_cells((2 * SIDE, 2 * SIDE), rng=1)
    return 200.0 * (rng.random(density.shape) < density)


@pytest.mark.parametrize(("noise", "share"), [("white", 0.002), ("photons", 0.01)])
def test_defects_are_replaced(noise, share):
    rng = np.random.default_rng(0)
    image = SCENE + 40 + rng.normal(0, 8, SCENE.shape)
    if noise == "photons":
        image = rng.poisson(SCENE + 40).astype(float)
    broken, hot = with_defects(image, share, rng)
    denoiser = Noise2DetailDenoiser(random_state=0).fit(broken)
    assert denoiser.noise_.defects.hot == pytest.approx(hot.mean(), rel=0.25)
    result = denoiser.transform(broken)
    error, expected = (
        np.sqrt(np.mean((x - SCENE - 40) ** 2))
        for x in (result, Noise2DetailDenoiser(random_state=0).fit_transform(image))
    )
    assert error < 1.2 * expected
    assert abs(result.mean() - image.mean()) < 0.5
    assert denoiser.trust_.verdict == "good"


@pytest.mark.parametrize(("share", "most"), [(0.005, 1.2), (0.02, 1.8)])
def test_defects_that_strong_noise_nearly_hides_are_replaced(share, most):
    rng = np.random.default_rng(3)
    clean = np.tile(10 + 0.3 * SCENE, (2, 2))
    image = 6.0 * rng.poisson(clean / 6)
    broken = np.where(
        rng.random(image.shape) < share, rng.uniform(0, 255, image.shape), image
    )
    denoiser = Noise2DetailDenoiser(random_state=0)
    expected, error = (
        np.sqrt(np.mean((denoiser.fit_transform(x) - clean) ** 2))
        for x in (image, broken)
    )
    assert denoiser.noise_.defects.hot > 0.2 * share
    assert error < most * expected


@pytest.mark.parametrize("kind", ["dim", "impulses"])
def test_the_noise_of_images_with_many_defects_is_that_of_the_rest(kind):
    rng = np.random.default_rng(0)
    clean = np.tile(SCENE - SCENE.min(), (2, 2)) / 20
    if kind == "dim":  # most pixels count nothing, and hot ones have any value
        noisy, share = rng.poisson(clean / 4).astype(float), 0.03
        level = np.sqrt(np.mean(clean / 4))
    else:
        noisy, share, level = clean + 0.2 * rng.normal(size=clean.shape), 0.1, 0.2
    hot, low = rng.random(clean.shape) < share, 0 if kind == "dim" else -15
    noise = estimate_noise(np.where(hot, rng.uniform(low, 25, clean.shape), noisy))
    # Of dim ones some are among the photons.
    assert noise.level == pytest.approx(level, rel=0.4)
    assert noise.defects.hot > 0.1 * share


def test_defects_in_a_crowd_are_found_one_after_the_other():
    n_left = n_wrong = 0
    for seed in (2, 5):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(256, 256))
        hot = rng.random(noise.shape) < 0.03
        found = hot_pixels(np.where(hot, rng.uniform(20, 200, noise.shape), noise))
        n_left += (hot & ~found).sum()
        n_wrong += (found & ~hot).sum()
    assert n_wrong == 0
    assert n_left <= 4  # of 3,799: groups of four and more


@pytest.mark.parametrize("third", [(0, 1), (1, 0), (1, 1)], ids=["row", "L", "steps"])
def test_three_that_have_met_are_found_where_there_are_others(third):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(64, 64))
    three = np.zeros(noise.shape, bool)
    three[30, 30] = three[30, 31] = three[30 + third[0], 31 + third[1]] = True
    alone = np.where(three, 40 + noise, noise)
    assert not hot_pixels(alone).any()  # perhaps a point of the scene
    alone[10, 10] = 50
    found = hot_pixels(alone)
    assert found[10, 10]
    assert (found[three]).all()
    assert found.sum() == 4


def test_four_that_have_met_are_found_where_there_are_many():
    rng = np.random.default_rng(0)
    alone = rng.normal(size=(64, 64))
    alone[10, 10] = 50
    four = np.zeros(alone.shape, bool)
    four[[30, 31, 31, 32], [32, 30, 31, 32]] = True
    alone[four] = 66, 60, 69, 82
    assert not hot_pixels(alone)[four].all()
    assert hot_pixels(alone, share=0.02)[four].all()
    assert hot_pixels(alone, share=0.02).sum() == 5


@pytest.mark.parametrize(
    "scene",
    [
        lambda rng: points(0.5, 200, rng),
        lambda rng: points(1.0, 20, rng),
        text,
        lattice,
        halftone,
    ],
    ids=["stars", "beads", "text", "lattice", "halftone"],
)
def test_points_of_a_scene_are_no_defects(scene):
    rng = np.random.default_rng(0)
    clean = 50 + scene(rng)
    noisy = clean + rng.normal(0, 3, clean.shape)
    assert estimate_noise(noisy).defects.hot == 0


def test_where_there_are_defects_stars_stay():
    rng = np.random.default_rng(0)
    stars = points(0.6, 60, rng)
    broken, hot = with_defects(100 + stars + rng.normal(0, 3, stars.shape), 0.01, rng)
    noise = estimate_noise(broken)
    assert noise.defects.hot == pytest.approx(hot.mean(), rel=0.25)
    found = hot_pixels(broken / noise.level)
    bright = (stars > 60) & ~hot
    assert bright.sum() > 50
    assert found[bright].mean() < 0.02


def test_no_image_without_defects_changes_by_a_bit():
    # What is not there is not looked for: the rule has no reach.
    noisy = SCENE + np.random.default_rng(0).normal(0, 8, SCENE.shape)
    denoiser = Noise2DetailDenoiser().fit(noisy)
    assert denoiser.noise_.defects.hot == 0
    assert denoiser._intensities.reach == 0
    assert denoiser._intensities.known(noisy[None], None) is not None


def test_parts_are_what_the_whole_is():
    rng = np.random.default_rng(0)
    broken, _ = with_defects(SCENE + rng.normal(0, 8, SCENE.shape), 0.03, rng)
    denoiser = Noise2DetailDenoiser(random_state=0).fit(broken)
    whole = denoiser._intensities.forward(broken[None])
    reach = denoiser._intensities.reach
    part = denoiser._intensities.forward(broken[None, 32:100, 24:90])
    inner = (slice(None), slice(reach, -reach), slice(reach, -reach))
    np.testing.assert_array_equal(part[inner], whole[:, 32:100, 24:90][inner])
    assert (part != whole[:, 32:100, 24:90]).any()  # and less is not enough
    region = np.s_[40:97, 11:64]
    np.testing.assert_allclose(
        denoiser.transform(broken, region=region),
        denoiser.transform(broken)[region],
        atol=1e-3,
    )


def test_defects_are_believed_where_they_are_told(tmp_path):
    rng = np.random.default_rng(0)
    noisy, _ = with_defects(SCENE + rng.normal(0, 8, SCENE.shape), 0.01, rng)
    told = [NoiseModel(8.0, defects=Defects(hot=share)) for share in (0.0, 0.01)]
    replaced = Noise2DetailDenoiser(noise=told[1]).fit_transform(noisy)
    with pytest.warns(NoiseWarning, match="stand alone"):
        kept = Noise2DetailDenoiser(noise=told[0]).fit_transform(noisy)
    assert np.abs(kept - SCENE).max() > 100 > np.abs(replaced - SCENE).max()
    denoiser = Noise2DetailDenoiser(noise=told[1], random_state=0).fit(noisy)
    denoiser.save(tmp_path / "hot.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "hot.n2d")
    np.testing.assert_array_equal(loaded.transform(noisy), replaced)


@pytest.mark.parametrize("value", [5_000.0, 65_535.0, 1e7, -65_535.0])
def test_a_lone_pixel_far_beyond_all_others_spoils_nothing(value):
    noisy = SCENE + np.random.default_rng(0).normal(0, 10, SCENE.shape)
    plain = Noise2DetailDenoiser(random_state=0).fit_transform(noisy)
    noisy[60, 40] = value
    denoiser = Noise2DetailDenoiser(random_state=0)
    result = denoiser.fit_transform(noisy)
    assert denoiser.noise_.defects.hot == pytest.approx(1 / noisy.size)
    assert np.abs(result - plain).max() < 10
    assert abs(result[60, 40] - SCENE[60, 40]) < 15


def test_a_lone_pixel_within_the_contrast_stays():
    noisy = SCENE + np.random.default_rng(0).normal(0, 1, SCENE.shape)
    noisy[60, 40] = 700
    denoiser = Noise2DetailDenoiser(random_state=0)
    assert denoiser.fit_transform(noisy)[60, 40] > 600
    assert denoiser.noise_.defects.hot == 0
