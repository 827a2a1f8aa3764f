"""TIFF, with ImageJ's kind and OME-TIFF: writing, with tifffile."""

import contextlib
import itertools
import math
import warnings
from pathlib import Path

import numpy as np
import tifffile

from n2d.io._pyramid import smaller
from n2d.io._scratch import scratch_array
from n2d.io._units import convert_unit
from n2d.io.tiff import _ome_xml as ome

# ImageJ's own bookkeeping, which tifffile writes anew.
_IMAGEJ_COUNTS = {"ImageJ", "images", "channels", "slices", "frames", "hyperstack"}
_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_IMAGEJ_UNICODE = {"Info"}
_IMAGEJ_AXES = "TZCYXS"
# Classic TIFF counts in 32 bits; a little is left for the tags.
_CLASSIC = 2**32 - 2**25
# Names of tifffile for what is lossless; others are read, and written with "zlib".
LOSSLESS = {
    "NONE": None,
    "DEFLATE": "zlib",
    "ADOBE_DEFLATE": "zlib",
    "LZW": "lzw",
    "LZMA": "lzma",
    "ZSTD": "zstd",
    "PACKBITS": "packbits",
}


def cannot_hold(dtype, axes, shape, *, suffix):
    """Say why a TIFF file cannot hold such an image, or return None."""
    del axes, shape, suffix
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        return f"TIFF cannot hold {dtype}"
    return None


def write(path, array, axes, like, *, target):
    """Write a TIFF file, to be called `target` later; see `n2d.io.create_image`."""
    kept = like.metadata if like is not None and like.format == "tiff" else {}
    options, kind = _kind(array, axes, like, kept, target)
    n_levels = kept.get("n_levels", 1)
    if kind == "imagej" or "I" in axes:
        n_levels = 1
    if n_levels > 1:
        options["subifds"] = n_levels - 1
    if "tile" in options or "compression" in options:
        options.pop("truncate", None)
    # tifffile counts the pixels before they are compressed.
    size = array.nbytes * (2 if n_levels > 1 else 1)
    bigtiff = kind != "imagej" and (bool(kept.get("bigtiff")) or size > _CLASSIC)
    with (
        contextlib.ExitStack() as stack,
        # By name, because tifffile would open a file object in a mode of its own.
        tifffile.TiffWriter(
            path, bigtiff=bigtiff, imagej=kind == "imagej", ome=kind == "new ome"
        ) as tif,
    ):
        if kind == "plain" and _can_write_pages(array, axes, kept, target):
            _write_pages(tif, array, axes, options, kept["pages"])
            return
        _write_series(tif, array, axes, options)
        level = array
        for shape in kept.get("level_shapes", [])[1:n_levels]:
            level = _level(stack, path, level, axes, shape)
            fewer = {k: v for k, v in options.items() if k in _OF_A_LEVEL}
            _write_series(tif, level, axes, fewer | {"subfiletype": 1})


_OF_A_LEVEL = "photometric planarconfig extrasamples compression predictor tile".split()


def _kind(array, axes, like, kept, target):
    """Return options for `TiffWriter.write`, and the kind of file to write."""
    options = _options(array, axes, kept, like)
    name = Path(target).name.lower()
    wants_ome = name.endswith((".ome.tif", ".ome.tiff"))
    if "ome" in kept and ome.can_hold(array.dtype):
        xml = ome.adapted(
            kept["ome"], array.dtype, axes, array.shape, kept.get("axes", axes)
        )
        if xml is not None:
            options |= {"description": xml, "metadata": None}
            return options, "ome"
        wants_ome = True
    sizes = {} if like is None else like.pixel_size
    names = () if like is None else like.channel_names
    described = kept.get("imagej")
    foreign = like is not None and like.format != "tiff" and bool(sizes or names)
    fits = _fits_imagej(array, axes)
    if not wants_ome and fits and (described is not None or (foreign and not names)):
        options |= _imagej_options(array, axes, described, sizes, options)
        return options, "imagej"
    # What ImageJ has no place for, OME-XML has: other types, names of channels.
    if (wants_ome or foreign) and ome.can_hold(array.dtype) and _fits_ome(axes):
        options["metadata"] = ome.new_metadata(axes.replace("I", "Q"), sizes, names)
        return options, "new ome"
    if "description" in kept:
        options["description"] = kept["description"]
        options["metadata"] = None
    elif axes not in ("YX", "YXS", "SYX") or kept.get("shaped"):
        options["metadata"] = {**kept.get("shaped", {}), "axes": axes}
    return options, "plain"


