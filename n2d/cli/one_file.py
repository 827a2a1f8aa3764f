"""One file denoised: opened, fitted, transformed plane by plane, written."""

import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from n2d._rounding import convert
from n2d.cli.layout import describe_file, lay_out, settle_axes
from n2d.io import View, create_image, open_image

# Opacity is copied so many rows at a time.
_ROWS = 1024
# So many tiles for each thread are denoised in one go, and so many planes at most.
_TILES = 4
_MOST_PLANES = 64


@dataclass(frozen=True)
class Job:
    """What is to be done with every file.

    Attributes
    ----------
    parameters : dict
        Keyword arguments of `n2d.Noise2DetailDenoiser`.
    model : path-like or None
        A fitted denoiser's file, that is used instead of fitting.
    dtype : str
        "same" or "float32".
    axes, channels, fit_per, channel_axis
        As in `n2d.cli.layout`.
    overwrite, resume : bool
        Whether results may be replaced, and whether to go on with an earlier run.
    """

    parameters: dict
    model: Any = None
    dtype: str = "same"
    axes: str | None = None
    channels: str = "independent"
    fit_per: str = "channel"
    channel_axis: int | None = None
    overwrite: bool = False
    resume: bool = False
    denoisers: list = field(default_factory=list, compare=False)

    def description(self):
        """Return all that a result depends on, except its input, for JSON."""
        model = None
        if self.model is not None:
            import hashlib

            with open(self.model, "rb") as file:
                model = hashlib.file_digest(file, "sha256").hexdigest()
        left_out = {"verbose", "device"}
        return {
            "parameters": {
                k: list(v) if isinstance(v, tuple) else v
                for k, v in sorted(self.parameters.items())
                if k not in left_out
            },
            "model": model,
            "dtype": str(self.dtype),
            "axes": self.axes,
            "channels": str(self.channels),
            "fit_per": str(self.fit_per),
            "channel_axis": self.channel_axis,
        }


@dataclass
class Outcome:
    """What came of a file.

    Attributes
    ----------
    shape, axes, dtype : tuple, str, str
        Of the file.
    n_fits, n_planes : int
        What was done.
    n_clipped : int
        How many values were beyond what the data type of the result can hold.
    n_values : int
        Out of how many.
    notes : list of str
        What a user should know.
    seconds : float
        How long it took.
    """

    shape: tuple = ()
    axes: str = ""
    dtype: str = ""
    n_fits: int = 0
    n_planes: int = 0
    n_clipped: int = 0
    n_values: int = 0
    notes: list = field(default_factory=list)
    seconds: float = 0.0


def denoise_file(
    source, target, job, *, say, progress, run_key=None, before_rename=None
):
    """Denoise one file.

    Parameters
    ----------
    source, target : Path
        The file to read and the file to write.
    job : Job
        What to do.
    say : callable
        Takes a line for the user.
    progress : n2d.cli.progress.FileProgress
        Shows how far it is.
    run_key : dict, optional
        What the result depends on, as for `n2d.io.create_image`.
    before_rename : callable, optional
        As for `n2d.io.create_image`.

    Returns
    -------
    Outcome
        What was done.

    Raises
    ------
    FileExistsError
        If `target` exists and may not be replaced; nothing is computed then.
    n2d.io.ImageFileError
        If `source` cannot be read, or `target` cannot hold the result.
    ValueError
        If the axes do not fit.
    Exception
        Whatever the estimator or the file system raises.
    """
    start = time.perf_counter()
    with open_image(source) as image:
        axes = settle_axes(image.axes, image.data.shape, job.axes)
        alpha = image.alpha and "S" in axes
        layout = lay_out(
            axes,
            image.data.shape,
            alpha=alpha,
            channels=job.channels,
            fit_per=job.fit_per,
            channel_axis=job.channel_axis,
            model=job.model,
        )
        dtype = np.dtype(image.data.dtype if job.dtype == "same" else np.float32)
        like = replace(image, axes=axes)
        outcome = Outcome(
            shape=tuple(image.data.shape),
            axes=axes,
            dtype=str(dtype),
            n_fits=0 if job.model is not None else len(layout.fits),
            n_planes=layout.n_planes,
            notes=[f"{source}: {note}" for note in image.notes],
        )
        with create_image(
            target,
            image.data.shape,
            dtype,
            axes,
            like=like,
            overwrite=job.overwrite,
            run_key=run_key,
            resume=job.resume,
            before_rename=before_rename,
        ) as result:
            say(f"{source}: {describe_file(image, axes)}")
            say(f"{source}: {layout.description}")
            for note in outcome.notes:
                say(f"note: {note}", always=True)
            _denoise(image.data, result, layout, job, progress, outcome)
    if outcome.n_clipped:
        outcome.notes.append(
            f"{target}: {outcome.n_clipped:,} of {outcome.n_values:,} values were "
            f"beyond what {dtype} can hold and clipped; --dtype float32 keeps them"
        )
        say(f"note: {outcome.notes[-1]}", always=True)
    outcome.seconds = time.perf_counter() - start
    return outcome


