"""Where the result of a plane goes, and its standard error: rounded, gaps kept."""

import functools

import numpy as np

from n2d.images import convert
from n2d.io import View

# Opacity is copied so many rows at a time.
_ROWS = 1024


def whole_place(plane, shape):
    """Return the place of a plane with its opacity."""
    if plane.opacity is None:
        return plane.key
    return tuple(
        slice(0, n) if isinstance(a, slice) or isinstance(b, slice) or a != b else a
        for a, b, n in zip(plane.key, plane.opacity, shape, strict=True)
    )


def result_into(data, gaps, plane, whole, part):
    """Return where a plane's result goes; its opacity is there already.

    `whole` is its place in the file, or that of the part, with opacity; `part` is what
    is written to there. Gaps stay as they are.
    """
    if plane.opacity is None:
        put_back = None
        if gaps is not None:
            put_back = functools.partial(gaps.put_back, place=whole)
        return Rounding(part, data.dtype, put_back)
    opacity = View(data, plane.opacity)
    room = _opacity_in(part, plane, whole)
    for top in range(0, opacity.shape[0], _ROWS):
        rows = opacity[top : top + _ROWS]
        room[top : top + _ROWS] = rows.astype(part.dtype)
    return Rounding(_colours_in(part, plane, whole), data.dtype)


def error_into(data, gaps, plane, whole, part):
    """Return where a plane's standard error goes: NaN where there is no intensity."""
    if plane.opacity is None:
        mark = None
        if gaps is not None:
            mark = functools.partial(gaps.mark, place=whole)
        return Rounding(part, data.dtype, mark)
    room = _opacity_in(part, plane, whole)
    for top in range(0, room.shape[0], _ROWS):  # it is passed on, and has no error
        rows = room[top : top + _ROWS]
        room[top : top + _ROWS] = np.zeros_like(rows)
    return Rounding(_colours_in(part, plane, whole), data.dtype)


def _opacity_in(part, plane, whole):
    return View(part, tuple(plane.opacity[axis] for axis in _kept(whole)))


def _colours_in(part, plane, whole):
    return View(part, tuple(plane.key[axis] for axis in _kept(whole)))


def _kept(whole):
    return [axis for axis, k in enumerate(whole) if isinstance(k, slice)]


class Rounding:
    """Takes floating point, writes the data type of the file, and counts what is cut.

    `put_back` changes what is about to be written where the source has no intensity.
    """

    def __init__(self, array, dtype, put_back=None):
        self._array, self._put_back = array, put_back
        self.shape, self.ndim = tuple(array.shape), len(array.shape)
        self.dtype = np.result_type(dtype, np.float32)
        self.n_clipped = 0

    def __getitem__(self, key):
        return self._array[key]

    def __setitem__(self, key, values):
        converted, n_clipped = convert(np.asarray(values), self._array.dtype)
        self.n_clipped += n_clipped
        if self._put_back is not None:
            converted = np.array(converted)
            self._put_back(converted, key=key)
        self._array[key] = converted
