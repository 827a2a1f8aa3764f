"""Masked arrays: what hides pixels is refused, by name, wherever images are taken."""

import numpy as np
import pytest

import n2d
from n2d import datasets, diagnostics, metrics, noise
from n2d.comparison import Case, plot_comparison
from n2d.images import Images
from n2d.io import write_image
from n2d.noise import NoiseModel

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(np.linspace(20, 220, 64), 5, (64, 64))
MASKED = np.ma.masked_greater(IMAGE, 200)
FEW = np.ma.masked_array(IMAGE, mask=np.zeros((64, 64), bool))
OTHER = RNG.normal(size=(64, 64))  # added to a second frame
MODEL = NoiseModel(5.0)


def stack(image):
    return np.ma.stack([image, image + OTHER])


# How it is called, by what name it says so.
TAKERS = {
    "estimate_noise": (noise.estimate_noise, "image"),
    "estimate_noise, windows": (lambda x: noise.estimate_noise([x]), r"image\[0\]"),
    "from_frames": (lambda x: NoiseModel.from_frames(stack(x)), "frames"),
    "from_frames, a list": (
        lambda x: NoiseModel.from_frames([x, x + OTHER]),
        r"frames\[0\]",
    ),
    "from_frames, dark": (
        lambda x: NoiseModel.from_frames(dark=stack(x), flat=stack(IMAGE + 9)),
        "dark",
    ),
    "from_frames, flat": (
        lambda x: NoiseModel.from_frames(dark=stack(IMAGE), flat=stack(x + 9)),
        "flat",
    ),
    "variance": (MODEL.variance, "intensity"),
    "stabilize": (lambda x: noise.stabilize(x, MODEL), "image"),
    "unstabilize": (lambda x: noise.unstabilize(x, MODEL), "stabilized"),
    "add_gaussian_noise": (lambda x: noise.add_gaussian_noise(x, 1.0), "image"),
    "add_poisson_noise": (lambda x: noise.add_poisson_noise(x, 9.0), "image"),
    "add_rician_noise": (lambda x: noise.add_rician_noise(x, 1.0), "image"),
    "remove_rician_bias": (lambda x: noise.remove_rician_bias(x, 5.0), "denoised"),
    "hot_pixels": (noise.hot_pixels, "stabilized"),
    "without_hot_pixels": (
        lambda x: noise.without_hot_pixels(x, np.zeros((64, 64), bool)),
        "image",
    ),
    "stuck_pixels": (lambda x: noise.stuck_pixels(x, IMAGE, []), "image"),
    "without_stuck_pixels": (
        lambda x: noise.without_stuck_pixels([x], MODEL),
        r"windows\[0\]",
    ),
    "find_places": (lambda x: noise.find_places(x, MODEL), "image"),
    "channel_correlation": (
        lambda x: noise.channel_correlation([stack(x)]),
        r"channels\[0\]",
    ),
    "is_sure": (lambda x: noise.is_sure(MODEL, [x]), r"windows\[0\]"),
    "refine_noise": (
        lambda x: noise.refine_noise(MODEL, [IMAGE], [x], [IMAGE], [IMAGE]),
        r"removed\[0\]",
    ),
    "check_result": (
        lambda x: noise.check_result([x], [IMAGE], MODEL),
        r"noisy\[0\]",
    ),
    "check_residual": (lambda x: diagnostics.check_residual(x, IMAGE - 1), "noisy"),
    "fourier_ring_correlation": (
        lambda x: diagnostics.fourier_ring_correlation(IMAGE, x),
        "second",
    ),
    "psnr": (lambda x: metrics.psnr(x, IMAGE + 1, 255), "clean"),
    "ssim": (lambda x: metrics.ssim(IMAGE, x, 255), "estimate"),
    "moved_frames": (lambda x: datasets.moved_frames(x, [(0, 0)]), "image"),
    "Case": (lambda x: Case("x", x), "noisy"),
    "Case, clean": (lambda x: Case("x", IMAGE, x, data_range=255), "clean"),
    "Images": (Images, "X"),
}


@pytest.mark.parametrize("taker", TAKERS)
def test_what_is_hidden_is_refused_by_name(taker):
    take, name = TAKERS[taker]
    with pytest.raises(TypeError, match=f"^{name} is a masked array; fill .*filled"):
        take(MASKED)
    take(FEW)  # hides nothing


def test_files_and_figures_are_not_made_of_masked_arrays(tmp_path):
    with pytest.raises(TypeError, match=r"^array is a masked array"):
        write_image(tmp_path / "image.tif", MASKED)
    assert not list(tmp_path.iterdir())
    pytest.importorskip("matplotlib")
    with pytest.raises(TypeError, match=r"^noisy is a masked array"):
        plot_comparison(MASKED, {"it": IMAGE}, data_range=255)


DENOISERS = {
    "Noise2Detail": n2d.Noise2DetailDenoiser(random_state=0),
    "Gaussian": n2d.GaussianDenoiser(),
    "median": n2d.TemporalMedianDenoiser(),
}


def masked_dask(honest):
    """A Dask array of masked arrays, that says so or does not."""
    da = pytest.importorskip("dask.array")
    x = da.from_array(IMAGE, chunks=32)
    if honest:
        return da.ma.masked_greater(x, 200)
    return x.map_blocks(lambda b: np.ma.masked_greater(b, 200), meta=np.empty((0, 0)))


@pytest.mark.parametrize("name", DENOISERS)
def test_dask_arrays_of_masked_arrays_are_refused(name):
    denoiser = DENOISERS[name]
    X = masked_dask(honest=True)
    message = r"^X is a Dask array of masked .*dask.array.ma.filled\(X, value\)"
    for call in (denoiser.fit, denoiser.fit(IMAGE).transform, denoiser.score):
        with pytest.raises(TypeError, match=message):
            call(X)
    with pytest.raises(TypeError, match=r"^X\[1\] is a Dask array of masked"):
        denoiser.fit([IMAGE, X])
    import dask.array as da

    denoiser.fit(da.ma.filled(X, 200.0))


@pytest.mark.parametrize("name", DENOISERS)
def test_a_dask_array_that_does_not_say_it_is_masked_is_refused_when_read(name):
    denoiser = DENOISERS[name]
    X = masked_dask(honest=False)
    with pytest.raises(TypeError, match=r"^X is a masked array"):
        denoiser.fit(X)
    with pytest.raises(TypeError, match="X is a masked array"):
        np.asarray(denoiser.fit(IMAGE).transform(X))


def test_functions_refuse_dask_arrays_of_masked_arrays():
    for honest, message in ((True, "a Dask array of masked"), (False, "a masked")):
        X = masked_dask(honest)
        for take, name in (TAKERS["estimate_noise"], TAKERS["psnr"]):
            with pytest.raises(TypeError, match=f"^{name} is {message}"):
                take(X)


def test_xarray_around_a_dask_array_that_does_not_say_it_is_masked_is_refused():
    xarray = pytest.importorskip("xarray")
    X = masked_dask(honest=False)
    with pytest.raises(TypeError, match=r"^X is a masked array"):
        n2d.GaussianDenoiser().fit(xarray.DataArray(X, dims=("y", "x")))


def test_what_turns_out_masked_when_indexed_is_refused():
    class Lazy:  # as variables of netCDF files
        shape, ndim, dtype = IMAGE.shape, 2, IMAGE.dtype

        def __getitem__(self, index):
            return MASKED[index]

    with pytest.raises(TypeError, match=r"^X is a masked array"):
        n2d.GaussianDenoiser().fit(Lazy())
