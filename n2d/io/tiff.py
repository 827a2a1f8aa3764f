"""TIFF, ImageJ's kind included, with tifffile."""

import contextlib
import logging

import numpy as np
import tifffile

from n2d.io._image import ImageFile, ImageFileError

# What tifffile logs, and goes on, when it finds fewer pages than it was promised.
_DAMAGE = ("TiffPages", "failed to reshape", "corrupted")
# ImageJ's own bookkeeping, which tifffile writes anew.
_IMAGEJ_COUNTS = {"ImageJ", "images", "channels", "slices", "frames", "hyperstack"}
_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_DEFLATE = (8, 32946)


def read(path):
    """Read a TIFF file; see `n2d.io.read_image`."""
    with _logged() as messages, tifffile.TiffFile(path) as tif:
        series = tif.series
        # Pages that were appended one by one are a series each.
        pages = {(one.shape, one.dtype, one.axes) for one in series}
        appended = len(series) > 1 and len(pages) == 1
        if len(series) != 1 and not appended:
            shapes = ", ".join(str(one.shape) for one in series[:4])
            raise ImageFileError(
                f"{path}: holds {len(series)} images of different shapes or types "
                f"({shapes}{', ...' if len(series) > 4 else ''}); save them as files "
                "of their own"
            )
        parts, series, page = series, series[0], tif.pages[0]
        _refuse_no_intensities(path, page, series)
        try:
            data = series.asarray()
            if appended:
                data = np.stack([data, *(part.asarray() for part in parts[1:])])
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            raise ImageFileError(
                f"{path}: is compressed ({page.compression.name}) in a way that needs "
                'the package imagecodecs: pip install "noise2detail[codecs]"'
            ) from error
        damage = [text for text in messages if any(word in text for word in _DAMAGE)]
        if damage:
            raise ImageFileError(
                f"{path}: is damaged, pages are missing ({'; '.join(damage)})"
            )
        metadata = {
            "photometric": "rgb" if page.photometric == 6 else page.photometric.name,
            "planarconfig": page.planarconfig.name if "S" in series.axes else None,
            "extrasamples": [extra.name for extra in page.extrasamples],
            "deflate": page.compression in _DEFLATE,
            "bigtiff": tif.is_bigtiff,
        }
        for name in ("XResolution", "YResolution", "ResolutionUnit"):
            if name in page.tags:
                metadata[name] = page.tags[name].value
        notes = tuple(messages)
        if tif.is_imagej:
            metadata["imagej"] = dict(tif.imagej_metadata or {})
        elif tif.is_ome:
            notes += ("its OME-XML metadata are not written to the result yet",)
        elif not tif.is_shaped and page.description:
            metadata["description"] = page.description
        alpha = any("ALPHA" in extra for extra in metadata["extrasamples"])
        data = data.astype(data.dtype.newbyteorder("="), copy=False)
        axes = "I" + series.axes if appended else series.axes
        return ImageFile(data, axes, "tiff", alpha, metadata, notes)


def _refuse_no_intensities(path, page, series):
    """Raise where the pixels are no intensities."""
    kinds = tifffile.PHOTOMETRIC
    intensities = (kinds.MINISBLACK, kinds.MINISWHITE, kinds.RGB, kinds.YCBCR)
    if page.photometric not in intensities:
        raise ImageFileError(
            f"{path}: {page.photometric.name} pixels are not intensities that can be "
            "denoised; convert the image to grey or RGB"
        )
    if not {"Y", "X"} <= set(series.axes):
        raise ImageFileError(f"{path}: has no image axes, but {series.axes!r}")


@contextlib.contextmanager
def _logged():
    """Collect what tifffile logs: its only word on files that it can half read."""
    messages = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)


def cannot_hold(dtype, axes, shape, *, suffix):
    """Say why a TIFF file cannot hold such an image, or return None."""
    del axes, shape, suffix
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        return f"TIFF cannot hold {dtype}"
    return None


def write(path, array, axes, like, *, suffix):
    """Write a TIFF file; see `n2d.io.write_image`."""
    del suffix
    kept = like.metadata if like is not None and like.format == "tiff" else {}
    options = {"photometric": _photometric(array, axes, kept), "metadata": None}
    if "S" in axes:
        options["planarconfig"] = "contig" if axes[-1] == "S" else "separate"
        options["extrasamples"] = kept.get("extrasamples") or _extrasamples(array, axes)
    if kept.get("deflate"):
        options["compression"] = "zlib"
    if kept.get("XResolution") and kept.get("YResolution"):
        options["resolution"] = (kept["XResolution"], kept["YResolution"])
        options["resolutionunit"] = kept.get("ResolutionUnit")
    imagej = "imagej" in kept and array.dtype.name in _IMAGEJ_DTYPES
    if imagej:
        settings = kept["imagej"].items()
        options["metadata"] = {k: v for k, v in settings if k not in _IMAGEJ_COUNTS}
        options["metadata"]["axes"] = axes
    elif "description" in kept:
        options["description"] = kept["description"]
    elif axes not in ("YX", "YXS", "SYX"):
        options["metadata"] = {"axes": axes}
    # By name, because tifffile would open a file object in a mode of its own.
    tifffile.imwrite(
        path,
        array,
        imagej=imagej,
        ome=False,
        bigtiff=(kept.get("bigtiff") and not imagej) or None,
        **options,
    )


def _photometric(array, axes, kept):
    if "S" in axes and array.shape[axes.index("S")] >= 3:
        return kept.get("photometric", "rgb")
    return kept.get("photometric", "minisblack")


def _extrasamples(array, axes):
    """Name the samples beyond grey or RGB."""
    samples = array.shape[axes.index("S")]
    return {2: ["unassalpha"], 4: ["unassalpha"]}.get(samples, [])
