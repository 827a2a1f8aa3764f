"""What a small file promises takes neither the memory nor the time of the machine."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bombs import BOMBS, HARMLESS, page, png, tiff, zarr_2, zeros
from typer.testing import CliRunner

from n2d.cli import app
from n2d.io import (
    ImageFileError,
    fingerprint,
    open_image,
    plane_marks,
    read_image,
    write_image,
)

posix = pytest.mark.skipif(os.name == "nt", reason="no fork, no devices")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What each bomb took: {name: (error, megabytes, seconds)}."""
    if os.name == "nt":
        pytest.skip("no fork on Windows")
    script = Path(__file__).with_name("bombs.py")
    command = [sys.executable, script, tmp_path_factory.mktemp("bombs")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    found = (json.loads(line) for line in run.stdout.splitlines())
    return {name: (error, size, time) for name, _, error, size, time in found}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs(measured, name):
    error, megabytes, seconds = measured[name]
    assert bool(error) != (name in HARMLESS)
    assert not error.startswith("!!"), error
    assert "Error: " in error or not error
    assert megabytes < 400
    assert seconds < 10


def test_without_imagecodecs_too(tmp_path, monkeypatch):
    from bombs import inflating_strip

    from n2d.io.tiff import _promises

    monkeypatch.setattr(_promises, "_has_imagecodecs", lambda: False)
    inflating_strip(tmp_path / "a.tif")
    with pytest.raises(ImageFileError, match="would become more than"):
        read_image(tmp_path / "a.tif")


@pytest.mark.slow
def test_pictures_that_are_large_are_no_bombs(tmp_path):
    # 196 million pixels; Pillow takes more than 179 million for an attack.
    side = 14_000
    png(tmp_path / "a.png", side, side, (b"IDAT", zeros(side * (side + 1))))
    with open_image(tmp_path / "a.png") as image:
        assert image.data.shape == (side, side)


def test_pages_of_zeros_and_large_tiles_are_read(tmp_path):
    # A dead frame shrinks to nothing; the others are honest.
    stack = np.random.default_rng(0).integers(0, 4000, (3, 900, 900), np.uint16)
    stack[1] = 0
    options = {"compression": "zlib", "rowsperstrip": 900, "metadata": {"axes": "TYX"}}
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, stack)
    tile = {"tile": (1024, 1024), "compression": "zlib"}
    tifffile.imwrite(tmp_path / "b.tif", stack[0, :100, :90], **tile)
    np.testing.assert_array_equal(
        read_image(tmp_path / "b.tif").data, stack[0, :100, :90]
    )


def test_packbits_that_begins_as_a_jpeg_does_is_read(tmp_path):
    values = [0xD8, 0xC0, *range(0xE0, 0xE6)] * 256  # each twice
    data = b"".join(bytes([0xFF, value]) for value in values)
    tiff(tmp_path / "a.tif", page(64, 64, 32773, len(data)), data)
    pixels = np.repeat(np.array(values, np.uint8), 2).reshape(64, 64)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, pixels)


@pytest.mark.parametrize(
    "kind", ["zlib", "gzip", "bz2", "lzma", "zstd", "blosc", "lz4"]
)
def test_zarr_of_all_codecs_is_read(tmp_path, kind):
    import numcodecs
    import zarr

    pixels = np.random.default_rng(0).integers(0, 4000, (600, 500), np.uint16)
    pixels[:200] = 0
    codec = numcodecs.get_codec({"id": kind})
    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=pixels.shape,
        chunks=(300, 500),
        dtype=pixels.dtype,
        zarr_format=2,
        compressors=codec,
    )
    array[...] = pixels
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").data, pixels)


@pytest.mark.parametrize("compressor", [None, {"id": "zlib", "level": 1}])
def test_chunks_in_a_zip_have_a_budget_too(tmp_path, compressor):
    data = bytes(2**26) if compressor is None else zeros(2**26)
    zarr_2(tmp_path / "a.zarr", data, compressor)
    path = tmp_path / "a.zarr.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in (".zarray", "0.0"):
            packed.write(tmp_path / "a.zarr" / name, name)
    with pytest.raises(ImageFileError, match=r"its .*0\.0 (would )?become"):
        read_image(path)


