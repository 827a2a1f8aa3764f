"""Parts of the windows that `fit` looks at more closely."""

from typing import NamedTuple

import numpy as np
import torch

from n2d.core.prior import PRIOR_ALIGNMENT

# The noise is measured again on so many pixels, in squares of this side.
_ENOUGH_PIXELS = 2**15
_SAMPLE_SIDE = 96

# The result is checked, and its mean compared, on so many pixels, in squares like
# these; of every image on one of that side at least. A denoised square has nearly the
# mean that it had: the mean of the image is kept to 0.002 deviations of the noise.
_CHECKED_PIXELS = 2**15
_LEAST_CHECKED = 64


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
    parts = []
    if one_image and len(windows) > 1:  # drawn at random: the first will do
        n_windows = 1 + int(_CHECKED_PIXELS / windows[0][0].size)
        return [Part(w, 0, 0, i) for i, w in enumerate(windows[:n_windows])]
    each = _CHECKED_PIXELS / len(windows)
    side = min(_SAMPLE_SIDE, max(_LEAST_CHECKED, int(each**0.5)))
    side -= side % PRIOR_ALIGNMENT
    for number, window in enumerate(windows):
        height, width = window.shape[1:]
        if height * width <= max(1.5 * each, 2 * side**2):
            parts.append(Part(window, 0, 0, number))
            continue
        # Evenly over the window, if there are several.
        n = max(1, round((each / side**2) ** 0.5))
        for row in range(n):
            for column in range(n):
                top, left = (
                    max(0, (2 * k + 1) * full // (2 * n) - side // 2)
                    // PRIOR_ALIGNMENT
                    * PRIOR_ALIGNMENT
                    for k, full in ((row, height), (column, width))
                )
                values = window[:, top : top + side, left : left + side]
                parts.append(Part(values, top, left, number))
    return parts


def sample_of(windows, generator):
    """Choose what the noise is measured again on.

    Parameters
    ----------
    windows : list of ndarray of shape (C, h, w)
        What `fit` has read.
    generator : torch.Generator
        Draws the parts.

    Returns
    -------
    list of Part
    """
    sizes = [window[0].size for window in windows]
    if sum(sizes) <= _ENOUGH_PIXELS:
        return [Part(window, 0, 0) for window in windows]
    side = min(_SAMPLE_SIDE, *(n for window in windows for n in window.shape[1:]))
    side -= side % PRIOR_ALIGNMENT
    count = max(1, _ENOUGH_PIXELS // side**2)
    numbers = torch.multinomial(
        torch.tensor(sizes, dtype=torch.float64), count, True, generator=generator
    )
    parts = []
    for number in numbers.tolist():
        window = windows[number]
        top, left = (
            int(torch.randint(n - side + 1, (), generator=generator))
            for n in window.shape[1:]
        )
        values = window[:, top : top + side, left : left + side]
        parts.append(Part(values, top, left))
    return parts
