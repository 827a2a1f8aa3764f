"""The start from the prior network: the noise is measured, nothing is trained on it.

The prior network was trained beforehand, on generated images alone. What `fit` settles
is what it is conditioned on: the noise of the images, measured in turns with its help.
Only where stage 3 is asked for, a network is trained on top of it.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from n2d.core.crops import recover_detail
from n2d.core.device import computing_in
from n2d.core.mixture import correlated_noise, smallest_risk
from n2d.core.network import Correction, random_network
from n2d.core.prior import PRIOR_ALIGNMENT, load_prior
from n2d.core.prior_stages import PriorStages
from n2d.core.progress import Progress, report
from n2d.core.stages import PARTIAL_DENOISING
from n2d.core.team import share
from n2d.fitting.intensities import Intensities, decorrelating_rotation
from n2d.fitting.parts import checked_parts, sample_of
from n2d.fitting.plan import Fitted, are_flat, settled_scale
from n2d.fitting.quiet import (
    NO_NOISE,
    at_least_a_little,
    fitted_to,
    is_noisy,
    some_noisy,
)
from n2d.fitting.verdicts import (
    NONSENSE,
    is_nonsense,
    verdict_on_nothing_removed,
    verdicts_on,
)
from n2d.fitting.windows import training_windows
from n2d.noise import (
    UNDERSTATED,
    Defects,
    discount_texture,
    doubt_noise,
    estimate_noise,
    find_places,
    is_sure,
    refine_noise,
    without_stuck_pixels,
)
from n2d.noise.place import find_pattern
from n2d.noise.refine import may_reach_further

# Noise counts as settled when a round changes its level by less than this share, and
# its correlation by less than this.
_SETTLED = 0.02

_PROBE = 0.1

# Second thoughts take away no more of a level that was surely measured: a denoiser that
# has never seen such noise, or stripes and lattices beside it, removes less than it is.
_SURE_KEPT = 0.9

# Neighbours more correlated than this, for sure, are not so by texture.
_SURELY_BLURRED = 0.2


@dataclass(frozen=True)
class PriorPlan:
    """The settled hyperparameters of a fit with the prior network.

    Attributes
    ----------
    hidden_channels : int
        Channels of the prior network, and of the one of stage 3.
    n_rounds : int
        How often, at most, the noise is measured again on what was taken away.
    factors : tuple of int
        Downsampling factors that the mixture of stage 2 may use.
    detail_steps : int
        Optimizer steps of stage 3, at most; 0: no stage 3.
    detail_learning_rate : float
        The highest learning rate of stage 3.
    strength : float
        Noise level that the network is conditioned on, in units of the measured one.
    stripes_go : bool
        Whether offsets of rows and columns that are noise are taken out.
    shape : tuple of two int, optional
        Of the image, where one has been read whole: its places are known.
    one_image : bool
        Whether all windows are of one image.
    noise : tuple of NoiseModel, optional
        Of every channel, in the units of the images, where it is told. Nothing is
        measured then.
    """

    hidden_channels: int
    n_rounds: int = 3
    factors: tuple = ()
    detail_steps: int = 0
    detail_learning_rate: float = 3e-3
    strength: float = 1.0
    stripes_go: bool = False
    shape: tuple | None = None
    one_image: bool = True
    noise: tuple | None = None

    @property
    def alignment(self):
        """What the sides of windows have to be multiples of."""
        # Phase images are folded and halved by the network like any other.
        return PRIOR_ALIGNMENT * math.lcm(1, *self.factors)

    def windows(self, images, rng):
        """Read what the noise is measured on: parts of the images."""
        return training_windows(images, rng, self.alignment)


def fit_from_prior(windows, data_range, plan, resources, measured=None):
    """Settle what the prior network is conditioned on, then train stage 3, if any.

    In turns, the images are denoised and their noise is measured on what was taken
    away, until that changes nothing or `plan.n_rounds` is reached.

    Parameters
    ----------
    windows : list of ndarray of shape (C, h, w)
        Pixel values, as `plan` has read them.
    data_range : tuple of two floats
        What is mapped to 0 and 1.
    plan : PriorPlan
        The hyperparameters.
    resources : Resources
        Where to compute.
    measured : sequence of NoiseModel, optional
        The noise of every channel in units of the scaled image, if that is known.

    Returns
    -------
    Fitted
    """
    prior = load_prior(plan.hidden_channels).requires_grad_(False)
    prior = prior.to(resources.device, memory_format=torch.channels_last)
    data_range = settled_scale(windows, data_range)
    unit = Intensities(data_range)
    scaled = [(window - data_range[0]) / unit.span for window in windows]
    if plan.noise is not None:
        return _told(prior, windows, scaled, data_range, plan, resources)
    parts = checked_parts(windows, plan.one_image)
    sample = sample_of(parts)
    generator = resources.generator()

    channels = list(zip(*scaled, strict=True))  # windows (h, w), channel by channel
    measured = measured or [estimate_noise(list(c)) for c in channels]
    if some := some_noisy(measured):
        rest = data_range, plan, resources
        return fitted_to(some, measured, windows, fit_from_prior, *rest)
    channels = list(map(without_stuck_pixels, channels, measured))
    places = None
    if plan.shape is not None:
        whole = [c[0][: plan.shape[0], : plan.shape[1]] for c in channels]
        places, measured = zip(*map(find_places, whole, measured), strict=True)
        places = tuple(p if plan.stripes_go else p.with_stripes() for p in places)
        places = places if any(places) else None
    sure = [is_sure(m, list(c)) for m, c in zip(measured, channels, strict=True)]
    noise = tuple(
        m if certain and m.correlation.max() > _SURELY_BLURRED else discount_texture(m)
        for m, certain in zip(measured, sure, strict=True)
    )
    least = [
        _SURE_KEPT * model.level if certain else 0.0
        for model, certain in zip(noise, sure, strict=True)
    ]
    if not all(sure):
        doubted = _doubted(prior, noise, sample, scaled, data_range, places, resources)
        noise = _unless(sure, noise, doubted)
    losses, stopped, seen, n_rounds = [], "max_iter reached", {}, plan.n_rounds
    correlated = max(np.abs(model.correlation).max() for model in measured)
    settled = all(sure) and correlated <= _SURELY_BLURRED
    if settled and not any(map(may_reach_further, noise)):
        # What is removed says no more: noisy images, real ones too, come out as well.
        losses, stopped, n_rounds = [0.0], "noise settled", 0
        report(resources.callback, Progress(PARTIAL_DENOISING, 1, 1, 0.0))
    for step in range(n_rounds):
        if all(model.level < NO_NOISE and not model.stuck for model in noise):
            losses.append(0.0)
            return Fitted(
                None,
                (prior,),
                unit,
                losses,
                noise,
                "no noise found",
                {1: 1.0},
                (verdict_on_nothing_removed(windows),),
            )
        intensities = _stabilizing(data_range, noise, scaled, places)
        found = _conditioned(prior, intensities, resources)
        looks = _looks(found, sample, intensities, resources, generator)
        refined = tuple(map(refine_noise, noise, *_channels(looks, unit)))
        refined = tuple(map(_no_weaker_than, refined, least))
        losses.append(max(map(_difference, noise, refined)))
        report(
            resources.callback,
            Progress(PARTIAL_DENOISING, step + 1, n_rounds, losses[-1]),
        )
        if losses[-1] < _SETTLED:
            stopped = "noise settled"
            if plan.strength == 1 and not found.is_louder:  # this is the result there
                seen = {
                    part[1:]: x.denoised for part, x in zip(sample, looks, strict=True)
                }
            break
        noise = refined
    so_far = losses, stopped, measured, seen
    return _finished(
        windows, prior, scaled, data_range, places, plan, resources, so_far, noise
    )


def _told(prior, windows, scaled, data_range, plan, resources):
    """Believe what is told about the noise."""
    unit = Intensities(data_range)
    noise = tuple(
        model.rescaled(1 / unit.span, -data_range[0] / unit.span)
        for model in plan.noise
    )
    report(resources.callback, Progress(PARTIAL_DENOISING, 1, 1, 0.0))
    so_far = [0.0], "noise given", noise, {}
    if are_flat(windows) or not any(map(is_noisy, noise)):
        verdicts = (verdict_on_nothing_removed(windows),)
        return Fitted(
            None, (prior,), unit, [0.0], noise, "noise given", {1: 1.0}, verdicts
        )
    places = None
    if plan.shape is not None:
        whole = [w[: plan.shape[0], : plan.shape[1]] for w in scaled[0]]
        places = tuple(map(_told_places, whole, noise))
        places = tuple(p if plan.stripes_go else p.with_stripes() for p in places)
        places = places if any(places) else None
    return _finished(
        windows, prior, scaled, data_range, places, plan, resources, so_far, noise
    )


def _told_places(image, noise):
    """What a model says of the places of the one image (h, w) that it is for."""
    places = find_pattern(image, noise.defects or Defects())
    return places if noise.place is None else replace(places, level=noise.place)


def _finished(
    windows, prior, scaled, data_range, places, plan, resources, so_far, noise
):
    """Settle all that follows from the noise.

    `so_far`: losses, why they ended, the noise as it was measured at first, and what
    parts of the result, by their places, are known already.
    """
    losses, stopped, measured, seen = so_far
    if some := some_noisy(noise, told=plan.noise is not None):
        # What was seen of them beside the others is not what comes of them alone.
        so_far = losses, stopped, [measured[c] for c in some], {}
        places = places and tuple(places[c] for c in some)
        scaled = [window[some] for window in scaled]
        rest = prior, scaled, data_range, places, plan, resources, so_far
        return fitted_to(some, noise, windows, _finished, *rest)
    intensities = _stabilizing(data_range, noise, scaled, places)
    found = replace(
        _conditioned(prior, intensities, resources),
        strength=plan.strength,
        told=plan.noise is not None,
        judging=False,
    )
    parts = checked_parts(windows, plan.one_image)
    denoised = _denoised(found, parts, intensities, resources, seen)
    verdicts = verdicts_on(parts, denoised, intensities, noise, measured, plan)
    intensities = _keeping_the_mean(parts, denoised, intensities)
    # Stripes that go may be stronger.
    if not plan.stripes_go and is_nonsense(parts, denoised, intensities, noise):
        unit = Intensities(data_range)
        why, verdicts = "noise makes no sense", (NONSENSE,)
        return Fitted(None, (prior,), unit, losses, noise, why, {1: 1.0}, verdicts)
    if plan.factors:
        weights = _mixture(found, windows, intensities, plan.factors, resources)
        found = replace(found, weights=weights)
    if plan.detail_steps:
        h, detail_losses = _detail(found, windows, intensities, plan, resources)
        found = replace(found, networks=(*found.networks, h))
        losses += detail_losses
    mixture = {1: 1 - sum(found.weights.values()), **found.weights}
    return Fitted(
        found,
        found.networks,
        intensities,
        losses,
        noise,
        stopped,
        mixture,
        verdicts,
    )


def _no_weaker_than(noise, level):
    """Keep second thoughts about a channel from going below a level."""
    return noise.louder(level / noise.level) if 0 < noise.level < level else noise


def _unless(sure, noise, thought_twice):
    """Second thoughts about the channels that are not sure."""
    return tuple(
        first if certain else second
        for certain, first, second in zip(sure, noise, thought_twice, strict=True)
    )


def _doubted(prior, noise, sample, scaled, data_range, places, resources):
    """Conditioned on less noise than measured, does it take away more than that?"""
    if all(model.level < NO_NOISE for model in noise):
        return noise
    less = [model.louder(UNDERSTATED) for model in noise]
    intensities = _stabilizing(data_range, less, scaled, places)
    found = _conditioned(prior, intensities, resources)
    looks = _looks(found, sample, intensities, resources, resources.generator())
    unit = Intensities(data_range)
    return tuple(map(doubt_noise, noise, *_channels(looks, unit)))


class _Look(NamedTuple):
    """What the network does to a part: (C, h, w) each."""

    denoised: np.ndarray  # pixel values
    removed: np.ndarray
    probe: np.ndarray
    response: np.ndarray


def _looks(found, sample, intensities, resources, generator):
    """What the network does to every part of the sample."""
    probes = list(_probes(found, sample, intensities, resources, generator))
    looks = [None] * len(sample)

    def look(i):
        noisy, probe = probes[i]
        with torch.no_grad(), computing_in(resources.device, resources.precision):
            both = torch.cat([noisy, noisy + _PROBE * probe])
            estimate, probed = found.partial_denoising(both).split(1)
        response = (probed - estimate) / _PROBE
        looks[i] = _Look(
            intensities.backward(estimate[0].cpu().numpy(), *sample[i][1:3]),
            *(
                intensities.unrotate(kind[0].cpu().numpy())
                for kind in (noisy - estimate, probe, response)
            ),
        )

    share(look, [(i,) for i in range(len(sample))])
    return looks


def _channels(looks, unit):
    """The same as `refine_noise` takes it: for every channel, a list of every kind."""
    looks = [look._replace(denoised=unit.forward(look.denoised)) for look in looks]
    return [
        [[kinds[k][c] for kinds in looks] for c in range(len(looks[0].removed))]
        for k in range(len(_Look._fields))
    ]


def _stabilizing(data_range, noise, scaled, places):
    """Intensities in which the noise of every channel has deviation 1."""
    noise = tuple(map(at_least_a_little, noise))
    if len(noise) == 1:
        return Intensities(data_range, noise, places=places)
    intensities = Intensities((0.0, 1.0), noise, places=places)
    stabilized = [intensities.forward(window) for window in scaled]
    # Small images tell too little, and where there is no noise it does not matter.
    spread = max(1.0 if model.spread is None else model.spread for model in noise)
    rotation = decorrelating_rotation(stabilized, spread, noise[0].shared)
    return Intensities(data_range, noise, rotation, places=places)


def _conditioned(prior, intensities, resources):
    """The stages of the prior network for the noise of stabilised intensities."""
    correlation = np.stack([_four_directions(model) for model in intensities.noise])
    if intensities.rotation is not None:
        # The noise of a mixture of independent channels.
        shares = intensities.rotation**2
        shares = shares / shares.sum(axis=1, keepdims=True)
        correlation = np.tensordot(shares, correlation, axes=1)
    correlation = resources.tensor(correlation.astype(np.float32))
    return PriorStages((prior,), correlation, {}, judging=True)


def _four_directions(noise):
    """Correlation (4, n_lags) along y, x and both diagonals, as far as it is known."""
    axes = noise.correlation
    known = noise.autocorrelation()[2:, 1:]
    diagonals = np.zeros_like(axes)
    n_lags = min(axes.shape[1], known.shape[1])
    diagonals[:, :n_lags] = known[:, :n_lags]
    return np.concatenate([axes, diagonals])


def _difference(noise, refined):
    """How much two measurements differ, in level or in correlation."""
    level = abs(refined.level - noise.level) / max(noise.level, refined.level, NO_NOISE)
    return float(max(level, np.abs(refined.correlation - noise.correlation).max()))


def _mixture(found, windows, intensities, factors, resources):
    """Weights of stage 2, {r: weight}, for the factors that lower the risk."""

    def estimates_of(noisy):
        refined = [found.background_refinement(noisy, r) for r in factors]
        return [found.partial_denoising(noisy), *refined]

    noisy = [resources.tensor(intensities.forward(window)) for window in windows]
    with torch.no_grad():
        weights = smallest_risk(
            estimates_of, noisy, found.correlation, resources.generator()
        )
    return {r: weight for r, weight in zip(factors, weights[1:], strict=True) if weight}


def _denoised(found, parts, intensities, resources, seen):
    """Pixel values (C, h, w) of parts of the windows after stage 1."""
    denoised = [seen.get(part[1:]) for part in parts]

    def denoise(i):
        noisy = resources.tensor(intensities.forward(*parts[i][:3]))[None]
        with torch.no_grad(), computing_in(resources.device, resources.precision):
            estimate = found.partial_denoising(noisy)[0].cpu().numpy()
        denoised[i] = intensities.backward(estimate, *parts[i][1:3])

    share(denoise, [(i,) for i, known in enumerate(denoised) if known is None])
    return denoised


def _keeping_the_mean(parts, denoised, intensities):
    """Intensities that map estimates to the mean intensity of every channel.

    The unbiased inverse keeps means only where the noise is of the kind it assumes;
    pulses of a photomultiplier, or a detector that clips, are not.
    """
    before = sum(
        intensities.known(values, estimate, top, left).sum(axis=(1, 2))
        for (values, top, left, _), estimate in zip(parts, denoised, strict=True)
    )
    after = sum(values.sum(axis=(1, 2)) for values in denoised)
    n_pixels = sum(part.values[0].size for part in parts)
    return replace(intensities, shift=(before - after) / n_pixels)


def _detail(found, windows, intensities, plan, resources):
    """Train h, the network of stage 3; return it and its losses.

    Stein's unbiased risk judges it, since what is left of the noise in d2 is the same
    noise as in y, and the loss falls where h learns to bring it back.
    """
    generator = resources.generator()
    n_channels = len(windows[0])
    untrained = random_network(n_channels, plan.hidden_channels, "replicate", generator)
    detail = Correction(untrained.to(resources.device))
    sample = sample_of(checked_parts(windows, plan.one_image))
    parts = [
        (y, *(found.estimates(x).stage2 for x in (y, y + _PROBE * probe)), probe)
        for y, probe in _probes(found, sample, intensities, resources, generator)
    ]  # each (1, C, h, w)

    def risk():
        total = 0.0
        for y, smooth, probed, probe in parts:
            estimate, moved = detail(smooth), detail(probed)
            response = (moved - estimate) / _PROBE
            total += ((estimate - y).square() + 2 * response * probe).sum().item()
        return total

    losses = recover_detail(
        detail,
        [smooth[0] for _, smooth, _, _ in parts],
        [y[0] for y, _, _, _ in parts],
        plan.detail_steps,
        learning_rate=plan.detail_learning_rate,
        generator=generator,
        callback=resources.callback,
        judge=risk,
    )
    return detail.requires_grad_(False), losses


def _probes(found, sample, intensities, resources, generator):
    """Yield what the networks see of each part, (1, C, h, w), and noise like its."""
    for part in sample:
        noisy = resources.tensor(intensities.forward(*part[:3]))[None]
        probe = correlated_noise(noisy.shape[1:], found.correlation, generator)
        yield noisy, probe.to(resources.device)[None]
