"""Pixels that say nothing: hot, dead and telegraph pixels, told from point-like scenes.

The rule looks at a pixel and two around it, in an image whose noise has deviation 1, so
that it finds the same in any part of an image. Whether there are such pixels at all, so
that the rule applies, is settled on whole windows.
"""

from __future__ import annotations

import numpy as np

#: How far away a pixel can still matter.
REACH = 2

# So many deviations a pixel stands above all around it but one, and above the middle of
# them; and so many times what the others, the two most extreme at either end left out,
# differ by.
_STEP, _DEVIATIONS, _RANGES = 6.0, 9.0, 2.0

# Light spreads: of a point of light as sharp as a pixel a seventh falls on each of the
# four neighbours. Above so little of it, and what noise may add to it, it is a scene.
_SPREAD, _SPREAD_BY_NOISE = 0.08, 1.0
# The same, of all of them together.
_MOST_SPREAD = 0.05

# Shares of the pixels, and how many of them, that are defects and not an accident.
_FEWEST, _MOST, _LEAST_NUMBER = 1e-4, 0.04, 12

# Defects have no order: no more than this share of them has another one at the same
# distance, up to so many pixels, but for as many as there are by chance.
_ORDERED, _FARTHEST = 0.2, 24
# And they are everywhere: in a grid of so many cells a side their numbers differ by no
# more than this, relative to their mean and beyond chance. Photons in the dark differ.
_CELLS, _UNEVEN = 6, 1.5


def hot_pixels(stabilized) -> np.ndarray:
    """Find the pixels of an image that stand alone.

    Parameters
    ----------
    stabilized : ndarray, shape (h, w)
        An image with noise of deviation 1.

    Returns
    -------
    hot : ndarray of bool, shape (h, w)
        Pixels, or two side by side, that differ from all around them by more than noise
        and the blur of any optics allow.
    """
    return _found(stabilized)[0]


def _found(stabilized):
    """Where hot pixels are (h, w), and how much of each (n,) its neighbours have."""
    hot = np.zeros(stabilized.shape, bool)
    if min(hot.shape) <= 2 * REACH:
        return hot, np.zeros(0)
    image = np.pad(stabilized, REACH, mode="reflect")
    at = _candidates(image)
    spreads = []
    for sign in (1, -1):
        chosen, share = _stand_alone(sign * image, at)
        hot[tuple(at[chosen].T)] = True
        spreads.append(share)
    return hot, np.concatenate(spreads)


def _candidates(image):
    """Pixels (n, 2) that all but one of their four neighbours are far from, quickly."""
    middle = image[2:-2, 2:-2]
    four = [image[1:-3, 2:-2], image[3:-1, 2:-2], image[2:-2, 1:-3], image[2:-2, 3:-1]]
    far = np.zeros(middle.shape, np.uint8)
    for sign in (1, -1):
        number = sum((sign * (middle - x) > _STEP).astype(np.uint8) for x in four)
        np.maximum(far, number, out=far)
    return np.argwhere(far >= 3)


def _stand_alone(image, at):
    """Which pixels of a padded image stand above all others, and how light spreads."""
    size = 2 * REACH + 1
    patches = np.lib.stride_tricks.sliding_window_view(image, (size, size))
    patches = patches[tuple(at.T)].reshape(len(at), -1)  # (n, 25)
    y, x = (i.ravel() - REACH for i in np.indices((size, size)))
    around = np.flatnonzero(np.maximum(abs(y), abs(x)) == 1)
    rows = np.arange(len(at))
    value = patches[:, size * REACH + REACH]
    # The strongest of the eight neighbours may be hot as well, if it stands alone, too.
    partner = around[np.argmax(patches[:, around], axis=1)]
    paired = value - patches[rows, partner] <= _STEP
    beside = np.maximum(abs(y - y[partner][:, None]), abs(x - x[partner][:, None])) == 1
    others = np.zeros(patches.shape, bool)
    others[:, around] = True
    others |= paired[:, None] & beside
    others[:, size * REACH + REACH] = False
    others[rows, partner] &= ~paired
    middle = np.median(patches, axis=1)
    lower = np.minimum(value, np.where(paired, patches[rows, partner], np.inf))
    highest = np.where(others, patches, -np.inf).max(axis=1)
    ordered = np.sort(patches, axis=1)
    contrast = ordered[:, -4] - ordered[:, 2]
    direct = others & (abs(y) + abs(x) == 1)
    spread = (np.where(direct, patches, 0).sum(axis=1) / direct.sum(axis=1)) - middle
    height = value - middle
    alone = (
        (lower - highest > _STEP)
        & (lower - middle > np.maximum(_DEVIATIONS, _RANGES * contrast))
        & (spread < _SPREAD * height + _SPREAD_BY_NOISE)
    )
    return alone, spread[alone] / height[alone]


