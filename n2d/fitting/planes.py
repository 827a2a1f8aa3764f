"""Stacks whose planes have different noise: one fit where it is the same, else several.

Every plane is looked at in a few small windows, some are measured there. Where they
agree with what was measured on all of them together, nothing else is done.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from n2d.core.progress import Progress, report
from n2d.fitting.intensities import Intensities
from n2d.fitting.parts import evenly
from n2d.fitting.prior_start import fit_from_prior
from n2d.fitting.repeated import fit_repeated_from_prior, times_repeated
from n2d.fitting.verdicts import CONSTANT
from n2d.fitting.windows import (
    are_constant,
    are_whole,
    few_windows,
    plane_windows,
    shape_of_whole,
)
from n2d.noise import NoiseModel, Verdict, estimate_noise, worst_of
from n2d.noise.blocks import cut_blocks
from n2d.noise.check import of_windows

MEASURING_PLANES = "measuring planes"

# So many planes are looked at, evenly spaced; so many of them are measured, half of
# them evenly spaced and half those that look least like their neighbours; so many get
# a fit of their own.
_MOST_LOOKED_AT = 1024
_MOST_MEASURED = 32
_MOST_FITS = 16

# Noise is the same where the logarithm of its level differs by no more than this, and
# by so many times what the measurement may be off, and its correlation by no more than
# that. What is not known is taken for a fifth.
_SAME_LEVEL, _SPREADS, _UNKNOWN_SPREAD = 0.15, 3.0, 0.2
_SAME_CORRELATION = 0.2

# A plane is known closely where its level is known to this share.
_SURE_SPREAD = 0.1

# A plane takes over the level of another that is fitted if it is as close as this, and
# never one that is more than so many times its own.
_CLOSE, _FARTHEST = 0.1, 4.0

# A plane has less noise than most if it is so many times less, however little is known
# of it: texture may be taken for noise, but noise not for so much less.
_QUIETER = 2.0

# Planes beside one that differ from it by chance.
_NEIGHBOURS = 2

_BLOCK = 8  # pixels, whose mean stands for the intensity without noise


class Plane(NamedTuple):
    """What transforms one plane.

    Attributes
    ----------
    shape : tuple of two int
        Of the plane.
    stages : PriorStages or None
        How to denoise; None: not at all, there is no noise.
    intensities : Intensities
        What the stages see of pixel values.
    noise : tuple of NoiseModel
        Of every channel, in the units of the images.
    verdict : Verdict
        How far the result can be trusted.
    """

    shape: tuple
    stages: object
    intensities: Intensities
    noise: tuple
    verdict: Verdict


@dataclass(frozen=True)
class _Look:
    """What a glance at a plane shows: is it constant, how rough, how bright."""

    constant: bool
    roughness: np.ndarray  # (C,)
    means: np.ndarray  # (C, n), of blocks

    def level(self, models):
        """The level (C,) of noise by some models, one a channel, in this plane."""
        pairs = zip(models, self.means, strict=True)
        return np.array([np.sqrt(m.variance(x).mean()) for m, x in pairs])


def fit_stack_from_prior(images, windows, data_range, plan, resources):
    """Settle what the prior network is conditioned on, plane by plane if need be.

    Parameters
    ----------
    images : Images
        All images.
    windows : list of ndarray of shape (C, h, w)
        What `plan` has read of them.
    data_range : tuple of two floats
        What is mapped to 0 and 1.
    plan : PriorPlan
        The hyperparameters.
    resources : Resources
        Where to compute.

    Returns
    -------
    Fitted
        Of all images together, as by `fit_from_prior`; its `planes` is None where
        their noise is the same, else it has a `Plane` for each, or None for those with
        the noise of all.

    Notes
    -----
    Of up to 16 planes that differ, each gets a fit of its own. Of more, the 16 that
    differ most do; the others take over what was found for the plane whose noise is
    most like theirs, with the level that was measured on them. Of more than 32 planes,
    those that are not measured take over the level of the nearest that is, times what
    they are rougher than it. So the cost of fitting is limited.

    Constant planes are left as they are. They, and planes with less than half the noise
    of most, are left out of the noise of all. Images whose pixels were repeated share
    one fit.
    """
    if plan.noise is None and not plan.factors and not plan.detail_steps:
        # What mirrors an image beyond its border is repeated otherwise.
        h, w = plan.shape or (None, None)
        seen = [window[:, :h, :w] for window in windows]
        times = times_repeated(seen)
        if times > 1:
            return fit_repeated_from_prior(times, seen, data_range, plan, resources)
    if len(images) == 1 or plan.noise is not None:
        return fit_from_prior(windows, data_range, plan, resources)
    looked_at = evenly(len(images), _MOST_LOOKED_AT)
    looks = {k: _look(images[k]) for k in looked_at}
    dead = {k for k in looked_at if looks[k].constant and _is_dead(images[k])}
    kept = range(len(windows))
    if dead:
        kept = [i for i, w in enumerate(windows) if not are_constant([w])] or kept
    whole = are_whole(images, windows)
    alive = {k: look for k, look in looks.items() if not look.constant}
    measured = {k: _measured(images[k]) for k in _to_measure(alive)}
    if quiet := _quiet(alive, measured):
        # What is measured on all together would be that of the smoothest.
        if not whole:
            some = [image for k, image in enumerate(images) if k not in quiet]
            windows = plan.windows(some, np.random.default_rng(resources.seed))
            kept = range(len(windows))
            kept = [i for i in kept if not are_constant([windows[i]])] or kept
        else:
            kept = [i for i in kept if i not in quiet] or kept
    windows = [windows[i] for i in kept]
    fitted = fit_from_prior(windows, data_range, plan, resources)
    planes = {k: _dead_plane(images[k]) for k in dead}
    if len(alive) > 1:
        what = images, alive, measured, fitted, data_range, plan, resources
        planes |= _differing(*what)
    if not planes:
        return fitted
    nearest = np.array([k for k in looked_at if k not in dead] or looked_at)
    found = []
    for k, image in enumerate(images):
        if k not in looks:
            plane = planes.get(int(nearest[np.abs(nearest - k).argmin()]))
            planes[k] = plane and plane._replace(shape=tuple(image.shape[1:]))
        found.append(planes.get(k))
    verdicts = {}
    if whole and len(fitted.verdicts) == len(kept):
        verdicts = dict(zip(kept, fitted.verdicts, strict=True))
    verdicts |= {k: plane.verdict for k, plane in enumerate(found) if plane}
    of_all = of_windows(fitted.verdicts)
    verdicts = tuple(verdicts.get(k, of_all) for k in range(len(images)))
    return replace(fitted, planes=tuple(found), verdicts=verdicts)


def _look(image):
    """Look at a few windows of an image."""
    windows = few_windows(image)
    roughness, means = [], []
    for c in range(image.shape[0]):
        bends = np.concatenate(
            [np.diff(np.diff(w[c], axis=0), axis=1).ravel() ** 2 for w in windows]
        )
        # Without the upper tenth, in which edges are.
        bends = np.sort(bends)[: max(1, int(0.9 * len(bends)))]
        roughness.append(np.sqrt(bends.mean()) if len(bends) else 0.0)
        means.append(np.concatenate([_block_means(w[c]) for w in windows]))
    return _Look(are_constant(windows), np.array(roughness), np.array(means))


def _block_means(channel):
    """Means of blocks of a channel (h, w), or of all of a tiny one."""
    blocks = cut_blocks(channel, _BLOCK)
    return blocks.mean(axis=(1, 2)) if len(blocks) else np.array([channel.mean()])


def _is_dead(image):
    """Whether an image, constant at a glance, is so when looked at well."""
    return are_constant(plane_windows(image, np.random.default_rng(0), 1))


def _dead_plane(image):
    """What leaves a constant plane as it is."""
    values = image.read(0, 0, 1, 1)[:, 0, 0]
    low = float(values.min())
    noise = tuple(NoiseModel(level=0.0, offset=value) for value in values)
    return Plane(tuple(image.shape[1:]), None, Intensities((low, low)), noise, CONSTANT)


def _measured(image):
    """Measure the noise of every channel of an image in a few windows."""
    channels = zip(*few_windows(image), strict=True)  # windows (h, w), by channel
    return tuple(estimate_noise(list(c)) for c in channels)


def _quiet(looks, measured):
    """Numbers of planes, of those looked at, with less noise than most have."""
    levels = {k: np.array([m.level for m in models]) for k, models in measured.items()}

    def is_quiet(k):
        near, factor = _nearest_measured(k, looks, measured)
        # By how bright it is: a dark plane has less noise of photons.
        most = np.median([looks[k].level(m) for m in measured.values()], axis=0)
        return (_QUIETER * factor * levels[near] < most).any()

    quiet = set(filter(is_quiet, looks)) if any(map(is_quiet, measured)) else set()
    return quiet if len(quiet) < len(looks) else set()


def _nearest_measured(k, looks, measured):
    """Number of the measured plane nearest to another, as rough; by what it differs."""
    if k in measured:
        return k, np.ones(len(looks[k].means))
    rough = np.log(np.maximum(looks[k].roughness, 1e-300))

    def differs(other):
        its = np.log(np.maximum(looks[other].roughness, 1e-300))
        return bool((np.abs(its - rough) > np.log(_FARTHEST)).any())

    near = min(measured, key=lambda other: (differs(other), abs(other - k), other))
    return near, _rougher(looks[k], looks[near], measured[near])


def _differing(images, looks, measured, fitted, data_range, plan, resources):
    """Find planes for all that were looked at; none where their noise is the same."""
    shared = noise_in_units(fitted)
    numbers = list(measured)
    features = np.array([_features(measured[k], looks[k], shared) for k in numbers])
    allowed = np.array([_allowed(measured[k]) for k in numbers])
    off = features - np.median(features, axis=0)
    differs = np.abs(off) > allowed
    differs[:, : len(shared)] |= off[:, : len(shared)] < -np.log(_QUIETER)
    if not differs.any():
        return {}

    chosen = [numbers[i] for i in _most_different(features, _MOST_FITS)]
    suspects = [k for k in chosen if differs[numbers.index(k)].any()]
    fits = {}

    def fit_each(some):
        for k in some:
            fits[k] = _own_fit(images[k], len(chosen), data_range, plan, resources)
            progress = Progress(MEASURING_PLANES, len(fits), len(chosen), float("nan"))
            report(resources.callback, progress)

    fit_each(suspects)
    if all(_agrees(fits[k], shared, looks[k]) for k in suspects):
        typical = min(chosen, key=lambda k: np.abs(off[numbers.index(k)]).max())
        fit_each({typical} - fits.keys())
        if _agrees(fits[typical], shared, looks[typical]):
            return {}  # it was texture that differed
    fit_each(k for k in chosen if k not in fits)
    planes = {}
    for k, own in fits.items():
        # Where texture hides the noise, all planes know it better.
        if _is_sure(own) or not _agrees(own, shared, looks[k]):
            planes[k] = _plane(images[k], own, fitted)
    of_number = dict(zip(numbers, features, strict=True))
    for k in looks:
        if k in fits:
            continue
        near, factor = _nearest_measured(k, looks, measured)
        apart = [np.abs(of_number[other] - of_number[near]).max() for other in chosen]
        model = chosen[int(np.argmin(apart))]
        if model not in planes:
            continue
        if near != model:
            told = np.array([m.level for m in measured[near]])
            expected = np.maximum(looks[near].level(measured[model]), 1e-300)
            factor = factor * told / expected
        planes[k] = _louder(planes[model], factor, images[k])
    return planes


def _to_measure(looks):
    """Numbers of the planes that are measured: all, or a part of them."""
    numbers = np.array(list(looks))
    if len(numbers) <= _MOST_MEASURED:
        return numbers.tolist()
    rough = np.log(np.maximum([look.roughness for look in looks.values()], 1e-300))
    around = np.pad(rough, ((_NEIGHBOURS, _NEIGHBOURS), (0, 0)), "reflect")
    around = np.lib.stride_tricks.sliding_window_view(
        around, 2 * _NEIGHBOURS + 1, axis=0
    )
    apart = np.abs(rough - np.median(around, axis=-1)).max(axis=1)
    some = set(evenly(len(numbers), _MOST_MEASURED // 2))
    for i in np.argsort(-apart, kind="stable").tolist():
        if len(some) == _MOST_MEASURED:
            break
        some.add(i)
    return numbers[sorted(some)].tolist()


def _features(models, look, shared):
    """Level of a plane's noise for what all planes' says, and correlation; (3 C,)."""
    expected = np.maximum(look.level(shared), 1e-300)
    if not any(model.level for model in shared):
        expected = np.ones(len(shared))
    level = np.log(np.maximum([model.level for model in models], 1e-300) / expected)
    correlation = [model.correlation[:, 0] for model in models]
    share = _SAME_LEVEL / _SAME_CORRELATION
    return np.concatenate([level, share * np.ravel(correlation)])


def _allowed(models):
    """By how much features may differ by chance."""
    level = _SAME_LEVEL + _SPREADS * np.array([_spread(model) for model in models])
    return np.concatenate([level, np.repeat(level, 2)])


def _spread(model):
    return _UNKNOWN_SPREAD if model.spread is None else model.spread


def _most_different(features, most):
    """Indices of features (n, m) that are far apart: every other one is near to one."""
    if len(features) <= most:
        return list(range(len(features)))
    middle = np.abs(features - np.median(features, axis=0)).max(axis=1)
    chosen = [int(middle.argmin())]
    apart = np.full(len(features), np.inf)
    while len(chosen) < most:
        latest = np.abs(features - features[chosen[-1]]).max(axis=1)
        apart = np.minimum(apart, latest)
        if apart.max() < _CLOSE:
            break
        chosen.append(int(apart.argmax()))
    return chosen


def _own_fit(image, n_fits, data_range, plan, resources):
    """Measure a plane alone; mixture and stage 3 are those of all planes."""
    rng = np.random.default_rng(resources.seed)
    alone = replace(plan, factors=(), detail_steps=0, one_image=True)
    windows = plane_windows(image, rng, alone.alignment, n_fits)
    alone = replace(alone, shape=shape_of_whole([image], windows))
    return fit_from_prior(windows, data_range, alone, replace(resources, callback=None))


def _plane(image, own, fitted):
    """What transforms a plane that was measured alone."""
    stages = _shared(own, fitted)
    return Plane(
        image.shape[1:],
        stages,
        own.intensities,
        noise_in_units(own),
        worst_of(own.verdicts),
    )


def _shared(own, fitted):
    """Stages of a plane with the networks and the mixture of all."""
    stages = own.stages
    if stages is None:
        return None
    if fitted.stages is None:
        return replace(stages, networks=fitted.networks)
    stages = replace(fitted.stages, correlation=stages.correlation)
    if own.intensities.channels != fitted.intensities.channels:
        # Stage 3 knows the channels that all have.
        stages = replace(stages, networks=stages.networks[:1])
    return stages


def _is_sure(own):
    """Whether the noise of a plane is known closely."""
    return max(_spread(model) for model in own.noise) <= _SURE_SPREAD


def _agrees(own, shared, look):
    """Whether a plane's noise is, as far as it is known, that of all planes."""
    noise = noise_in_units(own)
    levels = look.level(noise), look.level(shared)
    least = 1e-6 * max(levels[1].max(), levels[0].max(), 1e-300)
    louder = np.log(np.maximum(levels[0], least) / np.maximum(levels[1], least))
    lags = [
        np.abs(one.correlation[:, 0] - other.correlation[:, 0])
        for one, other in zip(noise, shared, strict=True)
    ]
    close = np.abs(louder) <= _allowed(noise)[: len(noise)]
    close &= louder > -np.log(_FARTHEST)
    return bool(close.all() and np.max(lags) <= _SAME_CORRELATION)


