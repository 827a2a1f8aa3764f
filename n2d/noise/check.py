"""Whether a result can be trusted: what was removed, against what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from n2d._masked import unmasked
from n2d.noise.blocks import cut_blocks
from n2d.noise.hot_pixels import hot_pixels
from n2d.noise.refine import passes_for_noise
from n2d.noise.stabilize import stabilize

VERDICTS = ("good", "doubtful", "bad")

# Removed over told deviation. The prior network leaves 5 to 20 % of the noise's
# deviation where there is texture; half of it, and more than there is, are wrong.
_LEAST_REMOVED, _HARDLY_REMOVED, _MOST_REMOVED = 0.4, 0.2, 1.4

# Correlation of neighbours in what was removed, beyond what was told: structure.
_MOST_CORRELATED, _SURELY_STRUCTURE = 0.35, 0.6

# Where the level may be off by this share, and is this share of the contrast at least;
# and where it may be off by more, and twice as much as that would matter, too.
_MOST_SPREAD, _MATTERS, _LARGE_SPREAD = 0.25, 0.04, 0.35

# Unless what was removed bears it out: so much of it, of a level that is nearly what
# was measured at first, may not be off by more, and more than is taken of texture.
_BORNE_OUT, _AS_MEASURED, _NOBODY_KNOWS = 0.85, 0.88, 0.5
# Twice as much as it may be off would matter from this share of the contrast.
_WOULD_MATTER = 0.025

# Noise of this share of the contrast and more: there is little left to see.
_DROWNED = 2.0

# How many times as strong as believed the noise may be, by what was measured at first
# and how far that may be off, times the share of the noise that was not removed; and
# the share of the contrast that this is at least: of the two, either may be right
# (`python benchmarks/noise.py --oracle`, `python benchmarks/trust.py`).
_MAYBE_MORE, _UNEXPLAINED, _MAY_MATTER = 2.0, 1.4, 0.02

# Texture that passes for noise is missed in the result from this share of the contrast.
_SEEN_TEXTURE = 0.01

# In images of fewer pixels than these, few of them flat, less of a difference tells,
# and what was removed tells nothing.
_SMALL, _MAYBE_MORE_OF_SMALL = 96**2, 1.4

# Offsets of rows or columns of this share of the level are seen in the result.
_SEEN_STRIPES = 0.5

# Pixels that stand alone in the result: clean images have a third of that at most, salt
# and pepper of 5 % of the pixels more (`hot_pixels` knows what stands alone).
_STAND_ALONE = 1e-3

# A line stands out of the result by so many deviations of the noise, and so many times
# what lines differ by from their neighbours, in so large a share of its pixels.
_LINE, _UNUSUAL, _ALL_ALONG = 1.0, 12.0, 0.9

# Values so many deviations, and so many times what the middle half of most pixels
# differs by, beyond that half: from 6,500 on the rest comes out with 2.5 times the
# error, from 100,000 on with 35 times (areas of 20 x 20 pixels in 256 x 256).
_FAR_OUT, _FAR_BEYOND = 3000.0, 100.0

# What was removed counts up to so many deviations: hot pixels are no noise.
_MOST_DEVIATIONS = 6.0

# Where few pixels are off by far more than the rest, as by impulses, the deviation is
# less by the median than by squares: in blocks of this side, 0.95 and more where noise
# is Gaussian, 0.8 for Student's t of three degrees of freedom, less for impulses. Where
# so large a share has been found and replaced, what is left is seen sooner. Fewer
# photons than these are no impulses.
_HEAVY_TAILS, _TAILS_SIDE, _FEWEST_PHOTONS = 0.78, 32, 1.0
_SOME_REPLACED, _HEAVY_TAILS_LEFT = 4e-3, 0.9
_NORMAL_MEDIAN, _NO_DEVIATION = 0.6745, 1e-9

# Of windows, so large a share has to be wrong.
_SHARE_OF_WINDOWS = 0.25

# Of smaller images the figures mean little.
_FEWEST_PIXELS = 64**2


@dataclass(frozen=True)
class Verdict:
    """What `check_result` found.

    Attributes
    ----------
    verdict : {"good", "doubtful", "bad"} or None
        How far the result can be trusted; None where that could not be checked.
    reasons : tuple of str
        Why, in plain words, with what to do, the worst first; empty where it is good.
    figures : dict of str to float
        ``removed``: deviation of what was removed over that of the noise;
        ``correlation``: neighbour correlation of what was removed beyond the noise's;
        ``contrast``: level over the contrast of the denoised image;
        ``spread``: by what share the level may be off; ``believed``: level over what
        was measured at first; ``confirmed``: 1 where what was removed bears it out,
        else 0; ``tails``: deviation of what was removed by the median over that by
        squares: 1 if it is Gaussian.
    """

    verdict: str = "good"
    reasons: tuple = ()
    figures: dict = field(default_factory=dict)


def check_result(
    noisy, denoised, noise, *, strength=1.0, measured=None, stripes_go=(False, False)
) -> Verdict:
    """Judge a denoised image by what was removed.

    Parameters
    ----------
    noisy, denoised : sequence of ndarray of shape (h, w)
        Windows of one channel before and after, in the units of `noise`; patterns that
        stay in their place taken out of both.
    noise : NoiseModel
        What is known of their noise.
    strength : float, default=1.0
        How much more of it the denoiser was told, as the user wished.
    measured : NoiseModel, optional
        What was measured at first, before second thoughts; None where it is given.
    stripes_go : tuple of two bool, default=(False, False)
        Whether the offsets of rows, and of columns, are taken out.

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
    unmasked(noisy, "noisy")
    unmasked(denoised, "denoised")
    n_pixels = sum(window.size for window in noisy)
    if not noise.level > 0:
        return Verdict(None, ("no noise was found: nothing was removed",))
    if n_pixels < _FEWEST_PIXELS:
        return Verdict(None, ("the image is too small to check the result",))
    even_noisy = [stabilize(window, noise) for window in noisy]
    even = [stabilize(window, noise) for window in denoised]
    removed = [
        np.clip(before - after, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)
        for before, after in zip(even_noisy, even, strict=True)
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
        "believed": 1.0,
    }
    if measured is not None and measured.level > 0:
        figures["believed"] = noise.level / measured.level
    figures["tails"] = _tails(removed, denoised, noise)
    figures["confirmed"] = float(
        _BORNE_OUT < level / expected < _MOST_REMOVED
        and figures["believed"] > _AS_MEASURED
        and spread < _NOBODY_KNOWS
        and not passes_for_noise(noise, level / expected)
    )
    findings = [
        *_far_out(even_noisy),
        *_findings(figures, strength, n_pixels < _SMALL, told=measured is None),
        *_stripes_left(noise, stripes_go),
        *_defects_left(even),
        *_lines_left(even),
        *_impulses_left(figures, noise),
    ]
    # That there may be more, and that it is too much, would be of no help.
    findings += [] if findings else _texture(figures, noise, strength)
    found = [Verdict(v, (reason,), figures) for v, reason in findings]
    return worst_of(found) if found else Verdict(figures=figures)


