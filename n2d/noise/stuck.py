"""Pixels that are stuck at an end of the values, whatever the light: salt and pepper.

That they all have the very same value tells them from noise and from points of a scene,
so that they are found long before they stand out as hot pixels have to.
"""

from __future__ import annotations

import numpy as np

from n2d._masked import unmasked
from n2d.noise.blocks import cut_blocks
from n2d.noise.defects import median_of_nine
from n2d.noise.hot_pixels import (
    AROUND,
    MIDDLE,
    REACH,
    are_of_the_scene,
    patches_at,
    without_hot_pixels,
)

#: How far away a pixel can change what one that says nothing is replaced by: the stuck
#: are told by pixels up to two away and replaced by those beside them, then the hot.
DEFECTS_REACH = REACH + 3

# Of an image with so few values that it may count single photons nothing is said.
_FEWEST_VALUES, _SOME = 12, 20_000
# Shares of the pixels, and how many of them, that are stuck at an end.
_FEWEST, _MOST, _LEAST_NUMBER, _LEAST_OF_THE_OTHER = 5e-4, 0.3, 12, 3
# Where there is no noise at all, this share of the range stands for it.
_NO_NOISE = 1e-6
# Before the noise is known they are looked for among pixels that are so many times what
# pixels differ from the median of nine away from it, and twice as far as seven of the
# eight around them. Noise, and texture, get as far, too, but not more often to the end
# than nearly there: to this part of the way beside it, so many for one that is stuck.
_FAR, _ALONE, _NEARLY, _BESIDE = 6.0, 0.5, 0.75, 0.25
# And so many times what half of those around lie within, and so many of the steps that
# values come in.
_RANGES, _STEPS = 4.0, 6
# Light spreads, and they know nothing of the scene: what is around has this share of
# their height at most, and where the scene is farther away there are so many times as
# many as there are on average.
_SPREAD, _EVERYWHERE, _BLOCK = 0.05, 0.5, 8
# Where the scene is at an end, too, many of the eight neighbours have the same value:
# so many times as many as by chance, and this more. Then one of them may.
_CLUSTERED, _AND_MORE, _ONE, _ALL = 1.25, 0.1, 1, 8
# Once the noise is known, a pixel at an end that is farther from the median of those
# around it than noise goes is stuck.
_DEVIATIONS = 3.0


