"""What surfaces are made of: brick, cloth, gravel, bark, water, writing, grass.

Patterns are functions of coordinates on the surface, so that any of them can be seen at
an angle; their edges are as wide as a pixel is there, and where a period falls below
two pixels they fade into their mean.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import fractal_field, smooth_field


def plane(shape, rng, lean=None):
    """Coordinates on a flat surface seen at an angle, and the size of a pixel in them.

    A unit is about a pixel in the middle of the image. `lean` 0 looks straight at it;
    0.8 makes one end five times finer than the other.
    """
    if lean is None:
        lean = rng.choice([0.0, rng.uniform(0, 0.75)])
    half = np.hypot(*shape) / 2
    y, x = np.ogrid[: shape[0], : shape[1]]
    y, x = y - shape[0] / 2, x - shape[1] / 2
    angle = rng.choice([0.0, np.pi / 2, rng.normal(0, 0.15), rng.uniform(0, np.pi)])
    sight = rng.uniform(0, 2 * np.pi)
    far = 1 + lean / half * (np.cos(sight) * y + np.sin(sight) * x)
    u = (np.cos(angle) * x + np.sin(angle) * y) / far
    v = (np.cos(angle) * y - np.sin(angle) * x) / far
    return u + rng.uniform(0, 999), v + rng.uniform(0, 999), far**-1.6


def edge(distance, pixel):
    """Coverage of a pixel by what lies at positive distances."""
    return np.clip(distance / pixel + 0.5, 0, 1)


def _faded(image, pixel):
    """Let a pattern with a period of 1 go where it is finer than the pixels."""
    keep = np.clip((0.56 - pixel) / 0.2, 0, 1)
    mean = image.mean()
    return mean + keep * (image - mean)


def _per_cell(i, j, rng):
    """A random number for each cell, uniform from 0 to 1."""
    table = rng.uniform(size=(61, 67))
    return table[i.astype(int) % 61, j.astype(int) % 67]


def bricks(u, v, pixel, rng):
    """Bricks, tiles, planks and shingles, with joints."""
    long = rng.choice([1.0, rng.uniform(1.3, 3.5), rng.uniform(4, 12)])
    shift = rng.choice([0.0, 0.5, 0.37])
    row = np.floor(v)
    along = u / long + shift * row
    column = np.floor(along)
    fu, fv = along - column, v - row
    joint = rng.uniform(0.02, 0.12)
    inside = np.minimum(long * np.minimum(fu, 1 - fu), np.minimum(fv, 1 - fv))
    tone = 0.5 + rng.uniform(0, 0.5) * (_per_cell(row, column, rng) - 0.5)
    if rng.uniform() < 0.5:
        tone = tone + rng.uniform(-0.3, 0.3) * (fv - 0.5)  # overlapping, or rounded
    mortar = rng.choice([0.1, 0.3, 0.7, 0.9])
    return mortar + edge(inside - joint, pixel) * (tone - mortar)


def stripes(u, v, pixel, rng):
    """Stripes, corrugated sheets, blinds, plaid."""

    def profile(t):
        kind = rng.integers(4)
        number = np.floor(t)
        t = t - number
        if kind == 0:
            return 0.5 + 0.5 * np.sin(2 * np.pi * t)
        if kind == 1:
            duty = rng.uniform(0.2, 0.8)
            return edge(duty / 2 - np.abs(t - 0.5), pixel)
        if kind == 2:
            return np.abs(np.sin(np.pi * t)) * (0.5 + t)
        tone = _per_cell(number, 0 * number, rng)
        return tone * edge(0.45 - np.abs(t - 0.5), pixel)

    image = profile(v)
    if rng.uniform() < 0.25:
        image = (image + profile(u)) / 2
    return image


def weave(u, v, pixel, rng):
    """Threads that go over and under each other."""
    i, j = np.floor(u), np.floor(v)
    fu, fv = u - i, v - j
    over = (i + j * rng.choice([1, 2])) % rng.choice([2, 2, 3]) < 1
    warp = np.sin(np.pi * fu) ** 0.7 * (0.5 + 0.5 * np.sin(np.pi * fv))
    weft = np.sin(np.pi * fv) ** 0.7 * (0.5 + 0.5 * np.sin(np.pi * fu))
    second = rng.uniform(0.3, 1.2)
    image = np.where(over, warp, second * weft)
    return image * (1 + 0.4 * (_per_cell(i, 0 * j, rng) - 0.5))


def dots(u, v, pixel, rng):
    """Dots, holes and checks on a grid."""
    i, j = np.floor(u), np.floor(v)
    if rng.uniform() < 0.3:
        fu, fv = np.abs(u - i - 0.5), np.abs(v - j - 0.5)
        return (2 * edge(0.25 - fu, pixel) - 1) * (2 * edge(0.25 - fv, pixel) - 1)
    u = u + rng.choice([0, 0.5]) * (j % 2)
    i = np.floor(u)
    away = np.hypot(u - i - 0.5, v - j - 0.5)
    size = rng.uniform(0.2, 0.42) + rng.uniform(0, 0.15) * _per_cell(i, j, rng)
    return edge(size - away, pixel)


def windows(u, v, pixel, rng):
    """A facade: panes in frames, each a little different, with sills."""
    v = v / rng.uniform(1, 1.8)
    i, j = np.floor(u), np.floor(v)
    fu, fv = u - i - 0.5, v - j - 0.5
    wide, tall = rng.uniform(0.18, 0.45, 2)
    inside = np.minimum(wide - np.abs(fu), tall - np.abs(fv))
    frame = rng.uniform(0.02, 0.06)
    glass = 0.1 + 0.5 * _per_cell(i, j, rng) ** 2 + rng.uniform(-0.6, 0.6) * fv
    glass = glass + 0.2 * _per_cell(j, i, rng) * fu
    wall, bar = rng.uniform(0.2, 0.9, 2)
    image = wall + edge(inside, pixel) * (bar - wall)
    image = image + edge(inside - frame, pixel) * (glass - image)
    panes = rng.integers(1, 4)
    for t, half, n in ((fu, wide, panes), (fv, tall, rng.integers(1, 4))):
        if n > 1:
            pos = (t / half + 1) * n / 2
            off = np.abs(pos - np.round(pos)) * 2 * half / n
            lines = edge(frame / 2 - off, pixel) * (inside > 0)
            image = image + lines * (bar - image)
    if rng.uniform() < 0.5:
        sill = edge(0.04 - np.abs(fv - tall - 0.05), pixel)
        sill = sill * edge(wide * 1.15 - np.abs(fu), pixel)
        image = image + sill * rng.uniform(-0.4, 0.4)
    return image


def worley(u, v, rng, jitter=0.9):
    """Nearest and second nearest of points strewn over the plane, one per unit square.

    Returns both distances, a random number from 0 to 1 that belongs to the nearest
    point, and the way from it, in u and in v. Without `jitter` it is a square grid.
    """
    table = rng.uniform(size=(61, 67, 3)).astype(np.float32)
    table[..., :2] = 0.5 + jitter * (table[..., :2] - 0.5)
    i, j = np.floor(u).astype(np.intp), np.floor(v).astype(np.intp)
    fu, fv = (u - i).astype(np.float32), (v - j).astype(np.float32)
    first = np.full(u.shape, 9.0, np.float32)
    second, tone, su, sv = first.copy(), first.copy(), first.copy(), first.copy()
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            # one gather of the flat table for all three numbers of a point
            point = table.reshape(-1, 3)[(i + di) % 61 * 67 + (j + dj) % 67]
            du, dv = fu - di - point[..., 0], fv - dj - point[..., 1]
            away = du * du + dv * dv
            nearer = away < first
            second = np.where(nearer, first, np.minimum(second, away))
            first = np.where(nearer, away, first)
            tone = np.where(nearer, point[..., 2], tone)
            su, sv = np.where(nearer, du, su), np.where(nearer, dv, sv)
    return np.sqrt(first), np.sqrt(second), tone, su, sv


def stones(u, v, pixel, rng):
    """Gravel, cobbles, scales, cracked earth, crumbs."""
    if rng.uniform() < 0.3:
        v = v * rng.uniform(1.2, 2.5)
    first, second, tone, du, dv = worley(u, v, rng, rng.uniform(0.5, 1))
    gap = second - first
    light = rng.uniform(0, 2 * np.pi)
    lit = np.cos(light) * du + np.sin(light) * dv
    kind = rng.integers(3)
    if kind == 0:
        crack = edge(gap - rng.uniform(0.04, 0.25), pixel)
        return crack * (0.5 + rng.uniform(0, 0.5) * (tone - 0.5) + 0.5 * lit)
    if kind == 1:
        dome = np.sqrt(np.clip(1 - (first / 0.75) ** 2, 0, 1))
        return dome * (0.5 + 0.5 * tone) + rng.uniform(0.2, 0.8) * lit
    return 0.5 + tone - 0.5 + rng.uniform(0, 1) * lit + 0.2 * np.minimum(gap, 0.3)


def ripples(u, v, pixel, rng):
    """Waves that cross each other, with sharp or rounded crests."""
    base, spread = rng.uniform(0, np.pi), rng.uniform(0.1, 0.9)
    height = np.zeros(u.shape)
    for k in range(rng.integers(3, 7)):
        angle = base + spread * rng.normal()
        rate = rng.uniform(0.5, 1.0) * (0.35 if k == 0 else 1)
        phase = 2 * np.pi * rate * (np.cos(angle) * u + np.sin(angle) * v)
        height += np.sin(phase + 0.8 * np.sin(0.13 * u + k)) / (1 + 0.3 * k)
    kind = rng.integers(3)
    if kind == 0:
        return height
    return np.exp(0.8 * height) if kind == 1 else np.tanh(2 * height)


def grain(u, v, pixel, rng):
    """Wood, bark, brushed metal, streaks of dirt: noise stretched along `u`."""
    field = fractal_field((96, 256), 0.8, 5, rng.uniform(0.6, 1.1), rng)
    pull = np.exp(rng.uniform(0.7, 3))
    warp = 1.5 * np.sin(0.05 * u + 2 * np.sin(0.017 * u))
    where = [3 * v + rng.choice([0, 1]) * warp, 3 * u / pull]
    where = [np.mod(w, 2 * n - 2) for w, n in zip(where, field.shape, strict=True)]
    image = ndimage.map_coordinates(field, where, order=1, mode="mirror")
    kind = rng.integers(3)
    if kind == 0:
        return -np.abs(image)  # dark furrows
    return np.sin(4 * image) if kind == 1 else image


_PATTERNS = [bricks, stripes, weave, dots, windows, stones, stones, ripples, grain]


def pattern(shape, rng, finest=2.3, coarsest=40, only=None, lean=None):
    """One of the patterns above, or of `only`, seen at an angle; mean 0, deviation 1.

    Its period is between `finest` and `coarsest`; fine ones are as frequent as coarse
    ones.
    """
    painter = (only or _PATTERNS)[rng.integers(len(only or _PATTERNS))]
    if painter is windows:
        finest = max(finest, 8)
    period = np.exp(rng.uniform(np.log(finest), np.log(max(coarsest, finest + 1))))
    u, v, pixel = plane(shape, rng, lean)
    pixel = np.broadcast_to(pixel / period, shape)
    if rng.uniform() < 0.45:  # nothing is laid out exactly
        amount = period * rng.uniform(0.02, 0.3)
        u = u + amount * smooth_field(shape, rng.uniform(0.5, 3) * period + 1, rng)
        v = v + amount * smooth_field(shape, rng.uniform(0.5, 3) * period + 1, rng)
    image = _faded(painter(u / period, v / period, pixel, rng), pixel)
    return normal(image)


def normal(image):
    """Mean 0, standard deviation 1."""
    return (image - image.mean()) / max(image.std(), 1e-9)


def relief(height, rng):
    """Light from the side on a surface of given height, of about unit deviation."""
    angle = rng.uniform(0, 2 * np.pi)
    down, right = np.gradient(height)
    slope = normal(np.cos(angle) * down + np.sin(angle) * right)
    return slope / np.sqrt(1 + (rng.uniform(0.3, 1.5) * slope) ** 2)


def noise_texture(shape, rng):
    """Plaster, rock, clouds, lawn from afar: no pattern, any roughness."""
    field = fractal_field(shape, rng.uniform(0.5, 1.6), 6, rng.uniform(0.7, 1.3), rng)
    kind = rng.integers(5)
    if kind == 0:
        field = np.abs(field)
    elif kind == 1:
        field = relief(field, rng)
    elif kind == 2:
        field = np.tanh(3 * field)
    elif kind == 3:
        field = field * np.clip(0.5 + smooth_field(shape, 30, rng), 0, 2)
    return normal(field)


def strands(shape, rng, count, length, width, *, leaf=False, turn=None, ground=0.1):
    """Grass, hair, needles, leaves, twigs, one over the other; about 0 to 1.

    `count` is how many, fewer if they would take too long; a `leaf` is pointed at both
    ends, with a midrib, in all directions; `turn` the favoured direction, its spread
    over the picture and from strand to strand; `ground` shows between them.
    """
    tall, wide = 2 * shape[0], 2 * shape[1]
    length, width = 2 * length, 2 * width
    along = max(4, int(length / 0.55))
    across = max(1, int(np.ceil(width / 0.55)))
    count = int(min(count, 2_000_000 / (along * across)))
    base, flow, spread = turn or (
        rng.uniform(0, 2 * np.pi),
        rng.choice([0, 0.3, 1.0]),
        rng.choice([0.05, 0.2, 0.6]),
    )
    starts = rng.uniform(-0.15, 1.15, (count, 2)) * (tall, wide)
    field = smooth_field((tall // 8 + 2, wide // 8 + 2), rng.uniform(5, 25), rng)
    at = np.clip(starts / 8, 0, np.array(field.shape) - 1).astype(int)
    angle = base + flow * field[at[:, 0], at[:, 1]] + spread * rng.normal(size=count)
    if leaf:
        angle = rng.uniform(0, 2 * np.pi, count)
    t = np.linspace(0, 1, along, dtype=np.float32)
    bend = (rng.uniform(0, 1.2) * rng.normal(size=count)).astype(np.float32)
    angle = angle.astype(np.float32)[:, None] + bend[:, None] * (t - 0.5)
    scale = np.exp(rng.normal(-0.1, 0.3, count)).clip(0.3, 1.25).astype(np.float32)
    reach = (length / along * scale)[:, None]
    dy, dx = np.sin(angle), np.cos(angle)
    starts = starts.astype(np.float32)
    rows = starts[:, :1] + np.cumsum(dy, 1) * reach
    cols = starts[:, 1:] + np.cumsum(dx, 1) * reach
    thin = (
        np.maximum(np.sin(np.pi * t), 0) ** 0.8
        if leaf
        else rng.choice([0, 1]) * (1 - t) + 0.15
    )
    thin = np.minimum(thin, 1) if leaf or thin.max() > 0.5 else np.ones_like(t)
    side = np.linspace(-0.5, 0.5, across) if across > 1 else np.zeros(1)
    side = side.astype(np.float32)
    half = (width * thin.astype(np.float32) * scale[:, None])[:, :, None]
    rows = rows[:, :, None] - side * (half * dx[:, :, None])
    cols = cols[:, :, None] + side * (half * dy[:, :, None])
    deep = np.linspace(rng.uniform(0, 0.9), 1, count)  # the lower, the darker
    tone = deep * np.clip(rng.normal(0.55, rng.uniform(0.05, 0.3), count), 0.02, 1.2)
    tone = tone.astype(np.float32)[:, None] * (1 - rng.uniform(0, 0.6) * (1 - t))
    shade = 1 + (rng.uniform(-1, 1) if width > 4 else 0) * side
    if leaf and across > 4:
        shade = shade + rng.uniform(-0.3, 0.5) * (np.abs(side) < 0.08)
    tone = tone[:, :, None].astype(np.float32) * shade.astype(np.float32)
    image = np.broadcast_to(np.asarray(ground, np.float32), shape)
    image = image.repeat(2, 0).repeat(2, 1)
    seen = (rows >= 0) & (rows < tall) & (cols >= 0) & (cols < wide)
    at = rows[seen].astype(np.int32) * wide + cols[seen].astype(np.int32)
    image.reshape(-1)[at] = tone[seen]  # the last one painted is seen
    return image.reshape(shape[0], 2, shape[1], 2).mean((1, 3)).astype(float)


def strand_texture(shape, rng):
    """Hair, fur, grass or foliage all over."""
    leaf = rng.uniform() < 0.4
    if leaf:
        length = np.exp(rng.uniform(np.log(5), np.log(50)))
        width = length * rng.uniform(0.15, 0.6)
    else:
        length = np.exp(rng.uniform(np.log(12), np.log(140)))
        width = np.clip(length * rng.uniform(0.01, 0.06), 0.5, 6)
    count = int(rng.uniform(1.5, 8) * shape[0] * shape[1] / (length * width))
    return strands(
        shape, rng, count, length, width, leaf=leaf, ground=rng.uniform(0, 0.4)
    )


# Letters as strokes between points of a grid of 3 columns and 5 rows, numbered row by
# row from the top left; a comma lifts the pen.
_LETTERS = (
    "12 0 2 14,6 8;0 12 13 11 7 6,7 5 1 0;2 0 12 14;0 12 13 11 5 1 0;2 0 12 14,6 7;"
    "2 0 12,6 7;2 3 9 14 8 7;0 12,2 14,6 8;1 13;2 14 12 9;0 12,2 6 14;0 12 14;"
    "12 0 7 2 14;12 0 14 2;0 2 14 12 0;12 0 2 8 6;0 2 14 12 0,10 14;"
    "12 0 2 8 6,7 14;2 0 6 8 14 12;0 2,1 13;0 12 14 2;0 13 2;0 12 7 14 2;"
    "0 14,2 12;0 7 2,7 13;0 2 12 14;0 1 13,12 14;0 2 8 6 12 14;0 2 14 12,7 8;"
    "0 6 8,2 14;2 0 12 14 8 6;0 2 13;3 5 14 12 3;6 8 14 12 6,0 12;"
    "8 6 12 14;6 8 14,8 12 9 11;6 12,6 8 14;6 12 14 8"
)


def _glyphs(height, weight, rng):
    """All letters as coverage masks of `height` rows."""
    rows, width = round(height), max(2, round(0.55 * height))
    y, x = np.mgrid[:rows, : int(width * 1.5 + weight) + 2]
    masks = []
    x = x - rng.choice([0, 0, 0.25]) * (rows - y)
    thin = rng.choice([1.0, 1.0, 0.45])
    for letter in _LETTERS.split(";"):
        mask = np.zeros(y.shape)
        for stroke in letter.split(","):
            points = np.array([divmod(int(p), 3) for p in stroke.split()], float)
            points *= ((rows - 1 - weight) / 4, (width - 1) / 2)
            points += weight / 2
            for (r0, c0), (r1, c1) in pairwise(points):
                dr, dc = r1 - r0, c1 - c0
                t = ((y - r0) * dr + (x - c0) * dc) / (dr * dr + dc * dc)
                t = np.clip(t, 0, 1)
                away = np.hypot(y - r0 - t * dr, x - c0 - t * dc)
                half = weight / 2 * (thin if abs(dc) > abs(dr) else 1)
                mask = np.maximum(mask, np.clip(half - away + 0.5, 0, 1))
        masks.append(mask)
    return masks


def writing(shape, rng, height=None):
    """Lines of letters, in words, as coverage from 0 to 1."""
    page = np.zeros(shape)
    y = rng.uniform(0, 10)
    while y < shape[0]:
        size = height or np.exp(rng.uniform(np.log(6), np.log(60)))
        masks = _glyphs(size, max(0.8, size * rng.uniform(0.07, 0.24)), rng)
        spacing = rng.uniform(0.0, 0.3) * size
        for _ in range(1 if height is None else 99):
            x, top = rng.uniform(-size, 20), int(y)
            while x < shape[1]:
                mask = masks[rng.integers(len(masks))]
                left = int(x)
                if left >= 0:
                    window = page[top : top + len(mask), left : left + mask.shape[1]]
                    part = mask[: window.shape[0], : window.shape[1]]
                    np.maximum(window, part, out=window)
                x += 0.55 * size + spacing + (0.5 * size if rng.uniform() < 0.18 else 0)
            y += size * rng.uniform(1.3, 2)
            if y >= shape[0]:
                break
    return page
