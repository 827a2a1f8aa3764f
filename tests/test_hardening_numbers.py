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
    assert found.exit_code == 1
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
