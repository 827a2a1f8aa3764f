"""Whether a size that a file declares is one to believe, before it is allocated."""

import math
import os
import stat

import numpy as np

from n2d._memory import available_memory, in_words
from n2d.io._image import ImageFileError
from n2d.io._streams import declared_pixels, is_larger

# Up to this size nothing is suspected: constant images shrink to almost nothing.
_HARMLESS = 2**26
# Images with noise in them shrink to a half or a fifth; with this, 99.98 % of the
# file's pixels may be empty.
_MOST_PER_BYTE = 5000
# What is decoded in one go, such as a tile, may be so large, or the file has that much:
# noise shrinks to a half or a fifth, and a page of zeros among others does no harm.
_LARGEST_PART, _MOST_PER_BYTE_OF_A_PART = 2**27, 32
# Text beside the pixels, and planes: lists of them.
LARGEST_TEXT = 2**26
MOST_PLANES = 2**20


def check_size(path, shape, dtype, *, stored=None, whole=True):
    """Refuse an image that is too large, or cannot be as large as it says.

    `stored` is how many bytes the file has for it: a few hundred for terabytes are
    refused. Where the `whole` is going to be in memory, that has to be free.

    >>> check_size("a.tif", (10**6, 10**6), "u1", stored=300)
    Traceback (most recent call last):
    ...
    n2d.io._image.ImageFileError: a.tif: declares 1000000 x 1000000 pixels (1 TB), \
but holds 300 bytes: it is damaged or empty
    """
    if any(n < 1 for n in shape):
        raise ImageFileError(f"{path}: has no pixels (shape {format_shape(shape)})")
    n_bytes = math.prod(map(int, shape)) * np.dtype(dtype).itemsize
    declared = f"declares {format_shape(shape)} pixels ({in_words(n_bytes)})"
    if stored is not None and n_bytes > max(_HARMLESS, _MOST_PER_BYTE * stored):
        raise ImageFileError(
            f"{path}: {declared}, but holds {in_words(stored)}: it is damaged or empty"
        )
    if whole and n_bytes > _HARMLESS:
        free = available_memory()
        if n_bytes > free:
            raise ImageFileError(
                f"{path}: {declared}, but {in_words(free)} of memory are free, and "
                "such a file cannot be read in parts; save it as OME-Zarr or as TIFF "
                "of one page a plane"
            )


def check_part(path, shape, dtype, *, whole, stored, name):
    """Refuse a part of an image that is decoded in one go, if it is absurdly large.

    `name` is "chunk", "tile" or "strip"; `stored` is for all parts together.

    >>> sizes = {"whole": (9, 9), "stored": 3000}
    >>> check_part("a.tif", (65536, 49152), "u1", **sizes, name="tile")
    Traceback (most recent call last):
    ...
    n2d.io._image.ImageFileError: a.tif: has a tile of 65536 x 49152 pixels (3.22 GB), \
which is larger than the image, of 9 x 9: it is damaged
    """
    n_bytes = math.prod(map(int, shape)) * np.dtype(dtype).itemsize
    if n_bytes <= _HARMLESS:
        return
    part = f"{path}: has a {name} of {format_shape(shape)} pixels ({in_words(n_bytes)})"
    if n_bytes > 2 * math.prod(map(int, whole)) * np.dtype(dtype).itemsize:
        raise ImageFileError(
            f"{part}, which is larger than the image, of {format_shape(whole)}: it is "
            "damaged"
        )
    if n_bytes > max(_LARGEST_PART, _MOST_PER_BYTE_OF_A_PART * stored):
        raise ImageFileError(
            f"{part}, which is decoded in one go, but holds {in_words(stored)}: save "
            "it in smaller tiles, if it is not damaged"
        )
    free = available_memory()
    if 2 * n_bytes > free:
        raise ImageFileError(
            f"{part}, which is decoded in one go, but {in_words(free)} of memory are "
            "free; save it in smaller tiles"
        )


def check_stream(path, data, n_pixels):
    """Refuse a compressed picture that says it is far larger than its place."""
    found = declared_pixels(data)
    if found is not None and found[0] * found[1] > 4 * n_pixels + 2**16:
        raise ImageFileError(
            f"{path}: is damaged, it has a compressed part that says that it is "
            f"{found[0]} x {found[1]} pixels, in the place of {n_pixels:,}"
        )


def check_inflated(path, kind, data, stored):
    """Refuse a compressed stream that becomes absurdly large."""
    limit = max(_LARGEST_PART, _MOST_PER_BYTE_OF_A_PART * stored)
    limit = min(limit, available_memory())
    if is_larger(kind, data, limit):
        raise ImageFileError(
            f"{path}: {in_words(len(data))} of it would become more than "
            f"{in_words(limit)}; it is damaged, or save it uncompressed"
        )


def check_inside(path, n_bytes, what):
    """Refuse what a file has beside its pixels, if it is more than `LARGEST_TEXT`."""
    if not 0 <= n_bytes <= LARGEST_TEXT:
        raise ImageFileError(
            f"{path}: is damaged, it says that its {what} has {n_bytes:,} bytes, and "
            f"at most {in_words(LARGEST_TEXT)} are read"
        )


def check_regular(path):
    """Refuse pipes, devices and sockets: reading them may never end."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ImageFileError(f"{path}: is no file, but a pipe or a device")


def read_text(path):
    """Read a small file, such as metadata, as bytes.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    ImageFileError
        If it is no file, or has more than `LARGEST_TEXT`.
    OSError
        If it cannot be read.
    """
    check_regular(path)
    with open(path, "rb") as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise ImageFileError(
            f"{path}: is too large, more than {in_words(LARGEST_TEXT)}"
        )
    return content


def refuse_series(path, series):
    """Raise if an image is asked for by its number where a file has only one."""
    if series not in (None, 0):
        raise ImageFileError(
            f"{path}: such files hold one image, and there is no series {series}; "
            "leave --series (series=) away"
        )


def which_of(images, asked=None):
    """Say which images (name, shape, dtype, axes) a file holds, and how to choose."""
    lines = [
        f"{number}: {f'{name}, ' if name else ''}{format_shape(shape)} {dtype} ({axes})"
        for number, (name, shape, dtype, axes) in enumerate(images[:12])
    ]
    if len(images) > 12:
        lines.append(f"and {len(images) - 12} more")
    lines = "; ".join(lines)
    missing = "" if asked is None else f"there is no series {asked}, and it "
    if len(images) == 1:
        return f"{missing}holds one image ({lines}); leave --series (series=) away"
    return (
        f"{missing}holds {len(images)} images ({lines}); choose one by its number with "
        "--series (series=)"
    )


def format_shape(shape):
    """Return a shape as text, such as "2 x 64 x 64"."""
    return " x ".join(map(str, shape))
