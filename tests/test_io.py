"""Image files: what is written is what is read, whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from n2d.io import (
    ImageFile,
    ImageFileError,
    check_output,
    read_image,
    write_image,
)


def some(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(0, 1000, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    native = dtype.newbyteorder("=")
    values = rng.integers(info.min, info.max, shape, native, endpoint=True)
    return values.astype(dtype)


def leftovers(folder):
    return [path for path in Path(folder).iterdir() if path.suffix == ".part"]


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "axes"),
    [
        *[
            ("a.tif", (6, 7), dtype, "YX")
            for dtype in ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
        ],
        *[("a.tiff", (6, 7), dtype, "YX") for dtype in ("f2", "f4", "f8", ">u2")],
        ("a.tif", (1, 1), "u2", "YX"),
        ("a.tif", (1, 9), "f4", "YX"),
        ("a.tif", (5, 6, 7), "i2", "ZYX"),
        ("a.tif", (5, 6, 3), "u2", "TYX"),
        ("a.tif", (2, 3, 6, 7), "f4", "TZYX"),
        ("a.tif", (2, 3, 6, 7), "u2", "TCYX"),
        ("a.tif", (6, 7, 3), "u1", "YXS"),
        ("a.tif", (6, 7, 4), "u2", "YXS"),
        ("a.tif", (3, 6, 7), "u1", "SYX"),
        ("a.tif", (2, 6, 7, 3), "u1", "ZYXS"),
        ("a.png", (6, 7), "u1", "YX"),
        ("a.png", (6, 7), "u2", "YX"),
        ("a.png", (6, 7), ">u2", "YX"),
        ("a.PNG", (6, 7, 3), "u1", "YXS"),
        ("a.png", (6, 7, 2), "u1", "YXS"),
        ("a.png", (6, 7, 4), "u1", "YXS"),
    ],
)
def test_written_and_read_again(tmp_path, name, shape, dtype, axes):
    array = some(shape, dtype)
    before = array.copy()
    path = tmp_path / name
    write_image(path, array, axes=axes)
    image = read_image(path)
    assert image.axes == axes
    assert image.data.dtype == array.dtype.newbyteorder("=")
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, array)
    np.testing.assert_array_equal(array, before)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("axes", "shape", "channel_axis", "alpha"),
    [
        ("YX", (6, 7), None, False),
        ("TYX", (3, 6, 7), None, False),
        ("YXS", (6, 7, 3), 2, False),
        ("YXS", (6, 7, 4), 2, True),
        ("SYX", (3, 6, 7), 0, False),
        ("ZCYX", (2, 3, 6, 7), 1, False),
    ],
)
def test_channels_and_opacity_are_what_the_file_declares(
    tmp_path, axes, shape, channel_axis, alpha
):
    write_image(tmp_path / "a.tif", some(shape, "u1"), axes=axes)
    image = read_image(tmp_path / "a.tif")
    assert image.channel_axis == channel_axis
    assert image.alpha is alpha


def test_shape_alone_is_no_colour(tmp_path):
    write_image(tmp_path / "a.tif", some((6, 7, 3), "u1"), axes="ZYX")
    assert read_image(tmp_path / "a.tif").channel_axis is None


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3)])
def test_jpeg_is_close(tmp_path, shape):
    rows, columns = np.mgrid[:6, :7]
    array = np.broadcast_to(
        (rows * 20 + columns)[(...,) + (None,) * (len(shape) - 2)], shape
    )
    array = array.astype(np.uint8)
    write_image(tmp_path / "a.jpg", array, axes="YXS"[: len(shape)])
    image = read_image(tmp_path / "a.jpg")
    assert image.axes == "YXS"[: len(shape)]
    assert np.abs(image.data.astype(int) - array).max() <= 4


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "axes", "says"),
    [
        ("a.png", (6, 7), "f4", "YX", r"\.tif.*--dtype"),
        ("a.jpg", (6, 7), "f8", "YX", r"\.tif.*--dtype"),
        ("a.png", (6, 7), "i2", "YX", r"not int16; write a \.tif"),
        ("a.jpg", (6, 7), "u2", "YX", r"not uint16; write a \.tif"),
        ("a.png", (2, 6, 7), "u1", "ZYX", r"one image.*\.tif"),
        ("a.jpg", (6, 7, 4), "u1", "YXS", r"4 samples"),
        ("a.png", (6, 7, 5), "u1", "YXS", r"5 samples"),
        ("a.tif", (6, 7), "c8", "YX", r"complex64"),
        ("a.tga", (6, 7), "u1", "YX", r"unsupported file type '\.tga'"),
        ("a.webp", (6, 7), "u1", "YX", r"no grey images"),
        ("a", (6, 7), "u1", "YX", r"unsupported file type ''"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, shape, dtype, axes, says):
    path = tmp_path / name
    with pytest.raises(ImageFileError, match=says):
        check_output(path, dtype, axes, shape=shape)
    with pytest.raises(ImageFileError, match=says):
        write_image(path, np.zeros(shape, dtype), axes=axes)
    assert not os.listdir(tmp_path)


def test_axes_must_fit():
    with pytest.raises(ValueError, match="one letter per axis"):
        write_image("a.tif", np.zeros((2, 3, 4)))


def test_nothing_is_overwritten_without_permission(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"precious")
    for attempt in (
        lambda: check_output(path, "u1", "YX"),
        lambda: write_image(path, some((6, 7), "u1")),
    ):
        with pytest.raises(FileExistsError, match="overwrite"):
            attempt()
        assert path.read_bytes() == b"precious"
    path.chmod(0o640)
    write_image(path, some((6, 7), "u1"), overwrite=True)
    np.testing.assert_array_equal(read_image(path).data, some((6, 7), "u1"))
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a.tif"]


def test_a_dangling_link_is_something_too(tmp_path):
    link = tmp_path / "a.tif"
    link.symlink_to(tmp_path / "elsewhere.tif")
    with pytest.raises(FileExistsError):
        write_image(link, some((6, 7), "u1"))
    write_image(link, some((6, 7), "u1"), overwrite=True)
    assert link.is_symlink()
    assert (tmp_path / "elsewhere.tif").is_file()


def test_a_place_that_cannot_be_written_to_is_known_beforehand(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        check_output(tmp_path / "none" / "a.tif", "u1", "YX")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(IsADirectoryError):
        check_output(tmp_path / "folder.tif", "u1", "YX", overwrite=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError("short")])
@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch, name, error):
    path = tmp_path / name
    path.write_bytes(b"precious")

    def fsync(descriptor):
        # The temporary file is complete here, and not yet the target.
        assert len(leftovers(tmp_path)) == 1
        raise error

    monkeypatch.setattr("os.fsync", fsync)
    expected = OSError if isinstance(error, OSError) else error
    with pytest.raises(expected):
        write_image(path, some((6, 7), "u1"), overwrite=True)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == [name]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    monkeypatch.setattr("os.fsync", lambda descriptor: path.write_bytes(b"theirs"))
    with pytest.raises(FileExistsError):
        write_image(path, some((6, 7), "u1"))
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["a.tif"]


FULL_DISK = """
import resource, sys
import numpy as np
from n2d.io import write_image
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
array = np.random.default_rng(0).integers(0, 255, (300, 300), dtype=np.uint8)
try:
    write_image(sys.argv[1], array, overwrite=True)
