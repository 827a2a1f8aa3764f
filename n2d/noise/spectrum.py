"""The spectrum of noise: cosine transforms of blocks, explained by a short reach."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft

# Lags the noise may be correlated at. Longer ones cannot be told from texture: with
# three, the level of wide-field images and dense scenes is off twice as often.
REACH = 2

# How strongly correlations are drawn to 0, the more so the longer the lag.
_DAMPING = 0.045


class Basis(NamedTuple):
    """Cosine transform of blocks of one size; cells are (size * size,) flat."""

    acf: np.ndarray  # (cells, lags): power in each cell per unit of autocovariance
    lag: np.ndarray  # (lags,) distance of each lag
    smooth: np.ndarray  # (cells, 2) power of smooth images
    used: np.ndarray  # (cells,) all but the mean and the gradients
    even: np.ndarray  # (cells,) one colour of the checkerboard
    fine: np.ndarray  # (cells,) high frequencies


@lru_cache(maxsize=4)
def block_basis(size: int) -> Basis:
    """Give the basis of blocks of a size."""
    dct = fft.dct(np.eye(size), axis=0, norm="ortho")
    # E[(sum_n dct[k, n] noise[n])**2] = sum_d acf[d] * along[d, k]
    along = [
        (2 if d else 1) * np.sum(dct[:, : size - d] * dct[:, d:], axis=1)
        for d in range(REACH + 1)
    ]
    lags = [(d, e) for d in range(REACH + 1) for e in range(REACH + 1)]
    acf = np.stack([np.outer(along[d], along[e]).ravel() for d, e in lags], axis=1)
    row, column = (index.ravel() for index in np.indices((size, size)))
    return Basis(
        acf=acf,
        lag=np.array([np.hypot(d, e) for d, e in lags]),
        # The cosine series of a smooth function falls off with the square of the
        # frequency: it is not periodic in the block.
        smooth=np.stack(
            [
                1 / np.maximum(np.hypot(row, column), 1) ** 4,
                1 / (np.maximum(row, 1) * np.maximum(column, 1)) ** 4.0,
            ],
            axis=1,
        ),
        used=row + column >= 2,
        even=(row + column) % 2 == 0,
        fine=np.hypot(row, column) >= 0.6 * size,
    )


def cosine_power(blocks: np.ndarray) -> np.ndarray:
    """Squared cosine transforms (n, cells) of blocks (n, size, size) of mean 0."""
    coefficients = fft.dctn(blocks, axes=(1, 2), norm="ortho")
    # A gradient shows in every second cell along its axis. The first of them says how
    # much to take from the others; it takes 1 % of the noise along.
    size = blocks.shape[-1]
    ramp = fft.dct(np.arange(size) - (size - 1) / 2, norm="ortho")
    coefficients[:, 2:, 0] -= coefficients[:, 1:2, 0] * (ramp[2:] / ramp[1])
    coefficients[:, 0, 2:] -= coefficients[:, 0, 1:2] * (ramp[2:] / ramp[1])
    return (coefficients**2).reshape(len(blocks), -1)


def fit_spectrum(flat_power, texture, basis):
    """Explain power (cells,) by noise of short reach plus what texture adds.

    Returns
    -------
    spectrum : ndarray, shape (cells,)
        Power of the noise, of variance 1.
    covariance : ndarray, shape (lags,)
        Its autocovariance, 1 at lag (0, 0).
    stain : ndarray, shape (cells,)
        What texture adds to the power, relative to the noise's.
    """
    used, n_lags = basis.used, basis.acf.shape[1]
    seen = flat_power[used]
    floor = max(0.02 * np.median(seen), 1e-6 * seen.mean(), 1e-30)
    stains = np.column_stack([texture, basis.smooth])[used]
    stains /= np.maximum(stains.mean(axis=0), 1e-12)
    columns = np.column_stack([basis.acf[used], stains])
    damping = np.append(_DAMPING * basis.lag, np.zeros(stains.shape[1]))
    noise, stain = seen, np.zeros_like(seen)
    for _ in range(6):
        # The error of a power is proportional to it; the stain's also to the stain.
        level = np.maximum(noise, floor)
        weight = 1 / (level + stain) / (1 + 2 * stain / level)
        pull = damping * np.sqrt(len(seen)) / level.mean()
        # By the normal equations: the same few sums serve every choice of terms.
        weighted = columns * weight[:, None]
        products = weighted.T @ weighted + np.diag(pull**2)
        sums = weighted.T @ (seen * weight)
        kept = np.arange(len(damping))
        while True:  # texture only adds: terms that would take away are dropped
            chosen = products[np.ix_(kept, kept)]
            solution = np.linalg.lstsq(chosen, sums[kept], rcond=None)[0]
            if len(kept) == n_lags or solution[n_lags:].min() >= 0:
                break
            kept = np.delete(kept, n_lags + np.argmin(solution[n_lags:]))
        covariance = solution[:n_lags]
        stain = columns[:, kept[n_lags:]] @ solution[n_lags:]
        noise = columns[:, :n_lags] @ covariance
    unit = max(covariance[0], floor)
    noise = np.maximum(basis.acf @ covariance, 0.5 * floor)
    stained = np.zeros(len(used))
    stained[used] = np.maximum(stain, 0) / noise[used]
    return np.maximum(noise / unit, 0.02), covariance / unit, stained
