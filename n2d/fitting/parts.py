"""Parts of the windows that `fit` looks at more closely."""

from typing import NamedTuple

import numpy as np

from n2d.core.prior import PRIOR_ALIGNMENT

# The result is checked, its mean compared, and the noise measured again, on so many
# pixels, in squares of this side; of every image at least one is checked. A denoised
# square has nearly the mean that it had: that of the image is kept to 0.002 deviations
# of the noise (median of 240 images), to 0.02 in nineteen of twenty. Windows of up to
# so many times as many pixels are checked whole.
_ENOUGH_PIXELS, _SIDE, _WHOLE = 2**15, 96, 1.5


class Part(NamedTuple):
    """Pixel values (C, h, w), and where in which window they are from."""

    values: np.ndarray
    top: int
    left: int
    window: int = 0


def checked_parts(windows, one_image):
    """Choose what the result is checked on.

    Parameters
    ----------
    windows : list of ndarray of shape (C, h, w)
        What `fit` has read.
    one_image : bool
        Whether all are of one image. If not, there is a part of each.

    Returns
    -------
    list of Part
    """
    numbers = range(len(windows))
    if one_image:
        numbers = evenly(len(windows), _ENOUGH_PIXELS // _SIDE**2)
    each, parts = _ENOUGH_PIXELS / len(numbers), []
    for number in numbers:
        window = windows[number]
        height, width = window.shape[1:]
        if height * width <= max(_WHOLE * each, 2 * _SIDE**2):
            parts.append(Part(window, 0, 0, number))
            continue
        # Evenly over the window, if there are several.
        n = max(1, round(each**0.5 / _SIDE))
        for row in range(n):
            for column in range(n):
                top, left = (
                    max(0, (2 * k + 1) * full // (2 * n) - _SIDE // 2)
                    // PRIOR_ALIGNMENT
                    * PRIOR_ALIGNMENT
                    for k, full in ((row, height), (column, width))
                )
                values = window[:, top : top + _SIDE, left : left + _SIDE]
                parts.append(Part(values, top, left, number))
    return parts


def sample_of(parts):
    """Choose of what is checked what the noise is measured again on.

    Parameters
    ----------
    parts : list of Part
        As `checked_parts` has chosen them.

    Returns
    -------
    list of Part
        The first of `parts` among them.
    """
    n_pixels = sum(part.values[0].size for part in parts)
    most = max(1, int(len(parts) * min(1, _ENOUGH_PIXELS / n_pixels)))
    return [parts[i] for i in evenly(len(parts), most)]


def evenly(n, most):
    """Choose up to `most` of the numbers below n, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist()
