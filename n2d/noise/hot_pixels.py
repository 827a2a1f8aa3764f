"""Pixels that say nothing: hot, dead and telegraph pixels, told from point-like scenes.

The rule looks at a pixel and two around it, in an image whose noise has deviation 1, so
that it finds the same in any part of an image. Whether there are such pixels at all, so
that the rule applies, is settled on whole windows.
"""

from __future__ import annotations

import numpy as np

from n2d._masked import unmasked
from n2d.noise.blocks import cut_blocks

# How far the rule looks, and how often at most: what stood beside a hot pixel that has
# been replaced may stand alone then.
_RADIUS, _PASSES = 2, 4
_SIZE = 2 * _RADIUS + 1

_Y, _X = (index.ravel() - _RADIUS for index in np.indices((_SIZE, _SIZE)))

#: The pixel itself and the eight around it among those of `patches_at`.
MIDDLE = _SIZE * _RADIUS + _RADIUS
AROUND = np.flatnonzero(np.maximum(abs(_Y), abs(_X)) == 1)

#: How far away a pixel can still change what a hot one is replaced by: in every pass
#: the rule looks at pixels that may have been replaced by the medians of neighbours.
REACH = _PASSES * (_RADIUS + 1)

# So many deviations a pixel stands above all around it but one, and above the middle of
# them; and so many times what the others, so many at either end left out, differ by.
# That one differs from it by less, or by less than this share of its height. The first
# are for an image of which nothing is known, the others for one that has hot pixels:
# others will be that stand out less.
_LEAST, _LEAST_OF_MANY = (6.0, 9.0, 2.5), (4.0, 5.5, 1.25)
_LEFT_OUT, _ALIKE = 5, 0.2
# A scene without noise has points, too: that there are defects is told by those that
# stand alone when fewer are left out.
_SURELY_RANGES, _SURELY_LEFT_OUT = 2.0, 2

# Light spreads: of a point of light as sharp as a pixel a seventh falls on each of the
# four neighbours. Above so little of it, and what noise may add to it, it is a scene.
_SPREAD, _SPREAD_BY_NOISE = 0.08, 1.0
# And on the five of the eight neighbours that have the least, where three may be hot.
_SPREAD_AROUND, _SPREAD_AROUND_BY_NOISE = 0.03, 0.4
# The same as the first, of all pixels together.
_MOST_SPREAD = 0.05

# One that stands so many deviations, and so many times the contrast of all the rest,
# above everything is a defect or a cosmic ray, if it is the only one: the network would
# spoil what is around it (errors of 13 beside 65,535 in noise of 10, 186 beside 1e7).
_FAR_OUT, _FAR_BEYOND, _NEARLY_ALL = 200.0, 10.0, 0.001

# Shares of the pixels, and how many of them, that are defects and not an accident.
_FEWEST, _MOST, _LEAST_NUMBER = 1e-4, 0.12, 12
# Fewer that stand out less come with noise of heavy tails.
_FEWEST_DIM = 5e-4

# Defects have no order: no more than this share of them has another one at the same
# distance, up to so many pixels, but for as many as there are by chance.
_ORDERED, _FARTHEST = 0.2, 24
# And they know nothing of the scene. Points that come in clusters (more pairs of them
# nearer than this than by chance, by so many standard errors) are the scene's if they
# are more where it is brighter (or darker, if they are), by so many standard errors, or
# if they leave nothing but noise in blocks of this side: so many times its variance.
_NEAR, _CLUSTERED, _BRIGHTER, _BLOCK, _FLAT = 12, 3.0, 4.0, 8, 10.0


def hot_pixels(stabilized, share=0.0) -> np.ndarray:
    """Find the pixels of an image that stand alone.

    Parameters
    ----------
    stabilized : ndarray, shape (h, w)
        An image with noise of deviation 1.
    share : float, default=0.0
        Of the pixels that are hot, as far as it is known: where there are some, others
        stand out less, and some have met.

    Returns
    -------
    hot : ndarray of bool, shape (h, w)
        Pixels, or two side by side, that differ from all around them by more than noise
        and the blur of any optics allow.
    """
    stabilized = unmasked(stabilized, "stabilized")
    least = _LEAST_OF_MANY if share >= _FEWEST else _LEAST
    hot = _found(stabilized, least=least)[0] != 0
    # Where there are defects, three or four may have met.
    for most_partners in (2, 3, 3) if share > 0 else (2, 2):
        if not hot.any():
            break
        rest = without_hot_pixels(stabilized, hot)
        hot |= _found(rest, most_partners=most_partners, least=least)[0] != 0
    return hot


