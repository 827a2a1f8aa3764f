"""What a denoiser has taken away, looked at: without a clean image.

A result can be trusted the more, the more what was taken away looks like noise: of the
measured level and correlation, without a trace of the scene, and of mean 0. Where the
same scene was taken twice, the Fourier ring correlation tells the resolution.
"""

import math
from dataclasses import dataclass

import numpy as np

from n2d._masked import read_numbers
from n2d.noise import NoiseModel, discount_texture, estimate_noise

# Nieuwenhuizen et al. (2013): rings are averaged over so many neighbours before the
# curve is asked where it falls below a threshold.
_SMOOTHED_RINGS = 3


@dataclass(frozen=True, eq=False)
class ResidualReport:
    """What `check_residual` found; ``print`` it to read it.

    Attributes
    ----------
    level : float
        Standard deviation of the residual in units of the noise: 1 where exactly the
        noise was taken away, less where noise was left in, more where structure went
        along.
    correlation : ndarray of float, shape (2, n_lags)
        Correlation of the residual between pixels 1, 2, ... apart, along y and x.
    noise_correlation : ndarray of float, shape (2, n_lags)
        The same of the measured noise, which the residual's should be.
    signal_correlation : float
        Correlation between residual and denoised image. Near 0 where no structure is
        in the residual; above 0 where contrast was lost, below 0 where it was raised.
    mean_noisy, mean_denoised : float
        Mean intensity before and after, in units of the image.
    mean_error : float
        Standard error of `mean_noisy` due to noise. Means are kept where they differ
        by no more than a few of these.
    noise : NoiseModel
        The noise that the residual was compared with, in units of the image.
    n_pixels : int
        How many pixels were looked at.
    """

    level: float
    correlation: np.ndarray
    noise_correlation: np.ndarray
    signal_correlation: float
    mean_noisy: float
    mean_denoised: float
    mean_error: float
    noise: NoiseModel
    n_pixels: int

    @property
    def excess_correlation(self):
        """Correlation of the residual minus that of the noise, where largest."""
        difference = (self.correlation - self.noise_correlation).ravel()
        return float(difference[np.argmax(np.abs(difference))])

    @property
    def mean_shift(self):
        """Mean intensity after denoising minus before, in units of the image."""
        return self.mean_denoised - self.mean_noisy

    def __str__(self):
        def numbers(values):
            return " ".join(f"{value:+.2f}" for value in values)

        lines = [
            ("residual / noise level", f"{self.level:.2f}", "noise alone: 1"),
            (
                "residual and signal",
                f"{self.signal_correlation:+.3f}",
                "noise alone: 0",
            ),
        ]
        for axis, name in enumerate("yx"):
            lines.append(
                (
                    f"correlation along {name}",
                    numbers(self.correlation[axis]),
                    f"noise: {numbers(self.noise_correlation[axis])}",
                )
            )
        lines.append(
            (
                "shift of the mean",
                f"{self.mean_shift:+.3g} from {self.mean_noisy:.5g}",
                f"standard error: {self.mean_error:.2g}",
            )
        )
        return "\n".join(f"{name:<23} {value}  ({note})" for name, value, note in lines)


def check_residual(noisy, denoised, noise=None):
    """Look for structure, correlation and bias in what denoising took away.

    Parameters
    ----------
    noisy : array_like of real numbers, shape (H, W) or (n, H, W)
        Noisy image, or a stack with the same noise. Not several channels: check each on
        its own.
    denoised : array_like of real numbers, shape of `noisy`
        The result, in the same units.
    noise : NoiseModel, optional
        The noise of `noisy`. None: measured on it.

    Returns
    -------
    ResidualReport
        Numbers with names; as a string, a table to read.

    Raises
    ------
    TypeError
        If an image does not hold real numbers or `noise` is no `NoiseModel`.
    ValueError
        If the shapes differ or do not fit, a value is not finite, or no noise is found.

    See Also
    --------
    fourier_ring_correlation : Resolution, from two images of the same scene.

    Notes
    -----
    The residual ``noisy - denoised`` is divided by the deviation that the noise has at
    the denoised intensity, so that dark and bright parts count alike. A residual like
    noise is necessary for a good result, not sufficient: an invented detail as weak as
    the noise would not show.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.diagnostics import check_residual
    >>> rng = np.random.default_rng(0)
    >>> clean = 100 + 50 * np.sin(np.arange(256) / 9) * np.ones((256, 1))
    >>> noisy = clean + rng.normal(0, 20, clean.shape)
    >>> print(check_residual(noisy, clean))
    residual / noise level  0.99  (noise alone: 1)
    residual and signal     +0.008  (noise alone: 0)
    correlation along y     ...
    >>> blurred = 100 + (clean - 100) / 2
    >>> bool(check_residual(noisy, blurred).signal_correlation > 0.5)
    True
    """
    noisy, denoised = _as_stack(noisy, "noisy"), _as_stack(denoised, "denoised")
    if noisy.shape != denoised.shape:
        raise ValueError(
            "noisy and denoised must have the same shape, got "
            f"{noisy.shape} and {denoised.shape}"
        )
    if noise is None:
        noise = discount_texture(estimate_noise(list(noisy)))
    elif not isinstance(noise, NoiseModel):
        raise TypeError(
            f"noise must be a NoiseModel, got {type(noise).__name__}; measure one with "
            "n2d.noise.estimate_noise or write NoiseModel(level=...)"
        )
    # At the dark end of photon noise the variance goes to 0, and with it the divisor.
    variance = np.maximum(noise.variance(denoised), 0.01 * noise.level**2)
    if not variance.min() > 0:
        raise ValueError("noisy has no noise to compare the residual with")
    residual = (noisy - denoised) / np.sqrt(variance)
    n_lags = noise.correlation.shape[1]
    # The mean of correlated noise is as uncertain as that of fewer pixels.
    clumping = max(float(np.prod(1 + 2 * noise.correlation.sum(axis=1))), 0.0)
    return ResidualReport(
        level=float(np.sqrt(np.mean(residual**2))),
        correlation=_autocorrelation(residual, n_lags),
        noise_correlation=noise.correlation,
        signal_correlation=_correlation(residual, denoised),
        mean_noisy=float(noisy.mean()),
        mean_denoised=float(denoised.mean()),
        mean_error=noise.level * math.sqrt(clumping / noisy.size),
        noise=noise,
        n_pixels=noisy.size,
    )


