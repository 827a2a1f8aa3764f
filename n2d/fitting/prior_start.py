"""The start from the prior network: the noise is measured, nothing is trained on it.

The prior network was trained beforehand, on generated images alone. What `fit` settles
is what it is conditioned on: the noise of the images, measured in turns with its help.
Only where stage 3 is asked for, a network is trained on top of it.
"""

import math
from dataclasses import dataclass, replace

import torch

from n2d.core.crops import recover_detail
from n2d.core.device import computing_in
from n2d.core.mixture import smallest_risk
from n2d.core.network import Correction, random_network
from n2d.core.prior import PRIOR_ALIGNMENT, load_prior
from n2d.core.progress import Progress, report
from n2d.core.stages import PARTIAL_DENOISING
from n2d.core.team import share
from n2d.fitting.conditioned import PROBE, conditioned, probes
from n2d.fitting.intensities import Intensities
from n2d.fitting.parts import checked_parts, sample_of
from n2d.fitting.plan import Fitted, are_flat, settled_scale
from n2d.fitting.quiet import fitted_to, is_noisy, some_noisy
from n2d.fitting.second_thoughts import NO_NOISE_FOUND, think_twice
from n2d.fitting.verdicts import (
    NONSENSE,
    is_nonsense,
    verdict_on_nothing_removed,
    verdicts_on,
)
from n2d.fitting.windows import training_windows
from n2d.noise import Defects, estimate_noise, find_places, without_stuck_pixels
from n2d.noise.place import find_pattern


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
    noise, losses, stopped, seen = think_twice(
        measured, channels, prior, sample, scaled, data_range, places, plan, resources
    )
    if stopped == NO_NOISE_FOUND:
        verdicts = (verdict_on_nothing_removed(windows),)
        return Fitted(None, (prior,), unit, losses, noise, stopped, {1: 1.0}, verdicts)
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
    found, intensities = conditioned(
        prior,
        noise,
        scaled=scaled,
        data_range=data_range,
        places=places,
        resources=resources,
    )
    found = replace(
        found,
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
        (y, *(found.estimates(x).stage2 for x in (y, y + PROBE * probe)), probe)
        for y, probe in probes(found, sample, intensities, resources, generator)
    ]  # each (1, C, h, w)

    def risk():
        total = 0.0
        for y, smooth, probed, probe in parts:
            estimate, moved = detail(smooth), detail(probed)
            response = (moved - estimate) / PROBE
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
