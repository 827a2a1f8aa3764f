"""Variance against intensity: blocks sorted by intensity, and a robust line."""

from __future__ import annotations

import numpy as np

# Classes of intensity in which the variance is looked at.
_N_CLASSES = 16

# Blocks that a group holds at least: below, the flattest of them are not flat.
_FEWEST_BLOCKS = 20


def group_by_intensity(mean: np.ndarray) -> list[np.ndarray]:
    """Group blocks of like intensity, by count and by width of range.

    Counts alone would put a few bright blocks together with a background many times
    as large, and their noise would go unheard.
    """
    order = np.argsort(mean, kind="stable")
    by_count = len(mean) * np.arange(1, _N_CLASSES) // _N_CLASSES
    cuts = np.union1d(by_count, np.searchsorted(mean[order], classes(mean)))
    kept = [0]
    for cut in cuts:
        if min(cut - kept[-1], len(mean) - cut) >= _FEWEST_BLOCKS:
            kept.append(cut)
    return np.split(order, kept[1:])


def fit_variance(mean, variance, trust) -> tuple[float, float]:
    """Fit ``variance = slope * mean + intercept`` robustly, with slope >= 0.

    What lies above the line may be texture and is doubted more than what lies below.
    """
    rarity = _rarity(mean)
    typical = max(_weighted_median(variance, rarity**2), 0.01 * variance.mean())
    if typical == 0:
        return 0.0, 0.0
    trust = trust * rarity
    weight = trust / typical
    for _ in range(6):
        centre, middle = np.average([mean, variance], axis=1, weights=weight**2)
        along = weight**2 * (mean - centre)
        steepness = along @ (mean - centre)
        slope = max(0.0, along @ variance / steepness) if steepness > 0 else 0.0
        intercept = middle - slope * centre
        line = np.maximum(slope * mean + intercept, 0.03 * typical)
        excess = variance / line - 1
        spread = max(_weighted_median(np.abs(excess), rarity**2) / 0.6745, 0.02)
        tolerated = spread * np.where(excess > 0, 1.5, 4.0)
        weight = trust / line / np.sqrt(1 + (excess / tolerated) ** 2)
    return float(slope), float(intercept)


def classes(mean: np.ndarray) -> np.ndarray:
    """Give edges of `_N_CLASSES` classes of equal width that hold 99 % of `mean`."""
    return np.linspace(*np.quantile(mean, [0.005, 0.995]), _N_CLASSES + 1)[1:-1]


def _rarity(mean: np.ndarray) -> np.ndarray:
    """Weights (n,) that let rare intensities be heard in a fit.

    The whole weight of a class of intensities is the cube root of the number of
    blocks in it: with the number itself a dark background decides alone, with no
    number at all a handful of bright blocks, seldom flat, has too much to say.
    """
    place = np.searchsorted(classes(mean), mean)
    return np.bincount(place)[place] ** (-1 / 3)


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """Value (of n) that halves the sum of the weights (n,)."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(share, share[-1] / 2)]])
