"""Seeded noise for tests, training scenes and demonstrations.

Nothing here clips: a detector's clipping and rounding are a separate step, so
that the noise keeps the mean and the variance its parameters promise.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from n2d._masked import read_unmasked

# numpy draws Poisson counts as 64-bit integers and refuses means above this.
_LARGEST_COUNT = 9.2e18


def _as_image(image) -> np.ndarray:
    """Return `image` as finite float64, or say what is wrong with it."""
    array = read_unmasked(image, "image")
    if array.dtype.kind not in "buif":
        raise TypeError(
            f"image must hold real numbers, got dtype {array.dtype}; "
            "convert it with np.asarray(image, dtype=float) first"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(
            "image has NaN or infinite values; replace them before adding noise"
        )
    return array


def _as_number(value, name: str, *, positive: bool = False) -> float:
    """Return a finite scalar, at least 0, or above 0 where `positive`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be one number, got {value!r}") from None
    if not np.isfinite(number) or number < 0 or (positive and number == 0):
        wanted = "above 0" if positive else "at least 0"
        raise ValueError(f"{name} must be finite and {wanted}, got {value!r}")
    return number


def _poisson(mean: np.ndarray, rng: np.random.Generator, cure: str) -> np.ndarray:
    """Draw counts of the given `mean`, refusing what Poisson cannot be."""
    if mean.size and mean.min() < 0:
        raise ValueError(
            f"image asks for a negative number of photons ({mean.min():.4g}); {cure}"
        )
    if mean.size and mean.max() > _LARGEST_COUNT:
        raise ValueError(
            f"image asks for {mean.max():.4g} photons in one pixel, more than "
            f"{_LARGEST_COUNT:.2g}; at such counts the noise is nil: lower the peak "
            "or raise the gain"
        )
    return rng.poisson(mean).astype(np.float64)


def add_gaussian_noise(image, sigma, *, rng=None):
    """Add independent Gaussian noise to every pixel.

    Parameters
    ----------
    image : array_like of real numbers, any shape
        Clean image, in any unit.
    sigma : float
        Standard deviation of the noise, in the unit of `image`; at least 0.
    rng : None, int or numpy.random.Generator, default=None
        Source of randomness; an int gives the same noise each time.

    Returns
    -------
    noisy : ndarray of float64
        `image` plus noise, same shape, not clipped.

    Raises
    ------
    TypeError
        If `image` does not hold real numbers or `sigma` is not a number.
    ValueError
        If `image` is not finite or `sigma` is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import add_gaussian_noise
    >>> noisy = add_gaussian_noise(np.zeros((256, 256)), 0.1, rng=0)
    >>> bool(abs(noisy.std() - 0.1) < 0.001)
    True
    """
    image = _as_image(image)
    sigma = _as_number(sigma, "sigma")
    return image + sigma * np.random.default_rng(rng).standard_normal(image.shape)


def add_poisson_noise(image, peak, *, rng=None):
    """Replace an image by photon counts of which it is the mean.

    Parameters
    ----------
    image : array_like of real numbers, any shape
        Clean image, at least 0, as a fraction of the data range: a pixel of 1
        receives `peak` photons on average.
    peak : float
        Photons at intensity 1; above 0. The smaller, the noisier.
    rng : None, int or numpy.random.Generator, default=None
        Source of randomness; an int gives the same noise each time.

    Returns
    -------
    noisy : ndarray of float64
        Counts divided by `peak`: mean `image`, variance ``image / peak``, same
        shape, not clipped.

    Raises
    ------
    TypeError
        If `image` does not hold real numbers or `peak` is not a number.
    ValueError
        If `image` is negative somewhere or not finite, or `peak` is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import add_poisson_noise
    >>> noisy = add_poisson_noise(np.full((256, 256), 0.5), peak=20, rng=0)
    >>> bool(abs(noisy.var() - 0.5 / 20) < 0.001)
    True
    """
    image = _as_image(image)
    peak = _as_number(peak, "peak", positive=True)
    counts = _poisson(
        image * peak,
        np.random.default_rng(rng),
        "shift or clip image to at least 0 first",
    )
    return counts / peak