def share_of_hot_pixels(windows) -> float:
    """Tell which share of the pixels are defects; 0 where they may be the scene.

    Parameters
    ----------
    windows : sequence of ndarray of shape (h, w)
        Parts of images with noise of deviation 1.

    Returns
    -------
    share : float
        Of all pixels.

    Notes
    -----
    Points of a scene differ from defects: optics spread their light, lattices and
    halftones have an order, and photons in the dark are not everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.hot_pixels import share_of_hot_pixels
    >>> rng = np.random.default_rng(0)
    >>> noisy = rng.normal(size=(128, 128))
    >>> hot = rng.random((128, 128)) < 0.01
    >>> share_of_hot_pixels([noisy]), share_of_hot_pixels([noisy + 50 * hot]) > 0.005
    (0.0, True)
    """
    found, spreads = zip(*map(_found, windows), strict=True)
    number = sum(int(hot.sum()) for hot in found)
    share = number / sum(hot.size for hot in found)
    if number < _LEAST_NUMBER or not _FEWEST <= share <= _MOST:
        return 0.0
    if np.mean(np.concatenate(spreads)) > _MOST_SPREAD:
        return 0.0
    if _have_order(found) or _are_uneven(found):
        return 0.0
    return share


def _have_order(found):
    """Whether many hot pixels have another one at the same distance and direction."""
    pairs, number, chance = 0.0, 0, 0.0
    for hot in found:
        shape = [n + _FARTHEST for n in hot.shape]
        power = np.abs(np.fft.rfft2(hot, shape)) ** 2
        pairs = pairs + _near(np.fft.irfft2(power, shape))
        number += int(hot.sum())
        chance += hot.sum() ** 2 / hot.size
    most = np.delete(pairs.ravel(), pairs.size // 2).max()
    return most > max(_ORDERED * number, 4) + chance + 4 * np.sqrt(chance)


def _near(pairs):
    """The counts of pairs at distances up to `_FARTHEST` along y and x."""
    near = np.arange(-_FARTHEST, _FARTHEST + 1)
    return pairs[np.ix_(near, near)].round()


def _are_uneven(found):
    """Whether there are many more hot pixels here than there."""
    numbers = []
    for hot in found:
        rows, columns = (np.arange(n) * _CELLS // n for n in hot.shape)
        cell = np.add.outer(rows * _CELLS, columns)
        numbers.append(np.bincount(cell[hot], minlength=_CELLS**2))
    numbers = np.concatenate(numbers)
    mean = numbers.mean()
    chance = mean + 3 * np.sqrt(2 / len(numbers)) * mean
    return numbers.var() - chance > _UNEVEN * mean**2


def without_hot_pixels(image, hot):
    """Put the median of its neighbours in the place of every hot pixel.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Any image.
    hot : ndarray of bool, shape (h, w)
        Which of its pixels mean nothing.

    Returns
    -------
    image : ndarray of float64, shape (h, w)
        The others as they were.
    """
    image = np.array(image, np.float64)
    at = np.argwhere(hot)
    if not len(at):
        return image
    # Sorted: what is not a number comes last.
    around = neighbours(np.where(hot, np.nan, image), at)
    known = np.isfinite(around).sum(axis=0)
    middle = 0.0
    for index in ((known - 1) // 2, known // 2):
        index = np.clip(index, 0, 7)[None]
        middle = middle + np.take_along_axis(around, index, axis=0)[0] / 2
    at, middle = at[known > 0], middle[known > 0]
    image[tuple(at.T)] = middle
    return image


def neighbours(image, at):
    """Values of the eight neighbours of pixels.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Mirrored at its borders.
    at : ndarray of int, shape (n, 2)
        Rows and columns.

    Returns
    -------
    around : ndarray, shape (8, n)
        From the lowest to the highest.
    """
    padded = np.pad(image, 1, mode="reflect")
    y, x = at.T
    around = np.stack(
        [
            padded[y + dy, x + dx]
            for dy in range(3)
            for dx in range(3)
            if (dy, dx) != (1, 1)
        ]
    )
    around.sort(axis=0)
    return around
