"""Which data `fit` saw: enough to recognise it, nothing to restore it. NumPy only."""

import hashlib

import numpy as np


def input_fingerprint(images, windows):
    """Describe what was fitted to; reads nothing but what `fit` has read already.

    Parameters
    ----------
    images : n2d.images.arrays.Images
        All images.
    windows : sequence of ndarray of shape (C, h, w), float64
        What was read of them.

    Returns
    -------
    dict
        "n_images"; "shape" of X, or of each array of a list; "dtype" of X; both None
        where the arrays of a list differ in it; and "sha256", a hexadecimal digest of
        the windows. The same images, parameters and int `random_state` give the same.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.images.arrays import Images
    >>> from n2d.images.fingerprint import input_fingerprint
    >>> X = np.zeros((3, 4, 5), np.uint8)
    >>> found = input_fingerprint(Images(X), [X.astype(float)])
    >>> found["n_images"], found["shape"], found["dtype"], found["sha256"][:8]
    (3, (3, 4, 5), 'uint8', 'a095d2e9')
    """
    shapes = {tuple(map(int, array.shape)) for array in images.arrays}
    dtypes = {np.dtype(array.dtype).name for array in images.arrays}
    digest = hashlib.sha256()
    for window in windows:
        digest.update(repr(window.shape).encode())
        # Little-endian wherever it was computed.
        digest.update(np.ascontiguousarray(window, "<f8"))
    return {
        "n_images": len(images),
        "shape": shapes.pop() if len(shapes) == 1 else None,
        "dtype": dtypes.pop() if len(dtypes) == 1 else None,
        "sha256": digest.hexdigest(),
    }
