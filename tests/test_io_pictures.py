"""Pictures of phones and programs, and the other suffixes of formats that are read."""

import mrcfile
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

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


@pytest.mark.parametrize("suffix", [".mrcs", ".rec"])
def test_other_names_of_mrc(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_image(path, np.stack([GREY] * 2).astype(np.float32), axes="QYX")
    np.testing.assert_array_equal(mrcfile.read(path), np.stack([GREY] * 2))
    assert read_image(path).format == "mrc"


@pytest.mark.parametrize("suffix", [".czi", ".nd2", ".lif", ".oib"])
def test_files_of_makers_get_advice(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"")
    with pytest.raises(ImageFileError, match="save it as OME-TIFF"):
        read_image(path)
