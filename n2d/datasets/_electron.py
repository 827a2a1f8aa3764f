"""Scenes like those of electron microscopes: thin sections and surfaces."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import blob, curves, fractal_field, smooth_field, splat
from n2d.datasets._leaves import halve
from n2d.datasets._textures import edge, grain, normal, relief, worley


def thin_section(shape, rng):
    """Stained tissue: membranes, mitochondria, vesicles, myelin, granular cytoplasm."""
    zoom = np.exp(rng.uniform(np.log(0.5), np.log(2.5)))  # pixels per unit
    image = np.full(shape, 0.7) + 0.05 * smooth_field(shape, 50 * zoom, rng)
    wall = max(0.7, zoom * rng.uniform(0.8, 2))
    _processes(image, zoom, wall, rng)
    for _ in range(int(rng.uniform(0, 10) / zoom)):
        _mitochondrion(image, zoom, wall, rng)
    for _ in range(rng.integers(0, 4)):
        _vesicles(image, zoom, wall, rng)
    if rng.uniform() < 0.3:
        _reticulum(image, zoom, wall, rng)
    if rng.uniform() < 0.2:
        _myelin(image, zoom, rng)
    if rng.uniform() < 0.4:  # ribosomes, glycogen, gold
        count = int(rng.uniform(50, 1500))
        at = rng.uniform(-0.05, 1.05, (count, 2)) * shape
        near = np.clip(at, 0, np.array(shape) - 1).astype(int)
        chance = smooth_field(shape, 20, rng)[near[:, 0], near[:, 1]]
        at = at[chance > rng.uniform(-1.5, 1)]
        size = max(0.5, zoom * rng.uniform(0.6, 1.6))
        dots = splat(shape, at[:, 0], at[:, 1], 1.0)
        dots = ndimage.gaussian_filter(dots, size) * size**2 * 6.3
        image *= 1 - rng.uniform(0.1, 0.7) * np.clip(dots, 0, 1)
    image += _cytoplasm(shape, zoom, rng)
    return ndimage.gaussian_filter(image, rng.uniform(0.3, 1.0))


def _cytoplasm(shape, zoom, rng):
    """Granules and filaments of low contrast, coarser where there are more."""
    fine = fractal_field(shape, max(0.6, 0.9 * zoom), 3, rng.uniform(0.8, 1.4), rng)
    amount = np.exp(0.5 * smooth_field(shape, 30, rng))
    return rng.choice([0.0, 0.02, 0.05, 0.1]) * amount * fine


def _processes(image, zoom, wall, rng):
    """Cells cut across: a tone for each, double membranes between them."""
    shape = image.shape
    size = zoom * np.exp(rng.uniform(np.log(18), np.log(120)))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    for axis in (0, 1):
        warp = smooth_field(shape, max(6, 0.3 * size), rng)
        moved = (0.22 * size * warp).astype(np.float32)
        y, x = (y + moved, x) if axis == 0 else (y, x + moved)
    stretch = rng.uniform(1, 2.5)
    first, second, tone, _, _ = worley(y / size, x / size / stretch, rng, 1.0)
    gap = (second - first) * size * 0.6
    image += rng.uniform(0, 0.35) * (tone - 0.5)
    between = rng.uniform(0.5, 2.5) * wall
    line = np.exp(-(((gap - between) / wall) ** 2))
    line = line * np.clip(0.75 + 0.5 * smooth_field(shape, 12 * zoom, rng), 0.1, 1)
    image -= rng.uniform(0.25, 0.6) * np.minimum(line, 1)
    if rng.uniform() < 0.4:  # synapses: thick dark pieces of the membrane
        here = np.clip(4 * (smooth_field(shape, 10 * zoom, rng) - 1.4), 0, 1)
        image -= 0.4 * here * np.exp(-((gap / (2.5 * wall)) ** 2))


def _place(shape, radii, rng, softness=1.0, wobble=0.08):
    at, angle = rng.uniform(-0.05, 1.05, 2) * shape, rng.uniform(0, np.pi)
    window, mask, depth = blob(shape, at, radii, angle, wobble, softness, rng)
    return window, mask, depth, at, angle


def _mitochondrion(image, zoom, wall, rng):
    """Two membranes around a dark matrix, cristae across it."""
    long = zoom * rng.uniform(12, 40)
    radii = np.array([long, zoom * rng.uniform(7, 14)])
    window, mask, depth, at, angle = _place(image.shape, radii, rng)
    if not mask.size:
        return
    size = np.sqrt(radii[0] * radii[1])
    y, x = np.ogrid[window]
    y, x = y - at[0], x - at[1]
    along = np.cos(angle) * y + np.sin(angle) * x
    bent = smooth_field(mask.shape, 8 * zoom, rng)
    period = zoom * rng.uniform(3.5, 8)
    wave = np.sin(2 * np.pi * along / period + rng.uniform(0.3, 1.5) * bent)
    inner = depth * size - 3 * wall
    cristae = edge(inner, 1.5) * np.exp(-(((1 - wave) / 0.5) ** 2))
    matrix = rng.uniform(0.35, 0.65)
    paint = matrix + rng.choice([-0.25, 0.25, 0.3]) * cristae
    for away in (0.5, 2.4):
        paint = paint - 0.3 * np.exp(-(((depth * size - away * wall) / wall) ** 2))
    image[window] += mask * (paint - image[window])


def _vesicles(image, zoom, wall, rng):
    """A cloud of small rings or dark grains of nearly the same size."""
    shape = image.shape
    size = zoom * rng.uniform(2, 5)
    middle, spread = rng.uniform(0, 1, 2) * shape, size * rng.uniform(4, 14)
    count = rng.integers(8, 90)
    filled = rng.uniform() < 0.25
    for at in middle + spread * rng.normal(size=(count, 2)):
        radius = size * np.exp(0.1 * rng.normal())
        window, mask, depth = blob(shape, at, (radius, radius), 0, 0, 1.2, rng)
        if not mask.size:
            continue
        ring = np.exp(-(((depth * radius - 0.8 * wall) / (0.7 * wall)) ** 2))
        if filled:
            paint = 0.3 + 0 * ring
        else:
            paint = 0.75 - 0.5 * ring
        image[window] += mask * (paint - image[window])


def _reticulum(image, zoom, wall, rng):
    """Pairs of membranes that run side by side."""
    shape = image.shape
    count = rng.integers(3, 16)
    starts = rng.uniform(0, 1, (1, 2)) * shape + rng.normal(0, 25, (count, 2)) * zoom
    angles = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.2, count)
    lengths = rng.uniform(30, 150, count) * zoom
    rows, cols, _ = curves(starts, angles, lengths, 1.0, rng)
    line = ndimage.gaussian_filter(splat(shape, rows, cols, 0.5), 1.5 * wall)
    line = np.clip(line * wall * 4, 0, 1)
    image -= 1.6 * line * (1 - line) * np.clip(rng.normal(1, 0.3), 0.3, 1.5)


def _myelin(image, zoom, rng):
    """Many dark turns around an axon."""
    radius = zoom * rng.uniform(15, 50)
    radii = radius * np.array([1, rng.uniform(0.6, 1)])
    window, mask, depth, _, _ = _place(image.shape, radii, rng, 1.0, 0.06)
    if not mask.size:
        return
    away = depth * np.sqrt(radii[0] * radii[1])
    thick, period = radius * rng.uniform(0.12, 0.4), max(2.2, zoom * rng.uniform(2, 4))
    turns = 0.25 + 0.18 * np.sin(2 * np.pi * away / period)
    paint = np.where(away < thick, turns, 0.75)
    image[window] += mask * (paint - image[window])


def surface(shape, rng):
    """Surfaces that glow at their edges: grains, particles, pores, breaks, films."""
    kind = rng.integers(6)
    if kind == 0:
        image = _particles(shape, rng)
    elif kind == 1:
        image = _grains(shape, rng)
    elif kind == 2:
        image = _fracture(shape, rng)
    elif kind == 3:
        image = _pores(shape, rng)
    elif kind == 4:
        image = _circuit(shape, rng)
    else:
        image = _film(shape, rng)
    if rng.uniform() < 0.5:
        fine = fractal_field(shape, rng.uniform(0.7, 2), 4, rng.uniform(0.7, 1.2), rng)
        image = image + rng.uniform(0.01, 0.1) * fine
    image = image + rng.uniform(0, 0.1) * smooth_field(shape, 80, rng)
    return ndimage.gaussian_filter(image, rng.uniform(0.3, 1.3))


def _glow(height, rng):
    """Secondary electrons: more the steeper, some from one side, few from the deep."""
    down, right = np.gradient(height)
    angle = rng.uniform(0, 2 * np.pi)
    steep = np.sqrt(1 + down**2 + right**2)
    side = (np.cos(angle) * down + np.sin(angle) * right) / steep
    around = ndimage.gaussian_filter(height, 8)
    deep = np.tanh((height - around) / (np.abs(height - around).mean() + 1e-6) / 3)
    bright = np.minimum(steep, rng.uniform(2, 5)) ** 0.7
    return 0.3 * bright + rng.uniform(0, 0.3) * side + rng.uniform(0, 0.2) * deep


def _particles(shape, rng):
    """Balls and crystals, piled up or strewn."""
    image = np.full(shape, rng.uniform(0, 0.3))
    size = np.exp(rng.uniform(np.log(3), np.log(50)))
    cover = np.exp(rng.uniform(np.log(0.05), np.log(2)))
    count = int(min(600, 4 + cover * shape[0] * shape[1] / size**2 / 3))
    spread = rng.choice([0.05, 0.4, 0.9])
    taken = []
    apart = rng.uniform() < 0.4  # side by side instead of piled up
    tone, rim = rng.uniform(0.2, 0.6), rng.uniform(0.1, 0.7)
    wobble = rng.choice([0, 0, 0.15])
    middle = rng.uniform(0, 1, (rng.integers(1, 6), 2))
    clump = rng.choice([0, 0, 0.12])
    fade = rng.choice([0.0, 0.4])  # small ones give less
    for _ in range(count):
        radius = size * np.exp(spread * rng.normal())
        at = rng.uniform(-0.05, 1.05, 2)
        if clump:
            at = middle[rng.integers(len(middle))] + clump * rng.normal(size=2)
        if apart:
            if any(np.hypot(*(at * shape - b)) < 1.05 * (radius + c) for b, c in taken):
                continue
            taken.append((at * shape, radius))
        radii = radius * np.array([1, rng.uniform(0.8, 1)])
        angle = rng.uniform(0, np.pi)
        window, mask, depth = blob(shape, at * shape, radii, angle, wobble, 1.2, rng)
        if not mask.size:
            continue
        inside = np.clip(depth, 0, 1)
        # what leaves a ball grows towards its outline
        paint = tone * rng.uniform(0.8, 1.2) * (radius / size) ** fade + rim * (
            1 - inside
        ) ** rng.choice([2, 4])
        image[window] += mask * (paint - image[window])
    return image


def _grains(shape, rng):
    """Polished or etched grains: a tone each, dark or bright boundaries, twins."""
    size = np.exp(rng.uniform(np.log(8), np.log(90)))
    y, x = np.mgrid[: shape[0], : shape[1]]
    warp = rng.uniform(0, 0.1) * size
    y = y + warp * smooth_field(shape, size / 3 + 1, rng)
    first, second, tone, dy, dx = worley(y / size, x / size, rng, 1.0)
    gap = (second - first) * size * 0.6
    image = 0.5 + rng.uniform(0, 0.6) * (tone - 0.5)
    line = edge(rng.uniform(0.3, 2.5) - gap, 1.0)
    image = image + rng.choice([-0.5, -0.3, 0.3]) * line
    if rng.uniform() < 0.5:  # lamellae at an angle of their own in some grains
        angle = tone * 40
        t = (np.cos(angle) * dy + np.sin(angle) * dx) * size
        period = np.exp(rng.uniform(np.log(2.5), np.log(12)))
        lamellae = np.tanh(2 * np.sin(2 * np.pi * t / period))
        image = image + rng.uniform(0.03, 0.3) * lamellae * (tone * 7 % 1 < 0.5)
    return image


def _fracture(shape, rng):
    """Facets, steps and tear lines of a broken surface."""
    size = np.exp(rng.uniform(np.log(10), np.log(80)))
    y, x = np.mgrid[: shape[0], : shape[1]]
    y = y + 0.15 * size * fractal_field(shape, size / 6 + 0.6, 3, 0.7, rng)
    first, _, tone, dy, dx = worley(y / size, x / size / 1.5, rng, 1.0)
    angle = tone * 50
    height = size * (np.cos(angle) * dy + np.sin(angle) * dx + (tone - 0.5))
    if rng.uniform() < 0.5:  # dimples
        height = -size * np.sqrt(np.clip(1.2 - first**2, 0, 2))
    if rng.uniform() < 0.5:
        height = height + 0.8 * fractal_field(shape, 1.5, 5, 0.7, rng) * size / 20
    return _glow(height, rng)


def _pores(shape, rng):
    """Dark holes with bright rims, foam, filter, sponge."""
    field = fractal_field(
        shape, np.exp(rng.uniform(0.5, 2.7)), rng.integers(1, 4), 0.7, rng
    )
    level = rng.normal(-0.4, 0.6)
    down, right = np.gradient(field)
    away = (field - level) / (np.hypot(down, right) + 0.02)
    solid = edge(away, 1.5)
    rim = np.exp(-((np.clip(away - 1, 0, None) / rng.uniform(1, 4)) ** 2))
    deep = 0.1 + 0.1 * normal(ndimage.gaussian_filter(field, 3))
    return deep + solid * (0.45 + rng.uniform(0.1, 0.5) * rim - deep)


def _circuit(shape, rng):
    """Lines, pads and holes with bright edges, as on chips."""
    canvas = (2 * shape[0], 2 * shape[1])
    height = np.zeros(canvas)
    y, x = np.ogrid[: canvas[0], : canvas[1]]
    pitch = np.exp(rng.uniform(np.log(8), np.log(90)))
    rough = rng.uniform(0, 2) * ndimage.gaussian_filter1d(rng.normal(size=canvas[1]), 4)
    fill = rng.uniform(0.3, 0.7)
    if rng.uniform() < 0.6:
        height += ((y + rough[None]) % pitch < fill * pitch) * 1.0
    if rng.uniform() < 0.5:
        height += ((x + 0 * y) % (pitch * rng.uniform(1, 3)) < fill * pitch) * 1.0
    for _ in range(rng.integers(1, 20)):
        a, b = (int(rng.uniform(0, n)) for n in canvas)
        tall, wide = np.exp(rng.uniform(np.log(6), np.log(250), 2)).astype(int)
        height[a : a + tall, b : b + wide] = rng.choice([0.0, 1.0, 2.0])
    flat = ndimage.gaussian_filter(height, 1.0)
    rim = ndimage.gaussian_gradient_magnitude(height, rng.uniform(1.2, 4))
    rim /= max(rim.max(), 1e-9)  # of a picture that is flat, too
    image = rng.uniform(0, 0.3) * flat + rng.uniform(0.3, 1.5) * rim
    if rng.uniform() < 0.3:
        image = ndimage.rotate(
            image, rng.uniform(-20, 20), reshape=False, mode="mirror", order=1
        )
    return halve(image)


def _film(shape, rng):
    """Rough, brushed, scratched or nearly smooth films."""
    kind = rng.integers(3)
    if kind == 0:
        rough = fractal_field(shape, rng.uniform(0.8, 5), 5, rng.uniform(0.4, 1), rng)
        return _glow(rng.uniform(1, 8) * rough, rng)
    if kind == 1:
        y, x = np.mgrid[: shape[0], : shape[1]]
        period = rng.uniform(2.5, 20)
        angle = rng.uniform(0, np.pi)
        u, v = (
            np.cos(angle) * x + np.sin(angle) * y + 500,
            np.cos(angle) * y - np.sin(angle) * x + 500,
        )
        return 0.2 * grain(u / period, v / period, 1 / period, rng)
    base = 0.1 * relief(fractal_field(shape, 2, 6, 0.5, rng), rng)
    starts = rng.uniform(0, 1, (rng.integers(2, 40), 2)) * shape
    angles = rng.uniform(0, np.pi) + rng.choice([0.05, 2]) * rng.normal(
        size=len(starts)
    )
    lengths = rng.uniform(20, 250, len(starts))
    rows, cols, owner = curves(starts, angles, lengths, 0.1, rng)
    weight = rng.normal(0.4, 0.6, len(starts))[owner]
    lines = ndimage.gaussian_filter(
        splat(shape, rows, cols, weight), rng.uniform(0.4, 1.2)
    )
    return base + rng.uniform(0.1, 0.5) * lines
