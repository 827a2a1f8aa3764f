"""Names of files that are no UTF-8, as those in old archives."""

import os
import sys

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from n2d.cli import app
from n2d.comparison.results import read_results
from n2d.io._atomic import short_name

NAME = os.fsdecode(b"cells\xe9.tif")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="names are letters there, not bytes"
)


def noisy():
    rng = np.random.default_rng(0)
    return (rng.normal(0, 9, (32, 40)) + np.linspace(500, 900, 40)).astype(np.uint16)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_names_that_are_no_utf_8_are_written(tmp_path):
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", noisy())
    (tmp_path / "in" / "a.tif").rename(tmp_path / "in" / NAME)
    report = tmp_path / "report.html"
    how = ("-o", tmp_path / "out", "--noise", 9, "--report", report)
    result = run("denoise", tmp_path / "in", *how)
    assert result.exit_code == 0, result.output
    assert os.listdir(os.fsencode(tmp_path / "out")).count(b"cells\xe9.tif") == 1
    assert "cells" in report.read_text(encoding="utf-8")
    again = run("denoise", tmp_path / "in", *how[:-2], "--resume")
    assert "finished before, skipped" in again.stderr


def test_tables_of_names_that_are_no_utf_8(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noisy())
    (tmp_path / "a.tif").rename(tmp_path / NAME)
    what = ("compare", tmp_path / NAME, "-o", tmp_path / "out", "--methods", "gaussian")
    for more in ((), ("--overwrite",)):
        result = run(*what, *more)
        assert result.exit_code == 0, result.output
    # Its name as it is, to find the image by.
    assert b"cells\xe9" in (tmp_path / "out" / "results.csv").read_bytes()
    assert "cells" in str(read_results(tmp_path / "out" / "results.csv"))


def test_short_names_end_between_letters():
    for letter in "aéあ😀":
        for start in ("", "b", "bb", "bbb"):
            name = short_name(start + letter * 250)
            assert len(os.fsencode(name)) <= 200
            assert name.partition("~")[0].encode().decode().strip(f"b{letter}") == ""
    assert short_name(NAME) == NAME
    long = os.fsdecode(b"\xe9" * 250)
    assert len(os.fsencode(short_name(long))) <= 200
