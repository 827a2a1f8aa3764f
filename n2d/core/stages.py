"""The stages of Noise2Detail (arXiv 2510.15611), in the order of the publication.

Throughout, y is the noisy image, f the network of stage 1 and h that of stage 3.
Tensors are (N, C, H, W), float32, with sides that the downsampling factors divide.
"""

import math
from dataclasses import dataclass, field

import torch

from n2d.core.losses import detail_loss, partial_denoising_loss
from n2d.core.sampling import pixel_shuffle_from_batch, pixel_unshuffle_to_batch
from n2d.core.training import train

PARTIAL_DENOISING = "partial denoising"
DETAIL_RECOVERY = "detail recovery"

# Feature maps of the widest layer that are in memory at once, as measured.
ACTIVATIONS = 5

# -- the stages, formula by formula -----------------------------------------------


def partial_denoising(f, noisy, finish=lambda x: x):
    """Stage 1: d1 = g(y) = y - f(y)."""
    return finish(noisy - f(noisy))


def background_refinement(f, noisy, factor, finish=lambda x: x):
    """Stage 2, for one factor r: p_r = g(shuffle(g(unshuffle(y))))."""
    phases = pixel_unshuffle_to_batch(noisy, factor)  # (N r r, C, H/r, W/r)
    phases = partial_denoising(f, phases, finish)
    shuffled = pixel_shuffle_from_batch(phases, factor)  # (N, C, H, W)
    return partial_denoising(f, shuffled, finish)


def detail_recovery(h, smooth, finish=lambda x: x):
    """Stage 3: d3 = h(d2)."""
    return finish(h(smooth))


@torch.no_grad()
def smooth_estimates(f, noisy, factors, clamp):
    """Stages 1 and 2: d1, the p_r, and d2 = mean(d1, p_r, ...)."""
    finish = _unit_range if clamp else _unchanged
    stage1 = partial_denoising(f, noisy, finish)
    refined = {r: background_refinement(f, noisy, r, finish) for r in factors}
    stage2 = (stage1 + sum(refined.values())) / (1 + len(refined))
    return stage1, refined, stage2


def _unit_range(x):
    return x.clamp(0, 1)


def _unchanged(x):
    return x


# -- estimates, and networks that make them ----------------------------------------


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

    #: Why they cannot say how wrong they are.
    why_no_error = (
        "standard errors come from the network that was trained beforehand; the "
        "networks of init='random' and solver='paper' have none. Use solver='fast' "
        "with init='auto', or call transform without return_std"
    )

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

    @property
    def bytes_per_pixel(self):
        """Memory that an image needs while it is denoised, without itself."""
        return 4 * ACTIVATIONS * max(net.hidden_channels for net in self.networks)

    def to(self, device):
        """Move the networks to a device."""
        self.networks = tuple(network.to(device) for network in self.networks)
        return self

    @torch.no_grad()
    def estimates(self, noisy, halo=(0, 0, 0, 0)):
        """Run the networks over images: every estimate from stage 1 to stage 3.

        Parameters
        ----------
        noisy : torch.Tensor of shape (N, C, H, W)
            y; H and W are multiples of `alignment`.
        halo : tuple of four int, default=(0, 0, 0, 0)
            How many pixels at the top, bottom, left and right only serve to denoise
            the others. They are denoised, too: these networks see hardly beyond a
            pixel.

        Returns
        -------
        Estimates
        """
        del halo
        f, *detail = self.networks
        finish = _unit_range if self.clamp else _unchanged
        stage1, refined, stage2 = smooth_estimates(f, noisy, self.factors, self.clamp)
        stage3 = detail_recovery(detail[0], stage2, finish) if detail else stage2
        return Estimates(stage1, refined, stage2, stage3)


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
    Cancelled, TrainingDiverged
        See `n2d.core.training.train`.
    """
    f, *detail = networks
    detail_steps = n_steps if detail_steps is None else detail_steps

    def fit(network, n_steps, stage, loss):
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1000, gamma=0.5)
        return train(
            *(loss, optimizer, n_steps),
            stage=stage,
            schedule=schedule,
            callback=callback,
            # Every step does the same: the image and the weights stay where they are.
            replay=n_steps > 10,
        )

    losses1 = fit(
        f, n_steps, PARTIAL_DENOISING, lambda: partial_denoising_loss(f, noisy)
    )
    losses3 = []
    if detail:
        h = detail[0]
        smooth = smooth_estimates(f, noisy, factors, clamp=True)[-1]
        losses3 = fit(
            h, detail_steps, DETAIL_RECOVERY, lambda: detail_loss(h, smooth, noisy)
        )
    estimates = TrainedStages(networks, factors, clamp=True).estimates(noisy)
    return PaperRun(**vars(estimates), losses=(losses1, losses3))
