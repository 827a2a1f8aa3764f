"""Fluorescence micrographs drawn by a program."""

from __future__ import annotations

import numpy as np

from n2d.datasets.shapes import blob, blur, filaments, power_law_texture, splat


def _nucleus(shape, centre, radius, rng):
    """One textured nucleus: (image, coverage), brightness about 1."""
    coverage, window = blob(
        shape, centre, radius, rng, stretch=rng.uniform(0.75, 1.35), edge=1.5
    )
    inner = coverage[window]
    if not inner.size:
        return coverage, coverage
    chromatin = power_law_texture(inner.shape, 1.3, rng, longest=radius)
    body = 0.65 + 0.17 * chromatin
    n_spots = rng.poisson(4)
    spots = splat(
        inner.shape,
        rng.uniform(0, inner.shape[0], n_spots),
        rng.uniform(0, inner.shape[1], n_spots),
        rng.uniform(5, 14, n_spots),
    )
    body += blur(spots, radius / 14)
    for _ in range(rng.integers(1, 4)):
        # Nucleoli exclude the dye.
        away = rng.normal(0, 0.35 * radius, 2)
        hole, _ = blob(
            inner.shape,
            (inner.shape[0] / 2 + away[0], inner.shape[1] / 2 + away[1]),
            radius * rng.uniform(0.12, 0.22),
            rng,
            edge=2.0,
        )
        body *= 1 - 0.5 * hole
    image = np.zeros(shape, np.float32)
    image[window] = inner * np.clip(body, 0.1, None)
    return image, coverage


def _scatter(shape, distance, rng):
    """Positions on a jittered lattice about `distance` apart, the rim included."""
    height, width = shape
    rows, columns = int(height / distance) + 2, int(width / distance) + 2
    grid = np.mgrid[:rows, :columns].reshape(2, -1).T - 0.25 + rng.uniform(0, 0.5, 2)
    grid[:, 1] += 0.5 * (grid[:, 0].astype(int) % 2)
    return (grid + rng.normal(0, 0.16, grid.shape)) * distance


def fluorescence_cells(shape=(256, 256), *, rng=0):
    """Draw cells as a fluorescence microscope shows them, without noise.

    The bundled demonstration image: textured nuclei, filaments that follow the
    cell, puncta around the nuclei, a haze that differs across the field, all
    seen through a point spread function of about one pixel. Most of it is dark.

    Parameters
    ----------
    shape : (int, int), default=(256, 256)
        Height and width in pixels, at least 1 each. Structures keep their size in
        pixels: a larger image shows more cells.
    rng : None, int or numpy.random.Generator, default=0
        Source of randomness; an int gives the same scene each time.

    Returns
    -------
    scene : ndarray of float32, shape `shape`
        Intensity in [0, 1], where 1 is about the brightest structure.

    Raises
    ------
    ValueError
        If `shape` is not two positive integers.

    Examples
    --------
    >>> from n2d.datasets import fluorescence_cells
    >>> scene = fluorescence_cells((64, 96), rng=0)
    >>> scene.shape, scene.dtype.name
    ((64, 96), 'float32')
    """
    try:
        height, width = (int(n) for n in shape)
        valid = (height, width) == tuple(shape) and min(height, width) >= 1
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(f"shape must be two positive integers, got {shape!r}")
    rng = np.random.default_rng(rng)
    # Drawn with a rim and cut, so that small images are parts of such a scene too.
    rim = 32
    drawn = (height + 2 * rim, width + 2 * rim)
    area = drawn[0] * drawn[1]
    radius = 21.0

    centres = _scatter(drawn, 105, rng)
    nuclei = np.zeros(drawn, np.float32)
    covered = np.zeros(drawn, np.float32)
    cell = np.zeros(drawn, np.float32)
    for centre in centres:
        brightness = rng.uniform(0.55, 1.0)
        image, coverage = _nucleus(drawn, centre, radius * rng.uniform(0.8, 1.2), rng)
        nuclei = np.maximum(nuclei, brightness * image)
        covered = np.maximum(covered, coverage)
        body, _ = blob(drawn, centre, 2.3 * radius, rng, roughness=0.2, edge=24.0)
        cell = np.maximum(cell, rng.uniform(0.6, 1.0) * body)

    direction = 1.1 * power_law_texture(drawn, 2.5, rng, longest=160)
    n_fibres = int(area / 420)
    starts = rng.uniform(0, drawn, (n_fibres, 2))
    fibres = filaments(drawn, starts, rng.uniform(15, 120, n_fibres), direction, rng)
    thick = rng.random(n_fibres) < 0.12
    bundles = filaments(drawn, starts[thick], 90, direction, rng, wander=0.03)
    fibres = (0.55 * fibres + blur(2.2 * bundles, 0.9)) * (0.08 + cell)

    n_puncta = int(area / 260)
    position = centres[rng.integers(0, len(centres), n_puncta)]
    position = position + rng.normal(0, 1.35 * radius, (n_puncta, 2))
    puncta = splat(drawn, *position.T, rng.lognormal(0.6, 0.7, n_puncta))
    puncta = blur(puncta, 0.6) * (1 - 0.85 * covered)

    haze = np.exp(0.5 * power_law_texture(drawn, 2.5, rng, longest=400))
    haze = 0.035 * haze + 0.05 * cell + 0.06 * blur(nuclei, 12)
    scene = 0.85 * nuclei + 0.38 * fibres * (1 - 0.6 * covered) + 1.1 * puncta + haze
    scene = blur(scene, 1.0)[rim:-rim, rim:-rim]
    # A soft shoulder keeps the few brightest points inside the range.
    shoulder = 1 - 0.3 * np.exp((0.7 - scene) / 0.3)
    return np.where(scene < 0.7, scene, shoulder).astype(np.float32)
