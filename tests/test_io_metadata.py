"""Resolution and what else a file says about its pixels survive a round trip."""

import importlib.util
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from n2d.files import denoise_file
from n2d.io import ImageFileError, read_image, write_image

GREY = np.arange(42, dtype=np.uint8).reshape(6, 7)
COLOUR = np.stack([GREY, GREY + 50, GREY + 100], axis=-1)


def round_trip(source, target, dtype=None):
    image = read_image(source)
    array = image.data if dtype is None else image.data.astype(dtype)
    write_image(target, array, like=image)
    return image, read_image(target)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_imagej_hyperstack(tmp_path, dtype):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    pixels = np.arange(2 * 3 * 6 * 7, dtype=np.uint16).reshape(2, 3, 6, 7)
    tifffile.imwrite(
        source,
        pixels,
        imagej=True,
        resolution=(4.0, 5.0),
        metadata={
            "axes": "ZCYX",
            "spacing": 0.3,
            "unit": "um",
            "finterval": 2.5,
            "Labels": [f"plane {number}" for number in range(6)],
            "Ranges": (0.0, 100.0, 0.0, 200.0, 0.0, 300.0),
        },
    )
    _, image = round_trip(source, target, dtype)
    assert image.axes == "ZCYX"
    assert image.data.dtype == dtype
    np.testing.assert_array_equal(image.data, pixels)
    with tifffile.TiffFile(target) as tif:
        assert tif.is_imagej
        kept = tif.imagej_metadata
        assert kept["spacing"] == 0.3
        assert kept["unit"] == "um"
        assert kept["finterval"] == 2.5
        assert kept["Labels"] == [f"plane {number}" for number in range(6)]
        assert kept["Ranges"] == (0.0, 100.0, 0.0, 200.0, 0.0, 300.0)
        tags = tif.pages[0].tags
        assert tags["XResolution"].value == (4, 1)
        assert tags["YResolution"].value == (5, 1)


def test_resolution_description_and_compression(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(
        source,
        np.zeros((4, 64, 64), np.int16),
        photometric="minisblack",
        resolution=(300.5, 72),
        resolutionunit="CENTIMETER",
        description="dose 20 mAs",
        compression="zlib",
        metadata=None,
    )
    image, again = round_trip(source, target)
    assert again.metadata == image.metadata
    assert again.metadata["description"] == "dose 20 mAs"
    assert again.metadata["ResolutionUnit"] == tifffile.RESUNIT.CENTIMETER
    x, y = (again.metadata[name] for name in ("XResolution", "YResolution"))
    assert x[0] / x[1] == pytest.approx(300.5)
    assert y[0] / y[1] == pytest.approx(72)
    assert target.stat().st_size < 4 * 64 * 64


def test_white_is_zero_stays_so(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(source, GREY, photometric="miniswhite", metadata=None)
    _, again = round_trip(source, target)
    np.testing.assert_array_equal(again.data, GREY)
    assert again.metadata["photometric"] == "MINISWHITE"


def test_big_endian_planar_and_big_tiff(tmp_path):
    for options in (
        {"byteorder": ">", "photometric": "rgb", "planarconfig": "separate"},
        {"bigtiff": True, "photometric": "rgb", "planarconfig": "separate"},
    ):
        source, target = tmp_path / "a.tif", tmp_path / "b.tif"
        tifffile.imwrite(source, np.moveaxis(COLOUR, -1, 0), metadata=None, **options)
        image, again = round_trip(source, target)
        assert image.axes == again.axes == "SYX"
        assert again.metadata == image.metadata
        np.testing.assert_array_equal(again.data, np.moveaxis(COLOUR, -1, 0))
        target.unlink()


def test_images_of_several_shapes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((6, 7), np.uint8))
        file.write(np.zeros((3, 2), np.uint8))
    with pytest.raises(ImageFileError, match=r"2 images .*1: 3 x 2 uint8.*--series"):
        read_image(tmp_path / "a.tif")


def test_palette_tiff_is_refused(tmp_path):
    palette = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", GREY, photometric="palette", colormap=palette, metadata=None
    )
    with pytest.raises(ImageFileError, match="PALETTE"):
        read_image(tmp_path / "a.tif")


def test_lzw_needs_a_package_and_says_so(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.tif", compression="tiff_lzw")
    if importlib.util.find_spec("imagecodecs"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, GREY)
    else:
        with pytest.raises(ImageFileError, match=r"LZW.*noise2detail\[codecs\]"):
            read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_png_and_jpeg_keep_resolution_and_profile(tmp_path, name):
    source, target = tmp_path / name, tmp_path / f"b{name}"
    Image.fromarray(COLOUR).save(source, dpi=(300, 300), icc_profile=b"a profile")
    _, again = round_trip(source, target)
    assert again.metadata["icc_profile"] == b"a profile"
    assert again.metadata["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_orientation_of_a_photo_stays_with_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to display
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg", exif=exif)
    image, _ = round_trip(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert image.data.shape == COLOUR.shape
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.getexif()[0x0112] == 6


def test_palette_png_is_read_in_colour_and_announced(tmp_path):
    Image.fromarray(COLOUR).quantize(16).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.axes == "YXS"
    assert image.data.shape == (6, 7, 3)
    assert "palette" in image.notes[0]


def test_16_bit_colour_png_is_refused_without_its_package(tmp_path, monkeypatch):
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = imagecodecs.png_encode(np.ones((2, 2, 3), np.uint16))
    (tmp_path / "a.png").write_bytes(pixels)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(ImageFileError, match=r"imagecodecs: pip .*\[codecs\]"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["1", "CMYK"])
def test_pixels_that_are_no_intensities_are_refused(tmp_path, mode):
    name = "a.png" if mode == "1" else "a.jpg"
    Image.fromarray(COLOUR).convert(mode).save(tmp_path / name)
    with pytest.raises(ImageFileError, match=f"'{mode}' are not supported"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif"])
def test_animations_are_series_in_time(tmp_path, name, colour):
    first = COLOUR // 64 * 64 if colour else np.stack([GREY] * 3, axis=-1)
    frames = [Image.fromarray(np.roll(first, i, 0)) for i in range(3)]
    options = {"save_all": True, "append_images": frames[1:], "duration": 40}
    frames[0].save(tmp_path / name, lossless=True, **options)
    image = read_image(tmp_path / name)
    expected = np.stack([np.roll(first, i, 0) for i in range(3)])
    assert image.axes == ("TYXS" if colour else "TYX")
    np.testing.assert_array_equal(image.data, expected if colour else expected[..., 0])
    assert image.pixel_size == {"T": (40, "millisecond")}
    assert "3 frames" in image.notes[0]
    with pytest.raises(ImageFileError, match=r"write a \.tif"):
        write_image(tmp_path / f"b{name}", image.data, like=image)


def test_the_picture_beside_an_animation_is_not_in_it(tmp_path):
    frames = [Image.fromarray(np.roll(GREY, i, 0)) for i in range(3)]
    options = {"append_images": frames[1:], "default_image": True}
    frames[0].save(tmp_path / "a.png", save_all=True, **options)
    expected = np.stack([np.roll(GREY, i, 0) for i in (1, 2)])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, expected)


def test_a_gif_is_read_and_written_as_tiff(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.gif")
    assert read_image(tmp_path / "a.gif").axes == "YX"
    found = denoise_file(tmp_path / "a.gif", tmp_path / "b.tif", max_iter=1)
    assert found.shape == GREY.shape
