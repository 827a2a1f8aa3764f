"""Where denoised planes go: rounded, counted, begun and ended."""

import contextlib
import functools
import math

import numpy as np

from n2d.files._gaps import plane_of
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


def target_of(data, gaps, plane, whole, part):
    """Return where a plane's result goes; its opacity is there already."""
    if plane.opacity is None:
        put_back = None
        if gaps is not None:
            put_back = functools.partial(gaps.put_back, place=whole)
        return _Rounding(part, data.dtype, put_back)
    kept = [axis for axis, k in enumerate(whole) if isinstance(k, slice)]
    opacity = View(data, plane.opacity)
    room = View(part, tuple(plane.opacity[axis] for axis in kept))
    for top in range(0, opacity.shape[0], _ROWS):
        rows = opacity[top : top + _ROWS]
        room[top : top + _ROWS] = rows.astype(part.dtype)
    return _Rounding(View(part, tuple(plane.key[axis] for axis in kept)), data.dtype)


class _Rounding:
    """Takes floating point, writes the data type of the file, and counts what is cut.

    Parameters
    ----------
    array : array-like
        What is written to.
    dtype : dtype
        Of the input.
    put_back : callable, optional
        Takes what is about to be written, and `key`, and changes it where the source
        has no intensity.
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


def denoise_run(
    planes, numbers, todo, data, gaps, result, denoiser, job, progress, outcome
):
    """Denoise planes that are neighbours, as far as they are to be done, in one go."""
    if job.model is None:
        denoiser = denoiser.for_planes(numbers)
    sources = [plane_of(data, gaps, plane.key) for plane in planes]
    places = {id(plane): i for i, plane in enumerate(planes)}
    pieces = [piece for piece in todo if id(piece.plane) in places]
    bands = {(p.rows and (p.rows.start, p.rows.stop)): p.rows for p in pieces}
    for rows in bands.values():
        here = {places[id(p.plane)]: p for p in pieces if p.rows == rows}
        share = sum(piece.share for piece in here.values())
        with progress.planes(share), contextlib.ExitStack() as stack:
            targets = {
                i: stack.enter_context(_Later(result, data, gaps, piece))
                for i, piece in here.items()
            }
            denoiser.transform_some(
                sources,
                targets,
                region=None if rows is None else (rows, slice(None)),
                callback=progress.transforming,
            )
            for target in targets.values():
                outcome.n_values += target.n_values
                outcome.n_clipped += target.n_clipped


class _Later:
    """Where a piece goes: begun when it is first written, ended when it is whole."""

    def __init__(self, result, data, gaps, piece):
        self._open = functools.partial(result.writing, piece.place)
        self._make = functools.partial(target_of, data, gaps, piece.plane, piece.place)
        self._stack, self._target = contextlib.ExitStack(), None
        place = piece.plane.key if piece.rows is None else piece.place
        self.shape = tuple(k.stop - k.start for k in place if isinstance(k, slice))
        self.ndim = len(self.shape)
        self.dtype = np.result_type(data.dtype, np.float32)
        self._left = math.prod(self.shape)
        self.n_values = self.n_clipped = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def __getitem__(self, key):
        return self._target[key]

    def __setitem__(self, key, values):
        if self._target is None:
            part = self._stack.enter_context(self._open())
            self.n_values = math.prod(part.shape)
            self._target = self._make(part)
        self._target[key] = values
        self._left -= np.size(values)
        if not self._left:
            self.n_clipped = self._target.n_clipped
            self._stack.close()