def _denoise(data, result, layout, job, progress, outcome):
    progress.begin(layout.n_planes)
    for planes in layout.fits:
        todo = [
            plane
            for plane in planes
            if not result.is_finished(_whole(plane, data.shape))
        ]
        progress.skip(len(planes) - len(todo))
        if not todo:
            continue
        denoiser = _fitted(data, planes, layout.channel_axis, job, progress)
        for some in _batches(todo, data.shape):
            _denoise_some(data, some, result, denoiser, progress, outcome)


def _batches(planes, shape):
    """Put so many planes together that all threads have tiles to work on."""
    import torch

    n_pixels = np.prod([n for n in shape[-2:]], dtype=int)
    at_once = max(1, int(_TILES * torch.get_num_threads() * 512**2 // n_pixels))
    at_once = min(at_once, _MOST_PLANES)
    return [planes[i : i + at_once] for i in range(0, len(planes), at_once)]


def _denoise_some(data, planes, result, denoiser, progress, outcome):
    """Denoise some planes, which are finished together."""
    with progress.planes(len(planes)), contextlib.ExitStack() as stack:
        sources, targets = [], []
        for plane in planes:
            whole = _whole(plane, data.shape)
            part = stack.enter_context(result.writing(whole))
            sources.append(View(data, plane.key))
            targets.append(_target(data, plane, whole, part))
            outcome.n_values += int(np.prod(part.shape, dtype=int))
        denoiser.transform(sources, out=targets, callback=progress.transforming)
        outcome.n_clipped += sum(target.n_clipped for target in targets)


def _fitted(data, planes, channel_axis, job, progress):
    """Return the denoiser for some planes: fitted to them, or loaded."""
    # The heaviest import, and not needed for files that cannot be read.
    from n2d import Noise2DetailDenoiser

    if job.model is not None:
        if not job.denoisers:
            job.denoisers.append(Noise2DetailDenoiser.load(job.model))
        return job.denoisers[0].set_params(channel_axis=channel_axis, verbose=0)
    parameters = job.parameters | {"verbose": 0, "channel_axis": channel_axis}
    denoiser = Noise2DetailDenoiser(**parameters)
    return denoiser.fit([View(data, p.key) for p in planes], callback=progress.fitting)


def _whole(plane, shape):
    """Return the place of a plane with its opacity."""
    if plane.opacity is None:
        return plane.key
    return tuple(
        slice(0, n) if isinstance(a, slice) or isinstance(b, slice) or a != b else a
        for a, b, n in zip(plane.key, plane.opacity, shape, strict=True)
    )


def _target(data, plane, whole, part):
    """Return where a plane's result goes; its opacity is there already."""
    if plane.opacity is None:
        return _Rounding(part, data.dtype)
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
    """

    def __init__(self, array, dtype):
        self._array = array
        self.shape, self.ndim = tuple(array.shape), len(array.shape)
        self.dtype = np.result_type(dtype, np.float32)
        self.n_clipped = 0

    def __getitem__(self, key):
        return self._array[key]

    def __setitem__(self, key, values):
        converted, n_clipped = convert(np.asarray(values), self._array.dtype)
        self.n_clipped += n_clipped
        self._array[key] = converted
