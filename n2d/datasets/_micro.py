"""Scenes like those under a fluorescence microscope and in stained tissue."""

import numpy as np
from scipy import ndimage, spatial

from n2d.datasets._draw import blob, curves, fractal_field, smooth_field, splat
from n2d.datasets._textures import worley


def fluorescence(shape, rng):
    """Any mixture of structures on a dark, uneven background, blurred."""
    margin = 20
    canvas = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    painters = [fibres, network, nuclei, rods, membranes, puncta, sheets, bundle, tubes]
    chances = np.array([0.14, 0.12, 0.19, 0.1, 0.13, 0.08, 0.06, 0.1, 0.08])
    count = rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
    image = np.zeros(canvas)
    for index in rng.choice(len(painters), count, replace=False, p=chances):
        layer = painters[index](canvas, rng)
        layer = layer / max(np.percentile(layer, 99.7), 1e-6)
        image += rng.uniform(0.3, 1) * layer
    if rng.uniform() < 0.5:
        # Only part of the picture is occupied, or brightly stained.
        region = smooth_field(canvas, rng.uniform(20, 70), rng)
        image *= 0.03 + 1 / (
            1 + np.exp(-rng.uniform(2, 8) * (region + rng.normal(0, 0.5)))
        )
    image = ndimage.gaussian_filter(
        image, np.exp(rng.uniform(np.log(0.4), np.log(2.2)))
    )
    haze = ndimage.gaussian_filter(image, rng.uniform(6, 25))
    image += rng.choice([0, 0.2, 0.6, 1.2]) * haze
    level = rng.choice([0.01, 0.05, 0.2, 0.5]) * rng.uniform(0.5, 1.5)
    image += level * (1 + 0.3 * np.tanh(smooth_field(canvas, 80, rng)))
    return image[margin:-margin, margin:-margin]


def sparse(shape, rng):
    """A few dim or bright objects on a ground of exactly or nearly nothing."""
    painters = [nuclei, rods, puncta, fibres, membranes, network]
    layer = painters[rng.choice(6, p=[0.35, 0.15, 0.15, 0.15, 0.1, 0.1])](shape, rng)
    image = layer / max(np.percentile(layer, 99.9), layer.max() / 5, 1e-6)
    # Only here and there, and each patch as bright as it likes.
    region = smooth_field(shape, rng.uniform(12, 45), rng)
    here = 1 / (1 + np.exp(-12 * (region - rng.uniform(-0.5, 1.3))))
    image *= here * np.exp(rng.uniform(0, 1.2) * smooth_field(shape, 30, rng))
    blur = np.exp(rng.uniform(np.log(0.3), np.log(3)))
    image = ndimage.gaussian_filter(image, blur)
    if rng.uniform() < 0.3:  # most of it far out of focus
        haze = ndimage.gaussian_filter(image, rng.uniform(5, 20))
        image += rng.uniform(0.5, 3) * haze
    image += rng.choice([0, 0, 0.01, 0.1]) * (image.max() + 1e-6)
    if rng.uniform() < 0.25:  # one thing outshines all others
        rows, cols = (np.array([rng.uniform(0, n - 2)]) for n in shape)
        flare = ndimage.gaussian_filter(splat(shape, rows, cols, 1.0), 1.5 + blur)
        image += rng.uniform(1, 3) * image.max() * flare / max(flare.max(), 1e-9)
    return image


def _uniform(canvas, count, rng):
    return rng.uniform(-0.1, 1.1, (count, 2)) * canvas


def fibres(canvas, rng):
    """Roughly parallel fibres in patches, as stress fibres and muscle are."""
    count = rng.integers(25, 260)
    starts = _uniform(canvas, count, rng)
    favoured = rng.uniform(0, np.pi)
    field = smooth_field(canvas, rng.uniform(30, 120), rng)
    at = np.clip(starts.astype(int), 0, np.array(canvas) - 1)
    angles = favoured + rng.uniform(0.1, 1.5) * field[at[:, 0], at[:, 1]]
    angles = angles + rng.uniform(0.03, 0.4) * rng.standard_normal(count)
    lengths = rng.uniform(20, 200, count)
    rows, cols, owner = curves(starts, angles, lengths, rng.uniform(0.1, 1), rng)
    bright = rng.lognormal(0, rng.uniform(0.3, 1), count)[owner]
    image = np.zeros(canvas)
    widths = rng.integers(0, 2, count)[owner]
    for width, sigma in enumerate((rng.uniform(0.4, 0.9), rng.uniform(0.9, 2.2))):
        some = widths == width
        drawn = splat(canvas, rows[some], cols[some], bright[some])
        image += sigma * ndimage.gaussian_filter(drawn, sigma)
    if rng.uniform() < 0.5:
        image *= np.clip(
            1 + 0.4 * smooth_field(canvas, rng.uniform(1, 4), rng), 0, None
        )
    return image


