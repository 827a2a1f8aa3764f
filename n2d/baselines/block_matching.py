"""BM3D, by whichever of two packages is installed."""

from contextlib import contextmanager
from threading import Lock

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from n2d._sklearn import StrOptions
from n2d.baselines._classical import WhiteNoiseDenoiser, mirrored

# Blocks have 8 pixels a side, and `bm3d` needs some to spare.
_SMALLEST = 16

# Some of numba's thread pools end the process if two threads use them at once.
_NUMBA = Lock()

_INSTALL = {
    "bm3d": "pip install 'noise2detail[bm3d]' (for non-commercial use only)",
    "bmnd": "pip install 'noise2detail[baselines]'",
}


class BM3DDenoiser(WhiteNoiseDenoiser):
    """Filter groups of like blocks together: BM3D, block-matching and 3-D filtering.

    Parameters
    ----------
    backend : {"auto", "bm3d", "bmnd"}, default="auto"
        Which package computes. ``"bm3d"``, of the method's authors, is free for
        **non-commercial use only**; read its licence. ``"bmnd"`` has the MIT licence,
        equal quality, and takes several times as long. ``"auto"``: `bm3d` where the
        user has installed it, else `bmnd`.
    sigma : float, NoiseModel, sequence of these or "auto", default="auto"
        Standard deviation of the noise in the units of X, one for all channels or one
        for each; of a NoiseModel the level and, where it is correlated, the spectrum.
        ``"auto"``: the level alone, measured by `n2d.noise.estimate_noise`.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.
        Channels are denoised one by one.

    Attributes
    ----------
    backend_ : {"bm3d", "bmnd"}
        The package used.
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
    Neither package comes with a plain installation:
    ``pip install "noise2detail[baselines]"`` for `bmnd`,
    ``pip install "noise2detail[bm3d]"`` for `bm3d`. The first call of `bmnd` after its
    installation compiles for a few seconds. `bm3d` runs on one thread, without which
    its results would vary.

    The noise is taken to be white unless a NoiseModel says otherwise; then it is the
    collaborative filtering of correlated noise [2]_. Any real dtype is accepted; the
    result has dtype ``np.result_type(X.dtype, np.float32)`` and the units of X.

    References
    ----------
    .. [1] K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image denoising by sparse
       3-D transform-domain collaborative filtering", IEEE Transactions on Image
       Processing 16 (2007), :doi:`10.1109/TIP.2007.901238`
    .. [2] Y. Makinen, L. Azzari, A. Foi, "Collaborative filtering of correlated
       noise: exact transform-domain variance for improved shrinkage and patch
       matching", IEEE Transactions on Image Processing 29 (2020),
       :doi:`10.1109/TIP.2020.3014721`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import BM3DDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = np.kron(rng.random((2, 2)), np.full((16, 16), 100.0))
    >>> noisy = clean + rng.normal(0, 10, clean.shape)
    >>> denoised = BM3DDenoiser(backend="bmnd").fit_transform(noisy)
    >>> bool(np.std(denoised - clean) < np.std(noisy - clean) / 2)
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **WhiteNoiseDenoiser._parameter_constraints,
        "backend": [StrOptions({"auto", "bm3d", "bmnd"})],
    }

    def __init__(self, *, backend="auto", sigma="auto", channel_axis=None):
        self.backend = backend
        self.sigma = sigma
        self.channel_axis = channel_axis

    def _settle(self, windows):
        backend = settled_backend(self.backend)
        found = super()._settle(windows)
        noise = found["noise_"] if self.channel_axis is not None else [found["noise_"]]
        # Of the channels that are denoised, those whose spectrum is told.
        told = not isinstance(self.sigma, str)
        spectra = [
            model if told and model.correlation.any() else None
            for model in noise
            if model.level > 0
        ]
        if backend == "bm3d" and any(spectra) and not hasattr(np, "trapz"):
            # bm4d 4.2.5, on which it rests, needs what NumPy 2.4 took away.
            if self.backend == "bm3d":
                raise RuntimeError(
                    "the package bm3d cannot take the spectrum of correlated noise "
                    f"with NumPy {np.__version__}: use backend='bmnd', or NumPy below "
                    "2.4"
                )
            backend = settled_backend("bmnd")
        return {**found, "backend_": backend, "_coloured": spectra}

    def _denoise_unit(self, values):
        height, width = values.shape[1:]
        run = _run_bm3d if self.backend_ == "bm3d" else _run_bmnd
        values = mirrored(values, _SMALLEST)
        denoised = []
        for channel, model in zip(values, self._coloured, strict=True):
            noise = 1.0
            if model is not None:
                # Both packages take the square of what the transform of the noise has.
                noise = channel.size * model.spectrum(channel.shape)
            denoised.append(run(channel, noise))
        return np.stack(denoised)[:, :height, :width]


def settled_backend(backend):
    """Find the package to compute with.

    Parameters
    ----------
    backend : {"auto", "bm3d", "bmnd"}
        As the parameter of `BM3DDenoiser`.

    Returns
    -------
    {"bm3d", "bmnd"}
        An installed package.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    wanted = ("bm3d", "bmnd") if backend == "auto" else (backend,)
    for name in wanted:
        try:
            __import__(name)
        except ImportError as error:
            missing = error
        else:
            return name
    how = " or ".join(_INSTALL[name] for name in reversed(wanted))
    raise ImportError(
        f"BM3DDenoiser(backend={backend!r}) needs {' or '.join(wanted)}: {how}"
    ) from missing


def _run_bm3d(image, sigma_psd):
    """Denoise an image (H, W) with noise of a deviation, or of a power spectrum."""
    import bm3d

    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    return bm3d.bm3d(image, sigma_psd, profile)


def _run_bmnd(image, sigma_psd):
    """Denoise an image (H, W) with noise of a deviation, or of a power spectrum."""
    import bmnd

    with _NUMBA, _threads_as_before():
        return bmnd.bmnd(image, bmnd.BM3DProfile(), sigma_psd=sigma_psd)


@contextmanager
def _threads_as_before():
    """Give numba no more threads than OpenMP may use, and change neither for good.

    Where numba uses OpenMP, each of its parallel loops sets the number of threads for
    whatever else uses the same library, such as PyTorch.
    """
    import numba

    openmp = [
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "openmp"
    ]
    # Without a limit this only restores, in the end, what was set at the start. Even
    # asking numba for its number of threads would be too early outside.
    with threadpool_limits(limits=None):
        before = numba.get_num_threads()
        numba.set_num_threads(max(1, min([before, *openmp])))
        try:
            yield
        finally:
            numba.set_num_threads(before)
