"""The fast solver's stages with the prior network.

Images have noise of standard deviation 1 and of known correlation; their channels are
decorrelated and denoised one by one by the same network. Tensors are (N, C, H, W),
float32, with sides that `PriorStages.alignment` divides.
"""

import math
from dataclasses import dataclass

import torch

from n2d.core.prior_network import N_LAGS
from n2d.core.sampling import pixel_shuffle_from_batch, pixel_unshuffle_to_batch
from n2d.core.stages import ACTIVATIONS, Estimates, detail_recovery


@dataclass
class EstimatesWithError(Estimates):
    """`Estimates` and how far off the last of them is expected to be.

    Attributes
    ----------
    error : torch.Tensor of shape (N, C, H, W)
        Expected root of the squared error of every pixel of stage 3.
    """

    error: torch.Tensor


# Where noise was measured, the network is conditioned on more of it if neighbours are
# correlated by as much as this: what is left of such noise is seen as structure, and
# costs more than what is lost of structure. For the result, above the second, it is as
# much again. Set on the development sets with 1 to 1.45 times the level (decibels won
# at 1.3 against 1): CT +2.0, wide-field +0.5, electron micrographs 0.0, photographs
# with noise blurred by 0.7 and 1.2 pixels +0.5 and +1.2, enlarged to twice the size
# -0.2, with noise correlated by 0.6 along rows 0.0 (on one image:
# `n2d tune --grid strength=0.8,0.9,1,1.1`). While noise is judged that would be too
# much: of texture in tissue, which shares much with its neighbours, twice the noise was
# believed.
_LOUDER, _CORRELATED, _MORE = 1.15, 0.3, 0.15


