"""Luma and two differences of colour (YCbCr) in a TIFF: read as red, green and blue."""

import numpy as np

from n2d.io._image import ImageFileError
from n2d.io._lazy import LazyArray
from n2d.io.tiff._write import LOSSLESS

_COEFFICIENTS, _REFERENCES = 529, 532
# Shares of red, green and blue in luma where no tag says so: those of television.
_SHARES = (0.299, 0.587, 0.114)


def is_stored(page):
    """Whether luma and differences are what decoding gives: JPEG's decoder gives RGB.

    Parameters
    ----------
    page : tifffile.TiffPage
        Any page.

    Returns
    -------
    bool
        False for what is no YCbCr, too.
    """
    return page.photometric == 6 and page.compression.name in LOSSLESS


def coding(page):
    """Return what the tags of a page say of its colours; equal where pages are alike.

    Parameters
    ----------
    page : tifffile.TiffPage
        One that `is_stored`.

    Returns
    -------
    tuple of tuple
        The shares of red, green and blue in luma, and the numbers that stand for no and
        for full luma and differences: six of them.
    """
    full = 2 ** (8 * page.dtype.itemsize) - 1
    middle = (full + 1) // 2
    return (
        _fractions(page, _COEFFICIENTS, _SHARES),
        _fractions(page, _REFERENCES, (0, full, middle, full, middle, full)),
    )


def _fractions(page, code, default):
    """Return the fractions of a tag as numbers, or what counts without it."""
    tag = page.tags.get(code)
    if tag is None:
        return tuple(map(float, default))
    try:
        values = np.reshape(np.asarray(tag.value, np.float64), (len(default), -1))
    except ValueError:  # another number of them
        return ()
    if values.shape[1] == 2:
        with np.errstate(all="ignore"):
            values = values[:, :1] / values[:, 1:]
    return tuple(map(float, values[:, 0]))


def as_rgb(path, page, data, axes):
    """Return the colours of the pixels of pages that are all coded like this one.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    page : tifffile.TiffPage
        One that `is_stored`.
    data : array-like
        The pixels as decoded.
    axes : str
        A letter for each of their axes, with "S" for the samples.

    Returns
    -------
    array-like
        Red, green and blue, and further samples as they are, of the same type.

    Raises
    ------
    ImageFileError
        If they are stored in a way of which no colours can be made.
    """
    shares, references = coding(page)
    full = 2 ** (8 * page.dtype.itemsize) - 1
    n_samples = data.shape[axes.index("S")] if "S" in axes else 1
    spans = np.diff(np.reshape(references, (-1, 2)), axis=1)
    if (
        page.dtype.kind != "u"
        or page.bitspersample != 8 * page.dtype.itemsize
        or page.is_subsampled
        or n_samples < 3
        or len(shares) != 3
        or len(references) != 6
        or not (np.isfinite(shares).all() and min(shares) > 0)
        or not (np.isfinite(references).all() and spans.all())
    ):
        raise ImageFileError(
            f"{path}: its YCbCr pixels are stored in a way that cannot be read as RGB; "
            "convert the image to RGB, for example with Fiji"
        )
    ranges = np.array([full, full // 2, full // 2])
    scale = ranges / spans[:, 0]
    red, green, blue = shares
    matrix = np.array(
        [
            [1, 0, 2 - 2 * red],
            [1, -blue * (2 - 2 * blue) / green, -red * (2 - 2 * red) / green],
            [1, 2 - 2 * blue, 0],
        ]
    )
    offset = -(matrix * scale) @ np.reshape(references, (-1, 2))[:, 0]
    return _Colours(data, axes.index("S"), matrix * scale, offset, full)


class _Colours(LazyArray):
    """A matrix applied to the first three samples, rounded and clipped."""

    def __init__(self, array, axis, matrix, offset, full):
        super().__init__(array.shape, array.dtype, getattr(array, "path", "the array"))
        self._array, self._axis = array, axis
        self._matrix, self._offset, self._full = matrix, offset, full

    def _read(self, ranges):
        wanted = ranges[self._axis]
        ranges = list(ranges)
        ranges[self._axis] = slice(0, self.shape[self._axis])
        values = np.moveaxis(
            np.array(self._array[tuple(ranges)], self.dtype), self._axis, -1
        )
        colours = values[..., :3] @ self._matrix.T + self._offset
        values[..., :3] = np.clip(np.rint(colours), 0, self._full)
        return np.moveaxis(values[..., wanted], -1, self._axis)
