"""Gaussian blur, as wide as the noise asks for."""

from numbers import Real

import numpy as np
from scipy import ndimage

from n2d._sklearn import Interval, StrOptions
from n2d.baselines._classical import (
    ClassicalDenoiser,
    WhiteNoiseDenoiser,
    noise_attributes,
)

# Widths tried, in pixels: steps of a fifth, which cost nothing measurable in quality.
_BLURS = np.concatenate([[0.0], np.geomspace(0.25, 8.0, 20)])

# Half a side of the probe for a filter's response, in pixels: as far as the widest
# filter reaches.
_HALF = 32


class GaussianDenoiser(ClassicalDenoiser):
    """Blur images with a Gaussian.

    Parameters
    ----------
    blur : float or "auto", default="auto"
        Standard deviation of the Gaussian, in pixels. ``"auto"``: the width of
        smallest estimated squared error, for every channel, by Mallows' C_p [1]_,
        which is Stein's unbiased risk estimate of a linear filter.
    sigma : float, NoiseModel, sequence of these or "auto", default="auto"
        Standard deviation of the noise in the units of X, one for all channels or one
        for each; needed for ``blur="auto"`` alone. ``"auto"``: measured, with its
        correlation, by `n2d.noise.estimate_noise`.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.

    Attributes
    ----------
    blur_ : float, or ndarray of shape (C,)
        The width used, in pixels; for every channel if there is a `channel_axis`.
    noise_ : NoiseModel, or tuple of NoiseModel
        The noise that the width was chosen for, in the units of X; only with
        ``blur="auto"``.
    sigma_ : float, or ndarray of shape (C,)
        The level of `noise_`.
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    Channels are filtered one by one. Borders are mirrored. Any real dtype is accepted;
    the result has dtype ``np.result_type(X.dtype, np.float32)`` and the units of X.

    References
    ----------
    .. [1] C. L. Mallows, "Some comments on C_p", Technometrics 15 (1973),
       :doi:`10.1080/00401706.1973.10489103`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import GaussianDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = np.tile(np.sin(np.arange(128) / 5), (128, 1))
    >>> noisy = clean + rng.normal(0, 0.5, clean.shape)
    >>> denoiser = GaussianDenoiser().fit(noisy)
    >>> 1 < denoiser.blur_ < 3
    True
    >>> bool(np.std(denoiser.transform(noisy) - clean) < 0.2)
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **WhiteNoiseDenoiser._parameter_constraints,
        "blur": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, *, blur="auto", sigma="auto", channel_axis=None):
        self.blur = blur
        self.sigma = sigma
        self.channel_axis = channel_axis

    def _settle(self, windows):
        if not isinstance(self.blur, str):
            blurs, fitted = [float(self.blur)] * len(windows[0]), {}
        else:
            noise = self._measured(windows)
            fitted = noise_attributes(noise, self.channel_axis)
            blurs = [
                best_blur([window[c] for window in windows], model)
                for c, model in enumerate(noise)
            ]
        blur = blurs[0] if self.channel_axis is None else np.array(blurs)
        return {**fitted, "blur_": blur}

    def _denoise(self, values):
        blurs = np.atleast_1d(self.blur_)
        return np.stack(
            [_filtered(x, blur) for x, blur in zip(values, blurs, strict=True)]
        )


def best_blur(windows, noise):
    """Find the width of a Gaussian filter with the smallest estimated risk.

    Parameters
    ----------
    windows : list of ndarray of shape (h, w)
        Noisy images.
    noise : NoiseModel
        Their noise: level and correlation are used.

    Returns
    -------
    float
        Standard deviation of the filter, in pixels; 0 where there is no noise.
    """
    if noise.level == 0:
        return 0.0
    probe = np.zeros((2 * _HALF + 1, 2 * _HALF + 1))
    probe[_HALF, _HALF] = 1
    lags = np.arange(-noise.correlation.shape[1], noise.correlation.shape[1] + 1)
    # Correlation at a distance (y, x): that along y times that along x.
    along = [np.concatenate([row[::-1], [1.0], row]) for row in noise.correlation]
    near = np.ix_(lags + _HALF, lags + _HALF)

    def risk(blur):
        """Squared error, up to a constant: ||y - Gy||^2 + 2 cov(noise, G noise)."""
        removed = sum(np.sum((x - _filtered(x, blur)) ** 2) for x in windows)
        kept = along[0] @ _filtered(probe, blur)[near] @ along[1]
        return removed / sum(x.size for x in windows) + 2 * noise.level**2 * kept

    return float(min(_BLURS, key=risk))


def _filtered(image, blur):
    return ndimage.gaussian_filter(image, blur, mode="reflect") if blur else image
