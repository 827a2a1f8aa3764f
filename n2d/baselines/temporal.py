"""What noise in a series of images is often fought with: averages over frames."""

from collections import deque
from numbers import Integral

import numpy as np

from n2d._sklearn import Interval
from n2d.baselines._classical import ClassicalDenoiser, series_of


class _FrameFilter(ClassicalDenoiser):
    """Base of filters along axis 0 of a stack, which take every pixel for itself."""

    _uses_neighbours = True

    _parameter_constraints = {  # noqa: RUF012
        **ClassicalDenoiser._parameter_constraints,
        "size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, size=5, channel_axis=None):
        self.size = size
        self.channel_axis = channel_axis

    def _settle(self, windows):
        return {}

    def _denoise_all(self, images, outputs):
        before, after = self.size // 2, (self.size - 1) // 2
        for series in series_of(images):
            frames, n_read = deque(), series.start
            for i in series:
                while n_read < min(i + after + 1, series.stop):
                    frames.append(images[n_read].read_whole())
                    n_read += 1
                while len(frames) > n_read - max(i - before, series.start):
                    frames.popleft()
                outputs[i].write(self._filtered(np.stack(frames)), 0, 0)

    def _filtered(self, frames):
        """Make one frame (C, H, W) of some (k, C, H, W)."""
        raise NotImplementedError


class TemporalMeanDenoiser(_FrameFilter):
    """Average every frame of a stack with its neighbours.

    Parameters
    ----------
    size : int, default=5
        Frames that are averaged, the frame itself in their middle. At the ends of a
        stack there are fewer.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.

    Attributes
    ----------
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    TemporalMedianDenoiser : Lets go of what is there in a few frames only.
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    Axis 0 of a stack is time, and so is a list, as far as its images have one shape. A
    lone image comes back as it is. What stands still loses noise by the square root of
    `size`; what moves is smeared, and an event of one frame is left with a share of
    1 / `size`. Any real dtype is accepted; the result has dtype
    ``np.result_type(X.dtype, np.float32)`` and the units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import TemporalMeanDenoiser
    >>> flash = np.zeros((9, 4, 4))
    >>> flash[4] = 10
    >>> TemporalMeanDenoiser().fit_transform(flash)[:, 0, 0].tolist()
    [0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0]
    """

    def _filtered(self, frames):
        return frames.mean(axis=0)


class TemporalMedianDenoiser(_FrameFilter):
    """Replace every pixel of a stack by the median over neighbouring frames.

    Parameters
    ----------
    size : int, default=5
        Frames whose median is taken, the frame itself in their middle. At the ends of a
        stack there are fewer.
    channel_axis : int or None, default=None
        Axis of the images' channels in X; None for grey images. Never guessed.

    Attributes
    ----------
    n_features_in_ : int
        Length of the second axis of X in `fit`; later inputs may have any size.

    See Also
    --------
    TemporalMeanDenoiser : Removes more noise of what stands still.
    MedianDenoiser : The median within an image.
    n2d.denoiser_registry : All denoisers by name.

    Notes
    -----
    Axis 0 of a stack is time, and so is a list, as far as its images have one shape. A
    lone image comes back as it is. An event of fewer than half of `size` frames
    disappears. Any real dtype is accepted; the result has dtype
    ``np.result_type(X.dtype, np.float32)`` and the units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.baselines import TemporalMedianDenoiser
    >>> flash = np.zeros((7, 4, 4))
    >>> flash[3] = 10
    >>> float(TemporalMedianDenoiser().fit_transform(flash).max())
    0.0
    """

    def _filtered(self, frames):
        return np.median(frames, axis=0)
