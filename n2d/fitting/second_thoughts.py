"""Second thoughts about the noise: what does the prior network take away?"""

from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from n2d.core.device import computing_in
from n2d.core.progress import Progress, report
from n2d.core.stages import PARTIAL_DENOISING
from n2d.core.team import share
from n2d.fitting.conditioned import PROBE, conditioned, probes
from n2d.fitting.intensities import Intensities
from n2d.fitting.quiet import NO_NOISE
from n2d.noise import (
    UNDERSTATED,
    discount_texture,
    doubt_noise,
    is_sure,
    least_level,
    refine_noise,
)
from n2d.noise.refine import may_reach_further

#: Why second thoughts ended where there was nothing left to think about.
NO_NOISE_FOUND = "no noise found"

# Noise counts as settled when a round changes its level by less than this share, and
# its correlation by less than this.
_SETTLED = 0.02

# Neighbours more correlated than this, for sure, are not so by texture.
_SURELY_BLURRED = 0.2


class Thoughts(NamedTuple):
    """What the noise is taken for in the end."""

    noise: tuple  # of every channel
    losses: list  # by how much each round changed it
    stopped: str  # why there were no more of them
    seen: dict  # parts of the result that are known already, by their places


def think_twice(
    measured, channels, prior, sample, scaled, data_range, places, plan, resources
):
    """Measure noise again on what the network takes away, until that changes nothing.

    Parameters
    ----------
    measured : sequence of NoiseModel
        As it was measured on every channel.
    channels : sequence of list of ndarray of shape (h, w)
        The windows that it was measured on, of every channel.
    prior : torch.nn.Module
        The prior network.
    sample : list of Part
        Parts of the windows that the network is applied to.
    scaled, data_range, places, resources
        As for `n2d.fitting.conditioned.conditioned`.
    plan : PriorPlan
        The number of rounds, and the strength.

    Returns
    -------
    Thoughts
    """
    unit = Intensities(data_range)
    on = partial(
        conditioned,
        prior,
        scaled=scaled,
        data_range=data_range,
        places=places,
        resources=resources,
    )
    generator = resources.generator()
    sure = [is_sure(m, list(c)) for m, c in zip(measured, channels, strict=True)]
    noise = tuple(
        m if certain and m.correlation.max() > _SURELY_BLURRED else discount_texture(m)
        for m, certain in zip(measured, sure, strict=True)
    )
    least = [
        min(model.level, least_level(m, c))
        for model, m, c in zip(noise, measured, channels, strict=True)
    ]
    if not all(sure) and any(model.level >= NO_NOISE for model in noise):
        # Told less than was measured, does it take away more than that?
        found, intensities = on([model.louder(UNDERSTATED) for model in noise])
        looks = _looks(found, sample, intensities, resources, resources.generator())
        doubted = map(doubt_noise, noise, *_channels(looks, unit))
        doubted = map(_no_weaker_than, doubted, least)
        noise = tuple(
            first if certain else second
            for certain, first, second in zip(sure, noise, doubted, strict=True)
        )
    correlated = max(np.abs(model.correlation).max() for model in measured)
    settled = all(sure) and correlated <= _SURELY_BLURRED
    if settled and not any(map(may_reach_further, noise)):
        # What is removed says no more: noisy images, real ones too, come out as well.
        report(resources.callback, Progress(PARTIAL_DENOISING, 1, 1, 0.0))
        return Thoughts(noise, [0.0], "noise settled", {})
    losses = []
    for step in range(plan.n_rounds):
        if all(model.level < NO_NOISE and not model.stuck for model in noise):
            return Thoughts(noise, [*losses, 0.0], NO_NOISE_FOUND, {})
        found, intensities = on(noise)
        looks = _looks(found, sample, intensities, resources, generator)
        refined = map(refine_noise, noise, *_channels(looks, unit))
        refined = tuple(map(_no_weaker_than, refined, least))
        losses.append(max(map(_difference, noise, refined)))
        progress = Progress(PARTIAL_DENOISING, step + 1, plan.n_rounds, losses[-1])
        report(resources.callback, progress)
        if losses[-1] < _SETTLED:
            seen = {}
            if plan.strength == 1 and not found.is_louder:  # this is the result there
                seen = {
                    part[1:]: x.denoised for part, x in zip(sample, looks, strict=True)
                }
            return Thoughts(noise, losses, "noise settled", seen)
        noise = refined
    return Thoughts(noise, losses, "max_iter reached", {})


def _no_weaker_than(noise, level):
    """Keep second thoughts about a channel from going below a level."""
    return noise.louder(level / noise.level) if 0 < noise.level < level else noise


class _Look(NamedTuple):
    """What the network does to a part: (C, h, w) each."""

    denoised: np.ndarray  # pixel values
    removed: np.ndarray
    probe: np.ndarray
    response: np.ndarray


def _looks(found, sample, intensities, resources, generator):
    """What the network does to every part of the sample."""
    seen = list(probes(found, sample, intensities, resources, generator))
    looks = [None] * len(sample)

    def look(i):
        noisy, probe = seen[i]
        with torch.no_grad(), computing_in(resources.device, resources.precision):
            both = torch.cat([noisy, noisy + PROBE * probe])
            estimate, probed = found.partial_denoising(both).split(1)
        response = (probed - estimate) / PROBE
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


def _difference(noise, refined):
    """How much two measurements differ, in level or in correlation."""
    level = abs(refined.level - noise.level) / max(noise.level, refined.level, NO_NOISE)
    return float(max(level, np.abs(refined.correlation - noise.correlation).max()))
