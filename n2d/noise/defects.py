"""What is neither image nor random noise: hot pixels, stripes, periodic patterns.

They are taken out of the copy of an image that its noise is measured on. How the noise
is measured assumes that its spectrum is smooth and that no pixel stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from n2d.noise.hot_pixels import neighbours, without_hot_pixels

# Before the noise is known, a pixel may be hot or dead if it is so many deviations, and
# so many times the range of its eight neighbours (without their extremes), from their
# median; and so many steps of the image's values, where a count or two in the dark is
# honest noise.
_HOT_DEVIATIONS = 9.0
_HOT_RANGES = 3.0
_HOT_STEPS = 10
# Shares of the pixels between which they are defects and not the scene, and from which
# on there have to be some of either kind, darker and brighter than what is around them.
_FEWEST_HOT, _MANY_HOT, _MOST_HOT, _OF_EITHER = 1e-3, 0.04, 0.12, 0.1

_ROWS = 32  # that medians are taken of at once

# A pattern is a peak of the spectrum that is so many times the strongest of its
# surroundings, 4 to 7 bins away, and at least so many cycles per field from 0.
_PEAK = 12.0
_LOWEST_BIN = 9
_MOST_PEAKS = 60
_NOTCH = 3  # bins: the main lobe of a Hann window, and one more
# Where the window is weaker than this, what is left is noise divided by little.
_WEAK_WINDOW = 0.3
# Patterns are looked for in the middle of an image, of this many pixels at most.
_PATTERN_SIDE = 512
_SMALLEST_SIDE = 96

# Row offsets are stripes if their deviation is so many times what noise explains.
_STRIPES = 3.0
_RUN = 16  # pixels
_STRIPE_BLUR = 3.0  # pixels; what changes more slowly from line to line is the scene


@dataclass(frozen=True)
class Defects:
    """What was found beside the noise.

    Attributes
    ----------
    hot : float
        Share of the pixels that say nothing: hot, dead and telegraph pixels. Where it
        is above 0, a denoiser puts the median of their neighbours in their place.
    rows, columns : float
        Standard deviation of row and column offsets, in the units of the image.
    periods : list of (float, float)
        Cycles per pixel along y and x of periodic patterns.
    stuck : list of (float, int, float)
        Values, in the units of the image, that pixels are stuck at, as of salt and
        pepper; how many of its eight neighbours may have the same value where a pixel
        is stuck, and the share of the pixels. They are replaced as hot ones are.
    """

    @property
    def replaced(self):
        """Whether there are pixels that say nothing."""
        return self.hot > 0 or bool(self.stuck)

    def rescaled(self, scale, shift):
        """Defects of the image ``scale * image + shift``."""
        return replace(
            self,
            rows=scale * self.rows,
            columns=scale * self.columns,
            stuck=[(scale * value + shift, *rest) for value, *rest in self.stuck],
        )

    hot: float = 0.0
    rows: float = 0.0
    columns: float = 0.0
    periods: list = field(default_factory=list)
    stuck: list = field(default_factory=list)


def without_defects(windows, patterns=True):
    """Take defects and patterns out of windows (h, w).

    Parameters
    ----------
    windows : sequence of ndarray of shape (h, w)
        Of images.
    patterns : bool, default=True
        Whether lattices and stripes are looked for, too: areas that repeat, as under a
        mask, would be taken for them.

    Returns
    -------
    cleaned : list of ndarray
        For measuring noise on; perhaps smaller than the windows. The windows themselves
        where there is nothing to take out.
    defects : Defects
        What was found.
    """
    cleaned, found = [], []
    for window in windows:
        if min(window.shape) < _SMALLEST_SIDE or window.dtype.kind == "b":
            cleaned.append(window)
            continue
        hot = _suspects(window)
        kept = window
        if hot is not None:
            kept = without_hot_pixels(window, hot)
        periods, rows, columns = [], 0.0, 0.0
        if patterns:
            kept, periods = _without_patterns(kept)
            kept, rows = _without_stripes(kept, 0)
            kept, columns = _without_stripes(kept, 1)
        cleaned.append(kept)
        share = 0.0 if hot is None else float(hot.mean())
        found.append(Defects(share, rows, columns, periods))
    if not found:
        return cleaned, Defects()
    return cleaned, Defects(
        float(np.mean([d.hot for d in found])),
        float(np.median([d.rows for d in found])),
        float(np.median([d.columns for d in found])),
        max((d.periods for d in found), key=len),
    )


def _suspects(image) -> np.ndarray | None:
    """Find pixels (h, w) that stand alone for any noise; None if none, or too many."""
    image = np.asarray(image, np.float64)
    median = median_of_nine(image)
    away = np.abs(image - median)
    # The median of nine is a little nearer than that of the eight around.
    typical = 1.4826 * np.median(away)
    if not typical and away.any():  # those that count something tell
        typical = 1.4826 * np.median(away[away > 0])
    step = np.diff(np.unique(image.ravel()[:: max(1, image.size // 20000)]))
    step = step.min() if len(step) else 0.0
    # A count in the dark is many times a deviation of nothing.
    least = max(_HOT_DEVIATIONS * typical, _HOT_STEPS * step)
    at = np.argwhere(away > least)
    if not _FEWEST_HOT <= len(at) / image.size <= 4 * _MANY_HOT:
        return None
    around = neighbours(image, at)
    middle = (around[3] + around[4]) / 2
    # Of the neighbours one in eight may be hot itself.
    spread = around[6] - around[1]
    away = np.abs(image[tuple(at.T)] - middle)
    alone = at[(away > least) & (away > _HOT_RANGES * spread)]
    above = np.zeros(image.shape, np.int8)
    above[tuple(alone.T)] = 2 * (image > median)[tuple(alone.T)] - 1
    hot = above != 0
    if not _FEWEST_HOT <= hot.mean() <= _MOST_HOT:
        return None
    # Single photons in the dark stand alone, too, and logarithms of few of them: all
    # to one side.
    many, dead = hot.mean() > _MANY_HOT, np.mean(above[hot] < 0)
    return None if many and min(dead, 1 - dead) < _OF_EITHER else hot


def median_of_nine(image):
    """Take the median of every pixel and the eight around it.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Continued at its borders.

    Returns
    -------
    ndarray, shape (h, w)
    """
    padded = np.pad(image, 1, mode="edge")
    found = np.empty_like(image)
    for start in range(0, len(image), _ROWS):  # such that it stays in the cache
        rows = padded[start : start + _ROWS + 2]
        low, middle, high = _in_order(rows[:-2], rows[1:-1], rows[2:])
        low = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
        middle = _in_order(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])[1]
        high = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
        found[start : start + _ROWS] = _in_order(low, middle, high)[1]
    return found


def _in_order(a, b, c):
    """Sort three arrays pixel by pixel."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    middle = np.minimum(high, c)
    return np.minimum(low, c), np.maximum(low, middle), np.maximum(high, c)


