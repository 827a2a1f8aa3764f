"""How `fit` gets from windows of images to stages that can be applied.

One function for networks trained from random weights, one for the learned start. Both
take and return plain values; `n2d.denoiser` knows the user, `n2d.core` the tensors.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from n2d._intensity import Intensities, decorrelating_rotation
from n2d.core import stages
from n2d.core.learned import LearnedStages
from n2d.core.mixture import correlated_noise, smallest_risk
from n2d.core.network import Correction, random_network
from n2d.core.prior import load_prior
from n2d.core.sampling import random_crops
from n2d.core.training import Progress, TrainingCancelled
from n2d.noise import (
    UNDERSTATED,
    NoiseModel,
    discount_texture,
    doubt_noise,
    estimate_noise,
    find_places,
    is_sure,
    refine_noise,
)

# Flips and transposes over which the learned start is averaged.
_VIEWS = 4

# White noise is told to be a little weaker than it is. The network was trained to make
# the mean logarithm of small patches' errors small, in which flat patches count as much
# as busy ones; whole images ask for a little more detail. Worth 0.03 dB on confocal and
# 0.02 dB on two-photon images, 0.13 to 0.2 dB on photographs, and SSIM everywhere; it
# costs wide-field and CT images, whose noise is correlated, 0.1 to 1.1 dB.
_TOLD_LEVEL = 0.9

# Noise counts as settled when a round changes its level by less than this share, and
# its correlation by less than this.
_SETTLED = 0.02

# The noise is measured again on so many pixels, in squares of this side.
_ENOUGH_PIXELS = 2**17
_SAMPLE_SIDE = 128
_PROBE = 0.1

# Second thoughts take away no more of a level that was surely measured: a denoiser that
# has never seen such noise, or stripes and lattices beside it, removes less than it is.
_SURE_KEPT = 0.9

# Neighbours more correlated than this, for sure, are not so by texture.
_SURELY_BLURRED = 0.2

# Noise below this share of the intensity range is none.
_NO_NOISE = 1e-6


@dataclass
class Fitted:
    """What a solver returns.

    Attributes
    ----------
    stages : TrainedStages, LearnedStages or None
        How to denoise; None: not at all, there is no noise.
    networks : tuple of torch.nn.Module
        The networks of the stages.
    intensities : Intensities
        What the stages see of pixel values.
    losses : list of float
        One for every step.
    noise : tuple of NoiseModel or None
        The noise of every channel in units of the scaled image, where it was measured.
    stopped : str
        Why the steps ended.
    mixture : dict of int to float
        Weights of d1, under 1, and of the p_r in stage 2.
    """

    stages: stages.TrainedStages | LearnedStages | None
    networks: tuple
    intensities: Intensities
    losses: list
    noise: tuple | None
    stopped: str
    mixture: dict


@dataclass
class Plan:
    """The settled hyperparameters of a fit.

    Attributes
    ----------
    solver : {"fast", "paper"}
        Whether stage 1 and 3 learn from crops or from whole images.
    hidden_channels, n_steps, detail_steps : int
        As the estimator's parameters.
    factors : tuple of int
        As the estimator's `downsampling_factors`.
    learning_rate : float
        As the estimator's parameter.
    device : torch.device
        Where to compute.
    seed : int
        Of weights and crops.
    callback : callable or None
        See `n2d.core.training.train`.
    shape : tuple of two int, optional
        Of the image, where one has been read whole: its places are known.
    """

    solver: str
    hidden_channels: int
    n_steps: int
    detail_steps: int
    factors: tuple
    learning_rate: float
    device: torch.device
    seed: int
    callback: object
    shape: tuple | None = None

    def generator(self):
        """Return the source of randomness."""
        return torch.Generator().manual_seed(self.seed)

    def tensor(self, values):
        """Move an array (C, h, w) to the device."""
        return torch.from_numpy(values).to(self.device)


def fit_from_random(windows, data_range, plan):
    """Train both networks from random weights.

    Parameters
    ----------
    windows : list of ndarray of shape (C, h, w)
        Pixel values; all of one size with the paper's solver.
    data_range : tuple of two floats
        What is mapped to 0 and 1.
    plan : Plan
        The hyperparameters.

    Returns
    -------
    Fitted
    """
    intensities = Intensities(data_range)
    tensors = [plan.tensor(intensities.forward(window)) for window in windows]
    paper = plan.solver == "paper"
    generator = plan.generator()
    networks = [_network(len(windows[0]), plan, generator)]
    if plan.detail_steps:
        networks.append(_network(len(windows[0]), plan, generator))
    schedule = {
        "factors": plan.factors,
        "detail_steps": plan.detail_steps,
        "learning_rate": plan.learning_rate,
        "callback": plan.callback,
    }
    if paper:
        noisy = torch.stack(tensors)
        losses = stages.run_paper(noisy, networks, plan.n_steps, **schedule).losses
    else:
        losses = stages.run_crops(
            tensors, networks, plan.n_steps, generator=generator, **schedule
        )
    networks = tuple(network.requires_grad_(False) for network in networks)
    trained = stages.TrainedStages(networks, plan.factors, clamp=paper)
    early = (len(losses[0]), len(losses[1])) != (plan.n_steps, plan.detail_steps)
    losses = [*losses[0], *losses[1]]
    mixture = dict.fromkeys((1, *plan.factors), 1 / (1 + len(plan.factors)))
    stopped = "held-out loss settled" if early else "schedule ended"
    return Fitted(trained, networks, intensities, losses, None, stopped, mixture)


def _network(n_channels, plan, generator):
    """An untrained network on the device."""
    padding_mode = "zeros" if plan.solver == "paper" else "replicate"
    return random_network(n_channels, plan.hidden_channels, padding_mode, generator).to(
        plan.device
    )


def fit_from_learned_start(windows, data_range, plan):
    """Adapt what the learned start is told to the images, then train stage 3.

    In turns, the images are denoised and their noise is measured on what was taken
    away, until that changes nothing or `plan.n_steps` is reached.

    Parameters
    ----------
    windows, data_range, plan
        As for `fit_from_random`.

    Returns
    -------
    Fitted
    """
    start = load_prior(plan.hidden_channels).requires_grad_(False)
    start = start.to(plan.device, memory_format=torch.channels_last)
    unit = Intensities(data_range)
    scaled = [(window - data_range[0]) / unit.span for window in windows]
    channels = list(zip(*scaled, strict=True))  # windows (h, w), channel by channel
    measured = [estimate_noise(list(c)) for c in channels]
    places = None
    if plan.shape is not None:
        whole = [c[0][: plan.shape[0], : plan.shape[1]] for c in channels]
        places, measured = zip(*map(find_places, whole, measured), strict=True)
        places = places if any(places) else None
    sure = [is_sure(m, list(c)) for m, c in zip(measured, channels, strict=True)]
    noise = tuple(
        m if certain and m.correlation.max() > _SURELY_BLURRED else discount_texture(m)
        for m, certain in zip(measured, sure, strict=True)
    )
    generator = plan.generator()
    # A sample does not know where it is from.
    sample = windows if places else _sample(windows, generator)
    losses, stopped = [], "max_iter reached"
    least = [
        _SURE_KEPT * model.level if certain else 0.0
        for model, certain in zip(noise, sure, strict=True)
    ]
    if not all(sure):
        doubted = _doubted(noise, start, sample, scaled, data_range, places, plan)
        noise = _unless(sure, noise, doubted)
    for step in range(plan.n_steps):
        if all(model.level < _NO_NOISE for model in noise):
            losses.append(0.0)
            return Fitted(
                None, (start,), unit, losses, noise, "no noise found", {1: 1.0}
            )
        intensities = _stabilizing(data_range, noise, scaled, places)
        trained = _learned_stages(start, intensities, plan)
        parts = _parts(trained, sample, intensities, plan, generator)
        refined = tuple(map(refine_noise, noise, *parts))
        refined = tuple(map(_no_weaker_than, refined, least))
        losses.append(max(map(_difference, noise, refined)))
        noise = refined
        if plan.callback is not None and plan.callback(
            Progress(stages.PARTIAL_DENOISING, step + 1, plan.n_steps, losses[-1])
        ):
            raise TrainingCancelled(
                f"cancelled by the callback in stage {stages.PARTIAL_DENOISING!r} "
                f"after step {step + 1} of {plan.n_steps}"
            )
        if losses[-1] < _SETTLED:
            stopped = "noise settled"
            break
    intensities = _stabilizing(data_range, noise, scaled, places)
    trained = _learned_stages(start, intensities, plan)
    trained.told_level = _TOLD_LEVEL
    intensities = _keeping_the_mean(trained, windows, intensities, plan)
    if plan.factors:
        _choose_mixture(trained, windows, intensities, plan)
    trained.n_views = _VIEWS
    if plan.detail_steps:
        losses += _recover_detail(trained, windows, intensities, plan)
    mixture = {1: 1 - sum(trained.weights.values()), **trained.weights}
    return Fitted(
        trained, trained.networks, intensities, losses, noise, stopped, mixture
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


def _sample(windows, generator):
    """Take parts of the windows, which say enough about the noise."""
    if sum(window[0].size for window in windows) <= _ENOUGH_PIXELS:
        return windows
    side = min(_SAMPLE_SIDE, *(n for window in windows for n in window.shape[1:]))
    side -= side % 4
    tensors = [torch.from_numpy(window) for window in windows]
    # Not turned: the noise may be correlated along one axis alone.
    crops = random_crops(
        tensors, side, _ENOUGH_PIXELS // side**2, generator, turned=False
    )
    return list(crops.numpy())


def _doubted(noise, start, sample, scaled, data_range, places, plan):
    """Ask the network, told less than was measured, what it thinks of it."""
    if all(model.level < _NO_NOISE for model in noise):
        return noise
    less = [model.louder(UNDERSTATED) for model in noise]
    intensities = _stabilizing(data_range, less, scaled, places)
    trained = _learned_stages(start, intensities, plan)
    parts = _parts(trained, sample, intensities, plan, plan.generator())
    return tuple(map(doubt_noise, noise, *parts))


def _parts(trained, windows, intensities, plan, generator):
    """What the network does to the windows, as `refine_noise` takes it.

    Returns
    -------
    denoised, removed, probe, response : list of list of ndarray of shape (h, w)
        For every channel, the values of every window.
    """
    unit = replace(intensities, data_range=(0.0, 1.0))
    parts = [[], [], [], []]
    with torch.no_grad():
        for noisy, probe in _probes(trained, windows, intensities, plan, generator):
            estimate = trained.partial_denoising(noisy)
            probed = trained.partial_denoising(noisy + _PROBE * probe)
            response = (probed - estimate) / _PROBE
            parts[0].append(unit.backward(estimate[0].cpu().numpy()))
            for part, seen in zip(
                parts[1:], (noisy - estimate, probe, response), strict=True
            ):
                part.append(unit.unrotate(seen[0].cpu().numpy()))
    return [[[w[c] for w in part] for c in range(len(windows[0]))] for part in parts]


def _stabilizing(data_range, noise, scaled, places):
    """Intensities in which the noise of every channel has deviation 1."""
    noise = tuple(map(_at_least_a_little, noise))
    intensities = Intensities((0.0, 1.0), noise, places=places)
    stabilized = [intensities.forward(window) for window in scaled]
    # Small images tell too little, and where there is no noise it does not matter.
    spread = max(1.0 if model.spread is None else model.spread for model in noise)
    rotation = decorrelating_rotation(stabilized, spread)
    return Intensities(data_range, noise, rotation, places=places)


def _at_least_a_little(noise):
    """Keep a channel without noise from being divided by nothing."""
    if noise.curve is not None or noise.gain > 0 or noise.read_noise >= _NO_NOISE:
        return noise
    return NoiseModel(level=_NO_NOISE, offset=noise.offset)


def _learned_stages(start, intensities, plan):
    correlation = np.stack([model.correlation for model in intensities.noise])
    if intensities.rotation is not None:
        # The noise of a mixture of independent channels.
        shares = intensities.rotation**2
        shares = shares / shares.sum(axis=1, keepdims=True)
        correlation = np.tensordot(shares, correlation, axes=1)
    correlation = plan.tensor(correlation.astype(np.float32))
    return LearnedStages((start,), correlation, {})


def _estimates(stage, windows, intensities, plan):
    """Apply a stage to windows (C, h, w) and yield what the networks see of it."""
    with torch.no_grad():
        for window in windows:
            noisy = plan.tensor(intensities.forward(window))[None]
            yield stage(noisy)[0].cpu().numpy()


def _difference(noise, refined):
    """How much two measurements differ, in level or in correlation."""
    level = abs(refined.level - noise.level) / max(
        noise.level, refined.level, _NO_NOISE
    )
    return float(max(level, np.abs(refined.correlation - noise.correlation).max()))


def _choose_mixture(trained, windows, intensities, plan):
    """Settle the weights of stage 2, for the factors that lower the expected error."""

    def estimates_of(noisy):
        refined = [trained.background_refinement(noisy, r) for r in plan.factors]
        return [trained.partial_denoising(noisy), *refined]

    noisy = [plan.tensor(intensities.forward(window)) for window in windows]
    with torch.no_grad():
        weights = smallest_risk(
            estimates_of, noisy, trained.correlation, plan.generator()
        )
    trained.weights = {
        r: weight for r, weight in zip(plan.factors, weights[1:], strict=True) if weight
    }


def _keeping_the_mean(trained, windows, intensities, plan):
    """Intensities that map estimates to the mean intensity of every channel.

    The unbiased inverse keeps means only where the noise is of the kind it assumes;
    pulses of a photomultiplier, or a detector that clips, are not.
    """
    n_channels = len(windows[0])
    noisy, denoised, n_pixels = np.zeros(n_channels), np.zeros(n_channels), 0
    estimates = _estimates(trained.partial_denoising, windows, intensities, plan)
    for window, estimate in zip(windows, estimates, strict=True):
        noisy += window.sum(axis=(1, 2))
        denoised += intensities.backward(estimate).sum(axis=(1, 2))
        n_pixels += window[0].size
    return replace(intensities, shift=(noisy - denoised) / n_pixels)


def _recover_detail(trained, windows, intensities, plan):
    """Train stage 3 on top of the learned start; return its losses.

    Stein's unbiased risk judges it, since what is left of the noise in d2 is the same
    noise as in y, and the loss falls where h learns to bring it back.
    """
    generator = plan.generator()
    n_channels = len(windows[0])
    detail = Correction(_network(n_channels, plan, generator))
    sample = windows if intensities.places else _sample(windows, generator)
    parts = [
        (y, *(trained.estimates(x).stage2 for x in (y, y + _PROBE * probe)), probe)
        for y, probe in _probes(trained, sample, intensities, plan, generator)
    ]  # each (1, C, h, w)

    def risk():
        total = 0.0
        for y, smooth, probed, probe in parts:
            estimate, moved = detail(smooth), detail(probed)
            response = (moved - estimate) / _PROBE
            total += ((estimate - y).square() + 2 * response * probe).sum().item()
        return total

    losses = stages.recover_detail(
        detail,
        [smooth[0] for _, smooth, _, _ in parts],
        [y[0] for y, _, _, _ in parts],
        plan.detail_steps,
        learning_rate=plan.learning_rate,
        generator=generator,
        callback=plan.callback,
        judge=risk,
    )
    trained.networks = (*trained.networks, detail.requires_grad_(False))
    return losses


def _probes(trained, windows, intensities, plan, generator):
    """Yield what the networks see of each window, (1, C, h, w), and noise like its."""
    for window in windows:
        noisy = plan.tensor(intensities.forward(window))[None]
        probe = correlated_noise(noisy.shape[1:], trained.correlation, generator)
        yield noisy, probe.to(plan.device)[None]
