"""Scenes of opaque shapes in front of each other, and plain textures."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import blob, fractal_field, smooth_field


def halve(image):
    """Average 2 x 2 pixels: what was painted twice as fine gets soft edges."""
    return (
        image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]
    ) / 4


def dead_leaves(shape, rng):
    """Paint overlapping discs, ellipses and polygons with power-law sizes."""
    canvas = (2 * shape[0], 2 * shape[1])
    smallest = rng.uniform(2, 8)
    largest = rng.uniform(60, 300)
    contrast = rng.uniform(0.15, 0.3)
    image = np.full(canvas, rng.uniform(0.2, 0.8))
    image += rng.uniform(0, 0.2) * smooth_field(canvas, 120, rng)
    texture = _texture(canvas, rng)
    textured = rng.uniform(0, 0.8)
    area = canvas[0] * canvas[1]
    covered = 0.0
    # Enough to cover the canvas about twice; the count is bounded for speed.
    for _ in range(700):
        # Number of leaves falls with the cube of the radius: scale invariance.
        u = rng.uniform()
        radius = (smallest**-2 + u * (largest**-2 - smallest**-2)) ** -0.5
        if rng.uniform() < 0.25:
            radius = rng.uniform(smallest, largest)
        centre = rng.uniform(-0.1, 1.1, 2) * canvas
        radii = radius * np.array([1.0, np.exp(rng.uniform(-1.2, 0))])
        angle = rng.uniform(0, np.pi)
        if rng.uniform() < 0.45:
            window, mask = polygon(canvas, centre, radii, angle, rng)
        else:
            wobble = rng.choice([0, 0.08])
            window, mask, _ = blob(canvas, centre, radii, angle, wobble, 1.0, rng)
        if not mask.size:
            continue
        paint = rng.uniform(0, 1) if rng.uniform() < 0.4 else rng.normal(0.5, contrast)
        paint = np.full(mask.shape, paint)
        paint += _gradient(mask.shape, rng)
        if rng.uniform() < textured:
            paint += rng.uniform(0.02, 0.25) * texture[window]
        image[window] += mask * (paint - image[window])
        covered += np.pi * radii[0] * radii[1]
        if covered > 2.5 * area:
            break
    image = halve(image)
    if rng.uniform() < 0.25:
        image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1.0))
    return image


def polygon(canvas, centre, radii, angle, rng):
    """Convex polygon as an intersection of half planes, with soft edges."""
    far = max(radii) * 1.5
    window = tuple(
        slice(max(0, int(c - far)), max(0, min(n, int(c + far) + 1)))
        for c, n in zip(centre, canvas, strict=True)
    )
    y, x = np.ogrid[window]
    y, x = y - centre[0], x - centre[1]
    sides = rng.integers(3, 7)
    turns = (
        angle + 2 * np.pi * (np.arange(sides) + rng.uniform(-0.3, 0.3, sides)) / sides
    )
    inside = np.full(np.broadcast_shapes(y.shape, x.shape), np.inf)
    for turn in turns:
        reach = 0.75 * np.hypot(radii[0] * np.cos(turn), radii[1] * np.sin(turn))
        inside = np.minimum(inside, reach - np.cos(turn) * y - np.sin(turn) * x)
    return window, np.clip(inside + 0.5, 0, 1)


def _gradient(shape, rng):
    if rng.uniform() < 0.4:
        return 0.0
    slope = rng.normal(0, 0.12, 2)
    y = np.linspace(-1, 1, shape[0])[:, None]
    x = np.linspace(-1, 1, shape[1])[None]
    return slope[0] * y + slope[1] * x


def _texture(shape, rng):
    """Texture the leaves are filled with, of about unit standard deviation."""
    kind = rng.choice(["fractal", "waves", "grain", "mixed"])
    image = np.zeros(shape)
    if kind in ("fractal", "mixed"):
        image += fractal_field(shape, rng.uniform(1, 3), 5, rng.uniform(0.7, 1.1), rng)
    if kind in ("waves", "mixed"):
        image += waves(shape, rng, finest=5)
    if kind == "grain":
        image += smooth_field(shape, rng.uniform(1.2, 3), rng)
    return image


def waves(shape, rng, finest=2.5):
    """Sinusoidal gratings, slightly warped, in patches."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for _ in range(rng.integers(1, 4)):
        period = finest * np.exp(rng.uniform(0, 2.5))
        angle = rng.uniform(0, np.pi)
        phase = 2 * np.pi / period * (np.cos(angle) * y + np.sin(angle) * x)
        phase = phase + rng.uniform(0, 2) * smooth_field(shape, 40, rng)
        wave = np.sin(phase + rng.uniform(0, 2 * np.pi))
        if rng.uniform() < 0.3:
            wave = np.tanh(3 * wave)
        image += wave * (smooth_field(shape, 60, rng) > rng.uniform(-1.5, 0.5))
    return image


def power_law(shape, rng):
    """Textures with spectra from that of clouds to that of fur."""
    if rng.uniform() < 0.4:
        image = fractal_field(shape, rng.uniform(0.6, 2), 6, rng.uniform(0.6, 1.2), rng)
    else:
        # Stretched along a direction: hair, fibres, muscle.
        tall = (2 * shape[0], 2 * shape[1])
        image = fractal_field(tall, 1.0, 5, rng.uniform(0.8, 1.2), rng)
        stretched = ndimage.zoom(
            image[:, : image.shape[1] // 3],
            (1, 3),
            order=1,
            grid_mode=True,
            mode="nearest",
        )
        image = ndimage.rotate(
            stretched[: tall[0], : tall[1]], rng.uniform(0, 180), reshape=False, order=1
        )
        top, left = shape[0] // 2, shape[1] // 2
        image = image[top : top + shape[0], left : left + shape[1]]
    if rng.uniform() < 0.5:
        image = np.abs(image) if rng.uniform() < 0.5 else np.tanh(2 * image)
    if rng.uniform() < 0.5:
        image = image * (1 + 0.5 * np.tanh(smooth_field(shape, 40, rng)))
    return image


def line_scan(shape, rng):
    """Stripes, lines and sheared edges as line scanners and displays show them."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    image = 0.3 * fractal_field(shape, rng.uniform(1, 4), 5, rng.uniform(0.5, 1), rng)
    image += 0.5 * waves(shape, rng)
    for _ in range(rng.integers(2, 12)):
        angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
        offset = rng.uniform(0, 1, 2) * shape
        far = np.cos(angle) * (y - offset[0]) + np.sin(angle) * (x - offset[1])
        width = np.exp(rng.uniform(-0.5, 2))
        image += rng.normal(0, 1) * np.clip(width - np.abs(far) + 0.5, 0, 1)
    if rng.uniform() < 0.5:
        image += rng.normal(0, 0.08, (shape[0], 1))
    return image
