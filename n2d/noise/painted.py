"""Areas of one value that were put into a noisy image: masks, labels, data bars."""

from __future__ import annotations

import numpy as np

from n2d.noise.spectrum import block_basis, cosine_power

# An area of one value that was put into a noisy image: a block where more than this
# share of the 2x2 squares has one value belongs to it, if of the others even the
# quietest twentieth has this share of their median power. Where there is no noise,
# powers differ by more: from faint gradients to edges.
_PAINTED_SHARE, _ALIKE_POWER = 0.1, 0.3


def painted_over(blocks: np.ndarray) -> np.ndarray:
    """Tell which blocks of a noisy image have been painted over.

    Parameters
    ----------
    blocks : ndarray, shape (n, size, size)
        Parts of the image, in any units.

    Returns
    -------
    painted : ndarray of bool, shape (n,)
        Blocks that are of one value, if only in part; none where the others do not
        show noise.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.painted import painted_over
    >>> blocks = np.random.default_rng(0).normal(0, 1, (100, 16, 16))
    >>> blocks[3] = 0.5
    >>> np.flatnonzero(painted_over(blocks)).tolist()
    [3]
    """
    across = blocks[:, :, 1:] == blocks[:, :, :-1]
    square = across[:, 1:] & across[:, :-1]
    square &= blocks[:, 1:, 1:] == blocks[:, :-1, 1:]
    painted = square.mean(axis=(1, 2)) > _PAINTED_SHARE
    others = blocks[~painted]
    if not painted.any() or len(others) < 30:
        return np.zeros_like(painted)
    basis = block_basis(blocks.shape[-1])
    power = cosine_power(others - others.mean(axis=(1, 2), keepdims=True))
    power = power[:, basis.fine].mean(axis=1)
    noisy = np.quantile(power, 0.05) > _ALIKE_POWER * np.median(power)
    return painted & noisy
