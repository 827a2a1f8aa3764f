"""The learned start: one network for white and for correlated noise.

It was trained on generated scenes alone (`n2d.pretraining`), at a noise level of 1,
and serves every level because f(a x + b; a level) = a f(x; level) + b holds by
construction: the first layer sees no constant, nothing but ReLU follows, and every
bias is multiplied by the noise level.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F

from n2d.core.prior_network import PriorNetwork as FarNetwork

N_LAGS = 2


class PriorNetwork(nn.Module):
    """Denoiser that is told the level and the neighbour correlation of the noise.

    Works on the image folded by 2 (four phases as channels), where residual pairs of
    dilated 3x3 convolutions run `n_passes` times with the same weights but with
    biases of their own. The biases come from the correlation through a small
    perceptron: that is how one network knows many kinds of noise.

    Parameters
    ----------
    hidden_channels : int, default=48
        Channels between the convolutions.
    dilations : tuple of int, default=(1, 2, 4, 2)
        Dilation of each middle convolution; an even number of them.
    n_passes : int, default=2
        How many times the middle runs.
    condition_channels : int, default=16
        Hidden width of the perceptron that makes the biases.

    Attributes
    ----------
    reach : int
        Pixels farther away than this do not change an output pixel.
    alignment : int
        The network commutes with shifts by multiples of this many pixels.

    Examples
    --------
    >>> import torch
    >>> from n2d.core.prior import PriorNetwork
    >>> network = PriorNetwork(8, dilations=(1, 1), n_passes=1)
    >>> white = torch.zeros(2, 2)
    >>> network(torch.rand(1, 1, 16, 16), 0.1, white).shape
    torch.Size([1, 1, 16, 16])
    """

    alignment = 2

    def __init__(
        self,
        hidden_channels=48,
        dilations=(1, 2, 4, 2),
        n_passes=2,
        condition_channels=16,
    ):
        super().__init__()
        if len(dilations) % 2:
            raise ValueError(f"dilations must come in pairs, got {dilations!r}")
        self.config = {
            "hidden_channels": hidden_channels,
            "dilations": list(dilations),
            "n_passes": n_passes,
            "condition_channels": condition_channels,
        }
        width = hidden_channels
        self.first = nn.Conv2d(4, width, 3, bias=False)
        self.middle = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=d, dilation=d, bias=False)
            for d in dilations
        )
        self.last = nn.Conv2d(width, 4, 3, padding=1, bias=False)
        n_biases = 1 + n_passes * len(dilations) // 2
        self.condition = nn.Sequential(
            nn.Linear(2 * N_LAGS, condition_channels),
            nn.ReLU(),
            nn.Linear(condition_channels, n_biases * width),
        )
        self.reach = 2 * (2 + n_passes * sum(dilations)) + 1

    def biases(self, level, correlation, n_images):
        """Make the biases of all layers, for noise of a level and a correlation.

        Parameters
        ----------
        level : float or Tensor of shape (N,)
            Standard deviation of the noise.
        correlation : Tensor of shape (2, 2) or (N, 2, 2)
            Correlation of the noise at distances of 1 and 2 pixels along y, then x.
        n_images : int
            The number N of images.

        Returns
        -------
        tuple of Tensor, each (N, hidden_channels, 1, 1)
            One for the first layer, one for each residual pair.
        """
        weight = self.condition[0].weight
        told = torch.as_tensor(correlation, dtype=weight.dtype, device=weight.device)
        told = told.reshape(-1, 2 * N_LAGS).expand(n_images, -1)
        level = torch.as_tensor(level, dtype=weight.dtype, device=weight.device)
        bias = self.condition(told) * level.reshape(-1, 1)
        return bias[:, :, None, None].split(self.config["hidden_channels"], dim=1)

    def forward(self, noisy, level, correlation, rim=(0, 0, 0, 0)):
        """Denoise images of even sides.

        Parameters
        ----------
        noisy : Tensor of shape (N, 1, H, W)
            Noisy images; H and W even and at least 4.
        level : float or Tensor of shape (N,)
            Standard deviation of the noise, in the unit of `noisy`.
        correlation : Tensor of shape (2, 2) or (N, 2, 2)
            Correlation of the noise at distances of 1 and 2 pixels along y, then x.
        rim : tuple of four int, default=(0, 0, 0, 0)
            How many pixels at the top, bottom, left and right only serve to denoise
            the others. They come out as they are, and save time.

        Returns
        -------
        Tensor of shape (N, 1, H, W)
            Denoised images.
        """
        biases = self.biases(level, correlation, len(noisy))
        folded = F.pixel_unshuffle(F.pad(noisy, (2, 2, 2, 2), mode="reflect"), 2)
        weight = self.first.weight
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        # In full precision: where the contrast is a hundred times the noise, half
        # precision would round the noise away before the network has seen it.
        with torch.autocast(noisy.device.type, enabled=False):
            hidden = F.conv2d(folded, weight).add_(biases[0])  # (N, C, H/2, W/2)
        if torch.is_autocast_enabled(noisy.device.type):
            hidden = hidden.to(torch.get_autocast_dtype(noisy.device.type))
        hidden = hidden.relu_()
        pairs = list(zip(self.middle[::2], self.middle[1::2], strict=True))
        pairs = pairs * self.config["n_passes"]
        # How far each layer and those after it look, the last layer first.
        sight = [1]
        for inner, outer in reversed(pairs):
            sight.append(sight[-1] + inner.dilation[0] + outer.dilation[0])
        left = rim = tuple(side // 2 for side in rim)  # of the rim, in folded pixels
        for bias, (inner, outer) in zip(biases[1:], pairs, strict=True):
            hidden, left = _without_rim(hidden, left, keep=sight.pop())
            # In place: a pass over the memory costs a good part of a convolution.
            change = inner(hidden).add_(bias.to(hidden.dtype)).relu_()
            hidden = outer(change).add_(hidden)
        hidden, left = _without_rim(hidden, left, keep=sight.pop())
        residual, _ = _without_rim(self.last(hidden), left, keep=0)
        if any(rim):
            top, bottom, before, after = rim
            residual = F.pad(residual, (before, after, top, bottom))
        return noisy - F.pixel_shuffle(residual, 2).to(noisy.dtype)


def _without_rim(hidden, rim, keep):
    """Cut a rim (top, bottom, left, right) down to `keep` pixels on every side."""
    cut = [max(0, side - keep) for side in rim]
    if any(cut):
        top, bottom, left, right = cut
        height, width = hidden.shape[-2:]
        hidden = hidden[..., top : height - bottom, left : width - right]
    return hidden, tuple(min(side, keep) for side in rim)


def save_prior(network, path, provenance):
    """Write weights, configuration and provenance into one safetensors file.

    Parameters
    ----------
    network : PriorNetwork
        The network.
    path : str or os.PathLike
        Where to write.
    provenance : dict
        What a reader needs to make the weights again; anything JSON can hold.
    """
    tensors = {
        name: tensor.detach().to(torch.float32).contiguous()
        for name, tensor in network.state_dict().items()
    }
    metadata = {
        "config": json.dumps(network.config),
        "provenance": json.dumps(provenance),
    }
    safetensors.torch.save_file(tensors, path, metadata)


def read_prior(path):
    """Read a network and its provenance from a safetensors file.

    Parameters
    ----------
    path : str or os.PathLike
        A file written by `save_prior`.

    Returns
    -------
    network : PriorNetwork
        On the CPU, in evaluation mode.
    provenance : dict
        How it was trained.
    """
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        # Cloned, to lie as PyTorch aligns memory, like every copy of them to come: a
        # few bytes off, kernels sum up in another order.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
    with torch.device("meta"):  # where building it draws no random numbers
        config = json.loads(metadata["config"])
        kind = FarNetwork if "widths" in config else PriorNetwork
        network = kind(**config)
    network.load_state_dict(tensors, assign=True)
    return network.eval(), json.loads(metadata["provenance"])


def shipped_weights(hidden_channels=48):
    """Find the weights that come with the package.

    Parameters
    ----------
    hidden_channels : int, default=48
        Width of the network asked for.

    Returns
    -------
    pathlib.Path or None
        The file, or None where the package ships none for this width.
    """
    path = Path(str(resources.files("n2d.core"))) / "weights"
    path = path / f"prior{hidden_channels}.safetensors"
    return path if path.is_file() else None


def load_prior(hidden_channels=48):
    """Load the learned start that comes with the package.

    Parameters
    ----------
    hidden_channels : int, default=48
        Width of the network asked for.

    Returns
    -------
    PriorNetwork
        A new network, on the CPU, in evaluation mode.

    Raises
    ------
    ValueError
        If the package ships no weights for `hidden_channels`.
    """
    path = shipped_weights(hidden_channels)
    if path is None:
        raise ValueError(
            f"there are no synthetic weights for hidden_channels={hidden_channels}; "
            'use hidden_channels=48 or init="random"'
        )
    return read_prior(path)[0]
