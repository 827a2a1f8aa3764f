"""The score and the scorers; searches are in test_searches.py."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from n2d import (
    GaussianDenoiser,
    IdentityDenoiser,
    MedianDenoiser,
    Noise2DetailDenoiser,
    NonLocalMeansDenoiser,
    TVDenoiser,
    metrics,
)
from n2d.datasets import fluorescence_cells
from n2d.model_selection import (
    SingleImageSplit,
    get_scorer,
    get_scorer_names,
    judge,
    self_supervised_score,
)
from n2d.noise import (
    NoiseWarning,
    add_correlated_noise,
    add_gaussian_noise,
    add_poisson_gaussian_noise,
)


def scene(shape=(128, 128), seed=0):
    """Smooth blobs with a few sharp edges, from 0 to 100."""
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.normal(size=shape), 5)
    image = np.where(image > 0.03, image + 0.1, image)
    return 100 * (image - image.min()) / np.ptp(image)


class Known(TransformerMixin, BaseEstimator):
    """Returns what it is made of, whatever it is given: for scores with a truth."""

    def __init__(self, result=None, channel_axis=None):
        self.result = result
        self.channel_axis = channel_axis

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return self.result


def share_removed(denoiser, noisy, clean):
    """What the score estimates."""
    error = np.mean((denoiser.transform(noisy) - clean) ** 2)
    return 1 - error / np.mean((noisy - clean) ** 2)


NOISES = {
    "gaussian": lambda x, seed: add_gaussian_noise(x, 15, rng=seed),
    "correlated": lambda x, seed: add_correlated_noise(x, 15, 0.7, rng=seed),
    "photons": lambda x, seed: add_poisson_gaussian_noise(x, 3.0, 4.0, rng=seed),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(
    "denoiser",
    [
        GaussianDenoiser(blur=0.4),
        GaussianDenoiser(blur=1.0),
        GaussianDenoiser(blur=6.0),
        MedianDenoiser(size=3),
        TVDenoiser(),
        Noise2DetailDenoiser(random_state=0),
        IdentityDenoiser(),
    ],
    ids=lambda d: type(d).__name__ + str(getattr(d, "blur", "")),
)
def test_the_score_is_the_share_of_the_noise_that_is_removed(noise, denoiser):
    clean = scene((256, 256))
    noisy = NOISES[noise](clean, 100)
    denoiser.fit(noisy)
    # The error is that at 1.09 times the variance, and is given in units of that.
    probed = noisy + 0.3 * (NOISES[noise](clean, 101) - clean)
    error = np.mean((denoiser.transform(probed) - clean) ** 2)
    truth = 1 - error / (1.09 * np.mean((noisy - clean) ** 2))
    score = denoiser.score(noisy)
    assert score == pytest.approx(truth, abs=0.05)
    assert score == pytest.approx(share_removed(denoiser, noisy, clean), abs=0.12)


def test_the_score_of_a_known_result_is_exact_on_average():
    clean = scene((256, 256))
    noisy = add_gaussian_noise(clean, 15, rng=1)
    perfect = self_supervised_score(Known(clean), noisy)
    assert perfect == pytest.approx(1, abs=0.05)
    for offset in (10.0, 20.0):
        worse = self_supervised_score(Known(clean + offset), noisy)
        expected = perfect - offset**2 / (1.09 * 15**2)
        assert worse == pytest.approx(expected, abs=0.05)


def test_neither_noise_left_in_nor_blur_is_rewarded():
    clean = fluorescence_cells((256, 256), rng=2) * 200
    noisy = add_poisson_gaussian_noise(clean, 4.0, 5.0, rng=2)
    blurs = (0.3, 0.7, 1.2, 2.5, 6.0)
    fitted = [GaussianDenoiser(blur=blur).fit(noisy) for blur in blurs]
    scores = [denoiser.score(noisy) for denoiser in fitted]
    truth = [share_removed(denoiser, noisy, clean) for denoiser in fitted]
    assert np.argmax(scores) == np.argmax(truth)
    assert 0 < np.argmax(truth) < len(blurs) - 1
    assert np.argsort(scores).tolist() == np.argsort(truth).tolist()


def test_rare_photons_are_no_detail():
    # To Gaussian probes, what keeps single bright pixels seems to remove all noise.
    clean = 0.6 * fluorescence_cells((192, 192), rng=3)
    photons = np.random.default_rng(3).poisson(clean / clean.mean() * 0.6)
    noisy = (10.0 * photons).astype(np.float32)
    fitted = [
        denoiser.fit(noisy)
        for denoiser in (TVDenoiser(), GaussianDenoiser(blur=2), IdentityDenoiser())
    ]
    scores = [denoiser.score(noisy) for denoiser in fitted]
    truth = [
        share_removed(denoiser, noisy, 10 * clean / clean.mean() * 0.6)
        for denoiser in fitted
    ]
    assert max(scores) <= 1
    assert np.argsort(scores).tolist() == np.argsort(truth).tolist() == [2, 0, 1]
    assert scores == pytest.approx(truth, abs=0.12)


def test_where_noise_and_texture_look_alike_there_is_no_score():
    noisy = data.grass()[:128, :128].astype(np.float32)
    denoiser = GaussianDenoiser(blur=1.5).fit(noisy)
    with pytest.warns(NoiseWarning, match="keep the default"):
        score = denoiser.score(noisy)
    assert np.isnan(score)
    search = GridSearchCV(
        GaussianDenoiser(), {"blur": [1.5, 0.3, 5]}, cv=SingleImageSplit()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(noisy)
    assert search.best_params_ == {"blur": 1.5}  # the first


def test_a_share_above_one_is_no_score():
    clean = scene()
    noisy = add_gaussian_noise(clean, 15, rng=13)
    # Nearer to the noisy image than the clean one is, and no noise comes through.
    with pytest.warns(NoiseWarning, match="more than all noise"):
        assert np.isnan(self_supervised_score(Known((clean + noisy) / 2), noisy))


def test_the_standard_error_of_a_difference_covers_it():
    clean = scene()
    weak, strong = GaussianDenoiser(blur=0.8), GaussianDenoiser(blur=1.1)
    off = []
    for seed in range(4):
        noisy = add_gaussian_noise(clean, 15, rng=seed)
        pair = [judge(d.fit(noisy), noisy) for d in (weak, strong)]
        truth = [share_removed(d, noisy, clean) for d in (weak, strong)]
        error = pair[1].standard_error(pair[0])
        off.append((pair[1].score - pair[0].score - truth[1] + truth[0]) / error)
        assert error < pair[1].standard_error()
    assert np.sqrt(np.mean(np.square(off))) < 2.5


def test_correlated_noise_left_in_is_seen():
    # To a score that takes the noise for white, the blur of a pixel would seem to
    # leave nothing of it.
    clean = scene()
    noisy = add_correlated_noise(clean, 15, 0.8, rng=3)
    weak, strong = (GaussianDenoiser(blur=b).fit(noisy) for b in (0.8, 2.5))
    assert weak.score(noisy) < strong.score(noisy) - 0.1


@pytest.mark.parametrize(
    "denoiser", [GaussianDenoiser(blur=1.5), NonLocalMeansDenoiser()]
)
def test_gain_and_offset_do_not_change_the_score(denoiser):
    noisy = add_poisson_gaussian_noise(scene(), 3.0, 4.0, rng=4)
    expected = denoiser.fit(noisy).score(noisy)
    for scaled in (0.001 * noisy + 7, 300 * noisy - 1e4):
        assert denoiser.fit(scaled).score(scaled) == pytest.approx(expected, abs=2e-3)


def test_the_score_is_deterministic_and_touches_nothing():
    noisy = add_gaussian_noise(scene(), 15, rng=5)
    noisy.flags.writeable = False
    before = noisy.copy()
    denoiser = GaussianDenoiser().fit(noisy)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    scores = {denoiser.score(noisy) for _ in range(2)}
    assert len(scores) == 1
    np.testing.assert_array_equal(noisy, before)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_the_score_ignores_y_and_takes_every_layout():
    clean = np.stack([scene((96, 96), seed) for seed in range(3)])
    noisy = add_gaussian_noise(clean, 15, rng=6)
    stack = GaussianDenoiser(blur=1.5).fit(noisy)
    assert stack.score(noisy, clean) == stack.score(noisy)
    assert stack.score(list(noisy)) == stack.score(noisy)
    colour = GaussianDenoiser(blur=1.5, channel_axis=0).fit(noisy)
    last = np.moveaxis(noisy, 0, -1)
    moved = GaussianDenoiser(blur=1.5, channel_axis=-1).fit(last)
    assert moved.score(last) == pytest.approx(colour.score(noisy), abs=1e-9)
    sizes = [noisy[0], noisy[1, :60], noisy[2, :, :40]]
    truth = 1 - sum(
        np.sum((o - c) ** 2)
        for o, c in zip(
            stack.transform(sizes),
            [clean[0], clean[1, :60], clean[2, :, :40]],
            strict=True,
        )
    ) / (225 * sum(x.size for x in sizes))
    assert stack.score(sizes) == pytest.approx(truth, abs=0.08)


def test_every_channel_has_its_own_noise():
    clean = np.stack([scene(seed=0), scene(seed=1)])
    noisy = np.stack(
        [
            add_gaussian_noise(clean[0], 5, rng=7),
            add_gaussian_noise(clean[1], 30, rng=8),
        ]
    )
    denoiser = GaussianDenoiser(blur=1.5, channel_axis=0).fit(noisy)
    truth = share_removed(denoiser, noisy, clean)
    assert denoiser.score(noisy) == pytest.approx(truth, abs=0.1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_the_score_does_not_depend_on_the_dtype(dtype):
    noisy = np.rint(add_gaussian_noise(60 + scene(), 10, rng=9)).astype(np.float64)
    denoiser = GaussianDenoiser(blur=1.5).fit(noisy)
    expected = denoiser.score(noisy)
    assert denoiser.score(noisy.astype(dtype)) == pytest.approx(expected, abs=1e-3)


def test_an_image_without_noise_is_best_left_alone():
    flat = np.full((64, 64), 3.0)
    assert IdentityDenoiser().fit(flat).score(flat) == 0
    assert self_supervised_score(Known(flat + 1), flat) < 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 7), (12, 30)])
def test_tiny_images_have_a_finite_score(shape):
    noisy = np.random.default_rng(10).normal(size=shape)
    assert np.isfinite(GaussianDenoiser(blur=1.0).fit(noisy).score(noisy))


def test_scorers_are_the_metrics():
    clean = scene()
    noisy = add_gaussian_noise(clean, 15, rng=11)
    denoiser = GaussianDenoiser(blur=1.0).fit(noisy)
    denoised = denoiser.transform(noisy)
    expected = {
        "psnr": metrics.psnr(clean, denoised, 100),
        "ssim": metrics.ssim(clean, denoised, 100),
        "neg_mean_squared_error": -np.mean((clean - denoised) ** 2),
        "scale_invariant_psnr": metrics.scale_invariant_psnr(clean, denoised, 100),
        "micro_ssim": metrics.micro_ssim(clean, denoised, 100),
        "self_supervised": denoiser.score(noisy),
    }
    assert sorted(expected) == get_scorer_names()
    for name, value in expected.items():
        scorer = pickle.loads(pickle.dumps(get_scorer(name, data_range=100)))
        assert scorer(denoiser, noisy, clean) == pytest.approx(value), name
    assert repr(get_scorer("psnr", data_range=100)) == (
        "get_scorer('psnr', data_range=100)"
    )


def test_scorers_take_the_mean_over_images_and_find_the_channels():
    clean = np.stack([scene((64, 64), seed) for seed in range(4)])
    noisy = add_gaussian_noise(clean, 15, rng=12)
    scorer = get_scorer("psnr", data_range=100)
    grey = GaussianDenoiser(blur=1.0).fit(noisy)
    each = [scorer(grey, y, x) for y, x in zip(noisy, clean, strict=True)]
    assert scorer(grey, noisy, clean) == pytest.approx(np.mean(each))
    assert scorer(grey, list(noisy), list(clean)) == pytest.approx(np.mean(each))

    colour = GaussianDenoiser(blur=1.0, channel_axis=-1)
    last = [np.moveaxis(a, 0, -1) for a in (noisy, clean)]
    pipeline = make_pipeline(FunctionTransformer(), colour).fit(last[0])
    for name in ("ssim", "micro_ssim"):
        scorer = get_scorer(name, data_range=100)
        value = scorer(pipeline, *last)
        moved = get_scorer(name, data_range=100, channel_axis=0)
        first = GaussianDenoiser(blur=1.0, channel_axis=0).fit(noisy)
        assert moved(first, noisy, clean) == pytest.approx(value)
        assert value == pytest.approx(scorer(colour, *last))


def test_scorers_say_what_they_need():
    noisy = scene()
    denoiser = IdentityDenoiser().fit(noisy)
    with pytest.raises(ValueError, match="name must be one of micro_ssim"):
        get_scorer("r2")
    with pytest.raises(ValueError, match="data_range is needed for 'psnr'"):
        get_scorer("psnr")
    with pytest.raises(ValueError, match="pass them as y"):
        get_scorer("psnr", data_range=1)(denoiser, noisy)
    with pytest.raises(ValueError, match="clean image for every denoised one"):
        get_scorer("psnr", data_range=1)(denoiser, noisy, noisy[:50])


def test_single_image_split_is_once_everything():
    splitter = SingleImageSplit()
    for X in (np.zeros((5, 7)), [np.zeros((3, 3)), np.zeros((4, 4))]):
        ((train, test),) = splitter.split(X)
        assert train.tolist() == test.tolist() == list(range(len(X)))
    assert splitter.get_n_splits() == 1
    assert repr(splitter) == "SingleImageSplit()"


def test_a_dead_frame_in_a_stack_is_scored_without_a_warning():
    stack = np.random.default_rng(0).poisson(200, (3, 31, 47)).astype(np.uint16)
    stack[1] = 0
    assert np.isfinite(GaussianDenoiser(blur=1.0).fit(stack).score(stack))


def test_the_noise_of_large_images_is_not_kept(monkeypatch):
    from n2d.images import Images
    from n2d.model_selection import local_noise

    images = Images(np.random.default_rng(0).normal(100, 5, (64, 64)))
    assert local_noise.local_noise(images) is local_noise.local_noise(images)
    monkeypatch.setattr(local_noise, "_MOST_KEPT", 64 * 64 - 1)
    assert local_noise.local_noise(images) is not local_noise.local_noise(images)