def add_poisson_gaussian_noise(image, gain, sigma, *, offset=0.0, rng=None):
    """Photograph an image with a detector: photon noise, gain and read noise.

    The result is ``gain * Poisson((image - offset) / gain) + offset +
    Normal(0, sigma**2)``: mean `image`, variance ``gain * (image - offset) +
    sigma**2``.

    Parameters
    ----------
    image : array_like of real numbers, any shape
        Clean image in detector units, nowhere below `offset`.
    gain : float
        Detector units per photon, at least 0; 0 means no photon noise, which is
        what the formula tends to.
    sigma : float
        Standard deviation of the read noise, in detector units; at least 0.
    offset : float, default=0.0
        Detector units at no light.
    rng : None, int or numpy.random.Generator, default=None
        Source of randomness; an int gives the same noise each time.

    Returns
    -------
    noisy : ndarray of float64
        Noisy image in detector units, same shape, not clipped.

    Raises
    ------
    TypeError
        If `image` does not hold real numbers or a parameter is not a number.
    ValueError
        If `image` lies below `offset` somewhere or is not finite, or a parameter
        is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import add_poisson_gaussian_noise
    >>> clean = np.full((256, 256), 120.0)
    >>> noisy = add_poisson_gaussian_noise(clean, 2.0, 3.0, offset=100.0, rng=0)
    >>> bool(abs(noisy.var() - (2.0 * 20 + 9)) < 1)
    True
    """
    image = _as_image(image)
    gain = _as_number(gain, "gain")
    sigma = _as_number(sigma, "sigma")
    try:
        offset = float(offset)
    except (TypeError, ValueError):
        raise TypeError(f"offset must be one number, got {offset!r}") from None
    if not np.isfinite(offset):
        raise ValueError(f"offset must be finite, got {offset!r}")
    rng = np.random.default_rng(rng)
    if gain > 0:
        cure = f"clip image to at least offset={offset:g} or lower offset"
        image = gain * _poisson((image - offset) / gain, rng, cure) + offset
    return image + sigma * rng.standard_normal(image.shape)


def _unit_energy_kernel(blur: float) -> np.ndarray:
    """Gaussian taps whose squares add to 1: filtered white noise keeps its level."""
    radius = int(np.ceil(4 * blur))
    taps = np.arange(-radius, radius + 1)
    # The floor keeps a vanishing blur finite; taps beside the centre are then 0.
    kernel = np.exp(-0.5 * (taps / max(blur, 1e-6)) ** 2)
    return kernel / np.sqrt(np.sum(kernel**2))


