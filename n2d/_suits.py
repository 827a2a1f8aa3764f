"""Whether what was fitted to one image suits another: noise, intensities, contrast."""

import warnings

import numpy as np

from n2d.noise import NoiseModel, NoiseWarning, estimate_noise

# Of so many images a square of so many pixels in the middle is looked at, by blocks, in
# small ones smaller blocks.
_IMAGES, _WINDOW, _BLOCKS, _FEWEST = 4, 256, (16, 8, 4), 8
# Noise that is so many times as strong or as weak, beyond what blocks of the image that
# was fitted to differ, is another noise. Texture of other images of one kind does 1.3.
_LOUDER, _QUIETER = 1.8, 0.55
# The noise of bright parts, against that of dark ones, as it was expected: images of
# one kind differ by a factor of 1.3 (four kinds of fluorescence, photographs).
_BRIGHTER = 2.0
# How many pixels may be beyond what fit saw by more than its whole width, and how
# little of its contrast an image may have.
_BEYOND, _LEAST_CONTRAST = 0.05, 1 / 8
# Noise whose neighbours are so alike shows little in their differences.
_LEAST_SHARE = 0.1
_MAD = 0.6745


def looks_of(windows, noise):
    """Return how an image, read in windows (C, h, w), looks beside its noise.

    "contrast" is that between the 1st and the 99th percentile; "detail", how fine
    detail compares with the noise, two quartiles over blocks; "bright_to_dark", the
    same of the brightest quarter of the blocks over that of the darkest. The last two
    are None where that cannot be known. Fine detail is what is left of 2 x 2 pixels
    without level and slopes. Without structure both are 1.

    >>> import numpy as np
    >>> from n2d.noise import NoiseModel
    >>> noisy = np.random.default_rng(0).normal(50, 4, (1, 128, 128))
    >>> looks = looks_of([noisy], NoiseModel(level=4.0))
    >>> np.round(looks["detail"], 1).tolist(), round(looks["bright_to_dark"], 1)
    ([1.0, 1.1], 1.0)
    """
    ratios, places = _blocks_of(windows, noise)
    found = {"contrast": None, "detail": None, "bright_to_dark": None}
    if windows:
        pixels = np.concatenate([np.ravel(window) for window in windows])
        found["contrast"] = float(np.subtract(*np.quantile(pixels, [0.99, 0.01])))
    if ratios.size >= _FEWEST:
        found["detail"] = tuple(float(q) for q in np.quantile(ratios, [0.25, 0.75]))
        order = np.argsort(places, kind="stable")
        quarter = len(order) // 4
        dark, bright = (
            float(np.quantile(ratios[part], 0.25))
            for part in (order[:quarter], order[-quarter:])
        )
        if dark > 0:
            found["bright_to_dark"] = bright / dark
    return found


def _blocks_of(windows, noise):
    """Fine detail over noise of all blocks, and their rank in brightness."""
    nothing = np.zeros(0), np.zeros(0)
    models = (noise,) if isinstance(noise, NoiseModel) else noise
    if not isinstance(models, tuple):
        return nothing
    ratios, places = [], []
    for window in windows:
        if len(window) != len(models):
            return nothing
        for values, model in zip(window, models, strict=True):
            corr = model.autocorrelation()
            share = 1 - corr[0, 1] - corr[1, 1] + (corr[2, 1] + corr[3, 1]) / 2
            if share < _LEAST_SHARE or not model.level > 0:
                return nothing
            of_blocks, means = _ratios(values, model, share)
            ratios.append(of_blocks)
            places.append(np.argsort(np.argsort(means)) / max(1, means.size))
    return (np.concatenate(ratios), np.concatenate(places)) if ratios else nothing


