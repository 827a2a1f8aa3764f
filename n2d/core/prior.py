"""The weights of the prior network: as files, and those that come with the package."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from n2d.core.prior_network import PriorNetwork

#: With this `hidden_channels`, the estimator's default, comes the prior network.
PRIOR_HIDDEN_CHANNELS = 48

#: What the sides of images have to be multiples of, for the network that is shipped.
PRIOR_ALIGNMENT = 8


def save_prior(network, path, provenance, dtype=torch.float32):
    """Write weights, configuration and provenance into one safetensors file.

    Parameters
    ----------
    network : PriorNetwork
        The network.
    path : str or os.PathLike
        Where to write.
    provenance : dict
        What a reader needs to make the weights again; anything JSON can hold.
    dtype : torch.dtype, default=torch.float32
        What the weights are rounded to.
    """
    tensors = {
        name: tensor.detach().to(dtype).contiguous()
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
        tensors = {
            name: file.get_tensor(name).to(torch.float32, copy=True)
            for name in file.keys()
        }
    with torch.device("meta"):  # where building it draws no random numbers
        network = PriorNetwork(**json.loads(metadata["config"]))
    network.load_state_dict(tensors, assign=True)
    return network.eval(), json.loads(metadata["provenance"])


def shipped_weights(hidden_channels=PRIOR_HIDDEN_CHANNELS):
    """Find the weights that come with the package.

    Parameters
    ----------
    hidden_channels : int, default=48
        The estimator's parameter: networks of another width have no weights.

    Returns
    -------
    pathlib.Path or None
        The file, or None where the package ships none for this width.
    """
    path = Path(str(resources.files("n2d.core"))) / "weights" / "prior.safetensors"
    known = hidden_channels == PRIOR_HIDDEN_CHANNELS
    return path if known and path.is_file() else None


def load_prior(hidden_channels=PRIOR_HIDDEN_CHANNELS):
    """Load the prior network that comes with the package.

    Parameters
    ----------
    hidden_channels : int, default=48
        The estimator's parameter.

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
