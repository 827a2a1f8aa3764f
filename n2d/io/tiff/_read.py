"""TIFF, with ImageJ's kind and OME-TIFF: reading, with tifffile."""

import contextlib
import logging
import re

import numpy as np
import tifffile

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import Coloured
from n2d.io._limits import check_size, which_of
from n2d.io.tiff import _imagej as imagej
from n2d.io.tiff import _nodata as nodata
from n2d.io.tiff import _ome_xml as ome
from n2d.io.tiff import _tags as tags
from n2d.io.tiff import _ycbcr as ycbcr
from n2d.io.tiff._chain import refuse_circles
from n2d.io.tiff._colormap import colours
from n2d.io.tiff._companion import found_beside
from n2d.io.tiff._photometric import (
    has_lookup_table,
    photometric,
    refuse_mixed,
    refuse_no_intensities,
)
from n2d.io.tiff._promises import check_pages, refuse_too_many
from n2d.io.tiff._segments import lazy_series
from n2d.io.tiff._write import LOSSLESS

# What tifffile logs, and goes on, when it finds fewer pages than it was promised.
_DAMAGE = (
    "TiffPages",
    "failed to reshape",
    "corrupted",
    "missing data",
    "Missing data",
)
_ICC_PROFILE = 34675
# Kinds of files, as tifffile calls them, whose pages are written one by one.
_PLAIN, _MANY = ("generic", "uniform", "scanimage"), 5000
# How tifffile calls a tag that it could not read.
_OF_A_TAG = re.compile(r"<tifffile\.\w+ (\d+) @\d+> raised ")
_RESOLUTION_UNITS = {2: "inch", 3: "centimeter"}


def read(path, series=None):
    """Read a TIFF file; see `n2d.io.open_image`."""
    with contextlib.ExitStack() as resources:
        with logged() as messages:
            tif, note = _opened(path, resources)
            if note is not None:
                messages.append(note)
            image = _read(path, tif, messages, resources, series)
        return ImageFile(**image, resources=resources.pop_all())


def files_of(path):
    """Return the files that the image of an OME-TIFF is spread over, `path` first."""
    names = [path]
    with logged(), contextlib.ExitStack() as resources:
        tif, _ = _opened(path, resources)
        if tif.is_ome and tif.ome_metadata.count("FileName=") > 1:
            refuse_too_many(path, tif)
            for series in tif.series:
                for page in series.pages:
                    if page is not None and page.parent is not tif:
                        names.append(page.parent.filehandle.path)
    return list(dict.fromkeys(names))


def _opened(path, resources):
    """Open a TIFF, with the XML that it only names; return a note, too, or None."""
    refuse_circles(path)
    tif = resources.enter_context(tifffile.TiffFile(path))
    xml, note = found_beside(path, tif)
    if xml is not None:
        tif = resources.enter_context(tifffile.TiffFile(path, omexml=xml))
    return tif, note


