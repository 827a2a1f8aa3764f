"""Wavelet shrinkage."""

from inspect import signature
from numbers import Integral

import numpy as np
from skimage.restoration import cycle_spin, denoise_wavelet

from n2d._sklearn import Interval, StrOptions
from n2d.baselines._classical import WhiteNoiseDenoiser, mirrored

# Called num_workers before scikit-image 0.26.
_WORKERS = {"workers", "num_workers"} & signature(cycle_spin).parameters.keys()
_ONE_WORKER = {min(_WORKERS, key=len): 1}


class WaveletDenoiser(WhiteNoiseDenoiser):
    """Shrink wavelet coefficients, on average over shifts.

    Parameters
    ----------
    wavelet : str, default="db2"
        An orthogonal wavelet of PyWavelets, such as ``"haar"``, ``"db4"`` or
        ``"sym8"``.
    method : {"BayesShrink", "VisuShrink"}, default="BayesShrink"
        The thresholds: for every sub-band the one of smallest risk [1]_, or one for
        all that lets next to no noise pass [2]_.
    mode : {"soft", "hard"}, default="soft"
        Whether coefficients above the threshold are lowered by it, too.
    wavelet_levels : int or None, default=None
        Levels of the decomposition; None: three less than the image has room for.
    max_shifts : int, default=3
        The image is denoised with every shift from 0 to so many pixels along both
        axes, and the mean is taken [3]_: 3 costs 16 times as much as 0, and leaves
        fewer artefacts at edges.
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
    VarianceStabilizedDenoiser : For noise that grows with intensity.
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    Needs PyWavelets: ``pip install "noise2detail[baselines]"``.
    `skimage.restoration.denoise_wavelet` in `skimage.restoration.cycle_spin`. The
    thresholds of ``"BayesShrink"`` depend on the whole image. Any real dtype is
    accepted; the result has dtype ``np.result_type(X.dtype, np.float32)`` and the
    units of X.

    References
    ----------
    .. [1] S. G. Chang, B. Yu, M. Vetterli, "Adaptive wavelet thresholding for image
       denoising and compression", IEEE Transactions on Image Processing 9 (2000),
       :doi:`10.1109/83.862633`
    .. [2] D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation by wavelet
       shrinkage", Biometrika 81 (1994), :doi:`10.1093/biomet/81.3.425`
    .. [3] R. R. Coifman, D. L. Donoho, "Translation-invariant de-noising", in Wavelets
       and Statistics (1995), :doi:`10.1007/978-1-4612-2544-7_9`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import WaveletDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = np.kron(rng.random((4, 4)), np.full((32, 32), 100.0))
    >>> noisy = clean + rng.normal(0, 10, clean.shape)
    >>> denoised = WaveletDenoiser().fit_transform(noisy)
    >>> bool(np.std(denoised - clean) < np.std(noisy - clean) / 2)
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **WhiteNoiseDenoiser._parameter_constraints,
        "wavelet": [str],
        "method": [StrOptions({"BayesShrink", "VisuShrink"})],
        "mode": [StrOptions({"soft", "hard"})],
        "wavelet_levels": [Interval(Integral, 1, None, closed="left"), None],
        "max_shifts": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        wavelet="db2",
        method="BayesShrink",
        mode="soft",
        wavelet_levels=None,
        max_shifts=3,
        sigma="auto",
        channel_axis=None,
    ):
        self.wavelet = wavelet
        self.method = method
        self.mode = mode
        self.wavelet_levels = wavelet_levels
        self.max_shifts = max_shifts
        self.sigma = sigma
        self.channel_axis = channel_axis

    def _settle(self, windows):
        self._filter_length()  # before anything is measured: it may be unknown
        return super()._settle(windows)

    def _filter_length(self):
        try:
            import pywt
        except ImportError as error:
            raise ImportError(
                "WaveletDenoiser needs PyWavelets: "
                "pip install 'noise2detail[baselines]'"
            ) from error
        if self.wavelet not in pywt.wavelist(kind="discrete"):
            raise ValueError(
                f"wavelet={self.wavelet!r} is no discrete wavelet of PyWavelets; see "
                "pywt.wavelist(kind='discrete')"
            )
        return pywt.Wavelet(self.wavelet).dec_len

    def _denoise_unit(self, values):
        height, width = values.shape[1:]
        # With less, a level would be nothing but border.
        least = self._filter_length() * 2 ** (self.wavelet_levels or 1)
        values = mirrored(values, least)
        options = {
            "sigma": 1.0,
            "wavelet": self.wavelet,
            "mode": self.mode,
            "wavelet_levels": self.wavelet_levels,
            "method": self.method,
            "rescale_sigma": False,
        }
        denoised = [
            cycle_spin(
                channel,
                denoise_wavelet,
                max_shifts=self.max_shifts,
                func_kw=options,
                **_ONE_WORKER,
            )
            for channel in values
        ]
        return np.stack(denoised)[:, :height, :width]
