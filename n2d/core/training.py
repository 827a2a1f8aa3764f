"""The one training loop, for every network and every solver."""

import math

import torch

from n2d.core.graphs import gradients_of
from n2d.core.progress import Progress, report

# Networks that see values around 1 have weights around 1.
_LARGEST_WEIGHT = 1e3

# The judge is asked every so many steps, and has so many to change its mind.
_JUDGE_EVERY = 20
_PATIENCE = 100


class TrainingDiverged(RuntimeError):
    """The loss became infinite or NaN; the estimator is as it was before."""


def train(
    loss,
    optimizer,
    n_steps,
    *,
    stage,
    schedule=None,
    callback=None,
    judge=None,
    replay=False,
):
    """Take `n_steps` optimizer steps on a loss.

    Parameters
    ----------
    loss : callable
        Returns the loss, a tensor of shape (), for the weights as they are.
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
    replay : bool, default=False
        See ``n2d.core.graphs.gradients_of``.

    Returns
    -------
    list of float
        The loss before each step taken; fewer than `n_steps` where it ended early.

    Raises
    ------
    Cancelled
        If `callback` returned True.
    TrainingDiverged
        If the loss is not finite, or weights are absurdly large after the last step.
    """
    losses = []
    best = _Best(optimizer, judge)
    gradients = gradients_of(loss, optimizer, replay=replay)
    for step in range(n_steps):
        if step % _JUDGE_EVERY == 0 and best.is_old(step):
            break
        losses.append(gradients().item())
        if not math.isfinite(losses[-1]):
            raise TrainingDiverged(
                f"the loss of stage {stage!r} became {losses[-1]} at step {step + 1} "
                f"of {n_steps}; lower learning_rate, and check that data_range "
                "matches the data"
            )
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