def worst_of(verdicts) -> Verdict:
    """Sum up several verdicts.

    Parameters
    ----------
    verdicts : sequence of Verdict
        At least one; of several channels or images.

    Returns
    -------
    Verdict
        The worst, with its figures, or the next one's where it has none, and the
        reasons of all, each once.

    Examples
    --------
    >>> from n2d.noise import Verdict, worst_of
    >>> worst_of([Verdict(), Verdict("bad", ("too dark",)), Verdict()])
    Verdict(verdict='bad', reasons=('too dark',), figures={})
    """
    # What was checked says more than what was not.
    order = (None, *VERDICTS)
    ranked = sorted(verdicts, key=lambda v: -order.index(v.verdict))
    worst = ranked[0]
    reasons = [
        reason
        for verdict in ranked
        if (verdict.verdict is None) == (worst.verdict is None)
        for reason in verdict.reasons
    ]
    figures = next((v.figures for v in ranked if v.figures), {})
    return Verdict(worst.verdict, tuple(dict.fromkeys(reasons)), figures)


def of_windows(verdicts) -> Verdict:
    """Sum up the verdicts of windows of images that were not read whole.

    Parameters
    ----------
    verdicts : sequence of Verdict
        At least one.

    Returns
    -------
    Verdict
        What at least a quarter of them says: of many small windows, one or the other
        looks odd by chance.

    Examples
    --------
    >>> from n2d.noise import Verdict
    >>> from n2d.noise.check import of_windows
    >>> of_windows([Verdict("bad", ("odd",))] + 5 * [Verdict()]).verdict
    'good'
    """
    worst_first = ("bad", "doubtful", "good", None)
    order = sorted(verdicts, key=lambda v: worst_first.index(v.verdict))
    return worst_of(order[int(_SHARE_OF_WINDOWS * len(order)) :])


