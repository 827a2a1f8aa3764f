"""The noise of captures of one scene, and of captures that are not of one scene."""

import warnings

import numpy as np
import pytest
from scipy import ndimage

from n2d import NoiseWarning
from n2d.baselines import GaussianDenoiser
from n2d.datasets import fluorescence_cells
from n2d.noise import NoiseModel, estimate_noise

SIDE = 128
WIDE = 10.0 + 200 * fluorescence_cells((192, 192), rng=1).astype(float)


def scene(dy=0.0, dx=0.0, zoom=1.0):
    """The middle of a wider scene that has moved or grown."""
    at = (SIDE - 1) / 2
    grid = np.meshgrid(*2 * [np.arange(SIDE) - at], indexing="ij")
    y, x = (g / zoom + 95.5 - d for g, d in zip(grid, (dy, dx), strict=True))
    return ndimage.map_coordinates(WIDE, [y, x], order=1)


SCENE = scene()


def poisson(light, rng):
    return rng.poisson(light)


def blurred(light, rng):
    noise = ndimage.gaussian_filter(rng.normal(size=light.shape), 1.5, mode="wrap")
    return light + 50 * noise


NOISES = {
    "Gaussian": lambda light, rng: light + rng.normal(0, 8, light.shape),
    "Poisson": poisson,
    "correlated": blurred,
    "of rows": lambda light, rng: (
        light + rng.normal(0, 8, (SIDE, 1)) + rng.normal(0, 2, light.shape)
    ),
    "with spikes": lambda light, rng: np.where(
        rng.random(light.shape) < 0.01, 255, light + rng.normal(0, 5, light.shape)
    ),
    "few photons": lambda light, rng: rng.poisson(light / 400),
    "8 bits": lambda light, rng: np.clip(rng.poisson(light), 0, 90).astype("u1"),
}

STEADY = {
    "scene": lambda k, rng: SCENE,
    "flicker": lambda k, rng: SCENE * rng.normal(1, 0.01),
    "bleaching": lambda k, rng: SCENE * 0.9**k,
    "dark": lambda k, rng: np.full((SIDE, SIDE), 10.0),
    "evenly lit": lambda k, rng: 60 + np.add.outer(*2 * [np.arange(SIDE) / 8]),
}

CHANGING = {
    "moves": lambda k, rng: scene(0, 3.0 * k),
    "moves by less than a pixel": lambda k, rng: scene(0.5 * k, 0.3 * k),
    "is shaken": lambda k, rng: scene(*rng.uniform(-8, 8, 2)),
    "grows": lambda k, rng: scene(zoom=1 + 0.02 * k),
    "leaves the focus": lambda k, rng: ndimage.gaussian_filter(SCENE, 2.0 * (k % 2)),
}


