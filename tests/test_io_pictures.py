"""Pictures of phones and programs, and the other suffixes of formats that are read."""

import mrcfile
import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from n2d.io import ImageFile, ImageFileError, _raster, read_image, write_image

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


@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_texts_of_png_are_kept(tmp_path, shape, dtype):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Description", "0.2 um/px")
    texts.add_text("program", "x" * 2**12, zip=True)
    texts.add_itxt("Title", "Mäuse", "de")
    path = tmp_path / "a.png"
    write_image(tmp_path / "0.png", np.zeros(shape, dtype), axes="YXS"[: len(shape)])
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path, pnginfo=texts)
    content, plain = path.read_bytes(), (tmp_path / "0.png").read_bytes()
    said = content[33 : content.index(b"IDAT") - 4]
    path.write_bytes(plain[:33] + said + plain[33:])
    image = read_image(path)
    write_image(tmp_path / "b.png", image.data, like=image)
    with Image.open(tmp_path / "b.png") as written:
        assert written.text["Description"] == "0.2 um/px"
        assert written.text["Title"] == "Mäuse"
    assert said in (tmp_path / "b.png").read_bytes()


def test_texts_of_png_without_end_are_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(_raster, "_MOST_TEXT", 100)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("long", "x" * 200)
    texts.add_text("short", "y")
    Image.fromarray(GREY).save(tmp_path / "a.png", pnginfo=texts)
    image = read_image(tmp_path / "a.png")
    assert "are not kept" in image.notes[0]
    write_image(tmp_path / "b.png", image.data, like=image)
    with Image.open(tmp_path / "b.png") as written:
        assert written.text == {"short": "y"}


def test_words_of_jpeg_are_kept(tmp_path):
    words = {
        "COM": (b"\xff\xfe", b"0.2 um/px"),
        "XMP": (b"\xff\xe1", b"http://ns.adobe.com/xap/1.0/\0<xmp/>"),
        "IPTC": (b"\xff\xed", b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\2hi"),
    }
    extra = b"".join(
        mark + (len(content) + 2).to_bytes(2, "big") + content
        for mark, content in words.values()
    )
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg", extra=extra)
    image = read_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg", image.data, like=image)
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.info["comment"] == words["COM"][1]
        kept = [content for _, content in written.applist]
    assert [kept.count(content) for _, content in words.values()] == [1, 1, 1]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_dots_per_inch_go_to_other_formats_and_back(tmp_path, suffix):
    Image.fromarray(COLOUR).save(tmp_path / f"a{suffix}", dpi=(300, 200))
    image = read_image(tmp_path / f"a{suffix}")
    assert image.pixel_size["X"][0] == pytest.approx(25.4 / 300, rel=1e-3)
    assert image.pixel_size["Y"] == (pytest.approx(25.4 / 200, rel=1e-3), "millimeter")
    write_image(tmp_path / "b.tif", image.data, like=image)
    of_tiff = read_image(tmp_path / "b.tif")
    assert of_tiff.pixel_size["X"][0] == pytest.approx(25.4 / 300, rel=1e-3)
    write_image(tmp_path / f"c{suffix}", of_tiff.data, like=of_tiff)
    with Image.open(tmp_path / f"c{suffix}") as written:
        assert written.info["dpi"] == pytest.approx((300, 200), rel=2e-3)


def test_sizes_that_a_picture_cannot_say_or_does_not_mean(tmp_path):
    for dots in (72, 96):
        Image.fromarray(COLOUR).save(tmp_path / "a.jpg", dpi=(dots, dots))
        assert read_image(tmp_path / "a.jpg").pixel_size == {}
    for size in (0.01, 0.7e6):  # micrometers: 16 bits do not hold it; 36.3 an inch
        like = ImageFile(
            None, "YXS", "npy", pixel_size=dict.fromkeys("YX", (size, "micrometer"))
        )
        write_image(tmp_path / f"{size}.jpg", COLOUR, like=like)
        with Image.open(tmp_path / f"{size}.jpg") as written:
            assert written.info.get("dpi", (72, 72)) == (72, 72)
        write_image(tmp_path / f"{size}.png", COLOUR, like=like)
