"""What the numbers of a TIFF's pixels mean: colours by luma, white as zero, no data."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_io_tags import write_tiff

from n2d.io import ImageFileError, open_image, read_image, write_image

RGB = np.random.default_rng(0).integers(0, 256, (12, 15, 3)).astype(np.uint8)
GREY = np.arange(180, dtype=np.uint16).reshape(12, 15)


def luma(rgb):
    """Luma and differences, as Pillow computes them."""
    return np.asarray(Image.fromarray(rgb).convert("YCbCr"))


@pytest.mark.parametrize("packed", [False, True])
def test_luma_is_read_as_rgb(tmp_path, packed):
    tags = {262: (3, [6]), 530: (3, [1, 1])}
    write_tiff(tmp_path / "a.tif", luma(RGB), tags)
    if packed:
        content = Image.open(tmp_path / "a.tif")
        content.save(tmp_path / "a.tif", compression="tiff_adobe_deflate")
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.YCBCR
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "YXS"
    assert np.abs(image.data.astype(int) - RGB).max() <= 3  # Pillow cuts off
    assert "YCbCr pixels are read as RGB" in image.notes[0]
    with open_image(tmp_path / "a.tif") as again:
        window = again.data[2:5, 3:9, 1]
        np.testing.assert_array_equal(window, image.data[2:5, 3:9, 1])
    write_image(tmp_path / "b.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.RGB
        assert not {529, 530, 531, 532} & set(tif.pages[0].tags.keys())


def test_luma_of_other_shares_and_of_television(tmp_path):
    shares = np.array([0.2126, 0.7152, 0.0722])
    low, high = np.array([16.0, 128, 128]), np.array([235.0, 240, 240])
    y = RGB @ shares
    differences = (RGB[..., [2, 0]] - y[..., None]) / (2 - 2 * shares[[2, 0]])
    numbers = np.stack([y / 255, *np.moveaxis(differences, -1, 0) / 127], -1)
    stored = np.rint(low + numbers * (high - low)).astype(np.uint8)
    tags = {
        262: (3, [6]),
        529: (5, [(2126, 10000), (7152, 10000), (722, 10000)]),
        530: (3, [1, 1]),
        532: (5, [(16, 1), (235, 1), (128, 1), (240, 1), (128, 1), (240, 1)]),
    }
    write_tiff(tmp_path / "a.tif", stored, tags)
    image = read_image(tmp_path / "a.tif")
    assert np.abs(image.data.astype(int) - RGB).max() <= 3


@pytest.mark.parametrize(
    "tags",
    [
        {530: (3, [2, 2])},
        {530: (3, [1, 1]), 529: (5, [(1, 2), (0, 1), (1, 2)])},
        {530: (3, [1, 1]), 532: (5, [(9, 1)] * 6)},
    ],
)
def test_luma_of_which_no_colours_can_be_made(tmp_path, tags):
    write_tiff(tmp_path / "a.tif", luma(RGB), {262: (3, [6]), **tags})
    with pytest.raises(ImageFileError, match=r"YCbCr|subsampling"):
        read_image(tmp_path / "a.tif")


def test_pages_that_do_not_mean_the_same_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for kind in ("minisblack", "miniswhite"):
            tif.write(GREY, photometric=kind, metadata=None)
    with pytest.raises(ImageFileError, match="MINISBLACK and MINISWHITE, whose"):
        read_image(tmp_path / "a.tif")
    one = read_image(tmp_path / "a.tif", series=1)
    np.testing.assert_array_equal(one.data, GREY)
    with tifffile.TiffWriter(tmp_path / "b.tif") as tif:
        for i in range(2):
            tif.write(GREY + i, photometric="miniswhite", metadata=None)
    assert read_image(tmp_path / "b.tif").data.shape == (2, 12, 15)


def test_white_as_zero_is_said_and_kept(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, GREY)
    assert "other formats show them dark" in image.notes[0]
    write_image(tmp_path / "b.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE
