"""Which device to compute on."""

import warnings

import torch


def usable_device(name, *, fall_back=False):
    """Return the torch device called `name`, or say that it isn't there.

    With `fall_back`, a device that this machine lacks becomes the CPU, with a warning,
    so that a model fitted on a GPU runs where there is none.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f"device={name!r} is no device; use 'auto', 'cpu', 'cuda', 'cuda:1' or "
            "'mps'"
        ) from error
    available = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }.get(device.type, False)
    if available:
        return device
    if fall_back:
        warnings.warn(
            f"device={name!r} is not available on this machine; using the CPU",
            RuntimeWarning,
            stacklevel=4,
        )
        return torch.device("cpu")
    raise ValueError(
        f"device={name!r} is not available on this machine; use 'auto' or 'cpu'"
    )


def settled_precision(device, precision):
    """Say what convolutions are computed in.

    Parameters
    ----------
    device : torch.device
        Where to compute.
    precision : {"auto", "float32", "bfloat16"}
        As the estimator's parameter. ``"auto"``: bfloat16 where the device is made for
        it, and would not have to emulate it.

    Returns
    -------
    {"float32", "bfloat16"}
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        fast = device.type == "cpu" and supported is not None and supported()
    return "bfloat16" if fast else "float32"


def computing_in(device, precision):
    """Give a context that computes convolutions in a precision.

    Parameters
    ----------
    device : torch.device
        Where to compute.
    precision : {"auto", "float32", "bfloat16"}
        See `settled_precision`.

    Returns
    -------
    torch.autocast
        One that changes nothing for float32.
    """
    half = settled_precision(device, precision) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=half)
