"""Non-local means."""

from numbers import Integral, Real

import numpy as np
from skimage.restoration import denoise_nl_means

from n2d._sklearn import Interval
from n2d.baselines._classical import WhiteNoiseDenoiser


class NonLocalMeansDenoiser(WhiteNoiseDenoiser):
    """Average pixels whose surroundings look alike: non-local means.

    Parameters
    ----------
    strength : float, default=0.8
        Cut-off distance h of patches in units of the noise's standard deviation. The
        higher, the smoother. scikit-image's rule of thumb is 0.8 with `fast_mode` and
        0.6 without.
    patch_size : int, default=5
        Side of the patches that are compared, in pixels.
    patch_distance : int, default=6
        How far apart patches are compared, along each axis, in pixels. The time grows
        with its square.
    fast_mode : bool, default=True
        Whether all pixels of a patch count the same [2]_, which is several times as
        fast. False: those near its middle count more, as first published [1]_.
    sigma : float, NoiseModel, sequence of these or "auto", default="auto"
        Standard deviation of the noise in the units of X, one for all channels or one
        for each; of a NoiseModel the level. ``"auto"``: measured by
        `n2d.noise.estimate_noise`.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.
        Channels share their weights.

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
    `skimage.restoration.denoise_nl_means`, told the noise, on channels in units of
    their noise. Any real dtype is accepted; the result has dtype
    ``np.result_type(X.dtype, np.float32)`` and the units of X.

    References
    ----------
    .. [1] A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image
       denoising", CVPR 2005, :doi:`10.1109/CVPR.2005.38`
    .. [2] J. Darbon, A. Cunha, T. F. Chan, S. Osher, G. J. Jensen, "Fast nonlocal
       filtering applied to electron cryomicroscopy", ISBI 2008,
       :doi:`10.1109/ISBI.2008.4541250`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import NonLocalMeansDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = np.kron(rng.random((4, 4)), np.full((32, 32), 100.0))
    >>> noisy = clean + rng.normal(0, 10, clean.shape)
    >>> denoised = NonLocalMeansDenoiser().fit_transform(noisy)
    >>> bool(np.std(denoised - clean) < np.std(noisy - clean) / 3)
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **WhiteNoiseDenoiser._parameter_constraints,
        "strength": [Interval(Real, 0, None, closed="neither")],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "patch_distance": [Interval(Integral, 1, None, closed="left")],
        "fast_mode": ["boolean"],
    }

    def __init__(
        self,
        *,
        strength=0.8,
        patch_size=5,
        patch_distance=6,
        fast_mode=True,
        sigma="auto",
        channel_axis=None,
    ):
        self.strength = strength
        self.patch_size = patch_size
        self.patch_distance = patch_distance
        self.fast_mode = fast_mode
        self.sigma = sigma
        self.channel_axis = channel_axis

    def _denoise_unit(self, values):
        grey = len(values) == 1
        denoised = denoise_nl_means(
            values[0] if grey else np.moveaxis(values, 0, -1),
            patch_size=self.patch_size,
            patch_distance=self.patch_distance,
            h=self.strength,
            sigma=1.0,
            fast_mode=self.fast_mode,
            preserve_range=True,
            channel_axis=None if grey else -1,
        )
        # scikit-image drops axes of length 1.
        height, width = values.shape[1:]
        denoised = denoised.reshape(height, width, len(values))
        return np.moveaxis(denoised, -1, 0)
