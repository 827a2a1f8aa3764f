"""Which planes `n2d denoise` takes together, and what it says beforehand."""

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from n2d import Noise2DetailDenoiser
from n2d.cli import app
from n2d.files._plan import AxesError, named_axes, plan_planes
from n2d.io import read_image
from n2d.io.ome_zarr._work_folder import WorkFolder

# What neighbours do is in test_stacks.py.
FEW = ["--max-iter", "2", "--detail-max-iter", "0", "--stack", "independent"]
FEW_STEPS = {"max_iter": 2, "detail_max_iter": 0, "random_state": 0}


def denoise(*arguments):
    """Run `n2d denoise` in this process."""
    arguments = ["denoise", *map(str, arguments), *FEW]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result


def fitted(images, channel_axis=None):
    return Noise2DetailDenoiser(channel_axis=channel_axis, **FEW_STEPS).fit(images)


def hyperstack(shape=(2, 3, 2, 24, 20), seed=0):
    """TZCYX, with channels of very different brightness."""
    rng = np.random.default_rng(seed)
    values = rng.normal(1000, 50, shape)
    values[:, :, 1:] = values[:, :, 1:] * 20 + 5000
    return np.clip(values, 0, 65535).astype(np.uint16)


@pytest.fixture
def stack(tmp_path):
    array = hyperstack()
    options = {"imagej": True, "metadata": {"axes": "TZCYX"}}
    tifffile.imwrite(tmp_path / "in.tif", array, **options)
    return tmp_path / "in.tif", array


def test_channels_have_fits_of_their_own_and_planes_share_them(tmp_path, stack):
    source, array = stack
    result = denoise(source, "-o", tmp_path / "out.tif")
    assert "2 x 3 x 2 x 24 x 20, uint16, axes TZCYX" in result.stderr
    assert (
        "2 channels independently; 2 time points x 3 Z planes each, plane by plane, "
        "the noise measured for each channel: 12 planes" in result.stderr
    )
    written = tifffile.imread(tmp_path / "out.tif")
    for c in range(2):
        planes = array[:, :, c].reshape(6, 24, 20)
        expected = np.rint(fitted(planes).transform(planes))
        np.testing.assert_array_equal(written[:, :, c].reshape(6, 24, 20), expected)


def test_a_fit_for_every_plane(tmp_path, stack):
    source, array = stack
    result = denoise(source, "-o", tmp_path / "out.tif", "--fit-per", "plane")
    assert "the noise of each measured on its own: 12 planes" in result.stderr
    plane = array[1, 2, 1]
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out.tif")[1, 2, 1],
        np.rint(fitted(plane).transform(plane)),
    )


def test_one_fit_for_the_file(tmp_path, stack):
    source, array = stack
    result = denoise(source, "-o", tmp_path / "out.tif", "--fit-per", "file")
    assert "the noise measured on all together: 12 planes" in result.stderr
    planes = np.moveaxis(array, 2, 0).reshape(12, 24, 20)
    expected = np.rint(fitted(planes).transform(planes)).reshape(2, 2, 3, 24, 20)
    written = tifffile.imread(tmp_path / "out.tif")
    np.testing.assert_array_equal(written, np.moveaxis(expected, 0, 2))


def test_channels_together(tmp_path, stack):
    source, array = stack
    result = denoise(source, "-o", tmp_path / "out.tif", "--channels", "together")
    assert "2 channels together, as --channels says" in result.stderr
    images = array.reshape(6, 2, 24, 20)
    expected = np.rint(fitted(images, 1).transform(images)).reshape(array.shape)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)


def test_axes_can_be_said(tmp_path):
    array = np.ascontiguousarray(hyperstack((1, 3, 2, 24, 20))[0])
    tifffile.imwrite(tmp_path / "in.tif", array, photometric="minisblack")
    said = denoise(
        tmp_path / "in.tif", "-o", tmp_path / "out.ome.tif", "--axes", "tcyx"
    )
    assert "2 channels independently; 3 time points each" in said.stderr
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tif:
        assert tif.is_ome
        assert tif.series[0].axes == "TCYX"
        written = tif.asarray()
    expected = fitted(array[:, 1]).transform(array[:, 1])
    np.testing.assert_array_equal(written[:, 1], np.rint(expected))


