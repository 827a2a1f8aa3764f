"""Pictures of phones and programs, and the other suffixes of formats that are read."""

import mrcfile
import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from n2d.io import ImageFileError, read_image, write_image

GREY = np.arange(42, dtype=np.uint8).reshape(6, 7)
COLOUR = np.stack([GREY, GREY + 50, GREY + 100], axis=-1)


@pytest.mark.parametrize("suffix", [".bmp", ".webp"])
def test_bmp_and_webp_without_loss(tmp_path, suffix):
    path, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    Image.fromarray(COLOUR).save(path, lossless=True)
    image = read_image(path)
    assert image.axes == "YXS"
    write_image(target, image.data, like=image)
    with Image.open(target) as written:
        assert written.format == suffix[1:].upper()
        np.testing.assert_array_equal(np.asarray(written), COLOUR)


def test_grey_bmp(tmp_path):
    write_image(tmp_path / "a.bmp", GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp").data, GREY)


def test_the_first_picture_of_a_phone(tmp_path):
    first, second = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    image = read_image(tmp_path / "a.jpg")
    assert image.data.shape == COLOUR.shape
    assert abs(image.data.mean() - COLOUR.mean()) < 5
    assert "first of its 2 pictures" in image.notes[0]
    write_image(tmp_path / "b.jpg", image.data, like=image)
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.format == "JPEG"


def test_png_with_much_text(tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("program", "x" * 2**21, zip=True)
    Image.fromarray(GREY).save(tmp_path / "a.png", pnginfo=texts)
    before = PngImagePlugin.MAX_TEXT_CHUNK
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, GREY)
    assert before == PngImagePlugin.MAX_TEXT_CHUNK


@pytest.mark.parametrize("suffix", [".mrcs", ".rec", ".st", ".ali", ".map", ".ccp4"])
def test_other_names_of_mrc(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_image(path, np.stack([GREY] * 2).astype(np.float32), axes="QYX")
    np.testing.assert_array_equal(mrcfile.read(path), np.stack([GREY] * 2))
    assert read_image(path).format == "mrc"


@pytest.mark.parametrize(
    ("suffix", "advice"),
    [
        (".vsi", "save it as OME-TIFF"),
        (".ppm", "save it as TIFF or PNG"),
        (".gz", "unpack it first"),
        (".mgz", "save it as NIfTI"),
        (".h5", "save one array of it as .npy"),
        (".raw", "save them as .npy"),
    ],
)
def test_files_of_other_kinds_get_advice(tmp_path, suffix, advice):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"")
    with pytest.raises(ImageFileError, match=advice):
        read_image(path)


@pytest.mark.parametrize("n_samples", [2, 3, 4])
def test_png_of_16_bits_in_colour_and_with_opacity(tmp_path, n_samples):
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = np.arange(6 * 7 * n_samples, dtype=np.uint16).reshape(6, 7, n_samples)
    pixels = pixels * 521
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.data, pixels)
    assert image.alpha == (n_samples != 3)
    gamma = (b"gAMA", b"\0\0\xb1\x8f")
    image.metadata.update(dpi=(300, 300), icc_profile=profile, chunks=[gamma])
    write_image(tmp_path / "b.png", image.data, like=image)
    written = (tmp_path / "b.png").read_bytes()
    np.testing.assert_array_equal(imagecodecs.png_decode(written), pixels)
    with Image.open(tmp_path / "b.png") as found:
        found.load()
        assert found.info["icc_profile"] == profile
        assert found.info["gamma"] == pytest.approx(0.45455)
        assert found.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_a_palette_of_greys_is_grey(tmp_path):
    picture = Image.fromarray(GREY, mode="P")
    picture.putpalette([v for level in range(256) for v in (255 - level,) * 3])
    picture.save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, 255 - GREY)


def test_gamma_is_kept(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", b"\0\0\xb1\x8f")
    Image.fromarray(GREY).save(tmp_path / "a.png", pnginfo=info)
    image = read_image(tmp_path / "a.png")
    write_image(tmp_path / "b.png", image.data, like=image)
    with Image.open(tmp_path / "b.png") as written:
        assert written.info["gamma"] == pytest.approx(0.45455)
