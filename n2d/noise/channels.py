"""Noise that the channels of an image share."""

from __future__ import annotations

import numpy as np
from scipy import fft

from n2d._masked import unmasked
from n2d.noise.blocks import sample_blocks

# Blocks that are taken for flat, in all channels at once.
_FLAT_SHARE = 0.1
_FEWEST_FLAT = 20

# Correlations below this are taken for none: fine texture that the channels share
# looks alike, and noise of their own is the rule.
_LEAST = 0.15

# Share of the variance that a mixture of channels keeps at least: where channels are
# copies of each other, differences have no noise at all.
_LEAST_SHARE = 1e-4


def channel_correlation(channels) -> np.ndarray | None:
    """Measure how the noise of channels is correlated.

    Parameters
    ----------
    channels : sequence of (C, h, w) ndarray
        Windows of noisy images, each channel with noise of the same deviation
        everywhere.

    Returns
    -------
    correlation : ndarray, shape (C, C), or None
        With ones on its diagonal; None where every channel has noise of its own, or
        there is one channel, or the images are too small to tell.

    Notes
    -----
    In the flattest blocks, chosen by one half of the frequencies and measured on the
    other, as `estimate_noise` does; of these the finer ones, where the channels share
    the least of the scene.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.channels import channel_correlation
    >>> rng = np.random.default_rng(0)
    >>> own, common = rng.normal(size=(3, 128, 128)), rng.normal(size=(128, 128))
    >>> channel_correlation([own]) is None
    True
    >>> float(channel_correlation([own + common])[0, 1].round(1))
    0.5
    """
    unmasked(channels, "channels")
    n_channels = len(channels[0])
    if n_channels == 1:
        return None
    # One seed draws the blocks: they are at the same places in every channel.
    blocks = [
        sample_blocks([window[c] for window in channels]) for c in range(n_channels)
    ]
    if blocks[0] is None:
        return None
    cells = np.stack([fft.dctn(b, axes=(1, 2), norm="ortho") for b in blocks])
    size = cells.shape[-1]
    cells = cells.reshape(*cells.shape[:2], -1)  # (C, n, cells)
    row, column = (index.ravel() for index in np.indices((size, size)))
    used = np.hypot(row, column) >= size / 4
    even = (row + column) % 2 == 0
    power = (cells**2).sum(axis=0)
    covariance = 0
    for half in (even, ~even):
        score = power[:, used & half].mean(axis=1)
        n_flat = min(len(score), max(_FEWEST_FLAT, int(_FLAT_SHARE * len(score))))
        flat = np.argpartition(score, n_flat - 1)[:n_flat]
        seen = cells[:, flat][:, :, used & ~half].reshape(n_channels, -1)
        covariance = covariance + seen @ seen.T
    deviation = np.sqrt(np.diag(covariance))
    if not (deviation > 0).all():
        return None
    correlation = covariance / np.outer(deviation, deviation)
    np.fill_diagonal(correlation, 1)
    if np.abs(correlation - np.eye(n_channels)).max() < _LEAST:
        return None
    return np.clip(correlation, -1, 1)


def undo_correlation(correlation) -> np.ndarray:
    """Mixtures of channels whose noise is independent and of deviation 1.

    Parameters
    ----------
    correlation : ndarray, shape (C, C)
        As `channel_correlation` gives it.

    Returns
    -------
    mixture : ndarray, shape (C, C)
        Invertible and symmetric: of all such mixtures the one nearest to the channels.
        Where channels share all their noise, what they differ in comes out with less
        noise than 1 and is kept as it is.
    """
    share, directions = np.linalg.eigh(correlation)
    share = np.maximum(share, _LEAST_SHARE)
    return directions / np.sqrt(share) @ directions.T
