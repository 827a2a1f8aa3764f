"""Variance as any function of intensity, where a rising line does not describe it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import optimize

from n2d.noise.intensity import classes

# Blocks that a class of intensities needs to be heard.
_FEWEST = 8

# The line is given up where, in the root mean square over the classes, the logarithm of
# the variance is off by more than this; texture and chance explain less.
_OFF = 0.3

# And only where the variance falls somewhere, by this in its logarithm.
_FALL = 0.4

# A line is given up for a square where it is off by more than this, and the square
# leaves no more than this share of the square of that.
_OFF_BY_SQUARE, _LEFT, _N_ROUNDS, _N_POINTS = 0.12, 0.5, 6, 33

# The curve never falls below this share of its median: nothing may be divided by less.
_LEAST_SHARE = 1e-3


def fit_curve(mean, variance, line) -> np.ndarray | None:
    """Fit variances of flat blocks by a free function of their intensity.

    Parameters
    ----------
    mean, variance : ndarray, shape (n,)
        Of flat blocks of an image with values from 0 to 1.
    line : ndarray, shape (n,)
        The variance that a line gives for them.

    Returns
    -------
    curve : ndarray, shape (2, k), or None
        Intensities and variances; None where the line is as good.
    """
    edges = np.concatenate([[-np.inf], classes(mean), [np.inf]])
    at, seen, told, count = [], [], [], []
    for low, high in pairwise(edges):
        here = (mean > low) & (mean <= high)
        if here.sum() < _FEWEST:
            continue
        at.append(np.median(mean[here]))
        # Texture only adds.
        seen.append(np.quantile(variance[here], 0.4))
        told.append(np.median(line[here]))
        count.append(here.sum())
    if len(at) < 4:
        return None
    seen = np.maximum(seen, _LEAST_SHARE * np.median(seen))
    if not (seen > 0).all():
        return None
    logs = np.log(seen)
    weight = np.sqrt(count)
    off = logs - np.log(np.maximum(told, 1e-30))
    off = off - np.average(off, weights=weight)
    off = np.sqrt(np.average(off**2, weights=weight))
    at = np.array(at)
    # Where the variance only rises, a formula is the safer description.
    if np.max(np.maximum.accumulate(logs) - logs) < _FALL:
        return _with_fluctuating_gain(at, seen, weight, off)
    if off < _OFF:
        return None
    # Neighbouring classes agree: three of them, each as heard.
    smooth = np.convolve(np.pad(weight, 1) * np.pad(logs, 1), [1, 2, 1], "valid")
    smooth /= np.convolve(np.pad(weight, 1), [1, 2, 1], "valid")
    rising = np.concatenate([[True], np.diff(at) > 0])
    return np.stack([at[rising], np.exp(smooth[rising])])


def is_square(curve) -> bool:
    """Whether a curve is the square that is fitted where the variance only rises.

    Parameters
    ----------
    curve : ndarray, shape (2, k), or None
        As `fit_curve` gives it, in any units.

    Returns
    -------
    bool
    """
    return curve is not None and bool(np.all(np.diff(curve[1]) >= 0))


def _with_fluctuating_gain(at, seen, weight, off) -> np.ndarray | None:
    """Fit ``a + b x + c x^2``: read noise, photons, and speckle or a gain that varies.

    `off` is what the logarithm of the variances is off by with a line, in the root mean
    square; None where the square explains little of that.
    """
    if off < _OFF_BY_SQUARE:
        return None
    terms = np.vander(at, 3)  # of values from 0 to 1
    told, by = seen.copy(), weight / weight.max()
    for _ in range(_N_ROUNDS):  # relative errors count, of what is told
        rows = by / told
        shares, _ = optimize.nnls(rows[:, None] * terms, rows * seen)
        told = np.maximum(terms @ shares, _LEAST_SHARE * np.median(seen))
    left = np.log(seen / told)
    left -= np.average(left, weights=weight)
    if np.average(left**2, weights=weight) > _LEFT * off**2:
        return None
    # Where only single pixels are, in the dark and in the light, it goes on.
    everywhere = np.linspace(0, 1, _N_POINTS)
    least = _LEAST_SHARE * np.median(seen)
    told = np.maximum(np.vander(everywhere, 3) @ shares, least)
    return np.stack([everywhere, told])
