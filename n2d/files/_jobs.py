"""One file denoised: opened, fitted, transformed plane by plane, written."""

import contextlib
import hashlib
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from n2d import __version__
from n2d._config import N2D_METHODS
from n2d.files._checks import tell_misfit
from n2d.files._fits import fitted, levels_in_words
from n2d.files._gaps import gaps_of, planes_to_learn_from
from n2d.files._pieces import batches_of, pieces_of
from n2d.files._plan import plan_of
from n2d.files._transforming import Work, denoise_run, denoise_some
from n2d.files._words import count, describe_file
from n2d.io import (
    create_image,
    fingerprint,
    format_of,
    is_result_of,
    open_image,
    remove_leftovers,
)
from n2d.noise import noise_to_json


@dataclass
class Job:
    """What is to be done with every file.

    Attributes
    ----------
    parameters : dict
        Keyword arguments of `n2d.Noise2DetailDenoiser`, or of another `method`.
    method : str
        The denoiser's name in `n2d.denoiser_registry`.
    model : path-like or None
        A fitted denoiser's file, that is used instead of fitting.
    dtype : str
        "same" or "float32".
    series, axes, channels, fit_per, channel_axis
        As for `n2d.denoise_file`.
    nan : str
        What becomes of values that are no finite numbers: "refuse" or "mask".
    uncertainty : dict of Path to Path, or None
        The file for the standard errors of every input.
    overwrite, resume : bool
        Whether results may be replaced, and whether to go on with an earlier run.
    kept : KeptFits or None
        Fits that go on from file to file.
    seen : list of dict
        How the image looked that the parameters were chosen on, fit by fit.
    grown : n2d.files._growing.Grown or None
        What of the file is whole and new, if it is a stack that grows.
    """

    parameters: dict
    method: str = "n2d"
    model: Any = None
    dtype: str = "same"
    series: int | None = None
    axes: str | None = None
    channels: str = "independent"
    fit_per: str = "channel"
    channel_axis: int | None = None
    nan: str = "refuse"
    uncertainty: dict | None = None
    overwrite: bool = False
    resume: bool = False
    kept: Any = None
    seen: list = field(default_factory=list)
    grown: Any = None

    @cached_property
    def description(self):
        """All that a result depends on, except its input, for JSON."""
        model, left_out = None, {"verbose", "device"}
        if self.model is not None:
            with open(self.model, "rb") as file:
                model = hashlib.file_digest(file, "sha256").hexdigest()
        told = {}
        if "noise" in self.parameters:
            told["noise"] = noise_to_json(self.parameters["noise"])
        return {
            "parameters": {
                k: list(v) if isinstance(v, tuple) else v
                for k, v in sorted((self.parameters | told).items())
                if k not in left_out
            },
            "method": self.method,
            "model": model,
            "dtype": str(self.dtype),
            "series": self.series,
            "axes": self.axes,
            "channels": str(self.channels),
            "fit_per": str(self.fit_per),
            "channel_axis": self.channel_axis,
            "nan": str(self.nan),
            "version": __version__,
        } | ({} if self.kept is None else {"kept": True})

    @property
    def is_own(self):
        """Whether it is n2d's own method, which goes tile by tile."""
        return self.method in N2D_METHODS

    @property
    def stack(self):
        """What planes are to each other; "auto": what the axes of a file say."""
        if not self.is_own:
            return "independent"
        if (asked := self.parameters.get("stack")) is not None:
            return asked
        from n2d import Noise2DetailDenoiser

        denoiser = Noise2DetailDenoiser(**self.parameters)
        if self.model is not None:
            denoiser = self.loaded
        return "auto" if denoiser.takes_neighbours else "independent"

    @property
    def told(self):
        """What is told about method and noise, in words that follow the plan's."""
        if not self.is_own:
            return f"; by {self.method}"
        noise = self.parameters.get("noise", "auto")
        if isinstance(noise, str):
            return ""
        if isinstance(noise, (tuple, list)):
            return f"; the noise of {count(len(noise), 'channel')} is told"
        return f"; the noise is told: {getattr(noise, 'level', noise):.6g}"

    def parameters_of(self, number, n_fits, channel_axis):
        """Parameters of a fit; of noise for every channel a single one gets its own."""
        noise = self.parameters.get("noise")
        is_list = isinstance(noise, (tuple, list))
        if is_list and channel_axis is None and len(noise) == n_fits:
            return self.parameters | {"noise": noise[number]}
        return self.parameters

    @cached_property
    def loaded(self):
        """The fitted denoiser of `model`."""
        from n2d import Noise2DetailDenoiser

        here = {k: self.parameters.get(k, "auto") for k in ("device", "precision")}
        here = {name: value for name, value in here.items() if value != "auto"}
        return Noise2DetailDenoiser.load(self.model).set_params(**here)