def _found(stabilized, surely=False, most_partners=1, least=_LEAST):
    """Where hot (1) and dead (-1) pixels are, and what neighbours have of each (n,)."""
    hot = np.zeros(stabilized.shape, np.int8)
    if min(hot.shape) <= 2 * _RADIUS:
        return hot, np.zeros(0)
    padded = np.pad(stabilized, _RADIUS, mode="reflect")
    at = _candidates(padded, most_partners, least[0])
    patches = patches_at(stabilized, at)
    spreads = []
    for sign in (1, -1):
        chosen, share = _stand_alone(sign * patches, surely, most_partners, *least)
        hot[tuple(at[chosen].T)] = sign
        spreads.append(share)
    return hot, np.concatenate(spreads)


def _candidates(image, most_partners, step):
    """Pixels (n, 2) that all but so many of their four neighbours are far from."""
    middle = image[2:-2, 2:-2]
    four = [image[1:-3, 2:-2], image[3:-1, 2:-2], image[2:-2, 1:-3], image[2:-2, 3:-1]]
    far = np.zeros(middle.shape, np.uint8)
    for sign in (1, -1):
        number = sum((sign * (middle - x) > step).astype(np.uint8) for x in four)
        np.maximum(far, number, out=far)
    return np.argwhere(far >= 4 - most_partners)


