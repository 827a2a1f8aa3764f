"""BM4D, by the package of its authors."""

import numpy as np

from n2d.baselines._classical import WhiteNoiseDenoiser, mirrored, series_of

# Blocks have up to 8 pixels a side; thinner volumes are taken plane by plane.
_SMALLEST, _SMALLEST_DEPTH = 16, 5


class BM4DDenoiser(WhiteNoiseDenoiser):
    """Filter groups of like cubes together: BM4D, block-matching in volumes.

    Parameters
    ----------
    sigma : float, NoiseModel, sequence of these or "auto", default="auto"
        Standard deviation of the noise in the units of X, one for all channels or one
        for each; of a NoiseModel the level. ``"auto"``: measured by
        `n2d.noise.estimate_noise`.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.
        Channels are denoised one by one.

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
    BM3DDenoiser : The same for single images.
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    The package `bm4d`, of the method's authors, is free for **non-commercial use
    only**: ``pip install "noise2detail[bm4d]"``. Read its licence.

    A stack is one volume, whose axis 0 is depth or time, and is held in memory as a
    whole, several times. It is for small volumes: 16 planes of 256 x 256 take minutes.
    A list is one, too, as far as its images have one shape; a lone image is a volume of
    one plane. It runs on one thread, without which its results would vary.

    The noise is taken to be white. Any real dtype is accepted; the result has dtype
    ``np.result_type(X.dtype, np.float32)`` and the units of X.

    References
    ----------
    .. [1] M. Maggioni, V. Katkovnik, K. Egiazarian, A. Foi, "Nonlocal transform-domain
       filter for volumetric data denoising and reconstruction", IEEE Transactions on
       Image Processing 22 (2013), :doi:`10.1109/TIP.2012.2210725`

    Examples
    --------
    >>> from n2d.baselines import BM4DDenoiser
    >>> denoiser = BM4DDenoiser(sigma=10)
    """

    _uses_neighbours = True

    def __init__(self, *, sigma="auto", channel_axis=None):
        self.sigma = sigma
        self.channel_axis = channel_axis

    def _settle(self, windows):
        try:
            import bm4d  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "BM4DDenoiser needs bm4d: pip install 'noise2detail[bm4d]' (for "
                "non-commercial use only)"
            ) from error
        return super()._settle(windows)

    def _denoise_all(self, images, outputs):
        for volume in series_of(images):
            values = np.stack([images[i].read_whole() for i in volume], axis=1)
            channels = values.shape[:1]
            levels = np.broadcast_to(np.atleast_1d(self.sigma_), channels)
            for values_of_one, sigma, offset in zip(
                values, levels, self._offset, strict=True
            ):
                if sigma > 0:  # the others are fine as they are
                    unit = _denoised((values_of_one - offset) / sigma)
                    values_of_one[:] = unit * sigma + offset
            for place, i in enumerate(volume):
                outputs[i].write(values[:, place], 0, 0)


def _denoised(volume):
    """Denoise a volume (n, H, W) with noise of standard deviation 1."""
    import bm4d

    n, height, width = volume.shape
    profile = bm4d.BM4DProfile() if n >= _SMALLEST_DEPTH else bm4d.BM4DProfile2D()
    profile.num_threads = 1
    volume = np.moveaxis(mirrored(volume, _SMALLEST), 0, -1)
    denoised = bm4d.bm4d(np.ascontiguousarray(volume), 1.0, profile)
    return np.moveaxis(denoised.reshape(volume.shape), -1, 0)[:, :height, :width]
