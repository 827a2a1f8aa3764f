"""Whether a result can be trusted: what was removed, against what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from n2d.noise.stabilize import stabilize

VERDICTS = ("good", "doubtful", "bad")

# Removed over told deviation. The prior network leaves 5 to 20 % of the noise's
# deviation where there is texture; half of it, and more than there is, are wrong.
_LEAST_REMOVED, _HARDLY_REMOVED, _MOST_REMOVED = 0.4, 0.2, 1.4

# Correlation of neighbours in what was removed, beyond what was told: structure.
_MOST_CORRELATED, _SURELY_STRUCTURE = 0.35, 0.6

# Where the level may be off by this share, and is this share of the contrast at least.
_MOST_SPREAD, _MATTERS = 0.55, 0.04

# Noise of this share of the contrast and more: there is little left to see.
_DROWNED = 2.0

_FEWEST_PIXELS = 1024


class NoiseWarning(UserWarning):
    """The noise was not understood well enough to trust a result."""


@dataclass(frozen=True)
class Verdict:
    """What `check_result` found.

    Attributes
    ----------
    verdict : {"good", "doubtful", "bad"}
        How far the result can be trusted.
    reasons : tuple of str
        Why, in plain words, with what to do; empty where it is good.
    figures : dict of str to float
        ``removed``: deviation of what was removed over that of the noise;
        ``correlation``: neighbour correlation of what was removed beyond the noise's;
        ``contrast``: level over the contrast of the denoised image;
        ``spread``: by what share the level may be off.
    """

    verdict: str = "good"
    reasons: tuple = ()
    figures: dict = field(default_factory=dict)


def check_result(noisy, denoised, noise) -> Verdict:
    """Judge a denoised image by what was removed.

    Parameters
    ----------
    noisy, denoised : sequence of ndarray of shape (h, w)
        Windows of one channel before and after, in the units of `noise`; patterns that
        stay in their place taken out of both.
    noise : NoiseModel
        What the denoiser was told.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import NoiseModel, check_result
    >>> rng = np.random.default_rng(0)
    >>> scene = 20 * np.outer(np.arange(64) > 32, np.ones(64))
    >>> noisy = scene + rng.normal(size=(64, 64))
    >>> check_result([noisy], [scene], NoiseModel(1.0)).verdict
    'good'
    >>> check_result([noisy], [0.1 * scene + 0.9 * noisy], NoiseModel(1.0)).verdict
    'bad'
    """
    n_pixels = sum(window.size for window in noisy)
    if n_pixels < _FEWEST_PIXELS or not noise.level > 0:
        return Verdict()
    removed = [
        stabilize(before, noise) - stabilize(after, noise)
        for before, after in zip(noisy, denoised, strict=True)
    ]
    level = float(np.sqrt(sum(np.sum(r * r) for r in removed) / n_pixels))
    expected = _expected(denoised, noise)
    beyond = max(
        _neighbours(removed, axis) - max(0.0, float(noise.correlation[axis, 0]))
        for axis in (0, 1)
    )
    some = np.concatenate([w.ravel() for w in denoised])
    contrast = float(np.subtract(*np.quantile(some, [0.99, 0.01])))
    share = noise.level / max(contrast, 1e-12 * noise.level)
    spread = 0.0 if noise.spread is None else float(noise.spread)
    figures = {
        "removed": level / expected,
        "correlation": beyond,
        "contrast": share,
        "spread": spread,
    }
    found = list(_findings(figures))
    worst = max((VERDICTS.index(verdict) for verdict, _ in found), default=0)
    return Verdict(VERDICTS[worst], tuple(reason for _, reason in found), figures)


def _expected(denoised, noise):
    """Deviation that stabilised noise has: 1, less where there are few photons."""
    if noise.gain == 0:
        return 1.0
    light = np.concatenate([w.ravel() for w in denoised]) - noise.offset
    photons = np.maximum(light, 0) / noise.gain + (noise.read_noise / noise.gain) ** 2
    # A root of counts keeps all of it from 3 photons on, and of few of them little.
    return float(np.sqrt(np.mean(np.clip(photons / 2, 0.05, 1))))


def _neighbours(removed, axis):
    """Correlation between neighbours along an axis, over all windows."""
    product = power = 0.0
    for r in removed:
        r = np.moveaxis(r - r.mean(), axis, 0)
        product += np.sum(r[1:] * r[:-1])
        power += np.sum(r[1:] ** 2)
    return float(product / power) if power > 0 else 0.0


def _findings(figures):
    """Yield verdicts and reasons."""
    if figures["contrast"] >= _MATTERS:
        if figures["removed"] < _LEAST_REMOVED:
            hardly = figures["removed"] < _HARDLY_REMOVED
            yield (
                "bad" if hardly else "doubtful",
                f"only {figures['removed']:.0%} of the measured noise was removed; "
                "give the noise, if you know it, or try strength above 1",
            )
        if figures["spread"] > _MOST_SPREAD:
            yield (
                "doubtful",
                "noise and fine texture cannot be told apart: the level may be off by "
                f"{figures['spread']:.0%}; give the noise, if you know it",
            )
    if figures["removed"] > _MOST_REMOVED:
        yield (
            "doubtful",
            f"{figures['removed']:.1f} times as much was removed as was measured; "
            "look for detail in the difference, or try strength below 1",
        )
    if figures["correlation"] > _MOST_CORRELATED and figures["removed"] > 0.3:
        yield (
            "bad" if figures["correlation"] > _SURELY_STRUCTURE else "doubtful",
            "what was removed has structure that the measured noise has not; look at "
            "the difference, or try strength below 1",
        )
    if figures["contrast"] > _DROWNED:
        yield (
            "doubtful",
            "the noise is stronger than the contrast of the image: fine structure in "
            "the result may be invented",
        )
