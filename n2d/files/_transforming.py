"""Planes that are neighbours, denoised in one go; each begun and ended in turn."""

import contextlib
import functools
import math

import numpy as np

from n2d.files._gaps import plane_of
from n2d.files._written import error_into, result_into


def denoise_run(
    planes, numbers, todo, data, gaps, results, denoiser, job, progress, outcome
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
            targets, errors = (
                {
                    i: stack.enter_context(_Later(result, into, data, gaps, piece))
                    for i, piece in here.items()
                    if result is not None
                }
                for result, into in zip(results, (result_into, error_into), strict=True)
            )
            denoiser.transform_some(
                sources,
                (targets, errors) if errors else targets,
                region=None if rows is None else (rows, slice(None)),
                callback=progress.transforming,
            )
            for target in targets.values():
                outcome.n_values += target.n_values
                outcome.n_clipped += target.n_clipped


class _Later:
    """Where a piece goes: begun when it is first written, ended when it is whole."""

    def __init__(self, result, into, data, gaps, piece):
        self._open = functools.partial(result.writing, piece.place)
        self._make = functools.partial(into, data, gaps, piece.plane, piece.place)
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
