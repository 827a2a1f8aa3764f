"""How close an estimate is to a clean image: PSNR, SSIM and their scale-free kin.

All compare as float64, and neither round nor clip. PSNR and SSIM take the data range
from the caller instead of guessing it from a dtype or from the pixels; the scale-free
ones, made for microscopes whose clean image is brighter than the noisy one, settle gain
and offset between the two images first.
"""

import math

import numpy as np

from n2d._masked import read_numbers

# Wang et al. (2004): Gaussian weights with a standard deviation of 1.5 pixels, cut off
# at a window of 11 x 11 pixels. scikit-image derives 11 from these two.
_SSIM_SIGMA = 1.5
_SSIM_TRUNCATE = 3.5
_SSIM_RADIUS = 5

# Ashesh et al. (2024): what is darker than this percentile counts as background.
_BACKGROUND_PERCENTILE = 3


def psnr(clean, estimate, data_range):
    """Peak signal-to-noise ratio of an estimate, in dB.

    ``10 * log10(data_range**2 / mse)``, with the mean squared error over all pixels and
    channels, and over all images of a stack.

    Parameters
    ----------
    clean : array-like of real numbers
        The truth, in any unit.
    estimate : array-like of real numbers
        What is judged, in the same shape and unit.
    data_range : float
        Distance between the smallest and the largest value that the data could have,
        in the same unit, such as 255 for 8-bit images; above 0.

    Returns
    -------
    float
        PSNR in dB; higher is better, infinite where both are equal.

    Raises
    ------
    TypeError, ValueError
        If an argument is unsuitable; the message names it.

    See Also
    --------
    ssim : Compares local structure instead of single pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.metrics import psnr
    >>> clean = np.zeros((8, 8), dtype=np.uint8)
    >>> psnr(clean, clean + 2.55, data_range=255)
    40.0
    """
    clean, estimate = _checked_pair(clean, estimate)
    data_range = _checked_data_range(data_range)
    error = np.mean((clean - estimate) ** 2)
    return float(10 * np.log10(data_range**2 / error)) if error > 0 else math.inf


def ssim(clean, estimate, data_range, channel_axis=None):
    """Structural similarity of an estimate, as Wang et al. define it [1]_.

    Local means, variances and covariance are taken with Gaussian weights (standard
    deviation 1.5 pixels, 11 x 11 pixels, normalised by the number of pixels rather than
    one less), K1 = 0.01 and K2 = 0.03; the result is the mean over all windows inside
    the image, and over channels.

    Parameters
    ----------
    clean : array-like of real numbers
        The truth: (H, W), or a stack (n, H, W); with a `channel_axis` one axis more.
    estimate : array-like of real numbers
        What is judged, in the same shape and unit.
    data_range : float
        Distance between the smallest and the largest value that the data could have,
        in the same unit, such as 255 for 8-bit images; above 0.
    channel_axis : int or None, default=None
        Axis of the channels, None for grey images. Never guessed.

    Returns
    -------
    float
        SSIM, at most 1; higher is better. For a stack, the mean over its images.

    Raises
    ------
    TypeError, ValueError
        If an argument is unsuitable; the message names it.

    See Also
    --------
    psnr : Compares pixel by pixel.

    Notes
    -----
    Computed by `skimage.metrics.structural_similarity`. Where a side is shorter than
    the window no window fits inside the image; along that axis both images are then
    continued by mirroring and windows centred on every pixel are used, so that
    images of any size can be compared.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality
       assessment: from error visibility to structural similarity", IEEE Transactions
       on Image Processing 13(4), 2004. :DOI:`10.1109/TIP.2003.819861`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.metrics import ssim
    >>> clean = np.tile(np.linspace(0, 1, 32), (32, 1))
    >>> noisy = clean + np.random.default_rng(0).normal(0, 0.2, clean.shape)
    >>> ssim(clean, clean, data_range=1), round(ssim(clean, noisy, data_range=1), 2)
    (1.0, 0.13)
    """
    from skimage.metrics import structural_similarity

    clean, estimate = _checked_pair(clean, estimate)
    data_range = _checked_data_range(data_range)
    pairs = zip(
        _planes(clean, channel_axis), _planes(estimate, channel_axis), strict=True
    )
    return float(
        np.mean(
            [
                structural_similarity(
                    _padded_to_window(a),
                    _padded_to_window(b),
                    data_range=data_range,
                    gaussian_weights=True,
                    sigma=_SSIM_SIGMA,
                    truncate=_SSIM_TRUNCATE,
                    use_sample_covariance=False,
                )
                for a, b in pairs
            ]
        )
    )