def bundle(canvas, rng):
    """Dense sheets of fine fibres side by side, torn here and there: actin, muscle."""
    y, x = np.mgrid[: canvas[0], : canvas[1]]
    angle = rng.uniform(0, np.pi) + 0.02 * rng.uniform(0, 1) * (
        smooth_field(canvas, 60, rng)
    )
    u = np.cos(angle) * x + np.sin(angle) * y
    v = np.cos(angle) * y - np.sin(angle) * x
    v = v + rng.uniform(0, 12) * smooth_field(canvas, rng.uniform(30, 90), rng)
    image = np.zeros(canvas)
    pull = rng.uniform(12, 50)
    for fine in (rng.uniform(0.7, 1.6), rng.uniform(1.5, 4)):
        field = smooth_field((300, 200), 1.2, rng)
        where = [np.mod(v / fine, 598), np.mod(u / (fine * pull) * 1.2, 398)]
        line = ndimage.map_coordinates(field, where, order=1, mode="mirror")
        image += np.exp(rng.uniform(0.3, 0.9) * line)
    torn = fractal_field(canvas, 4, 4, 0.6, rng) - rng.uniform(-2.5, 0.5)
    image *= 0.1 + 1 / (1 + np.exp(-rng.uniform(2, 12) * torn))
    return image + 0.5 * fibres(canvas, rng)


def tubes(canvas, rng):
    """Rods and rings that are brighter at their walls: mitochondria, cilia, yeast."""
    count = rng.integers(20, 500)
    starts = _uniform(canvas, count, rng)
    crowd = smooth_field(canvas, rng.uniform(20, 60), rng)
    at = np.clip(starts.astype(int), 0, np.array(canvas) - 1)
    starts = starts[crowd[at[:, 0], at[:, 1]] > rng.uniform(-1.5, 0.5)]
    if not len(starts):
        return np.zeros(canvas)
    count = len(starts)
    lengths = rng.uniform(1, rng.uniform(4, 30), count)
    rows, cols, owner = curves(
        starts, rng.uniform(0, 2 * np.pi, count), lengths, rng.uniform(1, 5), rng
    )
    width = np.exp(rng.uniform(np.log(1), np.log(3.5)))
    drawn = ndimage.gaussian_filter(splat(canvas, rows, cols, 0.5), width)
    body = np.clip(drawn * width * 2.5, 0, 1)
    bright = ndimage.gaussian_filter(
        splat(canvas, rows, cols, 0.5 * rng.lognormal(0, 0.5, count)[owner]), width
    )
    wall = 4 * body * (1 - body)
    return (wall + rng.uniform(0, 0.7) * body) * (bright / (drawn + 1e-3))


def network(canvas, rng):
    """Crossing, winding filaments: microtubules, hyphae, axons."""
    count = rng.integers(8, 120)
    centre = rng.uniform(0, 1, 2) * canvas
    if rng.uniform() < 0.5:
        starts = _uniform(canvas, count, rng)
    else:
        starts = centre + rng.normal(0, rng.uniform(5, 80), (count, 2))
    angles = rng.uniform(0, 2 * np.pi, count)
    lengths = rng.uniform(40, 350, count)
    bend = rng.uniform(0.3, 3.5)
    rows, cols, owner = curves(starts, angles, lengths, bend, rng)
    bright = rng.lognormal(0, 0.6, count)[owner]
    image = splat(canvas, rows, cols, bright)
    image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.8))
    if rng.uniform() < 0.6:
        blur = rng.uniform(1, 5)
        image *= np.exp(rng.uniform(0.2, 1) * smooth_field(canvas, blur, rng))
    return image