def _expected(denoised, noise):
    """Deviation that stabilised noise has: 1, less where there are few photons."""
    if noise.gain == 0:
        return 1.0
    light = np.concatenate([w.ravel() for w in denoised]) - noise.offset
    photons = np.maximum(light, 0) / noise.gain + (noise.read_noise / noise.gain) ** 2
    # A root of counts keeps all of it from 3 photons on, and of few of them little.
    return float(np.sqrt(np.mean(np.clip(photons / 2, 0.05, 1))))


def _tails(removed, denoised, noise):
    """Deviation by the median over that by squares, in the median of lit blocks."""
    shares = []
    for r, after in zip(removed, denoised, strict=True):
        blocks = cut_blocks(r, min(_TAILS_SIDE, *r.shape))
        light = cut_blocks(after, blocks.shape[-1]).mean(axis=(1, 2)) - noise.offset
        blocks = blocks[light >= _FEWEST_PHOTONS * noise.gain]
        if not len(blocks):
            continue
        away = blocks - np.median(blocks, axis=(1, 2), keepdims=True)
        typical = np.median(np.abs(away), axis=(1, 2)) / _NORMAL_MEDIAN
        shares.append(typical / np.maximum(blocks.std(axis=(1, 2)), _NO_DEVIATION))
    return float(np.median(np.concatenate(shares))) if shares else 1.0


def _neighbours(removed, axis):
    """Correlation between neighbours along an axis, over all windows."""
    product = power = 0.0
    for r in removed:
        r = np.moveaxis(r - r.mean(), axis, 0)
        product += np.sum(r[1:] * r[:-1])
        power += np.sum(r[1:] ** 2)
    return float(product / power) if power > 0 else 0.0


def _stripes_left(noise, stripes_go):
    """Yield a verdict and a reason for rows or columns whose offsets stay."""
    if noise.defects is None:
        return
    for name, gone in zip(("rows", "columns"), stripes_go, strict=True):
        size = getattr(noise.defects, name)
        if size > _SEEN_STRIPES * noise.level and not gone:
            yield (
                "doubtful",
                f"{name} have offsets of their own, {size / noise.level:.1f} times as "
                "strong as the noise, that stay; if they are no scene, try "
                "stripes='remove' on one image of up to 512 x 512 pixels, or correct "
                "for them first",
            )


def _defects_left(even):
    """Yield a verdict and a reason where pixels stand alone in the result."""
    alone = sum(hot_pixels(after).sum() for after in even)
    share = alone / sum(after.size for after in even)
    if share > _STAND_ALONE:
        yield (
            "doubtful",
            f"{share:.1%} of the pixels stand alone, as defects do, and stay; if they "
            "are no scene, take them out first, with a median filter",
        )


def _impulses_left(figures, noise):
    """Yield a verdict and a reason where few pixels are off by more than noise."""
    found = 0.0 if noise.defects is None else noise.defects.hot
    most = _HEAVY_TAILS_LEFT if found > _SOME_REPLACED else _HEAVY_TAILS
    if figures["tails"] < most and figures["contrast"] >= _WOULD_MATTER:
        yield (
            "doubtful",
            "some pixels are off by far more than the others, as impulses and defects "
            "are, and part of that stays; take them out first, with a median filter",
        )


def _lines_left(even):
    """Yield a verdict and a reason where single lines stand out of the result."""
    for axis, name in enumerate(("row", "column")):
        lines = max(_lines_alone(np.moveaxis(after, axis, 0)) for after in even)
        if lines:
            yield (
                "doubtful",
                f"{lines} {name}{'s' * (lines > 1)} differ{'s' * (lines == 1)} as a "
                "whole from those beside, as of a broken detector, and what they "
                "differ by stays; if it is no scene, replace them by their neighbours "
                "first",
            )


