"""What denoisers learn from: whole images, or parts of them. NumPy only."""

import numpy as np

# Trainings read so many pixels at most, all of a 512 x 512 image, in windows of this
# side.
_MAX_TRAINING_PIXELS = 512**2
_TRAINING_WINDOW = 96

# Of each plane of a stack, where they differ, so many pixels at least; of all planes
# together so many times what a training reads.
_LEAST_PLANE_PIXELS = 256**2
_MOST_TRAININGS = 4

# A look at an image is at windows of this side, about a fifth from its borders.
_LOOK = 64

# A fill is looked for in cells of this side; less than this share of them is none.
_CELL = 8
_LEAST_FILL = 0.01

# Lines are repeated if they change so often, at least.
_FEWEST_CHANGES = 5

# The least side of what is left of an image within a fill, and how many pixels there
# have to be to say enough.
_LEAST_SIDE = 32
_ENOUGH = 48**2


def training_windows(images, rng, multiple):
    """Read what `fit` learns from: a part of the images that says enough.

    Parameters
    ----------
    images, rng, multiple
        As for `sample_windows`.

    Returns
    -------
    list of ndarray of shape (C, h, w), float64
    """
    return sample_windows(
        images,
        rng,
        side=_TRAINING_WINDOW,
        max_pixels=_MAX_TRAINING_PIXELS,
        multiple=multiple,
    )


