"""OME-Zarr 0.1 to 0.5, and Zarr arrays without its metadata: reading, with zarr."""

import contextlib
import math
import os
import stat
import zipfile
from pathlib import Path

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import LazyArray
from n2d.io._limits import check_part, check_size, refuse_series
from n2d.io._units import unit_name
from n2d.io.ome_zarr._store import Guard, guarded_store, guarded_zip
from n2d.io.ome_zarr._write import MARKS, import_zarr

_LETTERS = {"time": "T", "channel": "C"}


def read(path, series=None):
    """Read an OME-Zarr, a folder or one packed as ZIP; see `n2d.io.open_image`."""
    zarr = import_zarr()
    if Path(path).is_dir():
        node = zarr.open(store=guarded_store()(str(path)), mode="r")
        return _read(zarr, path, node, Path(path), series)
    if not zipfile.is_zipfile(path):
        raise ImageFileError(f"{path}: is no folder, as a Zarr is, and no ZIP of one")
    with contextlib.ExitStack() as resources:
        store = resources.enter_context(guarded_zip()(path, mode="r"))
        node = zarr.open(store=store, path=_root_among(store.sizes), mode="r")
        image = _read(zarr, path, node, None, series)
        image.resources.push(resources.pop_all())
    return image


def _root_among(names):
    """Return the folder of a ZIP that is the Zarr, "" for the ZIP itself."""
    roots = [name.rpartition("/")[0] for name in names if name.endswith(MARKS)]
    return min(roots, key=len, default="")


def _read(zarr, path, node, folder, series):
    """Read what is in a Zarr; `folder` is None for one in a ZIP."""
    if isinstance(node, zarr.Array):
        refuse_series(path, series)
        names = getattr(node.metadata, "dimension_names", None)
        names = names or node.attrs.get("_ARRAY_DIMENSIONS")  # of xarray, in Zarr 2
        axes = _plain_axes(names if isinstance(names, (list, tuple)) else (), node.ndim)
        return _image(path, node, folder, axes, {}, (), {"attributes": {}})
    attributes = node.attrs.asdict()
    described = attributes.get("ome", attributes)
    if not isinstance(described, dict):
        raise ImageFileError(f'{path}: is damaged, its "ome" metadata are no object')
    if "bioformats2raw.layout" in described and series is not None:
        if str(series) in node:
            below = None if folder is None else folder / str(series)
            return _read(zarr, path, node[str(series)], below, None)
    _refuse_collections(path, node, described)
    refuse_series(path, series)
    multiscales = described.get("multiscales")
    if not multiscales:
        names = ", ".join(sorted(name for name, _ in node.members()))[:200]
        raise ImageFileError(
            f"{path}: is a Zarr group without OME-Zarr multiscales; give one of its "
            f"members, such as {path}/NAME ({names or 'it has none'})"
        )
    first = multiscales[0]
    datasets = first["datasets"]
    where = str(datasets[0]["path"])
    array = node[where]
    given = _described_axes(first, array.ndim)
    axes = _axes(path, given, array.ndim)
    sizes = _pixel_size(first, given, axes)
    omero = described.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    names = tuple(
        str(channel.get("label") or "") if isinstance(channel, dict) else ""
        for channel in channels or ()
    )
    notes = []
    if len(multiscales) > 1:
        notes.append(f"the first of {len(multiscales)} multiscales is read")
    if "image-label" in described or "image-label" in attributes:
        raise ImageFileError(f"{path}: holds labels, and no intensities; leave it out")
    if "labels" in node:
        notes.append("its labels are not copied to the result")
    skip = ("ome", "multiscales", "omero", "labels", "_creator", "n2d")
    metadata = {
        "attributes": {k: v for k, v in attributes.items() if k not in skip},
        "multiscale": first,
        "omero": omero,
        "n_levels": len(datasets),
        "described_axes": dict(zip(axes, given, strict=True)),
    }
    folder = None if folder is None else folder / where
    names = names if any(names) else ()
    return _image(path, array, folder, axes, sizes, names, metadata, notes)


