"""OME-Zarr: judged by ome-zarr-models and plain zarr."""

import json
import os

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05 import Image

from n2d.io import (
    ImageFileError,
    create_image,
    open_image,
    read_image,
    write_image,
)

OMERO = {
    "channels": [
        {
            "label": label,
            "color": color,
            "active": True,
            "window": {"min": 0, "max": 65535, "start": 10, "end": 900},
        }
        for label, color in (("DAPI", "0000FF"), ("GFP", "00FF00"))
    ],
    "rdefs": {"model": "color"},
}


def some(shape, dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(dtype)


def make(path, version, pixels, *, extra=None, chunks=None):
    """Write an OME-Zarr of TCZYX with two levels, without n2d."""
    axes = [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        *({"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"),
    ]
    datasets = [
        {
            "path": f"s{level}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [2.5, 1.0, 0.3, 0.1 * f, 0.1 * f]},
                {"type": "translation", "translation": [0.0, 0.0, 5.0, 1.0, 2.0]},
            ],
        }
        for level, f in enumerate((1, 2))
    ]
    image = {"multiscales": [{"name": "cells", "axes": axes, "datasets": datasets}]}
    image["omero"] = OMERO
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    if version == "0.4":
        image["multiscales"][0]["version"] = "0.4"
        attributes = image
    else:
        attributes = {"ome": {"version": "0.5", **image}}
    group.attrs.update({**attributes, **(extra or {})})
    names = {} if version == "0.4" else {"dimension_names": list("tczyx")}
    for level, array in enumerate((pixels, pixels[..., ::2, ::2])):
        options = {"chunks": chunks or (1, 1, *array.shape[2:]), **names}
        made = group.create_array(
            f"s{level}", shape=array.shape, dtype=array.dtype, **options
        )
        made[...] = array


def validated(path):
    """The metadata, as ome-zarr-models understands them."""
    group = zarr.open_group(str(path), mode="r")
    return Image.from_zarr(group)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_all_that_is_known_comes_out_again(tmp_path, version, dtype):
    pixels = some((2, 2, 3, 70, 65))
    make(tmp_path / "in.zarr", version, pixels, extra={"lab": {"dose": 3}})
    image = read_image(tmp_path / "in.zarr")
    np.testing.assert_array_equal(image.data, pixels)
    assert image.axes == "TCZYX"
    assert image.channel_names == ("DAPI", "GFP")
    assert image.pixel_size == {
        "T": (2.5, "second"),
        "Z": (0.3, "micrometer"),
        "Y": (0.1, "micrometer"),
        "X": (0.1, "micrometer"),
    }
    write_image(tmp_path / "out.zarr", image.data.astype(dtype), like=image)
    out = validated(tmp_path / "out.zarr")
    assert type(out).__name__ == "Image"
    multiscale = out.attributes.ome.multiscales[0]
    assert multiscale.name == "cells"
    axes = [(axis.name, axis.type, axis.unit) for axis in multiscale.axes]
    assert axes == [
        ("t", "time", "second"),
        ("c", "channel", None),
        ("z", "space", "micrometer"),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    first, second = (d.coordinateTransformations for d in multiscale.datasets)
    assert first[0].scale == [2.5, 1.0, 0.3, 0.1, 0.1]
    assert first[1].translation == [0.0, 0.0, 5.0, 1.0, 2.0]
    assert second[0].scale == [2.5, 1.0, 0.3, 0.2, 0.2]
    # The first pixel of the second level is the mean of four.
    assert second[1].translation == pytest.approx([0.0, 0.0, 5.0, 1.05, 2.05])
    group = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")
    assert group.attrs["lab"] == {"dose": 3}
    assert group.attrs["ome"]["omero"] == OMERO
    assert group["0"].dtype == dtype
    np.testing.assert_array_equal(group["0"][...], pixels)
    assert sorted(os.listdir(tmp_path)) == ["in.zarr", "out.zarr"]


def test_codecs_and_chunks_are_kept(tmp_path):
    pixels = some((1, 1, 1, 200, 200))
    for version in ("0.4", "0.5"):
        make(tmp_path / "in.zarr", version, pixels, chunks=(1, 1, 1, 64, 80))
        with open_image(tmp_path / "in.zarr") as image:
            write_image(tmp_path / "out.zarr", image.data, like=image, overwrite=True)
        out = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")["0"]
        assert out.chunks == (1, 1, 1, 64, 80)
        name = "BloscCodec" if version == "0.4" else "ZstdCodec"
        assert [type(codec).__name__ for codec in out.compressors] == [name]


@pytest.mark.parametrize("height", [64, 65])
@pytest.mark.parametrize("sharded", [False, True])
def test_levels_are_means_of_four_pixels(tmp_path, monkeypatch, sharded, height):
    monkeypatch.setattr("n2d.io.ome_zarr._layout._CHUNK", 16)
    monkeypatch.setattr("n2d.io.ome_zarr._layout._SHARD", 32)
    monkeypatch.setattr("n2d.io.ome_zarr._layout.SHARDED_FROM", 0 if sharded else 2**40)
    monkeypatch.setattr("n2d.io.ome_zarr._layout.n_levels_for", lambda *_: 3)
    pixels = some((2, height, 48), np.float64)
    write_image(tmp_path / "a.zarr", pixels, axes="ZYX")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    assert group["0"].shards == ((1, 32, 32) if sharded else None)
    padded = np.pad(pixels, ((0, 0), (0, height % 2), (0, 0)), "edge")
    expected = padded.reshape(2, -1, 2, 24, 2).mean((2, 4))
    np.testing.assert_allclose(group["1"][...], expected)
    assert group["2"].shape == (2, -(-group["1"].shape[1] // 2), 12)
    assert type(validated(tmp_path / "a.zarr")).__name__ == "Image"


@pytest.mark.parametrize(
    ("axes", "expected"),
    [("ZCYX", "CZYX"), ("YXS", "CYX"), ("TZYX", "TZYX"), ("QYX", "QYX"), ("YX", "YX")],
)
def test_axes_get_the_order_of_the_format(tmp_path, axes, expected):
    pixels = some([6, 5, 4, 3][-len(axes) :])
    write_image(tmp_path / "a.zarr", pixels, axes=axes)
    image = read_image(tmp_path / "a.zarr")
    assert image.axes == expected
    source = [axes.replace("S", "C").index(letter) for letter in expected]
    np.testing.assert_array_equal(image.data, pixels.transpose(source))
    if "Q" not in axes:
        assert type(validated(tmp_path / "a.zarr")).__name__ == "Image"


def test_axes_it_does_not_have_are_refused(tmp_path):
    with pytest.raises(ImageFileError, match=r"one axis beside.*\.tif"):
        write_image(tmp_path / "a.zarr", some((2, 6, 7, 3)), axes="CYXS")
    assert os.listdir(tmp_path) == []


def test_plain_arrays_are_read(tmp_path):
    pixels = some((2, 6, 7))
    zarr.create_array(str(tmp_path / "a.zarr"), data=pixels)
    image = read_image(tmp_path / "a.zarr")
    assert image.axes == "QYX"
    np.testing.assert_array_equal(image.data, pixels)
    names = {"dimension_names": ("z", "y", "x")}
    zarr.create_array(str(tmp_path / "b.zarr"), data=pixels, **names)
    assert read_image(tmp_path / "b.zarr").axes == "ZYX"


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"ome": {"version": "0.5", "plate": {}}}, "A/1/0"),
        ({"ome": {"version": "0.5", "well": {}}}, "well of fields"),
        ({"ome": {"version": "0.5", "bioformats2raw.layout": 3}}, "--series"),
        ({}, "without OME-Zarr multiscales"),
        ({"ome": 3}, "damaged"),
        ({"ome": {"multiscales": [{"datasets": []}]}}, "damaged"),
        ({"multiscales": [{"datasets": [{"path": "0"}]}]}, "what its 2 axes are"),
    ],
)
def test_what_is_no_image_says_what_to_do(tmp_path, attributes, says):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("0", data=some((6, 7)))
    group.attrs.update(attributes)
    with pytest.raises(ImageFileError, match=says):
        read_image(tmp_path / "a.zarr")


