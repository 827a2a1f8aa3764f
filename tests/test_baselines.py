"""What each of the classical denoisers promises of itself, and the registry."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import n2d
from n2d import baselines, datasets, noise
from n2d.baselines import (
    BilateralDenoiser,
    BM3DDenoiser,
    BM4DDenoiser,
    GaussianDenoiser,
    IdentityDenoiser,
    MedianDenoiser,
    NonLocalMeansDenoiser,
    TemporalMeanDenoiser,
    TemporalMedianDenoiser,
    TVDenoiser,
    VarianceStabilizedDenoiser,
    WaveletDenoiser,
    ZSN2NDenoiser,
)
from n2d.model_selection import SingleImageSplit

WHITE = [
    BM3DDenoiser(backend="bmnd"),
    NonLocalMeansDenoiser(),
    WaveletDenoiser(),
    TVDenoiser(),
    BilateralDenoiser(),
]
for_white_noise = pytest.mark.parametrize(
    "estimator", WHITE, ids=lambda e: type(e).__name__
)

needs_bm3d = pytest.mark.skipif(
    importlib.util.find_spec("bm3d") is None,
    reason="bm3d, for non-commercial use only, is for the user to install",
)

needs_bm4d = pytest.mark.skipif(
    importlib.util.find_spec("bm4d") is None,
    reason="bm4d, for non-commercial use only, is for the user to install",
)


def cells(*shape):
    return 200.0 * datasets.fluorescence_cells(shape)


def noisy_cells(*shape, sigma=20.0):
    return noise.add_gaussian_noise(cells(*shape), sigma, rng=1)


def psnr(clean, image):
    return -10 * np.log10(np.mean((image - clean) ** 2) / np.ptp(clean) ** 2)


# -- the noise they are told -------------------------------------------------------


@pytest.mark.slow
@for_white_noise
def test_noise_is_measured_or_given(estimator):
    X = noisy_cells(96, 96)
    measured = clone(estimator).fit(X)
    assert measured.sigma_ == pytest.approx(20, rel=0.1)
    assert measured.noise_.level == measured.sigma_
    given = clone(estimator).set_params(sigma=5)
    weak = given.fit_transform(X)
    assert given.sigma_ == 5
    assert np.std(X - weak) < np.std(X - measured.transform(X))
    none = clone(estimator).set_params(sigma=0).fit_transform(X)
    np.testing.assert_array_equal(none, X)


@for_white_noise
def test_every_channel_has_its_own_noise(estimator):
    X = noisy_cells(64, 64)
    X = np.stack([X, 3 * X, np.tile(np.linspace(0, 1, 64), (64, 1))], axis=-1)
    estimator = clone(estimator).set_params(channel_axis=-1).fit(X)
    assert estimator.sigma_.shape == (3,)
    assert estimator.sigma_[1] == pytest.approx(3 * estimator.sigma_[0])
    assert [model.level for model in estimator.noise_] == estimator.sigma_.tolist()
    estimator.set_params(sigma=[20, 60, 0]).fit(X)
    np.testing.assert_array_equal(estimator.transform(X)[..., 2], X[..., 2])


@for_white_noise
@pytest.mark.parametrize("sigma", [-1, np.nan, np.inf, "much", [1, 2], [-1], "0.1"])
def test_bad_noise_is_refused(estimator, sigma):
    estimator = clone(estimator).set_params(sigma=sigma)
    with pytest.raises(ValueError, match=r"sigma|The 'sigma' parameter"):
        estimator.fit(noisy_cells(24, 24))


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (BM3DDenoiser(backend="bm4d"), "The 'backend' parameter of BM3DDenoiser"),
        (NonLocalMeansDenoiser(strength=0), "The 'strength' parameter"),
        (NonLocalMeansDenoiser(patch_size=0), "The 'patch_size' parameter"),
        (WaveletDenoiser(wavelet="wave"), "wavelet='wave' is no discrete wavelet"),
        (WaveletDenoiser(max_shifts=-1), "The 'max_shifts' parameter"),
        (TVDenoiser(max_num_iter=0), "The 'max_num_iter' parameter"),
        (BilateralDenoiser(blur=0), "The 'blur' parameter"),
        (GaussianDenoiser(blur=-1), "The 'blur' parameter"),
        (MedianDenoiser(size=1.5), "The 'size' parameter"),
        (ZSN2NDenoiser(max_iter=0), "The 'max_iter' parameter of ZSN2NDenoiser"),
        (IdentityDenoiser(channel_axis="last"), "The 'channel_axis' parameter"),
        (VarianceStabilizedDenoiser("nlm"), "The 'denoiser' parameter"),
        (TemporalMeanDenoiser(size=0), "The 'size' parameter"),
        (TemporalMedianDenoiser(size=2.5), "The 'size' parameter"),
    ],
)
def test_bad_parameters_are_named(estimator, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit(noisy_cells(24, 24))


def test_the_cost_of_fitting_does_not_grow_with_the_image():
    class OnDisk:
        """Reads on indexing, as files do: 64 million pixels, all of one value."""

        shape, ndim, dtype = (8000, 8000), 2, np.dtype("u2")
        n_read = 0

        def __getitem__(self, index):
            part = np.broadcast_to(np.uint16(3), self.shape)[index]
            self.n_read += part.size
            return part

    for estimator in (NonLocalMeansDenoiser(), VarianceStabilizedDenoiser()):
        huge = OnDisk()
        estimator.fit(huge)
        assert 0 < huge.n_read < 2**19


@for_white_noise
def test_pixels_without_neighbours_are_left_as_they_are(estimator):
    X = np.array([1.0, 7.0]).reshape(2, 1, 1)
    for denoiser in (estimator, VarianceStabilizedDenoiser(estimator)):
        np.testing.assert_array_equal(clone(denoiser).fit_transform(X), X)


# -- one by one --------------------------------------------------------------------


@pytest.mark.parametrize("blurring", [0.0, 0.7])
def test_the_width_of_the_gaussian_is_near_the_best(blurring):
    clean = cells(128, 128)
    X = noise.add_correlated_noise(clean, 30, blurring, rng=1)
    chosen = GaussianDenoiser().fit(X)
    quality = {
        blur: psnr(clean, GaussianDenoiser(blur=blur).fit_transform(X))
        for blur in np.linspace(0, 5, 41)
    }
    assert psnr(clean, chosen.transform(X)) > max(quality.values()) - 0.2
    assert not hasattr(GaussianDenoiser(blur=1).fit(X), "noise_")


def test_the_width_of_the_gaussian_can_be_given():
    X = noisy_cells(30, 40)
    result = GaussianDenoiser(blur=1.5).fit_transform(X)
    np.testing.assert_allclose(result, ndimage.gaussian_filter(X, 1.5), rtol=1e-12)


def test_the_median():
    X = noisy_cells(30, 40)
    result = MedianDenoiser(size=5).fit_transform(X)
    np.testing.assert_array_equal(result, ndimage.median_filter(X, 5))


def test_a_tolerant_bilateral_filter_is_a_gaussian():
    X = noisy_cells(30, 40)
    result = BilateralDenoiser(strength=1e6, blur=1.5).fit_transform(X)
    truncate = np.ceil(3 * 1.5) / 1.5
    expected = ndimage.gaussian_filter(X, 1.5, truncate=truncate)
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_the_bilateral_filter_pixel_by_pixel():
    X = np.random.default_rng(0).normal(0, 1, (9, 11, 5))
    result = BilateralDenoiser(blur=0.6, sigma=1.0, channel_axis=-1).fit_transform(X)
    rows, columns = np.mgrid[2:7, 3:8]  # around (4, 5), two pixels far
    near = (rows - 4) ** 2 + (columns - 5) ** 2
    unlike = np.sum((X[2:7, 3:8] - X[4, 5]) ** 2, axis=-1) / 5
    weight = np.exp(-near / (2 * 0.6**2) - unlike / (2 * 2.0**2))[..., None]
    expected = np.sum(weight * X[2:7, 3:8], axis=(0, 1)) / np.sum(weight)
    np.testing.assert_allclose(result[4, 5], expected, rtol=1e-12)


def test_non_local_means_needs_no_noise_to_leave_an_image():
    X = noisy_cells(30, 40)
    weak = NonLocalMeansDenoiser(sigma=1e-3).fit_transform(X)
    np.testing.assert_allclose(weak, X, atol=1e-3)
    slow = NonLocalMeansDenoiser(fast_mode=False, strength=0.6).fit_transform(X)
    assert psnr(cells(30, 40), slow) > psnr(cells(30, 40), X) + 4


def test_shifts_help_wavelets():
    X = noisy_cells(96, 96)
    once, often = (WaveletDenoiser(max_shifts=n).fit_transform(X) for n in (0, 3))
    assert psnr(cells(96, 96), often) > psnr(cells(96, 96), once) + 0.5
    for options in (
        {"wavelet": "sym8", "wavelet_levels": 2},
        {"method": "VisuShrink", "mode": "hard"},
    ):
        image = WaveletDenoiser(**options).fit_transform(X[:9])
        assert image.shape == (9, 96)


def test_zero_shot_is_the_first_stage():
    X = noisy_cells(24, 24)
    for solver in ("fast", "paper"):
        short = {"solver": solver, "max_iter": 3, "random_state": 0}
        whole = n2d.Noise2DetailDenoiser(
            init="random", downsampling_factors=(), detail_max_iter=0, **short
        )
        alone = ZSN2NDenoiser(**short)
        np.testing.assert_array_equal(alone.fit_transform(X), whole.fit_transform(X))
        assert alone.n_iter_ == len(alone.loss_curve_) == 3


def test_zero_shot_can_be_watched_and_cancelled():
    from n2d.core.progress import Cancelled

    seen = []
    estimator = ZSN2NDenoiser(max_iter=3).fit(noisy_cells(16, 16), callback=seen.append)
    assert [progress.step for progress in seen] == [1, 2, 3]
    before = dict(vars(estimator))
    with pytest.raises(Cancelled):
        estimator.fit(noisy_cells(20, 20), callback=lambda progress: True)
    assert vars(estimator) == before


# -- BM3D and its two backends -----------------------------------------------------


@needs_bm3d
def test_both_backends_are_bm3d():
    clean, X = cells(64, 64), noisy_cells(64, 64)
    quality = {}
    for backend in ("bm3d", "bmnd"):
        estimator = BM3DDenoiser(backend=backend)
        quality[backend] = psnr(clean, estimator.fit_transform(X))
        assert estimator.backend_ == backend
    assert quality["bm3d"] == pytest.approx(quality["bmnd"], abs=0.3)
    assert BM3DDenoiser().fit(X).backend_ == "bm3d"


@pytest.mark.parametrize("backend", ["bmnd", pytest.param("bm3d", marks=needs_bm3d)])
def test_bm3d_takes_the_spectrum_that_is_told(backend):
    rng = np.random.default_rng(0)
    clean = np.kron(rng.random((4, 4)) * 100, np.ones((16, 16)))
    blurred = ndimage.gaussian_filter(rng.normal(size=clean.shape), 1, mode="wrap")
    noisy = clean + 10 * blurred / blurred.std()
    lags = [np.exp(-(d**2) / 4) for d in (1, 2, 3, 4)]
    told = noise.NoiseModel(10.0, correlation=[lags, lags])
    if backend == "bm3d" and not hasattr(np, "trapz"):
        with pytest.raises(RuntimeError, match="backend='bmnd'"):
            BM3DDenoiser(backend=backend, sigma=told).fit(noisy)
        assert BM3DDenoiser(sigma=told).fit(noisy).backend_ == "bmnd"
        return
    error = {
        sigma: np.std(
            BM3DDenoiser(backend=backend, sigma=sigma).fit_transform(noisy) - clean
        )
        for sigma in (10.0, told)
    }
    assert error[told] < 0.7 * error[10.0]


@needs_bm3d
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (8, 8), (3, 17)])
def test_bm3d_takes_small_images(shape):
    # By itself the library refuses them, or ends the process.
    X = noisy_cells(40, 40)[: shape[0], : shape[1]]
    result = BM3DDenoiser(backend="bm3d", sigma=20).fit_transform(X)
    assert result.shape == shape
    assert np.isfinite(result).all()


@needs_bm3d
def test_bm3d_gives_the_same_bits_each_time_and_follows_the_scale():
    X = noisy_cells(24, 30)
    first = BM3DDenoiser(backend="bm3d").fit(X).transform(X)
    np.testing.assert_array_equal(BM3DDenoiser(backend="bm3d").fit_transform(X), first)
    other = BM3DDenoiser(backend="bm3d").fit_transform(7 * X - 1000)
    np.testing.assert_allclose(other, 7 * first - 1000, atol=1e-4 * np.ptp(X))


@pytest.mark.parametrize(
    ("missing", "backend", "message"),
    [
        (["bm3d", "bmnd"], "auto", r"noise2detail\[baselines\].*noise2detail\[bm3d\]"),
        (["bm3d"], "bm3d", r"noise2detail\[bm3d\]' \(for non-commercial use only\)"),
        (["bmnd"], "bmnd", r"pip install 'noise2detail\[baselines\]'"),
    ],
)
def test_a_missing_backend_names_the_extra(monkeypatch, missing, backend, message):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=message):
        BM3DDenoiser(backend=backend).fit(noisy_cells(24, 24))


def test_without_bm3d_the_free_one_is_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    assert BM3DDenoiser().fit(noisy_cells(24, 24)).backend_ == "bmnd"


def test_missing_wavelets_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(ImportError, match=r"noise2detail\[baselines\]"):
        WaveletDenoiser().fit(noisy_cells(24, 24))


def test_numba_leaves_the_threads_of_pytorch_alone():
    import numba

    threads = torch.get_num_threads()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            before = numba.get_num_threads()
            torch.set_num_threads(n)  # asking numba has changed it
            BM3DDenoiser(backend="bmnd").fit_transform(noisy_cells(24, 24))
            assert torch.get_num_threads() == n
            assert numba.get_num_threads() == before
    finally:
        torch.set_num_threads(threads)


# -- variance stabilization --------------------------------------------------------


def photons(*shape, peak=30.0):
    scene = datasets.fluorescence_cells(shape)
    clean = 0.5 + peak * scene / scene.max()
    return clean, noise.add_poisson_noise(clean, 1.0, rng=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "inner",
    [NonLocalMeansDenoiser(), BM3DDenoiser(backend="bmnd")],
    ids=["nlm", "bm3d"],
)
def test_stabilization_helps_with_photon_noise(inner):
    clean, X = photons(96, 96)
    plain = psnr(clean, inner.fit_transform(X))
    estimator = VarianceStabilizedDenoiser(inner)
    assert psnr(clean, estimator.fit_transform(X)) > plain + 1
    assert estimator.denoiser_.sigma_ == 1
    assert inner.sigma == "auto"  # a clone was changed
    assert estimator.noise_.gain == pytest.approx(1, rel=0.25)


def test_stabilization_keeps_the_mean_of_few_photons():
    rng = np.random.default_rng(0)
    X = rng.poisson(2.0, (128, 128))
    estimator = VarianceStabilizedDenoiser(GaussianDenoiser(blur=4))
    assert estimator.fit_transform(X).mean() == pytest.approx(X.mean(), rel=0.02)


def test_a_level_that_was_given_stays():
    _, X = photons(48, 48)
    estimator = VarianceStabilizedDenoiser(TVDenoiser(sigma=0.5)).fit(X)
    assert estimator.denoiser_.sigma_ == 0.5


def test_stabilization_reaches_into_pipelines_and_searches():
    _, X = photons(48, 48)
    colour = np.stack([X, 2 * X], axis=-1)
    inner = make_pipeline(MedianDenoiser(size=1), TVDenoiser())
    estimator = VarianceStabilizedDenoiser(inner, channel_axis=-1).fit(colour)
    median, tv = (step for _, step in estimator.denoiser_.steps)
    assert median.channel_axis == tv.channel_axis == -3
    assert tv.sigma_.tolist() == [1, 1]
    expected = VarianceStabilizedDenoiser(TVDenoiser()).fit_transform(X)
    np.testing.assert_allclose(estimator.transform(colour)[..., 0], expected)

    grid = {"denoiser": [TVDenoiser(), MedianDenoiser()]}
    search = GridSearchCV(VarianceStabilizedDenoiser(), grid, cv=SingleImageSplit())
    _, large = photons(96, 96)  # whose noise is known well enough to judge by
    assert isinstance(search.fit(large).best_estimator_, VarianceStabilizedDenoiser)


class Halved(TransformerMixin, BaseEstimator):
    """A denoiser of a user's own, which knows neither noise nor channels."""

    def fit(self, X, y=None):
        self.shape_ = np.shape(X)
        return self

    def transform(self, X):
        assert np.ndim(X) in (2, 3)
        return X / 2