def rods(canvas, rng):
    """Many short bent rods and dots: mitochondria, bacteria, synapses."""
    count = rng.integers(80, 1200)
    starts = _uniform(canvas, count, rng)
    crowd = smooth_field(canvas, rng.uniform(15, 60), rng)
    at = np.clip(starts.astype(int), 0, np.array(canvas) - 1)
    starts = starts[crowd[at[:, 0], at[:, 1]] > rng.uniform(-1.5, 0.3)]
    if not len(starts):
        return np.zeros(canvas)
    count = len(starts)
    lengths = rng.uniform(1, rng.uniform(3, 25), count)
    rows, cols, owner = curves(
        starts, rng.uniform(0, 2 * np.pi, count), lengths, rng.uniform(1, 6), rng
    )
    bright = rng.lognormal(0, rng.uniform(0.2, 0.7), count)[owner]
    return ndimage.gaussian_filter(
        splat(canvas, rows, cols, bright), rng.uniform(0.4, 1.8)
    )


def nuclei(canvas, rng):
    """Round or lobed bodies with chromatin texture, bright foci and dark holes."""
    radius = np.exp(rng.uniform(np.log(5), np.log(45)))
    count = int(
        np.clip(rng.uniform(0.1, 0.6) * canvas[0] * canvas[1] / (4 * radius**2), 1, 90)
    )
    finest = rng.uniform(0.7, 2)
    chromatin = fractal_field(canvas, finest, 4, rng.uniform(0.7, 1.1), rng)
    if rng.uniform() < 0.3:
        chromatin = np.maximum(chromatin, 0) * 1.5
    strength = rng.uniform(0.05, 0.5)
    image = np.zeros(canvas)
    for centre in _uniform(canvas, count, rng):
        radii = radius * rng.uniform(0.7, 1.3) * np.array([1, rng.uniform(0.5, 1)])
        window, mask, depth = blob(
            canvas, centre, radii, rng.uniform(0, np.pi), 0.08, rng.uniform(1, 3), rng
        )
        if not mask.size:
            continue
        dome = rng.uniform(0.4, 1) + 0.5 * np.clip(depth, 0, 1)
        body = dome * (1 + strength * chromatin[window])
        for _ in range(rng.integers(0, 7)):
            size = rng.uniform(0.06, 0.25) * radius + 0.7
            local = rng.uniform(0.2, 0.8, 2) * mask.shape
            spot, soft, _ = blob(mask.shape, local, (size, size), 0, 0.1, 1.2, rng)
            body[spot] += soft * rng.choice([-0.5, 0.7, 1.5])
        body = mask * np.clip(body, 0.02, None) * rng.uniform(0.4, 1.3)
        image[window] = np.maximum(image[window], body)
    return image


def membranes(canvas, rng):
    """Thin walls between cells: a Voronoi mosaic, warped."""
    spacing = np.exp(rng.uniform(np.log(9), np.log(60)))
    count = max(4, int(canvas[0] * canvas[1] / spacing**2))
    seeds = _uniform(canvas, count, rng)
    y, x = np.mgrid[: canvas[0], : canvas[1]].astype(float)
    bend = spacing * rng.uniform(0, 0.25)
    y += bend * smooth_field(canvas, spacing, rng)
    x += bend * smooth_field(canvas, spacing, rng)
    near = spatial.cKDTree(seeds).query(np.stack([y.ravel(), x.ravel()], 1), k=2)
    distance, owner = near[0].reshape(*canvas, 2), near[1][:, 0].reshape(canvas)
    wall = (distance[..., 1] - distance[..., 0]) / 2
    width = rng.uniform(0.6, 2)
    image = np.exp(-0.5 * (wall / width) ** 2)
    if rng.uniform() < 0.7:
        image *= np.exp(
            rng.uniform(0, 0.8) * smooth_field(canvas, rng.uniform(2, 15), rng)
        )
    fill = rng.uniform(0, 1, count) * rng.uniform(0, 0.6)
    return image + fill[owner]


