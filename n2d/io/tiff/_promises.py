"""What a TIFF promises, looked at before room is taken for it."""

import functools
import importlib.util
import math
import os
import xml.etree.ElementTree as ElementTree

from n2d.io._image import ImageFileError
from n2d.io._limits import (
    MOST_PLANES,
    check_inflated,
    check_part,
    check_regular,
    check_stream,
)
from n2d.io._streams import declared_pixels

# What tifffile decodes without imagecodecs, and without a limit.
_UNLIMITED = {8: "zlib", 32946: "zlib", 34925: "lzma"}
# Uncompressed, CCITT, PackBits and EER: may begin as a picture does, and are none.
_NO_PICTURES = {1, 2, 3, 4, 32773, 65000, 65001, 65002}


def refuse_too_many(path, tif):
    """Raise where a description promises more planes than anybody has.

    tifffile makes lists of them before it looks for the pages. Planes that are said to
    be in files of another folder are refused, too.
    """
    counts, names = [len(tif.pages)], []
    if tif.is_ome:
        counts, names = _of_ome(path, tif.ome_metadata)
    elif tif.is_imagej:
        counts = [int((tif.imagej_metadata or {}).get("images", 1))]
    if max(counts, default=0) > MOST_PLANES:
        raise ImageFileError(
            f"{path}: promises {max(counts):,} planes, and at most {MOST_PLANES:,} are "
            "read; it is damaged, or split it"
        )
    folder = os.path.realpath(os.path.dirname(os.path.realpath(path)))
    for name in names:
        other = os.path.join(folder, name)
        if not os.path.realpath(other).startswith(folder + os.sep):
            raise ImageFileError(
                f"{path}: says that planes of it are in {name!r}, outside its folder; "
                "put the files together"
            )
        if os.path.exists(other):
            check_regular(other)


def _of_ome(path, xml):
    """Return what OME-XML counts, and the names of the files that it names."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:  # tifffile reads the pages without it
        return [], []
    n_planes, counts, names = 0, [], []  # planes of all images
    try:
        for element in root.iter():
            tag = element.tag.rpartition("}")[2]
            given = element.attrib
            if tag == "Pixels":
                sizes = [int(given.get(f"Size{letter}", 1)) for letter in "ZTC"]
                n_planes += math.prod(max(1, size) for size in sizes)
            elif tag == "TiffData":
                counts += [int(v) for k, v in given.items() if k in _COUNTED]
            elif tag == "UUID" and "FileName" in given:
                names.append(given["FileName"])
            elif tag[:-1] == "ModuloAlong" and "Start" in given:
                step = float(given.get("Step", 1))
                extent = float(given["End"]) - float(given["Start"])
                counts.append(int(abs(extent / step)))
    except (ValueError, KeyError, ArithmeticError) as error:
        raise ImageFileError(
            f"{path}: is damaged, its OME-XML says {error} where a number is due"
        ) from error
    return [n_planes, *counts], list(dict.fromkeys(names))


_HEAD = 2**16  # bytes of a picture that say how large it is, nearly always
_COUNTED = {"PlaneCount", "NumPlanes", "FirstZ", "FirstT", "FirstC"}


def check_page(path, page, stored):
    """Raise where a strip or tile of a page is absurdly large."""
    _, _, height, width, samples = page.shaped
    if page.is_tiled:
        part = (page.tilelength, page.tilewidth, samples)
    else:
        part = (min(page.rowsperstrip, height), width, samples)
    name = "tile" if page.is_tiled else "strip"
    if page.compression == 1 and not page.is_tiled:
        return  # no more than there is in the file
    check_part(path, part, page.dtype, whole=page.shaped, stored=stored, name=name)


def check_data(path, page, data):
    """Raise where a compressed strip or tile would become more than it is."""
    if page.compression in _NO_PICTURES:
        return
    tall, wide = page.rowsperstrip, page.imagewidth
    if page.is_tiled:
        tall, wide = page.tilelength, page.tilewidth
    check_stream(path, data, min(tall, max(page.imagelength, page.tilelength)) * wide)
    if page.compression in _UNLIMITED and not _has_imagecodecs():
        check_inflated(path, _UNLIMITED[page.compression], data, len(data))


@functools.cache
def _has_imagecodecs():
    return importlib.util.find_spec("imagecodecs") is not None


def check_pages(path, pages):
    """Raise where pages that are read as a whole would become absurdly large."""
    for page in pages:
        if page is None:
            continue
        handle, key = page.parent.filehandle, page.keyframe
        check_page(path, key, handle.size)
        if key.compression in _NO_PICTURES:
            continue
        was_closed = handle.closed
        if was_closed:
            handle.open()
        try:
            for offset, count in zip(
                page.dataoffsets, page.databytecounts, strict=False
            ):
                handle.seek(offset)
                count = min(count, handle.size)
                data = handle.read(min(count, _HEAD))
                if declared_pixels(data) is None:  # not said, or not at the beginning
                    data += handle.read(count - len(data))
                check_data(path, key, data)
        finally:
            if was_closed:
                handle.close()
