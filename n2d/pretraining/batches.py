"""Noisy training patches at unit noise level, of every kind the network shall know.

All of it is drawn on the device that trains, so that nothing waits for the processor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from n2d.core.prior_network import N_LAGS

#: Share of the patches with noise that does not depend on the intensity; the others
#: are photons.
GAUSSIAN_SHARE = 0.6

#: Share of the patches with photons that have few, and the least variance that the
#: errors of patches are divided by.
DIM_SHARE, LEAST_VARIANCE = 0.25, 0.02

#: Kinds of noise spectra and their shares.
SPECTRA = {
    "white": 0.42,
    "line": 0.08,
    "blurred": 0.18,
    "autoregressive": 0.08,
    "back-projection": 0.12,
    "resampled": 0.12,
}


@dataclass(frozen=True)
class Batch:
    """Patches and what the network is told about them.

    Attributes
    ----------
    noisy, clean, weight : Tensor of shape (N, 1, S, S)
        Noisy patches, what they should become, and weights of the squared errors.
    level : Tensor of shape (N, 1, 1, 1) or (N, 1, S, S)
        Told level of the noise.
    correlation : Tensor of shape (N, 4, 3)
        Told correlation of the noise at 1, 2 and 3 pixels along y, x, the main
        diagonal and the other one.
    """

    noisy: torch.Tensor
    clean: torch.Tensor
    weight: torch.Tensor
    level: torch.Tensor
    correlation: torch.Tensor


class Dice:
    """Random numbers, one for every sample of a batch, on the generator's device."""

    def __init__(self, n_samples, generator):
        self.n_samples, self.generator = n_samples, generator
        self._kind = {"generator": generator, "device": generator.device}

    def uniform(self, low=0.0, high=1.0, shape=(1, 1)):
        """Numbers (N, 1, 1), uniform between two bounds."""
        return low + (high - low) * torch.rand(self.n_samples, *shape, **self._kind)

    def log_uniform(self, low, high):
        """Numbers (N, 1, 1) whose logarithm is uniform."""
        return self.uniform(math.log(low), math.log(high)).exp()

    def normal(self, shape=(1, 1)):
        """Numbers (N, 1, 1) from the standard normal distribution."""
        return torch.randn(self.n_samples, *shape, **self._kind)

    def chance(self, probability):
        """Booleans (N, 1, 1)."""
        return self.uniform() < probability

    def whole(self, high):
        """Whole numbers (N, 1, 1) from 0 up to each `high` (N, 1, 1), exclusive."""
        return torch.minimum((self.uniform() * high).long(), high.long() - 1)


def draw_patches(scenes, size, dice):
    """Cut squares (N, S, S) from random scenes, turned, flipped, perhaps coarser or
    mixed.

    Scenes (n, H, W) have values from 0 to 1, patches mostly.
    """
    patches = _crops(scenes, size, dice)
    # Two scenes at once: what lies in front of a background, or shines through.
    others = patches.roll(1, 0)
    share, kind = dice.uniform(0.1, 0.9), dice.uniform()
    patches = torch.where(kind < 0.06, torch.lerp(patches, others, share), patches)
    patches = torch.where(
        (kind > 0.06) & (kind < 0.10), patches * (share + (1 - share) * others), patches
    )
    gamma = torch.where(dice.chance(0.3), dice.uniform(-0.5, 0.7).exp(), 1.0)
    patches = patches.clamp(min=0) ** gamma
    # Some are faint on something even, and some are nothing at all.
    patches = torch.where(dice.chance(0.03), dice.uniform() + 0 * patches, patches)
    return patches


def _crops(scenes, size, dice):
    """Squares of random scenes, every second pixel of some of them or the mean of 4."""
    n, height, width = scenes.shape
    number = dice.whole(torch.full_like(dice.uniform(), n))
    choice = dice.uniform()
    room = min(height, width) // size
    factor = torch.where(choice < 0.3, min(2, room), 1)
    mean = (choice < 0.18) & (factor == 2)
    steps = torch.arange(size, device=scenes.device)[None]
    pixels = []
    for side in (height, width):
        start = dice.whole(side - factor * size + 1)
        backwards = dice.chance(0.5)[:, 0]
        order = torch.where(backwards, size - 1 - steps, steps)
        pixels.append(start[:, 0] + factor[:, 0] * order)
    rows, columns = pixels[0][:, :, None], pixels[1][:, None, :]
    patches = scenes[number, rows, columns].float()
    more = [scenes[number, rows + mean * y, columns + mean * x] for y, x in _CELL]
    coarse = (patches + sum(part.float() for part in more)) / 4
    patches = torch.where(mean, coarse, patches)
    turned = dice.chance(0.5)
    return torch.where(turned, patches.transpose(1, 2), patches)


