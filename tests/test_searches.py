"""scikit-learn's searches over denoisers, on one machine and on a Dask cluster."""

import os

import joblib
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from n2d import (
    GaussianDenoiser,
    IdentityDenoiser,
    MedianDenoiser,
    Noise2DetailDenoiser,
    NonLocalMeansDenoiser,
)
from n2d.metrics import psnr
from n2d.model_selection import SingleImageSplit, get_scorer
from n2d.noise import add_gaussian_noise

STEPS = {"downsampling_factors": [(), (2,)]}
FEW_STEPS = {
    "max_iter": [2, 10],
    "downsampling_factors": [(), (2,)],
    "detail_max_iter": [0, 3],
}
BLURS = {"blur": [0.3, 1.5, 8.0]}


def scene(shape=(96, 96), seed=0):
    image = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return 200 * (image - image.min()) / np.ptp(image)


def noisy_scenes(n=None, shape=(96, 96)):
    clean = scene(shape) if n is None else np.stack([scene(shape, i) for i in range(n)])
    return add_gaussian_noise(clean, 20, rng=100), clean


def threads_of_torch(estimator, X, y=None):
    """No score, but what a worker may use."""
    return torch.get_num_threads()


@pytest.mark.slow
def test_one_image_over_the_stages():
    noisy, _ = noisy_scenes()
    denoiser = Noise2DetailDenoiser(init="random", random_state=0)
    search = GridSearchCV(denoiser, FEW_STEPS, cv=SingleImageSplit()).fit(noisy)
    results = search.cv_results_
    assert len(results["params"]) == 8
    assert np.isfinite(results["mean_test_score"]).all()
    # More steps of stage 1 and nothing else: better.
    scores = {
        str(p): s
        for p, s in zip(results["params"], results["mean_test_score"], strict=True)
    }
    few, more = (
        scores[str({"detail_max_iter": 0, "downsampling_factors": (), "max_iter": n})]
        for n in (2, 10)
    )
    assert more > few
    best = search.best_estimator_
    assert best.get_params()["max_iter"] == search.best_params_["max_iter"]
    again = denoiser.set_params(**search.best_params_).fit_transform(noisy)
    np.testing.assert_array_equal(best.transform(noisy), again)
    np.testing.assert_array_equal(search.transform(noisy), again)
    assert search.score(noisy) == best.score(noisy)


def test_the_search_finds_what_the_clean_image_would_choose():
    noisy, clean = noisy_scenes()
    by_score = GridSearchCV(GaussianDenoiser(), BLURS, cv=SingleImageSplit())
    by_psnr = GridSearchCV(
        GaussianDenoiser(),
        BLURS,
        cv=SingleImageSplit(),
        scoring=get_scorer("psnr", data_range=200),
    )
    by_score.fit(noisy)
    by_psnr.fit(noisy, clean)
    assert by_score.best_params_ == by_psnr.best_params_ == {"blur": 1.5}
    truth = psnr(clean, by_psnr.transform(noisy), 200)
    assert by_psnr.best_score_ == pytest.approx(truth)


def test_several_scorers_at_once():
    noisy, clean = noisy_scenes()
    search = GridSearchCV(
        GaussianDenoiser(),
        BLURS,
        cv=SingleImageSplit(),
        scoring={
            "alone": get_scorer("self_supervised"),
            "ssim": get_scorer("ssim", data_range=200),
        },
        refit="alone",
    ).fit(noisy, clean)
    assert {"mean_test_alone", "mean_test_ssim"} <= search.cv_results_.keys()
    assert search.best_params_ == {"blur": 1.5}


@pytest.mark.slow
def test_a_stack_with_ordinary_cv():
    noisy, clean = noisy_scenes(6, (48, 48))
    search = GridSearchCV(GaussianDenoiser(), BLURS, cv=3).fit(noisy)
    assert search.n_splits_ == 3
    assert search.best_params_ == {"blur": 1.5}
    assert search.transform(noisy).shape == noisy.shape
    scoring = get_scorer("psnr", data_range=200)
    with_truth = GridSearchCV(GaussianDenoiser(), BLURS, cv=3, scoring=scoring)
    assert with_truth.fit(noisy, clean).best_params_ == {"blur": 1.5}
    denoiser = Noise2DetailDenoiser(random_state=0)
    search = GridSearchCV(denoiser, {"max_iter": [1, 2]}, cv=3).fit(noisy[:3])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_list_of_images_of_any_sizes():
    noisy, clean = noisy_scenes(4)
    cut = [slice(None, n) for n in (64, 50, 41, 64)]
    noisy = [image[c] for image, c in zip(noisy, cut, strict=True)]
    clean = [image[c] for image, c in zip(clean, cut, strict=True)]
    for cv in (2, SingleImageSplit()):
        search = GridSearchCV(GaussianDenoiser(), BLURS, cv=cv).fit(noisy)
        assert search.best_params_ == {"blur": 1.5}
        scoring = get_scorer("psnr", data_range=200)
        search = GridSearchCV(GaussianDenoiser(), BLURS, cv=cv, scoring=scoring)
        assert search.fit(noisy, clean).best_params_ == {"blur": 1.5}
        assert [d.shape for d in search.transform(noisy)] == [d.shape for d in noisy]


@pytest.mark.parametrize("channel_axis", [0, 1, -1])
def test_one_image_with_channels(channel_axis):
    noisy, clean = noisy_scenes(3)
    noisy, clean = (np.moveaxis(a, 0, channel_axis) for a in (noisy, clean))
    search = GridSearchCV(
        GaussianDenoiser(channel_axis=channel_axis), BLURS, cv=SingleImageSplit()
    )
    assert search.fit(noisy).best_params_ == {"blur": 1.5}
    search.set_params(scoring=get_scorer("ssim", data_range=200))
    assert search.fit(noisy, clean).best_params_ == {"blur": 1.5}


