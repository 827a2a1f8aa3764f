"""Standard errors of the denoised pixels: `transform(X, return_std=True)`."""

from copy import copy

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.base import clone

from n2d import Noise2DetailDenoiser, noise
from n2d.applying import tiled
from n2d.applying.mapping import DeviceIntensities
from n2d.core.prior import load_prior
from n2d.core.prior_stages import PriorStages
from n2d.datasets import training_scene
from n2d.fitting.intensities import Intensities


def scene(*shape, seed=0, kind="objects"):
    return training_scene(shape, kind=kind, rng=seed).astype(float)


def noisy_scene(*shape, seed=0, level=0.1):
    clean = scene(*shape, seed=seed)
    return clean + np.random.default_rng(seed).normal(0, level, shape)


def errors_of(X, **parameters):
    return (
        Noise2DetailDenoiser(random_state=0, **parameters)
        .fit(X)
        .transform(X, return_std=True)
    )


@pytest.fixture(scope="module")
def grey():
    X = noisy_scene(96, 120)
    return X, Noise2DetailDenoiser(random_state=0).fit(X)


# -- what comes out ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_pair_is_the_result_and_something_like_it(dtype):
    X = np.clip(200 * noisy_scene(64, 80) + 20, 0, 255).astype(dtype)
    fitted = Noise2DetailDenoiser(random_state=0).fit(X)
    denoised, std = fitted.transform(X, return_std=True)
    np.testing.assert_array_equal(denoised, fitted.transform(X))
    assert std.shape == X.shape
    assert std.dtype == denoised.dtype == np.result_type(dtype, np.float32)
    assert (std > 0).all()


@pytest.mark.parametrize("axis", [0, -1])
def test_colour(axis):
    rng = np.random.default_rng(0)
    clean = scene(72, 64)[..., None] * [1.0, 0.8, 0.5]
    X = np.moveaxis(clean + rng.normal(0, 0.1, clean.shape), -1, axis)
    denoised, std = errors_of(X, channel_axis=axis)
    assert std.shape == denoised.shape == X.shape
    assert (std > 0).all()


def test_a_stack_and_a_list_are_images_one_by_one():
    X = np.stack([noisy_scene(64, 72, seed=i) for i in range(3)])
    fitted = Noise2DetailDenoiser(random_state=0).fit(X)
    _, stack = fitted.transform(X, return_std=True)
    denoised, several = fitted.transform([X[0], X[1, :48]], return_std=True)
    assert isinstance(denoised, list)
    assert isinstance(several, list)
    assert several[1].shape == (48, 72)
    assert stack.shape == X.shape
    # However many threads share it.
    np.testing.assert_array_equal(several[0], stack[0])
    _, alone = fitted.transform(X[2], return_std=True)
    np.testing.assert_array_equal(alone, stack[2])


def test_fit_transform_gives_the_image_alone(grey):
    X, fitted = grey
    result = clone(fitted).fit_transform(X)
    np.testing.assert_array_equal(result, fitted.transform(X))


def test_data_frames_do_not_choke_on_the_pair(grey):
    pd = pytest.importorskip("pandas")
    X, _ = grey
    fitted = Noise2DetailDenoiser(random_state=0).set_output(transform="pandas").fit(X)
    denoised, std = fitted.transform(X, return_std=True)
    assert isinstance(denoised, pd.DataFrame)
    assert np.asarray(std).shape == X.shape


# -- what it means -----------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(1000.0, -70.0), (1 / 64, 3.0)])
def test_scaled_images_have_scaled_errors(a, b):
    X = noisy_scene(64, 64)
    _, expected = errors_of(X)
    _, std = errors_of(a * X + b)
    np.testing.assert_allclose(std, a * expected, rtol=2e-3, atol=0)


def test_no_noise_no_error():
    denoised, std = errors_of(np.full((40, 50), 7.0))
    np.testing.assert_array_equal(denoised, 7)
    np.testing.assert_array_equal(std, 0)


def test_more_noise_more_error():
    _, little = errors_of(noisy_scene(96, 96, level=0.03))
    _, much = errors_of(noisy_scene(96, 96, level=0.15))
    assert np.median(much) > 2 * np.median(little)