def _options(array, axes, kept, like):
    options = {"photometric": _photometric(array, axes, kept, like), "metadata": None}
    if "S" in axes:
        options["planarconfig"] = "contig" if axes[-1] == "S" else "separate"
        options["extrasamples"] = _extrasamples(array, axes, kept, options)
    compression = LOSSLESS.get(kept.get("compression", "NONE"), "zlib")
    if compression:
        options["compression"] = compression
        if kept.get("predictor") and array.dtype.kind in "uif":
            options["predictor"] = True
    if kept.get("tile"):
        options["tile"] = kept["tile"]
    table = kept.get("colormap")
    if table is not None and table.shape[1] == 2 ** (8 * array.dtype.itemsize):
        options |= {"photometric": "palette", "colormap": table}
    options |= _own_options(kept)
    if "resolution" not in options and like is not None:
        options |= _resolution(like.pixel_size)
    if kept.get("iccprofile"):
        options["iccprofile"] = kept["iccprofile"]
    if like is not None and "orientation" in like.metadata:
        tag = (274, 3, 1, like.metadata["orientation"], True)
        options["extratags"] = [*options.get("extratags", []), tag]
    return options


def _own_options(said):
    """Return options for what a page says of itself: resolution and tags."""
    options = {}
    resolution = [said.get(f"{letter}Resolution") for letter in "XY"]
    if all(value and len(value) == 2 and value[1] for value in resolution):
        options["resolution"] = tuple(resolution)
        options["resolutionunit"] = said.get("ResolutionUnit")
    tags = [
        (code, dtype, count, value, True)
        for code, dtype, count, value in said.get("tags", [])
    ]
    if tags:
        options["extratags"] = tags
        if any(code == 305 for code, *_ in tags):
            options["software"] = False
    return options


def _resolution(sizes):
    """Return options for the pixel size that another format says."""
    if not {"Y", "X"} <= sizes.keys():
        return {}
    sizes = [convert_unit(*sizes[a], "centimeter") for a in "XY"]
    if not all(sizes):
        return {}
    return {"resolution": tuple(1 / size for size in sizes), "resolutionunit": 3}


def _fits_imagej(array, axes):
    order = [_IMAGEJ_AXES.find(letter) for letter in axes]
    samples = array.shape[axes.index("S")] if "S" in axes else 3
    return (
        array.dtype.name in _IMAGEJ_DTYPES
        and -1 not in order
        and order == sorted(order)
        and samples == 3
        and ("S" not in axes or array.dtype == np.uint8)
    )


def _fits_ome(axes):
    """Whether OME-XML has the axes: its own, and one that it does not know."""
    return set(axes) <= set("TCZYXSIQ") and len(set(axes) & set("IQ")) < 2


def _imagej_options(array, axes, described, sizes, options):
    if described is not None:
        metadata = {k: v for k, v in described.items() if k not in _IMAGEJ_COUNTS}
        # The description is ASCII, and this is how ImageJ itself writes units.
        for key, value in metadata.items():
            if isinstance(value, str) and key not in _IMAGEJ_UNICODE:
                metadata[key] = _escaped(value.replace("μ", "µ"))
        found = {"metadata": metadata | {"axes": axes}}
    else:
        found = _imagej_from_other(axes, sizes)
    if "tile" not in options and "compression" not in options:
        # ImageJ reads beyond 4 GB what has one page only, and knows no BigTIFF.
        found["truncate"] = array.nbytes > _CLASSIC
    return found


def _escaped(text):
    return "".join(c if c.isascii() else f"\\u{ord(c):04X}" for c in text)


def _imagej_from_other(axes, sizes):
    """Return options of an ImageJ file for an image of another format."""
    metadata = {"axes": axes}
    found = {"metadata": metadata}
    unit = sizes.get("X", (0, ""))[1]
    if "X" in sizes and "Y" in sizes and sizes["Y"][1] == unit:
        metadata["unit"] = _escaped({"micrometer": "um"}.get(unit, unit)) or "pixel"
        found["resolution"] = (1 / sizes["X"][0], 1 / sizes["Y"][0])
        found["resolutionunit"] = 1
        if "Z" in sizes:
            value = convert_unit(*sizes["Z"], unit)
            if value is not None:
                metadata["spacing"] = value
    if "T" in sizes:
        value = convert_unit(*sizes["T"], "second")
        if value is not None:
            metadata["finterval"] = value
    return found


