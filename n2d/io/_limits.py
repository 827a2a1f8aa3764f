"""Whether a size that a file declares is one to believe, before it is allocated."""

import math

import numpy as np

from n2d._memory import available_memory, in_words
from n2d.io._image import ImageFileError

# Up to this size nothing is suspected: constant images shrink to almost nothing.
_HARMLESS = 2**26
# Images with noise in them shrink to a half or a fifth; with this, 99.98 % of the
# file's pixels may be empty.
_MOST_PER_BYTE = 5000


def check_size(path, shape, dtype, *, stored=None, whole=True):
    """Refuse an image that is too large, or cannot be as large as it says.

    Parameters
    ----------
    path : path-like
        The file, for the message.
    shape : sequence of int
        As declared.
    dtype : dtype
        As declared.
    stored : int, optional
        How many bytes the file has for it. A few hundred for terabytes are refused.
    whole : bool, default=True
        Whether all of it is going to be in memory, which has to be free then.

    Raises
    ------
    ImageFileError
        If the image is refused.

    Examples
    --------
    >>> from n2d.io._limits import check_size
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


def refuse_series(path, series):
    """Raise if an image is asked for by its number where a file has only one.

    Parameters
    ----------
    path : path-like
        The file.
    series : int or None
        What is asked for.

    Raises
    ------
    ImageFileError
        If it is no other name for the only one.
    """
    if series not in (None, 0):
        raise ImageFileError(
            f"{path}: such files hold one image, and there is no series {series}; "
            "leave --series (series=) away"
        )


def which_of(images, asked=None):
    """Say which images a file holds, and how to choose one.

    Parameters
    ----------
    images : list of (str, tuple of int, dtype, str)
        Name, shape, data type and axes of each.
    asked : int, optional
        Which was asked for, and is not there.

    Returns
    -------
    str
        What follows the name of the file in a message.
    """
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
