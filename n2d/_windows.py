"""What denoisers learn from: whole images, or parts of them. NumPy only."""

import numpy as np


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
        than the others, if need be mirrored.
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
        return [read(image, 0, 0, *image.shape[1:]) for image in images]
    windows, n_pixels = [], 0
    while n_pixels < max_pixels:
        image = images[rng.choice(len(images), p=areas / areas.sum())]
        height, width = (min(side, n) for n in image.shape[1:])
        top = rng.integers(image.shape[1] - height + 1)
        left = rng.integers(image.shape[2] - width + 1)
        windows.append(read(image, int(top), int(left), height, width))
        n_pixels += height * width
    return windows


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