def _ratios(values, model, share):
    """Fine detail over noise, and mean, of blocks that are not all one value."""
    area = values.shape[0] * values.shape[1] // 4
    side = next((n for n in _BLOCKS if area >= _FEWEST * n * n), _BLOCKS[-1])
    height, width = (n // (2 * side) * 2 * side for n in values.shape)
    values = np.asarray(values[:height, :width], np.float64)
    a, b = values[::2, ::2], values[::2, 1::2]
    c, d = values[1::2, ::2], values[1::2, 1::2]

    def blocks(x):
        x = x.reshape(height // 2 // side, side, width // 2 // side, side)
        return x.swapaxes(1, 2).reshape(-1, side**2)

    fine = np.median(np.abs(blocks(a - b - c + d)), axis=1) / 2 / _MAD
    means = blocks((a + b + c + d) / 4).mean(1)
    told = np.sqrt(share * model.variance(means))
    kept = (np.ptp(blocks(a), axis=1) > 0) & (told > 0)
    return fine[kept] / told[kept], means[kept]


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


def seen_by(denoiser):
    """Return what a fitted denoiser saw, as `misfit` takes it.

    A dict of "data_range", None where it was told, "dtype", "noise", and `looks_of`.
    """
    told = denoiser.data_range is not None
    fingerprint = denoiser.input_fingerprint_
    keys = ("dtype", "contrast", "detail", "bright_to_dark")
    return {
        "data_range": None if told else denoiser.data_range_,
        "noise": denoiser.noise_,
        **{key: fingerprint.get(key) for key in keys},
    }


def look_at(images):
    """Look at a part of a few images as `fit` would; the same as from `seen_by`."""
    windows = windows_of(images)
    if not windows:
        keys = "data_range", "dtype", "noise", "contrast", "detail", "bright_to_dark"
        return dict.fromkeys(keys)
    noise = tuple(
        estimate_noise([window[c] for window in windows])
        for c in range(len(windows[0]))
    )
    limits = (
        min(float(window.min()) for window in windows),
        max(float(window.max()) for window in windows),
    )
    found = {"data_range": limits, "dtype": np.dtype(images.arrays[0].dtype).name}
    return found | {"noise": noise, **looks_of(windows, noise)}


def misfit(seen, windows, *, single=False):
    """Say why what was learned from an image does not suit another, or return None.

    One of several (`single`) may be empty, so that its contrast says nothing.
    """
    if not windows:
        return None
    here = looks_of(windows, seen["noise"])
    reasons = []
    if seen["data_range"] is not None:
        low, high = seen["data_range"]
        width = high - low
        pixels = np.concatenate([np.ravel(window) for window in windows])
        beyond = np.mean((pixels < low - width) | (pixels > high + width))
        if beyond > _BEYOND:
            reasons.append("its intensities are far beyond those that were seen")
        elif (
            not single
            and seen["contrast"] is not None
            and here["contrast"] < _LEAST_CONTRAST * seen["contrast"]
        ):
            reasons.append("its contrast is a small part of what was seen")
    if seen["detail"] is not None and here["detail"] is not None:
        if here["detail"][0] > _LOUDER * max(1, seen["detail"][1]):
            reasons.append("its noise is far stronger than what was seen")
        elif here["detail"][1] < _QUIETER * min(1, seen["detail"][0]):
            reasons.append("its noise is far weaker than what was seen")
        before, now = (x["bright_to_dark"] for x in (seen, here))
        # Where structure drowns it in the one, it says nothing of the other.
        known = before and now and 1 / _BRIGHTER < before < _BRIGHTER
        if known and not 1 / _BRIGHTER < now / before < _BRIGHTER:
            reasons.append("its noise depends on brightness in another way")
    return ", and ".join(reasons) or None


def misfit_of(seen, images, what="what was fitted", advice="fit to it"):
    """Say why what was learned does not suit some images, or one of them, or None."""
    windows = windows_of(images)
    found = misfit(seen, windows) or _other_integers(seen["dtype"], images)
    if len(windows) > 1:
        each = (misfit(seen, [window], single=True) for window in windows)
        found = found or next(filter(None, each), None)
    if found is None:
        return None
    text = f"{what} does not suit this image: {found}; {advice}, or to one of the same"
    return f"{text} kind"


def _other_integers(seen, images):
    """Say where integers are of another size than those that were seen."""
    here = np.dtype(images.arrays[0].dtype)
    seen = here if seen is None else np.dtype(seen)
    if seen.kind in "iu" and here.kind in "iu" and seen.itemsize != here.itemsize:
        return f"its data type is {here}, that of what was seen {seen}"
    return None


def warn_unless_suits(denoiser, images):
    """Warn where what was fitted does not suit images."""
    text = misfit_of(seen_by(denoiser), images)
    if text is not None:
        warnings.warn(text, NoiseWarning, stacklevel=4)
