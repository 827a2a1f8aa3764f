"""What classical denoisers share: `fit` settles, `transform` goes image by image."""

from numbers import Real

import numpy as np

from n2d._base import ImageDenoiser
from n2d._sklearn import (
    WHOLE_NUMBER,
    HasMethods,
    Hidden,
    Interval,
    SequenceOf,
    StrOptions,
    fit_context,
)
from n2d._surroundings import undisturbed
from n2d.fitting.windows import sample_windows
from n2d.noise import NoiseModel, discount_texture, estimate_noise
from n2d.noise.told import models_of_channels

# `fit` looks at so many pixels at most, in windows of this side.
_MAX_PIXELS = 512**2
_SIDE = 128


class ClassicalDenoiser(ImageDenoiser):
    """Base of denoisers that need little from `fit` and take an image as a whole.

    A subclass returns its fitted attributes from `_settle`, and denoises one image in
    `_denoise`.
    """

    _parameter_constraints = {"channel_axis": [WHOLE_NUMBER, None]}  # noqa: RUF012

    @undisturbed
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Settle all that depends on the data.

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
        ImageDenoiser
            The fitted estimator.

        Raises
        ------
        ImportError
            If the method needs a package that is not installed; the message names it.
        TypeError, ValueError
            If a parameter or X is unsuitable; the message names it.
        """
        images = self._images_to_fit(X)
        fitted = self._settle(windows_of(images))
        self._remember(X, images)
        vars(self).update(fitted)
        return self

    @undisturbed
    def transform(self, X):
        """Denoise images.

        Parameters
        ----------
        X : array-like, or list of array-likes
            As for `fit`; other sizes are fine, other numbers of channels are not.
            One image at a time is read and held in memory as float64; methods for
            stacks hold as many as they look at.

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
        self._denoise_all(images, outputs)
        return outputs.result

    def _settle(self, windows):
        """Return the fitted attributes for windows (C, h, w), as a dict."""
        raise NotImplementedError

    def _denoise_all(self, images, outputs):
        """Denoise all images, into `outputs`; those of a stack are no neighbours."""
        for image, output in zip(images, outputs, strict=True):
            output.write(self._denoise(image.read_whole()), 0, 0)

    def _denoise(self, values):
        """Denoise an image (C, H, W), float64, which may be overwritten."""
        raise NotImplementedError

    def _measured(self, windows):
        """Measure the noise, or take it from `sigma`: one model for every channel."""
        n_channels = len(windows[0])
        if isinstance(self.sigma, str):
            return measured_noise(windows)
        each = self.sigma if isinstance(self.sigma, (tuple, list)) else [self.sigma]
        if any(isinstance(one, NoiseModel) for one in each):
            return models_of_channels(self.sigma, n_channels)
        try:
            sigmas = np.broadcast_to(np.asarray(self.sigma, float), (n_channels,))
        except (TypeError, ValueError):
            sigmas = np.array([np.nan])
        if not (np.isfinite(sigmas) & (sigmas >= 0)).all():
            raise ValueError(
                "sigma must be 'auto', a finite number of at least 0, or one such "
                f"number for each of the {n_channels} channel(s), got {self.sigma!r}"
            )
        return tuple(NoiseModel(level) for level in sigmas)


class WhiteNoiseDenoiser(ClassicalDenoiser):
    """Base of denoisers for Gaussian noise of a known standard deviation.

    A subclass denoises in `_denoise_unit` an image whose noise has deviation 1, so
    that it needs no units and works for every scale and offset.
    """

    _parameter_constraints = {  # noqa: RUF012
        **ClassicalDenoiser._parameter_constraints,
        "sigma": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="left"),
            HasMethods(["variance", "rescaled"], "a NoiseModel"),
            Hidden("array-like"),
            SequenceOf("one of these for every channel"),
        ],
    }

    def _settle(self, windows):
        noise = self._measured(windows)
        # Rounding shall not depend on where the intensities lie.
        lowest = np.min([window.min(axis=(1, 2)) for window in windows], axis=0)
        return {**noise_attributes(noise, self.channel_axis), "_offset": lowest}

    def _denoise(self, values):
        sigma = np.atleast_1d(self.sigma_)
        noisy = sigma > 0  # the other channels are fine as they are
        if noisy.any():
            sigma, offset = (x[noisy, None, None] for x in (sigma, self._offset))
            unit = self._denoise_unit((values[noisy] - offset) / sigma)
            values[noisy] = unit * sigma + offset
        return values

    def _denoise_unit(self, values):
        """Denoise an image (C, H, W) whose noise has standard deviation 1."""
        raise NotImplementedError


def windows_of(images):
    """Read the part of images that `fit` looks at: windows (C, h, w), float64.

    They are always the same: these methods have no randomness.
    """
    rng = np.random.default_rng(0)
    return sample_windows(images, rng, side=_SIDE, max_pixels=_MAX_PIXELS, multiple=1)


def series_of(images):
    """Find which images follow one another: ranges of one shape, side by side."""
    starts = [
        i for i in range(len(images)) if not i or images[i].shape != images[i - 1].shape
    ]
    ends = [*starts[1:], len(images)]
    return [range(*ends_of) for ends_of in zip(starts, ends, strict=True)]


def measured_noise(windows):
    """Measure the noise of every channel of windows (C, h, w)."""
    if all(window[0].size == 1 for window in windows):
        # Pixels without neighbours: nothing tells noise from signal.
        return tuple(NoiseModel(0.0) for _ in windows[0])
    return tuple(
        discount_texture(estimate_noise([window[c] for window in windows]))
        for c in range(len(windows[0]))
    )


def noise_attributes(noise, channel_axis):
    """Fitted attributes `noise_` and `sigma_`, as the user sees them."""
    if channel_axis is None:
        return {"noise_": noise[0], "sigma_": noise[0].level}
    return {"noise_": noise, "sigma_": np.array([model.level for model in noise])}


def mirrored(values, least):
    """Enlarge an image (C, H, W) to at least `least` pixels a side by mirroring it.

    It stays in the upper left corner.
    """
    missing = [(0, max(least - n, 0)) for n in values.shape[1:]]
    return np.pad(values, [(0, 0), *missing], "reflect")
