"""A short run of the fuzzing, the same files every time; the long one is nox's."""

import importlib.util
import itertools
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("fuzz")
N = [300, pytest.param(4_000, marks=pytest.mark.slow, id="4000")]


@pytest.fixture(scope="module")
def fuzz():
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("fuzz_run", FOLDER / "run.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def everything(fuzz, tmp_path_factory):
    return fuzz.corpus(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("n", N)
def test_damaged_files_of_every_kind(fuzz, everything, tmp_path, n):
    (tmp_path / "tried").mkdir()
    found = {"read": 0, "refused": 0}
    for case in itertools.islice(fuzz.cases(everything, seed=0), n):
        what = fuzz.try_one(*case, tmp_path / "tried")
        assert what in found, f"{case[0]}: {what}"
        found[what] += 1
    assert found["refused"] > n / 4
    assert found["read"] > n / 20