def test_more_photons_larger_errors_in_counts():
    # The same things twice, dark on the left and bright on the right.
    things = 0.3 + scene(128, 96, seed=3)
    clean = np.hstack([10 * things, 160 * things])
    X = np.random.default_rng(0).poisson(clean).astype(float)
    fitted = Noise2DetailDenoiser(random_state=0).fit(X)
    assert fitted.noise_.gain > 0
    _, std = fitted.transform(X, return_std=True)
    ratio = np.median(std[:, 112:176]) / np.median(std[:, 16:80])
    assert 2 < ratio < 8  # the root of 16 is 4


def test_calibrated_on_scenes():
    inside, twice, carried = [], [], []
    for seed, kind in enumerate(["objects", "fluorescence", "street", "texture"]):
        clean = scene(128, 128, seed=seed + 10, kind=kind)
        X = clean + np.random.default_rng(seed).normal(0, 0.1, clean.shape)
        denoised, std = errors_of(X)
        error = abs(denoised - clean)
        inside.append(np.mean(error < std))
        twice.append(np.mean(error < 2 * std))
        worst = std > np.quantile(std, 0.9)
        carried.append((error[worst] ** 2).sum() / (error**2).sum())
    assert np.mean(inside) == pytest.approx(0.68, abs=0.08)
    assert np.mean(twice) == pytest.approx(0.95, abs=0.08)
    assert np.mean(carried) > 0.2  # a map without meaning would have 0.1


# -- on the way to the units of X --------------------------------------------------


def brought_back(intensities, error, values):
    maps = DeviceIntensities(intensities, torch.device("cpu"))
    return maps.backward_error(*map(torch.from_numpy, (error, values))).numpy()


@pytest.mark.parametrize(
    "model",
    [
        noise.NoiseModel(level=0.1, read_noise=0.1, gain=0.0),
        noise.NoiseModel(level=0.1, read_noise=0.02, gain=0.02),
    ],
    ids=["read noise", "photons"],
)
def test_the_way_back_is_the_derivative_of_the_inverse(model):
    intensities = Intensities((10.0, 210.0), (model,))
    values = np.linspace(2, 12, 60).reshape(1, 6, 10)
    error = np.full(values.shape, 1e-3)
    moved = intensities.backward(values + error) - intensities.backward(values - error)
    found = brought_back(intensities, error, values)
    np.testing.assert_allclose(found, moved / 2, rtol=1e-6)


def test_independent_errors_through_a_rotation():
    # Against a simulation: errors drawn in what the network sees, brought back.
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    models = tuple(
        noise.NoiseModel(level=0.1, gain=g, read_noise=0.05) for g in (0.0, 0.01, 0.02)
    )
    intensities = Intensities((0.0, 50.0), models, rotation)
    centre = np.tensordot(rotation, np.array([9.0, 12.0, 10.0]), axes=1)
    error = np.array([0.1, 0.3, 0.2])
    drawn = centre[:, None, None] + error[:, None, None] * rng.normal(
        size=(3, 400, 400)
    )
    expected = intensities.backward(drawn).std(axis=(1, 2))
    found = brought_back(
        intensities,
        error[:, None, None] * np.ones((3, 1, 1)),
        centre[:, None, None],
    )
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=0.02)


def test_the_errors_of_a_mixture_are_never_understated():
    # Estimates of the same error mix to the same; the weights sum to 1.
    noisy = torch.randn((1, 1, 64, 64), generator=torch.Generator().manual_seed(0))
    told = torch.zeros(1, 4, 8)
    prior = load_prior()
    single = PriorStages((prior,), told, {}).estimates(noisy, return_error=True)
    mixed = PriorStages((prior,), told, {2: 0.3}).estimates(noisy, return_error=True)
    _, refined = PriorStages((prior,), told, {}).background_refinement(noisy, 2, True)
    expected = 0.7 * single.error + 0.3 * refined
    torch.testing.assert_close(mixed.error, expected)
    plain = PriorStages((prior,), told, {2: 0.3}).estimates(noisy)
    torch.testing.assert_close(mixed.stage3, plain.stage3, rtol=0, atol=0)


# -- tiles, regions, outputs -------------------------------------------------------


