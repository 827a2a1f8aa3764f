"""Variance and spectrum of the noise, fitted to the flattest blocks of an image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from n2d.noise.blocks import weighted_sum
from n2d.noise.intensity import fit_variance, group_by_intensity
from n2d.noise.spectrum import fit_spectrum

# Of the blocks of one intensity, the share that is taken for flat at least, and how
# much rougher than the flattest twentieth another block may be to count as flat too:
# on flat images, where nearly all do, precision gains, and a level that varies over
# the image is averaged instead of being read where it is lowest.
_FLAT_SHARE = 0.1
_FLAT_EXCESS = 1.3

# Mean of the lower 80 % of squared standard normal numbers: what a mean of noise
# powers without its upper fifth, and with it most edges, is divided by.
_MEAN_OF_LOWER_80 = 0.43772

_N_ITERATIONS = 4


class Fit(NamedTuple):
    """What is known of the noise while it is being measured."""

    slope: float  # variance = slope * mean + intercept
    intercept: float
    spectrum: np.ndarray  # (cells,) power of noise of variance 1
    covariance: np.ndarray  # (lags,) autocovariance of noise of variance 1
    curve: np.ndarray | None = None  # (2, k) variance by intensity, in place of a line
    flat: tuple = ()  # means and variances of the blocks it was fitted to

    def variance(self, mean: np.ndarray) -> np.ndarray:
        """Variance at intensities `mean`, above 0 so that it can be divided by."""
        if self.curve is not None:
            return np.interp(mean, *self.curve)
        middle = self.slope * np.median(mean) + self.intercept
        return np.maximum(self.slope * mean + self.intercept, max(0.03 * middle, 1e-30))


def fit_power(power, mean, basis, smooth=False) -> tuple[Fit, np.ndarray]:
    """Fit the power of blocks in turns: which are flat, what spectrum, what variance.

    Parameters
    ----------
    power : ndarray, shape (n, cells)
        Of blocks of an image with values from 0 to 1.
    mean : ndarray, shape (n,)
        Their means.
    basis : Basis
        Of blocks of this size.
    smooth : bool, default=False
        Whether all is smooth and no block flat: frequencies that hold what smooth
        images have count less then.

    Returns
    -------
    fit : Fit
        What was found.
    weights : ndarray, shape (cells,)
        The sum of power by these is the variance of the noise of a flat block.
    """
    strata = group_by_intensity(mean)
    fit = _first_fit(power, mean, strata, basis)
    for _ in range(_N_ITERATIONS):
        fit, weights = _refine(fit, power, mean, strata, basis, smooth)
    return fit, weights


def _flattest(score: np.ndarray, at_least: int) -> np.ndarray:
    """Return indices of the blocks with the lowest `score` (n,)."""
    order = np.argsort(score, kind="stable")
    flat = score[order[int(0.05 * len(order))]]
    alike = np.searchsorted(score[order], _FLAT_EXCESS * flat)
    return order[: max(at_least, int(_FLAT_SHARE * len(order)), alike)]


def _first_fit(power, mean, strata, basis) -> Fit:
    """Assume white noise, seen at high frequencies of the flattest blocks."""
    roughness = power[:, basis.used].mean(axis=1)
    flat = np.concatenate(
        [s[np.argsort(roughness[s])[: max(3, len(s) // 5)]] for s in strata]
    )
    fine = power[flat][:, basis.fine].mean(axis=1)
    slope, intercept = fit_variance(mean[flat], fine, np.ones(len(flat)))
    covariance = np.where(basis.lag == 0, 1.0, 0.0)
    return Fit(slope, intercept, np.ones(len(basis.used)), covariance)


def _refine(fit, power, mean, strata, basis, smooth) -> tuple[Fit, np.ndarray]:
    """Improve the fit once, and give the weights that go with it."""
    n_cells = len(basis.used)
    halves = [(basis.used & basis.even, basis.used & ~basis.even)]
    halves.append(halves[0][::-1])

    # The spectrum in units of the variance, in flat and in rougher blocks.
    variance = fit.variance(mean)
    flat_power, rough_power = np.zeros(n_cells), np.zeros(n_cells)
    for chosen_by, measured in halves:
        score = weighted_sum(power, _average(chosen_by, fit.spectrum)) / variance
        order = np.argsort(score, kind="stable")
        for result, group in (
            (flat_power, _flattest(score, at_least=20)),
            (rough_power, order[len(order) // 2 :]),
        ):
            group = _thin(group, 600)
            ratio = power[np.ix_(group, measured)] / variance[group, None]
            ratio = np.ascontiguousarray(ratio.T)  # sorted faster than columns
            kept = int(np.ceil(0.8 * len(group)))
            ratio.partition(kept - 1)
            result[measured] = ratio[:, :kept].mean(axis=1) / _MEAN_OF_LOWER_80
    texture = np.maximum(rough_power - flat_power, 0)
    spectrum, covariance, stain = fit_spectrum(flat_power, texture, basis)

    # The variance by intensity, at frequencies with much noise and little texture.
    total = flat_power[basis.used].mean()
    weights = basis.used * spectrum / (spectrum + 0.2)
    excess = texture / (spectrum * total)
    weights /= (1 + 10 * (np.maximum(excess, stain) if smooth else excess)) ** 2
    found = []
    for chosen_by, measured in halves:
        score = weighted_sum(power, _average(chosen_by, spectrum)) / variance
        flat = np.concatenate([s[_flattest(score[s], at_least=3)] for s in strata])
        by = weights * measured
        seen = weighted_sum(power[flat], by / spectrum / by.sum())
        found.append((mean[flat], seen, score[flat]))
    at, seen, score = (np.concatenate(each) for each in zip(*found, strict=True))
    # No more than the root: where the line so far is too low at bright intensities,
    # all blocks there score high, and must stay able to lift it.
    trust = 1 / np.sqrt(np.maximum(score / max(np.quantile(score, 0.3), 1e-12), 1))
    slope, intercept = fit_variance(at, seen, trust)
    refined = Fit(slope, intercept, spectrum, covariance, flat=(at, seen))
    return refined, weights / spectrum / weights.sum()


def _average(cells: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Weights (cells,) that average power relative to `spectrum` over `cells`."""
    return cells / spectrum / cells.sum()


def _thin(indices: np.ndarray, most: int) -> np.ndarray:
    """Take evenly spread indices, so that a median over them costs no more."""
    return indices[:: -(-len(indices) // most)]