def _without_patterns(image):
    """Take periodic patterns out: what is left of the middle, and their waves."""
    sides = [min(n, _PATTERN_SIDE) for n in image.shape]
    top, left = ((n - s) // 2 for n, s in zip(image.shape, sides, strict=True))
    part = np.asarray(image[top : top + sides[0], left : left + sides[1]], np.float64)
    window = np.outer(*(np.hanning(s + 2)[1:-1] for s in sides))
    mean = np.average(part, weights=window)
    # The other half is the same: one of each pair of conjugates is enough.
    spectrum = np.fft.rfft2((part - mean) * window)
    power = np.abs(spectrum) ** 2
    size, half = np.array(sides), power.shape[1]
    row = np.minimum(np.arange(sides[0]), sides[0] - np.arange(sides[0]))
    allowed = np.add.outer(row**2, np.arange(half) ** 2) >= _LOWEST_BIN**2
    power_allowed = np.where(allowed, power, 0).ravel()
    # Sorting values is ten times as fast as sorting indices.
    least = np.partition(power_allowed, -400)[-400]
    strongest = np.flatnonzero(power_allowed >= max(least, np.finfo(float).tiny))
    order = np.argsort(-power_allowed[strongest], kind="stable")
    peaks = np.stack(np.unravel_index(strongest[order[:400]], power.shape), axis=1)
    ring, near = (
        np.array([(y, x) for y in range(-7, 8) for x in range(-7, 8) if inside(y, x)])
        for inside in (
            lambda y, x: 16 <= y * y + x * x <= 49,
            lambda y, x: max(abs(y), abs(x)) <= _NOTCH,
        )
    )
    rings = (peaks[:, None] + ring) % size  # (n, k, 2)
    mirrored = rings[..., 1:] >= half
    y, x = np.moveaxis(np.where(mirrored, -rings % size, rings), -1, 0)
    rings_power = power[y, x]
    alone = power[tuple(peaks.T)] >= _PEAK * rings_power.max(axis=1)
    if not alone.any():
        return image, []
    notch, waves = np.zeros(sides, bool), []
    for peak, ring, around in zip(peaks, rings, rings_power, strict=True):
        if notch[tuple(peak)]:
            continue
        # A peak may stand beside another one that has been found.
        around = around[~notch[tuple(ring.T)]]
        if len(around) < len(ring) // 3 or power[tuple(peak)] < _PEAK * around.max():
            continue
        for sign in (1, -1):
            notch[tuple(((sign * peak + near) % size).T)] = True
        signed = np.where(peak > size // 2, peak - size, peak) / size
        waves.append(tuple(float(f) for f in signed))
        if len(waves) == _MOST_PEAKS:  # lines or dots, sharp ones, and no few waves
            return image, []
    spectrum[notch[:, :half]] = 0
    left_over = np.fft.irfft2(spectrum, sides)
    inside = [
        slice(*np.flatnonzero(np.hanning(s + 2)[1:-1] > np.sqrt(_WEAK_WINDOW))[[0, -1]])
        for s in sides
    ]
    inside = tuple(inside)
    return left_over[inside] / window[inside] + mean, waves


def line_offsets(lines):
    """Find what lines differ by as a whole.

    Parameters
    ----------
    lines : ndarray, shape (n, m)
        Rows or columns of an image.

    Returns
    -------
    steps : ndarray, shape (n - 1,)
        From each line to the next.
    offsets : ndarray, shape (n,)
        Their sums, without what changes slowly.
    """
    steps = np.median(np.diff(lines, axis=0), axis=1)
    offsets = np.append(0, np.cumsum(steps))
    return steps, offsets - ndimage.gaussian_filter1d(offsets, _STRIPE_BLUR)


def _without_stripes(image, axis):
    """Subtract what whole rows (`axis` 0) or columns have in common, if they do."""
    lines = np.ascontiguousarray(np.moveaxis(np.asarray(image, np.float64), axis, 0))
    steps, offsets = line_offsets(lines)
    # The same with every second run of columns negative, runs longer than noise is
    # correlated: stripes cancel, and what is left is what noise alone does.
    signs = 1 - 2 * (np.arange(lines.shape[1]) // _RUN % 2)
    signs = signs[: lines.shape[1] // (2 * _RUN) * (2 * _RUN)]
    lines_in_pairs = lines[:, : len(signs)]
    chance = np.median(np.diff(lines_in_pairs, axis=0) * signs, axis=1)
    explained = 1.4826 * np.median(np.abs(chance))
    seen = 1.4826 * np.median(np.abs(steps))
    if not seen > _STRIPES * explained:
        return image, 0.0
    return (
        np.moveaxis(lines - offsets[:, None], 0, axis),
        float(np.std(offsets)),
    )
