"""What every start shares: where it computes, what it gives back."""

from dataclasses import dataclass

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
    precision : {"auto", "float32", "bfloat16"}
        See `n2d.core.device.settled_precision`.
    """

    device: torch.device
    seed: int
    callback: object = None
    precision: str = "float32"

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
    verdicts : tuple of Verdict
        How far the result can be trusted: one in all for one image, else one for every
        window; empty where it was not checked.
    planes : tuple of n2d.fitting.planes.Plane or None, optional
        For every image, what belongs to it alone, where their noise differs.
    """

    stages: object
    networks: tuple
    intensities: Intensities
    losses: list
    noise: tuple | None
    stopped: str
    mixture: dict
    verdicts: tuple = ()
    planes: tuple | None = None


# Squares of intensities are numbers, too.
_LARGEST_SPAN = 1e150


def range_of(windows):
    """The smallest and the largest value of all windows."""
    low, high = min(w.min() for w in windows), max(w.max() for w in windows)
    if not high / 2 - low / 2 <= _LARGEST_SPAN / 2:
        raise ValueError(
            f"X has values from {low:g} to {high:g}, which is too much to compute "
            f"with; scale it to less than {_LARGEST_SPAN:g}"
        )
    return float(low), float(high)


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
