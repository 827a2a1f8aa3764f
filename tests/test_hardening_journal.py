"""What is finished is known by its content, where times and sizes lie."""

import os

import numpy as np
import pytest
from typer.testing import CliRunner

from n2d.cli import app
from n2d.io import _ledger, fingerprint, write_image

FEW = ("--init", "random", "--max-iter", "1", "--detail-max-iter", "0")


def change(path, place, value=b"\x07"):
    """Change a byte of a file, and none of what the file system says of it."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(value)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat(path)
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("place", [0, 100_000, 1_500_000, 3_999_999])
def test_a_byte_anywhere_in_an_input(tmp_path, place):
    path = tmp_path / "a.npy"
    path.write_bytes(bytes(4_000_000))
    before = fingerprint(path)
    change(path, place)
    assert fingerprint(path) != before


def test_large_inputs_are_sampled(tmp_path):
    path = tmp_path / "a.npy"
    with open(path, "wb") as file:
        file.truncate(10**9)
    before = fingerprint(path)
    changed = np.linspace(0, 10**9 - 1, 65).astype(int)[32]
    change(path, int(changed), b"\x07" * 2**25)  # a region of 3 %
    assert fingerprint(path) != before


def test_chunks_of_a_zarr(tmp_path):
    write_image(tmp_path / "a.zarr", np.ones((64, 64), np.uint8))
    before = fingerprint(tmp_path / "a.zarr")
    chunk = next(p for p in (tmp_path / "a.zarr" / "0" / "c").rglob("*") if p.is_file())
    change(chunk, chunk.stat().st_size - 1)
    assert fingerprint(tmp_path / "a.zarr") != before


def test_a_result_that_was_changed_is_none(tmp_path):
    pixels = np.random.default_rng(0).normal(100, 8, (48, 48)).astype(np.uint16)
    (tmp_path / "in").mkdir()
    for name in "ab":
        write_image(tmp_path / "in" / f"{name}.tif", pixels)
    command = ["denoise", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *FEW]
    assert CliRunner().invoke(app, command).exit_code == 0
    found = CliRunner().invoke(app, [*command, "--resume"])
    assert found.stderr.count("finished before") == 2
    result = tmp_path / "out" / "a.tif"
    change(result, result.stat().st_size // 2)
    found = CliRunner().invoke(app, [*command, "--resume"])
    assert found.exit_code == 1  # it is not replaced without --overwrite
    assert found.stderr.count("finished before") == 1
    assert "exists already" in found.stderr


def test_a_list_is_read_once_and_noticed_when_it_is_another(tmp_path, monkeypatch):
    parsed = []
    own = _ledger.Ledger._parsed
    monkeypatch.setattr(
        _ledger.Ledger,
        "_parsed",
        lambda self, line: parsed.append(0) or own(self, line),
    )
    files = [tmp_path / f"{i}.tif" for i in range(20)]
    for n in (10, 20):  # the second list takes the place of the first, and is longer
        for path in files[:n]:
            path.write_bytes(path.name.encode())
            _ledger.FinishedFiles(path).add(path, {"n": n})
        parsed.clear()
        assert all(_ledger.FinishedFiles(path).has({"n": n}) for path in files[:n])
        assert len(parsed) == n
        assert not _ledger.FinishedFiles(files[0]).has({"n": 0})
        (tmp_path / ".n2d-finished.jsonl").unlink()
        assert not _ledger.FinishedFiles(files[0]).has({"n": n})
