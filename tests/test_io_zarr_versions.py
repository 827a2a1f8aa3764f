"""OME-Zarr of all versions, and with what programs leave out or add, is read."""

import numpy as np
import pytest
import zarr

from n2d.io import ImageFileError, open_image, read_image, write_image


def write_old(path, shape, multiscale, **attributes):
    group = zarr.open_group(store=str(path), mode="w", zarr_format=2)
    array = group.create_array("0", shape=shape, dtype="u2", chunks=shape)
    array[...] = np.arange(np.prod(shape)).reshape(shape)
    multiscale = {"datasets": [{"path": "0"}], **multiscale}
    group.attrs.update({"multiscales": [multiscale], **attributes})


@pytest.mark.parametrize(
    ("version", "axes", "shape", "letters"),
    [
        ("0.1", None, (1, 2, 3, 6, 7), "TCZYX"),
        ("0.2", None, (2, 1, 1, 6, 7), "TCZYX"),
        ("0.3", ["c", "z", "y", "x"], (2, 3, 6, 7), "CZYX"),
        ("0.3", ["t", "y", "x"], (2, 6, 7), "TYX"),
    ],
)
def test_versions_before_0_4(tmp_path, version, axes, shape, letters):
    multiscale = {"version": version} | ({} if axes is None else {"axes": axes})
    write_old(tmp_path / "a.zarr", shape, multiscale)
    image = read_image(tmp_path / "a.zarr")
    assert image.axes == letters
    np.testing.assert_array_equal(image.data.ravel(), np.arange(np.prod(shape)))
    write_image(tmp_path / "b.zarr", image.data, like=image)
    ome = zarr.open_group(store=str(tmp_path / "b.zarr"), mode="r").attrs["ome"]
    assert ome["version"] == "0.5"
    axes = [axis["name"] for axis in ome["multiscales"][0]["axes"]]
    assert "".join(axes).upper() == letters


@pytest.mark.parametrize(
    "omero", [None, {"channels": None}, {"channels": [None, {"label": None}]}]
)
def test_channels_of_which_nothing_is_said(tmp_path, omero):
    axes = [{"name": "c", "type": "channel"}] + [
        {"name": name, "type": "space"} for name in "yx"
    ]
    multiscale = {"version": "0.4", "axes": axes}
    write_old(tmp_path / "a.zarr", (2, 6, 7), multiscale, omero=omero)
    with open_image(tmp_path / "a.zarr") as image:
        assert (image.axes, image.channel_names) == ("CYX", ())


def test_names_and_units_of_axes_are_kept(tmp_path):
    axes = [
        {"name": "angle", "type": "rotation", "unit": "degree"},
        {"name": "y", "type": "space", "unit": "parsec"},
        {"name": "x", "type": "space", "unit": "parsec"},
    ]
    scale = {"type": "scale", "scale": [1.0, 0.5, 0.5]}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    multiscale = {"version": "0.4", "axes": axes, "datasets": datasets}
    write_old(tmp_path / "a.zarr", (2, 6, 7), multiscale)
    with open_image(tmp_path / "a.zarr") as image:
        write_image(tmp_path / "b.zarr", image.data, like=image)
    group = zarr.open_group(store=str(tmp_path / "b.zarr"), mode="r")
    assert group.attrs["ome"]["multiscales"][0]["axes"] == axes
    assert group["0"].metadata.dimension_names == ("angle", "y", "x")


def test_chunks_that_are_not_there_are_counted(tmp_path):
    write_old(tmp_path / "a.zarr", (1, 2, 2, 8, 10), {"version": "0.1"})
    with open_image(tmp_path / "a.zarr") as image:
        assert not image.notes
    (tmp_path / "a.zarr" / "0" / "0.0.0.0.0").unlink()
    with open_image(tmp_path / "a.zarr") as image:
        assert "1 of its" in image.notes[0]
        assert "count as 0" in image.notes[0]


def test_labels_are_no_intensities(tmp_path):
    labels = {"image-label": {"version": "0.4"}}
    write_old(tmp_path / "a.zarr", (1, 1, 1, 8, 10), {"version": "0.1"}, **labels)
    with pytest.raises(ImageFileError, match="holds labels"):
        open_image(tmp_path / "a.zarr")


def test_axes_as_xarray_names_them(tmp_path):
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(3, 8, 10), dtype="u2", zarr_format=2
    )
    array.attrs["_ARRAY_DIMENSIONS"] = ["z", "y", "x"]
    with open_image(tmp_path / "a.zarr") as image:
        assert image.axes == "ZYX"
