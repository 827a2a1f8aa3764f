"""Smaller versions of an image, by the mean of 2 x 2 pixels."""

import math

import numpy as np

_ROWS = 2048


def smaller(source, target, place, rows=None):
    """Fill a plane of the next level of a pyramid, some `rows` of it at a time.

    A pixel is the mean of all pixels of `source` that it lies upon, which at the border
    may be fewer. Integers are rounded to the nearest, halves to even.
    """
    axes = [axis for axis, part in enumerate(place) if isinstance(part, slice)]
    (height, width), (tall, wide) = (
        [array.shape[axis] for axis in axes] for array in (source, target)
    )
    down, across = (max(1, round(n / m)) for n, m in ((height, tall), (width, wide)))
    rows = range(tall) if rows is None else rows
    for top in range(rows.start, rows.stop, _ROWS):
        bottom = min(top + _ROWS, rows.stop)
        window = list(place)
        window[axes[0]] = slice(top * down, min(bottom * down, height))
        window[axes[1]] = slice(0, width)
        values = np.asarray(source[tuple(window)], np.float64)
        values = _mean(_mean(values, 0, down, bottom - top), 1, across, wide)
        window[axes[0]], window[axes[1]] = slice(top, bottom), slice(0, wide)
        if target.dtype.kind in "uib":
            values = np.rint(values)
        target[tuple(window)] = values.astype(target.dtype)


def _mean(values, axis, factor, n):
    """Means of `factor` neighbours along an axis, `n` of them."""
    values = np.moveaxis(values, axis, 0)
    whole = min(len(values) // factor, n)
    means = np.empty((n, *values.shape[1:]))
    if whole:
        head = values[: whole * factor]
        means[:whole] = head.reshape(whole, factor, *values.shape[1:]).mean(1)
    rest = values[whole * factor :]
    if whole < n:  # fewer pixels than a whole block are left, or none
        means[whole:] = (rest if len(rest) else values[-1:]).mean(0)
    return np.moveaxis(means, 0, axis)


def n_levels_for(height, width, smallest=256):
    """How many levels it takes until the longer side is `smallest` or less.

    >>> n_levels_for(100, 200), n_levels_for(1024, 1000)
    (1, 3)
    """
    side = max(height, width)
    return 1 + max(0, math.ceil(math.log2(side / smallest)))
