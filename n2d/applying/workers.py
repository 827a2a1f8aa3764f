"""The threads that denoise tiles, and what they need on a GPU."""

import contextlib
import functools
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from n2d.core.team import Helpers, begin_helped, limited_threads


@contextlib.contextmanager
def workers(n_workers, n_threads, device):
    """Give a function that submits work to threads; those that are left help them.

    Parameters
    ----------
    n_workers : int
        How many tiles are denoised at once.
    n_threads : int
        Threads in all; a single one is the calling thread.
    device : torch.device
        Where to compute.

    Yields
    ------
    submit : callable
        As that of an executor.
    """
    if n_threads == n_workers == 1:
        with limited_threads():
            yield _at_once
        return
    helpers = Helpers(max(0, n_threads - n_workers))
    streams = list(_streams(device, n_workers)) if device.type == "cuda" else []
    pool = ThreadPoolExecutor(
        n_workers, "n2d", initializer=_begin, initargs=(helpers, streams)
    )
    wait = True
    try:
        yield pool.submit
    except BaseException as error:
        # If the program was interrupted, what is under way ends by itself: a second.
        wait = isinstance(error, Exception)
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
        helpers.shutdown(cancel_futures=True)


@functools.cache
def _streams(device, n):
    """Streams of a GPU, the same ones at every call: each keeps memory for itself."""
    return [torch.cuda.Stream(device) for _ in range(n)]


def _begin(helpers, streams):
    """Begin a thread that denoises tiles: helped, on a GPU in a stream of its own."""
    begin_helped(helpers)
    if streams:
        torch.cuda.set_stream(streams.pop())


def moved(values, device):
    """Move an array to a device; to a GPU while that computes other things.

    Parameters
    ----------
    values : ndarray
        The array.
    device : torch.device
        Where to.

    Returns
    -------
    torch.Tensor
    """
    values = torch.from_numpy(np.require(values, requirements=["C", "W"]))
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def _at_once(function, *arguments):
    """Call a function, and give what it returns or raises as a future."""
    future = Future()
    try:
        future.set_result(function(*arguments))
    except Exception as error:
        future.set_exception(error)
    return future
