"""Pictures of two tones, such as halftones and print, whose dots are no noise."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# Two tones are so many times as far apart as pixels are from the nearer one, and each
# has this share of the pixels at least.
_APART, _LEAST_SHARE = 6.0, 0.02
_SOME = 20_000  # pixels, which are enough to find the tones
_STEPS = 10  # until the means of the tones stand still

# Dots that come by chance, as single photons and salt and pepper do, know nothing of
# their neighbours: less than this correlation is left without the local mean, which is
# taken with this deviation, in pixels, and has of its own what chance has.
_BY_CHANCE, _AROUND = 0.1, 2.0
_LEAST_VARIANCE = 1e-6


def noise_of_tones(windows) -> float | None:
    """Measure the noise of a picture of two tones, about each of them.

    Parameters
    ----------
    windows : sequence of ndarray of shape (h, w)
        Parts of images.

    Returns
    -------
    level : float or None
        Standard deviation about the nearer tone: there cannot be more noise than that.
        None where there are more tones than two, or where they come by chance.

    Notes
    -----
    Noise makes values spread: where all lie close to one of two, and which of them is
    no matter of chance, it is part of the picture, however rough it looks.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.two_tone import noise_of_tones
    >>> rng = np.random.default_rng(0)
    >>> board = 100.0 * (np.indices((64, 64)).sum(axis=0) % 2)
    >>> round(noise_of_tones([board + rng.normal(0, 3, board.shape)]))
    3
    >>> noise_of_tones([100.0 * (rng.random((64, 64)) < 0.3)]) is None
    True
    """
    n_pixels = sum(window.size for window in windows)
    every = max(1, n_pixels // _SOME)
    some = np.concatenate([np.ravel(w)[::every] for w in windows]).astype(np.float64)
    tones = _tones(some)
    if tones is None:
        return None
    middle = np.mean(tones)
    upper = [np.asarray(window) > middle for window in windows]
    if _is_by_chance(upper):
        return None
    return _away(some, *tones)


def _tones(values):
    """The two values that all others are close to; None if there are no such."""
    low, high = values.min(), values.max()
    for _ in range(_STEPS):
        upper = values > (low + high) / 2
        share = upper.mean()
        if not _LEAST_SHARE <= share <= 1 - _LEAST_SHARE:
            return None
        low, high = values[~upper].mean(), values[upper].mean()
    return (low, high) if high - low > _APART * _away(values, low, high) else None


def _away(values, low, high):
    """How far, in the mean square, values are from the nearer of two."""
    nearer = np.where(values > (low + high) / 2, high, low)
    return float(np.sqrt(np.mean((values - nearer) ** 2)))


def _is_by_chance(upper):
    """Whether which of two tones a pixel has says nothing of its neighbours'."""
    total, power = np.zeros(2), 0.0
    for window in upper:
        window = window.astype(np.float64)
        mean = ndimage.gaussian_filter(window, _AROUND)
        rest = window - mean
        power += np.sum(rest**2)
        for axis in (0, 1):
            moved = np.moveaxis(rest, axis, 0)
            total[axis] += np.sum(moved[1:] * moved[:-1])
    if power <= _LEAST_VARIANCE * sum(w.size for w in upper):
        return False
    # What taking a mean with these weights leaves of noise without any correlation.
    impulse = np.zeros((33, 33))
    impulse[16, 16] = 1
    kernel = impulse - ndimage.gaussian_filter(impulse, _AROUND)
    chance = np.sum(kernel[1:] * kernel[:-1]) / np.sum(kernel**2)
    return bool(np.abs(total / power - chance).max() < _BY_CHANCE)
