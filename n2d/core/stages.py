"""The stages of Noise2Detail (arXiv 2510.15611), in the order of the publication.

Throughout, y is the noisy image, f the network of stage 1 and h that of stage 3.
Tensors are (N, C, H, W), float32, with sides that the downsampling factors divide.
"""

import math
from dataclasses import dataclass, field

import torch

from n2d.core.losses import detail_loss, partial_denoising_loss
from n2d.core.sampling import (
    pixel_shuffle_from_batch,
    pixel_unshuffle_to_batch,
    random_crops,
)
from n2d.core.training import train

PARTIAL_DENOISING = "partial denoising"
DETAIL_RECOVERY = "detail recovery"


@dataclass
class Estimates:
    """The image after every stage.

    Attributes
    ----------
    stage1 : torch.Tensor of shape (N, C, H, W)
        d1, partially denoised.
    stage2_factors : dict of int to torch.Tensor
        p_r for every downsampling factor r.
    stage2 : torch.Tensor of shape (N, C, H, W)
        d2, the mean of d1 and the p_r.
    stage3 : torch.Tensor of shape (N, C, H, W)
        d3, with the detail recovered: the result.
    """

    stage1: torch.Tensor
    stage2_factors: dict
    stage2: torch.Tensor
    stage3: torch.Tensor


@dataclass
class PaperRun(Estimates):
    """`Estimates` and what it took to get there.

    Attributes
    ----------
    losses : tuple of two lists of float
        The losses of stages 1 and 3 before each step.
    """

    losses: tuple = field(default=((), ()))


@dataclass
class TrainedStages:
    """Trained networks and how they are applied.

    Parameters
    ----------
    networks : sequence of one or two torch.nn.Module
        f and h; without h, stage 3 is stage 2.
    factors : sequence of int
        Downsampling factors of stage 2; without any, stage 2 is stage 1.
    clamp : bool
        Whether every estimate is clamped to [0, 1], as published.
    """

    networks: tuple
    factors: tuple
    clamp: bool

    @property
    def alignment(self):
        """Smallest number that both sides of an image must be multiples of."""
        return math.lcm(2, *self.factors)

    @property
    def reach(self):
        """How many pixels away a pixel can still change the result."""
        one = self.networks[0].reach
        smoothing = max((one * (r + 1) for r in self.factors), default=one)
        return smoothing + one * (len(self.networks) - 1)

    def to(self, device):
        """Move the networks to a device."""
        self.networks = tuple(network.to(device) for network in self.networks)
        return self

    @torch.no_grad()
    def estimates(self, noisy):
        """Run the networks over images: every estimate from stage 1 to stage 3.

        Parameters
        ----------
        noisy : torch.Tensor of shape (N, C, H, W)
            y; H and W are multiples of `alignment`.

        Returns
        -------
        Estimates
        """
        f, *detail = self.networks
        finish = _unit_range if self.clamp else _unchanged
        stage1, refined, stage2 = smooth_estimates(f, noisy, self.factors, self.clamp)
        stage3 = finish(detail[0](stage2)) if detail else stage2
        return Estimates(stage1, refined, stage2, stage3)


# -- the stages, applied -----------------------------------------------------------


def partial_denoising(f, noisy):
    """Stage 1: d1 = g(y) = y - f(y)."""
    return noisy - f(noisy)


def background_refinement(f, noisy, factor, finish=lambda x: x):
    """Stage 2, for one factor r: p_r = g(shuffle(g(unshuffle(y))))."""
    phases = pixel_unshuffle_to_batch(noisy, factor)  # (N r r, C, H/r, W/r)
    phases = finish(partial_denoising(f, phases))
    shuffled = pixel_shuffle_from_batch(phases, factor)  # (N, C, H, W)
    return finish(partial_denoising(f, shuffled))


@torch.no_grad()
def smooth_estimates(f, noisy, factors, clamp):
    """Stages 1 and 2: d1, the p_r, and d2 = mean(d1, p_r, ...)."""
    finish = _unit_range if clamp else _unchanged
    stage1 = finish(partial_denoising(f, noisy))
    refined = {r: background_refinement(f, noisy, r, finish) for r in factors}
    stage2 = (stage1 + sum(refined.values())) / (1 + len(refined))
    return stage1, refined, stage2


def _unit_range(x):
    return x.clamp(0, 1)


def _unchanged(x):
    return x


# -- the published schedule --------------------------------------------------------