def test_terabytes_in_a_few_bytes_are_refused(tmp_path):
    shape = (10**6, 10**6)
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=shape, chunks=(1000, 1000), dtype="u2"
    )
    with pytest.raises(ImageFileError, match=r"2 TB.*but holds \d+ bytes"):
        open_image(tmp_path / "a.zarr")


def test_one_huge_chunk_is_refused(tmp_path):
    shape = (10**7, 10**7)
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=shape, chunks=shape, dtype="u2"
    )
    del array
    (tmp_path / "a.zarr" / "pad").write_bytes(b"")
    with pytest.raises(ImageFileError, match=r"200 TB"):
        open_image(tmp_path / "a.zarr")


# -- the work folder ---------------------------------------------------------------

KEY = {"input": "abc", "parameters": {"seed": 0}, "version": "1"}
SHAPE = (3, 40, 30)


def write_some(path, planes, *, key=KEY, stop=True, seen=None, **options):
    """Write planes of an image, and be cut off before the end if asked to."""
    pixels = some(SHAPE)
    with create_image(path, SHAPE, "u2", "ZYX", run_key=key, **options) as target:
        for z in planes:
            place = (z, slice(None), slice(None))
            if target.is_finished(place):
                continue
            if seen is not None:
                seen.append(z)
            with target.writing(place) as part:
                part[...] = pixels[z]
        if stop:
            raise KeyboardInterrupt


