"""Lattices of atoms and of dots, gratings, checks, and what disturbs them."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import blob, fractal_field, smooth_field, splat
from n2d.datasets._leaves import dead_leaves
from n2d.datasets._textures import dots, edge, normal, plane, stripes


def lattices(shape, rng):
    """Crystals, dot arrays, gratings: alone, in grains, or faint on other things."""
    period = np.exp(rng.uniform(np.log(2.2), np.log(40)))
    kind = rng.choice(4, p=[0.6, 0.15, 0.15, 0.1])
    if kind == 0:
        image = crystal(shape, period, rng)
    elif kind == 1:
        image = normal(grating(shape, period, rng))
    elif kind == 2:  # moire
        image = crystal(shape, period, rng)
        near = period * rng.uniform(0.85, 1.18)
        other = crystal(shape, near, rng)
        image = image + other if rng.uniform() < 0.6 else image * (other + 3)
    else:
        u, v, pixel = plane(shape, rng)
        painter = (dots, stripes)[rng.integers(2)]
        pixel = np.broadcast_to(pixel / period, shape)
        image = normal(painter(u / period, v / period, pixel, rng))
        image = image * np.clip((0.56 - pixel) / 0.2, 0, 1)
    image = image * _region(shape, rng)
    # faint on a slope, on clouds, on shapes
    ground = rng.uniform(0, 3) * smooth_field(shape, rng.uniform(20, 120), rng)
    if rng.uniform() < 0.35:
        rough = fractal_field(shape, rng.uniform(1, 5), 5, rng.uniform(0.5, 1.1), rng)
        ground = ground + rng.uniform(0.1, 2) * rough
    if rng.uniform() < 0.12:
        ground = ground + rng.uniform(2, 15) * dead_leaves(shape, rng)
    if rng.uniform() < 0.2:
        for _ in range(rng.integers(1, 6)):  # particles, holes, contamination
            at, radius = rng.uniform(0, 1, 2) * shape, rng.uniform(4, 60)
            window, mask, _ = blob(shape, at, (radius, radius), 0, 0.1, 3.0, rng)
            ground[window] += rng.normal(0, 4) * mask
    return image + rng.choice([0.0, 0.3, 1.0]) * ground


def _region(shape, rng):
    """Where the lattice is: everywhere, up to an edge, in patches, or fading."""
    kind = rng.choice(4, p=[0.45, 0.2, 0.2, 0.15])
    if kind == 0:
        return np.ones(shape)
    if kind == 1:  # the edge of the crystal: vacuum beyond
        y, x = np.ogrid[: shape[0], : shape[1]]
        angle, at = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.8, 2) * shape
        away = np.cos(angle) * (y - at[0]) + np.sin(angle) * (x - at[1])
        away = away + rng.uniform(0, 8) * fractal_field(shape, 4, 4, 0.6, rng)
        return edge(away, rng.choice([1.0, 3.0, 30.0]))
    field = smooth_field(shape, rng.uniform(15, 60), rng)
    sharp = rng.choice([1.0, 4.0, 15.0])
    return 1 / (1 + np.exp(-sharp * (field + rng.normal(0.5, 0.5))))


def _cell(period, rng):
    """Two vectors (in rows, columns) of a unit cell of any symmetry."""
    kind = rng.choice(4, p=[0.35, 0.3, 0.15, 0.2])
    ratio, angle = [
        (1.0, np.pi / 3),
        (1.0, np.pi / 2),
        (rng.uniform(1, 1.8), np.pi / 2),
        (rng.uniform(1, 1.6), rng.uniform(np.pi / 3, np.pi / 2)),
    ][kind]
    turn = rng.uniform(0, np.pi)
    first = np.array([np.sin(turn), np.cos(turn)])
    second = ratio * np.array([np.sin(turn + angle), np.cos(turn + angle)])
    return period * np.stack([first, second], 1)


def crystal(shape, period, rng, cell=None):
    """Columns of atoms on a lattice with defects, in one grain or several.

    `period` is the length of the shorter lattice vector in pixels; `cell` has the
    vectors as columns, of a random symmetry by default. Mean 0, standard deviation 1.
    """
    grains = rng.choice([1, 1, 1, 2, 3, 6])
    owner = None
    if grains > 1:
        seeds = rng.uniform(0, 1, (grains, 2)) * shape
        y, x = np.ogrid[: shape[0], : shape[1]]
        away = [np.hypot(y - a, x - b) for a, b in seeds]
        owner = np.argmin(away, 0)
    given = cell
    cell = _cell(period, rng) if given is None else given
    basis = _basis(rng, period) if given is None else [((0.0, 0.0), 1.0, 0.25)]
    image = np.zeros(shape)
    field_scale = rng.choice([0, 0, 0.1, 0.3, 1.0]) if given is None else 0
    strain = [field_scale * smooth_field(shape, 50, rng) for _ in range(2)]
    sites_of = []
    for grain in range(grains):
        turn = rng.uniform(0, np.pi) if grain else 0.0
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        sites_of.append(turned @ cell)
    vacant = rng.choice([0, 0, 0.01, 0.1, 0.4])
    amorphous = rng.uniform() < 0.2 and given is None
    melt = smooth_field(shape, 40, rng) + rng.normal(-0.3, 0.5) if amorphous else None
    spread = rng.choice([0, 0.1, 0.3])
    cores = rng.uniform(0.1, 0.9, (rng.choice([0, 0, 1, 2, 4]), 2)) * shape
    if given is not None:
        vacant, cores = 0, cores[:0]
    for offset, weight, size in basis:
        for grain, vectors in enumerate(sites_of):
            at = _sites(shape, vectors, offset)
            for k, core in enumerate(cores):  # edge dislocations
                burgers = vectors[:, 0] * (-1) ** k
                around = np.arctan2(at[:, 0] - core[0], at[:, 1] - core[1])
                at = at + burgers * (around / (2 * np.pi))[:, None]
            near = np.clip(at, 0, np.array(shape) - 1).astype(int)
            near = near[:, 0], near[:, 1]
            at = at + period * np.stack([s[near] for s in strain], 1)
            keep = rng.uniform(size=len(at)) >= vacant
            if owner is not None:
                keep &= owner[near] == grain
            if melt is not None:
                jitter = np.clip(4 * melt[near], 0, 0.5) * period
                at = at + jitter[:, None] * rng.normal(size=at.shape)
            bright = weight * (1 + spread * rng.normal(size=len(at)))
            drawn = splat(shape, at[keep, 0], at[keep, 1], bright[keep])
            width = max(0.45, size * period)
            image += ndimage.gaussian_filter(drawn, width) * width**2
    return normal(image)


def _basis(rng, period):
    """Atoms in the cell: offset in lattice vectors, brightness, width in periods."""
    size = rng.uniform(0.1, 0.32)
    if period < 6:
        size = max(size, 0.55 / period)
    atoms = [((0.0, 0.0), 1.0, size)]
    kind = rng.integers(5)
    if kind == 1:
        atoms.append(((1 / 3, 1 / 3), rng.uniform(0.1, 1), size))
    elif kind == 2:
        atoms.append(((0.5, 0.5), rng.uniform(0.1, 1), size * rng.uniform(0.6, 1)))
    elif kind == 3:
        atoms.append((tuple(rng.uniform(0.2, 0.5, 2)), rng.uniform(0.2, 1), size))
    return atoms


def _sites(shape, vectors, offset):
    """All lattice points in and around the picture."""
    middle = np.array(shape) / 2
    far = np.hypot(*shape) / 2 + 4 * np.abs(vectors).max()
    reach = int(np.ceil(far / np.sqrt(np.abs(np.linalg.det(vectors))) * 1.6)) + 1
    n = np.arange(-reach, reach + 1)
    first, second = (a.ravel() for a in np.meshgrid(n, n))
    at = (vectors @ np.stack([first + offset[0], second + offset[1]])).T + middle
    inside = np.all((at > -9) & (at < np.array(shape) + 9), 1)
    return at[inside]


def grating(shape, period, rng):
    """Lines, sinusoidal to square, straight to bent, of one period or chirped."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    t = np.cos(angle) * y + np.sin(angle) * x
    if rng.uniform() < 0.3:
        t = t + rng.uniform(0, 2 * period) * smooth_field(shape, 50, rng)
    if rng.uniform() < 0.2:  # rings, zone plates
        at = rng.uniform(0, 1, 2) * shape
        t = np.hypot(y - at[0], x - at[1])
        if rng.uniform() < 0.5:
            t = np.minimum(t**2 / (2 * period * 20), t)
    wave = np.sin(2 * np.pi * t / period + rng.uniform(0, 6))
    sharp = rng.choice([0.01, 1.0, 3.0])
    if period > 5:
        wave = np.tanh(sharp * wave) / np.tanh(sharp)
    return np.broadcast_to(wave, shape)
