"""What of a file is finished at once: planes, bands of large ones, several together."""

import math
from dataclasses import dataclass

import numpy as np

from n2d.files._plan import Plane
from n2d.files._written import whole_place
from n2d.io import View

# So many tiles for each thread are denoised in one go, and so many planes at most.
_TILES = 4
_MOST_PLANES = 64
# Planes of more pixels are finished band by band, of about so many rows.
_LARGE = 4096**2
_BAND = 2048


@dataclass(frozen=True)
class Piece:
    """A plane, or a band of rows of a large one: what is finished at once.

    Attributes
    ----------
    plane : Plane
        The plane.
    number : int
        Which one it is of those that a denoiser is fitted to.
    place : tuple of int and slice
        What is written, with opacity.
    rows : slice or None
        The band, where it is one.
    share : float
        Which share of the plane it is.
    """

    plane: Plane
    number: int
    place: tuple
    rows: slice | None = None
    share: float = 1.0


def pieces_of(plane, number, shape, channel_axis, results, *, in_bands):
    """Split a large plane into bands of rows, where those can be finished singly."""
    place = whole_place(plane, shape)
    image_axes = [axis for axis, k in enumerate(plane.key) if isinstance(k, slice)]
    if channel_axis is not None:
        del image_axes[channel_axis]
    n_rows, n_columns = (shape[axis] for axis in image_axes)
    bands = None
    if in_bands:
        heights = [r.band_rows(image_axes[0]) for r in results if r is not None]
        bands = None if None in heights else math.lcm(*heights)
    if bands is None or plane.opacity is not None or n_rows * n_columns <= _LARGE:
        return [Piece(plane, number, place)]
    height = bands * max(1, _BAND // bands)
    pieces = []
    for top in range(0, n_rows, height):
        rows = slice(top, min(top + height, n_rows))
        part = list(place)
        part[image_axes[0]] = rows
        share = (rows.stop - rows.start) / n_rows
        pieces.append(Piece(plane, number, tuple(part), rows, share))
    return pieces


def batches_of(pieces, data):
    """Put so many planes together that all threads have tiles to work on."""
    import torch

    some = []
    for piece in pieces:
        some.append(piece)
        n_values = int(np.prod(View(data, piece.plane.key).shape, dtype=int))
        at_once = _TILES * torch.get_num_threads() * 512**2 // n_values
        if piece.rows is not None or len(some) >= min(at_once, _MOST_PLANES):
            yield some
            some = []
    if some:
        yield some
