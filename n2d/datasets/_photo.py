"""Scenes with the structure of photographs: surfaces, things before them, light."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import blob, curves, fractal_field, smooth_field, splat
from n2d.datasets._leaves import polygon
from n2d.datasets._textures import (
    bricks,
    edge,
    grain,
    noise_texture,
    normal,
    pattern,
    ripples,
    stones,
    strand_texture,
    strands,
    stripes,
    windows,
    writing,
)


def material(shape, rng):
    """Any texture, mean 0 and standard deviation 1."""
    kind = rng.choice(4, p=[0.45, 0.25, 0.2, 0.1])
    if kind == 0:
        image = pattern(shape, rng)
        if rng.uniform() < 0.4:
            image = image + rng.uniform(0.1, 0.6) * noise_texture(shape, rng)
    elif kind == 1:
        image = noise_texture(shape, rng)
    elif kind == 2:
        image = strand_texture(shape, rng)
    else:
        image = writing(shape, rng, np.exp(rng.uniform(np.log(6), np.log(30))))
    return normal(image)


def texture(shape, rng):
    """One material over the whole picture, unevenly lit."""
    image = material(shape, rng)
    if rng.uniform() < 0.3:
        image = image + rng.uniform(0.2, 1) * material(shape, rng)
    image = np.clip(image, -4, 4)
    if rng.uniform() < 0.7:
        image = image * np.exp(rng.uniform(0.1, 0.8) * smooth_field(shape, 50, rng))
    image = image + rng.uniform(0, 0.8) * smooth_field(shape, rng.uniform(40, 150), rng)
    return _camera(_shadows(image - image.min(), rng), rng)


def objects(shape, rng):
    """Things of many sizes in front of each other, with texture, shade and shadow."""
    bank = [material(shape, rng) for _ in range(rng.integers(3, 5))]
    image = _ground(shape, bank, rng)
    for _ in range(rng.integers(1, 7)):
        _divide(image, bank, rng)
    if rng.uniform() < 0.15:  # behind the plane of focus
        image = ndimage.gaussian_filter(image, np.exp(rng.uniform(0, 2.2)))
    smallest, largest = rng.uniform(1, 4), np.exp(rng.uniform(2.7, 5))
    count = int(np.exp(rng.uniform(np.log(20), np.log(600))))
    power = rng.choice([-2.0, -1.0])
    u = (
        np.sort(rng.uniform(size=count))
        if rng.uniform() < 0.5
        else rng.uniform(size=count)
    )
    sizes = (smallest**power + u * (largest**power - smallest**power)) ** (1 / power)
    sizes = sizes[::-1]
    plain = rng.uniform(0, 0.6)
    light = rng.uniform(0, 2 * np.pi)
    # Rows and bands come in between, so that things lie on both sides of them.
    between = rng.integers(0, count, rng.integers(0, 7))
    for number, radius in enumerate(sizes):
        centre = rng.uniform(-0.1, 1.1, 2) * shape
        _thing(image, centre, radius, bank, plain, light, rng)
        for _ in range(np.count_nonzero(between == number)):
            (_row if rng.uniform() < 0.5 else _band)(image, rng)
    if rng.uniform() < 0.7:  # nothing is quite smooth
        image *= 1 + np.exp(rng.uniform(-4, -1.4)) * noise_texture(shape, rng)
    for _ in range(rng.choice([0, 0, 1, 2])):
        _lines(image, rng)
    if rng.uniform() < 0.08:  # something near, out of focus
        for _ in range(rng.integers(1, 4)):
            at, radius = rng.uniform(0, 1, 2) * shape, rng.uniform(30, 120)
            soft = rng.uniform(4, 20)
            window, mask, _ = blob(shape, at, (radius, radius / 2), 1.0, 0.1, soft, rng)
            image[window] += mask * (rng.uniform(0, 1) - image[window])
    return _camera(_shadows(image, rng), rng)


def _ground(shape, bank, rng):
    """What lies behind everything: sky, wall or a blur of both."""
    y, x = (np.linspace(-1, 1, n) for n in shape)
    image = rng.uniform(0.15, 0.85) + rng.normal(0, 0.15) * y[:, None]
    image = image + rng.normal(0, 0.1) * x[None]
    kind = rng.integers(4)
    if kind == 0:
        image = image + rng.uniform(0.02, 0.2) * bank[0]
    elif kind == 1:
        image = image + rng.uniform(0.02, 0.15) * fractal_field(shape, 4, 5, 0.6, rng)
    elif kind == 2:
        image = image + rng.uniform(0, 0.2) * smooth_field(shape, 60, rng)
    return np.array(image)


def _paint(shape, window, bank, plain, rng):
    """Tone, gradient and texture of one surface."""
    paint = rng.uniform(0, 1) if rng.uniform() < 0.6 else rng.normal(0.5, 0.2)
    y, x = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    if rng.uniform() < 0.7:
        paint = paint + rng.normal(0, 0.12) * y + rng.normal(0, 0.12) * x
    paint = np.broadcast_to(paint, shape)
    if rng.uniform() > plain:
        contrast = np.exp(rng.uniform(np.log(0.02), np.log(0.5)))
        paint = paint + contrast * bank[rng.integers(len(bank))][window]
    return paint


def _divide(image, bank, rng):
    """Cut the picture by a long edge, straight or curved, and fill one side."""
    shape = image.shape
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, 2 * np.pi)])
    at = rng.uniform(0.1, 0.9, 2) * shape
    y, x = np.ogrid[: shape[0], : shape[1]]
    away = np.cos(angle) * (y - at[0]) + np.sin(angle) * (x - at[1])
    kind = rng.integers(3)
    if kind == 1:
        along = np.cos(angle) * (x - at[1]) - np.sin(angle) * (y - at[0])
        away = away + along**2 / rng.choice([-1, 1]) / rng.uniform(150, 1500)
    elif kind == 2:
        rough = fractal_field(shape, rng.uniform(2, 8), 5, rng.uniform(0.3, 0.9), rng)
        away = away + rng.uniform(2, 15) * rough
    soft = rng.choice([1.0, 1.0, 1.5, 4.0])
    mask = np.broadcast_to(edge(away, soft), shape)
    window = (slice(None), slice(None))
    image += mask * (_paint(shape, window, bank, 0.4, rng) - image)


def _thing(image, centre, radius, bank, plain, light, rng):
    """One object: outline, surface, shading, shadow."""
    shape = image.shape
    radii = radius * np.array([1.0, np.exp(rng.uniform(-1.3, 0))])
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    depth = None
    if rng.uniform() < 0.45:
        window, mask = polygon(shape, centre, radii, angle, rng)
    else:
        wobble = rng.choice([0, 0.05, 0.15])
        window, mask, depth = blob(shape, centre, radii, angle, wobble, 1.0, rng)
    if not mask.size:
        return
    if radius > 8 and rng.uniform() < 0.4:
        _cast(image, window, mask, light, radius, rng)
    paint = _paint(mask.shape, window, bank, plain, rng)
    if depth is not None and rng.uniform() < 0.5:
        bulge = np.sqrt(np.clip(depth * (2 - depth), 0, 1))
        kind = rng.integers(3)
        if kind == 0:  # rounded: dark towards the outline
            paint = paint * (0.4 + 0.6 * bulge)
        elif kind == 1:  # a ball lit from one side
            y, x = np.ogrid[window]
            y, x = (y - centre[0]) / radius, (x - centre[1]) / radius
            side = np.cos(light) * y + np.sin(light) * x
            paint = paint * np.clip(0.6 + 0.4 * bulge - 0.7 * side, 0.1, 1.8)
        else:  # shiny
            paint = paint + 0.5 * np.clip(bulge - 0.8, 0, 1) * 5
    if rng.uniform() < 0.1:
        mask = mask * rng.uniform(0.2, 0.8)  # glass, smoke
    image[window] += mask * (paint - image[window])


def _cast(image, window, mask, light, radius, rng):
    """Shadow of a mask on what has been painted so far."""
    far = rng.uniform(0.1, 0.5) * radius
    shift = [int(far * np.cos(light)), int(far * np.sin(light))]
    target, source = [], []
    for side, step, length in zip(window, shift, image.shape, strict=True):
        start, stop = side.start + step, side.stop + step
        first, last = max(0, start), min(length, stop)
        if last <= first:
            return
        target.append(slice(first, last))
        source.append(slice(first - start, last - start))
    soft = ndimage.gaussian_filter(mask, rng.uniform(0.3, 0.12 * radius + 0.4))
    strength = rng.uniform(0.2, 0.7)
    image[tuple(target)] *= 1 - strength * soft[tuple(source)]


def _lines(image, rng):
    """Wires, twigs, fences, cracks: thin and long."""
    shape = image.shape
    count = rng.integers(1, 14)
    starts = rng.uniform(-0.2, 1, (count, 2)) * shape
    angles = np.full(count, rng.uniform(0, np.pi)) + rng.choice([0, 0.1, 1.5]) * (
        rng.normal(size=count)
    )
    bend = rng.choice([0.0, 0.2, 1.5])
    lengths = rng.uniform(60, 1.4 * max(shape), count)
    rows, cols, _ = curves(starts, angles, lengths, bend, rng)
    width = np.exp(rng.uniform(np.log(0.35), np.log(2)))
    drawn = ndimage.gaussian_filter(splat(shape, rows, cols, 0.5), width)
    mask = np.clip(drawn * width * 2.6, 0, 1) ** (1 if width < 0.7 else 1.5)
    if width > 0.8:
        mask = np.clip((mask - 0.35) * 3, 0, 1)
    tone = rng.choice([0.0, 1.0, rng.uniform(0, 1)])
    image += rng.uniform(0.4, 1) * mask * (tone - image)


def _row(image, rng):
    """The same thing again and again along a line: pickets, bolts, rails, keys."""
    shape = image.shape
    radius = np.exp(rng.uniform(np.log(1.5), np.log(14)))
    radii = radius * np.array([1, np.exp(rng.uniform(-1.5, 1.5))])
    pitch = 2 * radius * rng.uniform(1.1, 2.5)
    at, angle = rng.uniform(0, 1, 2) * shape, rng.uniform(0, 2 * np.pi)
    step = pitch * np.array([np.sin(angle), np.cos(angle)])
    shrink = rng.choice([1.0, rng.uniform(0.93, 0.99)])  # into the distance
    turn = angle + rng.choice([0, np.pi / 2, 0.4])
    state, sides = rng.integers(2**31), rng.uniform() < 0.6
    tone, second = rng.uniform(0, 1, 2)
    size = 1.0
    for _ in range(rng.integers(4, 60)):
        own = np.random.default_rng(state)  # the same outline each time
        if sides:
            window, mask = polygon(shape, at, size * radii, turn, own)
            depth = None
        else:
            window, mask, depth = blob(shape, at, size * radii, turn, 0.1, 1.0, own)
        if mask.size:
            paint = tone
            if depth is not None:
                paint = tone + (second - tone) * np.clip(2 * depth - 0.6, 0, 1)
            image[window] += mask * (paint - image[window])
        at, size = at + size * step, size * shrink
        if size * radius < 0.7:
            break


def _band(image, rng):
    """A tube, rim, rope or cable along an arc, shiny and perhaps ribbed."""
    shape = image.shape
    y, x = np.ogrid[: shape[0], : shape[1]]
    radius = np.exp(rng.uniform(np.log(25), np.log(1500)))
    at, angle = rng.uniform(0, 1, 2) * shape, rng.uniform(0, 2 * np.pi)
    y = y - at[0] - radius * np.sin(angle)
    x = x - at[1] - radius * np.cos(angle)
    width = np.exp(rng.uniform(np.log(1), np.log(25)))
    across = np.hypot(y, x) - radius
    mask = edge(width - np.abs(across), 1.0)
    across = np.clip(across / width, -1, 1)
    paint = rng.uniform(0, 1) * (1 - rng.uniform(0, 0.7) * across**2)
    paint = paint + rng.uniform(-0.3, 0.3) * across
    for _ in range(rng.integers(0, 4)):  # reflections run along it
        sharp = rng.uniform(3, 20)
        paint = paint + rng.normal(0, 0.4) * np.exp(
            -((sharp * (across - rng.uniform(-0.8, 0.8))) ** 2)
        )
    if rng.uniform() < 0.35:
        count = max(1, round(2 * np.pi * radius / rng.uniform(2.5, 14)))
        ribs = np.sin(count * np.arctan2(y, x) + rng.choice([0, 2]) * across)
        paint = paint * (1 + rng.uniform(0.1, 0.6) * ribs)
    image += mask * (paint - image)


def _shadows(image, rng):
    """Light that changes at once, where something outside the picture is in its way."""
    if rng.uniform() < 0.4:
        return image
    shape = image.shape
    field = fractal_field(shape, rng.uniform(4, 12), 4, rng.uniform(0.2, 0.7), rng)
    sharp = np.exp(rng.uniform(0, 2.5))
    shade = 1 / (1 + np.exp(-sharp * (field - rng.normal(0, 0.8))))
    return image * (1 - rng.uniform(0.1, 0.75) * shade)


def _camera(image, rng):
    """Lens and development: defocus, contrast, clipped lights, sharpening."""
    if rng.uniform() < 0.4:
        image = ndimage.gaussian_filter(image, rng.uniform(0.3, 0.7))
    low, high = np.percentile(image, [0.2, 99.8])
    image = (image - low) / max(high - low, 1e-6)
    if rng.uniform() < 0.3:
        soft = ndimage.gaussian_filter(image, rng.uniform(0.6, 1.5))
        image = image + rng.uniform(0.1, 0.6) * (image - soft)
    spill = rng.choice([0.0, 0.02, 0.1])
    return np.clip(image, -0.02 + spill / 2, 1.05 - spill)


def street(shape, rng):
    """Walls, roofs, windows, fences and floors in perspective, sky and wires."""
    built = [bricks, bricks, stripes, windows, windows, stones, grain]
    y, x = (np.linspace(-1, 1, n) for n in shape)
    image = rng.uniform(0.4, 1) + rng.normal(0, 0.2) * y[:, None] + 0 * x[None]
    image += rng.uniform(0, 0.1) * fractal_field(shape, 8, 4, 0.6, rng)
    for _ in range(rng.integers(2, 6)):
        surface = pattern(shape, rng, 2.5, 80, only=built)
        paint = rng.uniform(0.1, 0.9) + np.exp(rng.uniform(-3.2, -1)) * surface
        if rng.uniform() < 0.5:
            paint = paint + rng.uniform(0.01, 0.06) * noise_texture(shape, rng)
        paint = paint + rng.normal(0, 0.1) * y[:, None] + rng.normal(0, 0.1) * x[None]
        at = rng.uniform(0, 1, 2) * shape
        if rng.uniform() < 0.5:
            angle = rng.choice([0, np.pi / 2, np.pi, -np.pi / 2]) + rng.normal(0, 0.25)
            yy, xx = np.ogrid[: shape[0], : shape[1]]
            away = np.cos(angle) * (yy - at[0]) + np.sin(angle) * (xx - at[1])
            mask = np.broadcast_to(edge(away, 1.0), shape)
            window = (slice(None), slice(None))
        else:
            radii = rng.uniform(30, 0.8 * max(shape), 2)
            window, mask = polygon(shape, at, radii, rng.normal(0, 0.2), rng)
        if mask.size:
            image[window] += mask * (paint[window] - image[window])
            if rng.uniform() < 0.5:  # the roof's edge, a gutter, a frame
                rim = np.clip(4 * mask * (1 - mask), 0, 1)
                image[window] += rng.choice([-0.4, 0.4]) * rim
    if rng.uniform() < 0.2:
        first = rng.uniform(0, 0.7, 2) * shape
        sign = tuple(
            slice(int(f), int(f + rng.uniform(0.2, 0.6) * n))
            for f, n in zip(first, shape, strict=True)
        )
        ink = writing(image[sign].shape, rng, rng.uniform(8, 40))
        image[sign] = rng.uniform(0, 1) + rng.choice([-0.7, 0.7]) * ink
    for _ in range(rng.integers(0, 4)):
        (_row, _row, _band, _lines)[rng.integers(4)](image, rng)
    return _camera(_shadows(image, rng), rng)


def vegetation(shape, rng):
    """Grass, fur, hair and foliage before something smooth, in light and shade."""
    image = _ground(shape, [noise_texture(shape, rng)], rng)
    if rng.uniform() < 0.5:
        image = ndimage.gaussian_filter(image, 4)
    for _ in range(rng.integers(2, 5)):
        layer = (
            strand_texture(shape, rng)
            if rng.uniform() < 0.75
            else (0.5 + 0.2 * noise_texture(shape, rng))
        )
        layer = layer * rng.uniform(0.5, 1.2)
        if rng.uniform() < 0.1:
            layer = ndimage.gaussian_filter(layer, rng.uniform(1, 5))
        rough = fractal_field(shape, rng.uniform(1, 6), 6, rng.uniform(0.3, 0.9), rng)
        mask = np.clip((rough - rng.normal(-0.6, 0.6)) * rng.uniform(3, 15), 0, 1)
        image = image + mask * (layer - image)
    if rng.uniform() < 0.5:
        length, width = rng.uniform(20, 200), rng.uniform(0.5, 3)
        count = int(rng.uniform(5, 150))
        image = strands(shape, rng, count, length, width, ground=image)
    return _camera(_shadows(image, rng), rng)


def landscape(shape, rng):
    """Ridges of trees, grass, stones and water behind each other, finer when far."""
    image = _ground(shape, [noise_texture(shape, rng)], rng)
    y = np.arange(shape[0])[:, None]
    horizon = rng.uniform(-0.3, 0.5) * shape[0]
    count = rng.integers(2, 6)
    lines = np.sort(rng.uniform(horizon, 1.05 * shape[0], count))
    upward = (-np.pi / 2, rng.choice([0.0, 0.2]), rng.uniform(0.05, 0.5))
    for number, line in enumerate(lines):
        near = (number + 1) / count
        kind = rng.integers(5)
        length = near * np.exp(rng.uniform(np.log(6), np.log(60)))
        width = max(0.6, 0.12 * length)
        many = int(2.5 * shape[0] * shape[1] / (length * width))
        if kind == 0:
            layer = strands(shape, rng, many, length, width, turn=upward)
        elif kind == 1:
            layer = strands(shape, rng, many, length, 3 * width, leaf=True)
        elif kind == 2:
            coarse = 8 + 40 * near
            layer = pattern(shape, rng, 2.3, coarse, only=[stones, stones, ripples])
            layer = 0.5 + 0.2 * layer
        else:
            fine = rng.uniform(0.6, 0.6 + 1.5 * near)
            layer = fractal_field(shape, fine, 5, rng.uniform(0.8, 1.3), rng)
            layer = 0.5 + 0.2 * (layer if kind == 3 else np.abs(layer))
        edge_of = fractal_field((1, shape[1]), rng.uniform(1, 4), 6, 0.7, rng)[0]
        if rng.uniform() < 0.4:  # tips of trees
            edge_of = 2 * np.abs(edge_of)
        top = line + near * rng.uniform(2, 25) * edge_of
        tone = rng.uniform(0.05, 0.9)
        contrast = (0.2 + 0.8 * near) * rng.uniform(0.3, 1.2)
        layer = tone + contrast * (layer - layer.mean())
        image += edge(y - top[None], 1.2) * (layer - image)
    if rng.uniform() < 0.5:
        long = rng.uniform(20, 150)
        number = int(rng.uniform(3, 80))
        image = strands(
            shape, rng, number, long, rng.uniform(0.5, 4), turn=upward, ground=image
        )
    return _camera(_shadows(image, rng), rng)


def page(shape, rng):
    """Print, signs, drawings: ink of any contrast on paper, cloth or walls."""
    ground = rng.uniform(0.4, 1) + 0.1 * smooth_field(shape, 80, rng)
    ground = ground + rng.choice([0, 0.01, 0.05]) * noise_texture(shape, rng)
    height = rng.choice([0, np.exp(rng.uniform(np.log(5), np.log(40)))])
    ink = writing(shape, rng, height or None)
    if rng.uniform() < 0.5:
        tilt = rng.normal(0, 0.15, (2, 2)) + np.eye(2)
        offset = np.array(shape) / 2 - tilt @ (np.array(shape) / 2)
        ink = ndimage.affine_transform(ink, tilt, offset, order=1, mode="mirror")
    image = ground + rng.uniform(-1, 1) * ink
    if rng.uniform() < 0.5:
        _lines(image, rng)
    if rng.uniform() < 0.4:
        bank = [material(shape, rng)]
        for _ in range(rng.integers(1, 5)):
            at, radius = rng.uniform(0, 1, 2) * shape, rng.uniform(20, 80)
            _thing(image, at, radius, bank, 0.3, 0.7, rng)
    return _camera(_shadows(image, rng), rng)
