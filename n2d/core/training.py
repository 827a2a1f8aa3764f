"""The one training loop, for every network and every solver."""

import math
from dataclasses import dataclass

import torch

# Networks that see values around 1 have weights around 1.
_LARGEST_WEIGHT = 1e3

# The judge is asked every so many steps, and has so many to change its mind.
_JUDGE_EVERY = 20
_PATIENCE = 100


@dataclass(frozen=True)
class Progress:
    """Where a computation stands, as reported to callbacks.

    Attributes
    ----------
    stage : str
        "partial denoising" or "detail recovery" in a training; "denoising" where what
        was learned is applied.
    step : int
        Optimizer steps of this stage that are done, from 1; pixels, where it is
        applied.
    total : int
        Steps this stage will take at most, or all pixels.
    loss : float
        The loss before the step; NaN where there is none.
    """

    stage: str
    step: int
    total: int
    loss: float


class TrainingCancelled(Exception):
    """A callback asked to stop; the estimator is as it was before the call."""


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
    TrainingCancelled
        If `callback` returned True.
    """
    if callback is not None and callback(progress):
        raise TrainingCancelled(
            f"cancelled by the callback in stage {progress.stage!r} after step "
            f"{progress.step} of {progress.total}"
        )


class TrainingDiverged(RuntimeError):
    """The loss became infinite or NaN; the estimator is as it was before."""


def train(loss, optimizer, n_steps, *, stage, schedule=None, callback=None, judge=None):
    """Take `n_steps` optimizer steps on a loss.

    Parameters
    ----------
    loss : callable
        Takes the step's number, from 0, and returns the loss, a tensor of shape ().
    optimizer : torch.optim.Optimizer
        Holds the weights that are trained.
    n_steps : int
        Number of steps.
    stage : str
        Name of the stage, for `callback`.
    schedule : torch.optim.lr_scheduler.LRScheduler, optional
        Advanced after every step.
    callback : callable, optional
        Called with a `Progress` after every step; returning True cancels.
    judge : callable, optional
        Returns a number that is the lower the better the weights are, on data that they
        are not trained on. Asked before the first step and now and then; the best
        weights are kept, those from before the first step included, and training ends
        early when it has not found better ones for a while.

    Returns
    -------
    list of float
        The loss before each step taken; fewer than `n_steps` where it ended early.

    Raises
    ------
    TrainingCancelled
        If `callback` returned True.
    TrainingDiverged
        If the loss is not finite, or weights are absurdly large after the last step.
    """
    losses = []
    best = _Best(optimizer, judge)
    for step in range(n_steps):
        if step % _JUDGE_EVERY == 0 and best.is_old(step):
            break
        optimizer.zero_grad(set_to_none=True)
        value = loss(step)
        losses.append(value.item())
        if not math.isfinite(losses[-1]):
            raise TrainingDiverged(
                f"the loss of stage {stage!r} became {losses[-1]} at step {step + 1} "
                f"of {n_steps}; lower learning_rate, and check that data_range "
                "matches the data"
            )
        value.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        report(callback, Progress(stage, step + 1, n_steps, losses[-1]))
    best.restore(len(losses))
    if not all(bool((p.abs() < _LARGEST_WEIGHT).all()) for p in best.parameters):
        raise TrainingDiverged(
            f"the weights of stage {stage!r} have grown beyond {_LARGEST_WEIGHT:g} "
            f"after {n_steps} steps; lower learning_rate"
        )
    return losses


class _Best:
    """The best weights so far."""

    def __init__(self, optimizer, judge):
        self.parameters = [p for g in optimizer.param_groups for p in g["params"]]
        self._judge = judge
        self._value = math.inf
        self._step, self._kept = 0, None

    def is_old(self, step):
        """Judge the weights after so many steps; tell if it has been long enough."""
        if self._judge is None:
            return False
        with torch.no_grad():
            value = float(self._judge())
        if value < self._value:
            self._value, self._step = value, step
            self._kept = [p.detach().clone() for p in self.parameters]
        return step - self._step >= _PATIENCE

    def restore(self, step):
        """Judge the last weights, too, and take up the best."""
        self.is_old(step)
        if self._kept is not None:
            with torch.no_grad():
                for parameter, kept in zip(self.parameters, self._kept, strict=True):
                    parameter.copy_(kept)
