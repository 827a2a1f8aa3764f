"""The median filter."""

from numbers import Integral

import numpy as np
from scipy import ndimage

from n2d._sklearn import Interval
from n2d.baselines._classical import ClassicalDenoiser


class MedianDenoiser(ClassicalDenoiser):
    """Replace every pixel by the median of its neighbourhood.

    Parameters
    ----------
    size : int, default=3
        Side of the square neighbourhood, in pixels. Odd sides have their pixel in the
        middle. The larger, the smoother.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.

    Attributes
    ----------
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    GaussianDenoiser : The linear filter, whose width can be measured.
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    Best against outliers, such as hot pixels. Channels are filtered one by one.
    Borders are mirrored. Any real dtype is accepted; the result has dtype
    ``np.result_type(X.dtype, np.float32)`` and the units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import MedianDenoiser
    >>> hot = np.zeros((5, 5))
    >>> hot[2, 3] = 1000
    >>> float(MedianDenoiser().fit_transform(hot).max())
    0.0
    """

    _parameter_constraints = {  # noqa: RUF012
        **ClassicalDenoiser._parameter_constraints,
        "size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, size=3, channel_axis=None):
        self.size = size
        self.channel_axis = channel_axis

    def _settle(self, windows):
        return {}

    def _denoise(self, values):
        return np.stack(
            [ndimage.median_filter(channel, self.size) for channel in values]
        )