def _far_out(even):
    """Yield a verdict and a reason where values are far beyond most others."""
    values = np.concatenate([window.ravel() for window in even])
    low, high = middle_half(values)
    far = max(values.max() - high, low - values.min())
    if far > max(_FAR_OUT, _FAR_BEYOND * (high - low)):
        yield (
            "doubtful",
            f"some values are {far:,.0f} times the noise beyond most others, and "
            "spoil what is around them; cut them off (numpy.clip), or make them NaN in "
            "the file and denoise it with nan='mask' (--nan mask)",
        )


def middle_half(values) -> tuple[float, float]:
    """Return between which values the middle half of most pixels lies.

    Parameters
    ----------
    values : ndarray
        Of pixels. Where all but those at one end are close together, that end, which
        may be an area of a fill value, is left out.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise.check import middle_half
    >>> middle_half(np.r_[0:101, 99 * [1e9]])
    (25.0, 75.0)
    """
    whole, ends = np.ptp(values), (values.min(), values.max())
    rests = [values[np.abs(values - end) > 1e-3 * whole] for end in ends]
    close = [r for r in rests if r.size and np.ptp(r) < 1e-2 * whole]
    rest = max(close, key=np.ptp, default=values)
    values = rest if rest.size >= values.size / 10 else values
    low, high = np.quantile(values, [0.25, 0.75])
    return float(low), float(high)


def _lines_alone(lines):
    """How many lines (n, m) differ as a whole from both lines beside them."""
    steps = np.diff(lines, axis=0)
    medians = np.median(steps, axis=1)
    usual = 1.4826 * np.median(np.abs(medians))
    before, after = medians[:-1], medians[1:]
    # Between two lines that are alike: a zigzag is texture.
    least = np.maximum(max(_LINE, _UNUSUAL * usual), 2 * abs(before + after))
    found = np.minimum(np.sign(before) * before, -np.sign(before) * after) > least
    # From end to end, which lines of a scene are not.
    signs = np.sign(before[found])[:, None]
    rises, falls = signs * steps[:-1][found] > 0, signs * steps[1:][found] < 0
    return int(np.count_nonzero((rises & falls).mean(axis=1) > _ALL_ALONG))


def _texture(figures, noise, strength):
    """Yield a verdict and a reason where texture may have passed for noise."""
    # What is told, and not measured, is believed.
    measured = noise.spread is not None and strength >= 1
    seen = figures["contrast"] > _SEEN_TEXTURE
    if measured and seen and passes_for_noise(noise, figures["removed"]):
        yield (
            "doubtful",
            "what was measured may be fine texture in large part; give the noise, if "
            "you know it, or try strength below 1",
        )


def _findings(figures, strength, small, told):
    """Yield verdicts and reasons."""
    if figures["contrast"] >= _MATTERS:
        # Who asks for less gets less.
        if figures["removed"] < _LEAST_REMOVED and strength >= 1:
            verdict = "bad" if figures["removed"] < _HARDLY_REMOVED else "doubtful"
            share = f"{figures['removed']:.0%}"
            if told:
                yield (
                    verdict,
                    f"only {share} of the given noise was removed: there is less; give "
                    "it in the units of the image",
                )
            else:
                yield (
                    verdict,
                    f"only {share} of the measured noise was removed; give the noise, "
                    "if you know it, or try strength above 1",
                )
    spread, believed = figures["spread"], max(figures["believed"], 1e-9)
    most = figures["contrast"] / believed * np.exp(2 * spread)
    if not figures["confirmed"] and (
        (spread > _MOST_SPREAD and figures["contrast"] >= _MATTERS)
        or (spread > _LARGE_SPREAD and most >= _WOULD_MATTER)
    ):
        yield (
            "doubtful",
            "noise and fine texture cannot be told apart: the level may be off by "
            f"{spread:.0%}; give the noise, if you know it",
        )
    more = np.exp(spread) / believed
    unexplained = more * (1 - figures["removed"]) > _UNEXPLAINED
    if (
        more > (_MAYBE_MORE_OF_SMALL if small else _MAYBE_MORE)
        and (unexplained or small)
        and more * figures["contrast"] > _MAY_MATTER
        and strength >= 1
    ):
        much = f"{more:.1f} times as much noise" if more < 10 else "much more noise"
        yield (
            "doubtful",
            f"noise and texture cannot be told apart: there may be {much}; give the "
            "noise, if you know it, or try strength above 1",
        )
    if figures["removed"] > max(1.0, strength) * _MOST_REMOVED:
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
