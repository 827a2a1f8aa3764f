"""Folders: nothing is dropped without a word, and nothing goes to the wrong place."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from n2d import denoise_file
from n2d.cli import app
from n2d.files._targets import PlanError, expand_inputs, plan_outputs
from n2d.io import write_image

RNG = np.random.default_rng(0)
SMOOTHED = ("--method", "gaussian:blur=1")


@pytest.fixture
def folder(tmp_path):
    """Images, one of them below, a hidden one, notes, and a work file of ours."""
    (tmp_path / "in" / "below").mkdir(parents=True)
    for name in ("a.tif", "below/a.tif", ".hidden.tif"):
        write_image(tmp_path / "in" / name, RNG.integers(0, 99, (12, 14), np.uint8))
    (tmp_path / "in" / "notes.txt").write_text("of the day")
    (tmp_path / "in" / ".n2d-finished.jsonl").write_text("")
    return tmp_path / "in"


def run(*arguments):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


def test_what_is_left_out_is_listed_and_counted(folder, tmp_path):
    found = run(folder, "-o", tmp_path / "out", "--json", *SMOOTHED)
    assert found.exit_code == 0, found.output
    for text in ("hidden: 1", "notes.txt", "for --recursive: 1"):
        assert text in found.stderr
    summary = json.loads(found.stdout.splitlines()[-1])
    assert summary["done"] == 1
    names = {entry["path"].rpartition("/")[2] for entry in summary["left_out"]}
    assert names == {".hidden.tif", "notes.txt", "below"}


def test_folders_in_folders_keep_their_places(folder, tmp_path):
    # Results in the folder itself are no inputs of the next run.
    options = ("-o", folder / "out", "--recursive", *SMOOTHED)
    assert run(folder, *options).exit_code == 0
    assert (folder / "out" / "below" / "a.tif").is_file()
    again = run(folder, *options, "--resume")
    assert again.exit_code == 0, again.output
    assert not (folder / "out" / "out").exists()


def test_links_in_circles_doubles_and_leftovers(folder, tmp_path):
    (folder / "below" / "up").symlink_to(folder)
    (folder / "gone.tif").symlink_to(folder / "nowhere.tif")
    (folder / "b.zarr.n2d-part").mkdir()
    (folder / "c.tif.part").touch()
    found = expand_inputs([folder, folder / "a.tif"], recursive=True)
    assert [path.name for path in found.paths] == ["a.tif", "a.tif", "gone.tif"]
    assert {(path.name, why.split()[0]) for path, why in found.left_out} == {
        *((".hidden.tif", "hidden"), ("b.zarr.n2d-part", "unfinished,")),
        *(("c.tif.part", "no"), ("notes.txt", "no"), ("up", "a"), ("a.tif", "given")),
    }


def test_errors_of_pixels_and_empty_files(folder, tmp_path):
    (folder / "gone.tif").touch()
    options = ("-o", folder / "out", "--recursive", "--strength", "1")
    options = (folder, *options, "--uncertainty", folder / "errors")
    assert "gone.tif: is empty, a file of 0 bytes" in run(*options).stderr
    # Neither results nor errors are inputs of the next run.
    assert "2 skipped" in run(*options, "--resume").stderr


def test_patterns_are_expanded_where_the_shell_did_not(folder):
    found = expand_inputs([folder / "*.t*"])
    assert [path.name for path in found.paths] == ["a.tif"]
    assert [path.name for path, _ in found.left_out] == ["notes.txt"]
    deep = expand_inputs([folder / "**" / "*.tif"])
    assert len(deep.paths) == 2
    with pytest.raises(PlanError, match="no image file is called like"):
        expand_inputs([folder / "x*.tif"])
    with pytest.raises(PlanError, match="both be written"):
        plan_outputs(deep.paths, f"{folder / 'out'}/")


def test_resume_says_which_options_differ(folder, tmp_path):
    (folder / "second.tif").write_bytes((folder / "a.tif").read_bytes())
    options = (folder, "-o", tmp_path / "out", "--resume", "--method")
    assert run(*options, "gaussian:blur=1").exit_code == 0
    found = run(*options, "gaussian:blur=2")
    assert found.exit_code == 1
    assert "what differs: blur (1" in found.stderr
    # Once when it happens, and once at the end, however many files there are.
    assert found.stderr.count("what differs") == 2
    assert "second.tif: failed like " in found.stderr


def test_an_image_with_channels_last_and_no_names_warns(tmp_path):
    source = tmp_path / "a.npy"
    write_image(source, RNG.integers(0, 99, (40, 36, 5), np.uint8), axes="QYX")
    found = run(source, "-o", tmp_path / "b.tif", *SMOOTHED)
    assert "warning: " in found.stderr
    assert "--axes YXC" in found.stderr
    with pytest.warns(UserWarning, match="say --axes YXC"):
        denoise_file(source, tmp_path / "c.tif", method="gaussian:blur=1")
    named = run(source, "-o", tmp_path / "d.tif", "--axes", "YXC", *SMOOTHED)
    assert "warning: " not in named.stderr


@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        (("--device", "gpu"), "--device"),
        (("--solver", "paper", "--noise", "3"), "--noise"),
        (("--init", "random", "--strength", "2"), "--strength"),
        ((*SMOOTHED, "--stripes", "remove"), "--stripes"),
        ((*SMOOTHED, "--precision", "bfloat16"), "--precision"),
    ],
)
def test_options_are_blamed_by_their_own_name_before_any_file(folder, options, blamed):
    found = run(folder / "a.tif", "-o", folder / "b.tif", *options)
    assert found.exit_code == 2
    assert f"Invalid value for {blamed}" in found.stderr
    assert "12 x 14" not in found.stderr


def test_dicom_from_another_format_is_refused_before_the_fit(folder):
    found = run(folder / "a.tif", "-o", folder / "b.dcm")
    assert found.exit_code == 1
    assert "written from another DICOM file only" in found.stderr
    assert "12 x 14" not in found.stderr


def test_what_does_not_exist_or_is_no_image_fails_in_one_line(folder, tmp_path):
    (tmp_path / "note.txt").write_text("no image")
    for name in ("missing", "note.txt"):
        for others in ((), (folder / "a.tif",)):
            result = run(tmp_path / name, *others, "-o", f"{tmp_path}/new/")
            assert result.exit_code == 1
            assert isinstance(result.exception, SystemExit)
            assert f"{tmp_path / name}: " in result.stderr
