"""How good a denoiser is on noisy images, judged on these images alone."""

import numpy as np

from n2d.images import Images
from n2d.model_selection.local_noise import LocalNoise

# Strength of the noise that is added, in units of the noise that is there. Smaller,
# and the jumps of denoisers that decide (medians, thresholds, stopping rules) drown
# the result; larger, and a denoiser is judged on images it was not fitted to.
_PROBE = 0.3

# Probes are drawn until so many pixels were probed, and at most so many times: one for
# 256 x 256 pixels, more for small images, where the estimate is less certain.
_PROBED_PIXELS = 2**16
_MOST_PROBES = 8


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
        noisy image; below 0: it is larger. It can exceed 1 by chance, or where the
        measured noise is off. Without noise in X, minus the change that `denoiser`
        makes, in units of the variance of X.

    Raises
    ------
    ValueError
        If X does not fit; the message names what is wrong.

    See Also
    --------
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

    Where 8 images and 17 settings of `Noise2DetailDenoiser` were tried, the setting of
    the highest score was 0.09 dB below the best one on average and 0.4 dB at worst;
    among 15 denoisers, 0.05 and 0.15 dB. On 8 more images, on which nothing was
    decided: 0.08 and 0.35 dB, 0.11 and 0.78 dB (``benchmarks/choosing.py``).

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
    >>> for blur in (0.2, 2, 5):
    ...     denoiser = GaussianDenoiser(blur=blur).fit(noisy)
    ...     truth = 1 - np.mean((denoiser.transform(noisy) - clean) ** 2) / 400
    ...     score = self_supervised_score(denoiser, noisy)
    ...     print(f"blur {blur:3}: {score:.1f}, by the clean image {truth:.1f}")
    blur 0.2: 0.0, by the clean image 0.0
    blur   2: 1.0, by the clean image 1.0
    blur   5: 0.7, by the clean image 0.7
    """
    if isinstance(channel_axis, str):
        channel_axis = channel_axis_of(denoiser)
    images = Images(X, channel_axis)
    noise = LocalNoise(images)
    noisy = noise.planes
    denoised = _planes(Images(denoiser.transform(X), channel_axis))
    if noise.variance == 0:
        change = [d - y for d, y in zip(denoised, noisy, strict=True)]
        power = sum(float(np.sum((y - y.mean()) ** 2)) for y in noisy)
        return 0.0 - _total(change, change) / (power or 1.0)

    n_pixels = sum(plane[0].size for plane in noisy)
    n_probes = min(_MOST_PROBES, -(-_PROBED_PIXELS // n_pixels))
    risk = 0.0
    for _ in range(n_probes):
        probes = noise.draw()
        probed = images.empty_like()
        for image, plane, probe in zip(probed, noisy, probes, strict=True):
            image.write(plane + _PROBE * probe, 0, 0)
        again = _planes(Images(denoiser.transform(probed.result), channel_axis))
        residual = [a - y for a, y in zip(again, noisy, strict=True)]
        change = [a - d for a, d in zip(again, denoised, strict=True)]
        risk += _total(residual, residual) + 2 / _PROBE * _total(change, probes)
    risk = risk / n_probes - noise.variance
    # What is estimated is the error at the noise with the probe in it.
    return float(1 - risk / ((1 + _PROBE**2) * noise.variance))


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


def _planes(images):
    """Read all images, (C, h, w) each."""
    return [image.read(0, 0, *image.shape[1:]) for image in images]


def _total(a, b):
    """Sum of the products of all pixels of two lists of images."""
    return sum(float(np.sum(x * y)) for x, y in zip(a, b, strict=True))