@posix
def test_links_out_of_a_zarr_are_refused(tmp_path):
    write_image(tmp_path / "a.zarr", np.ones((64, 64), np.uint8))
    chunk = next((tmp_path / "a.zarr" / "0" / "c").rglob("0"))
    chunk = chunk / "0" if chunk.is_dir() else chunk
    chunk.rename(tmp_path / "secret")
    chunk.symlink_to(tmp_path / "secret")
    with pytest.raises(ImageFileError, match="leads out of the Zarr"):
        read_image(tmp_path / "a.zarr")


@posix
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy", "a.mrc", "a.nii", "a.dcm"])
def test_pipes_and_devices_are_no_files(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ImageFileError, match="a pipe or a device"):
        open_image(tmp_path / name)
    (tmp_path / f"b{name}").symlink_to("/dev/zero")
    with pytest.raises(ImageFileError, match="a pipe or a device"):
        open_image(tmp_path / f"b{name}")


@posix
def test_pipes_among_images_are_not_waited_for(tmp_path):
    names = ["a.tif", "b.tif", "c.dcm", "d.dcm", "e.hdr", "f.nii", "g"]
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / name for name in names]
    for path in paths:
        os.mkfifo(path)
    write_image(tmp_path / "in" / "z.png", np.zeros((16, 16), np.uint8))
    output = ["-o", f"{tmp_path / 'out'}/", "--method", "identity"]
    found = CliRunner().invoke(app, ["denoise", str(tmp_path / "in"), *output])
    assert found.exit_code == 0
    assert "left out, a pipe or a device, and no file: 7" in found.stderr
    for path in paths[:-1]:
        assert plane_marks(path, settled=False) is None
        assert fingerprint(path)
    named = CliRunner().invoke(app, ["denoise", *map(str, paths[:4]), *output])
    assert named.exit_code == 1
    assert f"{paths[0]}: is no file, but a pipe or a device" in named.stderr
    assert "0 done" in named.stderr


@posix
def test_sets_do_not_lead_out_of_their_folder(tmp_path):
    def ome(name):
        return (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME'
            '/2016-06" UUID="urn:uuid:1"><Image ID="I"><Pixels ID="P" DimensionOrder='
            '"XYZCT" Type="uint8" SizeX="8" SizeY="8" SizeZ="2" SizeC="1" SizeT="1">'
            '<TiffData IFD="0" FirstZ="0"><UUID FileName="a.ome.tif">urn:uuid:1</UUID>'
            f'</TiffData><TiffData IFD="0" FirstZ="1"><UUID FileName="{name}">'
            "urn:uuid:2</UUID></TiffData></Pixels></Image></OME>"
        )

    path = tmp_path / "set" / "a.ome.tif"
    path.parent.mkdir()
    for name in ("../b.ome.tif", str(tmp_path / "b.ome.tif")):
        pixels = np.zeros((8, 8), np.uint8)
        tifffile.imwrite(path, pixels, description=ome(name), metadata=None)
        with pytest.raises(ImageFileError, match="outside its folder"):
            open_image(path)
    os.mkfifo(path.parent / "pipe.tif")
    tifffile.imwrite(path, pixels, description=ome("pipe.tif"), metadata=None)
    with pytest.raises(ImageFileError, match="a pipe or a device"):
        open_image(path)


@posix
@pytest.mark.parametrize("option", ["--config", "--noise", "--model"])
def test_devices_are_no_settings(tmp_path, option):
    write_image(tmp_path / "a.png", np.zeros((16, 16), np.uint8))
    command = ["denoise", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]
    found = CliRunner().invoke(app, [*command, option, "/dev/zero"])
    assert found.exit_code in (1, 2)
    assert "no file" in " ".join(found.output.split())


def test_memory_errors_have_a_message(tmp_path, monkeypatch):
    from n2d.io import _raster

    write_image(tmp_path / "a.png", np.zeros((16, 16), np.uint8))

    def short(path):
        raise MemoryError

    monkeypatch.setattr(_raster, "_openable", short)
    with pytest.raises(MemoryError, match=r"a\.png: there is not enough memory"):
        open_image(tmp_path / "a.png")
    command = ["denoise", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 1
    assert "out of memory: " in found.stderr
