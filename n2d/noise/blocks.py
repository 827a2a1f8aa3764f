"""The parts of an image that its noise is measured on."""

from __future__ import annotations

import numpy as np

from n2d._masked import read_unmasked

# Blocks looked at, at most: enough for 2 % precision, and the cost stays that of a
# 400x400 image however large the image is.
_MAX_BLOCKS = 2400


def as_windows(image) -> list[np.ndarray]:
    """Return a list of 2-D arrays."""
    several = isinstance(image, (list, tuple)) and any(
        isinstance(window, np.ndarray) for window in image
    )
    if several:
        windows = [
            read_unmasked(window, f"image[{i}]") for i, window in enumerate(image)
        ]
        if any(window.ndim != 2 for window in windows):
            shapes = [window.shape for window in windows]
            raise ValueError(f"image must be a list of (h, w) windows, got {shapes}")
    else:
        array = read_unmasked(image, "image")
        if array.ndim not in (2, 3):
            raise ValueError(
                "image must have shape (H, W), or (k, h, w) for windows, "
                f"got {array.shape}"
            )
        windows = [array] if array.ndim == 2 else list(array)
    if not windows or any(window.size == 0 for window in windows):
        raise ValueError("image must have at least one pixel in every window")
    for window in windows:
        if window.dtype.kind not in "buif":
            raise TypeError(f"image must hold real numbers, got dtype {window.dtype}")
    return windows


#: Side of a block.
SIZE = 16

# How far apart blocks are, and how many are wanted: of small images they overlap more.
_STEPS = ((8, 400), (4, 100), (2, 30))


def sample_blocks(windows: list[np.ndarray]) -> np.ndarray | None:
    """Cut (n, SIZE, SIZE) blocks, if there are enough of them."""
    rng = np.random.default_rng(0)  # which blocks are looked at, always the same ones
    for step, wanted in _STEPS:
        grids = [[max(0, (n - SIZE) // step + 1) for n in w.shape] for w in windows]
        counts = [rows * columns for rows, columns in grids]
        if sum(counts) < wanted:
            continue
        if sum(counts) > _MAX_BLOCKS:
            # Twice as many as wanted: drawing with repetition loses fewer than half.
            chosen = np.unique(rng.integers(0, sum(counts), 2 * _MAX_BLOCKS))
            chosen = np.sort(rng.permutation(chosen)[:_MAX_BLOCKS])
        else:
            chosen = np.arange(sum(counts))
        ends = np.cumsum(counts)
        parts = []
        for window, grid, start, end in zip(
            windows, grids, ends - counts, ends, strict=True
        ):
            here = chosen[(chosen >= start) & (chosen < end)] - start
            if len(here):
                y, x = (step * index for index in np.divmod(here, grid[1]))
                view = np.lib.stride_tricks.sliding_window_view(window, (SIZE, SIZE))
                parts.append(view[y, x].astype(np.float64))
        return np.concatenate(parts)
    return None


def cut_blocks(image, side) -> np.ndarray:
    """Cut an image (h, w) into (n, side, side), without what is left over."""
    rows, columns = (n // side for n in image.shape)
    whole = image[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return np.moveaxis(whole, 2, 1).reshape(-1, side, side)


def weighted_sum(power: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum the power of blocks (n, cells) by weights (cells,).

    Not by BLAS: its threads wait for each other busily, for products as small as this
    for longer than one thread takes.
    """
    return np.einsum("nk,k->n", power, weights)
