"""Long runs: folders, crashes, interruptions, full disks, machines that listen."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from typer.testing import CliRunner

import n2d
from n2d.cli import app
from n2d.io import write_image

ROOT = Path(n2d.__file__).parents[1]
FEW = ["--max-iter", "2", "--detail-max-iter", "0"]
posix = pytest.mark.skipif(os.name == "nt", reason="signals and limits are POSIX")


def run(*arguments):
    """Run `n2d denoise` in this process."""
    return CliRunner().invoke(app, ["denoise", *map(str, arguments), *FEW])


def start(*arguments, code="from n2d.cli import main; main()"):
    """Start `n2d denoise` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, "denoise", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def noisy(shape=(24, 20), seed=0):
    return np.random.default_rng(seed).normal(100, 9, shape).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Four images, one of them damaged, and a text."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(folder / f"{number}.tif", noisy(seed=number))
    (folder / "bad.tif").write_bytes((folder / "0.tif").read_bytes()[:200])
    (folder / "notes.txt").write_text("no image")
    return folder


def events(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_folder_with_a_bad_file(tmp_path, folder):
    result = run(folder, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 1
    *files, summary = events(result)
    states = {Path(file["source"]).name: file["state"] for file in files}
    done = {f"{number}.tif": "done" for number in range(3)}
    assert states == {**done, "bad.tif": "failed"}
    assert summary["done"] == 3
    assert summary["failed"] == 1
    assert summary["event"] == "summary"
    assert not summary["interrupted"]
    bad = next(file for file in files if file["state"] == "failed")
    assert "damaged" in bad["error"]
    assert bad["kind"] == "ImageFileError"
    assert files[0]["shape"] == [24, 20]
    assert "3 of 4 images denoised" in result.stderr
    assert sorted(p.name for p in (tmp_path / "out").glob("*")) == [
        ".n2d-finished.jsonl",
        "0.tif",
        "1.tif",
        "2.tif",
    ]


def test_resume_skips_what_is_finished_for_the_same_options(tmp_path, folder):
    (folder / "bad.tif").unlink()
    out = tmp_path / "out"
    assert run(folder, "-o", out).exit_code == 0
    before = (out / "0.tif").stat().st_mtime_ns
    (out / "1.tif").unlink()
    result = run(folder, "-o", out, "--resume", "--json")
    assert result.exit_code == 0, result.output
    assert [event["state"] for event in events(result)[:3]] == [
        "skipped",
        "done",
        "skipped",
    ]
    assert (out / "0.tif").stat().st_mtime_ns == before
    # Other options, another input, or another output: not the same run.
    result = run(folder, "-o", out, "--resume", "--seed", 5)
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    tifffile.imwrite(folder / "0.tif", noisy(seed=9))
    (out / "2.tif").write_bytes(b"mine")
    result = run(folder, "-o", out, "--resume", "--json")
    states = [event["state"] for event in events(result)[:3]]
    assert states == ["failed", "skipped", "failed"]
    assert (out / "2.tif").read_bytes() == b"mine"


def test_resume_clears_what_a_killed_run_left(tmp_path, folder):
    (folder / "bad.tif").unlink()
    out = tmp_path / "out"
    out.mkdir()
    (out / ".0.tif.0123abcd.part").write_bytes(b"half")
    (out / ".other.tif.0123abcd.part").write_bytes(b"not ours")
    (out / ".n2d-finished.jsonl").write_bytes(b'{"output": "0.tif", "sta')
    assert run(folder, "-o", out, "--resume").exit_code == 0
    assert ".0.tif.0123abcd.part" not in os.listdir(out)
    assert ".other.tif.0123abcd.part" in os.listdir(out)
    result = run(folder, "-o", out, "--resume", "--json")
    assert events(result)[-1]["skipped"] == 3


def test_resume_and_overwrite_exclude_each_other(tmp_path, folder):
    result = run(folder, "-o", tmp_path / "out", "--resume", "--overwrite")
    assert result.exit_code == 2
    assert "--resume" in result.stderr


def test_a_folder_without_images_says_so(tmp_path):
    (tmp_path / "in").mkdir()
    result = run(tmp_path / "in", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "Invalid value for INPUT" in result.stderr
    assert "has no image file" in " ".join(result.stderr.split())


def test_from_one_format_to_another(tmp_path):
    write_image(tmp_path / "a.npy", noisy((2, 3, 24, 20)), axes="QIYX")
    options = ("--axes", "CZYX")
    assert run(tmp_path / "a.npy", "-o", tmp_path / "a.zarr", *options).exit_code == 0
    result = run(tmp_path / "a.zarr", "-o", tmp_path / "a.tif")
    assert "2 channels independently; 3 Z planes each" in result.stderr
    assert tifffile.imread(tmp_path / "a.tif").shape == (2, 3, 24, 20)


# -- killed, interrupted, out of room ----------------------------------------------

# The process sends the signal to itself, in the middle of its work.
IN_THE_MIDDLE = """
import os, signal
from n2d.io import ome_zarr
finished, finish = [], ome_zarr._write.WorkFolder.finish
def counted(self, block):
    finish(self, block)
    finished.append(block)
    if len(finished) == {after}:
        os.kill(os.getpid(), signal.{signal})
ome_zarr._write.WorkFolder.finish = counted
from n2d.cli import main
main()
"""


def contents(folder):
    """{relative path: bytes} of all files in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
@posix
def test_a_killed_run_is_resumed_to_the_byte(tmp_path):
    # 6 planes, then 6 planes of the second level.
    pixels = np.random.default_rng(0).normal(500, 30, (2, 3, 300, 64)).astype(np.uint16)
    source = tmp_path / "in.zarr"
    write_image(source, pixels, axes="CZYX")
    assert run(source, "-o", tmp_path / "whole.zarr").exit_code == 0
    whole = contents(tmp_path / "whole.zarr")
    names = ["in.zarr", "whole.zarr"]
    for after in (4, 9):
        arguments = (source, "-o", tmp_path / f"out{after}.zarr")
        code = IN_THE_MIDDLE.format(after=after, signal="SIGKILL")
        with start(*arguments, *FEW, code=code) as process:
            process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        left = [*names, f"out{after}.zarr.n2d-part"]
        assert sorted(os.listdir(tmp_path)) == sorted(left)
        result = run(*arguments, "--resume")
        assert result.exit_code == 0, result.output
        names.append(f"out{after}.zarr")
        assert sorted(os.listdir(tmp_path)) == sorted(names)
        resumed = contents(tmp_path / names[-1])
        assert resumed.keys() == whole.keys()
        # Only its name is another.
        for name in whole:
            other = whole[name].replace(b'"whole"', f'"out{after}"'.encode())
            assert resumed[name] == other, name
        result = run(*arguments, "--resume", "--json")
        assert events(result)[0]["state"] == "skipped"


@pytest.mark.slow
@posix
def test_an_interrupted_run_of_many_planes_can_be_resumed(tmp_path):
    source = tmp_path / "in.zarr"
    write_image(source, noisy((3, 24, 20)), axes="ZYX")
    code = IN_THE_MIDDLE.format(after=3, signal="SIGINT")
    command = (source, "-o", tmp_path / "out.zarr", *FEW)
    with start(*command, code=code) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "--resume" in errors
    assert not (tmp_path / "out.zarr").exists()
    assert run(*command[:3], "--resume").exit_code == 0
    assert sorted(os.listdir(tmp_path)) == ["in.zarr", "out.zarr"]


@pytest.mark.slow
@posix
def test_ctrl_c_in_the_middle_of_a_transform(tmp_path):
    # Large enough that all of it would take a minute.
    pixels = np.random.default_rng(0).integers(0, 255, (3000, 3000), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", pixels)
    command = (tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--verbose")
    with start(*command) as process:
        seen = ""
        while "denoising" not in seen:
            character = process.stderr.read(1)
            assert character, seen
            seen += character
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert os.listdir(tmp_path) == ["in.tif"]


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
from n2d.cli import main
for name in ("out.tif", "out.zarr", "out.npy", "mine.tif"):
    sys.argv[4] = name
    try:
        main()
    except SystemExit as end:
        print(name, end.code)
"""


@pytest.mark.slow
@posix
def test_no_room_in_the_middle(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", noisy((200, 200)))
    (tmp_path / "mine.tif").write_bytes(b"mine")
    options = ["--dtype", "float32", "--overwrite", *FEW]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "denoise", "in.tif", "-o", "NAME", *options],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    ends = ["out.tif 1", "out.zarr 1", "out.npy 1", "mine.tif 1"]
    assert done.stdout.splitlines() == ends, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 4
    assert sorted(os.listdir(tmp_path)) == ["in.tif", "mine.tif"]
    assert (tmp_path / "mine.tif").read_bytes() == b"mine"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.tif", "out.zarr", "out.npy"])
def test_a_full_disk(tmp_path, small_disk, name):
    tifffile.imwrite(tmp_path / "in.tif", noisy((400, 400)).astype(np.float32))
    (small_disk / "out.tif").write_bytes(b"precious")
    (small_disk / "ballast").write_bytes(bytes(750_000))
    options = ("--overwrite", "--dtype", "float32")
    result = run(tmp_path / "in.tif", "-o", small_disk / name, *options)
    assert result.exit_code == 1
    assert "error: " in result.stderr
    assert (small_disk / "out.tif").read_bytes() == b"precious"
    assert sorted(os.listdir(small_disk)) == ["ballast", "out.tif"]


# -- memory ------------------------------------------------------------------------


def peaks(monkeypatch):
    """Memory of this process whenever a file was finished."""
    from n2d.cli import batch

    found, emit = [], batch.Batch._emit

    def measured(self, record):
        found.append(psutil.Process().memory_info().rss)
        emit(self, record)

    monkeypatch.setattr(batch.Batch, "_emit", measured)
    return found


@pytest.mark.slow
def test_memory_stays_flat_over_many_files(tmp_path, monkeypatch):
    # N2D_FILES=300 tries more: two minutes.
    n_files = int(os.environ.get("N2D_FILES", "30"))
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(n_files):
        tifffile.imwrite(folder / f"{number:03}.tif", noisy((128, 128), number))
    for number in (3, 7, n_files - 2):
        (folder / f"{number:03}.tif").write_bytes(b"II*\0 no more")
    found = peaks(monkeypatch)
    result = run(folder, "-o", tmp_path / "out", "--json", "--quiet")
    assert result.exit_code == 1
    assert events(result)[-1]["failed"] == 3
    # What PyTorch keeps for itself is there after a few files.
    growth = found[-1] - found[len(found) // 2]
    assert growth < 20e6


# -- a day in the life -------------------------------------------------------------


@pytest.mark.slow
def test_a_day_in_the_life_of_a_hyperstack(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "hyperstack_day.py", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "all is in place" in done.stdout
    assert done.stdout.count("as before") == 9
    assert "2 channels independently; 3 time points each" in done.stderr
    seen = sorted(os.listdir(tmp_path))
    assert seen == ["cells-denoised.tif", "cells.tif"]


def test_what_was_not_checked_is_said(tmp_path):
    scene = np.where(np.arange(96) // 16 % 2, 80, 0).astype(np.uint8)
    stack = noisy((2, 96, 96)) + scene
    stack[1] = 100  # a frame of one value
    for name, image, words in (
        ("dead", stack, "checked: good (1 of 2 images: all pixels are the same"),
        ("small", noisy((31, 47)), "not checked: the image is too small to check"),
    ):
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
        files = str(tmp_path / f"{name}.tif"), "-o", str(tmp_path / f"{name}-out.tif")
        result = CliRunner().invoke(app, ["denoise", *files])
        assert result.exit_code == 0, result.output
        assert words in result.stderr
