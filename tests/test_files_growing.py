"""Stacks that grow: what is whole, what is taken over, what comes out in the end."""

import shutil

import numpy as np
import pytest
import tifffile

from n2d import Noise2DetailDenoiser
from n2d.files._fits import KeptFits
from n2d.files._growing import Grown
from n2d.files._jobs import Callback, Job, carry_out
from n2d.files._watching import Arrivals
from n2d.io import is_own_result, note_result, open_image, plane_marks

pytestmark = pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")


def frames(n, level=8.0, seed=0, shape=(32, 48)):
    rng = np.random.default_rng(seed)
    clean = 100 + 60 * (np.indices(shape).sum(0) // 16 % 2)
    return rng.normal(clean, level, (n, *shape)).round().clip(0, 255).astype(np.uint8)


def write_pages(path, pages):
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, photometric="minisblack")


def write_zarr(path, stack, n):
    """An array of `len(stack)` time points, of which so many have been written."""
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        str(path),
        shape=stack.shape,
        chunks=(1, 32, 32),
        dtype=stack.dtype,
        dimension_names=("t", "y", "x"),
        overwrite=True,
    )
    array[:n] = stack[:n]
    return array


def run(source, target, job):
    return carry_out(
        job, source, target, listed=True, say=lambda *_, **__: None, progress=Callback()
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "a.n2d"
    Noise2DetailDenoiser(random_state=0).fit(frames(2)).save(path)
    return path


@pytest.mark.parametrize("kind", ["tif", "zarr"])
def test_a_result_that_grew_is_that_of_the_whole_stack(tmp_path, model, kind):
    stack = frames(9)
    source, target = tmp_path / f"a.{kind}", tmp_path / f"out.{kind}"
    kept = KeptFits(lambda text: None)
    n_done, marks, n_new = 0, [], []
    for n in (2, 6, 8):  # the last one that is there does not count yet
        if kind == "tif":
            write_pages(source, stack[: n + 1])
        else:
            if source.exists():
                zarr = pytest.importorskip("zarr")
                zarr.open_array(str(source))[n_done : n + 1] = stack[n_done : n + 1]
            else:
                write_zarr(source, stack, n + 1)
        before, marks = marks, plane_marks(source, settled=False)
        assert len(marks) == n
        assert marks[:n_done] == before[:n_done]
        job = Job(
            {"random_state": 0, "verbose": 0},
            model=model,
            axes="TYX",
            overwrite=True,
            resume=True,
            kept=kept,
            grown=Grown(n, n_done),
        )
        found = run(source, target, job)
        n_new.append(found.n_new)
        assert found.n_planes == n
        note_result(target)
        assert is_own_result(target)
        n_done = n
    # Three neighbours in time: the last three of those before are done again.
    assert n_new == [2, 6, 5]
    whole = Noise2DetailDenoiser.load(model).set_params(stack="time")
    expected = whole.transform(stack[:8])
    with open_image(target) as image:
        grown = np.asarray(image.data[...]).astype(float)
    assert np.abs(grown - expected).max() <= 0.5 + 1e-3  # rounded to uint8


def test_planes_that_have_changed_are_not_taken_over(tmp_path):
    pages, path = frames(5), tmp_path / "a.tif"
    arrivals = Arrivals(tmp_path, settle=0)
    write_pages(path, pages)
    assert arrivals.ready() == [path]
    grown, marks = arrivals.grown(path, settled=True)
    assert grown == Grown(5, 0)
    arrivals.took(path, marks, 0.0)
    pages[3] += 1
    write_pages(path, np.concatenate([pages, pages[:1]]))
    grown, _ = arrivals.grown(path, settled=False)
    assert grown == Grown(5, 3)
    # One image, and what is described as more than a row of pages: as a whole.
    tifffile.imwrite(path, pages[0])
    assert arrivals.grown(path, settled=True) == (None, None)
    tifffile.imwrite(path, pages.reshape(5, 1, 32, 48)[:, [0, 0]], imagej=True)
    assert arrivals.grown(path, settled=True) == (None, None)
    path.write_bytes(b"II*\x00nonsense")
    assert plane_marks(path, settled=False) is None


def test_half_a_page_is_no_plane(tmp_path):
    whole, path = tmp_path / "whole.tif", tmp_path / "a.tif"
    write_pages(whole, frames(4))
    content = whole.read_bytes()
    numbers = set()
    for end in range(100, len(content), 397):
        path.write_bytes(content[:end])
        marks = plane_marks(path, settled=False) or []
        assert marks == plane_marks(whole, settled=True)[: len(marks)]
        numbers.add(len(marks))
    assert max(numbers) == 3


def test_a_stack_that_is_written_to_is_growing_and_a_quick_copy_is_not(tmp_path):
    path = tmp_path / "a.tif"
    write_pages(path, frames(3))
    patient = Arrivals(tmp_path, settle=1000)
    assert patient.ready() == []
    assert patient.growing() == []
    quick = Arrivals(tmp_path, settle=1000)
    quick.ready()
    quick._since[path] -= 1000  # it has been written to for so long
    assert quick.growing() == [path]
    _, marks = quick.grown(path, settled=False)
    assert len(marks) == 2
    quick.took(path, marks, 0.0)
    quick._next[path] = 0.0
    assert quick.growing() == []  # nothing new


def test_a_folder_somebody_has_changed_is_nobodys_result(tmp_path):
    path = tmp_path / "a.zarr"
    write_zarr(path, frames(2), 2)
    assert not is_own_result(path)
    note_result(path)
    assert is_own_result(path)
    (path / "notes.txt").write_text("mine")
    assert not is_own_result(path)
    shutil.rmtree(path)
    assert not is_own_result(path)