@dataclass
class PriorStages:
    """What `fit` has settled, and how it is applied.

    Parameters
    ----------
    networks : tuple of PriorNetwork and, optionally, torch.nn.Module
        g, trained beforehand, and h, the network of stage 3; without h, stage 3 is
        stage 2.
    correlation : torch.Tensor of shape (C, 4, n_lags)
        Correlation of every channel's noise at distances of 1, 2, ... pixels along y,
        x, the main diagonal and the other one.
    weights : dict of int to float
        Weight of every stage 2 estimate p_r in the mixture; d1 has the rest.
    strength : float, default=1
        Noise level that the network is conditioned on: above 1 it smooths more than
        the noise asks for, below 1 less.
    told : bool, default=False
        Whether the noise is known, not measured: its level is taken at its word.
    judging : bool, default=False
        Whether the result only serves to judge the noise.
    """

    networks: tuple
    correlation: torch.Tensor
    weights: dict
    strength: float = 1.0
    told: bool = False
    judging: bool = False

    @property
    def is_louder(self):
        """Whether the network is told more noise than while the noise was judged."""
        return not self.told and bool((self.correlation[:, :2, 0].abs() > _MORE).any())

    @property
    def alignment(self):
        """Smallest number that both sides of an image must be multiples of."""
        return self.networks[0].alignment * math.lcm(1, *self.weights)

    @property
    def reach(self):
        """How many pixels away a pixel can still change the result."""
        prior, *detail = self.networks
        return prior.reach * max(1, *self.weights, 1) + sum(h.reach for h in detail)

    @property
    def bytes_per_pixel(self):
        """Memory that an image needs while it is denoised, without itself."""
        prior, *detail = self.networks
        # The prior network works on images folded by 2, channel by channel.
        folded = prior.config["widths"][0] * len(self.correlation) / 4
        widths = [folded, *(h.network.hidden_channels for h in detail)]
        return int(4 * ACTIVATIONS * max(widths))

    @property
    def why_no_error(self):
        """Why the error of the result is not known; None where it is."""
        if len(self.networks) == 1:
            return None
        return (
            "the standard error after stage 3 is not known: its network was trained on "
            "the image in hand. Set detail_max_iter=0, or call transform without "
            "return_std"
        )

    def to(self, device):
        """Move everything to a device."""
        self.networks = tuple(network.to(device) for network in self.networks)
        self.correlation = self.correlation.to(device)
        return self

    @torch.no_grad()
    def estimates(self, noisy, halo=(0, 0, 0, 0), return_error=False, level=None):
        """Denoise images: every estimate from stage 1 to stage 3.

        Parameters
        ----------
        noisy : torch.Tensor of shape (N, C, H, W)
            y, with noise of standard deviation 1.
        halo : tuple of four int, default=(0, 0, 0, 0)
            How many pixels at the top, bottom, left and right only serve to denoise
            the others; what they come out as means nothing.
        return_error : bool, default=False
            Whether to estimate the error, too; only without stage 3. What the network
            expects of noise of the level that it is told.
        level : torch.Tensor of shape (N, 1, H, W), optional
            Deviation of the noise from place to place, where it is not 1.

        Returns
        -------
        Estimates, or EstimatesWithError

        Notes
        -----
        The estimates that stage 2 mixes err alike, nobody knows how much. The error
        given is the mean of theirs by the weights of the mixture, as if they erred all
        the same way: that of the mixture is never larger.
        """
        if return_error:
            return self._estimates_with_error(noisy, halo, level)
        # Stage 3, where there is one, looks a little beyond what it denoises.
        further = sum(h.reach for h in self.networks[1:])
        rim = [max(0, side - further) for side in halo]
        stage1 = self.partial_denoising(noisy, rim, level=level)
        refined = {
            r: self.background_refinement(noisy, r, level=level) for r in self.weights
        }
        stage2 = (1 - sum(self.weights.values())) * stage1
        for r, weight in self.weights.items():
            stage2 = stage2 + weight * refined[r]
        stage3 = stage2
        if len(self.networks) > 1:
            with torch.autocast(noisy.device.type, enabled=False):
                stage3 = detail_recovery(self.networks[1], stage2)
        return Estimates(stage1, refined, stage2, stage3)

    def _estimates_with_error(self, noisy, halo, level):
        """What `estimates` gives, and the error; see there."""
        stage1, error = self.partial_denoising(noisy, halo, True, level)
        rest = 1 - sum(self.weights.values())
        stage2, error, refined = rest * stage1, rest * error, {}
        for r, weight in self.weights.items():
            refined[r], its_error = self.background_refinement(noisy, r, True, level)
            stage2 = stage2 + weight * refined[r]
            error = error + weight * its_error
        return EstimatesWithError(stage1, refined, stage2, stage2, error)

    def partial_denoising(
        self, noisy, rim=(0, 0, 0, 0), return_error=False, level=None
    ):
        """Stage 1: d1 = g(y); what g makes of a rim means nothing."""
        lags = self.correlation[..., :N_LAGS]
        return self._denoise(noisy, lags, rim, return_error, level)

    def background_refinement(self, noisy, factor, return_error=False, level=None):
        """Stage 2, for one factor r: p_r = shuffle(g(unshuffle(y))).

        In a phase image neighbours were r pixels apart: their noise is as correlated
        as it was at r, 2 r, ... pixels.
        """
        lags = self.correlation[..., factor - 1 :: factor][..., :N_LAGS]
        lags = torch.nn.functional.pad(lags, (0, N_LAGS - lags.shape[-1]))
        phases = pixel_unshuffle_to_batch(noisy, factor)  # (N r r, C, H/r, W/r)
        if level is not None:
            level = pixel_unshuffle_to_batch(level, factor)
        found = self._denoise(phases, lags, (0, 0, 0, 0), return_error, level)
        if return_error:
            return tuple(pixel_shuffle_from_batch(part, factor) for part in found)
        return pixel_shuffle_from_batch(found, factor)

    def _denoise(self, noisy, correlation, rim, return_error, place):
        n, c, h, w = noisy.shape
        images = noisy.reshape(n * c, 1, h, w)
        level = (self.strength * self._louder(correlation)).repeat(n)  # (N C,)
        if place is not None:
            place = place.repeat_interleave(c, 0)  # (N C, 1, H, W)
            level = level[:, None, None, None] * place
        told = (images, level, correlation.repeat(n, 1, 1), rim)
        if return_error:
            estimate, error = self.networks[0](*told, return_error=True)
            return estimate.reshape(n, c, h, w), error.reshape(n, c, h, w)
        return self.networks[0](*told).reshape(n, c, h, w)

    def _louder(self, correlation):
        """How many times the level of every channel the network is told, (C,)."""
        neighbours = correlation[:, :2, 0].abs().amax(1)
        if self.told:
            return torch.ones_like(neighbours)
        louder = 1 + (_LOUDER - 1) * neighbours.div(_CORRELATED).clamp(max=1)
        if self.judging:
            return louder
        more = neighbours.sub(_MORE).div(_CORRELATED - _MORE).clamp(0, 1)
        return louder + (_LOUDER - 1) * more
