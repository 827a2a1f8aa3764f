"""Scenes with next to nothing in them."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import blob, smooth_field
from n2d.datasets._textures import edge


def simple(shape, rng):
    """Constants, ramps, one edge, one disc, soft gradients, a few points."""
    kind = rng.integers(7)
    y, x = (np.linspace(-1, 1, n) for n in shape)
    y, x = y[:, None], x[None]
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * y + np.sin(angle) * x
    if kind == 0:
        return np.full(shape, 0.5)
    if kind == 1:
        return along + 0.0
    if kind == 2:
        offset, soft = rng.uniform(-0.7, 0.7), np.exp(rng.uniform(0, 3))
        return edge((along - offset) * max(shape) / 2, soft)
    if kind == 3:
        radius = np.exp(rng.uniform(np.log(2), np.log(0.4 * min(shape))))
        soft = np.exp(rng.uniform(0, 2.5))
        image = np.zeros(shape)
        at = rng.uniform(0.1, 0.9, 2) * shape
        window, mask, _ = blob(shape, at, (radius, radius), 0, 0, soft, rng)
        image[window] += mask
        return image
    if kind == 4:
        return smooth_field(shape, rng.uniform(30, 150), rng)
    if kind == 5:
        at = rng.uniform(-0.8, 0.8, 2)
        return np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / rng.uniform(0.1, 2))
    image = np.zeros(shape)
    count = rng.integers(1, 8)
    rows, cols = (rng.integers(0, n, count) for n in shape)
    image[rows, cols] = rng.uniform(0.2, 1, count)
    blur = np.exp(rng.uniform(np.log(0.5), np.log(6)))
    return ndimage.gaussian_filter(image, blur) * blur**2
