"""Colour maps of TIFF: tables that intensities are shown with, or lists of colours."""

import numpy as np

# Of 255 steps of a table so many may be wider, for a mark at its ends, than so much.
_JUMPS, _WIDE = 4, 0.1


def is_ramp(colormap):
    """Whether the entries of a colour map go from dark to bright, or all over smoothly.

    Then the numbers of its entries are intensities, as with the tables of microscopes'
    programs, from grey and green to fire and rainbow. A list of the colours of a
    picture, or of labels, jumps.

    >>> import numpy as np
    >>> grey = np.arange(256) * 257
    >>> is_ramp(np.stack([0 * grey, grey, 0 * grey]))
    True
    >>> is_ramp(np.random.default_rng(0).integers(0, 65536, (3, 256)))
    False
    """
    if not _is_table(colormap):
        return False
    table = np.asarray(colormap, np.float64)
    used = np.flatnonzero(table.any(0))
    if len(used) < 2:
        return False
    table = table[:, : used[-1] + 1]  # programs leave the entries beyond black
    table /= table.max()
    steps = np.diff(table, axis=1)
    if (steps >= 0).all() or (steps <= 0).all():
        return True
    wide = np.abs(steps).max(0) > max(_WIDE, 4 / table.shape[1])
    return bool(np.count_nonzero(wide) <= _JUMPS)


def colours(colormap):
    """Return red, green and blue (n, 3) of the colour map (3, n) of a TIFF.

    In 8 bits, where no entry has more; None if there are no colours in it.
    """
    if not _is_table(colormap) or (colormap == colormap[:, :1]).all():
        return None
    table = np.ascontiguousarray(np.asarray(colormap, np.uint16).T)
    high = table >> 8  # programs fill the low byte with the same, or with nothing
    if ((table == 257 * high) | (table == 256 * high)).all():
        return high.astype(np.uint8)
    return table


def _is_table(colormap):
    return colormap is not None and colormap.ndim == 2 and len(colormap) == 3
