"""Planes denoised and written: some together, or a run of neighbours in one go."""

import contextlib
import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2d.files._gaps import plane_of
from n2d.files._written import error_into, result_into


@dataclass(frozen=True)
class Work:
    """One file under way.

    Attributes
    ----------
    data : array-like
        The pixels of the source.
    gaps : n2d.files._gaps.Gaps or None
        Its places without an intensity.
    results : tuple of two
        Where the result goes, and its standard error or None, as `n2d.io.create_image`
        gives them.
    job : n2d.files._jobs.Job
        What is to be done.
    progress : n2d.files._jobs.Callback or n2d.cli.progress.FileProgress
        Is told how far it is.
    outcome : n2d.files._jobs.DenoisedFile
        What was done.
    """

    data: Any
    gaps: Any
    results: tuple
    job: Any
    progress: Any
    outcome: Any

    def plane(self, plane):
        """Return a plane as the denoiser is to see it."""
        return plane_of(self.data, self.gaps, plane.key)

    def denoiser_of(self, denoiser, numbers):
        """Return the denoiser of some planes, by their numbers in the fit."""
        if self.job.model is not None:  # it was fitted to others
            return denoiser
        return denoiser.for_planes(numbers)

    def is_finished(self, piece):
        """Whether an earlier run has written a piece."""
        return all(r is None or r.is_finished(piece.place) for r in self.results)


def denoise_some(work, pieces, denoiser):
    """Denoise some planes, or a band of one, which are finished together."""
    share = sum(piece.share for piece in pieces)
    with work.progress.planes(share), contextlib.ExitStack() as stack:
        sources, targets, error_targets = [], [], []
        result, errors = work.results
        for piece in pieces:
            part = stack.enter_context(result.writing(piece.place))
            sources.append(work.plane(piece.plane))
            where = (work.data, work.gaps, piece.plane, piece.place)
            targets.append(result_into(*where, part))
            if errors is not None:
                part = stack.enter_context(errors.writing(piece.place))
                error_targets.append(error_into(*where, part))
            work.outcome.n_values += int(np.prod(part.shape, dtype=int))
        how = {"out": targets}
        if errors is not None:
            how = {"out": (targets, error_targets), "return_std": True}
        rows = pieces[0].rows
        denoiser = work.denoiser_of(denoiser, [piece.number for piece in pieces])
        denoiser.transform(
            sources,
            region=None if rows is None else (rows, slice(None)),
            callback=work.progress.transforming,
            **how,
        )
        work.outcome.n_clipped += sum(target.n_clipped for target in targets)


def denoise_run(work, planes, numbers, todo, denoiser):
    """Denoise planes that are neighbours, as far as they are to be done, in one go.

    Each is begun when it is first written, and ended when it is whole. `numbers` are
    those among the planes that the denoiser was fitted to.
    """
    places = {id(plane): i for i, plane in enumerate(planes)}
    pieces = [piece for piece in todo if id(piece.plane) in places]
    if not pieces:
        return
    denoiser = work.denoiser_of(denoiser, numbers)
    sources = [work.plane(plane) for plane in planes]
    bands = {(p.rows and (p.rows.start, p.rows.stop)): p.rows for p in pieces}
    for rows in bands.values():
        here = {places[id(p.plane)]: p for p in pieces if p.rows == rows}
        share = sum(piece.share for piece in here.values())
        with work.progress.planes(share), contextlib.ExitStack() as stack:
            targets, errors = (
                {
                    i: stack.enter_context(_Later(work, result, into, piece))
                    for i, piece in here.items()
                    if result is not None
                }
                for result, into in zip(
                    work.results, (result_into, error_into), strict=True
                )
            )
            denoiser.transform_some(
                sources,
                (targets, errors) if errors else targets,
                region=None if rows is None else (rows, slice(None)),
                callback=work.progress.transforming,
            )
            for target in targets.values():
                work.outcome.n_values += target.n_values
                work.outcome.n_clipped += target.n_clipped


class _Later:
    """Where a piece goes: begun when it is first written, ended when it is whole."""

    def __init__(self, work, result, into, piece):
        self._open = functools.partial(result.writing, piece.place)
        self._make = functools.partial(
            into, work.data, work.gaps, piece.plane, piece.place
        )
        self._stack, self._target = contextlib.ExitStack(), None
        place = piece.plane.key if piece.rows is None else piece.place
        self.shape = tuple(k.stop - k.start for k in place if isinstance(k, slice))
        self.ndim = len(self.shape)
        self.dtype = np.result_type(work.data.dtype, np.float32)
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
            self._target = None  # of a long series, thousands are held
