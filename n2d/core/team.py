"""Threads that share work as they find time for it, and layers applied strip by strip.

PyTorch's own threads split every operation into equal parts and wait for each other,
busily, at its end: where another program has one of the processors, all of them are as
slow as that one. Here whoever is free takes the next part, and nobody waits for a
thread that has not begun.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

import torch
from threadpoolctl import threadpool_limits

# Pixels of a feature map in a strip: larger ones leave the processor's cache, smaller
# ones compute more of their surroundings twice. Helpers are given smaller ones, of so
# many rows at least.
_STRIP_PIXELS, _LEAST_ROWS = 2**14, 16

_of_this_thread = threading.local()


class Helpers(ThreadPoolExecutor):
    """Threads that help others to compute, each with one thread of PyTorch's.

    Parameters
    ----------
    number : int
        How many; may be 0.
    """

    def __init__(self, number):
        super().__init__(max(1, number), "n2d", initializer=self._begin)
        self.number = number

    def _begin(self):
        limited_threads()
        _of_this_thread.of_team = self


def begin_helped(helpers):
    """Let the calling thread share work with helpers, for good.

    Parameters
    ----------
    helpers : Helpers
        Who helps.
    """
    limited_threads()
    _of_this_thread.helpers = _of_this_thread.of_team = helpers


@contextlib.contextmanager
def team(n_threads):
    """Let the calling thread share work with as many others as make `n_threads`.

    Parameters
    ----------
    n_threads : int
        Threads in all. PyTorch itself computes with one in each of them; how many it
        takes in other threads of the program stays as it is.
    """
    here = _of_this_thread
    before = getattr(here, "helpers", None), getattr(here, "of_team", None)
    helpers = Helpers(n_threads - 1)
    with limited_threads():
        here.helpers = here.of_team = helpers
        try:
            yield
        finally:
            here.helpers, here.of_team = before
            helpers.shutdown(cancel_futures=True)


def limited_threads():
    """Let PyTorch compute with one thread in the calling thread, and only there.

    Returns
    -------
    context manager
        It holds at once; leaving the context manager ends it.
    """
    # PyTorch settles a thread's number when it is first asked for, and would forget
    # what was set before.
    if torch.get_num_threads() == 1:
        return contextlib.nullcontext()
    return threadpool_limits(1, user_api="openmp")


def share(function, items):
    """Call a function for all items, in any order, with what help there is.

    Parameters
    ----------
    function : callable
        What to do with one item; in helpers too, under the same modes of PyTorch.
    items : sequence of tuple
        Arguments of each call.
    """
    waiting = deque(items)

    def work():
        while True:
            try:
                item = waiting.popleft()
            except IndexError:
                return
            function(*item)

    helpers = getattr(_of_this_thread, "helpers", None)
    n_helpers = 0 if helpers is None else min(helpers.number, len(waiting) - 1)
    if n_helpers < 1:
        work()
        return
    help_out = _under_the_same_modes(work)
    helping = [helpers.submit(help_out) for _ in range(n_helpers)]
    try:
        work()
    finally:
        waiting.clear()
        # Who has not begun by now is not waited for.
        helping = [future for future in helping if not future.cancel()]
        wait(helping)
    for future in helping:
        future.result()


def _under_the_same_modes(function):
    """A function that computes in another thread as it would in this one."""
    inference = torch.is_inference_mode_enabled()
    half = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def run():
        with (
            torch.inference_mode(inference),
            torch.no_grad(),
            torch.autocast("cpu", half[1], enabled=half[0]),
        ):
            function()

    return run


def over_strips(layer, *maps, reach=0, scale=1):
    """Apply a layer to feature maps, strip by strip where that is faster.

    Parameters
    ----------
    layer : callable
        Takes parts of `maps` and gives the same part of the result. At the ends of a
        part it does what it does at the borders of an image.
    *maps : Tensor
        The first (N, C, h, w); others have its N or 1 images, and as many rows, twice
        or half as many, or 1.
    reach : int, default=0
        How many rows away, of the map with fewest, a row still changes the result.
    scale : {0.5, 1, 2}, default=1
        Rows of the result for one of the first map.

    Returns
    -------
    Tensor
        As ``layer(*maps)``.
    """
    first = maps[0]
    n_images, _, height, width = first.shape
    # What is differentiated is computed whole, and a GPU is busy enough with that.
    if torch.is_grad_enabled() or first.device.type != "cpu":
        return layer(*maps)
    unit = int(height * min(1, scale))  # rows of the map with fewest
    strips = _strips(unit, max(1, int(width * min(1, scale))))
    if len(strips) == 1 and (n_images == 1 or unit * width <= _STRIP_PIXELS // 8):
        return layer(*maps)
    result, only_one = [], threading.Lock()

    def result_like(part):
        with only_one:
            if not result:
                result.append(
                    torch.empty(
                        (n_images, part.shape[1], int(height * scale), part.shape[3]),
                        dtype=part.dtype,
                        memory_format=torch.channels_last,
                    )
                )
        return result[0]

    def apply(image, start, stop):
        above, below = max(0, start - reach), min(unit, stop + reach)
        parts = []
        for each in maps:
            part = each[image : image + 1] if len(each) > 1 else each
            rows = part.shape[-2] // unit  # for one of the map with fewest
            if rows:
                part = part[..., rows * above : rows * below, :]
            parts.append(part)
        found = layer(*parts)
        rows = int(height * scale) // unit
        target = result_like(found)[image : image + 1, :, rows * start : rows * stop]
        skipped = rows * (start - above)
        target.copy_(found[..., skipped : skipped + target.shape[-2], :])

    share(apply, [(i, *strip) for i in range(n_images) for strip in strips])
    return result[0]


def _strips(height, width):
    """First and last rows of strips, as equal as can be."""
    rows = max(_LEAST_ROWS, _STRIP_PIXELS // width)
    # The same for all of a team, since bfloat16 may be rounded otherwise in others.
    helpers = getattr(_of_this_thread, "of_team", None)
    if helpers is not None and helpers.number:
        # Two for each, so that one which is slow takes less.
        rows = min(rows, max(_LEAST_ROWS, -(-height // (2 * helpers.number + 2))))
    n = max(1, round(height / rows))
    edges = [height * i // n for i in range(n + 1)]
    return list(pairwise(edges))
