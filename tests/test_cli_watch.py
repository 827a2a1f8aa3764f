"""`n2d watch`, as a process of its own, on files that come, grow, break and go."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from n2d.cli import app
from n2d.cli.watch import _Watcher
from n2d.files._fits import KeptFits
from n2d.files._jobs import Job
from n2d.files._watching import Arrivals
from n2d.io import is_own_result

pytestmark = pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")


def noisy(seed=0, level=8.0, n=None):
    rng = np.random.default_rng(seed)
    clean = 100 + 60 * (np.indices((128, 144)).sum(0) // 16 % 2)
    shape = clean.shape if n is None else (n, *clean.shape)
    return rng.normal(clean, level, shape).round().clip(0, 255).astype(np.uint8)


class Watch:
    """A running `n2d watch`, and what it prints."""

    def __init__(self, folder, output, *options):
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "n2d", "watch", folder, "-o", output),
                *("--json", "--settle", "0.6", "--jobs", "1", *map(str, options)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    def next(self):
        """The next line of JSON."""
        return json.loads(self._process.stdout.readline())

    def stop(self, number=signal.SIGINT):
        """Interrupt it; its exit code, what it still prints, and messages."""
        self._process.send_signal(number)
        output, errors = self._process.communicate(timeout=120)
        found = [json.loads(line) for line in output.splitlines()]
        return self._process.returncode, found, errors

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()


@pytest.fixture
def folders(tmp_path):
    folder, output = tmp_path / "arriving", tmp_path / "denoised"
    folder.mkdir()
    return folder, output


@pytest.fixture
def started(folders):
    running = []

    def start(*options):
        running.append(Watch(*folders, *options))
        return running[-1]

    yield start
    for each in running:
        each.kill()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_images_are_denoised_as_they_come(folders, started):
    folder, output = folders
    watch = started()
    tifffile.imwrite(folder / "a.tif", noisy(0))
    found = watch.next()
    assert found["state"] == "done"
    assert found["fits"] == 1

    # The same noise: the same fit. Twice as much: another one.
    tifffile.imwrite(folder / "b.tif", noisy(1))
    assert watch.next()["fits"] == 0
    tifffile.imwrite(folder / "c.tif", noisy(2, level=16.0))
    assert watch.next()["fits"] == 1

    # Written under another name, in two halves, with a pause longer than a look.
    whole = folder / "whole.bin"
    tifffile.imwrite(whole, noisy(3, level=16.0))
    content = whole.read_bytes()
    half = folder / "d.tif"
    half.write_bytes(content[: len(content) // 2])
    time.sleep(0.3)
    half.write_bytes(content)
    found = watch.next()
    assert (found["state"], found["source"]) == ("done", str(half))
    whole.rename(folder / "e.tif")
    assert watch.next()["source"] == str(folder / "e.tif")

    # What is no image says so, and stops nothing; a stack that grows is done again.
    (folder / "f.tif").write_bytes(b"II*\x00nonsense")
    assert watch.next()["state"] == "failed"
    for n in (2, 3):
        stack = noisy(4, level=16.0, n=n)
        tifffile.imwrite(folder / "g.tif", stack, photometric="minisblack")
        found = watch.next()
        assert found.get("planes") == n, found.get("error")
    code, (*_, summary), errors = watch.stop()
    assert code == 0, errors
    assert summary["done"] == 7
    assert list(summary["failed"]) == [str(folder / "f.tif")]
    factor = re.search(r"the fit is renewed: the noise is ([\d.]+) times", errors)
    assert 1.6 < float(factor[1]) < 2.4
    assert tifffile.imread(output / "g.tif").shape == (3, 128, 144)
    names = sorted(p.name for p in output.iterdir() if not p.name.startswith("."))
    assert names == [f"{name}.tif" for name in "abcdeg"]
    for name in "abc":
        level = 16 if name == "c" else 8
        noisy_image = tifffile.imread(folder / f"{name}.tif").astype(float)
        removed = noisy_image - tifffile.imread(output / f"{name}.tif")
        assert 0.7 * level < removed.std() < 1.2 * level

    # Started again, it knows what is done, and what is not its own stays.
    (output / "h.tif").write_bytes(b"mine")
    tifffile.imwrite(folder / "h.tif", noisy(5))
    again = started("--stop-after", 0.5)
    states = [again.next() for _ in range(8)]
    skipped = [found["source"] for found in states if found["state"] == "skipped"]
    assert len(skipped) == 6
    failed = {found["source"]: found["error"] for found in states if "error" in found}
    assert "exists already" in failed[str(folder / "h.tif")]
    assert (output / "h.tif").read_bytes() == b"mine"
    assert again._process.wait(timeout=60) == 1


def test_a_stack_is_denoised_while_it_grows(folders, capsys):
    folder, output = folders
    output.mkdir()
    path, said = folder / "a.tif", []

    def watcher():
        job = Job({"random_state": 0, "verbose": 0}, resume=True)
        job.kept = KeptFits(said.append)
        return _Watcher(
            *(Arrivals(folder, 1000), output, job, lambda text, _=0: said.append(text)),
            as_json=True,
            debug=True,
        )

    def records():
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    pages = np.concatenate([noisy(0, n=6), noisy(1, n=2, level=16.0)])[:, :80, :96]
    first = watcher()
    with tifffile.TiffWriter(path) as file:
        for i, page in enumerate(pages):
            file.write(page, photometric="minisblack")
            file.filehandle.flush()
            if i in (2, 6):  # the one that was begun last does not count yet
                first._one(path, settled=False)
        early = tifffile.imread(output / "a.tif")
    first._one(path, settled=True)
    found = records()
    assert [r["state"] for r in found] == ["growing", "growing", "done"]
    assert [(r["planes"], r["new"]) for r in found] == [(2, 2), (6, 4), (8, 2)]
    # Of the last planes the noise is another; what was done before stays.
    assert [r["fits"] for r in found] == [1, 0, 1]
    assert sum("the fit is renewed: the noise is" in text for text in said) == 1
    result = tifffile.imread(output / "a.tif")
    assert (result[:6] == early).all()
    removed = (pages - result.astype(float)).std(axis=(1, 2))
    assert (removed > 0.7 * np.repeat([8, 16], [6, 2])).all()
    # Started again, it knows what is whole, and what is somebody else's.
    again = watcher()
    again._one(path, settled=True)
    (output / "a.tif").write_bytes(b"mine")
    with tifffile.TiffWriter(path, append=True) as file:
        file.write(pages[0], photometric="minisblack")
    again._one(path, settled=True)
    found = records()
    assert [r["state"] for r in found] == ["skipped", "failed"]
    assert (output / "a.tif").read_bytes() == b"mine"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_it_ends_in_the_middle_with_whole_files_only(folders, started):
    folder, output = folders
    rng = np.random.default_rng(0)
    tifffile.imwrite(folder / "a.tif", noisy(0))
    big = rng.normal(100, 9, (1400, 1500)).astype(np.float32)
    tifffile.imwrite(folder / "b.tif", big)
    watch = started()
    assert watch.next()["source"] == str(folder / "a.tif")
    time.sleep(0.5)  # in the middle of the other one
    code, _, errors = watch.stop(signal.SIGTERM)
    assert code == 0, errors
    assert [p.name for p in output.iterdir() if p.suffix == ".tif"] == ["a.tif"]


@pytest.mark.parametrize(("bad", "code"), [(True, 1), (False, 0)])
def test_a_script_learns_of_failures_from_the_exit_code(folders, bad, code):
    folder, output = folders
    if bad:
        (folder / "a.tif").write_bytes(b"II*\x00nonsense")
    options = ("--settle", "0", "--stop-after", "0")
    found = CliRunner().invoke(app, ["watch", str(folder), "-o", str(output), *options])
    assert found.exit_code == code, found.output
    said = found.stderr.splitlines()
    if bad:
        assert "stopped: 0 images denoised, 1 failed:" in said
        assert "a.tif" in said[-1]


def test_the_folder_of_the_results_is_another_one(folders):
    folder, _ = folders
    run = subprocess.run(
        [sys.executable, "-m", "n2d", "watch", folder, "-o", folder],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert "name another one" in " ".join(run.stderr.split())


def test_an_image_is_ready_once_for_every_change(tmp_path):
    arrivals = Arrivals(tmp_path, settle=0)
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    (tmp_path / ".b.png").write_bytes(b"hidden")
    (tmp_path / "c.txt").write_bytes(b"no image")
    assert arrivals.ready() == [path]
    state = arrivals.begin(path)
    path.write_bytes(b"changed while it was read")
    assert not arrivals.end(path, state)
    assert arrivals.ready() == [path]
    assert arrivals.end(path, arrivals.begin(path))
    assert arrivals.ready() == []
    assert arrivals.n_under_way == 0
    path.unlink()
    assert arrivals.begin(path) is None
    patient = Arrivals(tmp_path, settle=1000)
    path.write_bytes(b"new")
    assert patient.ready() == []
    os.utime(path, (0, 0))  # it has been there for long
    assert Arrivals(tmp_path, settle=1000).ready() == [path]
    assert not is_own_result(path)


def test_options_that_cannot_be_are_refused_before_anything_arrives(folders, tmp_path):
    folder, output = folders
    model = tmp_path / "some.n2d"
    for options, blamed in (
        (("--model", model), "is no file"),
        (("--model", model), "some.n2d"),
        (("--model", model, "--noise", "3"), "--noise is about fitting"),
        (("--device", "cuda:99"), "--device"),
    ):
        found = CliRunner().invoke(
            app, ["watch", *map(str, (folder, "-o", output, *options))]
        )
        model.write_bytes(b"no model")
        assert found.exit_code == 2
        assert blamed in " ".join(found.stderr.split())
    assert not output.exists()