def scale_invariant_psnr(clean, estimate, data_range=None):
    """PSNR after the best change of gain and offset of the estimate [1]_.

    The estimate is replaced by ``a * estimate + b`` with the a and b of the least
    squared error (a at least 0). For comparison with a clean image of another exposure,
    or with drift of the lamp: an error of gain or offset costs nothing here, so it does
    not tell whether intensities can still be measured.

    Parameters
    ----------
    clean : array-like of real numbers
        The truth, in any unit.
    estimate : array-like of real numbers
        What is judged, in the same shape and in any unit.
    data_range : float or None, default=None
        As for `psnr`. None: from the smallest to the largest value of `clean`, as
        published.

    Returns
    -------
    float
        PSNR in dB; higher is better, infinite where the estimate is a rescaled `clean`.
        For a stack, of all images with one gain and offset.

    Raises
    ------
    TypeError, ValueError
        If an argument is unsuitable; the message names it.

    See Also
    --------
    psnr : Where gain and offset matter.

    References
    ----------
    .. [1] M. Weigert et al., "Content-aware image restoration: pushing the limits of
       fluorescence microscopy", Nature Methods 15, 2018, its supplementary note on
       evaluation. :DOI:`10.1038/s41592-018-0216-7`

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.metrics import scale_invariant_psnr
    >>> clean = np.tile(np.linspace(0, 1, 32), (32, 1))
    >>> error = np.random.default_rng(0).normal(0, 0.1, clean.shape)
    >>> value = scale_invariant_psnr(clean, clean + error)
    >>> again = scale_invariant_psnr(clean, 500 * (clean + error) + 100)
    >>> round(value, 1), bool(abs(again - value) < 1e-9)
    (20.7, True)
    """
    clean, estimate = _checked_pair(clean, estimate)
    data_range = _settled_data_range(data_range, clean)
    clean, estimate = clean - clean.mean(), estimate - estimate.mean()
    power = np.sum(estimate**2)
    gain = max(np.sum(clean * estimate) / power, 0) if power > 0 else 0
    return psnr(clean, gain * estimate, data_range)


def micro_ssim(clean, estimate, data_range=None, channel_axis=None):
    """SSIM for microscopy: after background and gain of both images are matched [1]_.

    The 3rd percentile of each is taken for its background and subtracted, and the
    estimate is multiplied by the gain of the highest SSIM: offsets of a detector, which
    saturate the luminance term of SSIM, and another exposure of the clean image cost
    nothing.

    Parameters
    ----------
    clean : array-like of real numbers
        The truth: (H, W), or a stack (n, H, W); with a `channel_axis` one axis more.
    estimate : array-like of real numbers
        What is judged, in the same shape and in any unit.
    data_range : float or None, default=None
        As for `ssim`. None: from the background to the largest value of `clean`, as
        published.
    channel_axis : int or None, default=None
        Axis of the channels, None for grey images. Never guessed.

    Returns
    -------
    float
        At most 1; higher is better. For a stack, the mean over its images; backgrounds
        and gain are those of the whole stack, or of one channel of it.

    Raises
    ------
    TypeError, ValueError
        If an argument is unsuitable; the message names it.

    See Also
    --------
    ssim : Where gain and offset matter.

    Notes
    -----
    Written from the definition in the paper; the windows are those of `ssim`.

    References
    ----------
    .. [1] A. Ashesh, J. Deschamps, F. Jug, "MicroSSIM: Improved Structural Similarity
       for Comparing Microscopy Data", 2024, arXiv:2408.08747

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.metrics import micro_ssim, ssim
    >>> clean = np.tile(np.linspace(0, 200, 32), (32, 1))
    >>> dim = clean / 4 + 100
    >>> round(ssim(clean, dim, data_range=200), 2), round(micro_ssim(clean, dim), 6)
    (0.55, 1.0)
    """
    clean, estimate = _checked_pair(clean, estimate)
    values = []
    for x, y in zip(
        _channels(clean, channel_axis), _channels(estimate, channel_axis), strict=True
    ):
        x, y = (
            image - np.percentile(image, _BACKGROUND_PERCENTILE) for image in (x, y)
        )
        span = _settled_data_range(data_range, np.maximum(x, 0))
        values.append(ssim(x, _gain_of_highest_ssim(x, y, span) * y, span))
    return float(np.mean(values))