except OSError as error:
    print(error.filename, error.strerror)
    sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
def test_a_full_disk_leaves_what_was_there(tmp_path, name):
    # A limit on the size of files fails writes as a full disk does: in the middle.
    path = tmp_path / name
    path.write_bytes(b"precious")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, str(path)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 3, run.stderr
    assert run.stdout.startswith(f"{path} could not be written")
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
def test_damaged_files_are_reported_as_such(tmp_path, name):
    path = tmp_path / name
    write_image(path, some((40, 30), "u1"))
    whole = path.read_bytes()
    for kept in (0, 3, 20, len(whole) // 2, len(whole) * 9 // 10):
        path.write_bytes(whole[:kept])
        with pytest.raises(ImageFileError, match=name):
            read_image(path)
    path.write_bytes(b"this is no image" * 20)
    with pytest.raises(ImageFileError, match="damaged or not what its name says"):
        read_image(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("metadata", [None, {"axes": "ZYX"}])
def test_missing_pages_are_noticed(tmp_path, compression, metadata):
    path = tmp_path / "a.tif"
    pages = some((5, 40, 30), "u2")
    with tifffile.TiffWriter(path) as file:
        for number, page in enumerate(pages):
            file.write(
                page,
                compression=compression,
                metadata=metadata if number == 0 else None,
                contiguous=False,
            )
    whole = path.read_bytes()
    for share in (0.3, 0.5, 0.7, 0.95):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ImageFileError, match=r"a\.tif"):
            read_image(path)


def test_missing_and_unsupported_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.tif")
    (tmp_path / "a.xyz").write_bytes(b"")
    with pytest.raises(ImageFileError, match=r"'\.xyz'; use \.tif"):
        read_image(tmp_path / "a.xyz")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(IsADirectoryError):
        read_image(tmp_path / "folder.tif")


def test_like_of_another_format_gives_the_axes(tmp_path):
    write_image(tmp_path / "a.png", some((6, 7, 3), "u1"), axes="YXS")
    image = read_image(tmp_path / "a.png")
    write_image(tmp_path / "b.tif", image.data.astype(np.float32), like=image)
    again = read_image(tmp_path / "b.tif")
    assert isinstance(again, ImageFile)
    assert again.axes == "YXS"
    np.testing.assert_array_equal(again.data, image.data)
