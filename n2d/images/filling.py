"""Gaps in images, filled with what is around them."""

import numpy as np
from scipy import ndimage

# How often a place is mirrored at the edge of the gaps until it is in one no more.
_MOST_MIRRORED = 8


def fill_from_around(values, gaps):
    """Fill gaps of an image with its mirror image at their edges, in place.

    So that there is as much noise in them as around them, and no edge.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        Changed where `gaps` are.
    gaps : ndarray of bool
        Of the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.images import fill_from_around
    >>> values = np.array([[1, 2, 3, 0, 0, 0]])
    >>> fill_from_around(values, values == 0)
    >>> values.tolist()
    [[1, 2, 3, 2, 1, 1]]
    """
    if gaps.all():
        values[...] = 0
        return
    nearest = ndimage.distance_transform_edt(
        gaps, return_distances=False, return_indices=True
    )
    places = np.array(np.nonzero(gaps))
    wanted = places.copy()
    limits = np.array(values.shape)[:, None] - 1
    for _ in range(_MOST_MIRRORED):
        inside = gaps[tuple(wanted)]
        if not inside.any():
            break
        at = wanted[:, inside]
        edge = nearest[(slice(None), *at)]
        wanted[:, inside] = np.clip(2 * edge - at, 0, limits)
    inside = gaps[tuple(wanted)]
    wanted[:, inside] = nearest[(slice(None), *wanted[:, inside])]
    values[tuple(places)] = values[tuple(wanted)]