def test_in_a_pipeline():
    noisy, clean = noisy_scenes()
    pipeline = Pipeline(
        [
            ("offset", FunctionTransformer(lambda x: x - 5)),
            ("denoise", GaussianDenoiser()),
        ]
    )
    grid = {f"denoise__{name}": values for name, values in BLURS.items()}
    search = GridSearchCV(pipeline, grid, cv=SingleImageSplit()).fit(noisy)
    assert search.best_params_ == {"denoise__blur": 1.5}
    search.set_params(scoring=get_scorer("psnr", data_range=200))
    assert search.fit(noisy, clean).best_params_ == {"denoise__blur": 1.5}


def test_over_the_denoisers_themselves():
    noisy, clean = noisy_scenes(shape=(96, 96))
    denoisers = [
        IdentityDenoiser(),
        MedianDenoiser(),
        NonLocalMeansDenoiser(),
        Noise2DetailDenoiser(random_state=0),
    ]
    pipeline = Pipeline([("denoise", IdentityDenoiser())])
    search = GridSearchCV(pipeline, {"denoise": denoisers}, cv=SingleImageSplit())
    search.fit(noisy)
    truth = [psnr(clean, d.fit_transform(noisy), 200) for d in denoisers]
    assert isinstance(
        search.best_estimator_["denoise"], type(denoisers[np.argmax(truth)])
    )
    scores = search.cv_results_["mean_test_score"]
    assert np.argsort(scores).tolist() == np.argsort(truth).tolist()


@pytest.mark.slow
def test_bm3d_among_the_denoisers():
    pytest.importorskip("bm3d", reason="BM3D is an extra")
    from n2d import BM3DDenoiser

    noisy, _ = noisy_scenes()
    denoisers = [BM3DDenoiser(), NonLocalMeansDenoiser(), Noise2DetailDenoiser()]
    pipeline = Pipeline([("denoise", IdentityDenoiser())])
    search = GridSearchCV(pipeline, {"denoise": denoisers}, cv=SingleImageSplit())
    assert np.isfinite(search.fit(noisy).cv_results_["mean_test_score"]).all()


@pytest.mark.slow
def test_halving_by_the_number_of_steps():
    noisy, _ = noisy_scenes()
    search = HalvingGridSearchCV(
        Noise2DetailDenoiser(init="random", detail_max_iter=0, random_state=0),
        {"downsampling_factors": [(), (2,), (2, 4)]},
        resource="max_iter",
        min_resources=2,
        max_resources=6,
        factor=3,
        cv=SingleImageSplit(),
        random_state=0,
    ).fit(noisy)
    assert sorted(set(search.cv_results_["n_resources"])) == [2, 6]
    assert search.best_estimator_.max_iter == 6


def test_cross_validation_and_random_search():
    noisy, clean = noisy_scenes(4)
    denoiser = GaussianDenoiser(blur=1.5)
    scores = cross_val_score(denoiser, noisy, cv=2)
    assert (scores > 0.5).all()
    scoring = get_scorer("psnr", data_range=200)
    results = cross_validate(denoiser, noisy, clean, cv=2, scoring=scoring)
    truth = [
        psnr(c, denoiser.fit_transform(y), 200)
        for y, c in zip(noisy, clean, strict=True)
    ]
    expected = np.mean(np.reshape(truth, (2, 2)), axis=1)
    assert results["test_score"] == pytest.approx(expected)
    search = RandomizedSearchCV(
        denoiser, BLURS, n_iter=2, cv=SingleImageSplit(), random_state=0
    )
    assert search.fit(noisy).best_score_ > 0


@pytest.mark.slow
def test_two_processes_find_the_same_and_share_the_cores(monkeypatch):
    # As at a user's who has set nothing.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    noisy, _ = noisy_scenes()
    denoiser = Noise2DetailDenoiser(init="random", random_state=0)
    grid = {"max_iter": [2, 10], "detail_max_iter": [0, 3]}
    search = GridSearchCV(
        denoiser,
        grid,
        cv=SingleImageSplit(),
        scoring={"score": get_scorer("self_supervised"), "threads": threads_of_torch},
        refit="score",
        n_jobs=2,
    ).fit(noisy)
    threads = search.cv_results_["mean_test_threads"].max()
    assert threads <= max(1, joblib.cpu_count() // 2)
    assert torch.get_num_threads() == before
    alone = GridSearchCV(denoiser, grid, cv=SingleImageSplit()).fit(noisy)
    assert search.best_params_ == alone.best_params_
    assert search.cv_results_["mean_test_score"] == pytest.approx(
        alone.cv_results_["mean_test_score"], abs=1e-3
    )


@pytest.mark.slow
def test_on_a_dask_cluster():
    distributed = pytest.importorskip(
        "distributed", reason="Dask is for clusters: pip install noise2detail[test]"
    )
    noisy, _ = noisy_scenes()
    search = GridSearchCV(
        Noise2DetailDenoiser(random_state=0),
        STEPS,
        cv=SingleImageSplit(),
        scoring={"score": get_scorer("self_supervised"), "threads": threads_of_torch},
        refit="score",
    )
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        search.fit(noisy)
    assert search.cv_results_["mean_test_threads"].max() <= max(1, os.cpu_count() // 2)
    denoised = search.best_estimator_.transform(noisy)
    assert denoised.shape == noisy.shape
    alone = GridSearchCV(search.estimator, STEPS, cv=SingleImageSplit()).fit(noisy)
    assert search.best_params_ == alone.best_params_
