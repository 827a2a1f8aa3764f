"""The noise of an image, measured again on what a denoiser took away."""

from __future__ import annotations

import numpy as np

from n2d.noise.model import N_LAGS, NoiseModel

# Intensities are sorted into so many classes of equal size.
_N_CLASSES = 24
_FEWEST_PIXELS = 50

# A good denoiser takes most of the noise away, but not all: about so much of the
# variance stays in its result.
_LEFT_IN_RESULT = 0.1


def refine_noise(noise: NoiseModel, noisy, denoised) -> NoiseModel:
    """Measure noise again on the difference between noisy and denoised images.

    `estimate_noise` has to tell noise from texture by itself, which is hard where an
    image is rough everywhere. A denoiser that was told the first measurement knows
    more about texture than that; what it took away shows the noise better. Repeating
    the two steps until nothing changes settles both.

    Parameters
    ----------
    noise : NoiseModel
        What the denoiser was told, in the units of the images.
    noisy, denoised : sequence of array_like of shape (h, w)
        Windows of images, and what the denoiser made of them.

    Returns
    -------
    noise : NoiseModel
        Gain and read noise from a weighted affine fit of the squared differences to
        the denoised intensities; correlation of the differences, each divided by
        its standard deviation. The offset moves only where the fit leaves no noise
        there. `noise` itself where the images are too small to tell.

    See Also
    --------
    estimate_noise : The first measurement.

    Notes
    -----
    Correlations of a difference are a little lower than those of the noise, because
    the slowest part of the noise stays in the result; after three rounds the
    correlation of strongly correlated noise (0.6) has fallen by about 0.05.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import NoiseModel, add_poisson_noise, refine_noise
    >>> clean = np.tile(np.linspace(20, 200, 256), (256, 1))
    >>> noisy = add_poisson_noise(clean, 1.0, rng=0)
    >>> wrong = NoiseModel(level=20.0, gain=3.0, correlation=np.full((2, 4), 0.3))
    >>> better = refine_noise(wrong, [noisy], [clean])
    >>> bool(abs(better.gain * 0.9 - 1) < 0.05), better.reach()
    (True, (0, 0))
    """
    noisy = [np.asarray(window, np.float64) for window in noisy]
    denoised = [np.asarray(window, np.float64) for window in denoised]
    difference = [y - x for y, x in zip(noisy, denoised, strict=True)]
    intensity = np.concatenate([x.ravel() for x in denoised])
    squared = np.concatenate([d.ravel() ** 2 for d in difference])
    fit = _variance_fit(intensity, squared / (1 - _LEFT_IN_RESULT))
    if fit is None:
        return noise
    gain, at_zero = fit
    offset = noise.offset
    read_variance = gain * offset + at_zero
    if read_variance < 0:
        offset, read_variance = -at_zero / gain, 0.0
    refined = NoiseModel(
        level=0.0, gain=gain, offset=offset, read_noise=np.sqrt(read_variance)
    )
    variance = refined.variance(intensity)
    if not variance.max() > 0:
        return noise
    floor = 1e-3 * variance.max()
    unit = [
        d / np.sqrt(np.maximum(refined.variance(x), floor))
        for d, x in zip(difference, denoised, strict=True)
    ]
    return NoiseModel(
        level=np.sqrt(variance.mean()),
        gain=gain,
        offset=offset,
        read_noise=refined.read_noise,
        correlation=_correlation(unit),
    )


def _variance_fit(intensity, squared):
    """Fit the mean squared difference by gain * intensity + at_zero."""
    edges = np.unique(np.quantile(intensity, np.linspace(0, 1, _N_CLASSES + 1)))
    place = np.clip(np.searchsorted(edges, intensity, "right") - 1, 0, None)
    n = np.bincount(place)
    enough = n >= _FEWEST_PIXELS
    if not enough.any():
        return None
    mean, variance = (
        np.bincount(place, values)[enough] / n[enough]
        for values in (intensity, squared)
    )
    n = n[enough]
    expected = variance
    gain, at_zero = 0.0, float(np.average(variance, weights=n))
    if len(n) < 3:
        return gain, at_zero
    # The variance of a variance is its square over n: weighted by the fit itself.
    floor = max(0.5 * variance.min(), 1e-6 * variance.max())
    for _ in range(4):
        if not floor > 0:
            break
        weight = np.sqrt(n) / np.maximum(expected, floor)
        columns = np.stack([mean, np.ones_like(mean)], axis=1) * weight[:, None]
        gain, at_zero = np.linalg.lstsq(columns, variance * weight)[0]
        if gain <= 0:
            return 0.0, float(np.average(variance, weights=weight**2))
        expected = gain * mean + at_zero
    return float(gain), float(at_zero)


def _correlation(windows):
    """Correlation at 1 to `N_LAGS` pixels along y and x, over all windows."""
    mean = np.concatenate([w.ravel() for w in windows]).mean()
    windows = [w - mean for w in windows]
    power = np.concatenate([w.ravel() ** 2 for w in windows]).mean()
    correlation = np.zeros((2, N_LAGS))
    for axis in (0, 1):
        for lag in range(1, N_LAGS + 1):
            products = [
                (np.moveaxis(w, axis, 0)[lag:] * np.moveaxis(w, axis, 0)[:-lag]).ravel()
                for w in windows
                if w.shape[axis] > lag
            ]
            if products and power > 0:
                products = np.concatenate(products)
                correlation[axis, lag - 1] = products.mean() / power
    return np.clip(correlation, -1, 1)