def sample_windows(images, rng, *, side, max_pixels, multiple):
    """Read parts of the images to learn from: everything, or random windows.

    Parameters
    ----------
    images : Images
        The images.
    rng : numpy.random.Generator
        Draws the windows where there are too many pixels.
    side : int
        Side of a random window; a multiple of `multiple`.
    max_pixels : int
        Up to so many pixels, in all, are read; where the images have more of them,
        random windows with about so many together.
    multiple : int
        The sides of what is returned are multiples of this, mirrored where needed.

    Returns
    -------
    list of ndarray of shape (C, h, w), float64
        Whole images, or windows of at most `side` pixels a side; none much smaller
        than the others, if need be mirrored. Areas of one value that were put around
        an image are left out.
    """
    areas = np.array([image.shape[1] * image.shape[2] for image in images], float)

    # One tiny image shall not make all that is learned from tiny: it is mirrored.
    least = min(side, max(min(image.shape[1:]) for image in images))

    def read(image, top, left, height, width):
        height, width = (
            -(-max(n, least) // multiple) * multiple for n in (height, width)
        )
        return image.read(top, left, height, width)

    if areas.sum() <= max_pixels:
        windows = [read(image, 0, 0, *image.shape[1:]) for image in images]
        return _without_fill(windows, multiple)
    windows, n_pixels = [], 0
    while n_pixels < max_pixels:
        image = images[rng.choice(len(images), p=areas / areas.sum())]
        height, width = (min(side, n) for n in image.shape[1:])
        top = rng.integers(image.shape[1] - height + 1)
        left = rng.integers(image.shape[2] - width + 1)
        windows.append(read(image, int(top), int(left), height, width))
        n_pixels += height * width
    return _without_fill(windows, multiple)


def plane_windows(image, rng, multiple, n_planes=1):
    """Read what is learned of one plane of a stack.

    Parameters
    ----------
    image : Image
        The plane.
    rng, multiple
        As for `sample_windows`.
    n_planes : int, default=1
        Of how many planes windows are read: the more there are, the fewer of each.

    Returns
    -------
    list of ndarray of shape (C, h, w), float64
    """
    each = _MOST_TRAININGS * _MAX_TRAINING_PIXELS // n_planes
    return sample_windows(
        [image],
        rng,
        side=_TRAINING_WINDOW,
        max_pixels=min(_MAX_TRAINING_PIXELS, max(_LEAST_PLANE_PIXELS, each)),
        multiple=multiple,
    )


def few_windows(image):
    """Read four small windows of an image, or all of a small one.

    Parameters
    ----------
    image : Image
        The image.

    Returns
    -------
    list of ndarray of shape (C, h, w), float64
    """
    starts, sides = [], []
    for n in image.shape[1:]:
        small = n <= 2 * _LOOK
        sides.append(n if small else _LOOK)
        starts.append([0] if small else [(n - _LOOK) // 5, 4 * (n - _LOOK) // 5])
    return [image.read(top, left, *sides) for top in starts[0] for left in starts[1]]


def are_constant(windows):
    """Tell whether every channel has one value in all windows (C, h, w)."""
    first = windows[0][:, :1, :1]
    return all((window == first).all() for window in windows)


def whole_images(images, multiple):
    """Read all images, at one size, for solvers that look at all of them at once.

    Parameters
    ----------
    images : Images
        The images.
    multiple : int
        The sides of what is returned are multiples of this.

    Returns
    -------
    list of ndarray of shape (C, h, w), float64
        As large as the largest image along each axis; smaller ones are mirrored.
    """
    height, width = (
        -(-max(image.shape[axis] for image in images) // multiple) * multiple
        for axis in (1, 2)
    )
    return [image.read(0, 0, height, width) for image in images]


def shape_of_whole(images, windows):
    """Tell the shape (h, w) of the one image that has been read whole, or None."""
    if len(images) != 1 or len(windows) != 1:
        return None
    shape = tuple(images[0].shape[1:])
    whole = all(n >= m for n, m in zip(windows[0].shape[1:], shape, strict=True))
    return shape if whole else None


def are_whole(images, windows):
    """Tell whether `training_windows` has read all images, one window for each."""
    n_pixels = sum(image.shape[1] * image.shape[2] for image in images)
    return len(windows) == len(images) and n_pixels <= _MAX_TRAINING_PIXELS


def _without_fill(windows, multiple):
    """Leave out what is no image: an area of one value that was put around it.

    Rotation, registration and reconstruction do so. There is no noise in it, and what
    is measured with it is too low. A smallest or largest value is no such sign: there
    a detector, or photons, may have ended.
    """
    constant = [_constant_cells(window) for window in windows]
    values, counts = np.unique(np.concatenate(constant), return_counts=True)
    n_cells = sum(window[0].size // _CELL**2 for window in windows)
    # An image without noise has areas of several values.
    if counts.sum() <= _LEAST_FILL * n_cells or counts.max() < 0.9 * counts.sum():
        return windows
    fill = values[counts.argmax()]
    low = min(window[0].min() for window in windows)
    high = max(window[0].max() for window in windows)
    if fill in (low, high):
        return windows
    parts = [_clear_part(window, fill, multiple) for window in windows]
    parts = [part for part in parts if min(part.shape[1:]) >= _LEAST_SIDE]
    return parts if sum(part[0].size for part in parts) >= _ENOUGH else windows


def _clear_part(window, fill, multiple):
    """Cut the largest rectangle of whole cells without a fill out of a window."""
    plane = window[0]
    pairs = (plane[1:] == fill) & (plane[:-1] == fill)
    # Four pixels in a square: a single one may have the value by chance.
    filled = np.zeros(plane.shape, bool)
    filled[:-1, :-1] = pairs[:, 1:] & pairs[:, :-1]
    rows, columns = (n // _CELL for n in plane.shape)
    filled = filled[: rows * _CELL, : columns * _CELL]
    filled = filled.reshape(rows, _CELL, columns, _CELL).any((1, 3))

    best = (0, 0, 0, 0)  # top, left, height and width, in cells
    for top in range(rows):
        clear = np.ones(columns, int)
        for bottom in range(top + 1, rows + 1):
            clear &= ~filled[bottom - 1]
            ends = np.flatnonzero(np.diff(clear, prepend=0, append=0)).reshape(-1, 2)
            if not len(ends):
                break
            left, right = ends[np.argmax(ends[:, 1] - ends[:, 0])]
            if (bottom - top) * (right - left) > best[2] * best[3]:
                best = (top, left, bottom - top, right - left)
    top, left, height, width = (_CELL * n for n in best)
    height, width = (n // multiple * multiple for n in (height, width))
    return window[:, top : top + height, left : left + width]


def _constant_cells(window):
    """Values of the first channel in all cells of a grid where it is constant."""
    height, width = (n // _CELL * _CELL for n in window.shape[1:])
    cells = window[0, :height, :width].reshape(
        height // _CELL, _CELL, width // _CELL, _CELL
    )
    low, high = cells.min((1, 3)), cells.max((1, 3))
    return low[low == high]


def repeats_along(windows, axis):
    """Every how many lines windows change: how often pixels were repeated.

    Parameters
    ----------
    windows : sequence of ndarray of shape (C, h, w)
        Parts of images.
    axis : {1, 2}
        Along columns or rows.

    Returns
    -------
    times : int
        1 as a rule.
    """
    apart = [
        np.diff(np.flatnonzero(np.diff(w, axis=axis).any(axis=(0, 3 - axis))))
        for w in windows
    ]
    apart = np.concatenate(apart)
    # Where next to nothing changes, all of it may be even by chance.
    return int(np.gcd.reduce(apart)) if len(apart) >= _FEWEST_CHANGES else 1