def contents(folder):
    """{relative path: bytes} of all files in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_that_was_cut_off_goes_on(tmp_path):
    write_some(tmp_path / "whole.zarr", range(3), stop=False)
    path = tmp_path / "a" / "whole.zarr"
    path.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        write_some(path, [0, 1])
    assert os.listdir(path.parent) == ["whole.zarr.n2d-part"]
    with pytest.raises(ImageFileError, match="--resume goes on"):
        write_some(path, range(3))
    seen = []
    write_some(path, range(3), stop=False, resume=True, seen=seen)
    assert seen == [2]
    assert os.listdir(path.parent) == ["whole.zarr"]
    assert contents(path) == contents(tmp_path / "whole.zarr")


def test_nothing_is_left_of_a_run_that_finished_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_some(tmp_path / "a.zarr", [])
    assert os.listdir(tmp_path) == []


def test_another_run_is_not_continued(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_some(tmp_path / "a.zarr", [0])
    other = KEY | {"version": "2"}
    with pytest.raises(ImageFileError, match=r"version of n2d \(.*differs"):
        write_some(tmp_path / "a.zarr", range(3), key=other, resume=True)
    options = {"stop": False, "overwrite": True}
    write_some(tmp_path / "a.zarr", range(3), key=other, **options)
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    pytest.importorskip("fcntl", reason="there are no such locks on Windows")
    with create_image(tmp_path / "a.zarr", SHAPE, "u2", "ZYX", run_key=KEY) as target:
        with target.writing((0, slice(None), slice(None))) as part:
            part[...] = 1
        with pytest.raises(ImageFileError, match="another run is at work"):
            write_some(tmp_path / "a.zarr", range(3), resume=True)


def test_what_is_not_ours_is_not_removed(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "thesis.txt").write_text("precious")
    with pytest.raises(ImageFileError, match="something else than a Zarr"):
        write_image(tmp_path / "a.zarr", some((6, 7)), overwrite=True)
    (tmp_path / "b.zarr.n2d-part").mkdir()
    (tmp_path / "b.zarr.n2d-part" / "thesis.txt").write_text("precious")
    with pytest.raises(ImageFileError, match="not made by n2d"):
        write_image(tmp_path / "b.zarr", some((6, 7)), overwrite=True)
    assert len(list(tmp_path.rglob("thesis.txt"))) == 2


def test_an_old_result_stays_until_the_new_one_is_whole(tmp_path):
    write_image(tmp_path / "a.zarr", some((6, 7)))
    before = contents(tmp_path / "a.zarr")
    with pytest.raises(FileExistsError):
        write_image(tmp_path / "a.zarr", some((6, 7), seed=1))
    with pytest.raises(KeyboardInterrupt):
        write_some(tmp_path / "a.zarr", [0], overwrite=True)
    assert contents(tmp_path / "a.zarr") == before
    write_image(tmp_path / "a.zarr", some((6, 7), seed=1), overwrite=True)
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.zarr").data, some((6, 7), seed=1)
    )


def mutated(content, rng):
    """A copy of bytes with a few of them changed, left out or doubled."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(content)))
        kind = rng.integers(4)
        if kind == 0:
            content[place] = int(rng.integers(256))
        elif kind == 1:
            del content[place : place + int(rng.integers(1, 20))]
        elif kind == 2:
            content[place:place] = content[place : place + 10]
        else:
            content[place] ^= 1 << int(rng.integers(8))
    return bytes(content)


@pytest.mark.parametrize(
    "n", [300, pytest.param(3_000, marks=pytest.mark.slow, id="3000")]
)
def test_a_damaged_list_of_what_is_finished_is_noticed(tmp_path, n):
    from n2d.io.ome_zarr._work_folder import WorkFolder

    with pytest.raises(KeyboardInterrupt):
        write_some(tmp_path / "a.zarr", [0, 1])
    listed = tmp_path / "a.zarr.n2d-part" / "finished.jsonl"
    whole = listed.read_bytes()
    run = {**KEY, "shape": list(SHAPE), "dtype": "uint16", "axes": "ZYX"}
    expected = {tuple(json.loads(line)["block"]) for line in whole.splitlines()[1:]}
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(n):
        listed.write_bytes(mutated(whole, rng))
        try:
            done = WorkFolder(tmp_path / "a.zarr", run)._read()
        except ImageFileError:
            n_refused += 1
        else:  # a last line that was cut off, or nothing of weight
            assert done is None or done <= expected
    assert n_refused > n / 2