def run_paper(
    noisy,
    networks,
    n_steps,
    *,
    factors=(2, 4),
    learning_rate=1e-3,
    detail_steps=None,
    callback=None,
):
    """Train both networks on whole images by the published schedule.

    Adam, with a learning rate that is halved after 1,000 steps; every step sees the
    whole image.

    Parameters
    ----------
    noisy : torch.Tensor of shape (N, C, H, W)
        y, scaled to [0, 1].
    networks : sequence of one or two torch.nn.Module
        f and h, trained in place; without h there is no stage 3.
    n_steps : int
        Steps of stage 1, published: 2,000.
    factors : sequence of int, default=(2, 4)
        Downsampling factors of stage 2.
    learning_rate : float, default=1e-3
        Learning rate of the first 1,000 steps.
    detail_steps : int, optional
        Steps of stage 3, by default those of stage 1.
    callback : callable, optional
        See `n2d.core.training.train`.

    Returns
    -------
    PaperRun
        Both sequences of losses and the estimates after every stage.

    Raises
    ------
    ValueError
        If H or W is no multiple of 2 and of every factor.
    TrainingCancelled, TrainingDiverged
        See `n2d.core.training.train`.
    """
    f, *detail = networks
    detail_steps = n_steps if detail_steps is None else detail_steps

    def fit(network, n_steps, stage, loss):
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1000, gamma=0.5)
        return train(
            loss, optimizer, n_steps, stage=stage, schedule=schedule, callback=callback
        )

    losses1 = fit(
        f, n_steps, PARTIAL_DENOISING, lambda _: partial_denoising_loss(f, noisy)
    )
    losses3 = []
    if detail:
        h = detail[0]
        smooth = smooth_estimates(f, noisy, factors, clamp=True)[-1]
        losses3 = fit(
            h, detail_steps, DETAIL_RECOVERY, lambda _: detail_loss(h, smooth, noisy)
        )
    estimates = TrainedStages(networks, factors, clamp=True).estimates(noisy)
    return PaperRun(**vars(estimates), losses=(losses1, losses3))


# -- the same losses on random crops -----------------------------------------------


def run_crops(
    windows,
    networks,
    n_steps,
    *,
    factors,
    learning_rate,
    detail_steps,
    generator,
    crops_per_step=2,
    crop_side=48,
    callback=None,
):
    """Train both networks on random crops: a cost that no image's size changes.

    Adam, with a learning rate that rises linearly and falls like a cosine; nothing is
    clamped.

    Parameters
    ----------
    windows : sequence of torch.Tensor of shape (C, h, w)
        Parts of the noisy images, with sides that 2 and the factors divide.
    networks : sequence of one or two torch.nn.Module
        f and h, trained in place; without h there is no stage 3.
    n_steps, detail_steps : int
        Steps of stage 1 and of stage 3.
    factors : sequence of int
        Downsampling factors of stage 2.
    learning_rate : float
        The highest learning rate.
    generator : torch.Generator
        Draws the crops.
    crops_per_step : int, default=2
        Crops in every step.
    crop_side : int, default=48
        Side of the crops, which never exceeds the smallest window's.
    callback : callable, optional
        See `n2d.core.training.train`.

    Returns
    -------
    losses : tuple of two lists of float
        The losses of stages 1 and 3 before each step.
    """
    f, *detail = networks
    side = min(crop_side, *(n for window in windows for n in window.shape[-2:]))

    def fit(network, n_steps, stage, windows, loss):
        def loss_of_crops(_):
            return loss(random_crops(windows, side, crops_per_step, generator))

        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _one_cycle(step, n_steps)
        )
        return train(
            loss_of_crops,
            optimizer,
            n_steps,
            stage=stage,
            schedule=schedule,
            callback=callback,
        )

    losses1 = fit(
        f,
        n_steps,
        PARTIAL_DENOISING,
        windows,
        lambda noisy: partial_denoising_loss(f, noisy),
    )
    losses3 = []
    if detail:
        h = detail[0]
        pairs = [  # (2 C, h, w): smooth and noisy, cropped together
            torch.cat(
                [smooth_estimates(f, window[None], factors, False)[-1][0], window]
            )
            for window in windows
        ]
        losses3 = fit(
            h,
            detail_steps,
            DETAIL_RECOVERY,
            pairs,
            lambda pair: detail_loss(h, *pair.chunk(2, dim=1)),
        )
    return losses1, losses3


def _one_cycle(step, n_steps, warmup=0.2):
    """Share of the highest learning rate at a step, from 0."""
    position = (step + 1) / (n_steps + 1)
    if position < warmup:
        return position / warmup
    return (1 + math.cos(math.pi * (position - warmup) / (1 - warmup))) / 2
