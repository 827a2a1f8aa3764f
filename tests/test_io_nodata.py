"""GDAL_NODATA in a TIFF: not learned from, and kept."""

import numpy as np
import pytest
import tifffile

from n2d.files.denoising import denoise_file
from n2d.io import open_image, read_image

FEW = {"max_iter": 2, "detail_max_iter": 0, "random_state": 0}


def write_map(path, array, text, **options):
    tag = (42113, 2, 0, text, True)
    tifffile.imwrite(path, array, extratags=[tag], metadata=None, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16), "compression": "zlib"}])
def test_places_without_data_stay(tmp_path, dtype, options):
    array = np.random.default_rng(0).normal(100, 10, (48, 48)).astype(dtype)
    array[:, :15] = -9999
    write_map(tmp_path / "a.tif", array, "-9999", **options)
    with open_image(tmp_path / "a.tif") as image:
        assert "pixels of -9999 are no data" in image.notes[0]
        np.testing.assert_array_equal(np.asarray(image.gaps), array == -9999)
        np.testing.assert_array_equal(
            image.gaps[3:5, 14:17], [[True, False, False]] * 2
        )
    denoise_file(tmp_path / "a.tif", tmp_path / "b.tif", **FEW)
    image = read_image(tmp_path / "b.tif")  # the tag is there again
    np.testing.assert_array_equal(image.gaps, array == -9999)
    assert 50 < image.data[:, 15:].min()


def test_nan_as_no_data_and_beside_it(tmp_path):
    array = np.random.default_rng(0).normal(100, 10, (48, 48)).astype(np.float32)
    array[:10] = np.nan
    write_map(tmp_path / "a.tif", array, "nan")
    denoise_file(tmp_path / "a.tif", tmp_path / "b.tif", **FEW)
    result = read_image(tmp_path / "b.tif").data
    np.testing.assert_array_equal(np.isnan(result), np.isnan(array))
    array[20:30] = -1
    write_map(tmp_path / "c.tif", array, "-1.0")
    with pytest.raises(ValueError, match="NaN"):
        denoise_file(tmp_path / "c.tif", tmp_path / "d.tif", **FEW)
    denoise_file(tmp_path / "c.tif", tmp_path / "d.tif", nan="mask", **FEW)
    result = read_image(tmp_path / "d.tif").data
    np.testing.assert_array_equal(result[:10], array[:10])
    np.testing.assert_array_equal(result[20:30], array[20:30])


def test_a_pixel_has_no_data_if_all_its_colours_have_none(tmp_path):
    array = np.random.default_rng(0).integers(1, 255, (20, 24, 3)).astype(np.uint8)
    array[:5] = 0
    array[10, :, 1] = 0
    write_map(tmp_path / "a.tif", array, "0", photometric="rgb")
    gaps = read_image(tmp_path / "a.tif").gaps
    assert gaps[:5].all()
    assert not gaps[5:].any()


@pytest.mark.parametrize("text", ["-9999", "0.5", "nan", "none", "300", "1e999", "99"])
def test_numbers_that_no_pixel_is(tmp_path, text):
    array = np.arange(64, dtype=np.uint8).reshape(8, 8)
    write_map(tmp_path / "a.tif", array, text)
    image = read_image(tmp_path / "a.tif")
    assert image.gaps is None
    assert not [note for note in image.notes if "no data" in note]


def test_parts_that_are_not_stored_have_no_data(tmp_path):
    array = np.ones((32, 32), np.float32)
    options = {"tile": (16, 16), "compression": "zlib"}
    write_map(tmp_path / "a.tif", array, "-9999", **options)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
        counts = tif.pages[0].tags[325]
        counts.overwrite((0, *tif.pages[0].databytecounts[1:]))
    image = read_image(tmp_path / "a.tif")
    array[:16, :16] = -9999
    np.testing.assert_array_equal(image.data, array)
    np.testing.assert_array_equal(image.gaps, array == -9999)
