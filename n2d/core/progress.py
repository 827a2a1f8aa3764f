"""How computations tell where they stand, and how they are stopped."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a computation stands, as reported to callbacks.

    Attributes
    ----------
    stage : str
        "partial denoising" or "detail recovery" in `fit`; "denoising" where what was
        settled is applied.
    step : int
        Steps of this stage that are done, from 1; pixels, where it is applied.
    total : int
        Steps this stage will take at most, or all pixels.
    loss : float
        The loss before the step; NaN where there is none.
    """

    stage: str
    step: int
    total: int
    loss: float


class Cancelled(Exception):
    """A callback asked to stop: `fit`, or `transform`.

    The estimator is as it was before the call.
    """


def report(callback, progress):
    """Tell a callback, if there is one, and stop where it asks to.

    Parameters
    ----------
    callback : callable or None
        Called with `progress`; returning True cancels.
    progress : Progress
        Where the computation stands.

    Raises
    ------
    Cancelled
        If `callback` returned True.
    """
    if callback is None or not callback(progress):
        return
    done = f"{progress.step} of {progress.total}"
    if math.isnan(progress.loss):  # nothing is fitted: pixels are counted
        raise Cancelled(f"cancelled by the callback after {done} pixels")
    raise Cancelled(
        f"cancelled by the callback in stage {progress.stage!r} after step {done}"
    )