def puncta(canvas, rng):
    """Point-like spots, from few and equal to many and unequal."""
    count = int(canvas[0] * canvas[1] / np.exp(rng.uniform(np.log(30), np.log(2000))))
    rows, cols = _uniform(canvas, count, rng).T
    bright = rng.lognormal(0, rng.uniform(0.1, 1), count)
    return ndimage.gaussian_filter(
        splat(canvas, rows, cols, bright), rng.uniform(0.5, 2.5)
    )


def sheets(canvas, rng):
    """Thresholded clouds: cytoplasm, folds, colonies."""
    image = fractal_field(canvas, rng.uniform(2, 6), 4, rng.uniform(0.5, 0.8), rng)
    image = 1 / (1 + np.exp(-rng.uniform(3, 15) * (image - rng.normal(0, 0.5))))
    return image * (1 + 0.3 * fractal_field(canvas, 1, 4, 1, rng)).clip(0.05)


def tissue(shape, rng):
    """Stained tissue: cells or wavy fibres, many nuclei, pale gaps."""
    ground = fractal_field(shape, rng.uniform(0.7, 2), 5, rng.uniform(0.7, 1.1), rng)
    if rng.uniform() < 0.5:
        strands = fibres(shape, rng)
    else:
        # Collagen: bands of a warped coordinate, thick and thin.
        y, x = np.ogrid[: shape[0], : shape[1]]
        angle = rng.uniform(0, np.pi)
        t = np.cos(angle) * y + np.sin(angle) * x
        t = t + rng.uniform(5, 25) * smooth_field(shape, rng.uniform(15, 40), rng)
        t = t + rng.uniform(0, 3) * smooth_field(shape, 5, rng)
        bands = ndimage.gaussian_filter1d(rng.normal(size=4096), rng.uniform(0.6, 3))
        strands = np.interp(8 * t / rng.uniform(4, 14) + 2000, np.arange(4096), bands)
        strands = np.maximum(strands / bands.std(), 0)
    strands = strands / max(np.percentile(strands, 98), 1e-6)
    image = 0.7 + 0.08 * ground - rng.uniform(0, 0.25) * np.minimum(strands, 1.5)
    if rng.uniform() < 0.65:
        # Cells with pale rims, where they lie
        size = np.exp(rng.uniform(np.log(8), np.log(45)))
        y, x = np.mgrid[: shape[0], : shape[1]] / size
        y = y + 0.15 * smooth_field(shape, size / 2, rng)
        first, second, tone, _, _ = worley(y, x, rng)
        rim = np.exp(-(((second - first) * size / rng.uniform(1, 3)) ** 2))
        body = rng.uniform(0, 0.3) * (tone - 0.6) + rng.uniform(-0.2, 0.3) * rim
        here = 1 / (1 + np.exp(-6 * (smooth_field(shape, 50, rng) + 0.3)))
        image += here * (body - 0.1)
        kernel = rng.uniform(0.15, 0.4)
        core = np.clip((kernel - first) * size / 1.5 + 0.5, 0, 1) * (tone > 0.2)
        inner = (
            1
            + rng.uniform(0.05, 0.4) * ground
            - rng.uniform(0, 0.4) * (first < 0.6 * kernel)
        )
        image -= here * core * rng.uniform(0.2, 0.5) * np.clip(inner, 0.1, 2)
    if rng.uniform() < 0.8:
        cells = nuclei(shape, rng)
        cells /= max(np.percentile(cells, 99.5), 1e-6)
        image -= rng.uniform(0.2, 0.6) * np.minimum(cells, 1.2)
    gaps = fractal_field(shape, rng.uniform(2, 8), 3, 0.6, rng)
    pale = 1 / (1 + np.exp(-20 * (gaps - rng.uniform(0.8, 2))))
    image += pale * (0.95 - image)
    if rng.uniform() < 0.35:  # cracks
        line = fractal_field(shape, rng.uniform(5, 20), 3, 0.6, rng)
        away = np.abs(line) / (np.hypot(*np.gradient(line)) + 0.01)
        wide = rng.uniform(0.5, 4) * (smooth_field(shape, 20, rng) - 0.5)
        image += np.clip(wide - away + 0.5, 0, 1) * (0.95 - image)
    if rng.uniform() < 0.5:
        image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1.3))
    return image
