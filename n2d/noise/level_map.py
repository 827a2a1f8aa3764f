"""How the level of the noise differs from place to place of one image."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

# Blocks that the level is looked at in, how far they are apart, the grid cells they are
# sorted into, and how many of these a row or column has at least; and of small images.
_SIZES = (16, 8, 32, 5), (8, 4, 16, 4)
# Of the blocks of a cell the share that is flat.
_FLAT = 0.25
# In the logarithm of the deviation: below this spread the level is the same everywhere.
_LEAST_SPREAD = 0.12

# A cell is no noisier than so many of the nine around it: one that stands out is
# texture, while a quarter of four cells with more noise has its corners.
_ALIKE = 4

# Where neighbouring cells differ by more than this, in the logarithm, there is an edge,
# as between joined images. It is looked for in cells of so many pixels.
_EDGE, _FINE_CELL = 0.4, 8


def level_map(stabilized) -> np.ndarray:
    """Measure how the level of the noise differs from place to place.

    Parameters
    ----------
    stabilized : ndarray, shape (h, w)
        Image whose noise depends on intensity no more.

    Returns
    -------
    level : ndarray, shape (r, c)
        Relative deviation on a grid that spans the image, of mean square 1; a single
        one where it is the same everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.level_map import level_map
    >>> noise = np.random.default_rng(0).normal(size=(256, 256))
    >>> level_map(noise).shape, level_map(noise * np.linspace(1, 3, 256)).shape
    ((1, 1), (8, 8))
    """
    shorter = min(stabilized.shape)
    sizes = [one for one in _SIZES if shorter // one[2] >= one[3]]
    if not sizes:
        return np.ones((1, 1))
    block, step, cell, _ = sizes[0]
    cells = [n // cell for n in stabilized.shape]
    single = stabilized.astype(np.float32)  # its noise is 1: that is precise enough
    view = np.lib.stride_tricks.sliding_window_view(single, (block, block))
    power = _fine_power(view[::step, ::step])
    place = [
        np.minimum((step * np.arange(n) + block // 2) * k // side, k - 1)
        for n, k, side in zip(power.shape, cells, stabilized.shape, strict=True)
    ]
    logs = np.empty(cells)
    for i in range(cells[0]):
        rows = power[place[0] == i]
        for j in range(cells[1]):
            here = rows[:, place[1] == j].ravel()
            n_flat = max(3, int(_FLAT * here.size))
            logs[i, j] = np.log(np.partition(here, n_flat - 1)[:n_flat].mean())
    around = ndimage.rank_filter(logs, -_ALIKE, 3, mode="nearest")
    logs = np.minimum(logs, around) / 2
    if logs.std() < _LEAST_SPREAD:
        return np.ones((1, 1))
    return _of_logs(np.clip(logs - np.median(logs), -1.5, 1.5))


def sharpened(level, stabilized) -> np.ndarray:
    """Put the edges of a map where they are.

    Parameters
    ----------
    level : ndarray, shape (r, c)
        As `level_map` has measured it.
    stabilized : ndarray, shape (h, w)
        The same image.

    Returns
    -------
    level : ndarray, shape (rows, columns)
        On a grid four times as fine, each cell near an edge with the level of one of
        those around it; `level` itself where it has no edges.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.level_map import level_map, sharpened
    >>> noise = np.random.default_rng(0).normal(size=(256, 256))
    >>> noise[:, 120:] *= 3
    >>> coarse = level_map(noise)
    >>> fine = sharpened(coarse, noise)
    >>> coarse[4, 2:6].round(1).tolist(), fine[16, 12:18].round(1).tolist()
    ([0.4, 0.5, 1.4, 1.4], [0.5, 0.5, 0.5, 1.3, 1.3, 1.3])
    """
    logs = np.log(level)
    lowest, highest = (
        each(logs, 3, mode="nearest")
        for each in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    if (highest - lowest).max() < _EDGE:
        return level
    cells = [n // _FINE_CELL for n in stabilized.shape]
    h, w = (n * _FINE_CELL for n in cells)
    blocks = stabilized[:h, :w].astype(np.float32)
    blocks = blocks.reshape(cells[0], _FINE_CELL, cells[1], _FINE_CELL).swapaxes(1, 2)
    seen = ndimage.median_filter(np.log(_fine_power(blocks)) / 2, 3, mode="nearest")
    at = [(np.arange(k) + 0.5) * n / k for k, n in zip(cells, logs.shape, strict=True)]
    nearest = np.ix_(*(a.astype(int) for a in at))
    y, x = np.meshgrid(*at, indexing="ij")
    smooth = ndimage.map_coordinates(logs, (y - 0.5, x - 0.5), order=1, mode="nearest")
    edge = (highest - lowest)[nearest] > _EDGE
    seen -= np.median((seen - smooth)[~edge if not edge.all() else edge])
    around = np.lib.stride_tricks.sliding_window_view(np.pad(logs, 1, "edge"), (3, 3))
    around = around.reshape(*logs.shape, 9)[nearest]
    chosen = np.abs(around - seen[..., None]).argmin(axis=2)[..., None]
    of_one = np.take_along_axis(around, chosen, axis=2)[..., 0]
    return _of_logs(np.where(edge, of_one, smooth))


def _fine_power(blocks):
    """Mean power (r, c) of blocks (r, c, n, n) at high frequencies, above 0."""
    n = blocks.shape[-1]
    power = fft.dctn(
        blocks - blocks.mean((2, 3), keepdims=True), axes=(2, 3), norm="ortho"
    )
    fine = np.hypot(*np.indices((n, n))) >= 0.5 * n
    return np.maximum((power**2)[:, :, fine].mean(axis=2), 1e-12)


def _of_logs(logs):
    """Relative deviation, of mean square 1, of its logarithms."""
    level = np.exp(logs)
    return level / np.sqrt(np.mean(level**2))
