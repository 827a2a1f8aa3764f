"""Noise known from captures made for the purpose."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np

from n2d._masked import read_unmasked
from n2d._numpy_errors import with_usual_errors
from n2d.noise.steady import what_changes
from n2d.noise.warning import NoiseWarning

N_LAGS = 4
_N_CLASSES = 24

# Squares of values are numbers, too.
_LARGEST_SPAN = 1e150
# Of the range of values; less is rounding.
_ROUNDING = 1e-12

# Smaller frames are too few pixels to tell a change of their brightness from noise.
_FEWEST_PIXELS = 256

# A frame stands out with so many times the variance of the others, or so much less, in
# one of several parts of the intensities, of so many pixels; some of them show that.
# Both variances may be off by so many of their deviations.
_STANDS_OUT, _SURELY = 4.0, 3.0
_MOST_PARTS, _PART, _SOME_PIXELS = 8, 1024, 2**16
# Of two frames one stands out with a contrast below this share of the other's.
_DARK = 0.1


@with_usual_errors
def model_of_frames(model, frames, dark, flat):
    """Return a `model` calibrated on frames (n, H, W); see `NoiseModel.from_frames`."""
    if frames is not None:
        if dark is not None or flat is not None:
            raise ValueError("give frames of one scene, or dark and flat frames")
        given = {"frames": frames}
    elif dark is None or flat is None:
        raise ValueError("give frames of one scene, or both dark and flat frames")
    else:
        given = {"dark": dark, "flat": flat}
    said = []
    given = {name: _taken_in(each, name) for name, each in given.items()}
    low, span = _to_unit_range(given)
    seen = [_moments(each, name, said) for name, each in given.items()]
    found = _of_scene(*seen[0]) if len(seen) == 1 else _of_light(*seen[0], *seen[1])
    for sentence in said:
        warnings.warn(sentence, NoiseWarning, stacklevel=4)  # past the decorator
    return model(**found).rescaled(span, low)


def _taken_in(frames, name):
    """Copy frames (n, H, W) to float64."""
    if isinstance(frames, Iterator):
        frames = list(frames)
    taken, what = None, "something else, or frames of several sizes"
    try:
        read = read_unmasked(frames, name)
    except ValueError:
        read = None
    if read is not None and read.dtype.kind in "biufO":
        with contextlib.suppress(TypeError, ValueError):
            taken = read.astype(np.float64)
            what = f"shape {taken.shape}"
    if taken is not None and taken.ndim == 3 and len(taken) > 1 and taken.size > 0:
        if np.isfinite(taken).all():
            return taken
        what = "NaN or infinity among them"
    raise ValueError(
        f"{name} must be two or more frames (n, H, W) of finite numbers, got {what}"
    )


def _to_unit_range(given):
    """Map all values to [0, 1], in place; return what was 0, and the range."""
    low = min(float(frames.min()) for frames in given.values())
    high = max(float(frames.max()) for frames in given.values())
    if not high / 2 - low / 2 <= _LARGEST_SPAN / 2:
        raise ValueError(
            f"{' and '.join(given)} have values from {low:g} to {high:g}, which is too "
            f"much to compute with; scale them to less than {_LARGEST_SPAN:g}"
        )
    span = (high - low) or 1.0
    for frames in given.values():
        frames -= low
        frames /= span
    return low, span


def _of_scene(mean, noise):
    """Fields of the model of a scene captured several times."""
    gain, intercept = _line(mean, noise)
    offset = float(np.quantile(mean, 0.001))
    if gain <= 0:
        gain, intercept = 0.0, float(np.mean(noise**2))
    floor = max(gain * offset + intercept, 0.0)
    if floor == 0 and gain:
        offset = -intercept / gain
    return {
        "level": float(np.sqrt(np.mean(noise**2))),
        "gain": gain,
        "offset": offset,
        "read_noise": float(np.sqrt(floor)),
        "correlation": _correlation(noise),
    }


def _of_light(dark_mean, dark_noise, flat_mean, flat_noise):
    """Fields of the model of a camera, without light and with it."""
    read = float(np.mean(dark_noise**2))
    offset = float(dark_mean.mean())
    light = float(flat_mean.mean()) - offset
    if not light > 0:
        raise ValueError("flat must be brighter than dark")
    power = float(np.mean(flat_noise**2))
    return {
        "level": float(np.sqrt(power)),
        "gain": max(power - read, 0.0) / light,
        "offset": offset,
        "read_noise": float(np.sqrt(read)),
        "correlation": _correlation(flat_noise),
    }


def _moments(frames, name, said):
    """Mean (H, W), and noise (n, H, W) of the right variance, of frames.

    Each frame may be brighter or darker than the others as a whole: the noise is what
    it has beside the mean in its own brightness, and the mean is that of the
    intensities at which this noise was seen. What cannot be undone is `said`.
    """
    strays = _strays(frames)
    if len(strays):
        frames = np.delete(frames, strays, axis=0)
    mean = frames.mean(axis=0)
    slope, shift = _brightness(frames, mean)
    noise = frames
    for one, a, b in zip(noise, slope, shift, strict=True):
        one -= a * mean + b
    if np.abs(noise).max() < _ROUNDING:
        noise[:] = 0
    gain, intercept = _line(mean, noise)
    changes = what_changes(mean, noise, gain * mean + intercept)
    n = len(noise)
    # The mean has a share of each frame's noise: what is left in a frame of its own
    # variance, and of everyone's.
    own, everyones = 1 - 2 * slope / n, (slope / n) ** 2
    whole = own + n * everyones
    freedom = 1 - 2 / mean.size if mean.size >= _FEWEST_PIXELS else 1.0
    noise /= np.sqrt(whole * freedom)[:, None, None]
    seen = own / whole / n + np.mean(everyones / whole)
    mean = mean * (seen @ slope) + seen @ shift
    if n == 2 and slope.min() < _DARK * slope.max():
        said.append(
            f"{name}: one of the two is far darker than the other, and its noise is "
            "all that is known; give two or more of the same light"
        )
    elif changes is not None:
        said.append(
            f"{name}: {changes}, which counts as noise; give frames of a scene that "
            "stands still (align them, or take some that are closer in time), or let "
            "the noise be measured on one (noise='auto')"
        )
    elif len(strays):
        some = ", ".join(map(str, strays[:8])) + ", ..." * (len(strays) > 8)
        said.append(
            f"{name}: {len(strays)} of {n + len(strays)} stand out (counted from 0: "
            f"{some}), as with a closed shutter, and were left out; look at them"
        )
    return mean, noise


def _strays(frames):
    """Indices of the frames that have far more or far less noise than the others."""
    every = 1 | (frames[0].size // _SOME_PIXELS)
    some = frames.reshape(len(frames), -1)[:, ::every]
    if len(some) < 3 or some.shape[1] < _FEWEST_PIXELS:
        return []
    # As bright as each other, or the middle would be one of them where they fade.
    slope, shift = _brightness(some, some.mean(axis=0))
    even = (some - shift[:, None]) / np.maximum(slope, _DARK)[:, None]
    middle = np.median(even, axis=0)
    slope, shift = _brightness(some, middle)
    beside = some - shift[:, None] - np.outer(slope, middle)
    n_parts = np.clip(len(middle) // _PART, 1, _MOST_PARTS)
    # Of the value beside, or parts would be chosen by the noise in them.
    parts = np.array_split(np.argsort(np.roll(middle, 1)), n_parts)
    # Where noise is of few events (photons, cosmic rays), it is not known well.
    squares = [beside[:, part] ** 2 for part in parts]
    power = np.stack([square.mean(axis=1) for square in squares])
    unsure = np.stack(
        [square.std(axis=1) / np.sqrt(len(square.T)) for square in squares]
    )
    least = power - _SURELY * unsure
    most = power + _SURELY * unsure
    most[most < _ROUNDING**2] = 0
    out = least > _STANDS_OUT * np.median(most, axis=1, keepdims=True)
    out |= _STANDS_OUT * most < np.median(least, axis=1, keepdims=True)
    out = out.any(axis=0)
    return np.flatnonzero(out) if 2 * np.count_nonzero(out) < len(some) else []


def _brightness(frames, mean):
    """Factor and offset (n,) that the mean of frames has in each of them."""
    if mean.size < _FEWEST_PIXELS:
        return np.ones(len(frames)), np.zeros(len(frames))
    about = mean - mean.mean()
    power = np.mean(about**2)
    slope = np.ones(len(frames))
    if power > _ROUNDING**2:
        slope = np.array([np.mean(about * frame) for frame in frames]) / power
    return slope, np.array([frame.mean() for frame in frames]) - slope * mean.mean()


def _line(mean, noise):
    """Slope and intercept of the variance against the mean, by classes of it."""
    power = np.einsum("nyx,nyx->yx", noise, noise).ravel() / len(noise)
    mean = mean.ravel()
    if not power.any():
        return 0.0, 0.0
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, _N_CLASSES + 1)))
    if len(edges) < 3:
        return 0.0, float(power.mean())
    place = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(place, minlength=len(edges) - 1)
    kept = count > 0
    at = np.bincount(place, mean, len(edges) - 1)[kept] / count[kept]
    seen = np.bincount(place, power, len(edges) - 1)[kept] / count[kept]
    if len(at) < 2 or np.ptp(at) < _ROUNDING:
        return 0.0, float(power.mean())
    # The error of a variance is proportional to it.
    weight = np.sqrt(count[kept]) / np.maximum(seen, 1e-3 * seen.max())
    slope, intercept = np.polyfit(at, seen, 1, w=weight / weight.max())
    return float(slope), float(intercept)


def _correlation(noise):
    """Correlation (2, n_lags) of noise (n, H, W)."""
    power = np.mean(noise**2)
    found = np.zeros((2, N_LAGS))
    if power > 0:
        for axis in (0, 1):
            moved = np.moveaxis(noise, 1 + axis, 0)
            for lag in range(1, min(N_LAGS, len(moved) - 1) + 1):
                found[axis, lag - 1] = np.mean(moved[lag:] * moved[:-lag]) / power
    return np.clip(found, -1, 1)