def _read(path, tif, messages, resources, number):
    refuse_too_many(path, tif)
    series = _chosen(path, tif.series, number)
    appended = len(series) > 1
    first, page = series[0], series[0].keyframe
    if first.dtype is None:
        raise ImageFileError(f"{path}: is damaged, it does not say what its pixels are")
    pages, plain = _pages(tif, series)
    refuse_mixed(path, pages)
    table = _colours(path, page, series)
    if table is None:
        refuse_no_intensities(path, page)
    if first.axes.count("Y") != 1 or first.axes.count("X") != 1:
        raise ImageFileError(f"{path}: has no image axes, but {first.axes!r}")
    shape = (len(series), *first.shape) if appended else first.shape
    stored = tif.filehandle.size
    check_size(path, shape, first.dtype, stored=stored, whole=False)
    # tifffile says here what it could not make out, so that comes before the pixels.
    n_pages = len(tif.pages)
    _refuse_missing(path, series)
    if number is not None:  # of others that are described differently
        messages[:] = [text for text in messages if "shaped series" not in text]
    _refuse_damage(path, messages)
    _refuse_unclear(path, page)
    data = None if appended else lazy_series(path, tif, first, resources, messages)
    if data is None:
        check_size(path, shape, first.dtype, stored=None)
        for one in series:
            check_pages(path, one.pages)
        data = _whole(path, series if appended else [first], page)
    _refuse_damage(path, messages)
    if data.shape != tuple(shape):
        raise ImageFileError(f"{path}: is damaged, pages are missing")
    axes = "I" + first.axes if appended else first.axes
    if "I" not in axes:  # positions of a stage are images of their own
        axes = axes.replace("R", "I")
    metadata = _metadata(tif, first, page, messages, number or 0)
    each = plain and not appended and metadata["n_levels"] == 1
    metadata["pages"], text = tags.pages_of(tif, pages, each=each)
    if text is not None:
        messages.append(text)
    gaps = None
    if table is not None:
        data, axes = Coloured(data, table), axes + "S"
        metadata["photometric"] = "rgb"
        metadata.pop("colormap", None)
        messages.append("a palette image, read as RGB, and to be written as RGB")
    elif ycbcr.is_stored(page):
        data = ycbcr.as_rgb(path, page, data, axes)
        messages.append("its YCbCr pixels are read as RGB, and to be written as RGB")
    else:
        gaps = nodata.gaps(page, data, axes)
        if gaps is not None:
            messages.append(nodata.note(page))
    if photometric(page) == tifffile.PHOTOMETRIC.MINISWHITE:
        messages.append(
            "white is zero: low values are shown bright, and stay as they are; other "
            "formats show them dark"
        )
    metadata["axes"] = axes
    if len(series) < len(tif.series):
        messages.append("its other images are not kept")
    if metadata["compression"] not in LOSSLESS:
        messages.append(
            f"its {metadata['compression']} compression is not written; the result is "
            "compressed with zlib, without loss"
        )
    alpha = any("ALPHA" in extra for extra in metadata["extrasamples"])
    pixel_size, names = _resolution(metadata, axes), ()
    if tif.is_imagej:
        names = imagej.channel_names(metadata["imagej"], axes, shape)
        calibrated = imagej.calibration_note(metadata["imagej"])
        if calibrated is not None:
            messages.append(calibrated)
    if tif.is_ome:
        xml = tif.ome_metadata
        if len(series) < len(tif.series):
            xml = ome.of_one_image(xml, number)
        metadata["ome"] = xml
        sizes, names = ome.sizes_and_names(xml)
        pixel_size |= {k: v for k, v in sizes.items() if k in axes}
        n_own = sum(len(one.pages) for one in tif.series)
        if metadata["n_levels"] == 1 and n_pages > n_own:
            messages.append("pages beside its images are not kept")
    return {
        "data": data,
        "axes": axes,
        "format": "tiff",
        "alpha": alpha,
        "metadata": metadata,
        "notes": tuple(dict.fromkeys(messages)),
        "pixel_size": pixel_size,
        "channel_names": names,
        "gaps": gaps,
    }


def _chosen(path, series, number):
    """Return the series of the image: one, or all where they are alike."""
    if not series:
        raise ImageFileError(f"{path}: is damaged, there is no image in it")
    if number is not None and 0 <= number < len(series):
        return [series[number]]
    # Pages that were appended one by one, and the positions of an OME-TIFF, are a
    # series each.
    kinds = {(one.shape, one.dtype, one.axes) for one in series}
    if number is not None or len(kinds) != 1:
        raise ImageFileError(
            f"{path}: "
            + which_of(
                [(one.name, one.shape, one.dtype, one.axes) for one in series], number
            )
        )
    return series


def _pages(tif, series):
    """Return the pages, and whether each of them knows what it is.

    tifffile looks at some of the pages only, and takes the others for the same.
    """
    pages = [one for part in series for one in part.pages]
    if (
        any(part.kind not in _PLAIN for part in series)
        or len(pages) > _MANY
        or any(one is None or one.is_virtual or one.parent is not tif for one in pages)
    ):
        return pages, False
    return [one.aspage() for one in pages], True


def _whole(path, series, page):
    """Read everything: pages of other files, and what is laid out in an odd way."""
    try:
        parts = [one.asarray() for one in series]
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise ImageFileError(
            f"{path}: is compressed ({page.compression.name}) in a way that needs "
            'the package imagecodecs: pip install "noise2detail[codecs]"'
        ) from error
    data = np.stack(parts) if len(parts) > 1 else parts[0]
    return data.astype(data.dtype.newbyteorder("="), copy=False)


def _refuse_missing(path, series):
    """Raise where planes are promised that are in no file: they would be zeros."""
    pages = [page for one in series for page in one.pages]
    missing = sum(page is None for page in pages)
    if missing:
        raise ImageFileError(
            f"{path}: {missing} of its {len(pages)} planes are missing, because the "
            "acquisition was stopped, or because the other files of the set are not "
            "beside it; put the files together, or save the planes there are anew"
        )


