"""The network of Noise2Detail, one architecture for both of its stages."""

import math

import torch
from torch import nn


class DenoisingNetwork(nn.Module):
    """Conv 3x3 - LeakyReLU - conv 3x3 - LeakyReLU - conv 1x1.

    Stage 1 uses it as a noise predictor f, with g(x) = x - f(x); stage 3 as h, which
    predicts the image itself. With 48 hidden channels it has 21,313 weights for grey
    and 22,275 for RGB images.

    Parameters
    ----------
    in_channels : int
        Channels C of the image.
    hidden_channels : int, default=48
        Channels between the convolutions.
    padding_mode : {"zeros", "replicate"}, default="zeros"
        What the 3x3 convolutions see beyond the border. The publication pads with
        zeros; repeating the border pixel disturbs the rim less and, unlike
        reflection, works on images of a single pixel.

    Examples
    --------
    >>> from n2d.core.network import DenoisingNetwork
    >>> sum(weight.numel() for weight in DenoisingNetwork(1).parameters())
    21313
    """

    # Two 3x3 convolutions: an output pixel depends on pixels up to this far away.
    reach = 2

    def __init__(self, in_channels, hidden_channels=48, padding_mode="zeros"):
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        same = {"padding": 1, "padding_mode": padding_mode}
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, hidden_channels, 3, **same),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(hidden_channels, hidden_channels, 3, **same),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(hidden_channels, in_channels, 1),
        )

    def forward(self, x):
        """Map a tensor (N, C, H, W) to one of the same shape."""
        return self.layers(x)


def random_network(in_channels, hidden_channels, padding_mode, generator):
    """Build a `DenoisingNetwork` with weights drawn from `generator`.

    The distributions are PyTorch's own defaults (uniform, bounded by the inverse root
    of the fan-in), but the global random state is neither used nor advanced.

    Parameters
    ----------
    in_channels, hidden_channels, padding_mode
        See `DenoisingNetwork`.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    DenoisingNetwork
        On the CPU, float32.
    """
    with torch.device("meta"):  # where PyTorch's own initialization draws nothing
        network = DenoisingNetwork(in_channels, hidden_channels, padding_mode)
    network = network.to_empty(device="cpu").to(torch.float32)
    for layer in network.layers:
        if isinstance(layer, nn.Conv2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return network


class Correction(nn.Module):
    """h(x) = x + f(x), with a `DenoisingNetwork` f that says 0 before it is trained.

    The fast solver's stage 3: no step at all leaves the image as it is.

    Parameters
    ----------
    network : DenoisingNetwork
        f; the weights of its last layer are set to 0.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.reach = network.reach
        nn.init.zeros_(network.layers[-1].weight)
        nn.init.zeros_(network.layers[-1].bias)

    def forward(self, x):
        """Map a tensor (N, C, H, W) to one of the same shape."""
        return x + self.network(x)
