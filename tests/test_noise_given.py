"""Noise that the user tells: `noise=` of the denoiser, and noise models as JSON."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from n2d import Noise2DetailDenoiser, TVDenoiser, denoise_noise2detail
from n2d._parameters import complaint_about
from n2d.metrics import psnr
from n2d.model_selection import SingleImageSplit
from n2d.noise import (
    Defects,
    NoiseModel,
    add_correlated_noise,
    noise_from_json,
    noise_to_json,
)

# What is told is wrong on purpose in some tests, and the verdict says so.
pytestmark = pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")

# Every field of a model, none as by default.
FULL = NoiseModel(
    level=7.0,
    offset=3.0,
    read_noise=6.0,
    correlation=[[0.5, 0.2, 0.0, 0.0], [0.3, 0.1, 0.0, 0.0]],
    diagonals=[[0.2, 0.0], [0.1, 0.0]],
    place=[[1.0, 2.0], [0.5, 1.0]],
    shared=[[1.0, 0.4], [0.4, 1.0]],
    defects=Defects(0.01, 2.0, 0.5, [(0.25, 0.5)], [(0.0, 8, 0.02)]),
    spread=0.05,
    curve=[[0.0, 100.0, 200.0], [40.0, 50.0, 30.0]],
)


@pytest.fixture
def scene():
    """A clean image of 64 x 96 pixels and what it looks like in white noise of 12."""
    y, x = np.mgrid[:64, :96]
    clean = 100 + 60 * np.sin(y / 9) * np.cos(x / 13) + 40 * (x > 50)
    return clean, clean + np.random.default_rng(0).normal(0, 12, clean.shape)


def fitted(noisy, **parameters):
    return Noise2DetailDenoiser(random_state=0, **parameters).fit(noisy)


def test_a_number_is_the_deviation_of_white_noise(scene):
    clean, noisy = scene
    told = fitted(noisy, noise=12)
    model = told.noise_
    assert model.level == pytest.approx(12)
    assert (model.gain, model.correlation.any()) == (0, False)
    assert (told.stop_reason_, told.n_iter_) == ("noise given", 1)
    assert psnr(clean, told.transform(noisy), 200) > psnr(clean, noisy, 200) + 6
    same = fitted(noisy, noise=NoiseModel(12.0)).transform(noisy)
    np.testing.assert_array_equal(told.transform(noisy), same)
    np.testing.assert_array_equal(denoise_noise2detail(noisy, noise=12, rng=0), same)


def test_more_noise_told_is_more_taken_away(scene):
    _, noisy = scene
    taken = [
        np.std(noisy - fitted(noisy, noise=noise).transform(noisy))
        for noise in (2, 6, 12, 24)
    ]
    assert taken == sorted(taken)
    stronger = fitted(noisy, noise=12, strength=1.5).transform(noisy)
    assert np.std(noisy - stronger) > taken[2]


def test_far_more_than_there_is_is_told(scene):
    trust = fitted(scene[1], noise=300).trust_
    assert trust.verdict == "bad"
    assert "of the given noise was removed: there is less" in trust.reasons[0]


@pytest.mark.parametrize(
    "noise", [12.0, NoiseModel(12, gain=0.5, offset=20, read_noise=8), FULL]
)
def test_what_is_told_is_scaled_with_the_image(scene, noise):
    _, noisy = scene
    if noise is FULL:
        noise = noise_from_json(noise_to_json(noise) | {"shared": None})
    scaled = 3 * noise if isinstance(noise, float) else noise.rescaled(3, 50)
    exact = {"precision": "float32"}
    one = fitted(noisy, noise=noise, **exact).transform(noisy)
    other = fitted(3 * noisy + 50, noise=scaled, **exact).transform(3 * noisy + 50)
    np.testing.assert_allclose(other, 3 * one + 50, rtol=1e-4)


def test_the_correlation_is_believed(scene):
    clean, _ = scene
    noisy = add_correlated_noise(clean, 12.0, 1.0, rng=0)
    lags = np.exp(-(np.arange(1, 5) ** 2) / 4)
    white, told = (
        psnr(clean, fitted(noisy, noise=noise).transform(noisy), 200)
        for noise in (12.0, NoiseModel(12.0, correlation=[lags, lags]))
    )
    assert told > white + 2


def test_a_map_is_believed(scene):
    clean, _ = scene
    level = np.where(np.arange(96) < 48, 3.0, 24.0)
    noisy = clean + level * np.random.default_rng(1).normal(size=clean.shape)
    even = fitted(noisy, noise=NoiseModel(17.0)).transform(noisy)
    place = [[3.0 / 17] * 4 + [24.0 / 17] * 4]
    told = fitted(noisy, noise=NoiseModel(17.0, place=place)).transform(noisy)
    assert psnr(clean, told, 200) > psnr(clean, even, 200) + 0.5


def test_one_for_every_channel(scene):
    clean, noisy = scene
    rng = np.random.default_rng(2)
    colours = np.stack([noisy, clean[::-1] + rng.normal(0, 3, clean.shape)])
    told = fitted(colours, channel_axis=0, noise=(12, NoiseModel(3.0)))
    assert [model.level for model in told.noise_] == pytest.approx([12, 3])
    for one in (5.0, NoiseModel(5.0)):
        model = fitted(colours, channel_axis=0, noise=one)
        assert [m.level for m in model.noise_] == pytest.approx([5, 5])
    with pytest.raises(ValueError, match=r"3 models.*2 channels"):
        fitted(colours, channel_axis=0, noise=[1, 2, 3])


def test_noise_that_channels_share_is_believed(scene):
    clean, _ = scene
    rng = np.random.default_rng(3)
    common, own = rng.normal(size=clean.shape), rng.normal(size=(2, *clean.shape))
    truth = np.stack([clean, 300 - clean])
    noisy = truth + 12 * (np.sqrt(0.7) * common + np.sqrt(0.3) * own)
    shared = np.array([[1.0, 0.7], [0.7, 1.0]])
    told = fitted(noisy, channel_axis=0, noise=NoiseModel(12.0, shared=shared))
    rotation = told._intensities.rotation
    np.testing.assert_allclose(rotation @ shared @ rotation.T, np.eye(2), atol=1e-6)
    assert psnr(truth, told.transform(noisy), 200) > psnr(truth, noisy, 200) + 6
    with pytest.raises(ValueError, match="shared"):
        fitted(clean, noise=FULL)


def test_where_there_is_no_noise_nothing_is_changed(scene):
    _, noisy = scene
    for image, noise in ((noisy, NoiseModel(0.0)), (np.full((32, 32), 7.0), 3.0)):
        denoiser = fitted(image, noise=noise)
        np.testing.assert_allclose(denoiser.transform(image), image, rtol=1e-6)
        assert denoiser.n_iter_ == 1


def test_other_starts_are_not_told(scene):
    for parameters in ({"solver": "paper"}, {"init": "random"}):
        with pytest.raises(ValueError, match="noise is for the network"):
            fitted(scene[1], noise=5.0, **parameters)


@pytest.mark.parametrize("noise", [0, -1.0, np.inf, "loud", None, True, [], [0], ["x"]])
def test_what_is_no_noise_is_refused(scene, noise):
    with pytest.raises((TypeError, ValueError), match="noise"):
        fitted(scene[1], noise=noise)


def test_it_is_a_parameter_like_others(scene):
    _, noisy = scene
    model = NoiseModel(12.0, correlation=[[0.2, 0], [0.1, 0]])
    denoiser = Noise2DetailDenoiser(noise=model, strength=0.8, random_state=0)
    assert clone(denoiser).get_params() == denoiser.get_params()
    search = GridSearchCV(
        Noise2DetailDenoiser(random_state=0),
        {"noise": ["auto", 3.0, model], "strength": [1.0, 1.5]},
        cv=SingleImageSplit(),
    ).fit(noisy)
    assert len(search.cv_results_["params"]) == 6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_model_file_keeps_what_was_told(scene, tmp_path):
    _, noisy = scene
    model = NoiseModel(12.0, gain=0.1, offset=30, correlation=[[0.2, 0], [0.1, 0]])
    for noise in (12.5, model):
        saved = fitted(noisy, noise=noise)
        saved.save(tmp_path / "told.n2d", overwrite=True)
        loaded = Noise2DetailDenoiser.load(tmp_path / "told.n2d")
        assert loaded.get_params() == saved.get_params()
        np.testing.assert_array_equal(loaded.transform(noisy), saved.transform(noisy))


def test_classical_denoisers_take_its_level(scene):
    _, noisy = scene
    model = NoiseModel(12.0, correlation=[[0.2, 0], [0.1, 0]])
    told = TVDenoiser(sigma=model).fit(noisy)
    assert told.noise_.correlation[0, 0] == 0.2
    expected = TVDenoiser(sigma=12.0).fit_transform(noisy)
    np.testing.assert_array_equal(told.transform(noisy), expected)
    colours = np.stack([noisy, noisy])
    told = TVDenoiser(sigma=(model, 3.0), channel_axis=0).fit(colours)
    assert told.sigma_.tolist() == [12, 3]


# -- JSON ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [NoiseModel(3.0), NoiseModel(3.0, 2.0, -5.0, 1.0), FULL]
)
def test_models_come_back_from_json(model):
    text = model.to_json()
    again = NoiseModel.from_json(text)
    assert again == model
    assert (again.spread, again.defects) == (model.spread, model.defects)
    assert again.to_json() == text
    assert complaint_about("noise", json.loads(text)) == ""


def test_the_shortest_model_is_its_level():
    assert json.loads(NoiseModel(3.0).to_json()) == {"level": 3.0}
    assert NoiseModel.from_json('{"level": 3}') == NoiseModel(3.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"gain": 1}, "level"),
        ({"level": "much"}, "level"),
        ({"level": True}, "level"),
        ({"level": -1}, "level"),
        ({"level": float("nan")}, "level"),
        ({"level": 1, "loudness": 2}, "loudness"),
        ({"level": 1, "spread": -0.1}, "spread"),
        ({"level": 1, "correlation": [[0.5], [0.1, 0.2]]}, "correlation"),
        ({"level": 1, "correlation": [[2.0], [0.1]]}, "correlation"),
        ({"level": 1, "place": [["a"]]}, "place"),
        ({"level": 1, "place": [[0.0]]}, "place"),
        ({"level": 1, "curve": [[0, 0], [1, 1]]}, "curve"),
        ({"level": 1, "diagonals": 3}, "diagonals"),
        ({"level": 1, "shared": [[3.0]]}, "shared"),
        ({"level": 1, "defects": 5}, "defects"),
        ({"level": 1, "defects": {"dead": 1}}, "dead"),
        ({"level": 1, "defects": {"periods": [[1]]}}, "periods"),
        ({"level": 1, "defects": {"stuck": [[1, 2]]}}, "stuck"),
        (5, "object"),
        ([{"level": 1}], "object"),
    ],
)
def test_json_that_is_no_model_is_refused_by_name(content, words):
    with pytest.raises(ValueError, match=words):
        NoiseModel.from_json(json.dumps(content))