def _refuse_damage(path, messages):
    damage = [text for text in messages if any(word in text for word in _DAMAGE)]
    if damage:
        raise ImageFileError(
            f"{path}: is damaged, pages are missing ({'; '.join(damage)})"
        )


def _colours(path, page, series):
    """Return the colours of a palette image; None if its numbers are intensities."""
    if photometric(page) != tifffile.PHOTOMETRIC.PALETTE or has_lookup_table(page):
        return None
    table = colours(page.colormap) if page.samplesperpixel == 1 else None
    pages = [one for part in series for one in part.pages if one is not None]
    if table is not None and any(
        not np.array_equal(one.aspage().colormap, page.colormap) for one in pages
    ):
        raise ImageFileError(
            f"{path}: has a palette of its own for each page; convert the image to "
            "RGB, for example with Fiji"
        )
    return table


def _refuse_unclear(path, page):
    """Raise where the tags of samples and their bits are missing, and it matters."""
    bits = page.tags.get(258)
    if bits is None and page.compression == 1:
        n_bytes = -(-page.imagewidth * page.samplesperpixel // 8) * page.imagelength
        if sum(page.databytecounts) > 4 * n_bytes:  # one bit, for lack of the tag
            raise ImageFileError(
                f"{path}: is damaged, it does not say how many bits a pixel has"
            )
    if bits is not None and bits.count > 1 and 277 not in page.tags:
        raise ImageFileError(
            f"{path}: is damaged, it does not say how many samples a pixel has, and "
            f"has the bits of {bits.count}"
        )


def _metadata(tif, series, page, messages, number):
    """Return what it takes to write such a file again."""
    kept, lost = tags.kept_tags(tif, page)
    messages += tags.notes(page, lost)
    metadata = {
        "photometric": "rgb" if page.photometric == 6 else photometric(page).name,
        "extrasamples": [extra.name for extra in page.extrasamples],
        "compression": tifffile.COMPRESSION(page.compression).name,
        "predictor": int(page.predictor or 1) > 1,
        "tile": (page.tilelength, page.tilewidth) if page.is_tiled else None,
        "bigtiff": tif.is_bigtiff,
        "n_levels": len(series.levels),
        "level_shapes": [level.shape for level in series.levels],
        "tags": kept,
    }
    if photometric(page) == tifffile.PHOTOMETRIC.PALETTE:
        metadata["colormap"] = page.colormap
    for name in ("XResolution", "YResolution", "ResolutionUnit"):
        if name in page.tags:
            metadata[name] = page.tags[name].value
    if tif.is_imagej:
        described = dict(tif.imagej_metadata or {})
        # tifffile takes lists, and gives what is alone without one.
        for name, kind in (("Labels", str), ("LUTs", np.ndarray), ("Overlays", bytes)):
            if isinstance(described.get(name), kind):
                described[name] = [described[name]]
        metadata["imagej"] = described
        if metadata.pop("colormap", None) is not None:
            metadata["photometric"] = "minisblack"
            table = (page.colormap >> 8).astype(np.uint8)
            metadata["imagej"].setdefault("LUTs", [table])
    elif tif.is_shaped and not tif.is_ome:
        described = tif.shaped_metadata or ({},)
        shaped = described[min(number, len(described) - 1)]
        metadata["shaped"] = {k: v for k, v in shaped.items() if k not in _SHAPED}
    elif not tif.is_ome and page.description:
        metadata["description"] = tags.text(tif, page.tags[270])
    if _ICC_PROFILE in page.tags:
        metadata["iccprofile"] = page.tags[_ICC_PROFILE].value
    return metadata


# What tifffile's own description says of the layout, and writes anew.
_SHAPED = {"shape", "axes", "truncated"}


def _resolution(metadata, axes):
    """Return the pixel size that tags and ImageJ's description say."""
    described = metadata.get("imagej", {})
    code = int(metadata.get("ResolutionUnit", 1))
    units = imagej.units(described, _RESOLUTION_UNITS.get(code, ""))
    sizes = imagej.sizes(described, axes, units)
    for letter in "YX":
        unit, fraction = units[letter], metadata.get(f"{letter}Resolution")
        if unit and fraction and all(fraction) and fraction[0] != fraction[1]:
            sizes[letter] = (fraction[1] / fraction[0], unit)
    return sizes


@contextlib.contextmanager
def logged():
    """Collect what tifffile logs: its only word on files that it can half read."""
    messages = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(
        _OF_A_TAG.sub(r"its tag \1 is not as TIFF wants it: ", record.getMessage())
    )
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
