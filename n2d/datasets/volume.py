"""A generated scene in three dimensions, photographed plane by plane."""

import numpy as np
from scipy import ndimage

from n2d.datasets._draw import curves, smooth_field
from n2d.datasets._shape import checked_count, checked_shape
from n2d.datasets.fluorescence import spread

# Blur of a plane in focus, in pixels.
_FOCUS = 0.9

# How far beyond the first and the last plane, and beyond the borders, there is light.
_BELOW, _MARGIN = 10, 24


def cell_volume(n_planes=16, shape=(192, 192), *, step=3.0, axial_fwhm=6.0, rng=0):
    """Generate cells in three dimensions, as a confocal microscope sees their planes.

    Ellipsoidal nuclei with chromatin, filaments that rise and sink, and puncta, at all
    depths. The point spread function is that of two Gaussian beams: light from `z`
    away is blurred by ``sqrt(1 + (z / r)**2)`` times the blur in focus, 0.9 pixels, and
    weaker by ``1 + (z / r)**2``, with ``r = axial_fwhm / 1.287``.

    Parameters
    ----------
    n_planes : int, default=16
        Planes, at least 1.
    shape : (int, int), default=(192, 192)
        Rows and columns, at least 1 each.
    step : float, default=3.0
        Distance between planes, in pixels; above 0.
    axial_fwhm : float, default=6.0
        Full width at half maximum of the response to a point along the optical axis,
        in pixels; above 0. Twice the `step` is what sampling theory asks for.
    rng : None, int or numpy.random.Generator, default=0
        Source of randomness; an int gives the same volume each time.

    Returns
    -------
    planes : ndarray of float32, shape (n_planes, H, W)
        Clean planes, at least 0; most values are below 1, and most of it is dark.

    Raises
    ------
    TypeError, ValueError
        If a parameter is unsuitable; the message names it.

    Examples
    --------
    >>> from n2d.datasets import cell_volume
    >>> cell_volume(4, (48, 64)).shape
    (4, 48, 64)
    """
    n_planes = checked_count(n_planes, "n_planes")
    height, width = checked_shape(shape)
    for name, value in (("step", step), ("axial_fwhm", axial_fwhm)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be finite and above 0, got {value!r}")
    rng = np.random.default_rng(rng)

    # Slices of the scene, at most a pixel thick, with a slice in focus in every plane.
    per_plane = int(np.ceil(step))
    thickness = step / per_plane
    below = int(np.ceil(_BELOW / thickness))
    n_slices = (n_planes - 1) * per_plane + 1 + 2 * below
    canvas = (height + 2 * _MARGIN, width + 2 * _MARGIN)
    scene = _scene(n_slices, thickness, canvas, rng)
    planes = _photographed(
        scene, below + per_plane * np.arange(n_planes), thickness, axial_fwhm / 1.287
    )
    planes = planes[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN] + 0.03
    return np.maximum(planes, 0).astype(np.float32)


def _photographed(scene, in_focus, thickness, r):
    """Blur every slice by how far it is from a plane, and add them up."""
    canvas = scene.shape[1:]
    down, right = np.fft.fftfreq(canvas[0]), np.fft.rfftfreq(canvas[1])
    squared = down[:, None] ** 2 + right[None] ** 2
    spectra = np.fft.rfft2(scene)
    found = np.zeros((len(in_focus), *spectra.shape[1:]), complex)
    away = np.abs(np.arange(len(scene)) - np.asarray(in_focus)[:, None])
    for far in range(away.max() + 1):
        spread_out = 1 + (far * thickness / r) ** 2
        blur = np.exp(-2 * (np.pi * _FOCUS) ** 2 * spread_out * squared) / spread_out
        for plane, slice_ in zip(*np.nonzero(away == far), strict=True):
            found[plane] += blur * spectra[slice_]
    # A structure as thick as the depth of field is as bright as it was painted.
    return np.fft.irfft2(found, canvas) * thickness / (1.5 * r)


def _scene(n_slices, thickness, canvas, rng):
    """Light that every slice sends out, (n_slices, H, W)."""
    scene = np.zeros((n_slices, *canvas))
    depth = n_slices * thickness
    density = canvas[0] * canvas[1] * depth
    count = max(1, round(density / (60**2 * 34)))
    at = np.column_stack([rng.uniform(0, depth, count), spread(canvas, count, rng)])
    for centre in at:
        _add_nucleus(scene, centre, thickness, rng)
    inside = scene > 0.05

    count = max(1, round(density / 20000))
    starts = rng.uniform(-0.1, 1.1, (count, 2)) * canvas
    lengths = rng.uniform(30, 160, count)
    rows, columns, owner = curves(
        starts, rng.uniform(0, 2 * np.pi, count), lengths, 1.0, rng
    )
    first = np.concatenate([[0], np.nonzero(np.diff(owner))[0] + 1])
    along = 0.5 * (np.arange(len(owner)) - np.repeat(first, np.bincount(owner)))
    z = rng.uniform(0, depth, count)[owner] + rng.normal(0, 0.25, count)[owner] * along
    bright = 1.6 * rng.lognormal(0, 0.6, count)[owner]
    fibres = _points(scene.shape, z / thickness, rows, columns, bright / thickness)
    beads = np.clip(1 + 0.35 * smooth_field(canvas, 2.5, rng), 0.1, None)
    scene += fibres * beads * (1 - 0.9 * inside)

    count = rng.poisson(density / 9000)
    z, rows, columns = rng.uniform(0, 1, (3, count)) * np.reshape(
        (depth, *canvas), (3, 1)
    )
    bright = 10 * rng.lognormal(0, 0.6, count)
    return scene + _points(
        scene.shape, z / thickness, rows, columns, bright / thickness
    )


def _points(shape, z, rows, columns, values):
    """Points of light, shared among the eight voxels around each."""
    image = np.zeros(shape)
    corner = np.floor([z, rows, columns]).astype(int)
    part = np.stack([z, rows, columns]) - corner
    for step in np.ndindex(2, 2, 2):
        step = np.array(step)[:, None]
        weight = values * np.prod(np.where(step, part, 1 - part), axis=0)
        at = corner + step
        inside = np.all((at >= 0) & (at < np.array(shape)[:, None]), axis=0)
        np.add.at(image, tuple(at[:, inside]), weight[inside])
    return image


def _add_nucleus(scene, centre, thickness, rng):
    """An ellipsoid with a soft edge, chromatin, and bright and dark bodies in it."""
    radius = rng.uniform(12, 18)
    radii = radius * np.array([rng.uniform(0.45, 0.7), 1, rng.uniform(0.68, 0.9)])
    scale = np.array([thickness, 1, 1])
    far = np.array([radii[0], radius, radius]) + 3
    first = np.maximum(((centre - far) / scale).astype(int), 0)
    last = np.minimum(((centre + far) / scale).astype(int) + 2, scene.shape)
    if (last <= first).any():
        return
    window = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    z, y, x = (
        axis * s - c for axis, s, c in zip(np.ogrid[window], scale, centre, strict=True)
    )
    turn = rng.uniform(0, np.pi)
    u = np.cos(turn) * y + np.sin(turn) * x
    v = np.cos(turn) * x - np.sin(turn) * y
    depth = 1 - np.sqrt((z / radii[0]) ** 2 + (u / radii[1]) ** 2 + (v / radii[2]) ** 2)
    mask = np.clip(depth * radius / 2 + 0.5, 0, 1)
    chromatin = 0.0
    for blur in (1.2, 3.0):
        noise = rng.standard_normal(depth.shape)
        noise = ndimage.gaussian_filter(noise, [blur / thickness, blur, blur])
        chromatin = chromatin + noise / max(noise.std(), 1e-12)
    body = 0.4 * (1 + 0.25 * chromatin) * rng.uniform(0.7, 1.2)
    for kind in rng.choice([-0.3, 0.5], rng.integers(2, 6)):
        at = rng.uniform(-0.5, 0.5, 3) * radii
        size = rng.uniform(1.5, 3)
        away = (z - at[0]) ** 2 + (u - at[1]) ** 2 + (v - at[2]) ** 2
        body = body + kind * np.exp(-0.5 * away / size**2)
    part = scene[window]
    np.maximum(part, mask * np.clip(body, 0.03, None), out=part)
