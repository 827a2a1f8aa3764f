"""Images whose pixels were repeated, as where they were enlarged without interpolation.

Their noise is that of every n-th pixel of every n-th row, which are a smaller image
like any other. `fit` looks at that, `transform` denoises the n x n ones that there are.
"""

from dataclasses import replace

import numpy as np
import torch

from n2d.core.prior import PRIOR_ALIGNMENT
from n2d.fitting.prior_start import fit_from_prior
from n2d.fitting.windows import repeats_along

# They may have been repeated up to so many times; and of smaller windows than so many
# pixels less would be left than is worth looking at.
_MOST, _SMALLEST = 8, 32
_LOOKED_AT = 64  # rows and columns, at first

_N_LAGS = 4  # that correlations are told at, of the image as it is


def times_repeated(windows) -> int:
    """Tell how often the pixels of windows were repeated along rows and columns.

    Parameters
    ----------
    windows : sequence of ndarray of shape (C, h, w)
        Parts of images.

    Returns
    -------
    times : int
        1 where they were not, or not alike along both, or in windows too small.
    """
    for part in (np.s_[:, :_LOOKED_AT, :_LOOKED_AT], np.s_[:]):
        times = {repeats_along([w[part] for w in windows], axis) for axis in (1, 2)}
        if len(times) > 1 or not 1 < min(times) <= _MOST:
            return 1
    (times,) = times
    small = min(min(window.shape[1:]) for window in windows) < times * _SMALLEST
    return 1 if small else times


def fit_repeated_from_prior(times, windows, data_range, plan, resources):
    """Settle what the prior network is conditioned on, on one pixel of each block.

    Parameters
    ----------
    times : int
        How often pixels were repeated.
    windows, data_range, plan, resources
        As for `n2d.fitting.prior_start.fit_from_prior`.

    Returns
    -------
    Fitted
        Whose stages denoise the images in between one another, and whose noise is that
        of the image as it is.
    """
    step = slice(None, None, times)
    small = []
    for window in windows:
        window = window[:, step, step]
        height, width = (
            n // PRIOR_ALIGNMENT * PRIOR_ALIGNMENT for n in window.shape[1:]
        )
        small.append(window[:, :height, :width])
    fitted = fit_from_prior(small, data_range, replace(plan, shape=None), resources)
    noise = tuple(
        replace(
            model,
            correlation=_enlarged(model.correlation, times, _N_LAGS),
            diagonals=None,
        )
        for model in fitted.noise
    )
    if fitted.stages is None:
        return replace(fitted, noise=noise)
    known = fitted.stages.correlation
    correlation = _enlarged(known.cpu().numpy(), times, times * known.shape[-1])
    stages = replace(
        fitted.stages,
        correlation=torch.as_tensor(
            correlation, dtype=known.dtype, device=known.device
        ),
        weights={times: 1.0},
    )
    mixture = {1: 0.0, **stages.weights}
    return replace(fitted, stages=stages, noise=noise, mixture=mixture)


def _enlarged(correlation, times, n_lags):
    """Correlation (..., n_lags) of noise whose pixels are repeated, on average."""
    known = np.concatenate(
        [np.ones((*correlation.shape[:-1], 1)), correlation], axis=-1
    )
    lags = np.arange(1, n_lags + 1) / times
    lower = np.minimum(lags.astype(int), known.shape[-1] - 1)
    upper = np.minimum(lower + 1, known.shape[-1] - 1)
    share = lags - lags.astype(int)
    return (1 - share) * known[..., lower] + share * known[..., upper]
