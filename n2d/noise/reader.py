"""A small perceptron that reads level and correlation off the spectra of blocks.

Noise that reaches over many pixels is mostly at low frequencies, where texture is, and
no rule of thumb tells the two apart. The perceptron has seen generated scenes with
noise of many kinds (`n2d.pretraining.noise_reader`), no real image, and says how sure
it is.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import safetensors.numpy

# Edges of the bands along either axis of a 16x16 cosine transform.
_EDGES = (0, 1, 2, 3, 5, 8, 12, 16)
_SIZE = _EDGES[-1]

# Groups of blocks, from the flattest to the roughest, as shares of their number.
_GROUPS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0)

# Smallest power, in units of the first fit's variance, that is looked at.
_LEAST_POWER = 1e-7

#: Directions and lags of the correlation it gives.
N_DIRECTIONS, N_LAGS = 4, 3


class Reading(NamedTuple):
    """What was read."""

    log_factor: float  # logarithm of true over fitted level
    spread: float  # expected absolute error of `log_factor`
    autocorrelation: np.ndarray  # (4, 3): along y, x, both diagonals; lags 1, 2, 3
    surprising: bool = False  # whether it differs from the first fit


def _bands(ratio) -> np.ndarray:
    """Mean power (n, bands) in every band but that of the mean."""
    starts, widths = _EDGES[:-1], np.diff(_EDGES)
    # Not as a product of matrices: see `n2d.noise.blocks.weighted_sum`.
    bands = np.add.reduceat(ratio.reshape(-1, _SIZE, _SIZE), starts, axis=1)
    bands = np.add.reduceat(bands, starts, axis=2) / np.outer(widths, widths)
    return bands.reshape(len(ratio), -1)[:, 1:]


def describe(ratio, covariance, mean) -> np.ndarray:
    """Describe blocks to the perceptron.

    Parameters
    ----------
    ratio : ndarray, shape (n, 256)
        Power of 16x16 blocks' cosine transforms, in units of the fitted variance.
    covariance : ndarray, shape (9,)
        The autocovariance that was fitted, lags 0 to 2 along y times lags along x.
    mean : ndarray, shape (n,)
        The blocks' means, in units of the fitted deviation.

    Returns
    -------
    features : ndarray of float64
        Logarithms of the mean power in every band, in groups of blocks from the
        flattest to the roughest; `covariance`; how much the means differ, and whether
        power goes with them.
    """
    power = np.maximum(_bands(ratio), _LEAST_POWER)  # (n, bands)
    logs = np.log(power)
    roughness = logs.mean(axis=1)
    order = np.argsort(roughness, kind="stable")
    cuts = (np.array(_GROUPS) * len(order)).astype(int)
    groups = [
        np.log(power[order[a : max(b, a + 1)]].mean(axis=0)) for a, b in pairwise(cuts)
    ]
    low, dark, light, high = np.quantile(mean, [0.01, 0.1, 0.9, 0.99])
    contrast = np.log(np.maximum([high - low, light - dark], 1e-3))
    fine = logs[:, -1]
    with_mean = np.mean((fine - fine.mean()) * (mean - mean.mean()))
    with_mean /= max(fine.std() * mean.std(), 1e-9)
    return np.concatenate(
        [
            *groups,
            np.clip(covariance, -1, 1),
            [np.log(len(ratio)) - 6, *contrast, with_mean],
        ]
    )


@lru_cache(maxsize=1)
def _weights() -> dict:
    file = resources.files("n2d.noise").joinpath("weights/reader.safetensors")
    return safetensors.numpy.load(file.read_bytes())


def read(features) -> Reading:
    """Read level and correlation off what `describe` gives.

    The mean of what is read off an image and off its transpose: neither axis is
    special.
    """
    outs = [_out(features), _out(transposed(features))]
    log_factor = np.mean([out[0] for out in outs])
    spread = np.exp(np.mean([np.clip(out[1], -6, 3) for out in outs]))
    here, there = (np.tanh(out[2:]).reshape(N_DIRECTIONS, N_LAGS) for out in outs)
    there[:2] = there[1::-1].copy()
    return Reading(float(log_factor), float(spread), (here + there) / 2)


def transposed(features) -> np.ndarray:
    """What `describe` gives (..., k) of the transposed image."""
    n_bands, n_groups = (len(_EDGES) - 1) ** 2 - 1, len(_GROUPS) - 1
    band = np.arange(n_bands + 1).reshape(len(_EDGES) - 1, -1).T.ravel()[1:] - 1
    bands = (np.arange(n_groups)[:, None] * n_bands + band).ravel()
    lag = len(bands) + np.arange(9).reshape(3, 3).T.ravel()
    rest = np.arange(len(bands) + 9, np.shape(features)[-1])
    return features[..., np.concatenate([bands, lag, rest])]


def _out(features) -> np.ndarray:
    """What the perceptron gives out."""
    weights = _weights()
    x = (features - weights["mean"]) / weights["deviation"]
    x = np.clip(x, -5, 5)
    for layer in "01":
        x = np.maximum(weights[f"{layer}.weight"] @ x + weights[f"{layer}.bias"], 0)
    return weights["2.weight"] @ x + weights["2.bias"]
