"""What is read is never written over, by whatever name."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from n2d import denoise_file
from n2d.cli import app
from n2d.io import write_image

posix = pytest.mark.skipif(os.name == "nt", reason="no links without rights")
FEW = ("--init", "random", "--max-iter", "1", "--detail-max-iter", "0")


def noisy(*shape):
    return np.random.default_rng(0).normal(100, 8, shape).astype(np.uint16)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def contents(folder):
    """{relative path: bytes} of all files in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def refused(folder, *arguments, exit_code=2):
    """Run a command, which has to refuse and to leave the folder as it is."""
    before = contents(folder)
    found = run(*arguments)
    assert found.exit_code == exit_code, found.output
    assert contents(folder) == before
    text = " ".join(found.output.replace("│", " ").split())
    assert "which is read" in text
    assert "another output" in text


@posix
@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_links_to_inputs(tmp_path, kind):
    for name in "ab":
        write_image(tmp_path / f"{name}.tif", noisy(24, 20))
    out = tmp_path / "out"
    out.mkdir()
    link = out / "a.tif"
    if kind == "symlink":
        link.symlink_to(tmp_path / "b.tif")
    else:
        link.hardlink_to(tmp_path / "b.tif")
    inputs = (tmp_path / "a.tif", tmp_path / "b.tif")
    refused(tmp_path, "denoise", *inputs, "-o", out, "--overwrite", *FEW)
    # Its own input, by another name than the user has given.
    refused(tmp_path, "denoise", tmp_path / "b.tif", "-o", link, "--overwrite", *FEW)
    with pytest.raises(ValueError, match="by another name"):
        denoise_file(tmp_path / "b.tif", link, overwrite=True)
    for command in ("fit", "tune"):
        refused(tmp_path, command, inputs[1], "-o", link, "--overwrite", exit_code=1)
    refused(tmp_path, "noise", inputs[1], "--json", link, "--overwrite", exit_code=1)


@posix
def test_folders_by_another_name(tmp_path):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.tif", noisy(24, 20))
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    command = ("denoise", tmp_path / "in", "-o", tmp_path / "alias")
    refused(tmp_path, *command, "--overwrite", *FEW)


def test_members_of_the_input_and_what_is_around_it(tmp_path):
    store = tmp_path / "a.zarr"
    write_image(store, noisy(24, 20))
    for target in (store / "0", store / "b.zarr", store / "0" / "x.zarr"):
        refused(tmp_path, "denoise", store, "-o", target, "--overwrite", *FEW)
    refused(tmp_path, "denoise", store, "-o", f"{store}/b.tif", "--overwrite", *FEW)
    # The image inside, to be written over the store that it is in.
    refused(tmp_path, "denoise", store / "0", "-o", store, "--overwrite", *FEW)
    # In the folder that the result would grow in.
    work = tmp_path / "b.zarr.n2d-part"
    work.mkdir()
    write_image(work / "image.zarr", noisy(24, 20))
    target = tmp_path / "b.zarr"
    refused(tmp_path, "denoise", work / "image.zarr", "-o", target, "--overwrite", *FEW)


def test_other_files_of_a_set(tmp_path):
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="I">'
        '<Pixels ID="P" DimensionOrder="XYZCT" Type="uint16" SizeX="20" SizeY="24" '
        'SizeC="1" SizeZ="1" SizeT="2"><Channel ID="C" SamplesPerPixel="1"/>'
        '<TiffData FirstT="0" IFD="0"><UUID FileName="a.ome.tif">urn:uuid:0</UUID>'
        '</TiffData><TiffData FirstT="1" IFD="0"><UUID FileName="b.ome.tif">'
        "urn:uuid:1</UUID></TiffData></Pixels></Image></OME>"
    )
    first, second = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    for path in (first, second):
        tifffile.imwrite(path, noisy(24, 20), description=xml, metadata=None)
    refused(tmp_path, "denoise", first, "-o", second, "--overwrite", *FEW)


def test_settings_are_originals(tmp_path):
    write_image(tmp_path / "a.tif", noisy(24, 20))
    found = run("fit", tmp_path / "a.tif", "-o", tmp_path / "m.tif", *FEW)
    assert found.exit_code == 0, found.output
    command = ("denoise", tmp_path / "a.tif", "-o", tmp_path / "m.tif")
    refused(tmp_path, *command, "--overwrite", "--model", tmp_path / "m.tif")


def test_the_input_itself_may_be_replaced_by_name(tmp_path):
    path = tmp_path / "a.tif"
    write_image(path, noisy(24, 20))
    before = path.read_bytes()
    assert run("denoise", path, "-o", path, *FEW).exit_code == 2
    assert path.read_bytes() == before
    assert run("denoise", path, "-o", path, "--overwrite", *FEW).exit_code == 0
    assert path.read_bytes() != before
    assert tifffile.imread(path).shape == (24, 20)
