"""Pieces that scenes are drawn from: textures, blobs, filaments, spots, cells.

All work in pixels on a (height, width) grid, take a `numpy.random.Generator` and
return float32; intensities are relative, the scene gives them their meaning.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage, spatial


def power_law_texture(shape, exponent, rng, *, longest=None, stretch=(1.0, 1.0)):
    """Gaussian random field of spectrum 1/f**exponent, mean 0, deviation 1.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    exponent : float
        Fall of the amplitude with spatial frequency: 0 is white noise, 1 the clutter
        of photographs, 2 and more is smooth.
    rng : numpy.random.Generator
        Source of randomness.
    longest : float, optional
        Wavelength in pixels above which the spectrum is flat; the image by default.
    stretch : (float, float), default=(1.0, 1.0)
        Elongation of the grain along y and x.

    Returns
    -------
    texture : ndarray of float32, shape `shape`
        The field.
    """
    height, width = shape
    # Twice the area: what the FFT makes periodic is cut away.
    drawn = (fft.next_fast_len(height + 32), fft.next_fast_len(width + 32))
    fy = fft.fftfreq(drawn[0])[:, None] * stretch[0]
    fx = fft.rfftfreq(drawn[1])[None, :] * stretch[1]
    lowest = 1.0 / (longest or max(drawn))
    amplitude = (fy**2 + fx**2 + lowest**2) ** (-exponent / 2)
    amplitude[0, 0] = 0
    spectrum = fft.rfft2(rng.standard_normal(drawn, dtype=np.float32)) * amplitude
    field = fft.irfft2(spectrum, s=drawn)[:height, :width]
    return ((field - field.mean()) / (field.std() + 1e-12)).astype(np.float32)


def blob(shape, centre, radius, rng, *, roughness=0.12, stretch=1.0, edge=1.0):
    """Coverage (0 to 1) of a smooth closed shape with a wavy outline.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    centre : (float, float)
        Position (y, x) in pixels; may lie outside.
    radius : float
        Mean radius in pixels.
    rng : numpy.random.Generator
        Source of the orientation and the outline.
    roughness : float, default=0.12
        Amplitude of the waves of the outline, relative to `radius`.
    stretch : float, default=1.0
        Ratio of the axes.
    edge : float, default=1.0
        Width of the edge in pixels.

    Returns
    -------
    coverage : ndarray of float32, shape `shape`
        1 inside, 0 outside.
    window : (slice, slice)
        Where `coverage` was drawn; 0 elsewhere.
    """
    coverage = np.zeros(shape, np.float32)
    far = radius * max(stretch, 1 / stretch) * (1 + 3 * roughness) + 4 * edge
    window = tuple(
        slice(max(0, int(c - far)), max(0, min(n, int(c + far) + 2)))
        for c, n in zip(centre, shape, strict=True)
    )
    angle = rng.uniform(0, 2 * np.pi)
    phases, weights = rng.uniform(0, 2 * np.pi, 5), rng.standard_normal(5)
    y, x = np.ogrid[window]
    y, x = y - centre[0], x - centre[1]
    u = (np.cos(angle) * y + np.sin(angle) * x) / np.sqrt(stretch)
    v = (np.cos(angle) * x - np.sin(angle) * y) * np.sqrt(stretch)
    around = np.arctan2(u, v)
    outline = sum(
        w / k * np.cos(k * around + p)
        for k, (w, p) in enumerate(zip(weights, phases, strict=True), start=2)
    )
    inside = radius * (1 + roughness * outline) - np.hypot(u, v)
    coverage[window] = 1 / (1 + np.exp(-np.clip(inside / (0.3 * edge), -30, 30)))
    return coverage, window


def splat(shape, y, x, weight):
    """Sum of points on a pixel grid, each shared among its four neighbours.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    y, x : ndarray of float
        Positions; points outside are left out.
    weight : ndarray of float
        Intensity of each point.

    Returns
    -------
    image : ndarray of float32, shape `shape`
        The points.
    """
    height, width = shape
    y0, x0 = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    inside = (y0 >= 0) & (y0 < height - 1) & (x0 >= 0) & (x0 < width - 1)
    y0, x0 = y0[inside], x0[inside]
    fy, fx = y[inside] - y0, x[inside] - x0
    weight = np.broadcast_to(weight, y.shape)[inside]
    first = y0 * width + x0
    image = np.zeros(height * width)
    for step, share in (
        (0, (1 - fy) * (1 - fx)),
        (1, (1 - fy) * fx),
        (width, fy * (1 - fx)),
        (width + 1, fy * fx),
    ):
        image += np.bincount(first + step, weight * share, minlength=image.size)
    return image.reshape(shape).astype(np.float32)


def filaments(shape, starts, length, field, rng, *, wander=0.05, step=0.5):
    """Thin lines that follow a field of directions.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    starts : ndarray, shape (n, 2)
        Where the lines begin, (y, x) in pixels.
    length : ndarray or float
        Length of each line in pixels.
    field : ndarray, shape `shape`
        Direction in radians at each pixel.
    rng : numpy.random.Generator
        Source of brightness and wandering.
    wander : float, default=0.05
        Random turn per step, in radians.
    step : float, default=0.5
        Distance of the points in pixels.

    Returns
    -------
    image : ndarray of float32, shape `shape`
        Lines about one pixel wide, brightness about 1.
    """
    n = len(starts)
    position = np.array(starts, dtype=float)
    length = np.broadcast_to(np.asarray(length, float), n)
    brightness = rng.lognormal(0, 0.5, n)
    lean = rng.normal(0, 0.15, n) + np.pi * rng.integers(0, 2, n)
    n_steps = int(np.ceil(length.max() / step)) if n else 0
    points, weights = [], []
    for k in range(n_steps):
        at = np.clip(position.astype(int), 0, np.subtract(shape, 1))
        direction = field[at[:, 0], at[:, 1]] + lean
        lean = lean + wander * rng.standard_normal(n)
        position = position + step * np.stack(
            [np.sin(direction), np.cos(direction)], axis=1
        )
        points.append(position)
        # The ends fade instead of stopping short.
        weights.append(brightness * np.clip((length - k * step) / 3, 0, 1))
    if not points:
        return np.zeros(shape, np.float32)
    points = np.concatenate(points)
    return splat(shape, points[:, 0], points[:, 1], step * np.concatenate(weights))


def membranes(shape, n_cells, rng, *, width=1.5, warp=6.0):
    """Walls between neighbouring cells of a warped Voronoi pattern.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    n_cells : int
        Cells within the image.
    rng : numpy.random.Generator
        Source of randomness.
    width : float, default=1.5
        Thickness of the walls in pixels.
    warp : float, default=6.0
        How far the walls are bent, in pixels.

    Returns
    -------
    walls : ndarray of float32, shape `shape`
        1 on a wall, falling to 0 in the cells.
    labels : ndarray of int, shape `shape`
        Number of the cell each pixel is in.
    """
    height, wide = shape
    margin = 2 * np.sqrt(height * wide / max(n_cells, 1))
    total = int(n_cells * (1 + 2 * margin / height) * (1 + 2 * margin / wide)) + 3
    centres = rng.uniform(-margin, np.add(shape, margin), (total, 2))
    longest = max(16.0, margin)
    y, x = np.mgrid[:height, :wide].astype(np.float32)
    y += warp * power_law_texture(shape, 2.0, rng, longest=longest)
    x += warp * power_law_texture(shape, 2.0, rng, longest=longest)
    distance, index = spatial.cKDTree(centres).query(
        np.stack([y.ravel(), x.ravel()], axis=1), k=2
    )
    between = (distance[:, 1] - distance[:, 0]).reshape(shape)
    walls = np.exp(-0.5 * (between / (2 * width)) ** 2)
    return walls.astype(np.float32), index[:, 0].reshape(shape)


def blur(image, sigma):
    """Gaussian blur as a float32 image; `sigma` in pixels, 0 for none."""
    if not np.any(sigma):
        return np.asarray(image, np.float32)
    return ndimage.gaussian_filter(image, sigma, mode="reflect", output=np.float32)
