"""The start from random weights: networks that learn from the images themselves.

By the published schedule, which looks at whole images, or on random crops.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from n2d.core import crops, stages
from n2d.core.network import random_network
from n2d.fitting.intensities import Intensities
from n2d.fitting.plan import Fitted, are_flat, settled_scale
from n2d.fitting.windows import training_windows, whole_images


@dataclass(frozen=True)
class RandomPlan:
    """The settled hyperparameters of a training; see `PaperPlan` and `CropPlan`.

    Attributes
    ----------
    hidden_channels : int
        Channels of the networks' hidden layers.
    factors : tuple of int
        Downsampling factors of stage 2.
    n_steps, detail_steps : int
        Optimizer steps of stage 1 and of stage 3, at most; 0: no stage 3.
    learning_rate : float
        The highest of Adam.
    """

    hidden_channels: int
    factors: tuple = (2, 4)
    n_steps: int = 400
    detail_steps: int = 400
    learning_rate: float = 3e-3

    @property
    def alignment(self):
        """What the sides of windows have to be multiples of."""
        return math.lcm(2, *self.factors)


@dataclass(frozen=True)
class CropPlan(RandomPlan):
    """Training on random crops, with a cost that no image's size changes."""

    padding_mode: ClassVar = "replicate"
    clamp: ClassVar = False

    def windows(self, images, rng):
        """Read what is learned from: parts of the images."""
        return training_windows(images, rng, self.alignment)

    def train(self, tensors, networks, generator, callback):
        """Train the networks in place; return the losses of stages 1 and 3."""
        return crops.run_crops(
            tensors,
            networks,
            self.n_steps,
            factors=self.factors,
            detail_steps=self.detail_steps,
            learning_rate=self.learning_rate,
            generator=generator,
            callback=callback,
        )


@dataclass(frozen=True)
class PaperPlan(RandomPlan):
    """The published schedule, over whole images at every step."""

    n_steps: int = 2000
    detail_steps: int = 2000
    learning_rate: float = 1e-3

    padding_mode: ClassVar = "zeros"
    clamp: ClassVar = True

    def windows(self, images, rng):
        """Read what is learned from: all of the images, at one size."""
        return whole_images(images, self.alignment)

    def train(self, tensors, networks, generator, callback):
        """Train the networks in place; return the losses of stages 1 and 3."""
        return stages.run_paper(
            torch.stack(tensors),
            networks,
            self.n_steps,
            factors=self.factors,
            detail_steps=self.detail_steps,
            learning_rate=self.learning_rate,
            callback=callback,
        ).losses


def fit_from_random(windows, data_range, plan, resources):
    """Train both networks from random weights.

    Parameters
    ----------
    windows : list of ndarray of shape (C, h, w)
        Pixel values, as `plan` has read them.
    data_range : tuple of two floats
        What is mapped to 0 and 1.
    plan : CropPlan or PaperPlan
        The hyperparameters.
    resources : Resources
        Where to compute.

    Returns
    -------
    Fitted
    """
    flat = are_flat(windows)
    if flat:  # there is no noise to learn from
        plan = replace(plan, n_steps=1, detail_steps=0)
    intensities = Intensities(settled_scale(windows, data_range))
    tensors = [resources.tensor(intensities.forward(window)) for window in windows]
    generator = resources.generator()
    networks = [
        random_network(
            len(windows[0]), plan.hidden_channels, plan.padding_mode, generator
        ).to(resources.device)
        for _ in range(2 if plan.detail_steps else 1)
    ]
    losses = plan.train(tensors, networks, generator, resources.callback)
    networks = tuple(network.requires_grad_(False) for network in networks)
    trained = stages.TrainedStages(networks, plan.factors, clamp=plan.clamp)
    early = (len(losses[0]), len(losses[1])) != (plan.n_steps, plan.detail_steps)
    return Fitted(
        stages=None if flat else trained,
        networks=networks,
        intensities=intensities,
        losses=[*losses[0], *losses[1]],
        noise=None,
        stopped="held-out loss settled" if early else "schedule ended",
        mixture=dict.fromkeys((1, *plan.factors), 1 / (1 + len(plan.factors))),
    )