@dataclass(frozen=True, eq=False)
class RingCorrelation:
    """How well two images of the same scene agree at every spatial frequency.

    Attributes
    ----------
    frequency : ndarray of float, shape (n_rings,)
        Mean spatial frequency of every ring, in cycles per unit of `pixel_size`.
    correlation : ndarray of float, shape (n_rings,)
        Correlation of the two spectra in the ring: 1 for the same signal, 0 for noise.
    n_coefficients : ndarray of int, shape (n_rings,)
        Fourier coefficients in the ring.
    pixel_size : float
        Side of a pixel.
    """

    frequency: np.ndarray
    correlation: np.ndarray
    n_coefficients: np.ndarray
    pixel_size: float

    def threshold(self, criterion="1/7"):
        """Correlation below which a ring counts as not resolved.

        Parameters
        ----------
        criterion : {"1/7", "half-bit"}, default="1/7"
            ``"1/7"``: the constant customary in light microscopy. ``"half-bit"``: half
            a bit of information per coefficient in the mean of both images, which
            depends on the size of the ring.

        Returns
        -------
        ndarray of float, shape (n_rings,)
            One for every ring.

        Raises
        ------
        ValueError
            If `criterion` is another.
        """
        if criterion == "1/7":
            return np.full(len(self.frequency), 1 / 7)
        if criterion == "half-bit":
            rarity = 1 / np.sqrt(self.n_coefficients)
            # Half a bit together is a signal-to-noise ratio of (sqrt(2) - 1) / 2 each.
            ratio = (math.sqrt(2) - 1) / 2
            cross = 2 * math.sqrt(ratio) * rarity
            return (ratio + cross + rarity) / (ratio + 1 + cross)
        raise ValueError(f"criterion must be '1/7' or 'half-bit', got {criterion!r}")

    def resolution(self, criterion="1/7"):
        """Length below which details are not resolved.

        Parameters
        ----------
        criterion : {"1/7", "half-bit"}, default="1/7"
            See `threshold`.

        Returns
        -------
        float
            Inverse of the frequency at which the correlation, averaged over three
            rings, first falls below the threshold, in the unit of `pixel_size`. Two
            pixels, the finest that pixels can show, where it does not; infinite where
            it is below from the beginning.

        Raises
        ------
        ValueError
            If `criterion` is unknown.
        """
        weight = self.n_coefficients.astype(float)
        window = np.ones(min(_SMOOTHED_RINGS, len(weight)))
        smooth = np.convolve(self.correlation * weight, window, "same") / np.convolve(
            weight, window, "same"
        )
        above = smooth - self.threshold(criterion)
        below = np.flatnonzero(above < 0)
        if not len(below):
            return 2 * self.pixel_size
        first = below[0]
        if first == 0:
            return math.inf
        share = above[first - 1] / (above[first - 1] - above[first])
        low, high = self.frequency[first - 1], self.frequency[first]
        return float(1 / (low + share * (high - low)))

    def __str__(self):
        lines = [
            f"{name:<9} resolution {self.resolution(name):.4g}"
            for name in ("1/7", "half-bit")
        ]
        return "\n".join([*lines, f"pixel     {self.pixel_size:.4g}"])


