"""Places without an intensity: filled from around them for the denoiser, then kept."""

import functools

import numpy as np

from n2d.images import fill_from_around
from n2d.io import View
from n2d.io._lazy import LazyArray

# Filled planes that are kept, because windows of one are read one after the other.
_AT_ONCE = 4


class NotANumber(LazyArray):
    """Where an array of floating point is no finite number.

    Parameters
    ----------
    array : array-like
        With ``shape``, ``dtype`` and basic indexing.
    """

    def __init__(self, array):
        super().__init__(array.shape, bool, getattr(array, "path", "the array"))
        self._array = array

    def _read(self, ranges):
        return ~np.isfinite(np.asarray(self._array[tuple(ranges)]))


class Gaps:
    """The places of a file's array that have no intensity.

    Parameters
    ----------
    data : array-like
        The pixels of the file.
    mask : array-like of bool
        True where there is no intensity, with the shape of `data`.
    axes : str
        One letter for each axis.
    """

    def __init__(self, data, mask, axes):
        self._data, self._mask = data, mask
        self._image_axes = [axes.index("Y"), axes.index("X")]
        self._filled = functools.lru_cache(maxsize=_AT_ONCE)(self._fill)

    def has_values(self, key):
        """Whether a plane has an intensity anywhere."""
        return not np.all(View(self._mask, key)[...])

    def plane(self, key):
        """Return a plane with its gaps filled, as something that reads windows."""
        return _Filled(self, key)

    def put_back(self, values, place, key):
        """Write into a part of a result what the source has in its gaps.

        Parameters
        ----------
        values : ndarray
            What is about to be written; changed in place.
        place : tuple of int and slice
            Where the part is in the file.
        key : object
            Which window of the part `values` are.
        """
        gaps = np.asarray(View(self._mask, place)[key])
        if gaps.any():
            source = np.asarray(View(self._data, place)[key])
            values[gaps] = source[gaps].astype(values.dtype)

    def _fill(self, key):
        key = tuple(slice(*k) if isinstance(k, tuple) else k for k in key)
        values = np.array(View(self._data, key)[...])
        gaps = np.asarray(View(self._mask, key)[...])
        if not gaps.any():
            return values
        kept = [axis for axis, k in enumerate(key) if isinstance(k, slice)]
        rows, columns = (kept.index(axis) for axis in self._image_axes)
        moved = np.moveaxis(values, (rows, columns), (-2, -1))
        moved_gaps = np.moveaxis(gaps, (rows, columns), (-2, -1))
        for index in np.ndindex(*moved.shape[:-2]):
            fill_from_around(moved[index], moved_gaps[index])
        return values


class _Filled(LazyArray):
    """A plane whose gaps are filled."""

    def __init__(self, gaps, key):
        view = View(gaps._data, key)
        super().__init__(view.shape, view.dtype, view.path)
        self._gaps = gaps
        # Slices cannot be looked up before Python 3.12.
        self._key = tuple((k.start, k.stop) if isinstance(k, slice) else k for k in key)

    def _read(self, ranges):
        return self._gaps._filled(self._key)[tuple(ranges)]
