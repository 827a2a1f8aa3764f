"""A result that is announced is there, and an earlier one stays until it is."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from n2d.io import ImageFileError, create_image, read_image, write_image

posix = pytest.mark.skipif(os.name == "nt", reason="no locks on Windows")
SHAPE = (3, 40, 30)


def plane(z):
    return z, slice(None), slice(None)


def write(path, value, *, between=None, **options):
    """Write a small Zarr of one value, with something done after the first plane."""
    with create_image(path, SHAPE, "u2", "ZYX", run_key={"v": 1}, **options) as target:
        for z in range(SHAPE[0]):
            with target.writing(plane(z)) as part:
                part[...] = value
            if z == 0 and between is not None:
                between()


RACE = """
import multiprocessing, sys, time
from pathlib import Path
folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
shape = (3, 40, 30)

def racer(me, barrier, queue):
    from n2d.io import ImageFileError, create_image
    rng = __import__("random").Random(me)
    for number in range(rounds):
        barrier.wait()
        time.sleep(rng.random() * 0.03)
        try:
            with create_image(
                folder / f"{number}.zarr", shape, "u2", "ZYX",
                overwrite=True, run_key={"value": me},
            ) as target:
                for z in range(3):
                    with target.writing((z, slice(None), slice(None))) as part:
                        part[...] = me
        except ImageFileError as error:
            assert "another run is at work" in str(error), error
            queue.put((number, me, False))
        else:
            queue.put((number, me, True))

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(2), context.Queue()
    racers = [
        context.Process(target=racer, args=(me, barrier, queue)) for me in (1, 2)
    ]
    [racer.start() for racer in racers]
    ends = [queue.get(timeout=60) for _ in range(2 * rounds)]
    [racer.join() for racer in racers]
    assert not any(racer.exitcode for racer in racers)
    import json
    print(json.dumps(ends))
"""


@posix
@pytest.mark.slow
def test_twenty_races_of_two_runs_to_one_target(tmp_path):
    for number in range(20):
        write_image(tmp_path / f"{number}.zarr", np.full(SHAPE, 9, "u2"), axes="ZYX")
    command = [sys.executable, "-c", RACE, str(tmp_path), "20"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    ends = json.loads(found.stdout)
    assert len(ends) == 40
    for number in range(20):
        won = {me for n, me, well in ends if n == number and well}
        values = np.unique(read_image(tmp_path / f"{number}.zarr").data)
        assert won  # one of them writes, whatever the other does
        assert len(values) == 1
        assert values[0] in won
    assert sorted(os.listdir(tmp_path)) == sorted(f"{n}.zarr" for n in range(20))


@posix
@pytest.mark.parametrize("what", ["", "a.zarr.n2d-part", "a.zarr.n2d-part/image.zarr"])
def test_what_was_removed_while_it_grew_is_not_announced(tmp_path, what):
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(ImageFileError, match=r"not written"):
        write(folder / "a.zarr", 1, between=lambda: shutil.rmtree(folder / what))
    assert not (folder / "a.zarr").exists()


@pytest.mark.parametrize("name", ["zarr.json", "0/zarr.json", "0/c", "0"])
def test_an_earlier_result_stays_if_the_new_one_is_not_whole(tmp_path, name):
    path = tmp_path / "a.zarr"
    write(path, 9)
    gone = tmp_path / "a.zarr.n2d-part" / "image.zarr" / name

    def remove():
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink()

    with pytest.raises(ImageFileError, match="was not written"):
        write(path, 1, between=remove, overwrite=True)
    assert (read_image(path).data == 9).all()


def test_an_earlier_result_is_put_back_if_the_new_one_gets_no_name(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.zarr"
    write(path, 9)
    rename = os.rename

    def refuse(source, target):
        if os.path.basename(source) == "image.zarr":
            raise OSError(5, "the disk is gone")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="the disk is gone"):
        write(path, 1, overwrite=True)
    monkeypatch.undo()
    assert (read_image(path).data == 9).all()


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_was_killed_between_the_two_names_loses_nothing(tmp_path, resume):
    path, work = tmp_path / "a.zarr", tmp_path / "a.zarr.n2d-part"
    with pytest.raises(KeyboardInterrupt):
        write(path, 1, between=lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    write(tmp_path / "b.zarr", 9)
    (tmp_path / "b.zarr").rename(work / "replaced.zarr")

    def look():
        assert resume or (read_image(path).data == 9).all()

    write(path, 2, between=look, resume=resume, overwrite=not resume)
    assert (read_image(path).data == 2).all()
    assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize("among", [(), ("finished.jsonl",), ("image.zarr",)])
def test_folders_of_others_stay(tmp_path, among):
    work = tmp_path / "a.zarr.n2d-part"
    work.mkdir()
    (work / "thesis.txt").write_text("precious")
    for name in among:
        if name.endswith("zarr"):
            (work / name).mkdir()
        else:
            (work / name).touch()
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(ImageFileError, match=r"not made by n2d \(.*thesis"):
            write(tmp_path / "a.zarr", 1, **options)
    assert (work / "thesis.txt").read_text() == "precious"


def test_lists_and_links_of_others_stay(tmp_path):
    work = tmp_path / "a.zarr.n2d-part"
    work.mkdir()
    (work / "finished.jsonl").write_text('{"my": "experiments"}\n')
    with pytest.raises(ImageFileError, match="not made by n2d"):
        write(tmp_path / "a.zarr", 1, overwrite=True)
    assert (work / "finished.jsonl").read_text() == '{"my": "experiments"}\n'
    if os.name == "nt":
        return
    (tmp_path / "data").mkdir()
    (tmp_path / "b.zarr.n2d-part").symlink_to(tmp_path / "data")
    with pytest.raises(ImageFileError, match="not made by n2d"):
        write(tmp_path / "b.zarr", 1, overwrite=True)
    (tmp_path / "c.zarr.n2d-part").mkdir()
    (tmp_path / "c.zarr.n2d-part" / "image.zarr").symlink_to(tmp_path / "data")
    with pytest.raises(ImageFileError, match="not made by n2d"):
        write(tmp_path / "c.zarr", 1, overwrite=True)
    assert os.listdir(tmp_path / "data") == []


def test_what_somebody_adds_while_the_result_grows_stays(tmp_path):
    work = tmp_path / "a.zarr.n2d-part"
    write(
        tmp_path / "a.zarr",
        1,
        between=lambda: (work / "notes.txt").write_text("mine"),
    )
    assert (work / "notes.txt").read_text() == "mine"
    assert (read_image(tmp_path / "a.zarr").data == 1).all()


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy", "a.mrc", "a.nii.gz"])
def test_files_are_opened_before_they_get_their_name(tmp_path, name, monkeypatch):
    from n2d.io import _formats

    pixels = np.random.default_rng(0).integers(0, 255, (40, 30), np.uint8)
    pixels = pixels.astype(np.int16) if name[2] in "mn" else pixels
    write_image(tmp_path / name, pixels)
    before = (tmp_path / name).read_bytes()
    kind = _formats.format_of(name)
    module, written = kind._module(), kind._module().write

    def cut_off(path, *args, **options):
        written(path, *args, **options)
        os.truncate(path, os.path.getsize(path) // 2)

    monkeypatch.setattr(module, "write", cut_off)
    with pytest.raises(OSError, match=r"was not written|nothing is left"):
        write_image(tmp_path / name, pixels, overwrite=True)
    assert (tmp_path / name).read_bytes() == before
    assert os.listdir(tmp_path) == [name]
