"""OME-Zarr 0.5: writing, with zarr, block by block and resumable."""

import contextlib
import functools
import json
import os
from pathlib import Path

import numpy as np

from n2d.io._image import ImageFileError
from n2d.io._ledger import run_digest, told_of
from n2d.io._limits import read_text
from n2d.io._packages import imported
from n2d.io._pyramid import smaller
from n2d.io.ome_zarr import _layout as layout
from n2d.io.ome_zarr._bands import BandWriter
from n2d.io.ome_zarr._proof import Witnessed, prove
from n2d.io.ome_zarr._work_folder import WorkFolder

MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
import_zarr = functools.partial(imported, "zarr", "zarr", "OME-Zarr images")


def cannot_hold(dtype, axes, shape, *, suffix):
    """Say why an OME-Zarr cannot hold such an image, or return None."""
    del shape, suffix
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        return f"OME-Zarr cannot hold {dtype}"
    return layout.cannot_order(axes)


def made_by(path):
    """Return what an OME-Zarr says of the run that made it: a dict, perhaps empty."""
    try:
        content = json.loads(read_text(Path(path, "zarr.json")))
        found = content["attributes"]["n2d"]
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


@contextlib.contextmanager
def create(
    path,
    shape,
    dtype,
    axes,
    *,
    like=None,
    overwrite=False,
    run_key=None,
    resume=False,
):
    """Write an OME-Zarr; see `n2d.io.create_image`."""
    zarr = import_zarr()
    target = Path(os.path.realpath(path))
    _refuse_other_folders(target)
    plan = layout.plan(target, shape, dtype, axes, like)
    run = {**(run_key or {}), "shape": list(shape), "dtype": str(dtype), "axes": axes}
    with WorkFolder(target, run).opened(resume=resume, overwrite=overwrite) as work:
        if not work.is_finished(["made"]):
            work.start_over()
            attributes = dict(plan.attributes)
            if run_key is not None:
                version = str(run_key.get("version", ""))
                attributes["n2d"] = {
                    "version": version,
                    "run": run_digest(run_key),
                    "told": told_of(run_key),
                }
            _make(zarr, work.image, plan, dtype, attributes)
            work.finish(["made"])
        group = zarr.open_group(store=str(work.image), mode="r+")
        levels = [Witnessed(group[str(i)]) for i in range(len(plan.shapes))]
        yield ZarrTarget(levels[0], plan, work, dtype)
        _make_levels(levels, plan, work)
        work.check_ours()
        prove(zarr, work.image, target, levels)
        work.publish(overwrite=overwrite)


def _refuse_other_folders(target):
    if target.is_dir() and any(target.iterdir()):
        if not any((target / mark).is_file() for mark in MARKS):
            raise ImageFileError(
                f"{target}: is a folder with something else than a Zarr in it; choose "
                "another output"
            )
    elif target.is_file():
        raise ImageFileError(f"{target}: is a file, and a Zarr is a folder")


def _make(zarr, path, plan, dtype, attributes):
    """Make the group and its arrays, without pixels."""
    group = zarr.open_group(store=str(path), mode="w-", zarr_format=3)
    for i, shape in enumerate(plan.shapes):
        options = {}
        if plan.compressors is not None:
            options["compressors"] = plan.compressors
        group.create_array(
            str(i),
            shape=shape,
            dtype=dtype,
            chunks=plan.chunks,
            shards=plan.shards,
            fill_value=0,
            dimension_names=plan.names,
            **options,
        )
    group.attrs.update(attributes)


class ZarrTarget:
    """A result that is written to a Zarr array plane by plane."""

    def __init__(self, array, plan, work, dtype):
        self._array, self._plan, self._work = _Reordered(array, plan.order), plan, work
        self.dtype, self.shape = np.dtype(dtype), self._array.shape

    def is_finished(self, key):
        """Whether a part was finished by an earlier run; see `create_image`."""
        return self._work.is_finished(_block(key, self.shape))

    def band_rows(self, axis):
        """How many rows fill whole chunks, or shards; None along other axes."""
        return self._plan.rows if self._plan.axes[axis] == "Y" else None

    @contextlib.contextmanager
    def writing(self, key):
        """Give a part to write to, finished when all went well; see `create_image`."""
        key = tuple(key)
        # Blocks of whole chunks, or shards, are put together in memory.
        rows = self._plan.axes.find("Y")
        kept = [axis for axis, part in enumerate(key) if isinstance(part, slice)]
        writer = BandWriter(
            self._array,
            key,
            kept.index(rows) if rows in kept else 0,
            self._plan.rows,
        )
        yield writer
        writer.flush()
        self._work.finish(_block(key, self.shape))


class _Reordered:
    """A Zarr array with its axes in the order of the image it is made from."""

    def __init__(self, array, order):
        self._array, self._order = array, order
        self.dtype = np.dtype(array.dtype)
        self.shape = tuple(array.shape[order.index(i)] for i in range(array.ndim))

    def _inside(self, key):
        """Return the key in the order of the array, all of it slices."""
        slices = [k if isinstance(k, slice) else slice(int(k), int(k) + 1) for k in key]
        return tuple(slices[i] for i in self._order)

    def __getitem__(self, key):
        values = self._array[self._inside(key)]
        back = [self._order.index(i) for i in range(len(self._order))]
        values = np.transpose(values, back)
        return values[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    def __setitem__(self, key, values):
        inside = self._inside(key)
        for axis, k in enumerate(key):
            if not isinstance(k, slice):
                values = np.expand_dims(values, axis)
        self._array[inside] = np.transpose(values, self._order)


def _block(key, shape):
    """Return the name of a part: numbers, None for whole axes, [start, stop]."""
    name = ["plane"]
    for k, n in zip(key, shape, strict=True):
        if not isinstance(k, slice):
            name.append(int(k))
        else:
            start, stop, _ = k.indices(n)
            name.append(None if (start, stop) == (0, n) else [start, stop])
    return name


def _make_levels(levels, plan, work):
    """Make each smaller level from the one above, a band of rows at a time."""
    lead = levels[0].shape[:-2]
    for number in range(1, len(levels)):
        source, level = levels[number - 1], levels[number]
        for index in np.ndindex(*lead):
            block = ["level", number, *map(int, index)]
            if work.is_finished(block):
                continue
            place = (*index, slice(None), slice(None))
            for top in range(0, level.shape[-2], plan.rows):
                bottom = min(top + plan.rows, level.shape[-2])
                smaller(source, level, place, rows=range(top, bottom))
            work.finish(block)


def plane_keys(axes, shape):
    """Yield the index of every plane: slices for Y, X and S, numbers for the others."""
    numbers = [
        range(n) if a not in "YXS" else [None] for a, n in zip(axes, shape, strict=True)
    ]
    for index in np.ndindex(*map(len, numbers)):
        yield tuple(
            slice(None) if part[0] is None else i
            for part, i in zip(numbers, index, strict=True)
        )