def test_any_transformer_can_be_stabilized():
    _, X = photons(24, 24)
    colour = np.stack([X, X + 5], axis=0)
    estimator = VarianceStabilizedDenoiser(Halved(), channel_axis=0)
    result = estimator.fit_transform(colour)
    assert result.shape == colour.shape
    assert estimator.denoiser_.shape_ == (2, 24, 24)  # channels, one by one
    grey = VarianceStabilizedDenoiser(Halved()).fit(X)
    assert grey.denoiser_.shape_ == (24, 24)
    model = grey.noise_
    expected = noise.unstabilize(noise.stabilize(X, model) / 2, model)
    np.testing.assert_allclose(grey.transform(X), expected)


@pytest.mark.parametrize("channel_axis", [None, -1])
def test_what_looks_at_neighbours_gets_them_stabilized(channel_axis):
    shape = (4, 32, 36) if channel_axis is None else (4, 32, 36, 2)
    frames = np.random.default_rng(0).poisson(30, shape)
    estimator = VarianceStabilizedDenoiser(
        TemporalMeanDenoiser(size=3), channel_axis=channel_axis
    ).fit(frames)
    models = np.atleast_1d(np.array(estimator.noise_, dtype=object))
    channels = frames[..., None] if channel_axis is None else frames
    expected = np.empty(channels.shape)
    for c, model in enumerate(models):
        stabilized = noise.stabilize(channels[..., c].astype(float), model)
        mean = TemporalMeanDenoiser(size=3).fit_transform(stabilized)
        expected[..., c] = noise.unstabilize(mean, model)
    found = estimator.transform(frames)
    np.testing.assert_allclose(found, expected.reshape(frames.shape), rtol=1e-5)


