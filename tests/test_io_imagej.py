"""What ImageJ says of a TIFF beside its axes: units of each axis, calibration."""

import numpy as np
import pytest
import tifffile

from n2d.io import read_image, write_image

STACK = np.arange(216, dtype=np.uint16).reshape(3, 8, 9)


@pytest.mark.parametrize(
    ("axes", "described", "size"),
    [
        ("TYX", {"finterval": 500.0, "tunit": "msec"}, (500, "millisecond")),
        ("TYX", {"finterval": 2.0}, (2, "second")),
        ("ZYX", {"spacing": 300.0, "zunit": "nm"}, (300, "nanometer")),
        ("ZYX", {"spacing": 0.5}, (0.5, "micrometer")),
    ],
)
def test_units_of_other_axes(tmp_path, axes, described, size):
    pytest.importorskip("zarr")
    metadata = {"axes": axes, "unit": "um", "yunit": "nm", **described}
    options = {"imagej": True, "resolution": (5, 2)}
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata=metadata, **options)
    image = read_image(tmp_path / "a.tif")
    assert image.pixel_size == {
        "X": (0.2, "micrometer"),
        "Y": (0.5, "nanometer"),
        axes[0]: size,
    }
    for name in ("b.tif", "c.zarr"):
        write_image(tmp_path / name, image.data, like=image)
        assert read_image(tmp_path / name).pixel_size == image.pixel_size


@pytest.mark.parametrize(
    ("calibration", "word"),
    [
        ({"cf": 0, "c0": -32768, "c1": 1}, "value = -32768 + 1 x number"),
        ({"cf": 7, "c0": 1, "c1": 2, "c2": 3}, "function 7 of ImageJ"),
        ({"cf": 0, "c0": 0, "c1": 1}, None),
        ({}, None),
    ],
)
def test_a_calibration_is_said_and_kept(tmp_path, calibration, word):
    options = {"imagej": True, "metadata": {"axes": "TYX", **calibration}}
    tifffile.imwrite(tmp_path / "a.tif", STACK, **options)
    image = read_image(tmp_path / "a.tif")
    if word is None:
        assert image.notes == ()
    else:
        assert word in image.notes[0]
    write_image(tmp_path / "b.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        found = tif.imagej_metadata
    assert {key: found[key] for key in calibration} == calibration