_CELL = ((0, 1), (1, 0), (1, 1))


def draw_spectra(size, dice):
    """Draw the amplitude spectra (N, S, S // 2 + 1) of stationary noise.

    They are filters that keep the variance of white noise. The second result is their
    correlation; see `Batch`.
    """
    device = dice.generator.device
    fy = torch.fft.fftfreq(size, device=device)[None, :, None]
    fx = torch.fft.rfftfreq(size, device=device)[None, None, :]
    f2 = fy**2 + fx**2
    kind = dice.uniform()
    bounds = np.cumsum(list(SPECTRA.values()))
    amplitude = torch.ones(dice.n_samples, size, size // 2 + 1, device=device)

    def choose(name, found):
        number = list(SPECTRA).index(name)
        chosen = (kind >= bounds[number - 1]) & (kind < bounds[number])
        return torch.where(chosen, found, amplitude)

    # Scanning along x: the detector remembers a little of the last pixel.
    share_x, share_y = dice.uniform(0, 0.1), dice.uniform(0, 0.05)
    line = 1 + 2 * share_x * torch.cos(2 * torch.pi * fx)
    line = line * (1 + 2 * share_y * dice.chance(0.5) * torch.cos(2 * torch.pi * fy))
    amplitude = choose("line", line)

    blur = torch.where(dice.chance(0.7), dice.uniform(0.3, 1.1), dice.uniform(0.9, 2.2))
    blur_x = torch.where(dice.chance(0.3), blur * dice.uniform(), blur)
    blurred = 2 * torch.pi**2 * ((blur * fy) ** 2 + (blur_x * fx) ** 2)
    # From a Gaussian to a low-pass with a sharp edge, whose correlation has lobes.
    edge = torch.where(dice.chance(0.5), 1.0, dice.uniform(0.7, 4.0))
    amplitude = choose("blurred", torch.exp(-(blurred**edge)))

    memory = dice.uniform(0.3, 0.95)
    along = torch.where(dice.chance(0.75), fx, fy)
    autoregressive = (
        1 - 2 * memory * torch.cos(2 * torch.pi * along) + memory**2
    ).rsqrt()
    amplitude = choose("autoregressive", autoregressive)

    # Filtered back-projection: a ramp that rolls off, signed lobes around.
    ramp = (f2.sqrt() + 0.01) ** dice.uniform(0.3, 1.0)
    ramp = ramp * torch.exp(-2 * (torch.pi * dice.uniform(0.3, 1.8)) ** 2 * f2)
    amplitude = choose("back-projection", ramp)

    # Enlarged by splines of orders from 1 up, or by zeros in the spectrum.
    zoom = torch.where(dice.chance(0.4), 2.0, dice.uniform(1.2, 3.2))
    order = 1 + dice.whole(torch.full_like(zoom, 4))
    resampled = (torch.sinc(zoom * fy) * torch.sinc(zoom * fx)).abs() ** order
    box = ((zoom * fy.abs()) <= 0.5) & ((zoom * fx) <= 0.5)
    resampled = torch.where(dice.chance(0.2), box + 1e-3, resampled)
    amplitude = choose("resampled", resampled)

    amplitude = amplitude / _root_of_power(amplitude)
    coloured = kind > SPECTRA["white"]
    # A white floor, as of the electronics behind.
    floor = dice.uniform(0, 0.5) * (dice.chance(0.3) & coloured)
    amplitude = torch.hypot(amplitude, floor)
    # A long tail, as of drifting illumination.
    slow = torch.exp(-2 * (torch.pi * dice.uniform(2, 5)) ** 2 * f2)
    slow = slow / _root_of_power(slow) * dice.uniform(0.2, 1.0)
    amplitude = torch.hypot(amplitude, slow * (dice.chance(0.1) & coloured))
    amplitude = amplitude / _root_of_power(amplitude)

    power = torch.fft.irfft2(amplitude**2, s=(size, size))
    near = range(1, N_LAGS + 1)
    correlation = torch.stack(
        [
            torch.stack([power[:, k, 0] for k in near], 1),
            torch.stack([power[:, 0, k] for k in near], 1),
            torch.stack([power[:, k, k] for k in near], 1),
            torch.stack([power[:, k, -k] for k in near], 1),
        ],
        1,
    )
    return amplitude, correlation / power[:, :1, :1]


def _root_of_power(amplitude):
    """Standard deviation of white noise after a filter, (N, 1, 1)."""
    size = amplitude.shape[1]
    return torch.fft.irfft2(amplitude**2, s=(size, size))[:, :1, :1].sqrt()


def _filtered(patches, amplitude):
    """Apply a filter."""
    return torch.fft.irfft2(torch.fft.rfft2(patches) * amplitude, s=patches.shape[1:])


def _blurred(patches, blur):
    """Blur by Gaussians of `blur` (N, 1, 1) pixels, as if the border went on."""
    # Twice the size, mirrored: what is on the left shall not shine in on the right.
    size = patches.shape[-1]
    mirrored = torch.cat([patches, patches.flip(1)], 1)
    mirrored = torch.cat([mirrored, mirrored.flip(2)], 2)
    fy = torch.fft.fftfreq(2 * size, device=patches.device)[:, None]
    fx = torch.fft.rfftfreq(2 * size, device=patches.device)[None, :]
    amplitude = torch.exp(-2 * (torch.pi * blur) ** 2 * (fy**2 + fx**2))
    return _filtered(mirrored, amplitude)[:, :size, :size]


def _level_maps(size, dice):
    """Noise levels (N, S, S) that vary smoothly, by a factor of up to 5 or so."""
    coarse = dice.normal((5, 5))[:, None]
    smooth = F.interpolate(coarse, (size, size), mode="bicubic", align_corners=True)
    return (dice.uniform(0.1, 0.6) * smooth[:, 0]).exp()


def gaussian_samples(patches, amplitude, level, level_map, dice):
    """Scale patches (N, S, S) and add Gaussian noise of about level 1, which is told.

    `level` (N, 1, 1) is what the noise has, `level_map` (N, S, S) from place to place.
    Returns noisy and clean samples, and weights.
    """
    patches = torch.where(dice.chance(0.5), 1 - patches, patches)
    # Range over noise: from 10 dB below to 50 dB above.
    contrast = torch.where(
        dice.chance(0.75), dice.log_uniform(1.5, 120), dice.log_uniform(0.3, 400)
    )
    clean = contrast * patches
    noise = level * _filtered(dice.normal(patches.shape[1:]), amplitude)
    if level_map is not None:
        noise = noise * level_map
    return clean + noise, clean, torch.ones_like(clean)


def stabilize(counts, read):
    """Generalised Anscombe transform of photon counts, a line where it has no slope.

    `read` is the deviation of the read noise in counts; that of the result is 1.
    """
    inner = counts + 0.375 + read**2
    # Continued by its tangent below the value a dark pixel has on average.
    floor = (0.375 + read**2).clamp(max=0.6)
    root = torch.maximum(inner, floor).sqrt()
    return 2 * root + (inner - floor).clamp(max=0) / floor.sqrt()


_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_ROOT_MEANS = np.linspace(0.0, 6.0, 49)
_READS = np.linspace(0.0, 4.0, 41)


def _table_of_means():
    """E[stabilize(Poisson(mean) + Normal(0, read**2))], means by reads."""
    counts = torch.arange(90, dtype=torch.float64)
    means = torch.from_numpy(_ROOT_MEANS**2)[:, None]
    log = torch.special.xlogy(counts, means) - means - torch.lgamma(counts + 1)
    columns = []
    for read in _READS:
        values = counts[:, None] + read * torch.from_numpy(_NODES)
        by_count = stabilize(values, torch.tensor(read)) @ torch.from_numpy(_WEIGHTS)
        columns.append(log.exp() @ by_count / _WEIGHTS.sum())
    return torch.stack(columns, 1)


_TABLE = _table_of_means().float()


def expected_stabilized(mean, read):
    """Mean of the stabilised counts, the value the unbiased inverse undoes.

    That is E[stabilize(Poisson(mean) + Normal(0, read**2))].
    """
    inner = mean + 0.375 + read**2
    series = 2 * inner.sqrt() - 0.25 * (mean + read**2) / inner**1.5
    table = _TABLE.to(mean.device)
    u = mean.sqrt().nan_to_num() / _ROOT_MEANS[1]
    v = (read / _READS[1] + torch.zeros_like(mean)).float().nan_to_num()
    near = (u < len(_ROOT_MEANS) - 2) & (v < len(_READS) - 1)
    u, v = u.clamp(0, len(_ROOT_MEANS) - 1.001), v.clamp(0, len(_READS) - 1.001)
    i, j = u.long(), v.long()
    low = torch.lerp(table[i, j], table[i, j + 1], v - j)
    high = torch.lerp(table[i + 1, j], table[i + 1, j + 1], v - j)
    return torch.where(near, torch.lerp(low, high, u - i), series)


def photon_samples(patches, amplitude, gain, dice):
    """Count photons of patches (N, S, S) and stabilise their variance as in use.

    `gain` (N, 1, 1) is what one photon counts as; it is taken for 1. Of noisy and clean
    samples and weights, the latter are the mean of 1 and of what turns the error into
    one of intensity, over the variance that stabilising leaves.
    """
    # In photons of the model: variance equal to the mean, read noise beside it.
    # Some images are so dim that most pixels have seen none.
    dim = dice.chance(DIM_SHARE)
    peak = torch.where(dim, dice.log_uniform(0.03, 3), dice.log_uniform(1, 2000))
    floor = torch.where(dim, dice.log_uniform(1e-3, 1), dice.log_uniform(0.02, 20))
    read = torch.where(dim, dice.log_uniform(0.02, 0.5), dice.log_uniform(0.2, 5))
    read = read * dice.chance(0.6)
    mean = peak * patches.clamp(min=0) + floor
    scale = (mean + read**2).sqrt()
    # A photomultiplier answers each photon with a pulse of another height; what looks
    # like one photon to the model is then an excess of smaller ones.
    spread = dice.log_uniform(0.03, 1.0) * dice.chance(0.5)
    photons = torch.poisson(mean * (1 + spread), generator=dice.generator)
    pulses = torch._standard_gamma(
        photons / spread.clamp(min=0.02) + 1e-6, generator=dice.generator
    )
    photons = torch.where(spread > 0, spread * pulses, photons)
    noise = photons / (1 + spread) - mean + read * dice.normal(patches.shape[1:])
    counts = mean + scale * _filtered(noise / scale, amplitude)
    step = dice.log_uniform(0.03, 1.0)
    rounded = step * torch.round(counts / step)
    counts = torch.where(dice.chance(0.5), rounded, counts)
    counts = torch.where(dice.chance(0.3), counts.clamp(min=0), counts)
    # Read noise is measured, thus never exact.
    read = read * (0.15 * dice.normal()).exp()
    # Offset and read noise cannot be told apart by mean and variance.
    shift = (0.5 * dice.normal()).abs() * dice.chance(0.3)
    read = (read**2 - shift).clamp(min=0).sqrt()
    counts, mean = counts + shift, mean + shift
    noisy = stabilize(counts * gain, read * gain)
    clean = expected_stabilized(mean * gain, read * gain)
    weight = 0.5 + 0.5 * scale**2 / (scale**2).mean((1, 2), keepdim=True)
    # Few photons are stabilised to less than 1: their errors count for more.
    variance = (noisy - clean).square().mean((1, 2), keepdim=True)
    return noisy, clean, weight / variance.clamp(LEAST_VARIANCE, 1)


def _told(correlation, dice):
    """Correlation (N, 4, 3) as a measurement would give it: never exact."""
    error = 0.03 * dice.normal((1, 1)) + 0.03 * dice.normal(correlation.shape[1:])
    # Often it is measured along the axes alone, and the rest is what follows if they
    # have nothing to do with each other.
    product = (correlation[:, 0] * correlation[:, 1])[:, None]
    separable = torch.cat([correlation[:, :2], product, product], 1)
    correlation = torch.where(dice.chance(0.35), separable, correlation)
    # Noise that is white is usually known to be.
    exact = dice.chance(0.3)
    return torch.where(exact, correlation, correlation + error)


def draw_batch(scenes, n_samples, size, generator, *, level_maps=False):
    """Draw noisy patches at unit noise level from scenes (n, H, W).

    With `level_maps` the level varies from place to place where it does not depend on
    the intensity.
    """
    dice = Dice(n_samples, generator)
    patches = draw_patches(scenes, size, dice)
    amplitude, correlation = draw_spectra(size, dice)
    # The level the network is told is measured, thus never exact; least so where
    # neighbours are correlated.
    coloured = correlation[:, :2, :1].abs().amax(1, keepdim=True) > 0.15
    off = ((0.06 + 0.08 * coloured) * dice.normal()).exp()
    # What blurs the noise, such as resampling, has blurred the image as well; and any
    # image may be out of focus.
    blur = dice.uniform(0.5, 3.0)
    chance = torch.where(correlation[:, :1, :1] > 0.1, 0.6, 0.12)
    patches = torch.where(dice.uniform() < chance, _blurred(patches, blur), patches)
    n_gaussian = round(GAUSSIAN_SHARE * n_samples)
    some, rest = slice(n_gaussian), slice(n_gaussian, None)
    few, others = Dice(n_gaussian, generator), Dice(n_samples - n_gaussian, generator)
    level_map = _level_maps(size, few) if level_maps else None
    samples = (
        gaussian_samples(patches[some], amplitude[some], off[some], level_map, few),
        photon_samples(patches[rest], amplitude[rest], off[rest] ** 2, others),
    )
    noisy, clean, weight = (
        torch.cat(part)[:, None].nan_to_num() for part in zip(*samples, strict=True)
    )
    level = torch.ones(n_samples, 1, 1, 1, device=noisy.device)
    if level_maps:
        # A map is measured coarsely; what it says is a little off everywhere.
        off = (0.05 * few.normal((1, 1, 1))).exp()
        level = level.repeat(1, 1, size, size)
        level[some] = level_map[:, None] * off
    return Batch(noisy, clean, weight, level, _told(correlation, dice))
