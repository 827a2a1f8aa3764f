"""Variance stabilisation: noise of standard deviation 1 whatever the intensity."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import integrate, ndimage
from scipy.interpolate import CubicSpline
from scipy.stats import poisson

from n2d._masked import read_unmasked
from n2d.noise.model import NoiseModel

# In units of squared photons. Below this value of `counts + read**2 + 3/8` the root
# is continued by its tangent. Of the thresholds tried (0.1 to 1) this one keeps the
# standard deviation nearest to 1 at 0 to 3 photons and read noise of 0 to 2 photons.
_TANGENT_BELOW = 0.6

# No noise makes a pixel darker than the offset by more than so many standard deviations
# of the read noise, and a photon's worth. Pixels that are, were not understood: they
# are mapped as if the noise of the whole image were theirs, and stay near the others.
_DARKEST_READ = 4.0

# A variance curve is tabulated to this share of its span beyond its ends, and smoothed
# over so many steps of the table (4,001 in all).
_CURVE_BEYOND = 0.5
_CURVE_BLUR = 60.0

# The table of the inverse ends at this many photons; beyond, its first terms in
# 1 / sqrt(counts) are exact to 1e-4 photons.
_TABLE_COUNTS = 60.0

# With read noise above this many photons the noise is Gaussian for our purposes: the
# inverse's correction is its second-order term.
_TABLE_READ = 8.0


def _as_real(values, name: str) -> np.ndarray:
    array = read_unmasked(values, name)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def _start_of_tangent(gain: float, read: float) -> tuple[float, float, float]:
    """Describe the tangent that continues the root at the dark end.

    Returns
    -------
    edge : float
        Intensity above the offset where it starts; far below 0 at small gain.
    at_edge : float
        The transform there.
    slope : float
        Derivative of the transform there.
    """
    v0 = read**2 + 0.375 * gain**2
    v_edge = min(v0, _TANGENT_BELOW * gain**2)
    if v_edge == 0:  # a gain so small that its square is nil
        return -math.inf, -math.inf, 1.0
    edge = (v_edge - v0) / gain
    return edge, 2 * edge / (math.sqrt(v_edge) + math.sqrt(v0)), 1 / math.sqrt(v_edge)


def _forward(x: np.ndarray, gain: float, read: float) -> np.ndarray:
    """Transform intensities `x` above the offset."""
    v0 = read**2 + 0.375 * gain**2
    if v0 == 0:
        return x  # no noise: there is nothing to stabilise
    v_edge = min(v0, _TANGENT_BELOW * gain**2)
    v = gain * x
    v += v0
    below = v < v_edge
    # 2 (sqrt(v) - sqrt(v0)) / gain, in the form that survives a vanishing gain.
    root = np.sqrt(np.maximum(v, v_edge, out=v), out=v)
    root += math.sqrt(v0)
    result = 2 * x
    result /= root
    if below.any():
        edge, at_edge, slope = _start_of_tangent(gain, read)
        result[below] = at_edge + (x[below] - edge) * slope
    return result


def stabilize(image, noise):
    """Make the noise of an image Gaussian-like, of standard deviation 1 everywhere.

    The generalised Anscombe transform [1]_ [2]_. An image that was stabilised,
    denoised with a method for Gaussian noise of known level 1, and brought back by
    `unstabilize` has been denoised as photon noise asks for.

    Parameters
    ----------
    image : array_like of real numbers, any shape
        Noisy image.
    noise : NoiseModel
        Its noise: gain, offset and read noise are used.

    Returns
    -------
    stabilized : ndarray of float64
        Same shape, dimensionless, 0 at ``noise.offset``. Strictly increasing.
        What is darker than noise can make a pixel (by 4 `read_noise` and a `gain` below
        the offset) goes on as a straight line, of slope ``1 / level`` where that is
        less steep; all else has a continuous derivative.
        Without photon noise it is ``(image - offset) / read_noise``, without any
        noise ``image - offset``.

    Raises
    ------
    TypeError
        If `image` does not hold real numbers or `noise` is not a `NoiseModel`.

    See Also
    --------
    unstabilize : The way back.

    Notes
    -----
    Below about 3 photons and without read noise no transform of single pixels can do
    it: the standard deviation is then less than 1. ``stabilize(a * image + b,
    noise.rescaled(a, b))`` is the same for every a > 0 and b.

    References
    ----------
    .. [1] F. J. Anscombe, "The transformation of Poisson, binomial and
       negative-binomial data", Biometrika 35 (1948), :doi:`10.1093/biomet/35.3-4.246`
    .. [2] J.-L. Starck, F. Murtagh, A. Bijaoui, "Image Processing and Data Analysis:
       The Multiscale Approach", Cambridge University Press (1998),
       :doi:`10.1017/CBO9780511564352`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import NoiseModel, add_poisson_gaussian_noise, stabilize
    >>> clean = np.linspace(110, 200, 256) * np.ones((256, 1))
    >>> noisy = add_poisson_gaussian_noise(clean, 2.0, 3.0, offset=100.0, rng=0)
    >>> noise = NoiseModel(level=11.0, gain=2.0, offset=100.0, read_noise=3.0)
    >>> noise_out = stabilize(noisy, noise) - stabilize(clean, noise)
    >>> noise_out[:, :64].std().round(1), noise_out[:, -64:].std().round(1)
    (np.float64(1.0), np.float64(1.0))
    """
    _check_noise(noise)
    image = _as_real(image, "image")
    if noise.curve is not None:
        table = _table(noise.curve[0].tobytes(), noise.curve[1].tobytes())
        return _along(image, table.intensity, table.transform)
    shape = image.shape
    above = np.atleast_1d(image) - noise.offset
    result = _forward(above, noise.gain, noise.read_noise)
    darkest, at_darkest, slope = _darkest(noise)
    beyond = above < darkest
    if beyond.any():
        result[beyond] = at_darkest + (above[beyond] - darkest) * slope
    # Indexing with () turns what came in as a number into a number.
    return result.reshape(shape)[()]


def unstabilize(stabilized, noise, *, unbiased=True):
    """Bring a stabilised image back to intensities.

    Parameters
    ----------
    stabilized : array_like of real numbers, any shape
        What `stabilize` returned, usually after denoising.
    noise : NoiseModel
        The noise given to `stabilize`.
    unbiased : bool, default=True
        True: take the values as means of stabilised noisy pixels, as a denoiser's
        results are, and return the mean intensity (the exact unbiased inverse
        [1]_ [2]_). False: undo `stabilize` pixel by pixel, which would leave
        denoised images too dark by about a quarter of a photon.

    Returns
    -------
    image : ndarray of float64
        Intensities in the units of `noise`, same shape. Strictly increasing, not
        clipped: below the mean of no light it goes on as a straight line, and far below
        along that of `stabilize`.

    Raises
    ------
    TypeError
        If `stabilized` does not hold real numbers or `noise` is not a `NoiseModel`.

    See Also
    --------
    stabilize : The transform.

    Notes
    -----
    The exact inverse is tabulated up to 60 photons by summing over the
    Poisson-Gaussian distribution (once per model, a few milliseconds) and continued
    by its asymptotic series.

    References
    ----------
    .. [1] M. Makitalo, A. Foi, "Optimal inversion of the Anscombe transformation in
       low-count Poisson image denoising", IEEE Transactions on Image Processing 20
       (2011), :doi:`10.1109/TIP.2010.2056693`
    .. [2] M. Makitalo, A. Foi, "Optimal inversion of the generalized Anscombe
       transformation for Poisson-Gaussian noise", IEEE Transactions on Image
       Processing 22 (2013), :doi:`10.1109/TIP.2012.2202675`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import NoiseModel, add_poisson_noise, stabilize, unstabilize
    >>> noise = NoiseModel(level=1.4, gain=1.0)
    >>> counts = add_poisson_noise(np.full((512, 512), 2.0), 1.0, rng=0)
    >>> mean = stabilize(counts, noise).mean()
    >>> unstabilize(mean, noise).round(1)
    np.float64(2.0)
    >>> unstabilize(mean, noise, unbiased=False).round(1)
    np.float64(1.8)
    """
    _check_noise(noise)
    stabilized = _as_real(stabilized, "stabilized")
    if noise.curve is not None:
        table = _table(noise.curve[0].tobytes(), noise.curve[1].tobytes())
        transform = table.mean if unbiased else table.transform
        return _along(stabilized, transform, table.intensity)
    d = np.atleast_1d(stabilized)
    _, at_darkest, slope = _darkest(noise)
    explained = np.maximum(d, at_darkest)
    if noise.gain == 0:
        result = explained * (noise.read_noise or 1.0)
    elif unbiased:
        result = _unbiased_inverse(explained, noise.gain, noise.read_noise)
    else:
        result = _algebraic_inverse(explained, noise.gain, noise.read_noise)
    beyond = d < at_darkest
    if beyond.any():
        result[beyond] += (d[beyond] - at_darkest) / slope
    result += noise.offset
    return result.reshape(stabilized.shape)[()]


class Curves(NamedTuple):
    """What `stabilize` and `unstabilize` are made of, for arrays of other libraries.

    Attributes
    ----------
    offset, gain, read : float
        Of the noise.
    tangent : tuple of four float
        What ``gain * x + read**2 + 3/8 gain**2`` is at least under the root, and where
        it is less: intensity above the offset, transform and slope where the straight
        line starts.
    dark : tuple of three float
        Intensity above the offset, transform, and slope of the straight line at the
        darkest end; of minus infinity where there is none.
    table : tuple of three ndarray or None
        Intensity, transform and mean transform, where the variance is a curve.
    correction : tuple or None
        Of the unbiased inverse in photons: knots, coefficients (4, n) of cubics, value
        of the inverse's slope at the first knot, the two terms of the tail. None where
        it is a quarter of a photon everywhere.
    """

    offset: float
    gain: float
    read: float
    tangent: tuple
    dark: tuple
    table: tuple | None
    correction: tuple | None


def curves_of(noise) -> Curves:
    """Lay open what `stabilize` and `unstabilize` compute for a model.

    Parameters
    ----------
    noise : NoiseModel
        The model.

    Returns
    -------
    Curves
    """
    _check_noise(noise)
    gain, read, table, correction = noise.gain, noise.read_noise, None, None
    if noise.curve is not None:
        table = tuple(_table(noise.curve[0].tobytes(), noise.curve[1].tobytes()))
    least = min(read**2 + 0.375 * gain**2, _TANGENT_BELOW * gain**2)
    tangent = (least, *(_start_of_tangent(gain, read) if gain else (-math.inf, 0, 1)))
    if gain and read / gain <= _TABLE_READ:
        found = _inverse_correction(round(read / gain, 9))
        correction = (found.spline.x, found.spline.c, found.slope, found.tail)
    return Curves(noise.offset, gain, read, tangent, _darkest(noise), table, correction)


class _Table(NamedTuple):
    """The transform of noise whose variance is given by a curve."""

    intensity: np.ndarray
    transform: np.ndarray  # of the intensity
    mean: np.ndarray  # of the transform of noisy pixels of that intensity; rising


@lru_cache(maxsize=32)
def _table(intensity: bytes, variance: bytes) -> _Table:
    """Integrate one over the deviation; arrays as bytes, so that it is kept."""
    at, variance = (np.frombuffer(each) for each in (intensity, variance))
    span = at[-1] - at[0]
    x = np.linspace(at[0] - _CURVE_BEYOND * span, at[-1] + _CURVE_BEYOND * span, 4001)
    # Half of the steps are even in the intensity, half in what it is transformed to.
    inside = (x >= at[0]) & (x <= at[-1])
    slope = np.where(inside, 1 / np.sqrt(np.interp(x, at, variance)), 0)
    along = integrate.cumulative_trapezoid(slope, x, initial=0)
    along = along / along[-1] + np.linspace(0, 1, len(x))
    x = np.interp(np.linspace(0, 2, len(x)), along, x)
    deviation = np.sqrt(np.interp(x, at, variance))
    # Corners would show in what comes back.
    deviation = ndimage.gaussian_filter1d(deviation, _CURVE_BLUR, mode="nearest")
    transform = integrate.cumulative_trapezoid(1 / deviation, x, initial=0)
    transform -= np.interp(at[0], x, transform)
    # E[f(y)] = f(x) + f''(x) var / 2, and f'' = -deviation' / deviation**2.
    mean = transform - np.gradient(deviation, x) / 2
    mean = np.maximum.accumulate(mean) + 1e-9 * np.arange(len(x))
    return _Table(x, transform, mean)


def _along(values, start, end):
    """Map values from one rising axis to another, straight on beyond the ends."""
    result = np.interp(values, start, end)
    for edge, inner in ((0, 1), (-1, -2)):
        slope = (end[edge] - end[inner]) / (start[edge] - start[inner])
        beyond = values < start[0] if edge == 0 else values > start[-1]
        result = np.where(beyond, end[edge] + (values - start[edge]) * slope, result)
    return result[()]


def _darkest(noise: NoiseModel) -> tuple[float, float, float]:
    """Describe the line on which pixels lie that are too dark for the model.

    Returns
    -------
    darkest : float
        Intensity above the offset where it starts, below 0.
    at_darkest : float
        The transform there.
    slope : float
        Derivative of the transform below.
    """
    gain, read = noise.gain, noise.read_noise
    darkest = -(_DARKEST_READ * read + gain)
    v = max(read**2 + 0.375 * gain**2 + gain * darkest, _TANGENT_BELOW * gain**2)
    if gain == 0 or noise.level**2 <= v:
        # The model's own slope there, 1 / sqrt(v), is no steeper.
        return -math.inf, -math.inf, 1.0
    at_darkest = float(_forward(np.array([darkest]), gain, read)[0])
    return darkest, at_darkest, 1 / noise.level


def _check_noise(noise) -> None:
    if not isinstance(noise, NoiseModel):
        raise TypeError(
            f"noise must be a NoiseModel, got {type(noise).__name__}; measure one "
            "with n2d.noise.estimate_noise or write NoiseModel(level=...)"
        )


def _undo_root(d: np.ndarray, gain: float, read: float) -> np.ndarray:
    """Undo the root of `_forward`, as if there were no tangent."""
    result = d * (gain / 4)
    result += math.sqrt(read**2 + 0.375 * gain**2)
    result *= d
    return result


def _algebraic_inverse(d: np.ndarray, gain: float, read: float) -> np.ndarray:
    """Undo `_forward`; `gain` is above 0."""
    result = _undo_root(d, gain, read)
    edge, at_edge, slope = _start_of_tangent(gain, read)
    below = d < at_edge
    if below.any():
        result[below] = edge + (d[below] - at_edge) / slope
    return result


def _unbiased_inverse(d: np.ndarray, gain: float, read: float) -> np.ndarray:
    """Mean intensity above the offset of pixels whose transforms have mean `d`."""
    counts_read = read / gain
    if counts_read > _TABLE_READ:
        # E[f(y)] = f(x) + f''(x) var(y) / 2, the higher terms being nil by now.
        return _algebraic_inverse(d, gain, read) + gain / 4
    result = _undo_root(d, gain, read)
    table = _inverse_correction(round(counts_read, 9))
    inside = (d >= table.first) & (d <= table.last)
    correction = np.empty_like(d)
    correction[inside] = table.spline(d[inside])
    high = d > table.last
    inverse = 1 / (d[high] + 2 * math.sqrt(counts_read**2 + 0.375))
    correction[high] = 0.25 + inverse * (table.tail[0] + inverse * table.tail[1])
    low = d < table.first
    correction[low] = 0
    correction *= gain
    result += correction
    result[low] = gain * table.slope * (d[low] - table.first)
    return result


class _Correction(NamedTuple):
    """What the exact unbiased inverse adds to undoing the root, in photons."""

    spline: CubicSpline  # against the mean transform, from `first` to `last`
    first: float  # mean transform at no light
    slope: float  # derivative of the inverse there
    last: float  # mean transform at the table's end
    # Beyond: 1/4 + tail[0] / s + tail[1] / s**2 with s = d + 2 sqrt(read**2 + 3/8).
    tail: tuple[float, float]


@lru_cache(maxsize=32)
def _inverse_correction(read: float) -> _Correction:
    """Integrate the transform over the distribution; `read` is in photons."""
    photons = np.arange(int(_TABLE_COUNTS + 12 * np.sqrt(_TABLE_COUNTS)) + 1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(81)
    readings = photons[:, None] + read * nodes
    transforms = _forward(readings, 1.0, read) @ (weights / weights.sum())
    # Finest where the curve bends most, at few photons.
    counts = np.linspace(0, np.sqrt(_TABLE_COUNTS), 160) ** 2
    probabilities = poisson.pmf(photons, counts[:, None])
    mean = probabilities @ transforms
    # d/dm sum_k p(k; m) g(k) = sum_k p(k; m) (g(k + 1) - g(k)).
    derivative = probabilities[:, :-1] @ np.diff(transforms)
    root = math.sqrt(read**2 + 0.375)
    correction = counts - mean * (mean / 4 + root)
    ends = tuple((1, 1 / derivative[i] - (mean[i] / 2 + root)) for i in (0, -1))
    spline = CubicSpline(mean, correction, bc_type=ends)
    # Two terms of the series take over value and derivative at the table's end.
    s = mean[-1] + 2 * root
    value, rate = correction[-1] - 0.25, ends[1][1]
    tail = (2 * value * s + rate * s**2, -(value * s**2 + rate * s**3))
    return _Correction(spline, mean[0], 1 / derivative[0], mean[-1], tail)
