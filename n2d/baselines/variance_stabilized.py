"""Denoisers for white noise, used on photon noise."""

import numpy as np
from sklearn.base import clone

from n2d._base import ImageDenoiser
from n2d._sklearn import WHOLE_NUMBER, HasMethods, fit_context
from n2d._surroundings import undisturbed
from n2d.baselines._classical import (
    measured_noise,
    noise_attributes,
    series_of,
    windows_of,
)
from n2d.noise import stabilize, unstabilize


class VarianceStabilizedDenoiser(ImageDenoiser):
    """Give noise the same deviation everywhere, denoise, and go back.

    Most classical methods expect noise that does not depend on intensity. That of
    photons does; a generalised Anscombe transform [1]_ makes it alike everywhere, and
    the exact unbiased inverse [2]_ brings the denoised image back to intensities.

    Parameters
    ----------
    denoiser : estimator or None, default=None
        What denoises the stabilized images: any scikit-learn-like transformer of
        images, cloned in `fit`. Where it, or a part of it, has a parameter ``sigma``
        that is ``"auto"``, that is set to 1, the deviation of stabilized noise. Where
        it has a ``channel_axis``, that is set to what the stabilized images have;
        else it gets channels one by one. None: a
        `NonLocalMeansDenoiser`, which needs no extra and little time.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.

    Attributes
    ----------
    denoiser_ : estimator
        The fitted inner denoiser.
    noise_ : NoiseModel, or tuple of NoiseModel
        The measured noise in the units of X; for every channel if there is a
        `channel_axis`.
    sigma_ : float, or ndarray of shape (C,)
        The level of `noise_`. Where it is 0 in all channels, images are returned as
        they are.
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    n2d.noise.stabilize : The transform.
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    The inner denoiser is fitted to at most about 512 x 512 pixels, in windows where
    there are more, and transforms one image at a time. One that looks at neighbours (a
    `TemporalMeanDenoiser`, a `BM4DDenoiser`, or `n2d.Noise2DetailDenoiser` with
    ``stack="time"``) gets a stack as a whole, which is held in memory then. Any
    real dtype is accepted; the result has dtype ``np.result_type(X.dtype, np.float32)``
    and the units of X.

    References
    ----------
    .. [1] J.-L. Starck, F. Murtagh, A. Bijaoui, "Image Processing and Data Analysis:
       The Multiscale Approach", Cambridge University Press (1998),
       :doi:`10.1017/CBO9780511564352`
    .. [2] M. Makitalo, A. Foi, "Optimal inversion of the generalized Anscombe
       transformation for Poisson-Gaussian noise", IEEE Transactions on Image
       Processing 22 (2013), :doi:`10.1109/TIP.2012.2202675`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import NonLocalMeansDenoiser, VarianceStabilizedDenoiser
    >>> rng = np.random.default_rng(0)
    >>> clean = np.kron(rng.random((4, 4)), np.full((32, 32), 40.0))
    >>> photons = rng.poisson(clean)
    >>> denoiser = VarianceStabilizedDenoiser(NonLocalMeansDenoiser())
    >>> denoised = denoiser.fit_transform(photons)
    >>> bool(np.std(denoised - clean) < np.std(photons - clean) / 3)
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        "denoiser": [
            HasMethods(["fit", "transform", "get_params"], "a denoiser"),
            None,
        ],
        "channel_axis": [WHOLE_NUMBER, None],
    }

    def __init__(self, denoiser=None, *, channel_axis=None):
        self.denoiser = denoiser
        self.channel_axis = channel_axis

    @undisturbed
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Measure the noise, and fit the inner denoiser to stabilized images.

        Parameters
        ----------
        X : array-like, or list of array-likes
            With ``channel_axis=None``, (H, W) is one image and (n, H, W) a stack; with
            a `channel_axis` there is one axis more. A list of arrays is many images, of
            any sizes. At most about 512 x 512 pixels of them are read.
        y : None
            Ignored.

        Returns
        -------
        VarianceStabilizedDenoiser
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter or X is unsuitable; the message names it. Whatever the inner
            denoiser raises.
        """
        images = self._images_to_fit(X)
        windows = windows_of(images)
        noise = measured_noise(windows)
        by_channel, denoiser = self._prepared()
        stabilized = [_stabilized(window, noise) for window in windows]
        if by_channel:
            stabilized = [channel for window in stabilized for channel in window]
        if len({window.shape for window in stabilized}) == 1:
            one = len(stabilized) == 1
            stabilized = stabilized[0] if one else np.stack(stabilized)
        denoiser.fit(stabilized)

        self._remember(X, images)
        self.denoiser_ = denoiser
        self._by_channel = by_channel
        self._noise = noise
        vars(self).update(noise_attributes(noise, self.channel_axis))
        return self

    @undisturbed
    def transform(self, X):
        """Stabilize, denoise, and go back.

        Parameters
        ----------
        X : array-like, or list of array-likes
            As for `fit`; other sizes are fine, other numbers of channels are not.

        Returns
        -------
        ndarray, or list of ndarray
            Denoised, of the shape of X and dtype
            ``np.result_type(X.dtype, np.float32)``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` has not been called.
        TypeError, ValueError
            If X is unsuitable; the message names what is wrong.
        """
        images = self._images_to_transform(X)
        outputs = images.empty_like()
        alone = (range(i, i + 1) for i in range(len(images)))
        for series in series_of(images) if _uses_neighbours(self.denoiser_) else alone:
            values = np.stack([images[i].read_whole() for i in series])
            if any(model.level for model in self._noise):
                values = self._denoise(values)
            for i, denoised in zip(series, values, strict=True):
                outputs[i].write(denoised, 0, 0)
        return outputs.result

    def _denoise(self, values):
        """Denoise images (n, C, H, W): a stack, or one alone."""
        stabilized = np.stack([_stabilized(image, self._noise) for image in values], 1)
        if not self._by_channel:
            stabilized = np.moveaxis(stabilized, 0, 1)[None]  # (1, n, C, H, W)
        denoised = [
            self.denoiser_.transform(x if len(x) > 1 else x[0]) for x in stabilized
        ]
        denoised = np.reshape(denoised, stabilized.shape)
        if not self._by_channel:
            denoised = np.moveaxis(denoised[0], 1, 0)
        return np.stack(
            [
                unstabilize(x, model) if model.level else untouched
                for x, model, untouched in zip(
                    denoised, self._noise, np.moveaxis(values, 1, 0), strict=True
                )
            ],
            axis=1,
        )

    def _prepared(self):
        """Return whether channels go one by one, and the inner denoiser's clone."""
        if self.denoiser is None:
            from n2d.baselines.non_local_means import NonLocalMeansDenoiser

            denoiser = NonLocalMeansDenoiser()
        else:
            denoiser = clone(self.denoiser)
        parameters = denoiser.get_params(deep=True)
        named = {name: name.rpartition("__")[2] for name in parameters}
        axes = [name for name, last in named.items() if last == "channel_axis"]
        settings = {
            name: 1.0
            for name, last in named.items()
            if last == "sigma" and isinstance(parameters[name], str)
        }
        by_channel = self.channel_axis is None or not axes
        # Images are (C, h, w) here, and stacks of them (n, C, h, w).
        settings |= dict.fromkeys(axes, None if by_channel else -3)
        denoiser.set_params(**settings)
        if hasattr(denoiser, "set_output"):  # whatever the global configuration is
            denoiser.set_output(transform="default")
        return by_channel, denoiser


def _stabilized(values, noise):
    """Stabilize an image (C, h, w)."""
    return np.stack(
        [stabilize(x, model) for x, model in zip(values, noise, strict=True)]
    )


def _uses_neighbours(denoiser):
    """Whether a denoiser makes of images of a stack what it would not of each alone."""
    stack = getattr(denoiser, "stack", "independent")
    return stack != "independent" or getattr(denoiser, "_uses_neighbours", False)
