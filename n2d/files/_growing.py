"""A stack that has grown: only what is new is denoised, the rest is taken over."""

import contextlib
from dataclasses import dataclass, replace
from typing import Any

from n2d.io import ImageFileError, View, open_image


@dataclass(frozen=True)
class Grown:
    """What is known of a stack that is denoised again and again while it grows.

    Attributes
    ----------
    n_planes : int
        How many places along its first axis are whole.
    n_kept : int
        How many of these, from the first on, are in the earlier result, unchanged.
    """

    n_planes: int
    n_kept: int

    def cut(self, image):
        """Return an open file without what is not whole."""
        if image.data.shape[0] <= self.n_planes:
            return image
        whole = (slice(0, self.n_planes), ...)
        gaps = None if image.gaps is None else View(image.gaps, whole)
        return replace(image, data=View(image.data, whole), gaps=gaps)

    @contextlib.contextmanager
    def earlier(self, target, plan, shape, dtype):
        """Open the earlier result, or None, for what of it is as good as made anew."""
        from n2d.applying.neighbours import N_NEIGHBOURS

        # The last planes had fewer neighbours then than they have now.
        n_kept = self.n_kept - N_NEIGHBOURS[plan.stack]
        if n_kept < 1:
            yield None
            return
        try:
            image = open_image(target)
        except (ImageFileError, FileNotFoundError):
            yield None
            return
        with image:
            there = image.data.shape
            alike = (
                there[1:] == tuple(shape[1:])
                and there[0] >= n_kept
                and image.data.dtype == dtype
                and all(image.axes.find(a) in (-1, i) for i, a in enumerate(plan.axes))
            )
            yield Earlier(image.data, n_kept) if alike else None


@dataclass(frozen=True)
class Earlier:
    """What an earlier result has.

    Attributes
    ----------
    data : array-like
        Its pixels.
    n_kept : int
        How many places along the first axis are taken over.
    """

    data: Any
    n_kept: int

    def has(self, key):
        """Whether a place, of a plane or a part of one, is taken over."""
        return not isinstance(key[0], slice) and key[0] < self.n_kept

    def copy(self, pieces, result):
        """Write the pieces that are taken over into the new result."""
        for piece in pieces:
            with result.writing(piece.place) as part:
                part[...] = self.data[piece.place]