@dataclass
class DenoisedFile:
    """What `n2d.denoise_file` has done.

    Attributes
    ----------
    shape, axes, dtype : tuple, str, str
        Of the result.
    n_fits, n_planes : int
        How often a denoiser was fitted, and how many planes the result has.
    n_new : int
        How many of them were denoised now, and not taken over from an earlier result.
    n_clipped : int
        How many values were beyond what the data type of the result can hold.
    n_values : int
        Out of how many.
    notes : list of str
        What a user should know, such as metadata that were not kept.
    seconds : float
        How long it took.
    skipped : bool
        Whether an earlier run had finished it, so that nothing was done.
    trust : dict or None
        How far the result can be trusted, of all fits: the worst ``verdict`` and the
        ``reasons``, see ``trust_`` of `n2d.Noise2DetailDenoiser`. None where nothing
        was fitted.
    noise : list of str
        For every fit, the level of the noise that was measured, or told, in the units
        of the source.
    uncertainty : Path or None
        The file of the standard errors.
    stack : str
        What planes that follow each other were taken for: "independent", "time" or
        "depth". "" where nothing was done.
    """

    shape: tuple = ()
    axes: str = ""
    dtype: str = ""
    n_fits: int = 0
    n_planes: int = 0
    n_new: int = 0
    n_clipped: int = 0
    n_values: int = 0
    notes: list = field(default_factory=list)
    seconds: float = 0.0
    skipped: bool = False
    trust: dict | None = None
    noise: list = field(default_factory=list)
    uncertainty: Any = None
    stack: str = ""


class Callback:
    """Passes progress on to a user's callback, and shows nothing."""

    def __init__(self, callback=None):
        self.fitting = self.transforming = callback

    def begin(self, n_planes):
        """Start, with so many planes to go."""

    def skip(self, n_planes):
        """Count planes that an earlier run has finished."""

    def planes(self, n_planes):
        """Count planes when they are finished; a context manager."""
        return contextlib.nullcontext(n_planes)


def carry_out(job, source, target, *, listed, say, progress):
    """Denoise one file, unless it is to be resumed and is finished.

    A list beside the target keeps what is finished (`listed`) unless the format does so
    itself; `say` takes a line for the user.
    """
    start = time.perf_counter()
    run_key = None
    if listed or job.resume or format_of(target).resumable:
        run_key = {
            **job.description,
            "source": source.name,
            "input": fingerprint(source),
        }
    error_target, error_key = (job.uncertainty or {}).get(source), None
    if error_target is not None and run_key is not None:
        error_key = {**run_key, "part": "standard error"}
    if job.resume:
        if _is_finished(job, (target, run_key), (error_target, error_key)):
            return DenoisedFile(skipped=True)
        with contextlib.suppress(OSError):
            remove_leftovers(target)
    with open_image(source, job.series) as image:
        if job.grown is not None:
            image = job.grown.cut(image)
        plan = plan_of(
            image,
            axes=job.axes,
            channels=job.channels,
            fit_per=job.fit_per,
            channel_axis=job.channel_axis,
            model=job.model,
            stack=job.stack,
        )
        own_axes, image = image.axes, _as_planned(image, plan, job)
        dtype = np.dtype(image.data.dtype if job.dtype == "same" else np.float32)
        outcome = DenoisedFile(
            shape=tuple(image.data.shape),
            axes=plan.axes,
            dtype=str(dtype),
            n_fits=0 if job.model is not None else len(plan.fits),
            n_planes=plan.n_planes,
            notes=[
                *(f"{source}: {note}" for note in image.notes),
                *_not_kept(source, target, image, own_axes),
            ],
            uncertainty=error_target,
        )
        with contextlib.ExitStack() as stack:
            how = {"overwrite": job.overwrite, "resume": job.resume}
            shape, errors = image.data.shape, None
            result = stack.enter_context(
                create_image(
                    target, shape, dtype, plan.axes, like=image, run_key=run_key, **how
                )
            )
            if error_target is not None:
                told = {"as_values": True, "quantity": "standard error"}
                numbers = image.metadata and image.metadata | told
                how |= {"like": replace(image, metadata=numbers), "run_key": error_key}
                errors = stack.enter_context(
                    create_image(error_target, shape, np.float32, plan.axes, **how)
                )
            say(f"{source}: {describe_file(image, plan.axes)}")
            say(f"{source}: {plan.description}{job.told}")
            for note in outcome.notes:
                say(f"note: {note}", always=True)
            for text in plan.cautions:
                outcome.notes.append(f"{source}: {text}")
                say(f"warning: {source}: {text}", always=True)
            gaps = gaps_of(image, plan, job.nan)
            work = Work(image.data, gaps, (result, errors), job, progress, outcome)
            earlier = contextlib.nullcontext()
            if job.grown is not None and errors is None:
                earlier = job.grown.earlier(target, plan, shape, dtype)
            with earlier as known:
                _denoise(work, plan, say, known)
            image.close()  # or Windows refuses to replace it by its result
    if outcome.n_clipped:
        outcome.notes.append(
            f"{target}: {outcome.n_clipped:,} of {outcome.n_values:,} values were "
            f"beyond what {dtype} can hold and clipped; --dtype float32 keeps them"
        )
        say(f"note: {outcome.notes[-1]}", always=True)
    outcome.seconds = time.perf_counter() - start
    return outcome


