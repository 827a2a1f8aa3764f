"""The prior network: a small U-Net that is told the noise, and says how sure it is.

It was trained on generated scenes alone (`n2d.pretraining`), at a noise level of 1,
and serves every level because f(a x + b; a level) = a f(x; level) + b holds by
construction: the first layer sees no constant, nothing but ReLU follows, every bias is
multiplied by the noise level, and gains depend on the correlation alone.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from n2d.core.team import over_strips

#: The noise's autocorrelation is told at distances 1 to N_LAGS along N_DIRECTIONS:
#: y, x, the main diagonal and the other one.
N_LAGS, N_DIRECTIONS = 3, 4

# No estimate is surer than to this share of the noise level.
_LEAST_ERROR = 0.02


class PriorNetwork(nn.Module):
    """Denoiser that is told level and autocorrelation of the noise.

    A U-Net of residual blocks on the image folded by 2 (four phases as channels). The
    correlation sets a bias and a gain of every block through a small perceptron: that
    is how one network knows many kinds of noise.

    Parameters
    ----------
    widths : tuple of int, default=(64, 96, 104)
        Channels at every scale; each scale is half as fine as the one before.
    encoder_blocks : tuple of int, default=(2, 1)
        Residual blocks before the image is halved, at every scale but the coarsest.
    coarsest_dilations : tuple of int, default=(2, 2)
        One block for each at the coarsest scale: dilation of its first convolution.
    decoder_blocks : tuple of int, default=(3, 2)
        Residual blocks after the coarser scale has been added, at every scale but the
        coarsest.
    condition_channels : int, default=32
        Hidden width of the perceptron that makes biases and gains.
    error_channels : int, default=32
        Hidden width of the layers that estimate the error.

    Attributes
    ----------
    reach : int
        Pixels farther away than this do not change an output pixel.
    alignment : int
        The network commutes with shifts by multiples of this many pixels, which
        divide the sides of the images it takes.

    Examples
    --------
    >>> import torch
    >>> from n2d.core.prior_network import PriorNetwork
    >>> network = PriorNetwork((8, 8), (1,), (1,), (1,))
    >>> white = torch.zeros(4, 3)
    >>> network(torch.rand(1, 1, 16, 16), 0.1, white).shape
    torch.Size([1, 1, 16, 16])
    """

    def __init__(
        self,
        widths=(64, 96, 104),
        encoder_blocks=(2, 1),
        coarsest_dilations=(2, 2),
        decoder_blocks=(3, 2),
        condition_channels=32,
        error_channels=32,
    ):
        super().__init__()
        n_halvings = len(widths) - 1
        if not len(encoder_blocks) == len(decoder_blocks) == n_halvings:
            raise ValueError(
                "encoder_blocks and decoder_blocks must have one number for every "
                f"scale but the coarsest, {n_halvings}, got {encoder_blocks!r} and "
                f"{decoder_blocks!r}"
            )
        self.config = {
            "widths": list(widths),
            "encoder_blocks": list(encoder_blocks),
            "coarsest_dilations": list(coarsest_dilations),
            "decoder_blocks": list(decoder_blocks),
            "condition_channels": condition_channels,
            "error_channels": error_channels,
        }
        self.first = nn.Conv2d(4, widths[0], 3, bias=False)
        self.encoder = _scales(widths, encoder_blocks)
        steps = list(pairwise(widths))
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2, bias=False) for fine, coarse in steps
        )
        self.coarsest = nn.ModuleList(_Block(widths[-1], d) for d in coarsest_dilations)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2, bias=False)
            for fine, coarse in steps
        )
        self.decoder = _scales(widths, decoder_blocks)
        self.last = nn.Conv2d(widths[0], 4, 3, padding=1, bias=False)
        self.error_inner = nn.Conv2d(widths[0], error_channels, 3, padding=1)
        self.error_outer = nn.Conv2d(error_channels, 4, 1)
        # A bias for the first layer; a bias and a gain for every block.
        self._sections = [widths[0]]
        for block in self._blocks():
            self._sections += [block.inner.out_channels] * 2
        self.condition = nn.Sequential(
            nn.Linear(N_DIRECTIONS * N_LAGS, condition_channels),
            nn.ReLU(),
            nn.Linear(condition_channels, condition_channels),
            nn.ReLU(),
            nn.Linear(condition_channels, sum(self._sections)),
        )
        self.alignment = 2 ** (1 + n_halvings)
        self.reach = self._reach()

    def _blocks(self):
        """All blocks in the order they run in."""
        for blocks in self.encoder:
            yield from blocks
        yield from self.coarsest
        for blocks in reversed(self.decoder):
            yield from blocks

    def _reach(self):
        """Bound on the distance that a pixel's influence travels."""
        # In pixels: what is folded or halved moves in steps of `scale`.
        reach, scale = 2 * 2 + 1, 2  # the first and the last layer, and the fold
        for encoder, decoder in zip(self.encoder, self.decoder, strict=True):
            reach += scale * sum(block.reach for block in (*encoder, *decoder))
            reach += scale  # pixels of one cell see each other
            scale *= 2
        return reach + scale * sum(block.reach for block in self.coarsest)

    def modulation(self, correlation, n_images):
        """Make the biases, for noise of level 1, and the gains of all layers.

        Parameters
        ----------
        correlation : Tensor of shape (4, 3) or (N, 4, 3)
            Correlation of the noise at distances of 1, 2 and 3 pixels along y, x, the
            main diagonal and the other one.
        n_images : int
            The number N of images.

        Returns
        -------
        tuple of Tensor, each (N, channels, 1, 1)
            Bias of the first layer, then bias and gain of every block.
        """
        weight = self.condition[0].weight
        told = torch.as_tensor(correlation, dtype=weight.dtype, device=weight.device)
        told = told.reshape(-1, N_DIRECTIONS * N_LAGS).expand(n_images, -1)
        # In full precision: the layers are tiny, and everything hangs on them.
        with torch.autocast(weight.device.type, enabled=False):
            made = self.condition(told)
        return made[:, :, None, None].split(self._sections, dim=1)

    def forward(self, noisy, level, correlation, rim=(0, 0, 0, 0), return_error=False):
        """Denoise images whose sides `alignment` divides.

        Parameters
        ----------
        noisy : Tensor of shape (N, 1, H, W)
            Noisy images.
        level : float, Tensor of shape (N,) or Tensor of shape (N, 1, H, W)
            Standard deviation of the noise, in the unit of `noisy`: one number for
            every image, or one for every pixel.
        correlation : Tensor of shape (4, 3) or (N, 4, 3)
            See `modulation`.
        rim : tuple of four int, default=(0, 0, 0, 0)
            How many pixels at the top, bottom, left and right only serve to denoise
            the others. What they come out as means nothing.
        return_error : bool, default=False
            Whether to estimate the error, too.

        Returns
        -------
        denoised : Tensor of shape (N, 1, H, W)
            Denoised images.
        error : Tensor of shape (N, 1, H, W)
            Expected root of the squared error of every pixel, in the unit of `noisy`;
            only with `return_error`.
        """
        rim = tuple(side // self.alignment * self.alignment for side in rim)
        bias, *modulation = self.modulation(correlation, len(noisy))
        modulation = iter(modulation)
        levels = self._levels(level, noisy)
        hidden = self._first(noisy, bias, levels[0])
        skipped = []
        for blocks, down, scale in zip(self.encoder, self.down, levels, strict=False):
            for block in blocks:
                hidden = block(hidden, scale, next(modulation), next(modulation))
            skipped.append(hidden)
            hidden = over_strips(down, hidden, scale=0.5)
        for block in self.coarsest:
            hidden = block(hidden, levels[-1], next(modulation), next(modulation))
        left = tuple(side // self.alignment for side in rim)
        for i in reversed(range(len(self.up))):
            # From here on less is seen of the rim, and it need not be denoised.
            hidden, left = _without_rim(hidden, left, keep=self._keep(i))
            left = tuple(2 * side for side in left)
            crop = _inside(rim, left, 2 ** (i + 1))
            up = self.up[i]
            hidden = over_strips(
                lambda coarse, fine, up=up: up(coarse) + fine,
                hidden,
                crop(skipped[i]),
                scale=2,
            )
            scale = levels[i] if levels[i].shape[-1] == 1 else crop(levels[i])
            for block in self.decoder[i]:
                hidden = block(hidden, scale, next(modulation), next(modulation))
        phases = over_strips(self.last, hidden, reach=1)
        residual = self._unfold(phases, left, rim)
        denoised = noisy - residual.to(noisy.dtype)
        if not return_error:
            return denoised
        error = over_strips(self._error, hidden, scale, reach=1)
        return denoised, self._unfold(error, left, rim)

    def _first(self, noisy, bias, level):
        """The first layer: images (N, 1, H, W) to features (N, C, H/2, W/2)."""
        folded = F.pixel_unshuffle(F.pad(noisy, (2, 2, 2, 2), mode="reflect"), 2)
        weight = self.first.weight
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        kind, dtype = noisy.device.type, noisy.dtype
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)

        def layer(above, below, bias, level):
            around = torch.cat([above, below[..., -2:, :]], dim=-2)
            # In full precision: where the contrast is a hundred times the noise, half
            # precision would round the noise away before the network has seen it.
            with torch.autocast(kind, enabled=False):
                hidden = F.conv2d(around.float(), weight) + bias * level
            return F.relu(hidden.to(dtype))

        # Rows from one above, and to one below, those of the result.
        return over_strips(layer, folded[..., :-2, :], folded[..., 2:, :], bias, level)

    def _levels(self, level, noisy):
        """The level at every scale: (N, 1, 1, 1) or (N, 1, h, w)."""
        level = torch.as_tensor(level, dtype=torch.float32, device=noisy.device)
        n_scales = len(self.config["widths"])
        if level.ndim < 4 or level.shape[-2:] == (1, 1):
            return [level.reshape(-1, 1, 1, 1)] * n_scales
        levels = []
        for _ in range(n_scales):
            level = F.avg_pool2d(level, 2)
            levels.append(level)
        return levels

    def _keep(self, i):
        """Pixels of scale `i + 1` that what follows it sees of the rim."""
        seen = 2  # the last layers
        for finer in range(i + 1):
            seen = -(-seen // 2) if finer else seen
            seen += sum(block.reach for block in self.decoder[finer])
        return -(-seen // 2) + 1

    def _error(self, hidden, level):
        """Expected error of the four phases, homogeneous in image and level."""
        inner = F.relu(
            F.conv2d(hidden, self.error_inner.weight, padding=1)
            + self.error_inner.bias[:, None, None] * level
        )
        outer = F.conv2d(inner, self.error_outer.weight).float()
        outer = outer + self.error_outer.bias[:, None, None] * level
        return torch.sqrt(F.relu(outer).square() + (_LEAST_ERROR * level).square())

    @staticmethod
    def _unfold(phases, left, rim):
        """Phases (N, 4, h, w), `left` of whose rim is left, to images with the rim."""
        image = F.pixel_shuffle(phases, 2)
        missing = [side - 2 * kept for side, kept in zip(rim, left, strict=True)]
        if any(missing):
            top, bottom, before, after = missing
            image = F.pad(image, (before, after, top, bottom))
        return image


class _Block(nn.Module):
    """h + conv(relu(gain * conv(h) + level * bias))."""

    def __init__(self, width, dilation=1):
        super().__init__()
        same = {"padding": dilation, "dilation": dilation, "bias": False}
        self.inner = nn.Conv2d(width, width, 3, **same)
        self.outer = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.reach = dilation + 1

    def forward(self, hidden, level, bias, gain):
        """Map hidden (N, C, h, w) to the same shape."""
        maps = (hidden, level, bias, gain)
        return over_strips(self._change, *maps, reach=self.reach)

    def _change(self, hidden, level, bias, gain):
        inner, half = self.inner, torch.is_autocast_enabled(hidden.device.type)
        if half and len(gain) == 1:
            # In one step: gains that are rounded by themselves cost all pixels alike.
            weight = inner.weight * (1 + gain[0])[..., None]
            where = {"padding": inner.padding, "dilation": inner.dilation}
            if level.numel() == 1:
                change = F.conv2d(hidden, weight, (bias * level).flatten(), **where)
            else:
                change = F.conv2d(hidden, weight, **where)
                change.addcmul_(bias.to(change.dtype), level.to(change.dtype))
        else:
            change = torch.addcmul(bias * level, inner(hidden), 1 + gain)
        return self.outer(F.relu_(change)) + hidden


def _scales(widths, numbers):
    """A list of blocks for every scale but the coarsest."""
    return nn.ModuleList(
        nn.ModuleList(_Block(width) for _ in range(number))
        for width, number in zip(widths, numbers, strict=False)
    )


def _without_rim(hidden, rim, keep):
    """Cut a rim (top, bottom, left, right) down to `keep` pixels on every side."""
    cut = [max(0, side - keep) for side in rim]
    if any(cut):
        top, bottom, left, right = cut
        height, width = hidden.shape[-2:]
        hidden = hidden[..., top : height - bottom, left : width - right]
    return hidden, tuple(min(side, keep) for side in rim)


def _inside(rim, left, scale):
    """A function that cuts maps with a whole rim, in pixels, down to what is left."""
    top, bottom, before, after = (
        side // scale - kept for side, kept in zip(rim, left, strict=True)
    )

    def crop(x):
        height, width = x.shape[-2:]
        return x[..., top : height - bottom, before : width - after]

    return crop