def test_pixel_size_is_said(tmp_path):
    array = hyperstack((1, 3, 1, 24, 20))[0, :, 0]
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    options = {"imagej": True, "resolution": (10, 10), "metadata": metadata}
    tifffile.imwrite(tmp_path / "in.tif", array, **options)
    result = denoise(tmp_path / "in.tif", "-o", tmp_path / "out.tif")
    assert "pixel 0.5 x 0.1 x 0.1 micrometer (Z x Y x X)" in result.stderr
    assert "3 Z planes, plane by plane, the noise measured on all" in result.stderr


def test_what_is_read_in_parts_and_written_in_parts_is_the_same(
    tmp_path, stack, monkeypatch
):
    source, _ = stack
    denoise(source, "-o", tmp_path / "a.tif")
    monkeypatch.setattr("n2d.io._scratch.IN_MEMORY", 0)
    denoise(source, "-o", tmp_path / "b.tif")
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_opacity_of_many_planes(tmp_path):
    array = np.random.default_rng(0).integers(60, 190, (2, 24, 20, 4), np.uint8)
    tifffile.imwrite(
        tmp_path / "in.tif", array, photometric="rgb", extrasamples=["unassalpha"]
    )
    result = denoise(tmp_path / "in.tif", "-o", tmp_path / "out.tif")
    assert "3 channels together, as the file says; opacity kept" in result.stderr
    written = tifffile.imread(tmp_path / "out.tif")
    np.testing.assert_array_equal(written[..., 3], array[..., 3])
    expected = fitted(array[..., :3], 3).transform(array[..., :3])
    np.testing.assert_array_equal(written[..., :3], np.rint(expected))


@pytest.mark.parametrize(
    ("asked", "says"),
    [("TYXK", "no axis K"), ("TTYX", "every letter once"), ("YX", "has 3 axes")],
)
def test_axes_that_make_no_sense(asked, says):
    with pytest.raises(AxesError, match=says):
        named_axes("QYX", (2, 3, 4), asked)


@pytest.mark.parametrize(
    ("axes", "options", "n_fits", "n_planes", "channel_axis"),
    [
        ("YX", {}, 1, 1, None),
        ("YXS", {}, 1, 1, 2),
        ("SYX", {}, 1, 1, 0),
        ("CYX", {}, 3, 3, None),
        ("CYX", {"channels": "together"}, 1, 1, 0),
        ("CYX", {"channel_axis": 0}, 1, 1, 0),
        ("CYX", {"fit_per": "file"}, 1, 3, None),
        ("ZCYX", {"fit_per": "plane"}, 12, 12, None),
        ("CZYXS", {}, 3, 12, 2),
        ("ZYXC", {"channels": "together"}, 1, 3, 2),
        ("XYZ", {}, 1, 5, None),
        ("CZYX", {"model": "m.n2d"}, 1, 12, None),
    ],
)
def test_layouts(axes, options, n_fits, n_planes, channel_axis):
    shape = [3, 4, 5, 6, 3][: len(axes)]
    plan = plan_planes(axes, tuple(shape), **options)
    assert len(plan.fits) == n_fits
    assert plan.n_planes == n_planes
    assert plan.channel_axis == channel_axis
    keys = [plane.key for planes in plan.fits for plane in planes]
    counted = np.zeros(shape, int)
    for key in keys:
        counted[key] += 1
    assert (counted == 1).all()


def test_large_planes_are_finished_band_by_band(tmp_path, monkeypatch):
    array = np.random.default_rng(0).normal(500, 30, (150, 70)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", array)
    denoise(tmp_path / "in.tif", "-o", tmp_path / "whole.zarr")
    monkeypatch.setattr("n2d.io.ome_zarr._layout._CHUNK", 32)
    monkeypatch.setattr("n2d.files._pieces._LARGE", 100)
    monkeypatch.setattr("n2d.files._pieces._BAND", 64)
    bands, finish = [], WorkFolder.finish

    def noted(self, block):
        bands.append(block)
        finish(self, block)

    monkeypatch.setattr(WorkFolder, "finish", noted)
    denoise(tmp_path / "in.tif", "-o", tmp_path / "bands.zarr")
    rows = [[0, 64], [64, 128], [128, 150]]
    assert bands == [["made"], *(["plane", part, None] for part in rows)]
    whole, parts = (
        read_image(tmp_path / f"{name}.zarr").data for name in ("whole", "bands")
    )
    np.testing.assert_array_equal(parts, whole)


def test_another_format_says_what_it_does_not_keep(tmp_path, stack):
    source, _ = stack
    result = denoise(source, "-o", tmp_path / "out.zarr")
    assert "out.zarr: is of another format than its source" in result.stderr
    result = denoise(source, "-o", tmp_path / "out.tiff")
    assert "another format" not in result.stderr
