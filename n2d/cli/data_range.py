"""Which values data could have: what the type says or the user does, never a guess."""

import numpy as np


def settle_data_range(dtype, given=None):
    """Return the smallest and the largest value that data could have, where known.

    Parameters
    ----------
    dtype : dtype
        Of the noisy image's file.
    given : tuple of two floats, optional
        What the user says, which goes before the type.

    Returns
    -------
    data_range : tuple of two floats or None
        (low, high); None for floating point, whose type says nothing.
    origin : str
        Where it is from.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.cli.data_range import settle_data_range
    >>> settle_data_range(np.uint8)
    ((0.0, 255.0), 'all that uint8 can hold')
    >>> settle_data_range(np.float32)
    (None, 'float32 does not say; give --data-range')
    >>> settle_data_range(np.float32, (0.0, 1.0))
    ((0.0, 1.0), '--data-range')
    """
    dtype = np.dtype(dtype)
    if given is not None:
        return tuple(given), "--data-range"
    if dtype.kind == "b":
        return (0.0, 1.0), "all that bool can hold"
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        return (float(limits.min), float(limits.max)), f"all that {dtype} can hold"
    return None, f"{dtype} does not say; give --data-range"
