"""What an OME-Zarr 0.5 is going to look like: axes, levels, chunks and metadata."""

import math
from dataclasses import dataclass, field

import numpy as np

from n2d.io._pyramid import n_levels_for
from n2d.io._units import unit_name

# The order that OME-Zarr asks for: time, then one axis of another kind, then space.
_ORDER = "TQICSZYX"
_TYPES = {"T": "time", "C": "channel", "S": "channel"} | dict.fromkeys("ZYX", "space")
_UNITS = {
    "T": "nanosecond microsecond millisecond second minute hour day".split(),
    "space": "angstrom nanometer micrometer millimeter centimeter meter inch".split(),
}
_CHUNK = 512
_SHARD = 2048
# Arrays beyond this are sharded: millions of small files are slow everywhere.
SHARDED_FROM = 2**28


@dataclass(frozen=True)
class ZarrPlan:
    """The layout of an OME-Zarr.

    Attributes
    ----------
    axes : str
        Of the image it is made from.
    order : tuple of int
        Which axis of the image each axis of the arrays is.
    names : tuple of str
        Of the axes of the arrays.
    shapes : list of tuple of int
        Of the arrays, from the full image down.
    chunks : tuple of int
        Of all levels.
    shards : tuple of int or None
        Of all levels.
    rows : int
        The rows that are written at once.
    compressors : tuple or None
        Codecs; None for zarr's own choice.
    attributes : dict
        Of the group.
    """

    axes: str
    order: tuple
    names: tuple
    shapes: list
    chunks: tuple
    shards: tuple | None
    rows: int
    compressors: tuple | None = None
    attributes: dict = field(default_factory=dict)


def cannot_order(axes):
    """Say why axes don't fit OME-Zarr, or return None."""
    odd = [a for a in axes if a not in _ORDER]
    others = [a for a in axes if a in "QICS"]
    if odd or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        return f"OME-Zarr has no axes {axes!r}; name them by --axes, such as TCZYX"
    if len(others) > 1:
        return (
            f"OME-Zarr has one axis beside time and space, not {' and '.join(others)}; "
            "write a .tif file"
        )
    return None