def _gain_of_highest_ssim(clean, estimate, data_range):
    """Find the factor of `estimate`, both (n, H, W), by which SSIM is highest."""
    from scipy.ndimage import gaussian_filter
    from scipy.optimize import minimize_scalar

    product = np.sum(clean * estimate)
    if not product > 0:  # nothing in common: no gain would make it similar
        return 1.0

    def local_mean(stack):
        return gaussian_filter(
            stack, (0, _SSIM_SIGMA, _SSIM_SIGMA), truncate=_SSIM_TRUNCATE
        )

    mean_x, mean_y = local_mean(clean), local_mean(estimate)
    var_x = local_mean(clean**2) - mean_x**2
    var_y = local_mean(estimate**2) - mean_y**2
    covariance = local_mean(clean * estimate) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2

    def loss(log_gain):
        a = np.exp(log_gain)
        luminance = (2 * a * mean_x * mean_y + c1) / (
            mean_x**2 + (a * mean_y) ** 2 + c1
        )
        structure = (2 * a * covariance + c2) / (var_x + a**2 * var_y + c2)
        return -np.mean(luminance * structure)

    start = np.log(product / np.sum(estimate**2))
    search = minimize_scalar(
        loss, bounds=(start - 1.5, start + 1.5), options={"xatol": 1e-6}
    )
    return float(np.exp(search.x))


def _channels(images, channel_axis):
    """Return an array (n, H, W) for every channel."""
    planes = _planes(images, channel_axis)
    n_channels = 1 if channel_axis is None else images.shape[channel_axis]
    return [planes[c::n_channels] for c in range(n_channels)]


def _settled_data_range(data_range, clean):
    if data_range is not None:
        return _checked_data_range(data_range)
    span = np.ptp(clean)
    if not span > 0:
        raise ValueError(
            "clean has one value everywhere, which tells no range: give data_range"
        )
    return float(span)


def _planes(images, channel_axis):
    """Return every channel of every image, as an array (n, H, W)."""
    if channel_axis is None:
        if images.ndim not in (2, 3):
            raise ValueError(
                "clean and estimate must be (H, W) or (n, H, W), got shape "
                f"{images.shape}; give channel_axis if one axis holds channels"
            )
        return images.reshape(-1, *images.shape[-2:])
    if images.ndim not in (3, 4):
        raise ValueError(
            "with a channel_axis, clean and estimate must have 3 axes, or 4 for a "
            f"stack, got shape {images.shape}"
        )
    if not -images.ndim <= channel_axis < images.ndim:
        raise ValueError(
            f"channel_axis={channel_axis} is no axis of an array of shape "
            f"{images.shape}"
        )
    if images.ndim == 4 and channel_axis % 4 == 0:
        raise ValueError(
            "channel_axis=0 can't be used with a stack, whose axis 0 is the images"
        )
    channels_before_rows = np.moveaxis(images, channel_axis, -3)
    return channels_before_rows.reshape(-1, *channels_before_rows.shape[-2:])


def _padded_to_window(plane):
    """Mirror the borders of an image (H, W) along sides shorter than the window."""
    missing = [
        _SSIM_RADIUS if side < 2 * _SSIM_RADIUS + 1 else 0 for side in plane.shape
    ]
    return np.pad(plane, [(n, n) for n in missing], mode="symmetric")


def _checked_pair(clean, estimate):
    """Return both as finite float64 arrays of one shape."""
    clean, estimate = (
        read_numbers(clean, "clean"),
        read_numbers(estimate, "estimate"),
    )
    if clean.shape != estimate.shape:
        raise ValueError(
            "clean and estimate must have the same shape, got "
            f"{clean.shape} and {estimate.shape}"
        )
    return clean, estimate


def _checked_data_range(data_range):
    try:
        number = float(data_range)
    except (TypeError, ValueError):
        raise TypeError(
            "data_range must be one number, the distance between the smallest and the "
            f"largest possible value, got {data_range!r}"
        ) from None
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"data_range must be finite and above 0, got {data_range!r}")
    return number
