"""Tags of TIFF files as instruments write them: odd, missing, private, not ASCII."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from n2d.io import ImageFileError, create_image, read_image, write_image

GREY = np.arange(42, dtype=np.uint16).reshape(6, 7)
SIZES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 7: "s", 12: "d"}


def write_tiff(path, array, tags, without=()):
    """Write a TIFF of one page and one strip, with tags {code: (type, values)}."""
    samples = 1 if array.ndim == 2 else array.shape[-1]
    tags = {
        256: (4, [array.shape[1]]),
        257: (4, [array.shape[0]]),
        258: (3, [8 * array.itemsize] * samples),
        259: (3, [1]),
        262: (3, [1]),
        273: (4, [8]),
        277: (3, [samples]),
        278: (4, [array.shape[0]]),
        279: (4, [array.nbytes]),
        284: (3, [1]),
        **tags,
    }
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    at = 8 + len(data) + len(data) % 2
    entries, blobs = b"", b""
    kept = sorted(code for code in tags if code not in without)
    after = at + 2 + 12 * len(kept) + 4
    for code in kept:
        kind, values = tags[code]
        if SIZES[kind] == "s":
            packed, n = values, len(values)
        else:
            flat = np.ravel(values).tolist()
            n = len(values)
            packed = struct.pack(f"<{len(flat)}{SIZES[kind][0]}", *flat)
        field = packed.ljust(4, b"\0")
        if len(packed) > 4:
            field = struct.pack("<I", after + len(blobs))
            blobs += packed + b"\0" * (len(packed) % 2)
        entries += struct.pack("<HHI", code, kind, n) + field
    head = struct.pack("<2sHI", b"II", 42, at) + data + b"\0" * (len(data) % 2)
    path.write_bytes(
        head + struct.pack("<H", len(kept)) + entries + b"\0\0\0\0" + blobs
    )


def written_anew(tmp_path, array, tags, without=()):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    write_tiff(source, array, tags, without)
    image = read_image(source)
    np.testing.assert_array_equal(image.data, array)
    write_image(target, image.data, like=image, overwrite=True)
    again = read_image(target)
    np.testing.assert_array_equal(again.data, array)
    assert (again.axes, again.alpha) == (image.axes, image.alpha)
    with tifffile.TiffFile(target) as tif:
        assert len(tif.pages) == 1
        handle, tags = tif.filehandle, tif.pages[0].tags
        found = {}
        for tag in tags:
            found[tag.code] = tag.value
            if tag.dtype in (1, 2, 7):
                handle.seek(tag.valueoffset)
                found[tag.code] = handle.read(tag.count)
    return image, found


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_samples_that_no_tag_names_are_samples(tmp_path, n):
    array = np.stack([GREY + i for i in range(n)], axis=-1)
    image, tags = written_anew(tmp_path, array, {})
    assert (image.axes, image.alpha) == ("YXS", False)
    assert tags[262] == tifffile.PHOTOMETRIC.MINISBLACK
    assert not np.any(tags[338])  # unspecified


def test_four_samples_of_rgb_without_a_word_on_the_fourth(tmp_path):
    array = np.stack([GREY + i for i in range(4)], axis=-1)
    image, tags = written_anew(tmp_path, array, {262: (3, [2])})
    assert not image.alpha
    assert tags[262] == tifffile.PHOTOMETRIC.RGB
    assert not np.any(tags[338])


def test_layout_and_meaning_may_go_without_saying(tmp_path):
    colour = np.stack([GREY] * 3, axis=-1).astype(np.uint8)
    image, tags = written_anew(tmp_path, colour, {262: (3, [2])}, without={284})
    assert image.axes == "YXS"
    assert tags[262] == tifffile.PHOTOMETRIC.RGB
    image, tags = written_anew(tmp_path, GREY, {}, without={262, 284})
    assert image.axes == "YX"
    assert tags[262] == tifffile.PHOTOMETRIC.MINISBLACK


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("code", [270, 271, 272, 305, 315, 33432])
def test_text_is_kept_byte_by_byte(tmp_path, code, encoding):
    text = "Größe 5 µm".encode(encoding)
    _, tags = written_anew(tmp_path, GREY, {code: (2, text + b"\0")})
    assert tags[code].rstrip(b"\0") == text


def test_imagej_units_beyond_ascii(tmp_path):
    text = "ImageJ=1.54f\nunit=µm\nvunit=Größe\n".encode("latin-1")
    _, tags = written_anew(tmp_path, GREY, {270: (2, text + b"\0")})
    assert b"unit=\\u00B5m\n" in tags[270]
    assert b"vunit=Gr\\u00F6\\u00DFe\n" in tags[270]


@pytest.mark.parametrize("value", [(0, 0), (1, 0), (0, 1)])
def test_resolutions_that_are_none(tmp_path, value):
    tags = {282: (5, [value]), 283: (5, [value]), 296: (3, [3])}
    image, _ = written_anew(tmp_path, GREY, tags)
    assert image.pixel_size == {}


def test_private_tags_are_kept_or_named(tmp_path):
    sem = b"[Scan]\r\nPixelWidth=1.5e-009\r\n\0"
    tags = {
        34118: (2, b"\r\n1.5e-009\r\nAP_PIXEL_SIZE\r\nPixel Size = 1.5 nm\r\n\0"),
        34682: (2, sem),
        33550: (12, [0.5, 0.5, 0.0]),
        50000: (7, b"\x00\xff\x01\x02\x03"),
        50001: (4, [8]),
    }
    image, found = written_anew(tmp_path, GREY, tags)
    assert found[34682] == sem
    assert found[34118] == tags[34118][1]
    assert found[33550] == (0.5, 0.5, 0.0)
    assert found[50000] == tags[50000][1]
    assert image.notes == ("its private tags 50001 are not kept",)


def test_orientation_goes_from_jpeg_to_tiff_and_is_said(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    colour = np.stack([GREY] * 3, axis=-1).astype(np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.jpg", exif=exif)
    image = read_image(tmp_path / "a.jpg")
    assert "orientation tag (6)" in image.notes[0]
    write_image(tmp_path / "b.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.pages[0].shape == (6, 7, 3)
        assert tif.pages[0].tags[274].value == 6
    assert "orientation tag (6)" in read_image(tmp_path / "b.tif").notes[0]


def test_what_only_fails_at_writing_is_tried_before(tmp_path, monkeypatch):
    write_image(tmp_path / "a.tif", GREY)
    image = read_image(tmp_path / "a.tif")
    image.metadata["tags"].append((315, 2, 0, "Jörg"))
    with (
        pytest.raises(ImageFileError, match=r"7-bit ASCII.*another format"),
        create_image(tmp_path / "b.tif", (6, 7), np.uint16, "YX", like=image),
    ):
        pytest.fail("this is where the computing would be")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def write_frames(path, n, *, shape=(6, 7), **options):
    """Write pages as programs for cameras do: each describes itself."""
    frames = np.arange(n * 42, dtype=np.uint16).reshape(n, *shape)
    more = [(4869, 12, 1, 0.25, True), (700, 1, 5, b"<xmp>", True)]
    with tifffile.TiffWriter(path) as tif:
        for i, frame in enumerate(frames):
            tif.write(
                frame,
                description=f"frame {i}",
                datetime=f"2024:01:01 00:00:{i:02}",
                resolution=(10 + i, 10),
                extratags=[(274, 3, 1, 6, True), (269, 2, 0, "doc", True), *more],
                metadata=None,
                photometric="minisblack",
                **options,
            )
    return frames


def said(path):
    """What the pages of a TIFF say for themselves."""
    codes = {269, 270, 274, 282, 306, 700, 4869}
    with tifffile.TiffFile(path) as tif:
        pages = [page.aspage() for page in tif.pages]
        return [{t.code: t.value for t in p.tags if t.code in codes} for p in pages]


@pytest.mark.parametrize("n", [3, 12])
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16), "compression": "zlib"}])
def test_what_each_page_says_is_kept(tmp_path, n, options):
    frames = write_frames(tmp_path / "a.tif", n, **options)
    image = read_image(tmp_path / "a.tif")
    assert "pages differ in tags 270, 282, 306" in image.notes[1]
    write_image(tmp_path / "b.tif", image.data, like=image)
    again = read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(again.data, frames)
    assert again.axes == image.axes
    assert said(tmp_path / "b.tif") == said(tmp_path / "a.tif")
    assert len(said(tmp_path / "b.tif")[1]) == 7
    with pytest.warns(UserWarning, match="other axes than its source"):
        write_image(tmp_path / "c.tif", image.data, axes="TYX", like=image)


def test_what_pages_of_an_ome_tiff_say_is_named(tmp_path):
    path, stack = tmp_path / "a.ome.tif", np.stack([GREY] * 3)
    with tifffile.TiffWriter(path, ome=True) as tif:
        more = [(306, 2, 20, "2024:01:01 00:00:01", False)]
        tif.write(stack, metadata={"axes": "TYX"}, extratags=more)
    assert read_image(path).notes == ()
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[2].aspage().tags[306].overwrite("2024:01:01 00:00:02")
    note = "what pages after the first say in tags 306 is not kept"
    assert read_image(path).notes == (note,)


def test_one_of_many_pages_that_means_something_else(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for i in range(12):
            kind = "miniswhite" if i == 4 else "minisblack"
            tif.write(GREY, photometric=kind, metadata=None)
    with pytest.raises(ImageFileError, match="MINISBLACK and MINISWHITE"):
        read_image(tmp_path / "a.tif")


def test_tags_of_the_standard_that_cannot_be_kept_are_named(tmp_path):
    tags = {301: (3, [0] * 256), 269: (2, b"doc\0"), 700: (1, [1, 2, 3, 4, 5])}
    image, found = written_anew(tmp_path, GREY, tags)
    assert image.notes == ("its tags 301 are not kept",)
    assert found[269] == b"doc\0"
    assert found[700] == bytes([1, 2, 3, 4, 5])
