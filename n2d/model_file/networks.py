"""Networks as a few numbers and named tensors, and back."""

import numpy as np
import torch

from n2d.core.network import Correction, DenoisingNetwork
from n2d.core.prior_network import PriorNetwork
from n2d.model_file.container import ModelFileError

# Wide enough for every network that fits into a file, and cheap to try.
_MOST_CHANNELS = 2**14
_PADDING = ("zeros", "replicate")


def describe_network(network):
    """Turn a network into a description that JSON can hold, and float32 tensors."""
    if isinstance(network, PriorNetwork):
        description = dict(network.config)
    else:
        inner = network.network if isinstance(network, Correction) else network
        description = {
            "in_channels": inner.in_channels,
            "hidden_channels": inner.hidden_channels,
            "padding_mode": inner.layers[0].padding_mode,
        }
    state = network.state_dict()
    # How weights lie in memory decides which kernel runs, and so the last bits.
    description["channels_last"] = any(
        weight.ndim == 4 and not weight.is_contiguous() for weight in state.values()
    )
    tensors = {name: weight.detach().cpu().numpy() for name, weight in state.items()}
    return {"kind": type(network).__name__, **description}, tensors


def build_network(fields, tensors, in_channels):
    """Build a network, for inference on the CPU, from its description and weights."""
    kind = fields.choice(
        "kind", ["DenoisingNetwork", "Correction", PriorNetwork.__name__]
    )
    channels_last = fields.choice("channels_last", (False, True))
    if kind == "PriorNetwork":
        if fields.has("n_passes"):
            raise ModelFileError(
                "was fitted with the prior network of an older n2d, which this one "
                "does not have; fit the model again"
            )
        config = {
            "widths": fields.integers("widths", 1, _MOST_CHANNELS),
            "encoder_blocks": fields.integers("encoder_blocks", 1, 64),
            "coarsest_dilations": fields.integers("coarsest_dilations", 1, 64),
            "decoder_blocks": fields.integers("decoder_blocks", 1, 64),
        }
        n_halvings = len(config["widths"]) - 1
        for name in ("encoder_blocks", "decoder_blocks"):
            if len(config[name]) != n_halvings or not n_halvings:
                raise fields.wrong(name, "one number for every width but the last")
        for name in ("condition_channels", "error_channels"):
            config[name] = fields.integer(name, 1, _MOST_CHANNELS)
    else:
        fields.integer("in_channels", in_channels, in_channels)
        hidden_channels = fields.integer("hidden_channels", 1, _MOST_CHANNELS)
        padding_mode = fields.choice("padding_mode", _PADDING)
    fields.end()
    with torch.device("meta"):  # no memory, no random numbers
        if kind == "PriorNetwork":
            network = PriorNetwork(**config)
        else:
            network = DenoisingNetwork(in_channels, hidden_channels, padding_mode)
        if kind == "Correction":
            network = Correction(network)
    network = network.to(torch.float32)  # whatever the default is
    expected = {
        name: (np.dtype(np.float32), tuple(weight.shape))
        for name, weight in network.state_dict().items()
    }
    if expected != {name: (t.dtype, t.shape) for name, t in tensors.items()}:
        raise fields.wrong("", f"a {kind} with the weights that this needs")
    # Cloned, to lie as PyTorch aligns memory: that, too, can change the last bits.
    weights = {n: torch.from_numpy(tensor).clone() for n, tensor in tensors.items()}
    network.load_state_dict(weights, assign=True)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)
