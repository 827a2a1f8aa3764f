"""Pixels of a TIFF without data: those of the number that GDAL_NODATA names."""

import numpy as np

from n2d.io._lazy import LazyArray

_GDAL_NODATA = 42113
_AT_ONCE = 2**24  # pixels that are looked at in one go


def gaps(page, data, axes):
    """Return where there is no data, or None if there is no such place.

    Parameters
    ----------
    page : tifffile.TiffPage
        The first page.
    data : array-like
        The pixels as stored.
    axes : str
        A letter for each of their axes.

    Returns
    -------
    array-like of bool, or None
        With the shape of `data`. Of colours, where all of a pixel are that number: one
        of them alone may well be it by chance.
    """
    value = value_of(page, data.dtype)
    if value is None:
        return None
    found = _Equal(data, value, axes.find("S"))
    return found if _anywhere(found, axes) else None


def value_of(page, dtype):
    """Return the number of a pixel without data, None if pixels cannot be it.

    Parameters
    ----------
    page : tifffile.TiffPage
        The first page.
    dtype : dtype
        That of the pixels.

    Returns
    -------
    scalar or None
        Of the data type.
    """
    text = _text(page)
    try:
        value = float(text)
        exact = int(text) if text.lstrip("+-").isdigit() else value
    except (TypeError, ValueError):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            number = dtype.type(value)
        return number if np.isinf(number) == np.isinf(value) else None
    if dtype.kind not in "ui" or not np.isfinite(value) or exact != int(exact):
        return None
    limits = np.iinfo(dtype)
    return dtype.type(int(exact)) if limits.min <= exact <= limits.max else None


def note(page):
    """Return what a user should know of the pixels without data."""
    return (
        f"its pixels of {_text(page)} are no data (GDAL_NODATA): they are not learned "
        "from, and stay as they are"
    )


def _text(page):
    """Return what the tag says, or None without it."""
    tag = page.tags.get(_GDAL_NODATA)
    value = None if tag is None else tag.value
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return None if value is None else str(value).strip("\0 \n")


def _anywhere(mask, axes):
    """Whether there is any such place; it is looked for until the first is found."""
    rows, n_rows = axes.index("Y"), mask.shape[axes.index("Y")]
    others = [n if a not in "YXS" else 1 for n, a in zip(mask.shape, axes, strict=True)]
    n_values = np.prod([n for n, a in zip(mask.shape, axes, strict=True) if a in "XS"])
    # Whole tiles and strips, which are decoded at once, if that is not too much.
    tall = max(1, _AT_ONCE // int(n_values))
    tall = tall // 256 * 256 or tall
    for index in np.ndindex(*others):
        place = [
            slice(None) if a in "YXS" else i for i, a in zip(index, axes, strict=True)
        ]
        for top in range(0, n_rows, tall):
            place[rows] = slice(top, top + tall)
            if mask[tuple(place)].any():
                return True
    return False


class _Equal(LazyArray):
    """Where pixels are one number, with all of their samples where they have some."""

    def __init__(self, array, value, samples):
        super().__init__(array.shape, bool, getattr(array, "path", "the array"))
        self._array, self._value, self._samples = array, value, samples

    def _read(self, ranges):
        axis, ranges = self._samples, list(ranges)
        n_wanted = 1
        if axis >= 0:
            n_wanted = ranges[axis].stop - ranges[axis].start
            ranges[axis] = slice(0, self.shape[axis])
        values = np.asarray(self._array[tuple(ranges)])
        is_nan = np.isnan(self._value)
        alike = np.isnan(values) if is_nan else values == self._value
        if axis < 0:
            return alike
        return np.repeat(alike.all(axis=axis, keepdims=True), n_wanted, axis)