def patches_at(image, at):
    """Cut out the surroundings of pixels.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Mirrored at its borders.
    at : ndarray of int, shape (n, 2)
        Rows and columns.

    Returns
    -------
    patches : ndarray, shape (n, 25)
        Row by row, each pixel in the middle of its own.
    """
    image = np.pad(image, _RADIUS, mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(image, (_SIZE, _SIZE))
    return patches[tuple(at.T)].reshape(len(at), _SIZE**2)


def _stand_alone(patches, surely, most_partners, step, deviations, ranges):
    """Which pixels (n, 25) stand above all around them, and how their light spreads."""
    rows = np.arange(len(patches))
    value = patches[:, MIDDLE]
    middle = np.median(patches, axis=1)
    near = np.maximum(step, _ALIKE * (value - middle))
    # The strongest of the eight neighbours may be hot as well, if they stand alone.
    order = np.argsort(-patches[:, AROUND], axis=1)
    partners = AROUND[order[:, :most_partners]]
    lower = value.copy()
    others, themselves = np.zeros((2, *patches.shape), bool)
    others[:, AROUND] = True
    themselves[:, MIDDLE] = True
    for partner in partners.T:
        paired = value - patches[rows, partner] <= near
        dy, dx = (abs(i - i[partner][:, None]) for i in (_Y, _X))
        others |= paired[:, None] & (np.maximum(dy, dx) == 1)
        themselves[rows, partner] |= paired
        lower = np.where(paired, np.minimum(lower, patches[rows, partner]), lower)
    others &= ~themselves
    highest = np.where(others, patches, -np.inf).max(axis=1)
    ordered = np.sort(patches, axis=1)
    left_out = _LEFT_OUT
    if surely:
        left_out, ranges = _SURELY_LEFT_OUT, _SURELY_RANGES
    contrast = ordered[:, -1 - left_out] - ordered[:, left_out]
    if most_partners == 1:
        # Of the four nearest the strongest may be hot itself.
        direct = others & (abs(_Y) + abs(_X) == 1)
        spread = np.sort(np.where(direct, patches, np.inf), axis=1)[:, :3].mean(axis=1)
        most = _SPREAD, _SPREAD_BY_NOISE
    else:
        # Of all around it three.
        spread = np.sort(patches[:, AROUND], axis=1)[:, :5].mean(axis=1)
        most = _SPREAD_AROUND, _SPREAD_AROUND_BY_NOISE
    spread = spread - middle
    height = value - middle
    alone = (
        (lower - highest > step)
        & (lower - middle > np.maximum(deviations, ranges * contrast))
        & (spread < most[0] * height + most[1])
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
    n_pixels = sum(window.size for window in windows)
    for least, fewest in ((_LEAST, _FEWEST), (_LEAST_OF_MANY, _FEWEST_DIM)):
        found, spreads = zip(*(_found(w, True, 1, least) for w in windows), strict=True)
        number = sum(map(np.count_nonzero, found))
        if number < max(_LEAST_NUMBER, fewest * n_pixels) or number > _MOST * n_pixels:
            continue
        if np.mean(np.concatenate(spreads)) > _MOST_SPREAD:
            continue
        if not are_of_the_scene(windows, found):
            return float(sum(hot_pixels(w, 1.0).sum() for w in windows) / n_pixels)
    values = np.concatenate([window.ravel() for window in windows])
    contrast = np.subtract(*np.quantile(values, [1 - _NEARLY_ALL, _NEARLY_ALL]))
    step = max(_FAR_OUT, _FAR_BEYOND * float(contrast))
    if max(values.max() - values.mean(), values.mean() - values.min()) < step:
        return 0.0
    found = [_found(w, True, 1, (step, step, _LEAST[2]))[0] for w in windows]
    if not any(map(np.any, found)) or are_of_the_scene(windows, found):
        return 0.0
    return float(sum(hot_pixels(w).sum() for w in windows) / n_pixels)


def are_of_the_scene(windows, found) -> bool:
    """Tell whether pixels that stand alone have an order, or come with the scene.

    Parameters
    ----------
    windows : sequence of ndarray of shape (h, w)
        Parts of images with noise of deviation 1.
    found : sequence of ndarray of int, shape (h, w)
        Where they stand above the rest (1) and below (-1).

    Returns
    -------
    bool
    """
    number = sum(map(np.count_nonzero, found))
    pairs, chance = _pairs(found)
    most = np.delete(pairs.ravel(), pairs.size // 2).max()
    if most > max(_ORDERED * number, 4) + chance + 4 * np.sqrt(chance):
        return True
    away = np.hypot(*np.indices(pairs.shape) - _FARTHEST)
    near = (away > 0) & (away <= _NEAR)
    expected = chance * near.sum()
    # Each pair is counted from both of its ends.
    clustered = pairs[near].sum() - expected > _CLUSTERED * np.sqrt(2 * expected)
    return clustered and _follow_the_scene(windows, found)


def _pairs(found):
    """Pairs of hot pixels by their distance along y and x, and how many by chance."""
    pairs, chance = 0.0, 0.0
    near = np.arange(-_FARTHEST, _FARTHEST + 1)
    for hot in found:
        shape = [n + _FARTHEST for n in hot.shape]
        power = np.abs(np.fft.rfft2(hot != 0, shape)) ** 2
        pairs = pairs + np.fft.irfft2(power, shape)[np.ix_(near, near)].round()
        chance += np.count_nonzero(hot) ** 2 / hot.size
    return pairs, chance


def _follow_the_scene(windows, found):
    """Whether there are more hot pixels where the rest is brighter, or no rest."""
    numbers, rest = [], []
    for window, hot in zip(windows, found, strict=True):
        hot, part = cut_blocks(hot, _BLOCK), cut_blocks(window, _BLOCK)
        numbers.append(hot.sum(axis=(1, 2)))
        kept = hot == 0
        total = np.where(kept, part, 0).sum(axis=(1, 2))
        rest.append(total / np.maximum(kept.sum(axis=(1, 2)), 1))
    numbers, rest = np.concatenate(numbers), np.concatenate(rest)
    spread = rest.std()
    if spread**2 < _FLAT / _BLOCK**2:
        return True
    brighter = numbers @ (rest - rest.mean()) / spread
    return brighter > _BRIGHTER * np.sqrt(np.abs(numbers).sum())


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
    image = np.array(unmasked(image, "image"), np.float64)
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
