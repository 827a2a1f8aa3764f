"""Magnitude images: the mean of Rician noise, and the signal behind it."""

from __future__ import annotations

import numpy as np
from scipy.special import i0e, i1e

from n2d.noise.simulate import _as_number
from n2d.noise.stabilize import _as_real

# In units of the noise: up to here the mean is tabulated; beyond, it is a + 1 / (2 a),
# to 1e-5.
_TABLE_ENDS, _TABLE_STEPS = 30.0, 6001


def _table():
    """Signals, and the mean magnitude of each, in units of the noise."""
    signal = np.linspace(0, _TABLE_ENDS, _TABLE_STEPS)
    x = signal**2 / 4
    return signal, np.sqrt(np.pi / 2) * ((1 + 2 * x) * i0e(x) + 2 * x * i1e(x))


def remove_rician_bias(denoised, sigma):
    """Give the signal whose noisy magnitudes have the mean that a denoiser found.

    Denoising gives the mean of the noisy image. In a magnitude image, as in magnetic
    resonance, that is above the signal where the signal is weak: 1.25 times `sigma`
    where there is none. This is the inverse of that mean [1]_.

    Parameters
    ----------
    denoised : array_like of real numbers, any shape
        Denoised magnitude image.
    sigma : float
        Standard deviation of the noise in the real and in the imaginary part, in the
        unit of `denoised`; above 0. The mean of the noisy image in the air, where there
        is no signal, divided by 1.2533.

    Returns
    -------
    signal : ndarray of float64
        Same shape; 0 where `denoised` is below the mean of noise alone.

    Raises
    ------
    TypeError
        If `denoised` does not hold real numbers or `sigma` is not a number.
    ValueError
        If `sigma` is not above 0.

    See Also
    --------
    add_rician_noise : Adds such noise.

    Notes
    -----
    For one receiver coil, or several added up as complex numbers. The root of a sum of
    squares over many coils is raised by more.

    References
    ----------
    .. [1] C. G. Koay, P. J. Basser, "Analytically exact correction scheme for signal
       extraction from noisy magnitude MR signals", Journal of Magnetic Resonance 179
       (2006), :doi:`10.1016/j.jmr.2006.01.016`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import add_rician_noise, remove_rician_bias
    >>> noisy = add_rician_noise(np.full((400, 400), 0.15), 0.1, rng=0)
    >>> mean = noisy.mean()  # what denoising gives
    >>> mean.round(2), remove_rician_bias(mean, 0.1).round(2)
    (np.float64(0.19), np.float64(0.15))
    """
    sigma = _as_number(sigma, "sigma", positive=True)
    mean = _as_real(denoised, "denoised") / sigma
    far = np.maximum(mean, _TABLE_ENDS)
    beyond = (far + np.sqrt(far**2 - 2)) / 2
    signal, table = _table()
    return sigma * np.where(mean > table[-1], beyond, np.interp(mean, table, signal))
