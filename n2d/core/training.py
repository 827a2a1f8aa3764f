"""The one training loop, for every network and every solver."""

import math
from dataclasses import dataclass

# Networks that see values around 1 have weights around 1.
_LARGEST_WEIGHT = 1e3


@dataclass(frozen=True)
class Progress:
    """Where a training stands, as reported to callbacks.

    Attributes
    ----------
    stage : str
        "partial denoising" or "detail recovery".
    step : int
        Optimizer steps of this stage that are done, from 1.
    total : int
        Optimizer steps this stage will take at most.
    loss : float
        The loss before the step.
    """

    stage: str
    step: int
    total: int
    loss: float


class TrainingCancelled(Exception):
    """A callback asked to stop; the estimator is as it was before."""


class TrainingDiverged(RuntimeError):
    """The loss became infinite or NaN; the estimator is as it was before."""


def train(loss, optimizer, n_steps, *, stage, schedule=None, callback=None):
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

    Returns
    -------
    list of float
        The loss before each step.

    Raises
    ------
    TrainingCancelled
        If `callback` returned True.
    TrainingDiverged
        If the loss is not finite, or weights are absurdly large after the last step.
    """
    losses = []
    for step in range(n_steps):
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
        if callback is not None and callback(
            Progress(stage, step + 1, n_steps, losses[-1])
        ):
            raise TrainingCancelled(
                f"cancelled by the callback in stage {stage!r} after step {step + 1} "
                f"of {n_steps}"
            )
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    if not all(bool((p.abs() < _LARGEST_WEIGHT).all()) for p in parameters):
        raise TrainingDiverged(
            f"the weights of stage {stage!r} have grown beyond {_LARGEST_WEIGHT:g} "
            f"after {n_steps} steps; lower learning_rate"
        )
    return losses
