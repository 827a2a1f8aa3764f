"""Variance as any function of intensity, where a rising line does not describe it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from n2d.noise.intensity import classes

# Blocks that a class of intensities needs to be heard.
_FEWEST = 8

# The line is given up where, in the root mean square over the classes, the logarithm of
# the variance is off by more than this; texture and chance explain less.
_OFF = 0.3

# And only where the variance falls somewhere, by this in its logarithm.
_FALL = 0.4

# The curve never falls below this share of its median: nothing may be divided by less.
_LEAST_SHARE = 1e-3


def fit_curve(mean, variance, line) -> np.ndarray | None:
    """Fit variances of flat blocks by a free function of their intensity.

    Parameters
    ----------
    mean, variance : ndarray, shape (n,)
        Of flat blocks.
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
    if np.sqrt(np.average(off**2, weights=weight)) < _OFF:
        return None
    # Where the variance only rises, a rising line is the safer description.
    if np.max(np.maximum.accumulate(logs) - logs) < _FALL:
        return None
    # Neighbouring classes agree: three of them, each as heard.
    smooth = np.convolve(np.pad(weight, 1) * np.pad(logs, 1), [1, 2, 1], "valid")
    smooth /= np.convolve(np.pad(weight, 1), [1, 2, 1], "valid")
    at = np.array(at)
    rising = np.concatenate([[True], np.diff(at) > 0])
    return np.stack([at[rising], np.exp(smooth[rising])])
