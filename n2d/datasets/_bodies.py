"""Scenes like slices of a body: smooth organs, faint inserts, vessels."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import blob, curves, fractal_field, smooth_field, splat
from n2d.datasets._leaves import halve


def smooth_bodies(shape, rng):
    """Nested smooth bodies with faint inserts, as in tomography."""
    canvas = (2 * shape[0], 2 * shape[1])
    image = np.zeros(canvas)
    large = rng.uniform(0.25, 0.7) * min(canvas)
    centre = rng.uniform(0.2, 0.8, 2) * canvas
    pieces = [(centre, large, rng.uniform(0.4, 0.9))]
    for _ in range(rng.integers(2, 25)):
        step = rng.normal(0, 0.5, 2) * large
        faint = rng.choice([0.01, 0.03, 0.1, 0.3])
        pieces.append(
            (
                centre + step,
                large * np.exp(rng.uniform(-3.2, -0.7)),
                faint * rng.normal(),
            )
        )
    for at, radius, contrast in pieces:
        radii = radius * np.array([1, rng.uniform(0.5, 1)])
        wobble = rng.choice([0, 0.05, 0.1])
        window, mask, _ = blob(
            canvas, at, radii, rng.uniform(0, np.pi), wobble, rng.uniform(1, 6), rng
        )
        if mask.size:
            image[window] += contrast * mask
    image = halve(image)
    inside = image > 0.2
    image += (
        rng.choice([0, 0.005, 0.02, 0.05])
        * inside
        * fractal_field(shape, rng.uniform(1, 4), 4, rng.uniform(0.6, 1), rng)
    )
    if rng.uniform() < 0.3:
        # Folded layers, as in slices of a brain.
        folds = smooth_field(shape, rng.uniform(4, 10), rng)
        image += 0.25 * inside / (1 + np.exp(-rng.uniform(3, 10) * folds))
    image = ndimage.gaussian_filter(image, rng.uniform(0.3, 2))
    return image


def vessels(shape, rng):
    """A branching tree that gets thinner, on a smooth or textured ground."""
    starts = rng.uniform(0, 1, (rng.integers(1, 5), 2)) * shape
    angles = rng.uniform(0, 2 * np.pi, len(starts))
    width = rng.uniform(2, 6)
    image = np.zeros(shape)
    for _ in range(rng.integers(3, 6)):
        lengths = rng.uniform(25, 120, len(starts))
        rows, cols, owner = curves(starts, angles, lengths, rng.uniform(0.5, 2), rng)
        drawn = ndimage.gaussian_filter(splat(shape, rows, cols, 1.0), 0.6 * width)
        image = np.maximum(image, 1 - np.exp(-drawn * width * 2))
        # Branches leave from points along the vessels just drawn.
        chosen = rng.integers(0, len(rows), min(60, 3 * len(starts)))
        along = np.stack([rows[chosen], cols[chosen]], 1)
        angles = angles[owner[chosen]] + rng.choice([-1, 1], len(chosen)) * rng.uniform(
            0.3, 1.3, len(chosen)
        )
        starts, width = along, max(0.6, width * 0.62)
    ground = rng.uniform(0.1, 0.5) * fractal_field(
        shape, rng.uniform(2, 10), 4, rng.uniform(0.4, 0.9), rng
    )
    return ground + rng.choice([-1, 1, 1]) * rng.uniform(0.5, 2) * image
