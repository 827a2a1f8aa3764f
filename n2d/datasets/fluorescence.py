"""The bundled demonstration: cells under a fluorescence microscope."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import blob, curves, fractal_field, smooth_field, splat
from n2d.datasets._shape import checked_shape


def fluorescence_cells(shape=(256, 256), *, rng=0):
    """Generate a clean fluorescence-like image of cells.

    Textured nuclei, filaments and mitochondria around them, bright puncta, an uneven
    background, everything blurred by a small point spread function. No noise: add it
    with the functions of `n2d.noise`.

    Parameters
    ----------
    shape : (int, int), default=(256, 256)
        Rows and columns, at least 1 each. Structures keep their size in pixels, so
        larger images show more cells.
    rng : None, int or numpy.random.Generator, default=0
        Source of randomness; an int gives the same image each time.

    Returns
    -------
    image : ndarray of float32, shape `shape`
        Clean image with values in [0, 1]; most of it is dark.

    Raises
    ------
    TypeError
        If `shape` is not two integers.
    ValueError
        If a side is smaller than 1.

    Examples
    --------
    >>> from n2d.datasets import fluorescence_cells
    >>> clean = fluorescence_cells()
    >>> clean.shape, clean.dtype
    ((256, 256), dtype('float32'))
    """
    height, width = checked_shape(shape)
    rng = np.random.default_rng(rng)

    # A margin is painted and cut off, so that structures run out of the picture.
    margin = 24
    canvas = (height + 2 * margin, width + 2 * margin)
    centres = spread(canvas, max(1, round(canvas[0] * canvas[1] / 84**2)), rng)
    image = np.zeros(canvas)
    for centre in centres:
        image = np.maximum(image, draw_nucleus(canvas, centre, rng))
    image += _filaments(canvas, centres, rng) * (1 - 0.9 * (image > 0.08))
    image += _mitochondria(canvas, centres, rng) * (1 - 0.9 * (image > 0.3))
    image += _puncta(canvas, rng)
    image = ndimage.gaussian_filter(image, 0.8)
    haze = ndimage.gaussian_filter(image, 18) + 0.3 * ndimage.gaussian_filter(image, 6)
    uneven = 0.03 + 0.02 * np.tanh(smooth_field(canvas, 90, rng))
    image = (image + 0.35 * haze + uneven)[margin:-margin, margin:-margin]
    return np.minimum(image / 1.25, 1).astype(np.float32)


def spread(canvas, count, rng):
    """Points far apart: the best of several candidates, again and again."""
    points = rng.uniform(0, 1, (1, 2)) * canvas
    for _ in range(count - 1):
        candidates = rng.uniform(0, 1, (20, 2)) * canvas
        gaps = np.hypot(*(candidates[:, None] - points[None]).transpose(2, 0, 1))
        points = np.vstack([points, candidates[gaps.min(axis=1).argmax()]])
    return points


def draw_nucleus(canvas, centre, rng):
    radii = rng.uniform(13, 19) * np.array([1.0, rng.uniform(0.68, 0.9)])
    window, mask, depth = blob(
        canvas, centre, radii, rng.uniform(0, np.pi), 0.05, 1.5, rng
    )
    image = np.zeros(canvas)
    if not mask.size:
        return image
    chromatin = fractal_field(mask.shape, 1.1, 4, 0.85, rng)
    body = 0.44 * (1 + 0.3 * chromatin) * (0.75 + 0.4 * np.clip(depth, 0, 1))
    # Nucleoli are dark, chromocentres bright.
    for kind in rng.permutation([-1, -1, 1, 1, 1])[: rng.integers(3, 6)]:
        theta, rho = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.6) * radii.min()
        local = np.array(mask.shape) / 2 + rho * np.array(
            [np.sin(theta), np.cos(theta)]
        )
        size = rng.uniform(1.2, 2.0) if kind > 0 else rng.uniform(2.0, 3.2)
        spot, soft, _ = blob(mask.shape, local, (size, size), 0, 0.1, 1.2, rng)
        body[spot] += soft * (0.3 if kind > 0 else -0.22)
    image[window] = mask * np.clip(body, 0.05, None) * rng.uniform(0.7, 1.2)
    return image


def _filaments(canvas, centres, rng):
    """Fibres that leave each cell in a few favoured directions."""
    starts, angles, lengths = [], [], []
    for centre in centres:
        favoured = rng.uniform(0, 2 * np.pi, 2)
        for _ in range(16):
            angle = rng.choice(favoured) + 0.35 * rng.standard_normal()
            side = rng.standard_normal(2) * 13
            starts.append(centre + side)
            angles.append(angle + np.pi * rng.integers(2))
            lengths.append(rng.uniform(30, 130))
    rows, cols, owner = curves(
        np.array(starts), np.array(angles), np.array(lengths), 0.5, rng
    )
    bright = 0.5 * rng.lognormal(-0.6, 0.6, len(starts))[owner]
    thin = rng.uniform(0, 1, len(starts))[owner] < 0.6
    fine = splat(canvas, rows[thin], cols[thin], bright[thin])
    thick = splat(canvas, rows[~thin], cols[~thin], bright[~thin])
    beads = 1 + 0.35 * smooth_field(canvas, 2.5, rng)
    drawn = 0.45 * ndimage.gaussian_filter(fine, 0.5)
    drawn += 1.1 * ndimage.gaussian_filter(thick, 1.1)
    return np.clip(beads, 0.1, None) * drawn


def _mitochondria(canvas, centres, rng):
    """Short bent rods, densest around the nuclei."""
    starts = []
    for centre in centres[rng.uniform(0, 1, len(centres)) < 0.6]:
        rho = rng.uniform(18, 44, 70) * rng.uniform(0.8, 1.1, 70)
        theta = rng.uniform(0, 2 * np.pi) + rng.normal(0, 1.2, 70)
        starts.append(centre + np.stack([rho * np.sin(theta), rho * np.cos(theta)], 1))
    if not starts:
        return np.zeros(canvas)
    starts = np.concatenate(starts)
    count = len(starts)
    rows, cols, owner = curves(
        starts, rng.uniform(0, 2 * np.pi, count), rng.uniform(3, 12, count), 4.0, rng
    )
    bright = rng.uniform(0.2, 1.0, count)[owner]
    return 0.75 * ndimage.gaussian_filter(splat(canvas, rows, cols, bright), 0.9)


def _puncta(canvas, rng):
    """Point-like spots of very different brightness."""
    count = rng.poisson(canvas[0] * canvas[1] / 900)
    rows, cols = rng.uniform(0, 1, (2, count)) * np.array(canvas)[:, None]
    bright = 1.2 * rng.lognormal(0, 0.8, count)
    return ndimage.gaussian_filter(splat(canvas, rows, cols, bright), 0.7)
