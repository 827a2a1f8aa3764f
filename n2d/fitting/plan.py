"""What every start shares: where it computes, what it gives back, whole ranges."""

import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch

from n2d.fitting.intensities import Intensities


@dataclass(frozen=True)
class Resources:
    """Where to compute and from which seed, and whom to tell.

    Attributes
    ----------
    device : torch.device
        Where to compute.
    seed : int
        Of all that is drawn.
    callback : callable or None
        See `n2d.core.training.train`.
    """

    device: torch.device
    seed: int
    callback: object = None

    def generator(self):
        """Return the source of randomness, at its start."""
        return torch.Generator().manual_seed(self.seed)

    def tensor(self, values):
        """Move an array (C, h, w) to the device."""
        return torch.from_numpy(values).to(self.device)


@dataclass
class Fitted:
    """What a start gives back.

    Attributes
    ----------
    stages : object
        How to denoise: `TrainedStages` or `PriorStages` of `n2d.core`; None: not at
        all, there is no noise.
    networks : tuple of torch.nn.Module
        The networks of the stages.
    intensities : Intensities
        What the stages see of pixel values.
    losses : list of float
        One for every step.
    noise : tuple of NoiseModel or None
        The noise of every channel in units of the scaled image, where it was measured.
    stopped : str
        Why the steps ended.
    mixture : dict of int to float
        Weights of d1, under 1, and of the p_r in stage 2.
    """

    stages: object
    networks: tuple
    intensities: Intensities
    losses: list
    noise: tuple | None
    stopped: str
    mixture: dict


def are_flat(windows):
    """Whether each window is of one value: there is no noise to learn from."""
    return all(window.min() == window.max() for window in windows)


def settled_scale(windows, data_range):
    """The (low, high) that is mapped to 0 and 1.

    What is flat is mapped to 0, so that it comes back without rounding.
    """
    if are_flat(windows):
        return (float(windows[0].min()),) * 2
    return data_range


def settled_data_range(data_range, windows):
    """Return the estimator's `data_range` as two floats, checked, or that of windows.

    Parameters
    ----------
    data_range : tuple of two floats or None
        As the user gave it.
    windows : list of ndarray of shape (C, h, w)
        What is taken where there is none: the smallest and the largest value.

    Returns
    -------
    tuple of two floats
        Low and high.

    Raises
    ------
    ValueError
        If it is not two finite numbers with low < high.
    """
    if data_range is None:
        return float(min(map(np.min, windows))), float(max(map(np.max, windows)))
    try:
        low, high = map(float, data_range)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            "data_range must be None or two finite numbers (low, high) with low < "
            f"high, got {data_range!r}"
        )
    return low, high


def settled_factors(factors):
    """Return the estimator's `downsampling_factors` as a tuple, checked.

    Parameters
    ----------
    factors : sequence
        As the user gave it.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If they are not different integers of 2 or more.
    """
    if not all(isinstance(r, Integral) and r >= 2 for r in factors) or len(
        set(factors)
    ) != len(factors):
        raise ValueError(
            "downsampling_factors must be 'auto' or a tuple of different integers "
            f"of 2 or more, such as (2, 4), got {factors!r}"
        )
    return tuple(int(r) for r in factors)
