"""Scenes like slices of a body: computed tomography, magnetic resonance, phantoms."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import blob, fractal_field, smooth_field
from n2d.datasets._textures import edge


def anatomy(shape, rng):
    """A trunk, a head or a phantom of discs."""
    painter = (_trunk, _head, _phantom)[rng.choice(3, p=[0.4, 0.4, 0.2])]
    image = painter(shape, rng)
    if rng.uniform() < 0.3:  # the receiving coil is nearer to one side
        image = image * np.exp(rng.uniform(0.1, 0.5) * smooth_field(shape, 90, rng))
    return ndimage.gaussian_filter(image, np.exp(rng.uniform(np.log(0.3), np.log(1.6))))


def _body(shape, rng, low=0.3, high=0.9):
    """Outline of the body: window, mask and distance to its skin in pixels."""
    radius = rng.uniform(low, high) * min(shape)
    radii = radius * np.array([1, rng.uniform(0.65, 1)])
    at = (0.5 + rng.normal(0, 0.15, 2)) * shape
    angle = rng.normal(0, 0.3)
    y, x = np.mgrid[: shape[0], : shape[1]]
    y, x = y - at[0], x - at[1]
    u = np.cos(angle) * y + np.sin(angle) * x
    v = np.cos(angle) * x - np.sin(angle) * y
    bend = 1 + rng.uniform(0, 0.06) * smooth_field(shape, radius / 3 + 2, rng)
    inside = (1 - np.hypot(u / radii[0], v / radii[1]) * bend) * min(radii)
    return at, radius, inside


def _trunk(shape, rng):
    """Skin, fat, muscle, organs of nearly the same tone, vessels, bone, air."""
    at, radius, inside = _body(shape, rng)
    image = edge(inside, 1.0) * 0.45
    fat = radius * rng.uniform(0.03, 0.15)
    wavy = inside - fat - 0.03 * radius * smooth_field(shape, radius / 6 + 1, rng)
    image += edge(wavy, 1.5) * 0.1
    faint = rng.uniform(0.01, 0.08)
    texture = fractal_field(shape, rng.uniform(1, 4), 4, rng.uniform(0.6, 1), rng)
    for _ in range(rng.integers(4, 25)):
        where = at + rng.uniform(-0.75, 0.75, 2) * radius
        size = radius * np.exp(rng.uniform(np.log(0.04), np.log(0.4)))
        radii = size * np.array([1, rng.uniform(0.5, 1)])
        turn = rng.uniform(0, np.pi)
        window, mask, _ = blob(shape, where, radii, turn, 0.12, 1.5, rng)
        if not mask.size:
            continue
        mask = mask * edge(wavy[window], 1.5)
        tone = 0.55 + faint * rng.normal()
        if rng.uniform() < 0.12:
            tone = rng.uniform(0, 0.1)  # air
        paint = tone + rng.choice([0, 0.005, 0.02]) * texture[window]
        image[window] += mask * (paint - image[window])
    for _ in range(rng.integers(0, 9)):
        _bone(image, at + rng.uniform(-0.8, 0.8, 2) * radius, radius, rng)
    for _ in range(rng.choice([0, 5, 40])):  # vessels cut across
        where, size = at + 0.4 * radius * rng.normal(size=2), rng.uniform(0.6, 4)
        window, mask, _ = blob(shape, where, (size, 1.3 * size), 0, 0, 1.2, rng)
        image[window] += rng.uniform(0.03, 0.3) * mask
    if rng.uniform() < 0.5:
        # a window on soft tissue: differences in it fill the range
        image = np.clip((image - 0.5) * rng.uniform(1, 4), -0.45, 0.5)
    return image


def _bone(image, where, radius, rng):
    """A thin bright shell, a net of small beams in it."""
    size = radius * np.exp(rng.uniform(np.log(0.03), np.log(0.2)))
    radii = size * np.array([1, rng.uniform(0.3, 1)])
    turn = rng.uniform(0, np.pi)
    window, mask, depth = blob(image.shape, where, radii, turn, 0.15, 1.2, rng)
    if not mask.size:
        return
    away = depth * np.sqrt(radii[0] * radii[1])
    shell = edge(rng.uniform(0.8, 0.15 * size + 1) - away, 1.0)
    beams = np.abs(fractal_field(mask.shape, rng.uniform(0.8, 2), 2, 0.8, rng))
    marrow = 0.6 + rng.uniform(0, 0.3) * np.clip(1 - 2 * beams, -1, 1)
    paint = marrow + shell * (rng.uniform(0.9, 1.3) - marrow)
    image[window] += mask * (paint - image[window])


def _head(shape, rng):
    """Skin, skull, fluid, folded cortex around white matter, ventricles."""
    at, radius, inside = _body(shape, rng, 0.4, 0.9)
    scalp, skull, fluid, grey, white = (
        rng.permutation(
            [
                0.9,
                0.08,
                rng.uniform(0, 0.3),
                rng.uniform(0.4, 0.6),
                rng.uniform(0.55, 0.8),
            ]
        )
        if rng.uniform() < 0.3
        else (0.85, 0.06, 0.15, 0.5, 0.72)
    )
    image = edge(inside, 1.0) * scalp
    away = inside - radius * rng.uniform(0.02, 0.07)
    image += edge(away, 1.0) * (skull - image)
    away = away - radius * rng.uniform(0.02, 0.06)
    image += edge(away, 1.0) * (fluid - image)
    away = away - radius * rng.uniform(0.005, 0.03)
    if rng.uniform() < 0.6:
        # Folds: thin clefts along the zeros of a smooth field, as deep as they reach;
        # grey matter is what lies near the surface or a cleft.
        fold = smooth_field(shape, radius * rng.uniform(0.05, 0.1) + 1, rng)
        down, right = np.gradient(fold)
        bank = np.abs(fold) / (np.hypot(down, right) + 0.01)
        reach = radius * (0.25 + 0.08 * smooth_field(shape, 0.2 * radius, rng))
        near = np.minimum(away, bank + np.clip(away - reach, 0, None))
        cleft, thick = rng.uniform(0.5, 2), radius * rng.uniform(0.03, 0.08) + 1
        soft = rng.choice([1.0, 2.0, 4.0])
        brain = edge(near - cleft, 1.5) * edge(away, 1.0)
        image += brain * (grey - image)
        image += edge(near - cleft - thick, soft) * (white - image)
    else:
        # The same field cut at two levels, the higher the nearer to the surface.
        fold = smooth_field(shape, radius * rng.uniform(0.03, 0.07) + 1, rng)
        deep = np.clip(away / (radius * rng.uniform(0.1, 0.25)), -1, 3)
        cut = deep - 0.35 + rng.uniform(0.4, 0.9) * fold
        sharp = rng.uniform(2, 8)
        thick = rng.uniform(0.4, 0.9)
        brain = edge(away, 1.0) / (1 + np.exp(-3 * sharp * cut))
        image += brain * (grey - image)
        image += brain / (1 + np.exp(-2 * sharp * (cut - thick))) * (white - image)
    for side in (-1, 1):
        where = at + radius * np.array([0.05, side * rng.uniform(0.08, 0.15)])
        radii = radius * rng.uniform(0.05, 0.3, 2)
        window, mask, _ = blob(shape, where, radii, side * 0.3, 0.15, 1.5, rng)
        image[window] += mask * (fluid - image[window])
        where = at + radius * np.array([0.1, side * rng.uniform(0.2, 0.35)])
        window, mask, _ = blob(shape, where, radii * 0.6, side * 0.5, 0.15, 3, rng)
        image[window] += 0.7 * mask * (grey - image[window])
    inner = edge(away, 1.0)
    image += rng.choice([0, 0.01, 0.03]) * inner * fractal_field(shape, 1, 4, 0.8, rng)
    return image


def _phantom(shape, rng):
    """Discs of small and graded contrast in a uniform body, bar patterns."""
    _, radius, inside = _body(shape, rng, 0.4, 1.2)
    image = edge(inside, 1.0) * 0.5
    middle = np.array(shape) / 2
    contrast = np.exp(rng.uniform(np.log(0.003), np.log(0.3)))
    for ring in np.linspace(0.2, 0.8, rng.integers(1, 4)):
        count = rng.integers(3, 12)
        size = 0.09 * radius
        for k in range(count):
            turn = 2 * np.pi * k / count + ring
            where = middle + ring * radius * np.array([np.sin(turn), np.cos(turn)])
            radii = (size * 0.85**k + 0.8,) * 2
            window, mask, _ = blob(shape, where, radii, 0, 0, 1.0, rng)
            image[window] += rng.choice([-1, 1]) * contrast * mask
    if rng.uniform() < 0.3:
        x = np.arange(shape[1])
        top = int(rng.uniform(0.2, 0.7) * shape[0])
        bars = np.sin(2 * np.pi * x / np.maximum(2.5, 20 - 18 * x / shape[1])) > 0
        image[top : top + 20] += contrast * bars
    return image


def layers(shape, rng):
    """Layers on top of each other: retina and skin by optical coherence, strata."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    tall = shape[0] * rng.uniform(0.4, 1.1)
    wave = [smooth_field((1, shape[1]), w, rng)[0] for w in (60, 18)]
    top = rng.uniform(0, 0.4) * shape[0] + rng.uniform(2, 25) * wave[0]
    top = top + rng.uniform(0, 4) * wave[1]
    if rng.uniform() < 0.3:  # a pit
        middle, wide = rng.uniform(0, 1) * shape[1], rng.uniform(15, 60)
        top = top + rng.uniform(5, 35) * np.exp(
            -(((np.arange(shape[1]) - middle) / wide) ** 2)
        )
    depth = (y - top[None]) / tall + 0.01 * smooth_field(shape, 20, rng)
    cuts = np.sort(rng.uniform(0, 1, rng.integers(3, 12)))
    tones = rng.uniform(0.1, 1, len(cuts) + 1) * np.exp(
        -rng.uniform(0, 2) * np.linspace(0, 1, len(cuts) + 1)
    )
    image = edge(depth * tall, 1.5) * tones[0]
    for cut, tone in zip(cuts, tones[1:], strict=True):
        moved = depth - cut + rng.uniform(0, 0.02) * smooth_field(shape, 30, rng)
        image += edge(moved * tall, rng.choice([1.0, 2.0, 5.0])) * (tone - image)
    grainy = fractal_field(shape, rng.uniform(0.8, 2.5), 3, rng.uniform(0.7, 1.2), rng)
    image *= 1 + rng.uniform(0, 0.3) * np.clip(grainy, -2.5, 2.5)
    for _ in range(rng.integers(0, 8)):  # vessels, with shadows below
        at = rng.uniform(0, 1, 2) * shape
        size = rng.uniform(1.5, 9)
        window, mask, _ = blob(shape, at, (size, size), 0, 0.1, 1.5, rng)
        image[window] += mask * (rng.uniform(0, 1) - image[window])
        if rng.uniform() < 0.5:
            shade = np.exp(-(((x[0] - at[1]) / size) ** 2))
            image *= 1 - 0.5 * shade[None] * (y > at[0])
    return ndimage.gaussian_filter(image, rng.uniform(0.4, 1.5))
