"""Places without an intensity: filled from around them for the denoiser, then kept."""

import functools

import numpy as np

from n2d.images import fill_from_around
from n2d.io import View
from n2d.io._lazy import LazyArray

# Filled planes that are kept, because windows of one are read one after the other.
_AT_ONCE = 4


class NotANumber(LazyArray):
    """Where an array of floating point is no finite number."""

    def __init__(self, array):
        super().__init__(array.shape, bool, getattr(array, "path", "the array"))
        self._array = array

    def _read(self, ranges):
        return ~np.isfinite(np.asarray(self._array[tuple(ranges)]))


class _Either(LazyArray):
    """Where one or the other of two masks is True."""

    def __init__(self, one, other):
        super().__init__(other.shape, bool, other.path)
        self._masks = one, other

    def _read(self, ranges):
        one, other = (np.asarray(mask[tuple(ranges)]) for mask in self._masks)
        return one | other


def gaps_of(image, plan, nan):
    """Return the places without an intensity, or None if there are none."""
    mask = image.gaps
    if nan == "mask" and image.data.dtype.kind == "f":
        no_number = NotANumber(image.data)
        mask = no_number if mask is None else _Either(mask, no_number)
    if mask is None or any(one.opacity for planes in plan.fits for one in planes):
        return None
    return Gaps(image.data, mask, plan.axes)


def plane_of(data, gaps, key):
    """Return the plane at `key` as the denoiser is to see it: its gaps are filled."""
    return View(data, key) if gaps is None else gaps.plane(key)


def planes_to_learn_from(planes, gaps):
    """Return the planes that have a value anywhere; the first if there is none."""
    learned = [p for p in planes if gaps is None or gaps.has_values(p.key)]
    return learned or planes[:1]


class Gaps:
    """The places of a file's array that have no intensity."""

    def __init__(self, data, mask, axes):
        self._data, self._mask, self._axes = data, mask, axes
        self._image_axes = [axes.index("Y"), axes.index("X")]
        self._filled = functools.lru_cache(maxsize=_AT_ONCE)(self._fill)

    def in_other(self, data):
        """Return the same places of other pixels, such as those of a clean image."""
        if data.shape != self._mask.shape:
            return None
        return Gaps(data, self._mask, self._axes)

    def has_values(self, key):
        """Whether a plane has an intensity anywhere."""
        return not np.all(View(self._mask, key)[...])

    def plane(self, key):
        """Return a plane with its gaps filled, as something that reads windows."""
        return _Filled(self, key)

    def put_back(self, values, place, key):
        """Write into a part of a result, in place, what the source has in its gaps.

        The part is at `place` in the file, and `values` are its window `key`.
        """
        gaps = np.asarray(View(self._mask, place)[key])
        if gaps.any():
            source = np.asarray(View(self._data, place)[key])
            values[gaps] = source[gaps].astype(values.dtype)

    def mark(self, values, place, key):
        """Write NaN into a part of a standard error where there is no intensity."""
        values[np.asarray(View(self._mask, place)[key])] = np.nan

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
