"""Noise known from captures made for the purpose."""

from __future__ import annotations

import numpy as np

N_LAGS = 4
_N_CLASSES = 24


def model_of_frames(model, frames, dark, flat):
    """Return a `model` calibrated on frames (n, H, W); see `NoiseModel.from_frames`."""
    if frames is not None:
        if dark is not None or flat is not None:
            raise ValueError("give frames of one scene, or dark and flat frames")
        mean, difference = _moments(frames, "frames")
        gain, intercept = _line(mean, difference**2)
        offset = float(np.quantile(mean, 0.001))
        if gain <= 0:
            gain, intercept = 0.0, float(np.mean(difference**2))
        floor = max(gain * offset + intercept, 0.0)
        if floor == 0 and gain:
            offset = -intercept / gain
        return model(
            level=float(np.sqrt(np.mean(difference**2))),
            gain=gain,
            offset=offset,
            read_noise=float(np.sqrt(floor)),
            correlation=_correlation(difference),
        )
    if dark is None or flat is None:
        raise ValueError("give frames of one scene, or both dark and flat frames")
    dark_mean, dark_noise = _moments(dark, "dark")
    flat_mean, flat_noise = _moments(flat, "flat")
    read = float(np.mean(dark_noise**2))
    offset = float(dark_mean.mean())
    light = float(flat_mean.mean()) - offset
    if not light > 0:
        raise ValueError("flat must be brighter than dark")
    gain = max(float(np.mean(flat_noise**2)) - read, 0.0) / light
    return model(
        level=float(np.sqrt(np.mean(flat_noise**2))),
        gain=gain,
        offset=offset,
        read_noise=float(np.sqrt(read)),
        correlation=_correlation(flat_noise),
    )


def _moments(frames, name):
    """Mean (H, W), and noise (n, H, W) of the right variance, of frames."""
    frames = np.asarray(frames, np.float64)
    if frames.ndim != 3 or len(frames) < 2 or not np.isfinite(frames).all():
        raise ValueError(
            f"{name} must be two or more frames (n, H, W) of finite numbers, got shape "
            f"{frames.shape}"
        )
    mean = frames.mean(axis=0)
    return mean, (frames - mean) * np.sqrt(len(frames) / (len(frames) - 1))


def _line(mean, power):
    """Slope and intercept of the variance against the mean, by classes of it."""
    power = power.mean(axis=0).ravel()
    mean = mean.ravel()
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, _N_CLASSES + 1)))
    if len(edges) < 3:
        return 0.0, float(power.mean())
    place = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(place, minlength=len(edges) - 1)
    kept = count > 0
    at = np.bincount(place, mean, len(edges) - 1)[kept] / count[kept]
    seen = np.bincount(place, power, len(edges) - 1)[kept] / count[kept]
    if len(at) < 2:
        return 0.0, float(power.mean())
    # The error of a variance is proportional to it.
    weight = np.sqrt(count[kept]) / np.maximum(seen, 1e-3 * seen.max() + 1e-300)
    slope, intercept = np.polyfit(at, seen, 1, w=weight)
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
