"""Brushes the generated scenes are painted with."""

import numpy as np
from scipy import ndimage


def smooth_field(shape, blur, rng):
    """Gaussian random field, of mean 0 and deviation 1, correlated over `blur` pixels.

    Drawn on a coarse grid and enlarged by cubic splines, so that wide blurs cost no
    more than narrow ones; at least 0.5 pixels.
    """
    step = max(1.0, blur / 2)
    coarse = [int(np.ceil(n / step)) + 8 for n in shape]
    field = ndimage.gaussian_filter(
        rng.standard_normal(coarse), blur / step, mode="wrap"
    )
    field *= 2 * np.sqrt(np.pi) * blur / step  # what the blur took off the level
    if step == 1.0:
        return field[4 : 4 + shape[0], 4 : 4 + shape[1]]
    start = 2 + rng.uniform(0, 1, 2)
    # Cubic splines are separable: two small matrices instead of 16 taps a pixel. What
    # lies 12 samples beyond a border has no influence left.
    field = ndimage.spline_filter(np.pad(field, 12, mode="edge"), 3, mode="mirror")
    rows, cols = (
        _spline_weights(12 + start[i] + np.arange(shape[i]) / step, field.shape[i])
        for i in range(2)
    )
    return rows @ field @ cols.T


def _spline_weights(positions, size):
    """Cubic B-splines at `positions` as a matrix to multiply `size` coefficients by."""
    first = np.floor(positions).astype(int)
    t = positions - first
    weights = np.zeros((len(positions), size))
    row = np.arange(len(positions))
    weights[row, first - 1] = (1 - t) ** 3 / 6
    weights[row, first] = 2 / 3 - t**2 * (2 - t) / 2
    weights[row, first + 1] = 2 / 3 - (1 - t) ** 2 * (1 + t) / 2
    weights[row, first + 2] = t**3 / 6
    return weights


def fractal_field(shape, finest, octaves, roughness, rng):
    """Sum of smooth fields, each twice as coarse as the one before; deviation 1.

    `roughness` weighs an octave against the next coarser one; 1 gives a spectrum like
    that of natural images, less is smoother.
    """
    weights = roughness ** np.arange(octaves, 0, -1.0)
    weights /= np.sqrt(np.sum(weights**2))
    return sum(
        w * smooth_field(shape, finest * 2.0**k, rng) for k, w in enumerate(weights)
    )


def splat(shape, rows, cols, values):
    """Add points of given brightness to an empty image, at sub-pixel positions.

    Each is shared among its four neighbours; points outside are left out.
    """
    top, left = np.floor(rows).astype(int), np.floor(cols).astype(int)
    down, right = rows - top, cols - left
    inside = (top >= 0) & (left >= 0) & (top < shape[0] - 1) & (left < shape[1] - 1)
    top, left, down, right = top[inside], left[inside], down[inside], right[inside]
    values = np.broadcast_to(values, rows.shape)[inside]
    corner = top * shape[1] + left
    size = shape[0] * shape[1]
    image = np.zeros(size)
    for step, weight in (
        (0, (1 - down) * (1 - right)),
        (1, (1 - down) * right),
        (shape[1], down * (1 - right)),
        (shape[1] + 1, down * right),
    ):
        image += np.bincount(corner + step, values * weight, size)
    return image.reshape(shape)


def curves(starts, angles, lengths, bend, rng):
    """Points (rows, cols, owner) along curves that turn smoothly and at random.

    They begin at `starts` (n, 2) in directions in radians, 0 along the columns; `bend`
    is the deviation of what they turn by over 100 pixels.
    """
    count, step = len(starts), 0.5
    steps = int(np.ceil(max(lengths) / step))
    # Curvature that changes along the way: a random walk of the direction, smoothed.
    knots = max(2, int(steps * step / 12))
    turn = np.cumsum(rng.standard_normal((count, knots)), axis=1) * bend * 0.35
    t = np.linspace(0, knots - 1, steps)
    turn = ndimage.map_coordinates(
        turn,
        np.stack([np.repeat(np.arange(count), steps), np.tile(t, count)]),
        order=1,
    ).reshape(count, steps)
    angle = angles[:, None] + ndimage.gaussian_filter1d(turn, 10, axis=1)
    rows = starts[:, :1] + np.cumsum(np.sin(angle), axis=1) * step
    cols = starts[:, 1:] + np.cumsum(np.cos(angle), axis=1) * step
    kept = np.arange(steps)[None] * step < np.asarray(lengths)[:, None]
    owner = np.broadcast_to(np.arange(count)[:, None], kept.shape)
    return rows[kept], cols[kept], owner[kept]


def blob(shape, centre, radii, angle, wobble, softness, rng):
    """Soft mask of a wobbly ellipse: its window of the image, the mask, and the depth.

    `angle` is that of the first of the `radii`, in radians, 0 along the rows; `wobble`
    the relative deviation of the outline; `softness` the width of the edge in pixels.
    The depth is 1 at the centre, 0 on the outline, negative outside.
    """
    far = max(radii) * (1 + 3 * wobble) + 4 * softness
    window = tuple(
        slice(max(0, int(c - far)), max(0, min(n, int(c + far) + 1)))
        for c, n in zip(centre, shape, strict=True)
    )
    y, x = np.ogrid[window]
    y, x = y - centre[0], x - centre[1]
    u = (np.cos(angle) * y + np.sin(angle) * x) / radii[0]
    v = (-np.sin(angle) * y + np.cos(angle) * x) / radii[1]
    outline = 1.0
    if wobble:
        theta = np.arctan2(v, u)
        for k in range(2, 7):
            a, b = rng.standard_normal(2) * wobble / k
            outline = outline + a * np.cos(k * theta) + b * np.sin(k * theta)
    depth = 1 - np.hypot(u, v) / outline
    edge = np.clip(depth * np.sqrt(radii[0] * radii[1]) / softness + 0.5, 0, 1)
    return window, edge * edge * (3 - 2 * edge), depth