def plan(target, shape, dtype, axes, like):
    """Settle the layout."""
    kept = like.metadata if like is not None and like.format == "zarr" else {}
    order = tuple(sorted(range(len(axes)), key=lambda i: _ORDER.index(axes[i])))
    letters = "".join(axes[i] for i in order)
    names = _names(letters, kept)
    full = tuple(shape[i] for i in order)
    n_levels = kept.get("n_levels") or n_levels_for(*full[-2:])
    shapes = [full]
    while len(shapes) < n_levels and max(shapes[-1][-2:]) > 1:
        shapes.append((*full[:-2], *(-(-n // 2) for n in shapes[-1][-2:])))
    chunks = tuple(_chunk(kept, letter) if letter in "YX" else 1 for letter in letters)
    chunks = tuple(min(c, n) for c, n in zip(chunks, full, strict=True))
    shards = None
    if math.prod(full) * np.dtype(dtype).itemsize > SHARDED_FROM:
        shards = tuple(
            min(c * max(1, _SHARD // c), c * -(-n // c)) if letter in "YX" else 1
            for c, n, letter in zip(chunks, full, letters, strict=True)
        )
    return ZarrPlan(
        axes=axes,
        order=order,
        names=names,
        shapes=shapes,
        chunks=chunks,
        shards=shards,
        rows=(shards or chunks)[-2],
        compressors=_compressors(kept),
        attributes=_attributes(target, shapes, dtype, letters, names, like, kept),
    )


def _names(letters, kept):
    """Return the names of axes: those of the source, where it has any."""
    names = [{"S": "c", "Q": "q", "I": "i"}.get(a, a.lower()) for a in letters]
    given = kept.get("described_axes", {})
    old = [
        str(given.get(a, {}).get("name") or n)
        for a, n in zip(letters, names, strict=True)
    ]
    return tuple(old if len(set(old)) == len(old) else names)


def _chunk(kept, letter):
    given = kept.get("chunks", {}).get(letter, _CHUNK)
    return given if 64 <= given <= _SHARD else _CHUNK


def _compressors(kept):
    """Return the codecs of the input where this version of the format has them."""
    if kept.get("zarr_format") == 3:
        return kept["compressors"]
    found = kept.get("compressors")
    if not found:
        return None
    from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

    codec = found[0].get_config() if len(found) == 1 else {}
    level = codec.get("clevel", codec.get("level"))
    if codec.get("id") == "blosc":
        shuffles = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}
        shuffle = shuffles.get(codec.get("shuffle"), "shuffle")
        return (BloscCodec(cname=codec["cname"], clevel=level, shuffle=shuffle),)
    if codec.get("id") in ("zlib", "gzip"):
        return (GzipCodec(level=level),)
    if codec.get("id") == "zstd":
        return (ZstdCodec(level=level),)
    return None


def _attributes(target, shapes, dtype, letters, names, like, kept):
    sizes = {} if like is None else like.pixel_size
    channel_names = () if like is None else like.channel_names
    old = kept.get("multiscale", {})
    multiscale = {
        "name": old.get("name") or target.name.partition(".")[0],
        "axes": [
            _axis(letter, name, sizes, kept.get("described_axes", {}).get(letter, {}))
            for letter, name in zip(letters, names, strict=True)
        ],
        "datasets": _datasets(shapes, letters, sizes, old),
        "type": "mean",
    }
    ome = {"version": "0.5", "multiscales": [multiscale]}
    if kept.get("omero"):
        ome["omero"] = {k: v for k, v in kept["omero"].items() if k != "version"}
    elif channel_names and "C" in letters:
        ome["omero"] = _omero(channel_names, dtype)
    return {**kept.get("attributes", {}), "ome": ome}


def _axis(letter, name, sizes, old):
    # Kinds and units of a source that OME-Zarr has no words for are kept as they are.
    axis = {"name": name} | {key: old[key] for key in ("type", "unit") if old.get(key)}
    if letter in _TYPES:
        axis["type"] = _TYPES[letter]
    unit = unit_name(sizes.get(letter, (1.0, ""))[1])
    if unit in _UNITS.get(letter, _UNITS["space"] if letter in "ZYX" else ()):
        axis["unit"] = unit
    return axis


def _datasets(shapes, letters, sizes, old):
    """Return the levels with the place of their pixels in the world."""
    base = np.array([sizes.get(letter, (1.0, ""))[0] for letter in letters])
    # The middle of the first pixel of a level is that of the pixels it is the mean of.
    origin = _translation(old, letters)
    found = []
    for level in range(len(shapes)):
        factor = np.array([2.0**level if a in "YX" else 1.0 for a in letters])
        shift = origin + (factor - 1) / 2 * base
        transforms = [{"type": "scale", "scale": (base * factor).tolist()}]
        if shift.any():
            transforms.append({"type": "translation", "translation": shift.tolist()})
        found.append({"path": str(level), "coordinateTransformations": transforms})
    return found


def _translation(old, letters):
    """Return the place of the first pixel of the input, in the order of the result."""
    origin = np.zeros(len(letters))
    if not old:
        return origin
    transforms = list(old["datasets"][0].get("coordinateTransformations") or [])
    for transform in transforms + list(old.get("coordinateTransformations") or []):
        if transform.get("type") == "scale":
            origin = origin * np.asarray(transform["scale"], float)
        elif transform.get("type") == "translation":
            origin = origin + np.asarray(transform["translation"], float)
    return origin


def _omero(names, dtype):
    """Return what viewers need to show channels, with their names."""
    colors = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF", "FFFFFF")
    dtype = np.dtype(dtype)
    low, high = 0.0, 65535.0
    if dtype.kind in "ui":
        low, high = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    window = {"min": low, "max": high, "start": low, "end": high}
    return {
        "channels": [
            {
                "label": name,
                "active": True,
                "color": colors[i % len(colors)],
                "window": window,
            }
            for i, name in enumerate(names)
        ]
    }
