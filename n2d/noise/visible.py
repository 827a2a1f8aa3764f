"""Which blocks of an image show the noise they have."""

from __future__ import annotations

import numpy as np

# A block with more clipped pixels than this does not show its noise.
_CLIPPED_SHARE = 0.02

#: Power that rounding leaves in a constant block, of values from 0 to 1.
NOTHING = 1e-14

# The share of the range of values that counts as dark.
_DARK_END = 0.05


def blocks_with_noise(blocks, painted, mean, power, basis) -> np.ndarray | None:
    """Tell which blocks are neither clipped nor silent.

    Parameters
    ----------
    blocks : ndarray, shape (n, size, size)
        Of an image with values from 0 to 1.
    painted : ndarray of bool, shape (n,)
        Which of them have been painted over.
    mean : ndarray, shape (n,)
        Their means.
    power : ndarray, shape (n, size * size)
        Squared cosine transforms.
    basis : Basis
        Of blocks of this size.

    Returns
    -------
    visible : ndarray of bool, shape (n,), or None
        All but the most clipped where too few are not; None where there is no noise.
    """
    low, high = blocks.min(), blocks.max()
    level = np.sqrt(np.median(power[:, basis.fine].mean(axis=1)))
    values = np.unique(blocks[:: max(1, len(blocks) // 200)])
    clipped = np.zeros(len(blocks))
    if _is_a_wall(values, level):
        clipped += np.mean(blocks <= low, axis=(1, 2))
    if _is_a_wall(-values[::-1], level):
        clipped += np.mean(blocks >= high, axis=(1, 2))
    # Constant blocks at the dark end, or all white, may have lost their noise to
    # rounding or masking and say nothing; others do say that there is no noise.
    total = power[:, basis.used].mean(axis=1)
    constant = total <= NOTHING
    silent = constant & ((mean <= low + _DARK_END * (high - low)) | (mean >= high))
    clipped[silent] = 1
    clipped[painted] = 1
    visible = clipped < _CLIPPED_SHARE
    if visible.sum() < max(30, 0.02 * len(blocks)):
        visible = clipped <= np.quantile(clipped, 0.2)
    flattest, flat = np.quantile(total[visible], [0.05, 0.1])
    if flat <= NOTHING:
        return None
    if flattest <= NOTHING:  # of one value, as under a mask, and too few to say that
        visible &= total > NOTHING
    return visible


def _is_a_wall(values: np.ndarray, level: float) -> bool:
    """Tell whether the first of the sorted distinct `values` cuts others off.

    Not so where all values are far apart: these are photon counts, and no photon at
    all is an honest reading.
    """
    steps = np.diff(values[:20])
    return len(steps) > 0 and (
        steps[0] < 0.3 * level or steps[0] > 3 * np.median(steps[:5])
    )