def _rougher(look, near, models):
    """By what factor (C,) the noise of a plane is stronger than that of one nearby."""
    seen = np.maximum(look.roughness, 1e-300) / np.maximum(near.roughness, 1e-300)
    expected = look.level(models) / np.maximum(near.level(models), 1e-300)
    factor = seen / np.where(expected > 0, expected, 1.0)
    return np.where(np.abs(np.log(factor)) > _SAME_LEVEL, factor, 1.0)


def _louder(plane, factor, image):
    """A plane with noise of the kind of another one, by factors (C,) stronger."""
    shape = tuple(image.shape[1:])
    if plane.stages is None:
        return plane._replace(shape=shape)
    factor = np.clip(factor, 1 / _FARTHEST, _FARTHEST)
    factor = np.where(np.abs(np.log(factor)) > _CLOSE, factor, 1.0)
    models, own = plane.intensities.noise, plane.intensities.with_noise(factor)
    models = tuple(m.louder(float(f)) for m, f in zip(models, own, strict=True))
    noise = tuple(m.louder(float(f)) for m, f in zip(plane.noise, factor, strict=True))
    intensities = replace(plane.intensities, noise=models, places=None)
    return Plane(shape, plane.stages, intensities, noise, plane.verdict)


def with_like_ones(planes):
    """Let planes of a stack whose noise is the same be transformed in the same way.

    Their pixels can be averaged then. Each has been measured alone where any of them
    differs, and so differs a little from the others.

    Parameters
    ----------
    planes : sequence of Plane or None
        As `Fitted` has them.

    Returns
    -------
    tuple of Plane or None
        Of those with the same noise, all are the one whose level is in the middle.
    """
    groups = []  # of numbers; their noise is that of the first
    for k, plane in enumerate(planes):
        if plane is None or plane.stages is None or plane.intensities.places:
            continue
        for group in reversed(groups):
            if _is_like(planes[group[0]], plane):
                group.append(k)
                break
        else:
            groups.append([k])
    found = list(planes)
    for group in groups:
        ordered = sorted(group, key=lambda k: planes[k].noise[0].level)
        for k in group:
            found[k] = planes[ordered[len(ordered) // 2]]
    return tuple(found)


def _is_like(one, other):
    """Whether two planes have the same noise, by what was measured."""
    if one.shape != other.shape:
        return False
    if one.intensities.channels != other.intensities.channels:
        return False
    for a, b in zip(one.noise, other.noise, strict=True):
        if abs(np.log(max(a.level, 1e-300) / max(b.level, 1e-300))) > _SAME_LEVEL:
            return False
        if np.abs(a.correlation[:, 0] - b.correlation[:, 0]).max() > _SAME_CORRELATION:
            return False
    return True


def noise_in_units(fitted):
    """The noise of every channel in the units of the images.

    Parameters
    ----------
    fitted : Fitted
        By the prior network.

    Returns
    -------
    tuple of NoiseModel
    """
    low, span = fitted.intensities.data_range[0], fitted.intensities.span
    return tuple(model.rescaled(span, low) for model in fitted.noise)
