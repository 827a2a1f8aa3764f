"""Whether frames that should show one scene do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

# So many frames are looked at, evenly spaced, and this much of their middle.
_MOST_FRAMES, _MOST_SIDE = 12, 512

# Slopes are differences of the mean over twice these distances; tiles, in which what
# moves does so alike, have about this side.
_STEPS, _TILE = (1, 2, 4), 32
_LEAST_SIDE = 32

# Of the power of what differs between frames, this share goes with the shapes of the
# scene, or from frame to frame, where the scene changes, and so many times the most
# that chance makes of it.
_CHANGED, _BY_CHANCE = 0.1, 2.0
# Steps of coarse integers bend changes of brightness by less.
_CHANGED_BY_INTENSITY, _N_CLASSES = 0.2, 24
# Noise blurred by three pixels has less than this share of its power in means of tiles.
_COARSE = 0.08
# The variance is taken for no less than this share of its mean.
_LEAST_SHARE = 0.1

# Moved frames, in blocks of this side, are this much more alike than frames as they
# are, in deviations of what chance makes of it: for frames of noise alone up to 9.
_BLOCK, _SURELY_MOVED = 3, 11.0

_MOVES = "the scene moves, grows or leaves the focus from frame to frame"
_BENT = "bright places change otherwise than dark ones, as where they are saturated"
_DIFFER = "the two have less in common than what differs: they may show two scenes"
_CHANGES = "frames in a row are more alike than others: the scene changes"


def what_changes(mean, noise, variance) -> str | None:
    """Say what differs between frames of a scene beside their noise.

    Parameters
    ----------
    mean : ndarray of shape (H, W)
        Their mean.
    noise : ndarray of shape (n, H, W)
        What each of them has beside it.
    variance : ndarray of shape (H, W)
        Of the noise, by intensity.

    Returns
    -------
    changes : str or None
        A sentence; None where frames differ by noise alone, or are too small.

    Notes
    -----
    Noise of any kind, weak or strong, correlated or not, is new in every frame, so
    that frames of a steady scene may change places: what one has beside the mean goes
    with nothing that can be computed from the mean, such as the slopes of the scene,
    which tell of motion and growth, its curvature, which tells of focus, or classes of
    intensity, which tell of saturation; it is as much like the next frame's as like
    any other's, unless something changes slowly; and no frame is more like another one
    moved than like that one as it is. What chance makes of all but the last is seen
    where frames, moved by thirds of their sides, are put in the place of the right
    ones. For this the noise is made the same at all intensities, so that a few bright
    places are not all that counts.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import ndimage
    >>> from n2d.noise.steady import what_changes
    >>> rng = np.random.default_rng(0)
    >>> scene = ndimage.gaussian_filter(rng.normal(0, 10, (64, 64)), 2)
    >>> frames = scene + rng.normal(0, 1, (4, 64, 64))
    >>> variance = np.ones((64, 64))
    >>> mean = frames.mean(axis=0)
    >>> what_changes(mean, frames - mean, variance) is None
    True
    >>> frames[:2] += np.roll(scene, 2, axis=1) - scene
    >>> mean = frames.mean(axis=0)
    >>> what_changes(mean, frames - mean, variance)
    'the scene moves, grows or leaves the focus from frame to frame'
    """
    if min(mean.shape) < _LEAST_SIDE:
        return None
    chance = 1 / (len(noise) - 1)
    parts = [_middle(side) for side in mean.shape]
    noise = noise[:: -(-len(noise) // _MOST_FRAMES), *parts]
    mean, variance = mean[*parts], variance[*parts]
    if not _tiles(noise).any():
        return None
    evened = 1 / np.sqrt(np.maximum(variance, _LEAST_SHARE * np.mean(noise**2)))
    sides = np.array(mean.shape)
    thirds = [sides * (i, j) // 3 for i in range(3) for j in range(3) if i or j]

    if _along(noise, _shapes(mean)) > _CHANGED:
        shapes = _shapes(mean, evened)
        found = _along(noise * evened, shapes)
        by_chance = [_along(noise * evened, shapes, third) for third in thirds]
        if found > _BY_CHANCE * max(by_chance):
            return _MOVES
    if _is_moved(mean + noise):
        return _MOVES
    order = np.array_split(np.argsort(mean, axis=None), _N_CLASSES)
    if _by_intensity(noise, order) > _CHANGED_BY_INTENSITY:
        found = _by_intensity(noise * evened, order)
        by_chance = [_by_intensity(noise * evened, order, third) for third in thirds]
        if found > _BY_CHANCE * max(by_chance):
            return _BENT
    if _likeness(noise) + chance > _CHANGED * (1 + chance):
        found = _likeness(noise * evened) + chance
        by_chance = [abs(_likeness(noise * evened, third)) for third in thirds]
        if found > _BY_CHANCE * max(by_chance):
            return _CHANGES
    if len(noise) == 2 and _differ(mean, noise):
        return _DIFFER
    return None


def _middle(side):
    """Slice of the middle of a side."""
    start = max(0, (side - _MOST_SIDE) // 2)
    return slice(start, start + _MOST_SIDE)


def _tiles(image):
    """Cut (..., H, W), without a border, into tiles (..., n, pixels)."""
    border = _STEPS[-1]
    sides = [side - 2 * border for side in image.shape[-2:]]
    rows, columns = (max(1, side // _TILE) for side in sides)
    height, width = sides[0] // rows, sides[1] // columns
    image = image[
        ..., border : border + rows * height, border : border + columns * width
    ]
    cut = image.reshape(*image.shape[:-2], rows, height, columns, width)
    cut = np.moveaxis(cut, -3, -2)
    return cut.reshape(*cut.shape[:-4], rows * columns, height * width)


def _shapes(mean, weight=1.0):
    """Orthonormal slopes and curvatures (tiles, pixels, k), free of the mean itself."""
    fields = [np.ones_like(mean), mean]
    inner = None
    for step in _STEPS:
        moved = [(np.roll(mean, -step, a), np.roll(mean, step, a)) for a in (0, 1)]
        fields += [after - before for after, before in moved]
        ring = sum(after + before for after, before in moved)
        if inner is not None:  # without the pixel itself, and its noise
            fields.append(ring - inner)
        inner = ring
    tiles = np.stack([_tiles(field * weight) for field in fields], axis=-1)
    size = np.sqrt(np.mean(tiles**2, axis=1, keepdims=True))
    return np.linalg.qr(tiles / np.where(size > 0, size, 1))[0][..., 2:]


def _along(noise, shapes, shift=(0, 0)):
    """Share of the power of noise that goes with shapes, after moving it."""
    tiles = _tiles(np.roll(noise, shift, axis=(1, 2)))
    return np.sum((tiles.swapaxes(0, 1) @ shapes) ** 2) / np.sum(tiles**2)


def _by_intensity(noise, classes, shift=(0, 0)):
    """Share of the power of noise in its means by classes of pixels, after moving."""
    flat = np.roll(noise, shift, axis=(1, 2)).reshape(len(noise), -1)
    power = sum(np.sum(flat[:, some].mean(axis=1) ** 2) * len(some) for some in classes)
    return power / np.sum(flat**2)


def _differ(mean, noise):
    """Tell whether two frames differ by more than they share, and not by fine noise."""
    power = np.mean(noise**2)
    # Each has twice this power of its own, of which the mean has half.
    if np.var(mean) - power > 2 * power:
        return False
    tiles = _tiles(noise)
    return np.mean(tiles.mean(axis=-1) ** 2) > _COARSE * np.mean(tiles**2)


def _likeness(noise, shift=(0, 0)):
    """Correlation of the noise of a frame with that of the next one, moved."""
    size = np.sqrt(np.mean(noise**2, axis=(1, 2), keepdims=True))
    noise = noise / np.where(size > 0, size, 1)
    return np.mean(noise[:-1] * np.roll(noise[1:], shift, axis=(1, 2)))


def _is_moved(frames):
    """Tell whether a frame is more like the next one moved than as that one is.

    By phase correlation, which at a distance that means nothing is of deviation one
    over the root of the number of pixels, whatever the noise. Where it is of few bright
    pixels, medians of blocks have none of them, and means are not mostly 0.
    """
    n, *sides = frames.shape
    rows, columns = (side // _BLOCK for side in sides)
    blocks = frames[:, : rows * _BLOCK, : columns * _BLOCK]
    blocks = blocks.reshape(n, rows, _BLOCK, columns, _BLOCK)
    surely = _SURELY_MOVED / np.sqrt(rows * columns)
    return all(
        _nearer_moved(reduced(blocks, axis=(2, 4))) > surely
        for reduced in (np.mean, np.median)
    )


def _nearer_moved(frames):
    """How much more one of frames is like the next one moved than as that one is."""
    shape = frames.shape[1:]
    # Without its window, borders that do not fit together would be alike.
    window = np.outer(*map(np.hanning, shape))
    waves = np.fft.rfft2((frames - frames.mean(axis=(1, 2), keepdims=True)) * window)
    size = np.abs(waves)
    waves /= np.where(size > 0, size, 1)
    found = 0.0
    for one, following in pairwise(waves):
        likeness = np.fft.irfft2(one * following.conj(), shape)
        found = max(found, likeness.max() - likeness[0, 0])
    return found
