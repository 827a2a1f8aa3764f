"""Names from outside neither move the cursor nor forge a line."""

import json
import os
import unicodedata

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from n2d._printable import printable
from n2d.cli import app
from n2d.io import write_image

FEW = ("--init", "random", "--max-iter", "1", "--detail-max-iter", "0")
EVIL = "a\x1b[2J\x07\nerror: forged\r\u202e\u2028\x9b1m"
posix = pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def noisy(*shape):
    return np.random.default_rng(0).normal(100, 8, shape).astype(np.uint16)


def assert_harmless(text):
    odd = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert odd <= {"\n"}, odd
    assert "\nerror: forged" not in text


def test_all_but_controls_stays():
    assert printable("cell 3 µm 細胞\u3000é\xa0😀") == "cell 3 µm 細胞\u3000é\xa0😀"
    assert printable("\udcff\x00\n") == "\\udcff\\x00\\n"
    assert printable("a\nb\r", lines=True) == "a\nb\\r"


@posix
def test_names_of_files(tmp_path):
    good, bad = tmp_path / f"{EVIL}.tif", tmp_path / f"b{EVIL}.tif"
    write_image(good, noisy(24, 20))
    bad.write_bytes(b"II*\0 nothing")
    out = tmp_path / "out"
    found = run("denoise", good, bad, "-o", out, "--json", *FEW)
    assert found.exit_code == 1
    for text in (found.stdout, found.stderr):
        assert_harmless(text)
    for line in found.stdout.splitlines():
        record = json.loads(line)
        for text in [record.get("error", ""), *record.get("notes", ())]:
            assert_harmless(text)
            assert "\n" not in text
    for command in (
        ("denoise", tmp_path / f"none{EVIL}.tif", "-o", out),
        ("denoise", good, "-o", out, "--model", tmp_path / EVIL),
        ("denoise", good, "-o", out, "--config", tmp_path / EVIL),
        ("denoise", good, "-o", out, "--axes", EVIL),
        ("denoise", good, "-o", out, "--solver", EVIL),
        ("denoise", good, "-o", out, f"--{EVIL}"),
        ("denoise", good, "-o", good, *FEW),
        ("denoise", good, "-o", out, "--debug", "--dtype", "same", *FEW),
        (EVIL,),
        ("info", tmp_path / EVIL),
        ("noise", good),
        ("tune", good, "--grid", f"{EVIL}=1"),
        ("compare", good, "-o", tmp_path / "c", "--methods", EVIL),
        ("compare", bad, "-o", tmp_path / "c", "--methods", "gaussian", "--no-figure"),
        ("compare", good, "-o", tmp_path / "d", "--methods", "gaussian", "--no-figure"),
        ("fit", bad, "-o", tmp_path / f"m{EVIL}"),
        ("fit", good, "-o", tmp_path / f"m{EVIL}", *FEW),
    ):
        found = run(*command)
        assert_harmless(found.output)


def test_names_of_channels_and_axes(tmp_path):
    path = tmp_path / "a.tif"
    escaped = "a&#x9b;1m&#10;error: forged&#x202e;"  # what XML can say of EVIL
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="I">'
        '<Pixels ID="P" DimensionOrder="XYCZT" Type="uint16" SizeX="20" SizeY="24" '
        f'SizeC="2" SizeZ="1" SizeT="1"><Channel ID="C:0" Name="{escaped}"/>'
        '<Channel ID="C:1" Name="b"/><TiffData/></Pixels></Image></OME>'
    )
    options = {"description": xml, "metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(path, noisy(2, 24, 20), **options)
    found = run("denoise", path, "-o", tmp_path / "b.tif", *FEW)
    assert found.exit_code == 0, found.output
    assert_harmless(found.output)
    assert "\\u202e" in found.output

    store = tmp_path / "a.zarr"
    write_image(store, noisy(24, 20))
    content = json.loads((store / "zarr.json").read_text())
    for axis in content["attributes"]["ome"]["multiscales"][0]["axes"]:
        axis["name"] = f"{axis['name']}{EVIL}"
    (store / "zarr.json").write_text(json.dumps(content))
    found = run("denoise", store, "-o", tmp_path / "b.zarr", *FEW)
    assert found.exit_code == 1
    assert_harmless(found.output)