def fourier_ring_correlation(first, second, *, pixel_size=1.0):
    """Correlate the spectra of two images of one scene, ring by ring.

    Parameters
    ----------
    first, second : array_like of real numbers, shape (H, W)
        Two images of the same scene with independent noise, such as two captures. At
        least 16 pixels a side.
    pixel_size : float, default=1.0
        Side of a pixel in the unit wanted for the resolution, such as 0.065 for
        micrometres; above 0.

    Returns
    -------
    RingCorrelation
        The curve; its `resolution` is what is asked for most.

    Raises
    ------
    TypeError
        If an image does not hold real numbers or `pixel_size` is not a number.
    ValueError
        If the shapes differ or are too small, a value is not finite, or `pixel_size` is
        not above 0.

    See Also
    --------
    check_residual : What can be said from one image.

    Notes
    -----
    The Fourier ring correlation [1]_, as used for optical resolution [2]_, with the
    half-bit criterion of [3]_. The means are subtracted and the images multiplied by a
    Hann window first, which keeps their borders from correlating. Rings are as wide as
    the lowest frequency of the shorter side.

    Noise that the two images share, such as a camera's fixed pattern, counts as signal.
    So does what a denoiser makes of two frames by habit: two denoised frames agree
    better than they are right. Rather compare ``denoise(first)`` with the noisy
    `second`.

    References
    ----------
    .. [1] W. O. Saxton, W. Baumeister, "The correlation averaging of a regularly
       arranged bacterial cell envelope protein", Journal of Microscopy 127, 1982.
       :doi:`10.1111/j.1365-2818.1982.tb00405.x`
    .. [2] R. P. J. Nieuwenhuizen et al., "Measuring image resolution in optical
       nanoscopy", Nature Methods 10, 2013. :doi:`10.1038/nmeth.2448`
    .. [3] M. van Heel, M. Schatz, "Fourier shell correlation threshold criteria",
       Journal of Structural Biology 151, 2005. :doi:`10.1016/j.jsb.2005.05.009`

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from n2d.diagnostics import fourier_ring_correlation
    >>> rng = np.random.default_rng(0)
    >>> scene = gaussian_filter(rng.normal(size=(256, 256)), 2)
    >>> frames = scene + rng.normal(0, 0.05, (2, 256, 256))
    >>> frc = fourier_ring_correlation(*frames, pixel_size=0.1)
    >>> bool(0.4 < frc.resolution() < 0.5)  # micrometres
    True
    """
    first, second = _as_stack(first, "first"), _as_stack(second, "second")
    if first.shape != second.shape or len(first) != 1:
        raise ValueError(
            "first and second must be two images of the same shape (H, W), got "
            f"{first.shape[1:]} and {second.shape[1:]}"
        )
    if min(first.shape[1:]) < 16:
        raise ValueError(
            f"images must have at least 16 pixels a side, got {first.shape[1:]}"
        )
    try:
        size = float(pixel_size)
    except (TypeError, ValueError):
        raise TypeError(f"pixel_size must be one number, got {pixel_size!r}") from None
    if not (math.isfinite(size) and size > 0):
        raise ValueError(f"pixel_size must be finite and above 0, got {pixel_size!r}")

    height, width = first.shape[1:]
    window = np.outer(
        *(
            0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
            for n in (height, width)
        )
    )
    a, b = (
        np.fft.fft2((image[0] - image.mean()) * window) for image in (first, second)
    )
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.rint(radius * min(height, width)).astype(int)
    # Ring 0 is the mean; corners beyond the Nyquist frequency see one diagonal only.
    rings = slice(1, min(height, width) // 2)

    def total(values):
        return np.bincount(ring.ravel(), values.ravel())[rings]

    power = np.sqrt(total(np.abs(a) ** 2) * total(np.abs(b) ** 2))
    common = total((a * b.conj()).real)
    count = np.bincount(ring.ravel())[rings]
    return RingCorrelation(
        frequency=total(radius) / count / size,
        correlation=np.divide(common, power, out=np.zeros_like(power), where=power > 0),
        n_coefficients=count,
        pixel_size=size,
    )


def _as_stack(image, name):
    """Return a finite float64 array (n, H, W)."""
    array = read_numbers(image, name)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"{name} must have shape (H, W) or (n, H, W), got {array.shape}"
        )
    return array.reshape(-1, *array.shape[-2:])


def _autocorrelation(residual, n_lags):
    """Correlation (2, n_lags) of a stack (n, H, W) along y and x; 0 if it is 0."""
    residual = residual - residual.mean()
    power = np.mean(residual**2)
    correlation = np.zeros((2, n_lags))
    for axis in (0, 1):
        lines = np.moveaxis(residual, 1 + axis, 0)
        for lag in range(1, min(n_lags, len(lines) - 1) + 1):
            if power > 0:
                product = np.mean(lines[lag:] * lines[:-lag])
                correlation[axis, lag - 1] = product / power
    return correlation


def _correlation(a, b):
    """Pearson's correlation of all values, 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    power = math.sqrt(np.sum(a**2) * np.sum(b**2))
    return float(np.sum(a * b) / power) if power > 0 else 0.0