def _is_finished(job, result, errors):
    """Whether an earlier run has written all; raise where it was of another kind.

    The result and its standard errors are given by file, or None, and key of the run.
    """
    target, run_key = result
    if is_result_of(target, run_key):
        if errors[0] is None or is_result_of(*errors):
            return True
        if not job.overwrite:
            raise FileExistsError(
                f"{target}: is finished; what differs: uncertainty (none then); "
                "repeat the command of that run, or write both anew with --overwrite"
            )
    difference = format_of(target).difference(target, run_key)
    if difference and not job.overwrite:
        raise FileExistsError(
            f"{target}: is the result of another run; what differs: {difference}; "
            "repeat the command of that run, or replace it with --overwrite"
        )
    return False


def _as_planned(image, plan, job):
    """Return an open file with the axes as settled, and what a writer is to know."""
    # What is known of an axis that goes by another name now is of no use.
    sizes = {k: v for k, v in image.pixel_size.items() if k in plan.axes}
    metadata = image.metadata
    if metadata:
        metadata = metadata | {"run": job.description}
    if metadata and job.dtype != "same":
        metadata["as_values"] = True
    return replace(image, axes=plan.axes, pixel_size=sizes, metadata=metadata)


def _not_kept(source, target, image, own_axes):
    """Say what of the source the target will not have."""
    if image.axes != own_axes and "ome" in image.metadata:
        yield (
            f"{source}: the axes are {image.axes}, as asked for, and {own_axes} in "
            "the file; what it says of the renamed ones is not kept"
        )
    suffixes = {"nifti": ".nii", "dicom": ".dcm"}  # others are called so
    own = suffixes.get(image.format, f".{image.format}")
    if image.metadata and own not in format_of(target).suffixes:
        yield (
            f"{target}: is of another format than its source; axes, pixel sizes "
            "and channel names are kept where it can say them, other metadata not"
        )


def _denoise(work, plan, say, earlier):
    from n2d._trust import worst_of_fits

    job, progress, outcome = work.job, work.progress, work.outcome
    axis = plan.channel_axis
    progress.begin(plan.n_planes)
    outcome.stack = plan.stack
    trusts = []
    for number, planes in enumerate(plan.fits):
        learned = planes_to_learn_from(planes, work.gaps)
        numbers = {id(plane): i for i, plane in enumerate(learned)}
        pieces = [
            piece
            for plane in planes
            for piece in pieces_of(
                plane,
                numbers.get(id(plane), 0),
                work.data.shape,
                axis,
                work.results,
                in_bands=job.is_own,
            )
        ]
        todo = [piece for piece in pieces if not work.is_finished(piece)]
        if earlier is not None:
            earlier.copy([p for p in todo if earlier.has(p.place)], work.results[0])
            todo = [piece for piece in todo if not earlier.has(piece.place)]
            outcome.n_new += sum(not earlier.has(plane.key) for plane in planes)
            # Whether the fit still holds, what is new has to say.
            learned = [p for p in learned if not earlier.has(p.key)] or learned
        else:
            outcome.n_new += len(planes)
        progress.skip(
            sum(piece.share for piece in pieces) - sum(piece.share for piece in todo)
        )
        if not todo:
            continue
        parameters = job.parameters_of(number, len(plan.fits), axis)
        sources = [work.plane(plane) for plane in learned]
        if job.kept is None:
            denoiser = fitted(job, sources, axis, parameters, progress.fitting)
        else:
            denoiser, is_new = job.kept.fitted(
                number, job, sources, axis, parameters, progress.fitting
            )
            outcome.n_fits += int(is_new) - 1
        if job.is_own:
            denoiser.set_params(stack=plan.stack)
        fits = number, len(plan.fits)
        outcome.notes += tell_misfit(job, *fits, denoiser, sources, axis, say)
        if job.model is None and job.is_own:
            trusts.append(denoiser.trust_)
            outcome.trust = worst_of_fits(trusts)
            outcome.noise.append(levels_in_words(denoiser))
        if plan.stack == "independent":
            for some in batches_of(todo, work.data):
                denoise_some(work, some, denoiser)
            continue
        for run in plan.runs[number]:
            known = [numbers.get(id(plane), 0) for plane in run]
            denoise_run(work, run, known, todo, denoiser)
