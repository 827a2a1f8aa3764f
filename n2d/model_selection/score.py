"""How good a denoiser is on noisy images, judged on these images alone."""

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch

from n2d.images import Images
from n2d.model_selection.local_noise import local_noise
from n2d.noise import NoiseWarning

# Strength of the noise that is added, in units of the noise that is there. Smaller,
# and the jumps of denoisers that decide (medians, thresholds, stopping rules) drown
# the result; larger, and a denoiser is judged on images it was not fitted to.
_PROBE = 0.3

# Probes are drawn until so many pixels were probed, and at most so many times: one for
# 256 x 256 pixels, more for small images, where the estimate is less certain.
_PROBED_PIXELS = 2**16
_MOST_PROBES = 8

# A share above 1 by this much, and by so many standard errors, is no chance.
_MOST_BEYOND, _SURELY = 0.03, 3.0

# Chance is told from the differences between squares of this side, in pixels: beyond
# the reach of the noise's correlation; smaller ones where there are fewer than so many.
_SQUARE, _SQUARES = 32, 16


def self_supervised_score(denoiser, X, *, channel_axis="auto"):
    """Estimate which share of the noise a denoiser removes, without a clean image.

    Parameters
    ----------
    denoiser : fitted denoiser, or pipeline of such
        Only its ``transform`` is used.
    X : array-like, or list of array-likes
        Noisy images, in the layout that `denoiser` takes; usually those it was fitted
        to. The noise is measured on all of them together.
    channel_axis : int, None or "auto", default="auto"
        Axis of the channels in X. ``"auto"``: that of the denoiser, or of the last step
        that has one in a pipeline.

    Returns
    -------
    float
        Higher is better. 1: the result is the clean image; 0: the error is that of the
        noisy image; below 0: it is larger. Never above 1. NaN, with a
        `n2d.NoiseWarning`, where the noise is not known well enough to judge, or more
        than all of it would be removed. Without noise in X, minus the change that
        `denoiser` makes, in units of the variance of X.

    Raises
    ------
    ValueError
        If X does not fit; the message names what is wrong.

    See Also
    --------
    judge : The same, with its standard error.
    get_scorer : The same as a scorer, and those that need clean images.
    n2d.diagnostics.check_residual : What exactly was taken away.

    Notes
    -----
    The mean squared error against the clean image, which nobody has, is estimated by
    the coupled bootstrap [1]_: noise n of the measured level and correlation is added
    once more, weakly, and ::

        |D(y + e n) - y|^2 + 2 <D(y + e n) - D(y), n> / e - |s|^2

    is the error of D on average, s being the deviation of the noise. That is measured
    with the help of the prior network, pixel by pixel: it varies with intensity and,
    as in CT, from place to place. The first term
    alone would favour leaving the noise in. The second one says how much of the noise
    comes through: it punishes that, and leaves what blurs with its residual. For small
    e this is Stein's unbiased risk estimate [2]_; but with e = 0.3 it holds for
    denoisers that decide and jump, too, which have no derivative to speak of: medians,
    thresholds, stopping rules.

    Photons are drawn as photons, from those that are there: to a Gaussian probe,
    methods that keep single bright pixels of a dim image would seem to remove all its
    noise. With 0.3 to 2 photons per pixel, at -5 to 5 dB signal to noise, and with
    correlated noise, 14 images in all, the denoiser of the highest score was the best
    one wherever there was a score; on 5 of the 6 with correlated noise there was
    none (``benchmarks/choosing.py --set hard``).

    The result is divided by the variance of the noise, and does not change with gain
    and offset of X if the denoiser does not. It is deterministic: the noise that is
    added comes from a fixed seed, the same for all denoisers.

    It cannot know of errors that are in all captures, such as the raised background of
    Rician noise, or of bleaching between the noisy and the clean capture. Where texture
    is measured as noise, smoother results are favoured.

    References
    ----------
    .. [1] N. L. Oliveira, J. Lei, R. J. Tibshirani, "Unbiased risk estimation in the
       normal means problem via coupled bootstrap techniques", Electronic Journal of
       Statistics 18, 2024. arXiv:2111.09447
    .. [2] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE: a black-box optimization of
       regularization parameters for general denoising algorithms", IEEE Transactions
       on Image Processing 17, 2008. :doi:`10.1109/TIP.2008.2001404`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d import GaussianDenoiser
    >>> from n2d.model_selection import self_supervised_score
    >>> clean = 100 * np.sin(np.arange(128) / 9) * np.ones((128, 1))
    >>> noisy = clean + np.random.default_rng(0).normal(0, 20, clean.shape)
    >>> for blur in (0.5, 2, 5):
    ...     denoiser = GaussianDenoiser(blur=blur).fit(noisy)
    ...     truth = 1 - np.mean((denoiser.transform(noisy) - clean) ** 2) / 400
    ...     score = self_supervised_score(denoiser, noisy)
    ...     print(f"blur {blur:3}: {score:.1f}, by the clean image {truth:.1f}")
    blur 0.5: 0.6, by the clean image 0.6
    blur   2: 1.0, by the clean image 1.0
    blur   5: 0.7, by the clean image 0.7
    """
    return judge(denoiser, X, channel_axis=channel_axis).score


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a denoiser was found to do on images, and how sure that is.

    Attributes
    ----------
    score : float
        The `self_supervised_score`; NaN where the noise is not known well enough.
    parts : ndarray of shape (n,)
        The same of squares of the images, whose mean it is.
    passed : float
        Share of the noise that comes through.
    spread : float
        By what share the level of the noise may be off.
    """

    score: float
    parts: np.ndarray
    passed: float
    spread: float

    def standard_error(self, other=None):
        """By how much the score, or a difference of two, may be off, by chance.

        Parameters
        ----------
        other : Judgement, optional
            Of another denoiser on the same images, for the error of the difference
            between the scores: much of what one is off by, the other is, too.

        Returns
        -------
        float
            Standard error over the images, with that of the level of the noise; NaN
            where a score is.

        Examples
        --------
        >>> import numpy as np
        >>> from n2d import GaussianDenoiser
        >>> from n2d.model_selection import judge
        >>> noisy = np.random.default_rng(0).normal(100, 20, (128, 128))
        >>> weak, strong = (
        ...     judge(GaussianDenoiser(blur=blur).fit(noisy), noisy) for blur in (1, 3)
        ... )
        >>> bool(strong.score - weak.score > 2 * strong.standard_error(weak))
        True
        """
        # What comes through is counted twice, and all noise is taken off once.
        if other is None:
            parts, leverage = self.parts, 1 - 2 * self.passed
        elif math.isnan(self.score) or math.isnan(other.score):
            return math.nan
        else:
            parts = self.parts - other.parts
            leverage = 2 * (self.passed - other.passed)
        chance = float(np.std(parts)) / math.sqrt(max(len(parts) - 1, 1))
        # A level that is off by some share makes the variance off by twice that.
        return math.hypot(chance, 2 * self.spread * leverage)


def judge(denoiser, X, *, channel_axis="auto"):
    """Judge a denoiser on noisy images, and tell how sure that is.

    Parameters
    ----------
    denoiser : fitted denoiser, or pipeline of such
        As for `self_supervised_score`.
    X : array-like, or list of array-likes
        As for `self_supervised_score`.
    channel_axis : int, None or "auto", default="auto"
        As for `self_supervised_score`.

    Returns
    -------
    Judgement
        With the ``score``, and a ``standard_error`` of it and of differences.

    Raises
    ------
    ValueError
        If X does not fit; the message names what is wrong.

    See Also
    --------
    self_supervised_score : The score alone, and what it is.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d import GaussianDenoiser
    >>> from n2d.model_selection import judge
    >>> noisy = np.random.default_rng(0).normal(100, 20, (128, 128))
    >>> judgement = judge(GaussianDenoiser(blur=2).fit(noisy), noisy)
    >>> abs(judgement.score - 1) < 3 * judgement.standard_error() < 0.2
    True
    """
    if isinstance(channel_axis, str):
        channel_axis = channel_axis_of(denoiser)
    images = Images(X, channel_axis)
    noise = local_noise(images)
    noisy = noise.planes
    if noise.doubt:
        return _cannot_tell(f"the image cannot be judged by: {noise.doubt}", noise)
    denoised = Images(denoiser.transform(X), channel_axis)
    denoised = [image.read_whole() for image in denoised]
    if noise.variance == 0:
        unit = _mean([(y - y.mean()) ** 2 for y in noisy]) or 1.0
        change = [-((d - y) ** 2) / unit for d, y in zip(denoised, noisy, strict=True)]
        return Judgement(_mean(change), _squares(change), 1.0, 0.0)

    n_pixels = sum(plane[0].size for plane in noisy)
    n_probes = min(_MOST_PROBES, -(-_PROBED_PIXELS // n_pixels))
    generator = torch.Generator().manual_seed(0)
    risk = [np.zeros_like(plane) for plane in noisy]
    through = 0.0
    for _ in range(n_probes):
        probes = noise.draw(_PROBE, generator)
        probed = images.empty_like()
        for image, plane, probe in zip(probed, noisy, probes, strict=True):
            image.write(plane + _PROBE * probe, 0, 0)
        again = Images(denoiser.transform(probed.result), channel_axis)
        for total, image, d, y, n in zip(
            risk, again, denoised, noisy, probes, strict=True
        ):
            a = image.read_whole()
            passed = (a - d) * n / _PROBE
            total += ((a - y) ** 2 + 2 * passed) / n_probes
            through += float(passed.sum()) / n_probes
    # What is estimated is the error at the noise with the probe in it.
    unit = (1 + _PROBE**2) * noise.variance / _size(noisy)
    shares = [
        1 - (total - s**2) / unit
        for total, s in zip(risk, noise.deviations, strict=True)
    ]
    found = Judgement(
        _mean(shares), _squares(shares), through / noise.variance, noise.spread
    )
    beyond = found.score - 1
    if beyond > _MOST_BEYOND and beyond > _SURELY * found.standard_error():
        return _cannot_tell(
            f"more than all noise would be removed ({found.score:.2f}): this result "
            "cannot be judged",
            noise,
        )
    return replace(found, score=min(found.score, 1.0))


def _cannot_tell(reason, noise):
    """Judge by nothing, and say so."""
    warnings.warn(
        f"no score: {reason}; keep the default, or look at the result",
        NoiseWarning,
        stacklevel=4,
    )
    return Judgement(math.nan, np.array([math.nan]), math.nan, noise.spread)


def channel_axis_of(estimator):
    """Find the `channel_axis` of a denoiser, or of what is around it.

    Parameters
    ----------
    estimator : estimator, pipeline or search
        The axis is that of the estimator itself, else of the best or the only estimator
        in it, else of the last step that has one.

    Returns
    -------
    int or None
        None where nothing has an axis: grey images.
    """
    if hasattr(estimator, "channel_axis"):
        return estimator.channel_axis
    for name in ("best_estimator_", "estimator"):
        if hasattr(estimator, name):
            return channel_axis_of(getattr(estimator, name))
    for _, step in reversed(getattr(estimator, "steps", ())):
        if hasattr(step, "channel_axis"):
            return step.channel_axis
    return None


def _size(planes):
    return sum(plane.size for plane in planes)


def _mean(planes):
    """Mean over all pixels of a list of images."""
    return float(sum(float(plane.sum()) for plane in planes) / _size(planes))


def _squares(planes):
    """Means over squares of a list of images, of equal weight, flat."""
    side = _SQUARE
    while side > 1 and sum(plane[0].size // side**2 for plane in planes) < _SQUARES:
        side //= 2
    found = []
    for plane in planes:
        for channel in plane:
            rows, columns = (n // side for n in channel.shape)
            some = channel[: rows * side, : columns * side]
            some = some.reshape(rows, side, columns, side).mean(axis=(1, 3))
            found.append(some.ravel())
    return np.concatenate(found)
