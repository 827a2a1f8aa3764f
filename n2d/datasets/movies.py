"""Generated recordings: what moves, deforms, blinks and bleaches, with its truth."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from n2d._masked import read_unmasked
from n2d.datasets._draw import blob, curves, fractal_field, smooth_field, splat
from n2d.datasets._shape import checked_count, checked_shape
from n2d.datasets.fluorescence import fluorescence_cells, spread

# Frames that a deformation takes to come back to where it began.
_PERIOD = 24

# Blur of the blinking spots in pixels, and how many blurs away they end.
_SPOT, _FAR = 1.4, 5


@dataclass(frozen=True)
class Movie:
    """A clean recording, and what happens in it.

    Attributes
    ----------
    frames : ndarray of float32, shape (n, H, W)
        Clean frames, at least 0.
    motion : ndarray of float32, shape (n, 2, H, W)
        How far what is seen at a pixel has moved since the first frame, along rows and
        columns, in pixels.
    positions : ndarray of float64, shape (n_things, n, 2)
        Where the spots or cells of `traces` are in every frame: row and column.
    traces : ndarray of float64, shape (n_things, n)
        How bright they are: amplitude in the units of `frames` of a spot, fluorescence
        relative to its rest of a cell.
    labels : ndarray of int, shape (H, W)
        Which pixel of the first frame belongs to which cell of `traces`, from 1; 0 to
        none. Spots have none.
    """

    frames: np.ndarray
    motion: np.ndarray
    positions: np.ndarray
    traces: np.ndarray
    labels: np.ndarray


def moved_frames(image, shifts, shape=None):
    """Photograph a scene that moves by known distances.

    Parameters
    ----------
    image : array_like of real numbers, shape (H, W)
        The scene, in any unit. Between its pixels it is interpolated by cubic splines.
    shifts : array_like, shape (n, 2)
        How far the scene has moved in every frame, along rows and columns, in pixels.
    shape : (int, int), optional
        Rows and columns of the frames, which are cut from the middle of the scene. By
        default as large as the motion allows.

    Returns
    -------
    frames : ndarray of float32, shape (n, h, w)
        The frames, in the unit of `image`.

    Raises
    ------
    TypeError
        If `shape` is not two integers.
    ValueError
        If `image` or `shifts` has the wrong shape, or the motion would show what lies
        outside of the scene.

    Examples
    --------
    >>> from n2d.datasets import fluorescence_cells, moved_frames
    >>> scene = fluorescence_cells((80, 96))
    >>> frames = moved_frames(scene, [(0, 0), (0, 0.5), (0, 1)])
    >>> frames.shape
    (3, 80, 94)
    """
    image = read_unmasked(image, "image").astype(np.float64)
    shifts = np.asarray(shifts, dtype=np.float64)
    if image.ndim != 2:
        raise ValueError(f"image must have two axes, got {image.ndim}")
    if shifts.ndim != 2 or shifts.shape[1] != 2 or not len(shifts):
        raise ValueError(f"shifts must have shape (n, 2), got {shifts.shape}")
    if not np.isfinite(shifts).all():
        raise ValueError("shifts must be finite")
    far = np.ceil(np.abs(shifts).max(axis=0)).astype(int)
    if shape is None:
        shape = image.shape - 2 * far
        if min(shape) < 1:
            raise ValueError(
                f"shifts of up to {tuple(far.tolist())} pixels leave nothing of an "
                f"image of {image.shape}"
            )
    height, width = checked_shape(shape)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    if top < far[0] or left < far[1]:
        raise ValueError(
            f"frames of {height} x {width} that move by up to {tuple(far.tolist())} "
            f"pixels need a larger image than {image.shape}"
        )
    rows, columns = np.ogrid[top : top + height, left : left + width]
    motion = np.broadcast_to(shifts[:, :, None, None], (len(shifts), 2, height, width))
    return _seen(image, motion, rows, columns)


def cell_movie(
    n_frames=16,
    shape=(192, 192),
    *,
    drift=(0.0, 0.5),
    deformation=0.0,
    bleaching=0.0,
    n_blinking=0,
    rng=0,
):
    """Generate a recording of cells that drift, deform, bleach and blink.

    The cells are those of `fluorescence_cells`.

    Parameters
    ----------
    n_frames : int, default=16
        Frames, at least 1.
    shape : (int, int), default=(192, 192)
        Rows and columns, at least 1 each.
    drift : (float, float), default=(0.0, 0.5)
        Pixels per frame that everything moves along rows and columns.
    deformation : float, default=0.0
        Pixels per frame that places move against each other, as a standard deviation
        over the image along each axis; smooth over about 40 pixels.
    bleaching : float, default=0.0
        Share of its light that the recording loses from a frame to the next, at least
        0 and below 1.
    n_blinking : int, default=0
        Spots that switch on and off, a blur of 1.4 pixels wide. They rest in a state
        for 4 frames on average.
    rng : None, int or numpy.random.Generator, default=0
        Source of randomness; an int gives the same recording each time.

    Returns
    -------
    Movie
        Clean frames, most of them between 0 and 1, the motion, and the `traces` and
        `positions` of the spots.

    Raises
    ------
    TypeError, ValueError
        If a parameter is unsuitable; the message names it.

    See Also
    --------
    moved_frames : The same for an image of your own, which only drifts.

    Examples
    --------
    >>> from n2d.datasets import cell_movie
    >>> movie = cell_movie(4, (64, 64), n_blinking=3)
    >>> movie.frames.shape, movie.traces.shape
    ((4, 64, 64), (3, 4))
    """
    n_frames = checked_count(n_frames, "n_frames")
    height, width = checked_shape(shape)
    drift = np.asarray(drift, dtype=float)
    if drift.shape != (2,) or not np.isfinite(drift).all():
        raise ValueError(f"drift must be two finite numbers, got {drift.tolist()!r}")
    if not 0 <= deformation < np.inf:
        raise ValueError(f"deformation must be at least 0, got {deformation!r}")
    if not 0 <= bleaching < 1:
        raise ValueError(f"bleaching must be in [0, 1), got {bleaching!r}")
    n_blinking = checked_count(n_blinking, "n_blinking", least=0)
    rng = np.random.default_rng(rng)

    motion = np.zeros((n_frames, 2, height, width), np.float32)
    motion += (np.arange(n_frames)[:, None] * drift)[:, :, None, None]
    if deformation:
        motion += _deformation(n_frames, (height, width), deformation, rng)
    # A scene as large as what the recording shows of it.
    lowest = np.floor(-motion.max(axis=(0, 2, 3))).astype(int) - 4
    highest = np.ceil(-motion.min(axis=(0, 2, 3))).astype(int) + 4
    extent = (np.array([height, width]) + highest - lowest).tolist()
    scene = fluorescence_cells(extent, rng=rng)
    rows, columns = np.ogrid[:height, :width]
    rows, columns = rows - lowest[0], columns - lowest[1]
    frames = _seen(scene.astype(float), motion, rows, columns)
    positions, traces = _blinking(frames, motion, n_blinking, rng)
    frames *= ((1 - bleaching) ** np.arange(n_frames))[:, None, None]
    traces *= (1 - bleaching) ** np.arange(n_frames)
    none = np.zeros((height, width), int)
    return Movie(np.maximum(frames, 0, out=frames), motion, positions, traces, none)


def calcium_movie(n_frames=60, shape=(192, 192), *, n_cells=40, rng=0):
    """Generate a recording of cells that light up when they fire.

    Ring-shaped cell bodies on a faint, uneven ground of processes, none of which
    moves. A cell fires at random times, once at least, alone or in bursts; its
    fluorescence rises within a frame and falls off over about six.

    Parameters
    ----------
    n_frames : int, default=60
        Frames, at least 1.
    shape : (int, int), default=(192, 192)
        Rows and columns, at least 1 each.
    n_cells : int, default=40
        Cells, at least 1.
    rng : None, int or numpy.random.Generator, default=0
        Source of randomness; an int gives the same recording each time.

    Returns
    -------
    Movie
        Clean frames, at least 0, a resting cell at about 0.3; `labels` says which
        pixels are a cell's, and `traces` its fluorescence relative to its rest. The
        `motion` is 0.

    Raises
    ------
    TypeError, ValueError
        If a parameter is unsuitable; the message names it.

    Examples
    --------
    >>> from n2d.datasets import calcium_movie
    >>> movie = calcium_movie(10, (96, 96), n_cells=5)
    >>> movie.frames.shape, movie.traces.shape, int(movie.labels.max())
    ((10, 96, 96), (5, 10), 5)
    """
    n_frames = checked_count(n_frames, "n_frames")
    shape = checked_shape(shape)
    n_cells = checked_count(n_cells, "n_cells")
    rng = np.random.default_rng(rng)

    traces = 1 + np.stack([_firing(n_frames, rng) for _ in range(n_cells)])
    ground = 0.1 * np.clip(1 + 0.3 * fractal_field(shape, 2, 4, 0.8, rng), 0.1, None)
    starts = rng.uniform(-0.1, 1.1, (60, 2)) * shape
    rows, columns, owner = curves(
        starts, rng.uniform(0, 2 * np.pi, 60), rng.uniform(30, 150, 60), 1.5, rng
    )
    bright = rng.lognormal(-1, 0.5, 60)[owner]
    processes = splat(shape, rows, columns, bright)
    ground += 0.15 * ndimage.gaussian_filter(processes, 1.0)
    frames = np.repeat(ground[None], n_frames, axis=0)
    labels = np.zeros(shape, int)
    rim = np.minimum(8, np.array(shape) // 4)
    centres = rim + spread(shape - 2 * rim, n_cells, rng)
    for i, centre in enumerate(centres):
        radii = rng.uniform(4.5, 7, 2)
        window, mask, depth = blob(shape, centre, radii, 0, 0.05, 2, rng)
        ring = mask * (0.55 + 0.45 * np.exp(-(((depth - 0.3) / 0.25) ** 2)))
        ring = ndimage.gaussian_filter(ring, 0.8)
        rest = 0.3 * rng.lognormal(0, 0.25)
        frames[(slice(None), *window)] += traces[i][:, None, None] * (rest * ring)
        labels[window][(mask > 0.5) & (labels[window] == 0)] = i + 1
    return Movie(
        frames.astype(np.float32),
        np.zeros((n_frames, 2, *shape), np.float32),
        np.repeat(centres[:, None], n_frames, axis=1),
        traces,
        labels,
    )


def _seen(scene, motion, rows, columns):
    """Look at a scene through frames: at each pixel what has moved there."""
    coefficients = ndimage.spline_filter(scene, 3, mode="mirror")
    frames = np.empty((len(motion), *motion.shape[2:]), np.float32)
    for frame, (down, right) in zip(frames, motion, strict=True):
        at = np.stack([rows - down.astype(float), columns - right.astype(float)])
        ndimage.map_coordinates(
            coefficients, at, output=frame, order=3, mode="mirror", prefilter=False
        )
    return frames


def _deformation(n_frames, shape, speed, rng):
    """Fields of displacements (n, 2, H, W) that swing, and start from nothing."""
    rate = 2 * np.pi / _PERIOD
    phase = rate * np.arange(n_frames)[:, None, None]
    fields = [
        np.sin(phase) * smooth_field(shape, 40, rng)
        + (1 - np.cos(phase)) * smooth_field(shape, 40, rng)
        for _ in range(2)
    ]
    return speed / rate * np.stack(fields, axis=1)


def _blinking(frames, motion, n_spots, rng):
    """Add spots that go on and off, and move along; return where and how bright."""
    n_frames, height, width = frames.shape
    positions = np.zeros((n_spots, n_frames, 2))
    traces = np.zeros((n_spots, n_frames))
    starts = rng.uniform(0.1, 0.9, (n_spots, 2)) * (height, width)
    grid = np.mgrid[:height, :width]
    far = _FAR * _SPOT
    for spot, start in enumerate(starts):
        switched = rng.uniform(size=n_frames) < 1 / 4
        on = (np.cumsum(switched) + rng.integers(2)) % 2 == 1
        traces[spot] = on * rng.uniform(0.25, 0.6)
        for t in range(n_frames):
            # It is seen where the motion brought it: at + motion(at) solves for that.
            at = start.copy()
            for _ in range(8):
                where = at[:, None]
                at = start + [
                    ndimage.map_coordinates(m, where, order=1, mode="nearest")[0]
                    for m in motion[t]
                ]
            positions[spot, t] = at
            window = tuple(
                slice(max(0, int(c - far)), max(0, int(c + far) + 2)) for c in at
            )
            away = grid[(slice(None), *window)] - motion[(t, slice(None), *window)]
            away = away - start[:, None, None]
            frames[(t, *window)] += traces[spot, t] * np.exp(
                -0.5 * (away**2).sum(axis=0) / _SPOT**2
            )
    return positions, traces


def _firing(n_frames, rng):
    """Fluorescence above rest of one cell: transients of an indicator of calcium."""
    lead = 40  # what fired before the recording has not died away
    rate = 0.03 * rng.lognormal(0, 0.4)
    spikes = rng.poisson(rate, n_frames + lead) * rng.lognormal(0, 0.3, n_frames + lead)
    if not spikes[lead:].any():  # everybody fires
        spikes[lead + rng.integers(n_frames)] = 1
    burst = rng.uniform(size=n_frames + lead) < 0.3
    spikes[1:] += spikes[:-1] * burst[1:]
    since = np.arange(lead)
    transient = np.exp(-since / 6.0) - 0.5 * np.exp(-since / 0.7)
    return np.convolve(spikes, transient)[lead : lead + n_frames]