def find_stuck(windows) -> list:
    """Find the values that pixels are stuck at.

    Parameters
    ----------
    windows : sequence of ndarray of shape (h, w)
        Parts of images.

    Returns
    -------
    stuck : list of (float, int, float)
        The lowest or highest value or both; how many of its eight neighbours may have
        the same value where a pixel is stuck; the share of the pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.stuck import find_stuck
    >>> rng = np.random.default_rng(0)
    >>> noisy = rng.normal(100, 10, (128, 128)).clip(0, 255)
    >>> find_stuck([noisy])
    []
    >>> salted = np.where(rng.random(noisy.shape) < 0.02, 255, noisy)
    >>> [value for value, _, _ in find_stuck([salted])]
    [255.0]
    """
    low = float(min(window.min() for window in windows))
    high = float(max(window.max() for window in windows))
    n_pixels = sum(window.size for window in windows)
    ends = []
    for sign, value in ((-1, low), (1, high)):
        number = int(sum(np.count_nonzero(w == value) for w in windows))
        if max(_LEAST_NUMBER, _FEWEST * n_pixels) <= number <= _MOST * n_pixels:
            ends.append((sign, value, number))
    if not ends or min(min(window.shape) for window in windows) < 2 * _BLOCK:
        return []
    every = max(1, n_pixels // _SOME)
    some = np.concatenate([window.ravel()[::every] for window in windows])
    values = np.unique(some)
    if len(values) < _FEWEST_VALUES:
        return []
    step = float(np.diff(values).min())
    windows = [np.asarray(window, np.float64) for window in windows]
    away = [window - median_of_nine(window) for window in windows]
    scale = max(_typical(away), _STEPS / _FAR * step, _NO_NOISE * (high - low))
    masks = {end: _stuck_at(*end[:2], windows, away, scale) for end in ends}
    numbers = {end: sum(map(np.count_nonzero, mask)) for end, mask in masks.items()}
    if max(numbers.values()) < _LEAST_NUMBER:
        return []
    # Where there is salt, little pepper is some.
    chosen = [end for end in ends if numbers[end] >= _LEAST_OF_THE_OTHER]
    found = [
        sum(
            sign * mask.astype(np.int8)
            for (sign, *_), mask in zip(chosen, each, strict=True)
        )
        for each in zip(*(masks[end] for end in chosen), strict=True)
    ]
    if are_of_the_scene([w / scale for w in windows], found):
        return []
    return [
        (value, _most_alike(windows, value, number / n_pixels), number / n_pixels)
        for _, value, number in chosen
    ]


def _typical(away):
    """Deviation of what pixels differ from the median of nine by."""
    return 1.4826 * float(np.median(np.abs(np.concatenate([a.ravel() for a in away]))))


def _most_alike(windows, value, share):
    """How many neighbours of a stuck pixel may have the same value."""
    alike = number = 0
    for window in windows:
        at = window == value
        padded = np.pad(at, 1).astype(np.int8)
        around = sum(
            padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if (dy, dx) != (0, 0)
        )
        alike += around[at].sum()
        number += np.count_nonzero(at)
    return _ALL if alike <= (_CLUSTERED * 8 * share + _AND_MORE) * number else _ONE


def _stuck_at(sign, value, windows, away, scale):
    """Where pixels are surely stuck at an end; nowhere if it may be the scene."""
    nowhere = [np.zeros(window.shape, bool) for window in windows]
    masks, spreads, distances, numbers = [], [], [], []
    beside = number = 0
    for window, far in zip(windows, away, strict=True):
        far = sign * far
        nearly = _NEARLY / (1 - _NEARLY) * sign * (value - window)
        at = np.argwhere((far > _FAR * scale) & (far > nearly))
        patches = patches_at(sign * window, at)
        lower, middle, upper = np.quantile(patches, [0.25, 0.5, 0.75], axis=1)
        height = patches[:, MIDDLE] - middle
        least = np.maximum(_FAR * scale, _RANGES * (upper - lower))
        end = sign * value - middle
        around = np.sort(patches[:, AROUND], axis=1)
        alone = (height > np.maximum(least, _NEARLY * end)) & (
            around[:, -2] - middle < _ALONE * height
        )
        same = patches[:, MIDDLE] == sign * value
        beside += np.count_nonzero(alone & ~same)
        number += np.count_nonzero(alone & same)
        alone &= same
        spread = around[:, :6].mean(axis=1) - middle
        spreads.append(spread[alone] / height[alone])
        mask = np.zeros(window.shape, bool)
        mask[tuple(at[alone].T)] = True
        masks.append(mask)
        of_blocks = np.median(cut_blocks(window, _BLOCK), axis=(1, 2))
        distances.append(sign * (value - of_blocks))
        numbers.append(cut_blocks(mask, _BLOCK).sum(axis=(1, 2)))
    if not number or beside > _BESIDE * number:
        return nowhere
    if np.concatenate(spreads).mean() > _SPREAD:
        return nowhere
    distances, numbers = np.concatenate(distances), np.concatenate(numbers)
    farther = distances > _FAR * scale
    if not farther.any():
        return nowhere
    distances, numbers = distances[farther], numbers[farther]
    farthest = np.argsort(distances)[len(distances) // 2 :]
    if numbers[farthest].mean() < _EVERYWHERE * numbers.mean():
        return nowhere
    return masks


def stuck_pixels(image, stabilized, stuck, rounding=0.0) -> np.ndarray:
    """Find the pixels that are stuck.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Values as they are.
    stabilized : ndarray, shape (h, w)
        The same with noise of deviation 1.
    stuck : sequence of (float, int, float)
        As `find_stuck` gives it.
    rounding : float, default=0.0
        By what values that are the same may differ.

    Returns
    -------
    mask : ndarray of bool, shape (h, w)
        True where a pixel says nothing.
    """
    image, stabilized = unmasked(image, "image"), unmasked(stabilized, "stabilized")
    mask = np.zeros(image.shape, bool)
    if min(image.shape) < 5:
        return mask
    for value, most, _ in stuck:
        same = np.abs(image - value) <= rounding
        at = np.argwhere(same)
        patches = patches_at(stabilized, at)
        away = np.abs(patches[:, MIDDLE] - np.median(patches, axis=1))
        alike = patches_at(same, at)[:, AROUND].sum(axis=1)
        mask[tuple(at[(away > _DEVIATIONS) & (alike <= most)].T)] = True
    return mask


def without_stuck_pixels(windows, noise) -> list:
    """Put the median of its neighbours in the place of every stuck pixel.

    Parameters
    ----------
    windows : sequence of ndarray of shape (h, w)
        Images whose noise may be known no further.
    noise : NoiseModel
        What they are stuck at.

    Returns
    -------
    windows : list of ndarray of shape (h, w)
        The same ones where nothing is stuck.
    """
    unmasked(windows, "windows")
    if not noise.stuck:
        return list(windows)
    return [_replaced(np.asarray(w, np.float64), noise.stuck) for w in windows]


def _replaced(window, stuck):
    """Replace stuck pixels of a window (h, w), judged by what most pixels do."""
    scale = _typical([window - median_of_nine(window)])
    scale = max(scale, _NO_NOISE * float(np.ptp(window))) or 1.0
    return without_hot_pixels(window, stuck_pixels(window, window / scale, stuck))
