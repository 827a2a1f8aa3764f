"""Noisy training patches at unit noise level, of every kind the network shall know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

# Kinds of noise and their shares of the samples.
GAUSSIAN_SHARE = 0.55
WHITE_SHARE, LINE_SHARE, BLURRED_SHARE = 0.50, 0.12, 0.32  # the rest is band-pass


@dataclass(frozen=True)
class Batch:
    """Patches and what the network is told about them.

    Attributes
    ----------
    noisy, clean, weight : Tensor of shape (N, 1, S, S)
        Noisy patches, what they should become, and weights of the squared errors.
    correlation : Tensor of shape (N, 2, 2)
        Told correlation of the noise at lags 1 and 2 along y, then x; the told level
        is 1.
    """

    noisy: torch.Tensor
    clean: torch.Tensor
    weight: torch.Tensor
    correlation: torch.Tensor


def draw_patch(library, size, rng):
    """Cut a square from a random scene, turned, flipped, perhaps coarser.

    Parameters
    ----------
    library : ndarray, shape (n, H, W)
        Scenes.
    size : int
        Side of the patch in pixels.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    patch : ndarray of float32, shape (size, size)
        Intensities mostly in [0, 1].
    """
    scene = library[rng.integers(len(library))]
    choice = rng.random()
    factor = 2 if choice < 0.25 else 3 if choice < 0.3 else 1
    factor = min(factor, min(scene.shape) // size)
    side = factor * size
    top, left = (rng.integers(n - side + 1) for n in scene.shape)
    patch = scene[top : top + side, left : left + side].astype(np.float32)
    if factor == 2 and choice < 0.15:
        patch = patch.reshape(size, 2, size, 2).mean((1, 3))
    else:
        # As the phase images of stage 2 are: sampled, not averaged.
        patch = patch[::factor, ::factor]
    patch = np.rot90(patch, rng.integers(4))
    if rng.random() < 0.5:
        patch = patch.T
    if rng.random() < 0.3:
        gamma = np.exp(rng.uniform(-0.5, 0.7))
        patch = np.sign(patch) * np.abs(patch) ** gamma
    return patch


def noise_spectrum(shape, rng):
    """Draw the amplitude spectrum of a stationary noise.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    amplitude : ndarray of float32, shape (H, W // 2 + 1)
        Filter that gives white noise this spectrum and keeps its variance.
    correlation : ndarray, shape (2, 2)
        Correlation at lags 1 and 2 along y, then x.
    """
    fy = np.fft.fftfreq(shape[0])[:, None]
    fx = np.fft.rfftfreq(shape[1])[None, :]
    kind = rng.random()
    if kind < WHITE_SHARE:
        amplitude = np.ones((shape[0], shape[1] // 2 + 1))
    elif kind < WHITE_SHARE + LINE_SHARE:
        # Scanning along x: the detector remembers a little of the last pixel.
        share_x, share_y = rng.uniform(0.0, 0.1), rng.choice([0, rng.uniform(0, 0.05)])
        amplitude = 1 + 2 * share_x * np.cos(2 * np.pi * fx)
        amplitude = amplitude * (1 + 2 * share_y * np.cos(2 * np.pi * fy))
    elif kind < WHITE_SHARE + LINE_SHARE + BLURRED_SHARE:
        blur_y = blur_x = rng.uniform(0.3, 1.1)
        if rng.random() < 0.35:
            blur_x = rng.uniform(0.0, 1.1)
        amplitude = np.exp(-2 * np.pi**2 * ((blur_y * fy) ** 2 + (blur_x * fx) ** 2))
        if rng.random() < 0.3:
            # Correlated noise with a white floor, as of the electronics behind.
            amplitude = np.hypot(amplitude, rng.uniform(0, 0.4))
        elif rng.random() < 0.2:
            # A long tail, as of drifting illumination.
            slow = np.exp(-2 * (np.pi * rng.uniform(2, 5)) ** 2 * (fy**2 + fx**2))
            amplitude = np.hypot(amplitude, rng.uniform(0.5, 2.0) * slow)
    else:
        # Filtered back-projection: a ramp that rolls off, signed lobes around.
        f = np.hypot(fy, fx)
        amplitude = (f + 0.02) ** rng.uniform(0.3, 1.0)
        amplitude = amplitude * np.exp(-2 * (np.pi * rng.uniform(0.3, 1.2) * f) ** 2)
    power = np.fft.irfft2(amplitude**2, s=shape)
    amplitude = amplitude / np.sqrt(power[0, 0])
    correlation = np.array([power[1:3, 0], power[0, 1:3]]) / power[0, 0]
    return amplitude.astype(np.float32), correlation


def stabilize(counts, read):
    """Generalised Anscombe transform of photon counts, a line where it has no slope.

    Parameters
    ----------
    counts : ndarray
        Counts, with read noise.
    read : float
        Standard deviation of the read noise in counts.

    Returns
    -------
    stabilized : ndarray
        Values with noise of deviation 1.
    """
    inner = counts + 0.375 + read**2
    # Continued by its tangent below the value a dark pixel has on average.
    floor = min(0.375 + read**2, 0.6)
    root = np.sqrt(np.maximum(inner, floor))
    return 2 * root + np.minimum(inner - floor, 0) / np.sqrt(floor)


_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_MEANS = np.linspace(0.0, 6.0, 49) ** 2
_COUNTS = np.arange(90)
_LOG_FACTORIAL = np.concatenate([[0.0], np.cumsum(np.log(_COUNTS[1:]))])


def expected_stabilized(mean, read):
    """Mean of the stabilised counts, the value the unbiased inverse undoes.

    Parameters
    ----------
    mean : ndarray
        Mean counts, at least 0.
    read : float
        Standard deviation of the read noise in counts.

    Returns
    -------
    expected : ndarray, shape of `mean`
        E[stabilize(Poisson(mean) + Normal(0, read**2))].
    """
    means = _MEANS[:, None]
    with np.errstate(divide="ignore"):
        log = np.where(means > 0, np.log(means), -1e9)
    chance = np.exp(log * _COUNTS - means - _LOG_FACTORIAL)
    chance[0] = _COUNTS == 0
    by_count = stabilize(_COUNTS[:, None] + read * _NODES, read) @ _WEIGHTS
    table = chance @ by_count / _WEIGHTS.sum()
    inner = mean + 0.375 + read**2
    series = 2 * np.sqrt(inner) - 0.25 * (mean + read**2) / inner**1.5
    near = np.interp(np.sqrt(mean), np.sqrt(_MEANS), table)
    return np.where(mean < _MEANS[-1] * 0.9, near, series)


def _colour(white, amplitude):
    """Give white noise a spectrum."""
    return np.fft.irfft2(np.fft.rfft2(white) * amplitude, s=white.shape)


def gaussian_sample(patch, amplitude, rng):
    """Scale a patch and add Gaussian noise of about level 1.

    Parameters
    ----------
    patch : ndarray, shape (S, S)
        Clean patch of range about 1.
    amplitude : ndarray
        Spectrum of the noise.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    noisy, clean, weight : ndarray, shape (S, S)
        The sample.
    """
    if rng.random() < 0.5:
        patch = 1 - patch
    # Range over noise: from 6 dB below to 44 dB above, sometimes nearly noise-free.
    contrast = np.exp(rng.uniform(np.log(1.5), np.log(160)))
    if rng.random() < 0.04:
        contrast *= 8
    clean = contrast * patch
    # The level the network is told is measured, thus never exact.
    level = np.exp(rng.normal(0, 0.08))
    noise = _colour(rng.standard_normal(patch.shape, np.float32), amplitude)
    return clean + level * noise, clean, np.ones_like(clean)


def photon_sample(patch, amplitude, rng):
    """Count photons of a patch and stabilise their variance as in use.

    Parameters
    ----------
    patch : ndarray, shape (S, S)
        Clean patch of range about 1.
    amplitude : ndarray
        Spectrum of the noise.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    noisy, clean, weight : ndarray, shape (S, S)
        The sample; the weight is the mean of 1 and of what turns the error into one
        of intensity.
    """
    # In photons of the model: variance equal to the mean, read noise beside it.
    peak = np.exp(rng.uniform(np.log(2), np.log(1500)))
    floor = np.exp(rng.uniform(np.log(0.02), np.log(20)))
    read = 0.0 if rng.random() < 0.4 else np.exp(rng.uniform(np.log(0.2), np.log(5)))
    mean = peak * np.maximum(patch, 0) + floor
    scale = np.sqrt(mean + read**2)
    spread = 0.0
    if rng.random() < 0.5:
        # A photomultiplier answers each photon with a pulse of another height; what
        # looks like one photon to the model is then an excess of smaller ones.
        spread = np.exp(rng.uniform(np.log(0.03), np.log(1.0)))
    photons = rng.poisson(mean * (1 + spread)).astype(float)
    if spread:
        photons = spread * rng.standard_gamma(photons / spread)
    noise = photons / (1 + spread) - mean + read * rng.standard_normal(patch.shape)
    counts = mean + scale * _colour(noise / scale, amplitude)
    if rng.random() < 0.5:
        step = np.exp(rng.uniform(np.log(0.03), np.log(1.0)))
        counts = step * np.round(counts / step)
    if rng.random() < 0.3:
        counts = np.maximum(counts, 0)
    # Gain and read noise are measured, thus never exact.
    gain, read = np.exp(rng.normal(0, 0.08)), read * np.exp(rng.normal(0, 0.15))
    if rng.random() < 0.3:
        # Offset and read noise cannot be told apart by mean and variance.
        shift = abs(rng.normal(0, 0.5))
        read = np.sqrt(max(read**2 - shift, 0))
        counts, mean = counts + shift, mean + shift
    noisy = stabilize(counts / gain, read / gain)
    clean = expected_stabilized(mean / gain, read / gain)
    weight = scale**2 / np.mean(scale**2)
    return noisy, clean, 0.5 + 0.5 * weight


def draw_batch(library, n_samples, size, rng):
    """Draw noisy patches at unit noise level.

    Parameters
    ----------
    library : ndarray, shape (n, H, W)
        Scenes.
    n_samples : int
        Number of patches N.
    size : int
        Their side S in pixels.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Batch
        The patches as float32 tensors.
    """
    samples, correlations = [], []
    for _ in range(n_samples):
        patch = draw_patch(library, size, rng)
        amplitude, correlation = noise_spectrum(patch.shape, rng)
        if correlation[0, 0] > 0.1 and rng.random() < 0.6:
            # What blurs the noise, such as resampling, has blurred the image as well.
            patch = ndimage.gaussian_filter(patch, rng.uniform(0.5, 2.5))
        photons = rng.random() > GAUSSIAN_SHARE
        sample = photon_sample if photons else gaussian_sample
        samples.append(sample(patch, amplitude, rng))
        correlations.append(correlation + rng.normal(0, 0.03, (2, 2)))
    noisy, clean, weight = (
        torch.from_numpy(np.stack(part)[:, None].astype(np.float32))
        for part in zip(*samples, strict=True)
    )
    told = torch.from_numpy(np.stack(correlations).astype(np.float32))
    return Batch(noisy, clean, weight, told)