def _write_series(tif, array, axes, options):
    """Write all pages of an image, one after the other where it is no array."""
    if isinstance(array, np.ndarray):
        tif.write(array, **options)
        return
    n_page = _axes_of_a_page(axes)
    lead, page = array.shape[:-n_page], array.shape[-n_page:]
    if options.get("tile"):
        parts = _tiles(array, lead, page, options["tile"], axes)
    else:
        parts = (np.ascontiguousarray(array[index]) for index in np.ndindex(*lead))
        if axes.endswith("SYX"):
            parts = itertools.chain.from_iterable(parts)
    tif.write(parts, shape=array.shape, dtype=array.dtype, **options)


def _can_write_pages(array, axes, kept, target):
    """Whether pages are those of the source, which say something for themselves."""
    pages = kept.get("pages")
    if pages is None:
        return False
    n_pages = math.prod(array.shape[: -_axes_of_a_page(axes)])
    if axes == kept["axes"] and len(pages) == n_pages:
        return True
    warnings.warn(
        f"{target}: has other axes than its source, whose pages after the first say "
        "something for themselves, which is left out",
        stacklevel=4,
    )
    return False


def _write_pages(tif, array, axes, options, pages):
    """Write pages one by one, each with its own description, resolution and tags."""
    n_page = _axes_of_a_page(axes)
    common = {k: v for k, v in options.items() if k not in _OWN}
    for index, said in zip(np.ndindex(*array.shape[:-n_page]), pages, strict=True):
        own = {"software": False, "metadata": None} | _own_options(said)
        if "description" in said:
            own["description"] = said["description"]
        tif.write(np.ascontiguousarray(array[index]), **common, **own)


# What pages have each for themselves.
_OWN = {"description", "metadata", "resolution", "resolutionunit", "extratags"}
_OWN |= {"software", "truncate"}


def _axes_of_a_page(axes):
    return 3 if axes.endswith(("YXS", "SYX")) else 2


def _tiles(array, lead, page, tile, axes):
    """Yield the tiles of all pages, those at the border filled up with zeros."""
    tall, wide = tile
    separate = axes.endswith("SYX")
    height, width = page[-2:] if not axes.endswith("YXS") else page[:2]
    planes = [(s,) for s in range(page[0])] if separate else [()]
    for index in np.ndindex(*lead):
        for plane in planes:
            for top in range(0, height, tall):
                for left in range(0, width, wide):
                    window = (slice(top, top + tall), slice(left, left + wide))
                    values = array[(*index, *plane, *window)]
                    missing = [(0, tall - values.shape[0]), (0, wide - values.shape[1])]
                    missing += [(0, 0)] * (values.ndim - 2)
                    yield np.pad(values, missing)


def _level(stack, path, array, axes, shape):
    """Return the next level of a pyramid, in memory or in a file beside the target."""
    level = stack.enter_context(scratch_array(path, shape, array.dtype))
    plane = [axes.index("Y"), axes.index("X")]
    others = [n for axis, n in enumerate(shape) if axis not in plane]
    for index in np.ndindex(*others):
        place = list(index)
        for axis in plane:
            place.insert(axis, slice(None))
        smaller(array, level, tuple(place))
    return level


def _photometric(array, axes, kept, like):
    if "S" in axes and array.shape[axes.index("S")] >= 3:
        return kept.get("photometric", "rgb")
    if like is not None and like.metadata.get("white_is_zero"):
        return "miniswhite"
    named = kept.get("photometric", "minisblack")
    return "minisblack" if named.lower() == "palette" else named


def _extrasamples(array, axes, kept, options):
    """Name the samples beyond grey or RGB, those of a TIFF source as it did."""
    n_extra = array.shape[axes.index("S")]
    n_extra -= 3 if options["photometric"].lower() == "rgb" else 1
    named = kept.get("extrasamples", [] if kept else ["unassalpha"])
    return [*named[:n_extra], *["unspecified"] * (n_extra - len(named))]