def test_tiles_equal_the_whole(grey, monkeypatch):
    fitted = copy(grey[1]).set_params(precision="float32")
    X = noisy_scene(300, 330, seed=2)
    whole = fitted.transform(X, return_std=True)
    monkeypatch.setattr(tiled, "_LARGEST_TILE", 64)
    parts = fitted.transform(X, return_std=True)
    for part, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=0, atol=1e-5 * np.ptp(X))
    part = fitted.transform(X, return_std=True, region=np.s_[101:160, 70:90])[1]
    np.testing.assert_allclose(part, whole[1][101:160, 70:90], atol=1e-5 * np.ptp(X))


def test_out_is_a_pair(grey):
    X, fitted = grey
    expected = fitted.transform(X, return_std=True)
    out = np.empty_like(X), np.empty_like(X)
    found = fitted.transform(X, return_std=True, out=out)
    for i in range(2):
        assert found[i] is out[i]
        np.testing.assert_array_equal(out[i], expected[i])


def test_out_of_a_list(grey):
    X, fitted = grey
    images = [X, X[:48]]
    expected = fitted.transform(images, return_std=True)
    out = [[np.empty_like(x) for x in images] for _ in range(2)]
    fitted.transform(images, return_std=True, out=out)
    for found, wanted in zip(out, expected, strict=True):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_is_no_pair_is_refused(grey):
    X, fitted = grey
    out = np.empty_like(X)
    for wrong in (out, (out,), (out, out, out)):
        with pytest.raises(ValueError, match="out must be a pair"):
            fitted.transform(X, return_std=True, out=wrong)
    with pytest.raises(ValueError, match="must not share memory"):
        fitted.transform(X, return_std=True, out=(out, out))
    with pytest.raises(ValueError, match="must not be X itself"):
        fitted.transform(X, return_std=True, out=(out, X))


def test_the_callback_counts_pixels_once(grey):
    X, fitted = grey
    seen = []
    fitted.transform(X, return_std=True, callback=seen.append)
    assert seen[-1].step == seen[-1].total == X.size


def test_lazy_arrays_give_a_lazy_pair(grey):
    da = pytest.importorskip("dask.array")
    X, fitted = grey
    expected = fitted.transform(X, return_std=True)
    lazy = da.from_array(X, chunks=(40, 60))
    found = fitted.transform(lazy, return_std=True)
    assert isinstance(found, tuple)
    for part, wanted in zip(found, expected, strict=True):
        assert isinstance(part, da.Array)
        assert part.chunks == lazy.chunks
        assert part.dtype == wanted.dtype
        np.testing.assert_allclose(part.compute(), wanted, atol=1e-6 * np.ptp(X))
    region = np.s_[10:50, 20:90]
    _, several = fitted.transform([lazy, lazy[:48]], return_std=True, region=region)
    assert [part.shape for part in several] == [(40, 70), (38, 70)]
    np.testing.assert_allclose(
        several[0].compute(), expected[1][region], atol=1e-6 * np.ptp(X)
    )


# -- who has none, and who keeps it ------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "cure"),
    [
        ({"init": "random", "max_iter": 2, "detail_max_iter": 2}, "init='auto'"),
        ({"solver": "paper", "max_iter": 2, "detail_max_iter": 2}, "solver='fast'"),
        ({"detail_max_iter": 2}, "detail_max_iter=0"),
    ],
    ids=["random", "paper", "stage 3"],
)
def test_trained_networks_refuse_and_say_what_to_do(parameters, cure):
    X = noisy_scene(64, 64)
    fitted = Noise2DetailDenoiser(random_state=0, **parameters).fit(X)
    with pytest.raises(ValueError, match=cure):
        fitted.transform(X, return_std=True)
    assert fitted.transform(X).shape == X.shape


def test_model_files_keep_it(grey, tmp_path):
    X, fitted = grey
    fitted.save(tmp_path / "model.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    for found, expected in zip(
        loaded.transform(X, return_std=True),
        fitted.transform(X, return_std=True),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_edges_are_less_sure_than_flat_regions():
    clean = np.where(np.hypot(*(np.indices((96, 96)) - 48)) < 24, 1.0, 0.0)
    X = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)
    _, std = errors_of(X)
    edge = ndimage.morphological_gradient(clean, 3) > 0
    far = ~ndimage.binary_dilation(edge, iterations=6)
    assert np.median(std[edge]) > 2 * np.median(std[far])
