"""Whether what was fitted to one image suits another: noise, intensities, contrast."""

import warnings

import numpy as np

from n2d.noise import NoiseModel, NoiseWarning

# Of so many images a square of so many pixels in the middle is looked at, by blocks.
_IMAGES, _WINDOW, _BLOCK, _FEWEST = 4, 256, 16, 8
# Noise that is so many times as strong or as weak, beyond what blocks of the image that
# was fitted to differ, is another noise. Twice is what texture can do to a block.
_LOUDER, _QUIETER = 2.5, 0.4
# How many pixels may be beyond what fit saw by more than its whole width, and how
# little of its contrast an image may have for a network trained on intensities.
_BEYOND, _LEAST_CONTRAST = 0.05, 1 / 8
# Noise whose neighbours are so alike shows little in their differences.
_LEAST_SHARE = 0.1
_MAD = 0.6745


def detail_of(windows, noise):
    """Return how fine detail of an image compares with its noise: two quartiles.

    Fine detail is what is left of 2 x 2 pixels without level and slopes. Over blocks
    without structure it is as strong as the noise, so that the figure is 1.

    Parameters
    ----------
    windows : sequence of ndarray of shape (C, h, w)
        Of the image.
    noise : NoiseModel, or tuple of them for each channel
        The noise as it is known.

    Returns
    -------
    tuple of two floats, or None
        The quartiles over blocks; None where that cannot be known.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d._suits import detail_of
    >>> from n2d.noise import NoiseModel
    >>> noisy = np.random.default_rng(0).normal(50, 4, (1, 128, 128))
    >>> np.round(detail_of([noisy], NoiseModel(level=4.0)), 1).tolist()
    [1.0, 1.1]
    """
    models = (noise,) if isinstance(noise, NoiseModel) else noise
    if not isinstance(models, tuple):
        return None
    found = []
    for window in windows:
        if len(window) != len(models):
            return None
        for values, model in zip(window, models, strict=True):
            corr = model.autocorrelation()
            share = 1 - corr[0, 1] - corr[1, 1] + (corr[2, 1] + corr[3, 1]) / 2
            if share < _LEAST_SHARE or not model.level > 0:
                return None
            found.append(_ratios(values, model, share))
    ratios = np.concatenate(found) if found else np.zeros(0)
    if ratios.size < _FEWEST:
        return None
    return tuple(float(q) for q in np.quantile(ratios, [0.25, 0.75]))


def _ratios(values, model, share):
    """Fine detail over noise for every block of a channel that is not all one value."""
    height, width = (n // (2 * _BLOCK) * 2 * _BLOCK for n in values.shape)
    values = np.asarray(values[:height, :width], np.float64)
    a, b = values[::2, ::2], values[::2, 1::2]
    c, d = values[1::2, ::2], values[1::2, 1::2]

    def blocks(x):
        x = x.reshape(height // 2 // _BLOCK, _BLOCK, width // 2 // _BLOCK, _BLOCK)
        return x.swapaxes(1, 2).reshape(-1, _BLOCK**2)

    fine = np.median(np.abs(blocks(a - b - c + d)), axis=1) / 2 / _MAD
    told = np.sqrt(share * model.variance(blocks((a + b + c + d) / 4).mean(1)))
    kept = (np.ptp(blocks(a), axis=1) > 0) & (told > 0)
    return fine[kept] / told[kept]


def windows_of(images):
    """Read the middle of some images, those that can be read."""
    chosen = np.unique(np.linspace(0, len(images) - 1, _IMAGES).astype(int))
    windows = []
    for number in chosen:
        image = images[int(number)]
        height, width = (min(n, _WINDOW) for n in image.shape[1:])
        top = (image.shape[1] - height) // 2
        left = (image.shape[2] - width) // 2
        try:
            windows.append(image.read(top, left, height, width))
        except ValueError:  # NaN, of which transform knows whether it matters
            continue
    return windows


def misfit(denoiser, windows):
    """Say why what was fitted does not suit an image, or return None.

    Parameters
    ----------
    denoiser : Noise2DetailDenoiser
        A fitted one.
    windows : sequence of ndarray of shape (C, h, w)
        Of the image.

    Returns
    -------
    str or None
        One sentence.
    """
    if not windows:
        return None
    pixels = np.concatenate([np.ravel(window) for window in windows])
    low, high = denoiser.data_range_
    width = high - low
    reasons = []
    if denoiser.data_range is None:
        beyond = np.mean((pixels < low - width) | (pixels > high + width))
        if beyond > _BEYOND:
            reasons.append("its intensities are far beyond those that fit saw")
        contrast = np.subtract(*np.quantile(pixels, [0.99, 0.01]))
        if denoiser.noise_ is None and contrast < _LEAST_CONTRAST * width:
            reasons.append("its contrast is a small part of what fit saw")
    seen = denoiser.input_fingerprint_.get("detail")
    here = detail_of(windows, denoiser.noise_) if seen is not None else None
    if here is not None:
        if here[0] > _LOUDER * max(1, seen[1]):
            reasons.append("its noise is more than twice as strong as fit saw it")
        elif here[1] < _QUIETER * min(1, seen[0]):
            reasons.append("its noise is less than half as strong as fit saw it")
    if not reasons:
        return None
    return (
        f"what was fitted does not suit this image: {', and '.join(reasons)}; fit to "
        "it, or to one of the same kind"
    )


def misfit_of(denoiser, images):
    """Say why what was fitted does not suit all of some images, or one, or return None.

    Parameters
    ----------
    denoiser : Noise2DetailDenoiser
        A fitted one.
    images : n2d.images.Images
        What it is about to be applied to; a part of a few of them is read.

    Returns
    -------
    str or None
        One sentence.
    """
    windows = windows_of(images)
    found = misfit(denoiser, windows)
    each = (misfit(denoiser, [window]) for window in windows if len(windows) > 1)
    return found or next(filter(None, each), None)


def warn_unless_suits(denoiser, images):
    """Warn where what was fitted does not suit images."""
    text = misfit_of(denoiser, images)
    if text is not None:
        warnings.warn(text, NoiseWarning, stacklevel=4)