def _image(path, array, folder, axes, sizes, names, metadata, notes=()):
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "buif":
        raise ImageFileError(f"{path}: holds {dtype}, which are no intensities")
    stored, n_missing = os.path.getsize(path), 0
    if folder:
        parts = array.chunks if array.shards is None else array.shards
        n_parts = math.prod(
            -(-n // part) for n, part in zip(array.shape, parts, strict=True)
        )
        stored, n_missing = _stored(folder, math.prod(array.shape), n_parts)
    if n_missing > 0:
        notes = (
            *notes,
            f"{n_missing:,} of its {n_parts:,} chunks are not there, because they are "
            f"empty or were never written, and count as {array.fill_value}",
        )
    check_size(path, array.shape, dtype, stored=stored, whole=False)
    check_part(
        path, array.chunks, dtype, whole=array.shape, stored=stored, name="chunk"
    )
    if array.shards is not None:
        check_size(path, array.shards, dtype)
    array.store_path.store.guard = Guard(array, path)
    metadata |= {
        "chunks": dict(zip(axes, array.chunks, strict=True)),
        "compressors": tuple(array.compressors),
        "zarr_format": array.metadata.zarr_format,
    }
    return ImageFile(
        ZarrSource(array, path),
        axes,
        "zarr",
        metadata=metadata,
        notes=tuple(notes),
        pixel_size=sizes,
        channel_names=names,
    )


class ZarrSource(LazyArray):
    """The pixels of a Zarr array."""

    def __init__(self, array, path):
        super().__init__(array.shape, array.dtype, path)
        self._array = array

    def _read(self, ranges):
        return np.asarray(self._array[tuple(ranges)]).astype(self.dtype, copy=False)


def _stored(folder, enough, n_parts):
    """Add up the bytes of a folder's files until there are enough; count what lacks."""
    total = 0
    for place, _, names in os.walk(folder):
        n_parts -= sum(name[:1] != "." and name[-5:] != ".json" for name in names)
        for name in names if total <= enough else ():
            found = os.lstat(os.path.join(place, name))
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
        if total > enough and n_parts <= 0:
            break
    return total, n_parts


def _refuse_collections(path, node, described):
    if "plate" in described or "well" in described:
        kind = "plate of wells" if "plate" in described else "well of fields"
        example = f"{path}/A/1/0" if "plate" in described else f"{path}/0"
        raise ImageFileError(
            f"{path}: is a {kind}; denoise its images one by one, such as {example}"
        )
    if "bioformats2raw.layout" in described:
        names = ", ".join(sorted(n for n, _ in node.members() if n != "OME"))
        raise ImageFileError(
            f"{path}: is a collection of images, {names}; denoise one of them with "
            "--series (series=) and its number"
        )


def _plain_axes(names, n_axes):
    """Return the axes of an array that may name them."""
    letters = [str(name or "").upper() for name in names]
    if (
        len(letters) == n_axes
        and all(letter in "TCZYX" and len(letter) == 1 for letter in letters)
        and {"Y", "X"} <= set(letters)
        and len(set(letters)) == n_axes
    ):
        return "".join(letters)
    if n_axes < 2:
        raise ImageFileError(f"the array has {n_axes} axes, and an image has two")
    return "QIPUVWR"[: n_axes - 2] + "YX"


def _described_axes(multiscale, n_axes):
    """Return the axes as objects, as OME-Zarr has them since version 0.4.

    Until 0.2 they are always the five, in this order; 0.3 has their names only.
    """
    described = multiscale.get("axes")
    if described is None and n_axes == 5:
        described = list("tczyx")
    if not isinstance(described, list):
        return described
    kinds = {"t": "time", "c": "channel"}
    return [
        {"name": axis, "type": kinds.get(axis, "space")}
        if isinstance(axis, str)
        else axis
        for axis in described
    ]


def _axes(path, described, n_axes):
    """Return a letter for each axis of the multiscale."""
    if not isinstance(described, list) or len(described) != n_axes:
        raise ImageFileError(
            f"{path}: is damaged, it does not say what its {n_axes} axes are"
        )
    letters = []
    for axis in described:
        letter = _LETTERS.get(axis.get("type")) or str(axis.get("name", "")).upper()
        letters.append(letter if len(letter) == 1 and letter in "TCZYX" else "Q")
    axes = "".join(letters)
    if len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        names = [axis.get("name") for axis in described]
        raise ImageFileError(f"{path}: has no rows y and columns x, but axes {names}")
    return axes


def _pixel_size(multiscale, described, axes):
    """Multiply the scales of the first level and of all, with the units of the axes."""
    scale = np.ones(len(axes))
    transforms = list(multiscale["datasets"][0].get("coordinateTransformations") or [])
    transforms += multiscale.get("coordinateTransformations") or []
    for transform in transforms:
        if transform.get("type") == "scale":
            scale = scale * np.asarray(transform["scale"], float)
    return {
        letter: (float(value), unit_name(axis.get("unit")))
        for letter, value, axis in zip(axes, scale, described, strict=True)
        if letter in "TZYX" and 0 < value < np.inf and (value != 1 or axis.get("unit"))
    }
