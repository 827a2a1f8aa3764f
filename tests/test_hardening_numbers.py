"""Numbers at the edge: right, or refused in words; NaN never becomes a number."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from n2d import Noise2DetailDenoiser
from n2d.applying.tiled import NotFiniteError
from n2d.cli import app
from n2d.io import write_image
from n2d.model_file import ModelFileError
from n2d.model_file.container import pack
from n2d.model_file.state import describe

FEW = {"init": "random", "max_iter": 1, "detail_max_iter": 0, "random_state": 0}


def noisy(*shape, seed=0):
    return np.random.default_rng(seed).normal(np.linspace(40, 400, shape[-1]), 8, shape)


def exploding(denoiser):
    """Make weights so large, though finite, that what they make is not."""
    with torch.no_grad():
        for network in denoiser.networks_:
            for weights in network.parameters():
                weights.fill_(1e38)
    return denoiser


# -- what is not finite ------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("parameters", [FEW, {"random_state": 0}], ids=["random", ""])
def test_what_comes_out_as_nan_is_no_result(parameters):
    denoiser = exploding(Noise2DetailDenoiser(**parameters).fit(noisy(2, 64, 64)))
    out = np.full((2, 64, 64), 7, np.uint16)
    for options in ({}, {"out": out}, {"region": np.s_[8:40, 16:48]}):
        with pytest.raises(NotFiniteError, match=r"rows \d+ to \d+ .* of image 0"):
            denoiser.transform(noisy(2, 64, 64), **options)
    assert (out == 7).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_dask_says_so_too():
    da = pytest.importorskip("dask.array")
    denoiser = exploding(Noise2DetailDenoiser(**FEW).fit(noisy(64, 64)))
    with pytest.raises(NotFiniteError, match="came out"):
        denoiser.transform(da.from_array(noisy(64, 64))).compute()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_models_that_make_nan_are_neither_saved_nor_loaded(tmp_path):
    denoiser = exploding(Noise2DetailDenoiser(**FEW).fit(noisy(64, 64)))
    path = tmp_path / "a.n2d"
    with pytest.raises(ModelFileError, match="make NaN or infinity"):
        denoiser.save(path)
    path.write_bytes(pack(*describe(denoiser)))
    with pytest.raises(ModelFileError, match="make NaN or infinity"):
        Noise2DetailDenoiser.load(path)
    write_image(tmp_path / "a.tif", noisy(64, 64).astype(np.uint16))
    command = [tmp_path / "a.tif", "-o", tmp_path / "b.tif", "--model", path]
    found = CliRunner().invoke(app, ["denoise", *map(str, command)])
    assert found.exit_code in (1, 2)
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["b.tif", "b.zarr", "b.png"])
def test_nan_is_no_black_pixel_of_a_file(tmp_path, monkeypatch, name):
    denoiser = exploding(Noise2DetailDenoiser(**FEW).fit(noisy(64, 64)))
    monkeypatch.setattr(Noise2DetailDenoiser, "fit", lambda *_, **__: denoiser)
    write_image(tmp_path / "a.tif", noisy(64, 64).astype(np.uint16))
    command = [tmp_path / "a.tif", "-o", tmp_path / name]
    found = CliRunner().invoke(app, ["denoise", *map(str, command)])
    assert found.exit_code == 1
    assert "rows 0 to 63" in " ".join(found.stderr.split())
    assert not (tmp_path / name).exists()


# -- numbers at the edge -----------------------------------------------------------


def test_integers_that_floating_point_cannot_tell_apart():
    image = noisy(48, 48).astype(np.int64)
    denoiser = Noise2DetailDenoiser(**FEW)
    fine = denoiser.fit_transform(image + 2**52)
    expected = denoiser.fit_transform(image)
    np.testing.assert_allclose(fine - 2**52, expected, atol=2)
    for offset in (2**53, -(2**53) - 2**10, 2**62):
        with pytest.raises(ValueError, match=r"beyond 2\*\*53"):
            denoiser.fit_transform(image + offset)
    with pytest.raises(ValueError, match=r"beyond 2\*\*53"):
        denoiser.fit_transform((image + 2**62).astype(np.uint64))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data_range", (-1e308, 1e308)),
        ("data_range", (0, 5e-324)),
        ("data_range", (0, 1e308)),
        ("downsampling_factors", (10**9,)),
        ("downsampling_factors", (2, 3, 5, 7, 11, 13)),
        ("downsampling_factors", tuple(range(2, 60))),
        ("hidden_channels", 10**9),
        ("learning_rate", 1e300),
    ],
)
def test_extreme_parameters_are_one_error(tmp_path, name, value):
    from n2d._parameters import complaint_about

    with pytest.raises(ValueError, match=name):
        Noise2DetailDenoiser(**FEW | {name: value}).fit(noisy(32, 32))
    plain = list(value) if isinstance(value, tuple) else value
    complaint = complaint_about(name, plain)
    assert complaint.startswith(name)
    assert len(complaint) < 500


def test_networks_that_do_not_fit_into_memory(monkeypatch):
    monkeypatch.setattr("n2d._memory.available_memory", lambda: 10**9)
    with pytest.raises(MemoryError, match="hidden_channels=16000"):
        Noise2DetailDenoiser(**FEW | {"hidden_channels": 16_000}).fit(noisy(32, 32))


@pytest.mark.parametrize("scale", [1e300, 1.7e308])
def test_values_too_large_to_compute_with(scale):
    with pytest.raises(ValueError, match=r"scale|infinity"):
        Noise2DetailDenoiser(random_state=0).fit(noisy(64, 64) / 500 * scale)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "\0"])
def test_depth_and_length_in_settings(tmp_path, text):
    write_image(tmp_path / "a.png", np.zeros((16, 16), np.uint8))
    (tmp_path / "c.json").write_text(text)
    command = ["denoise", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]
    for option in ("--config", "--noise"):
        found = CliRunner().invoke(app, [*command, option, str(tmp_path / "c.json")])
        assert found.exit_code == 2
        assert "c.json" in " ".join(found.output.split())


def test_subnormal_images_under_errors_of_numpy():
    image = noisy(64, 64)
    tiny = image * 2.0**-1030
    with np.errstate(all="raise"):
        denoiser = Noise2DetailDenoiser(random_state=0).fit(image)
        expected = denoiser.transform(image)
        assert np.isfinite(denoiser.score(image))
        small = Noise2DetailDenoiser(random_state=0).fit_transform(tiny)
    np.testing.assert_allclose(np.ldexp(small, 1030), expected, rtol=1e-3)


def test_settings_of_the_caller_and_lazy_arrays():
    da = pytest.importorskip("dask.array")
    image = noisy(64, 64).astype(np.float32)
    denoiser = Noise2DetailDenoiser(random_state=0).fit(image)
    expected = denoiser.transform(image)
    lazy = denoiser.transform(da.from_array(image))
    before = torch.get_default_dtype()
    with torch.device("meta"), torch.autocast("cpu", dtype=torch.bfloat16):
        found = lazy.compute(scheduler="synchronous")
        again = denoiser.transform(image)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)
    torch.set_default_dtype(torch.float64)
    try:
        found = Noise2DetailDenoiser(random_state=0).fit_transform(image)
    finally:
        torch.set_default_dtype(before)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["memmap", "lazy"])
def test_nan_late_in_the_input_is_not_taken_for_finished(tmp_path, kind):
    path = tmp_path / "x.npy"
    stack = np.lib.format.open_memmap(path, "w+", np.float32, (3, 300, 300))
    stack[:] = noisy(1, 300, 300)
    denoiser = Noise2DetailDenoiser(**FEW).fit(np.asarray(stack[0]))
    stack[2, 290, 290] = np.nan
    stack.flush()
    out = np.full(stack.shape, 7, np.float32)

    class Lazy:
        shape, dtype, ndim = stack.shape, stack.dtype, 3

        def __getitem__(self, key):
            return np.asarray(stack[key])

    source = stack if kind == "memmap" else Lazy()
    with pytest.raises(ValueError, match="contains NaN") as info:
        denoiser.transform(source, out=out)
    if kind == "memmap":
        assert (out == 7).all()
    else:
        assert "out is unfinished" in str(info.value)
        assert (out[2] == 7).any()