def add_correlated_noise(image, sigma, blur, *, axes=(-2, -1), rng=None):
    """Add Gaussian noise that neighbouring pixels share.

    White noise is blurred by a Gaussian kernel and rescaled, so its correlation
    at a distance of `d` pixels is close to ``exp(-d**2 / (4 * blur**2))`` for a
    blur of half a pixel or more.

    Parameters
    ----------
    image : array_like of real numbers, at least 2-D
        Clean image, in any unit.
    sigma : float
        Standard deviation of the noise after blurring, in the unit of `image`;
        at least 0.
    blur : float or (float, float)
        Standard deviation of the blur in pixels, one for both axes or one per axis
        (y, x); at least 0, where 0 means no blur along that axis.
    axes : (int, int), default=(-2, -1)
        The axes (y, x) of `image` that are blurred; along the others, such as
        channels or a stack, the noise is independent.
    rng : None, int or numpy.random.Generator, default=None
        Source of randomness; an int gives the same noise each time.

    Returns
    -------
    noisy : ndarray of float64
        `image` plus noise, same shape, not clipped; the noise is stationary up to
        the borders.

    Raises
    ------
    TypeError
        If `image` does not hold real numbers or a parameter is not a number.
    ValueError
        If `image` is not finite or has fewer than two axes, or a parameter is out
        of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import add_correlated_noise
    >>> noise = add_correlated_noise(np.zeros((256, 256)), 1.0, 0.7, rng=0)
    >>> bool(abs(np.mean(noise[:, 1:] * noise[:, :-1]) - 0.6) < 0.03)
    True
    """
    image = _as_image(image)
    sigma = _as_number(sigma, "sigma")
    blurs = [_as_number(b, "blur") for b in np.atleast_1d(np.asarray(blur, object))]
    if len(blurs) not in (1, 2):
        raise ValueError(f"blur must be one number or two, (y, x), got {blur!r}")
    if len(blurs) == 1:
        blurs = blurs * 2
    if image.ndim < 2:
        raise ValueError(f"image must have at least two axes, got {image.ndim}")
    if len(axes) != 2:
        raise ValueError(f"axes must be two axes, (y, x), got {axes!r}")
    try:
        y, x = (range(image.ndim)[axis] for axis in axes)
    except IndexError:
        raise ValueError(
            f"axes must lie in an image of {image.ndim} axes, got {axes!r}"
        ) from None
    if y == x:
        raise ValueError(f"axes must be two different axes, got {axes!r}")
    kernels = {y: _unit_energy_kernel(blurs[0]), x: _unit_energy_kernel(blurs[1])}
    # A margin as wide as the kernel is drawn and cut off: no border has another
    # variance, and opposite borders share nothing.
    margin = [len(kernels[a]) // 2 if a in kernels else 0 for a in range(image.ndim)]
    drawn = [n + 2 * m for n, m in zip(image.shape, margin, strict=True)]
    noise = np.random.default_rng(rng).standard_normal(drawn)
    if image.size == 0:
        return image
    for axis, kernel in kernels.items():
        noise = ndimage.correlate1d(noise, kernel, axis=axis, mode="constant")
    inside = tuple(slice(m, m + n) for n, m in zip(image.shape, margin, strict=True))
    return image + sigma * noise[inside]


def add_rician_noise(image, sigma, *, rng=None):
    """Add the noise of a magnitude image, as in magnetic resonance.

    The result is the magnitude of a complex signal whose real and imaginary parts
    each carry Gaussian noise. Where the signal is far above `sigma` the noise is
    nearly Gaussian; near zero the mean is raised, up to ``1.25 * sigma``.

    Parameters
    ----------
    image : array_like of real numbers, any shape
        Clean magnitude image, at least 0, in any unit.
    sigma : float
        Standard deviation of the noise in each of the two parts, in the unit of
        `image`; at least 0.
    rng : None, int or numpy.random.Generator, default=None
        Source of randomness; an int gives the same noise each time.

    Returns
    -------
    noisy : ndarray of float64
        Magnitude image, same shape, not clipped.

    Raises
    ------
    TypeError
        If `image` does not hold real numbers or `sigma` is not a number.
    ValueError
        If `image` is negative somewhere or not finite, or `sigma` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import add_rician_noise
    >>> noisy = add_rician_noise(np.zeros((256, 256)), 0.1, rng=0)
    >>> bool(abs(noisy.mean() - 0.1 * np.sqrt(np.pi / 2)) < 0.001)
    True
    """
    image = _as_image(image)
    sigma = _as_number(sigma, "sigma")
    if image.size and image.min() < 0:
        raise ValueError(
            f"image must be a magnitude, at least 0, but its smallest value is "
            f"{image.min():.4g}; shift it or take its absolute value first"
        )
    rng = np.random.default_rng(rng)
    real = image + sigma * rng.standard_normal(image.shape)
    return np.hypot(real, sigma * rng.standard_normal(image.shape))