def series(scenes, noise=poisson, n=6, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([noise(scenes(k, rng), rng) for k in range(n)])


@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
@pytest.mark.parametrize("scenes", STEADY.values(), ids=STEADY)
def test_a_steady_scene_is_believed_without_a_word(scenes, noise, n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NoiseModel.from_frames(series(scenes, noise, n))


@pytest.mark.parametrize("n", [2, 6])
@pytest.mark.parametrize("scenes", CHANGING.values(), ids=CHANGING)
def test_a_scene_that_changes_is_no_noise(scenes, n):
    for seed in range(2):
        frames = series(scenes, n=n, seed=seed)
        with pytest.warns(NoiseWarning, match=r"frames: the scene moves, grows .*auto"):
            NoiseModel.from_frames(frames)


def test_a_saturated_frame_is_no_noise():
    def saturated(light, rng):
        return np.minimum(rng.poisson(light), 255)

    frames = series(lambda k, rng: SCENE * 5**k, saturated, n=2)
    with pytest.warns(NoiseWarning, match="frames: bright places change otherwise"):
        NoiseModel.from_frames(frames)
    frames = series(lambda k, rng: SCENE * (5 if k == 2 else 1), saturated)
    with pytest.warns(NoiseWarning, match=r"1 of 6 stand out .*: 2\)"):
        noise = NoiseModel.from_frames(frames)
    assert noise.gain == pytest.approx(1, rel=0.1)


def test_two_scenes_are_no_noise():
    frames = series(lambda k, rng: SCENE if k else SCENE[::-1], n=2)
    with pytest.warns(NoiseWarning, match="they may show two scenes"):
        NoiseModel.from_frames(frames)
    frames = series(lambda k, rng: SCENE if k else SCENE[::-1], n=5)
    with pytest.warns(NoiseWarning, match=r"stand out .*: 0\)"):
        noise = NoiseModel.from_frames(frames)
    assert noise.gain == pytest.approx(1, rel=0.1)


def test_slow_change_in_one_place_is_seen_in_time():
    y, x = np.indices((SIDE, SIDE))
    spot = np.exp(-((y - 64.0) ** 2 + (x - 64.0) ** 2) / 800)
    frames = series(lambda k, rng: SCENE * (1 + 0.2 * k * spot), n=8)
    with pytest.warns(NoiseWarning, match="in a row"):
        NoiseModel.from_frames(frames)


@pytest.mark.parametrize("n", [2, 6])
@pytest.mark.parametrize("fading", [0.8, 0.9, 1.1])
def test_brightness_of_frames_is_taken_out(fading, n):
    noise = NoiseModel.from_frames(series(lambda k, rng: SCENE * fading**k, n=n))
    assert noise.gain == pytest.approx(1, rel=0.1)
    light = SCENE.mean() * np.mean(fading ** np.arange(n))
    assert noise.level == pytest.approx(np.sqrt(light), rel=0.03)
    assert noise.variance(50) == pytest.approx(50, rel=0.1)


@pytest.mark.parametrize("closed", [0, 3, 5])
def test_a_frame_that_stands_out_is_left_out(closed):
    frames = series(lambda k, rng: SCENE * (k != closed))
    with pytest.warns(NoiseWarning, match=rf"1 of 6 stand out .*: {closed}\)"):
        noise = NoiseModel.from_frames(frames)
    without = NoiseModel.from_frames(np.delete(frames, closed, axis=0))
    assert noise.level == pytest.approx(without.level)
    assert noise.gain == pytest.approx(without.gain, rel=0.01)
    moved = series(lambda k, rng: scene(0, 12.0 * (k == closed)))
    with pytest.warns(NoiseWarning, match="stand out"):
        assert NoiseModel.from_frames(moved).gain == pytest.approx(1, rel=0.1)


def test_one_of_two_with_the_shutter_closed():
    frames = series(lambda k, rng: SCENE * k, n=2)
    with pytest.warns(NoiseWarning, match="far darker"):
        NoiseModel.from_frames(frames)


@pytest.mark.parametrize("value", [SCENE, np.round(SCENE), np.zeros((SIDE, SIDE))])
def test_identical_frames_have_no_noise(value):
    with np.errstate(all="raise"):
        noise = NoiseModel.from_frames([value] * 3)
        assert noise.level == noise.gain == noise.read_noise == 0
        assert NoiseModel.from_frames([0.7 * value, value]).level == 0
        camera = NoiseModel.from_frames(dark=0 * frames_of(value), flat=frames_of(9))
        assert camera.level == camera.gain == camera.offset == 0


def frames_of(value):
    return np.full((3, 8, 8), 1.0) * np.mean(value)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-170, 1e140])
def test_tiny_and_huge_numbers(scale):
    frames = series(STEADY["scene"]).astype(float)
    expected = NoiseModel.from_frames(frames)
    with np.errstate(all="raise"):
        noise = NoiseModel.from_frames(scale * frames)
        measured = estimate_noise(scale * frames[0])
        GaussianDenoiser().fit(scale * frames[0]).transform(scale * frames[0])
    assert noise.level / scale == pytest.approx(expected.level)
    assert noise.gain / scale == pytest.approx(expected.gain, rel=0.02)
    assert measured.level / scale == pytest.approx(expected.level, rel=0.1)


def test_numbers_too_large_to_compute_with(capfd):
    frames = 1e160 * series(STEADY["scene"])
    with pytest.raises(ValueError, match=r"frames have values .* scale them to less"):
        NoiseModel.from_frames(frames)
    with pytest.raises(ValueError, match=r"dark and flat have values"):
        NoiseModel.from_frames(dark=frames / 1e160, flat=frames)
    assert capfd.readouterr() == ("", "")


def test_frames_come_in_any_container():
    frames = series(STEADY["scene"], n=3)
    expected = NoiseModel.from_frames(frames)
    assert NoiseModel.from_frames(list(frames)) == expected
    assert NoiseModel.from_frames(frame for frame in frames) == expected
    flat = NoiseModel.from_frames(dark=iter(0 * frames), flat=iter(frames))
    assert flat.read_noise == 0


@pytest.mark.parametrize(
    "frames",
    [
        SCENE,
        [SCENE],
        np.zeros((2, 0, 5)),
        [SCENE, SCENE[1:]],
        [SCENE, np.full_like(SCENE, np.nan)],
        object(),
        iter([]),
        "frames",
        1j * np.ones((2, 9, 9)),
    ],
)
def test_what_is_no_series_is_named(frames):
    with pytest.raises(ValueError, match="frames must be two or more frames"):
        NoiseModel.from_frames(frames)


@pytest.mark.parametrize("shape", [(2, 1, 1), (3, 1, 50), (4, 8, 8), (3, 16, 16)])
def test_small_frames(shape):
    frames = np.random.default_rng(0).normal(100, 5, shape)
    level = NoiseModel.from_frames(frames).level
    spread = frames.std(axis=0, ddof=1)
    assert level == pytest.approx(np.sqrt(np.mean(spread**2)), rel=0.1)
