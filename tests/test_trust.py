"""`trust_`: what a fit says of its own result."""

import json
import pickle
import warnings

import numpy as np
import pytest
from scipy import ndimage
from skimage.data import immunohistochemistry

import n2d
from n2d import Noise2DetailDenoiser, NoiseWarning
from n2d._trust import trust_of
from n2d.datasets import fluorescence_cells
from n2d.metrics import psnr
from n2d.noise import NoiseModel, Verdict, check_result, worst_of

SCENE = 200.0 * fluorescence_cells((128, 128), rng=1)
RANDOM = {"init": "random", "max_iter": 2, "detail_max_iter": 2, "hidden_channels": 6}


def white(seed=0, shape=SCENE.shape):
    return np.random.default_rng(seed).normal(size=shape)


def drowned(seed=0):
    """A scene of which nearly nothing is left to see."""
    return 0.01 * SCENE + 20 * white(seed)


def fitted(X, **parameters):
    """Fit without caring for warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        return Noise2DetailDenoiser(random_state=0, **parameters).fit(X)


@pytest.mark.parametrize("sigma", [5, 15, 30])
def test_a_good_result_is_good_and_warns_not(sigma):
    trust = Noise2DetailDenoiser(random_state=0).fit(SCENE + sigma * white()).trust_
    assert (trust.verdict, trust.reasons, trust.whole) == ("good", (), True)
    assert trust.figures["removed"] == pytest.approx(1, abs=0.2)
    assert [image.verdict for image in trust.images] == ["good"]


def test_pixels_that_stand_alone_in_the_result_are_told():
    rng = np.random.default_rng(0)
    noisy = SCENE + 8 * white()
    assert check_result([noisy], [SCENE], NoiseModel(8.0)).verdict == "good"
    broken = np.where(rng.random(SCENE.shape) < 0.005, SCENE + 400, SCENE)
    verdict = check_result([noisy], [broken], NoiseModel(8.0))
    assert verdict.verdict == "doubtful"
    assert "stand alone" in verdict.reasons[0]


def test_a_few_pixels_that_are_far_off_are_told_and_heavy_tails_are_not():
    rng = np.random.default_rng(0)
    few = rng.random(SCENE.shape) < 0.1
    impulses = np.where(few, rng.uniform(-60, 60, SCENE.shape), 2 * white())
    level = impulses.std()
    told = check_result([SCENE + impulses], [SCENE], NoiseModel(level))
    assert told.verdict == "doubtful"
    assert "far more than the others" in told.reasons[0]
    for tails in (rng.standard_t(6, SCENE.shape), rng.logistic(size=SCENE.shape)):
        noise = NoiseModel(float(8 * tails.std()))
        verdict = check_result([SCENE + 8 * tails], [SCENE], noise)
        assert verdict.verdict == "good"
        assert 0.8 < verdict.figures["tails"] < 1
    # Where hardly a photon falls most pixels see none, which is no defect.
    photons = rng.poisson(0.1, SCENE.shape).astype(float)
    mean = np.full(SCENE.shape, 0.1)
    verdict = check_result([photons], [mean], NoiseModel(0.1**0.5, gain=1.0))
    assert verdict.figures["tails"] == 1


@pytest.mark.parametrize("value", [1e5, -3.4e38, 1e30])
@pytest.mark.parametrize("rows", [4, 80])
def test_values_far_beyond_most_others_are_told(value, rows):
    noisy = SCENE + 8 * white()
    noisy[:rows] = value
    with pytest.warns(NoiseWarning, match="some values are .* beyond most others"):
        denoiser = Noise2DetailDenoiser(random_state=0).fit(noisy)
    assert denoiser.trust_.verdict == "doubtful"
    assert fitted(np.clip(noisy, -1000, 1000)).trust_.verdict == "good"


@pytest.mark.parametrize("axis", [0, 1])
def test_single_lines_that_stand_out_are_told_and_those_of_a_scene_are_not(axis):
    noisy = SCENE + 8 * white()

    def verdict(added):
        result = SCENE + np.moveaxis(added, axis, 0)
        return check_result([noisy], [result], NoiseModel(8.0))

    lines, zigzag, edge = np.zeros((3, *SCENE.shape))
    lines[[20, 90]] = -25.0
    zigzag[::2] = 25.0
    edge[50:] = 25.0
    found = verdict(lines)
    assert found.verdict == "doubtful"
    name = ("rows", "columns")[axis]
    assert f"2 {name} differ as a whole" in found.reasons[0]
    # A line that ends within the image, texture and an edge are no detector's.
    short = lines.copy()
    short[:, : len(short) // 3] = 0
    for scene in (short, zigzag, edge):
        assert "as a whole" not in " ".join(verdict(scene).reasons)


def test_colours_of_a_table_are_told_and_those_of_a_camera_and_grey_are_not():
    noisy = (SCENE + 20 * white()).clip(0, 255).round().astype(int)
    ramp = np.arange(256.0)
    table = np.stack([ramp, 255 * (ramp / 255) ** 3, 255 * np.sin(np.pi * ramp / 255)])
    trust = fitted(table[:, noisy], channel_axis=0).trust_
    assert trust.verdict == "doubtful"
    assert "colour table" in " ".join(trust.reasons)
    grey = np.stack([noisy, noisy, noisy])
    camera = (SCENE + 20 * white(2, (3, 128, 128))).clip(0, 255).round()
    for image in (grey, camera):
        reasons = fitted(image, channel_axis=0).trust_.reasons
        assert "colour table" not in " ".join(reasons)


@pytest.mark.parametrize("times", [(3, 2), (9, 9), (1, 4)])
def test_pixels_that_were_repeated_are_told(times):
    small = (SCENE + 10 * white())[: 128 // times[0], : 128 // times[1]]
    trust = fitted(np.kron(small, np.ones(times))).trust_
    assert trust.verdict in ("doubtful", "bad")
    rows, columns = times
    assert f"image[::{rows}, ::{columns}]" in " ".join(trust.reasons)


def test_a_wave_by_itself_along_lines_may_be_hum():
    y, x = np.indices(SCENE.shape)
    noisy = SCENE + 10 * white()
    hum = fitted(noisy + 20 * np.sin(2 * np.pi * y / 7.3)).trust_
    assert "a wave along rows or columns" in " ".join(hum.reasons)
    assert hum.figures["removed"] == pytest.approx(1, abs=0.1)
    colour = np.stack([noisy + 20 * np.sin(2 * np.pi * y / 7.3) + c for c in (0, 50)])
    reasons = fitted(colour, channel_axis=0).trust_.reasons
    assert sum("a wave along" in reason for reason in reasons) == 1  # not each
    lattice = 20 * np.sin(2 * np.pi * y / 7.3) * np.sin(2 * np.pi * x / 7.3)
    for other in (noisy, noisy + lattice):
        assert "a wave along" not in " ".join(fitted(other).trust_.reasons)
    gone = fitted(noisy + 20 * np.sin(2 * np.pi * y / 7.3), stripes="remove").trust_
    assert "a wave along" not in " ".join(gone.reasons)


def test_colours_are_judged_together():
    X = SCENE + 10 * white(1, (3, 128, 128))
    trust = Noise2DetailDenoiser(random_state=0, channel_axis=0).fit(X).trust_
    assert trust.verdict == "good"
    assert len(trust.images) == 1


def test_a_doubtful_result_warns_once_in_one_sentence_with_what_to_do():
    with pytest.warns(NoiseWarning) as caught:
        denoiser = Noise2DetailDenoiser(random_state=0).fit(drowned())
    assert len(caught) == 1
    assert denoiser.trust_.verdict != "good"
    text = str(caught[0].message)
    assert denoiser.trust_.reasons[0] in text
    assert "\n" not in text
    # To denoise with it is no news.
    denoiser.transform(drowned())


def test_the_warning_is_public():
    assert n2d.NoiseWarning is NoiseWarning
    assert issubclass(NoiseWarning, UserWarning)


def test_the_verdict_does_not_depend_on_the_scale():
    X = SCENE + 10 * white()
    one, other = fitted(X).trust_, fitted(3e-4 * X - 7).trust_
    assert one.verdict == other.verdict
    assert other.figures == pytest.approx(one.figures, rel=0.02, abs=0.02)


def test_of_several_images_the_worst():
    images = [SCENE + 20 * white(1), drowned(2), SCENE + 20 * white(3)]
    trust = fitted(images).trust_
    verdicts = [image.verdict for image in trust.images]
    assert verdicts[1] == trust.verdict != "good"
    assert verdicts[0] == verdicts[2] == "good"
    assert trust.reasons == trust.images[1].reasons
    assert trust.whole


def test_of_too_many_pixels_windows_are_judged():
    stack = SCENE + 10 * white(4, (20, 128, 128))
    trust = fitted(stack).trust_
    assert trust.verdict == "good"
    assert not trust.whole
    assert len(trust.images) > 1


def test_some_odd_windows_are_no_verdict_of_all():
    odd = Verdict("bad", ("odd",))
    few, many = [odd] * 3 + [Verdict()] * 17, [odd] * 6 + [Verdict()] * 14
    assert trust_of(few, whole=False).verdict == "good"
    assert trust_of(many, whole=False).verdict == "bad"
    assert trust_of(few, whole=True).verdict == "bad"


@pytest.mark.parametrize(
    ("X", "parameters"),
    [
        (SCENE + white(), RANDOM),
        (SCENE + white(), {**RANDOM, "solver": "paper"}),
        (np.add.outer(np.zeros(96), np.arange(96) // 24), {}),
        (SCENE[:40, :40] + 10 * white()[:40, :40], {}),
        (np.full((96, 96), 3.0), {}),
    ],
    ids=["random", "paper", "no noise", "small", "flat"],
)
def test_what_was_not_checked_is_not_called_good(X, parameters):
    trust = Noise2DetailDenoiser(random_state=0, **parameters).fit(X).trust_
    assert trust.verdict is None
    assert trust.reasons


@pytest.mark.parametrize(("side", "verdict"), [(48, None), (96, "good")])
def test_a_dead_frame_says_nothing_of_the_living(side, verdict):
    stack = (SCENE + 10 * white(5, (3, 128, 128)))[:, :side, :side]
    stack[1] = 7
    trust = Noise2DetailDenoiser(random_state=0).fit(stack).trust_
    assert trust.verdict == verdict
    assert [image.verdict for image in trust.images] == [verdict, None, verdict]
    assert any("pixels are the same" in reason for reason in trust.reasons)
    assert any("too small" in reason for reason in trust.reasons) == (side == 48)


def test_an_empty_channel_says_nothing_of_the_others():
    X = (SCENE + 10 * white(6, (3, 128, 128)))[:, :48, :48]
    X[2] = 0
    assert fitted(X, channel_axis=0).trust_.verdict is None


def test_who_asks_for_less_gets_no_warning_for_that():
    X = SCENE + 10 * white()
    assert fitted(X, strength=0.3).trust_.verdict == "good"


def test_trust_is_saved_and_pickled(tmp_path):
    denoiser = fitted([drowned(), SCENE + 20 * white()])
    denoiser.save(tmp_path / "model.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    for copy in (loaded, pickle.loads(pickle.dumps(denoiser))):
        assert copy.trust_ == denoiser.trust_
        assert type(copy.trust_) is type(denoiser.trust_)
    json.dumps(denoiser.trust_)


def test_a_file_says_how_far_to_trust_it(tmp_path):
    np.save(tmp_path / "noisy.npy", np.stack([drowned(), SCENE + 20 * white()]))
    with pytest.warns(NoiseWarning):
        done = n2d.denoise_file(
            tmp_path / "noisy.npy",
            tmp_path / "clean.npy",
            axes="TYX",
            fit_per="plane",
            random_state=0,
        )
    assert done.trust["verdict"] != "good"
    assert done.trust["reasons"]


# -- the check alone ---------------------------------------------------------------


def test_each_wrong_has_its_reason():
    noisy, noise = SCENE + 20 * white(), NoiseModel(20.0)
    mean = ndimage.uniform_filter(noisy, 21)
    for denoised, told, reason in [
        (noisy, noise, "only 0%"),
        (mean, noise, "has structure"),
        (SCENE, NoiseModel(10.0), "2.0 times as much was removed"),
        (0.02 * SCENE, NoiseModel(20.0), "stronger than the contrast"),
    ]:
        found = check_result([noisy], [denoised], told)
        assert found.verdict in ("doubtful", "bad")
        assert any(reason in text for text in found.reasons), found
    assert check_result([noisy], [SCENE], noise) == Verdict(
        figures=check_result([noisy], [SCENE], noise).figures
    )


def test_a_level_that_may_be_another_is_doubtful():
    noisy, rest = SCENE + 10 * white(), 4 * white()
    first = NoiseModel(10.0)

    def verdict(level, removed, spread, shape=SCENE.shape):
        here = tuple(slice(0, n) for n in shape)
        model = NoiseModel(level, spread=spread)
        found = check_result(
            [noisy[here]], [(noisy - removed)[here]], model, measured=first
        )
        return found.verdict, *found.reasons

    assert verdict(10.0, 10 * white(), 0.05) == ("good",)
    # Second thoughts left a third, of which half was removed.
    found = verdict(3.3, 0.4 * rest, 0.05)
    assert found[0] == "doubtful"
    assert "3.2 times as much noise" in found[1]
    # Nobody knows.
    assert "off by 50%" in verdict(10.0, 10 * white(), 0.5)[1]
    # Of a small image less is known.
    assert verdict(7.0, 7 * white(), 0.05) == ("good",)
    assert "1.5 times as much" in verdict(7.0, 7 * white(), 0.05, (64, 64))[1]


def test_texture_that_may_have_passed_for_noise_is_doubtful():
    def verdict(removed, correlation, strength=1.0, spread=0.05):
        model = NoiseModel(10.0, correlation=[[correlation], [0.0]], spread=spread)
        noisy = SCENE + 10 * white()
        after = noisy - removed * 10 * white()
        return check_result([noisy], [after], model, strength=strength).verdict

    assert verdict(0.6, 0.2) == "doubtful"
    assert verdict(0.95, 0.2) == verdict(0.6, 0.0) == verdict(0.6, 0.6) == "good"
    assert verdict(0.6, 0.2, strength=0.5) == "good"
    assert verdict(0.6, 0.2, spread=None) == "good"  # as it was told


def test_tissue_with_little_noise_is_not_called_well_measured():
    # 3.5 were measured of 2, with the verdict "good".
    clean = immunohistochemistry()[300:428, 280:408] @ [0.299, 0.587, 0.114]
    noisy = clean + np.random.default_rng(1).normal(0, 2, clean.shape)
    denoiser = fitted(noisy)
    assert denoiser.trust_.verdict != "good" or abs(
        np.log(denoiser.noise_.level / 2)
    ) < (np.log(1.5))
    assert psnr(clean, denoiser.transform(noisy), data_range=255) > 41.5


def test_hot_pixels_are_no_noise():
    noisy = SCENE + 10 * white()
    hot = np.random.default_rng(1).random(noisy.shape) < 0.01
    noisy[hot] += 500
    assert check_result([noisy], [SCENE], NoiseModel(10.0)).verdict == "good"


def test_the_worst_verdict_has_all_reasons_once():
    verdicts = [
        Verdict("doubtful", ("a", "b"), {"removed": 1.0}),
        Verdict(None, ("too small",)),
        Verdict("bad", ("c", "b"), {"removed": 0.0}),
        Verdict(),
    ]
    assert worst_of(verdicts) == Verdict("bad", ("c", "b", "a"), {"removed": 0.0})
    assert worst_of(verdicts[1:2]) == verdicts[1]
