"""The bilateral filter."""

import math
from numbers import Real

import numpy as np

from n2d._sklearn import Interval
from n2d.baselines._classical import WhiteNoiseDenoiser


class BilateralDenoiser(WhiteNoiseDenoiser):
    """Average near pixels of like intensity: the bilateral filter.

    Parameters
    ----------
    strength : float, default=2.0
        How unlike pixels may be, in units of the noise's standard deviation: standard
        deviation of the Gaussian weight of differences in intensity. About 2 is best
        for natural images [2]_.
    blur : float, default=1.8
        Standard deviation of the Gaussian weight of distances, in pixels; 1.5 to 2.1
        is best for natural images, whatever the noise [2]_. Weights end at three
        standard deviations.
    sigma : float, NoiseModel, sequence of these or "auto", default="auto"
        Standard deviation of the noise in the units of X, one for all channels or one
        for each; of a NoiseModel the level. ``"auto"``: measured by
        `n2d.noise.estimate_noise`.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.
        Channels share their weights, by their Euclidean distance.

    Attributes
    ----------
    noise_ : NoiseModel, or tuple of NoiseModel
        The noise in the units of X; for every channel if there is a `channel_axis`.
    sigma_ : float, or ndarray of shape (C,)
        The level of `noise_`. Channels where it is 0 are left as they are.
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    VarianceStabilizedDenoiser : For noise that grows with intensity.
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    The filter as published [1]_. With several channels the weight of differences is
    wider by the root of their number, as their noise adds up. Borders are mirrored.
    Any real dtype is accepted; the result has dtype
    ``np.result_type(X.dtype, np.float32)`` and the units of X.

    References
    ----------
    .. [1] C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images",
       ICCV 1998, :doi:`10.1109/ICCV.1998.710815`
    .. [2] M. Zhang, B. K. Gunturk, "Multiresolution bilateral filtering for image
       denoising", IEEE Transactions on Image Processing 17 (2008),
       :doi:`10.1109/TIP.2008.2006658`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import BilateralDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = np.kron(rng.random((4, 4)), np.full((32, 32), 100.0))
    >>> noisy = clean + rng.normal(0, 10, clean.shape)
    >>> denoised = BilateralDenoiser().fit_transform(noisy)
    >>> bool(np.std(denoised - clean) < np.std(noisy - clean) / 2)
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **WhiteNoiseDenoiser._parameter_constraints,
        "strength": [Interval(Real, 0, None, closed="neither")],
        "blur": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, *, strength=2.0, blur=1.8, sigma="auto", channel_axis=None):
        self.strength = strength
        self.blur = blur
        self.sigma = sigma
        self.channel_axis = channel_axis

    def _denoise_unit(self, values):
        # Not skimage.restoration.denoise_bilateral: up to 0.26 its table of spatial
        # weights has one row and column too many, which shears the kernel, its weights
        # of differences depend on the number of channels, and it warns of more than 4.
        n_channels, height, width = values.shape
        reach = math.ceil(3 * self.blur)
        padded = np.pad(values, [(0, 0), (reach, reach), (reach, reach)], "symmetric")
        scale = -0.5 / (n_channels * self.strength**2)
        total, weights = np.zeros_like(values), np.zeros((height, width))
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                top, left = reach + dy, reach + dx
                other = padded[:, top : top + height, left : left + width]
                weight = scale * np.sum((other - values) ** 2, axis=0)
                weight -= 0.5 * (dy**2 + dx**2) / self.blur**2
                np.exp(weight, out=weight)
                total += weight * other
                weights += weight
        return total / weights
