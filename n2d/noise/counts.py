"""Images that count single quanta: photons, electrons, ions, X-rays of an element."""

from __future__ import annotations

import numpy as np

from n2d.noise.blocks import cut_blocks

# Where so few are counted, steps between values are single quanta, and a model of mean
# and variance sees too few bright places to tell a gain by. Of the pixels so many have
# seen none.
_DARK = 0.3
_SOME = 20_000  # pixels, which show in which steps values come
# Blocks of this side; so many quanta a pixel, at most, make a dim one and a brighter
# one, of which so many pixels are needed.
_BLOCK, _DIM, _BRIGHTER, _ENOUGH = 8, 0.5, 4.0, 1024
# Variance over mean, in quanta, is 1 up to chance and what the scene adds.
_LEAST, _MOST = 0.85, 1.15
_MOST_BRIGHTER = 1.5


def gain_of_counts(windows) -> float | None:
    """Tell what one quantum counts as, where an image counts quanta and few.

    Parameters
    ----------
    windows : sequence of ndarray of shape (h, w)
        Parts of images.

    Returns
    -------
    gain : float or None
        In the units of the image; None where it counts many, or something else.

    Notes
    -----
    All values are whole multiples of it above the lowest one, and the variance of what
    changes between neighbours is the mean, both in quanta. Read noise, pulses of any
    height and resampling break one or the other.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.counts import gain_of_counts
    >>> rng = np.random.default_rng(0)
    >>> gain_of_counts([5.0 + 2 * rng.poisson(0.3, (128, 128))])
    2.0
    >>> gain_of_counts([rng.normal(0, 1, (128, 128)).clip(0)]) is None
    True
    """
    if min(min(window.shape) for window in windows) < _BLOCK:
        return None
    low = min(float(window.min()) for window in windows)
    n_pixels = sum(window.size for window in windows)
    dark = sum(np.count_nonzero(window == low) for window in windows)
    if dark < _DARK * n_pixels or dark == n_pixels:
        return None
    every = max(1, n_pixels // _SOME)
    some = np.concatenate([window.ravel()[::every] for window in windows])
    values = np.unique(some) - low
    if len(values) < 3:
        return None
    gain = float(values[1])
    counts = values / gain
    if np.abs(counts - counts.round()).max() > 1e-3:
        return None
    mean, variance = (
        np.concatenate(each) for each in zip(*map(_blocks, windows), strict=True)
    )
    mean, variance = (mean - low) / gain, variance / gain**2
    dim = (mean > 0) & (mean < _DIM)
    brighter = (mean >= _DIM) & (mean < _BRIGHTER)
    if _BLOCK**2 * np.count_nonzero(dim) < _ENOUGH:
        return None
    if not _LEAST < variance[dim].sum() / mean[dim].sum() < _MOST:
        return None
    if _BLOCK**2 * np.count_nonzero(brighter) >= _ENOUGH:
        ratio = np.median(variance[brighter] / mean[brighter])
        if not _LEAST < ratio < _MOST_BRIGHTER:
            return None
    return gain


def _blocks(window):
    """Means of blocks, and the variance that changes between neighbours tell of."""
    blocks = cut_blocks(np.asarray(window, np.float64), _BLOCK)
    change = (np.diff(blocks, axis=a).reshape(len(blocks), -1) for a in (1, 2))
    variance = sum((c**2).mean(axis=1) for c in change) / 4
    return blocks.mean(axis=(1, 2)), variance
