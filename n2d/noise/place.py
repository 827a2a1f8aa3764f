"""Noise that differs from place to place, and patterns that stay in their place.

Both belong to one image: they are kept for its shape, and computed for any part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from n2d._masked import unmasked
from n2d.noise.defects import Defects, line_offsets
from n2d.noise.level_map import level_map, sharpened
from n2d.noise.measure import estimate_noise
from n2d.noise.stabilize import stabilize
from n2d.noise.variance import is_square

# A map is believed where the perceptron, without it, expects its error to fall to this
# share, and below this, and the level, at least this share of the contrast (texture
# differs from place to place, too), changes in its logarithm by less than this and so
# many times what it may be off.
_CLEARER, _SURE, _LEAST_SHARE = 0.5, 0.06, 0.02
_SAME_LEVEL, _SPREADS = 1.0, 2.0
# Twice the level, or half, makes it so many times less sure, as a power of two.
_CONTRADICTS = 2.0
# Where a map is made instead of a square of the intensity, it leaves no more than a
# little of that: so much of the deviation is the same in the dark.
_EVENLY = 0.9

# Noise that is known to this share is not known to half of it with any map.
_KNOWN = 0.015

# Where so many of the pixels are the darkest, or the brightest, beside one that is not,
# noise was clipped, and is weaker there: that is no matter of places.
_CLIPPED = 0.1

# Offsets of rows are noise if they are the same in each of so many parts of the rows,
# by the correlation between any two of them, and have no period: no frequency with so
# many times the mean power.
_PARTS, _SAME_OFFSETS, _PERIODIC = 4, 0.6, 14.0

# A wave is along rows or columns if it turns no more than so often along them.
_ALONG = 0.5

_ITERATIONS = 4  # Gauss-Newton steps for the frequencies of patterns
_MOST_PIXELS = 20000  # that waves are fitted to


@dataclass(frozen=True, eq=False)
class Places:
    """What is known of the places of one image.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the image.
    rows, columns : ndarray of shape (h,) and (w,)
        Offsets of rows and columns.
    waves : ndarray of shape (n, 4)
        Cycles per pixel along y and x, and the amplitudes of cosine and sine.
    level : ndarray of shape (r, c)
        Relative deviation on a grid that spans the image; ones where it is the same
        everywhere.
    origin : (int, int), default=(0, 0)
        Where in the image that begins whose parts are asked for.
    stripes : (bool, bool), default=(False, False)
        Whether the offsets of rows, and of columns, are noise, and shall go.
    hum : bool, default=False
        Whether waves along rows or columns are noise, and shall go.
    """

    shape: tuple
    rows: np.ndarray
    columns: np.ndarray
    waves: np.ndarray
    level: np.ndarray
    origin: tuple = (0, 0)
    stripes: tuple = (False, False)
    hum: bool = False

    def __bool__(self):
        return bool(
            self.rows.any()
            or self.columns.any()
            or len(self.waves)
            or (self.level != 1).any()
        )

    def from_there(self, top, left):
        """The same places, counted from there."""
        return replace(self, origin=(top, left))

    def _index(self, top, left, height, width):
        """Rows and columns of a part, mirrored beyond the border."""
        return [
            _mirrored(np.arange(first + start, first + start + n), side)
            for first, start, n, side in zip(
                self.origin, (top, left), (height, width), self.shape, strict=True
            )
        ]

    def with_stripes(self):
        """The same places; all stripes are taken for the scene."""
        return replace(self, stripes=(False, False), hum=False)

    def scene(self, top, left, height, width):
        """What of the pattern (height, width) of a part of the image is no noise."""
        rows, columns = (
            np.zeros_like(lines) if noise else lines
            for lines, noise in zip(
                (self.rows, self.columns), self.stripes, strict=True
            )
        )
        waves = self.waves[~self.along()] if self.hum else self.waves
        kept = replace(self, rows=rows, columns=columns, waves=waves)
        return kept.pattern(top, left, height, width)

    def along(self):
        """Which of the waves (n,) run along rows or columns."""
        return (np.abs(self.waves[:, :2] * self.shape) <= _ALONG).any(axis=1)

    def pattern(self, top, left, height, width):
        """Stripes and waves (height, width) of a part of the image."""
        y, x = self._index(top, left, height, width)
        found = self.rows[y][:, None] + self.columns[x]
        for fy, fx, cosine, sine in self.waves:
            row, column = (np.exp(2j * np.pi * f * n) for f, n in ((fy, y), (fx, x)))
            found = found + ((cosine - 1j * sine) * np.outer(row, column)).real
        return found

    def levels(self, top, left, height, width):
        """Relative deviation (height, width) of the noise of a part of the image."""
        if self.level.size == 1:
            return np.full((height, width), self.level.flat[0])
        at = [
            (index + 0.5) * n / side - 0.5
            for index, n, side in zip(
                self._index(top, left, height, width),
                self.level.shape,
                self.shape,
                strict=True,
            )
        ]
        rows = np.stack(
            [np.interp(at[0], np.arange(len(c)), c) for c in np.log(self.level).T]
        )
        both = np.stack([np.interp(at[1], np.arange(len(r)), r) for r in rows.T])
        return np.exp(both)


def _mirrored(index, side):
    """Indices within 0 to `side` - 1 of an image that is mirrored at its borders."""
    period = max(1, 2 * side - 2)
    index = np.abs(index) % period
    return np.where(index < side, index, period - index)


def find_places(image, noise):
    """Find what is of its place in an image: patterns, and how much noise is where.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Noisy image.
    noise : NoiseModel
        As `estimate_noise` has measured it.

    Returns
    -------
    places : Places
        False where nothing was found.
    noise : NoiseModel
        `noise`, or, where its level differs from place to place, measured again without
        that.
    """
    image = unmasked(image, "image")
    places = find_pattern(image, noise.defects or Defects())
    known = noise.spread is None or noise.spread < _KNOWN or not noise.level > 0
    if known or _is_clipped(image):
        return places, noise
    part = (0, 0, *image.shape)
    plain = image - places.pattern(*part)
    best = None
    # A level that differs from place to place may pass for one that depends on the
    # intensity: perhaps it does not.
    same = replace(noise, gain=0.0, read_noise=noise.level, curve=None)
    contrast = np.subtract(*np.quantile(image, [0.99, 0.01]))
    most = _SAME_LEVEL + _SPREADS * noise.spread
    lowest = np.inf
    depends = noise.gain > 0 or noise.curve is not None
    # What is left where variance rises as the square of the intensity is no map.
    square = is_square(noise.curve)
    for model in (noise, same) if depends else (noise,):
        even = stabilize(plain, model)
        level = level_map(even)
        if level.size == 1:  # the intensity explains it
            break
        if square and model is noise:
            continue
        again = estimate_noise(even / replace(places, level=level).levels(*part))
        if square and (
            again.curve is not None or again.read_noise < _EVENLY * again.level
        ):
            continue
        # Texture does not look more like noise when it is made even.
        if (
            again.spread is None
            or again.spread > min(_CLEARER * noise.spread, _SURE)
            or abs(np.log(again.level)) > most
            or again.level * noise.level < _LEAST_SHARE * contrast
        ):
            continue
        # Of two, the surer one, unless it contradicts the level on the whole.
        doubt = np.log(again.spread) + _CONTRADICTS * abs(np.log(again.level))
        if doubt < lowest:
            lowest, best = doubt, (model, even, level, again)
    if best is None:
        return places, noise
    model, even, level, again = best
    sharp = sharpened(level, even)
    if sharp is not level:
        level = sharp
        again = estimate_noise(even / replace(places, level=level).levels(*part))
    told = replace(
        model.louder(again.level),
        correlation=again.correlation,
        diagonals=again.diagonals,
        spread=again.spread,
        place=level,
    )
    return replace(places, level=level), told


def _is_clipped(image):
    """Whether noise was cut off, here and there, at either end of the values."""
    ends = (image == end for end in (image.min(), image.max()))
    return any(np.mean(at[:, 1:] & ~at[:, :-1]) > _CLIPPED for at in ends)


def find_pattern(image, defects: Defects) -> Places:
    """Fit the stripes and waves that `defects` says are in an image.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Noisy image.
    defects : Defects
        What was found in it.

    Returns
    -------
    places : Places
        Its level the same everywhere.
    """
    h, w = image.shape
    waves = _waves(image, defects.periods)
    places = Places((h, w), np.zeros(h), np.zeros(w), waves, np.ones((1, 1)))
    rest = image - places.pattern(0, 0, h, w)
    lines, stripes = [np.zeros(h), np.zeros(w)], [False, False]
    for axis, found in ((0, defects.rows), (1, defects.columns)):
        if found:
            across = np.moveaxis(rest, axis, 0)
            _, lines[axis] = line_offsets(across)
            stripes[axis] = _are_noise(across, lines[axis])
    level = np.ones((1, 1))
    return Places((h, w), *lines, waves, level, stripes=tuple(stripes), hum=True)


def _are_noise(lines, offsets):
    """Whether offsets are those of a detector: all along the lines, and at random."""
    parts = np.array_split(lines, _PARTS, axis=1)
    alike = np.corrcoef([line_offsets(part)[1] for part in parts])
    power = np.abs(np.fft.rfft(offsets * np.hanning(len(offsets)))) ** 2
    # What was taken out as slow has no power, and would make the rest look strong.
    power = power[len(power) // 4 :]
    return bool(alike.min() > _SAME_OFFSETS and power.max() < _PERIODIC * power.mean())


def _waves(image, frequencies):
    """Amplitudes (n, 4) of waves near given frequencies, which are settled too."""
    if not len(frequencies):
        return np.zeros((0, 4))
    h, w = image.shape
    frequencies = np.array(frequencies, float)
    every = max(1, image.size // _MOST_PIXELS)
    # Not every n-th pixel: that would be a lattice itself.
    chosen = np.random.default_rng(0).permutation(image.size)[: image.size // every]
    y, x = np.divmod(chosen, w)
    window = np.outer(np.hanning(h + 2)[1:-1], np.hanning(w + 2)[1:-1]).ravel()[chosen]
    window = np.sqrt(window)
    values = image.ravel()[chosen]
    values = (values - np.average(values, weights=window)) * window
    yc, xc = y - (h - 1) / 2, x - (w - 1) / 2
    for step in range(_ITERATIONS + 1):
        phase = (
            2
            * np.pi
            * (np.outer(y, frequencies[:, 0]) + np.outer(x, frequencies[:, 1]))
        )
        cosine, sine = np.cos(phase), np.sin(phase)
        plain = np.hstack([cosine, sine]) * window[:, None]
        amplitude = np.linalg.lstsq(plain, values, rcond=None)[0]
        a, b = np.split(amplitude, 2)
        if step == _ITERATIONS:
            return np.column_stack([frequencies, a, b])
        # How the waves change with their frequencies, about the middle.
        turn = 2 * np.pi * (b * cosine - a * sine) * window[:, None]
        slopes = np.hstack([turn * yc[:, None], turn * xc[:, None]])
        change = np.linalg.lstsq(np.hstack([plain, slopes]), values, rcond=1e-9)[0]
        dy, dx = np.split(change[len(amplitude) :], 2)
        most = 0.5 / np.array([h, w])
        frequencies = frequencies + np.clip(np.column_stack([dy, dx]), -most, most)