# -- over the frames of a stack ----------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 50])
@pytest.mark.parametrize(
    ("denoiser", "filtered"),
    [(TemporalMeanDenoiser, np.mean), (TemporalMedianDenoiser, np.median)],
)
def test_frames_are_filtered_with_the_neighbours_that_there_are(
    denoiser, filtered, size
):
    X = np.random.default_rng(0).integers(0, 900, (7, 5, 6, 2)).astype(np.uint16)
    result = denoiser(size=size, channel_axis=-1).fit_transform(X)
    for i in range(7):
        near = X[max(0, i - size // 2) : i + (size - 1) // 2 + 1]
        np.testing.assert_allclose(result[i], filtered(near, axis=0), rtol=1e-6)


def test_few_frames_are_held_at_a_time():
    class OnDisk:
        """A series of frames that counts how often each is read."""

        shape, ndim, dtype = (40, 8, 8), 3, np.dtype("u2")
        reads = np.zeros(40, int)

        def __getitem__(self, index):
            self.reads[index[0]] += 1
            return np.full(self.shape, 7, np.uint16)[index]

    series = OnDisk()
    denoiser = TemporalMeanDenoiser().fit(np.zeros((2, 8, 8)))
    assert (denoiser.transform(series) == 7).all()
    assert (series.reads == 1).all()


@pytest.mark.parametrize("denoiser", [TemporalMeanDenoiser, TemporalMedianDenoiser])
def test_images_of_another_shape_are_no_neighbours_in_time(denoiser):
    X, other = noisy_cells(20, 24), noisy_cells(9, 30)
    np.testing.assert_array_equal(denoiser().fit_transform(X), X)
    series = [X, 2 * X, other, 5 * X]
    result = denoiser().fit_transform(series)
    for i in (2, 3):
        np.testing.assert_array_equal(result[i], series[i])
    stack = denoiser().fit_transform(np.stack(series[:2]))
    np.testing.assert_array_equal(np.stack(result[:2]), stack)


@needs_bm4d
@pytest.mark.slow
def test_bm4d_uses_the_planes_beside():
    volume = 200.0 * datasets.cell_volume(5, (24, 28), axial_fwhm=12)
    noisy = noise.add_gaussian_noise(volume, 20, rng=1)
    denoiser = BM4DDenoiser(sigma=20).fit(noisy)
    denoised = denoiser.transform(noisy)
    (alone,) = denoiser.transform([noisy[2]])
    assert psnr(volume[2], denoised[2]) > psnr(volume[2], alone) + 0.5
    assert psnr(volume[2], alone) > psnr(volume[2], noisy[2]) + 4
    # a volume of any unit, channels apart, one of them without noise; the same bits
    both = np.stack([3 * noisy + 7, noisy], axis=-1)
    result = BM4DDenoiser(sigma=[60, 0], channel_axis=-1).fit_transform(both)
    np.testing.assert_array_equal(result[..., 1], noisy)
    np.testing.assert_allclose(result[..., 0], 3 * denoised + 7, atol=0.1)


@needs_bm4d
@pytest.mark.parametrize("shape", [(1, 1), (2, 3, 17), (5, 3, 4)])
def test_bm4d_takes_any_shape(shape):
    X = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    result = BM4DDenoiser(sigma=10).fit_transform(X)
    assert result.shape == shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()


def test_bm4d_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm4d", None)
    with pytest.raises(ImportError, match=r"noise2detail\[bm4d\].*non-commercial"):
        BM4DDenoiser().fit(noisy_cells(16, 16))


# -- the registry ------------------------------------------------------------------


NAMES = (
    "n2d bm3d vst-bm3d nlm vst-nlm wavelet vst-wavelet tv vst-tv bilateral gaussian "
    "median zs-n2n n2d-random n2d-paper zs-n2n-paper "
    "temporal-mean temporal-median bm4d identity"
).split()


def test_the_registry_has_every_denoiser():
    registry = n2d.denoiser_registry()
    assert list(registry)[: len(NAMES)] == NAMES
    made = {name: registry[name]() for name in NAMES}
    assert len({repr(estimator) for estimator in made.values()}) == len(NAMES)
    classes = {type(estimator).__name__ for estimator in made.values()}
    assert classes - {"Noise2DetailDenoiser"} == set(baselines.__all__) - {
        "denoiser_registry"
    }
    for name, estimator in made.items():
        assert repr(clone(estimator)) == repr(registry[name]())
        assert registry[name](channel_axis=-1).channel_axis == -1
        assert name.startswith("vst-") == hasattr(estimator, "denoiser")


def test_users_denoisers_join_one_dict_and_no_other():
    registry = n2d.denoiser_registry()
    registry["half"] = Halved
    del registry["tv"]
    assert "half" not in n2d.denoiser_registry()
    assert "tv" in n2d.denoiser_registry()


def test_packages_announce_denoisers_by_an_entry_point(monkeypatch):
    from importlib.metadata import EntryPoint

    from n2d.baselines import registry

    group = "n2d.denoisers"
    here = "sklearn.preprocessing:FunctionTransformer"
    announced = [EntryPoint("theirs", here, group), EntryPoint("n2d", here, group)]
    monkeypatch.setattr(registry, "entry_points", lambda group: announced)
    found = n2d.denoiser_registry()
    assert isinstance(found["theirs"](validate=False), FunctionTransformer)
    assert isinstance(found["n2d"](), n2d.Noise2DetailDenoiser)  # ours stays ours


def test_listing_denoisers_loads_nothing_heavy():
    code = (
        "import sys, n2d; n2d.denoiser_registry(); n2d.baselines\n"
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    heavy = {"torch", "sklearn", "skimage", "numpy", "scipy", "bmnd", "bm3d", "bm4d"}
    heavy |= {"pywt"}
    assert heavy.isdisjoint(run.stdout.split())
    assert "n2d" in run.stdout.split()
