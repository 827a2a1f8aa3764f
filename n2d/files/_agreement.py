"""Whether planes of a file with T and Z show more the same in time, or in depth."""

import numpy as np

from n2d.io import View

# So many planes are looked at, in a window of so many pixels in their middle, by means
# of cells of so many. In time, what they show may have moved by so many cells.
_PLACES, _WINDOW, _CELL, _FAR = 5, 256, 4, 3

# Planes in depth are taken where those in time differ by more than this many times as
# much (mean square, noise included): there are fewer of them, without motion. Over 9
# generated recordings at two noise levels, neighbours in time gave 1.9 dB, in depth
# 1.3 dB, those chosen so 2.3 dB (`python benchmarks/time_or_depth.py`).
_DEPTH_FROM = 1.5


def which_agree(data, axes, image_axes):
    """Find out which neighbours show more the same as a plane.

    Parameters
    ----------
    data : array-like
        The pixels of a file, read window by window.
    axes : str
        One letter for each axis; T and Z among them, each of several planes.
    image_axes : list of int
        The axes of a plane.

    Returns
    -------
    {"time", "depth"}
        As `n2d.Noise2DetailDenoiser` takes it. Time where that cannot be told.
    """
    along = axes.index("T"), axes.index("Z")
    key = [0] * len(axes)
    for axis in image_axes:
        n = data.shape[axis]
        start = max(0, (n - _WINDOW) // 2)
        key[axis] = slice(start, min(n, start + _WINDOW))

    def cells(place):
        there = list(key)
        for axis, i in zip(along, place, strict=True):
            there[axis] = i
        values = np.asarray(View(data, tuple(there))[...], np.float64)
        height, width = (n // _CELL for n in values.shape)
        values = values[: height * _CELL, : width * _CELL]
        return values.reshape(height, _CELL, width, _CELL).mean((1, 3))

    ratios = []
    for share in (np.arange(_PLACES) + 0.5) / _PLACES:
        place = [int(share * data.shape[axis]) for axis in along]
        here = cells(place)
        apart = []
        for k, far in enumerate((_FAR, 0)):
            beside = list(place)
            beside[k] += 1 if place[k] + 1 < data.shape[along[k]] else -1
            apart.append(_apart(here, cells(beside), far))
        if np.isfinite(apart).all() and max(apart) > 0:
            ratios.append(apart[0] / max(apart[1], 1e-12 * apart[0]))
    return "depth" if ratios and np.median(ratios) > _DEPTH_FROM else "time"


def _apart(here, there, far):
    """By what two planes differ (mean square), if one may have moved a little."""
    far = min(far, (min(here.shape) - 1) // 4)
    height, width = (n - 2 * far for n in here.shape)
    if min(height, width) < 1:
        return np.nan
    inner = here[far : far + height, far : far + width]
    steps = range(2 * far + 1)
    return min(
        np.mean((inner - there[y : y + height, x : x + width]) ** 2)
        for y in steps
        for x in steps
    )
