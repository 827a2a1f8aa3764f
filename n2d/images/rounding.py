"""From results in floating point to the data type of a file, and what that loses."""

import numpy as np


def convert(array, dtype):
    """Round an array to a data type, clip it to what the type can hold, and count.

    Parameters
    ----------
    array : ndarray
        Finite numbers in floating point.
    dtype : dtype
        A floating-point, integer or boolean type. True is 1 and False is 0.

    Returns
    -------
    converted : ndarray
        Of type `dtype`.
    n_clipped : int
        How many numbers, rounded, were beyond the type's smallest and largest value.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.images.rounding import convert
    >>> converted, n_clipped = convert(np.array([-3.0, 1.6, 255.4, 256.0]), np.uint8)
    >>> converted.tolist(), n_clipped
    ([0, 2, 255, 255], 2)
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f" and np.can_cast(array.dtype, dtype):
        return np.asarray(array, dtype), 0
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        low, high = float(limits.min), float(limits.max)
        n_clipped = int(np.count_nonzero((array < low) | (array > high)))
        if n_clipped:
            array = np.clip(array, low, high)
        return array.astype(dtype, copy=False), n_clipped

    low, high = (0, 1) if dtype.kind == "b" else _integer_limits(dtype)
    rounded = np.rint(array)
    below = rounded < low
    # high + 1 is a power of two, so that it is exact where high itself, of 32 or 64
    # bits, is not.
    above = rounded >= float(high + 1)
    converted = np.where(below | above, 0, rounded).astype(dtype)
    converted[below] = low
    converted[above] = high
    return converted, int(np.count_nonzero(below) + np.count_nonzero(above))


def _integer_limits(dtype):
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)
