"""What the prior network is conditioned on: the noise, as stabilised images have it."""

from functools import partial

import numpy as np

from n2d.core.mixture import correlated_noise
from n2d.core.prior_stages import PriorStages
from n2d.fitting.intensities import Intensities, decorrelating_rotation
from n2d.fitting.quiet import at_least_a_little

#: How strong the noise is that is added to see what a network lets pass.
PROBE = 0.1


def conditioned(prior, noise, *, scaled, data_range, places, resources):
    """Condition the prior network on the noise of images.

    Parameters
    ----------
    prior : torch.nn.Module
        The prior network.
    noise : sequence of NoiseModel
        Of every channel, in units of the scaled images.
    scaled : list of ndarray of shape (C, h, w)
        Windows of the images, scaled by `data_range`.
    data_range : tuple of two floats
        What is mapped to 0 and 1.
    places : tuple of Places, or None
        What is known of the places of the one image, channel by channel.
    resources : Resources
        Where to compute.

    Returns
    -------
    stages : PriorStages
        The network, told the correlation.
    intensities : Intensities
        In which the noise of every channel has deviation 1.
    """
    noise = tuple(map(at_least_a_little, noise))
    in_units = partial(Intensities, noise=noise, places=places)
    intensities = in_units(data_range)
    if len(noise) > 1:
        stabilized = [in_units((0.0, 1.0)).forward(window) for window in scaled]
        # Small images tell too little, and where there is no noise it does not matter.
        spread = max(1.0 if model.spread is None else model.spread for model in noise)
        rotation = decorrelating_rotation(stabilized, spread, noise[0].shared)
        intensities = in_units(data_range, rotation=rotation)
    correlation = np.stack([_four_directions(model) for model in intensities.noise])
    if intensities.rotation is not None:
        # The noise of a mixture of independent channels.
        shares = intensities.rotation**2
        shares = shares / shares.sum(axis=1, keepdims=True)
        correlation = np.tensordot(shares, correlation, axes=1)
    correlation = resources.tensor(correlation.astype(np.float32))
    return PriorStages((prior,), correlation, {}, judging=True), intensities


def probes(stages, sample, intensities, resources, generator):
    """Yield what the networks see of each part, (1, C, h, w), and noise like its."""
    for part in sample:
        noisy = resources.tensor(intensities.forward(*part[:3]))[None]
        probe = correlated_noise(noisy.shape[1:], stages.correlation, generator)
        yield noisy, probe.to(resources.device)[None]


def _four_directions(noise):
    """Correlation (4, n_lags) along y, x and both diagonals, as far as it is known."""
    axes = noise.correlation
    known = noise.autocorrelation()[2:, 1:]
    diagonals = np.zeros_like(axes)
    n_lags = min(axes.shape[1], known.shape[1])
    diagonals[:, :n_lags] = known[:, :n_lags]
    return np.concatenate([axes, diagonals])
