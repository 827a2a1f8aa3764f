"""What a user's program has set for itself, kept away from what is computed here."""

import contextlib
import functools
import os

import torch

from n2d._numpy_errors import usual_errors

_computed_with_threads = False


def undisturbed(function):
    """Decorate a function so that settings of the whole process do not reach it.

    NumPy's errors on underflow, Torch's default device and automatic mixed precision
    are the user's, for the user's own arrays.
    """

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        global _computed_with_threads
        _computed_with_threads |= torch.get_num_threads() > 1
        with contextlib.ExitStack() as stack:
            stack.enter_context(usual_errors())
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            try:
                return function(*args, **kwargs)
            except OverflowError as error:
                raise ValueError(
                    f"numbers became too large to compute with ({error.args[-1]}): "
                    "scale X, and what is told of it (noise, data_range), to less "
                    "extreme values"
                ) from error

    return wrapped


def _settle_in_child():
    """Compute with one thread in a fork of a process that has computed with several.

    The others are not there any more, and OpenMP would wait for them for ever.
    """
    if _computed_with_threads:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_settle_in_child)
