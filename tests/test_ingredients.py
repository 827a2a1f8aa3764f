"""What each ingredient of the default is there for: without it, decibels are lost.

Margins are about half of what was measured (``benchmarks/ingredients.py`` measures on
real sets); they are properties, and a better network shall not fail them.
"""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from skimage import data

from n2d import Noise2DetailDenoiser, datasets, noise
from n2d.fitting import conditioned, prior_start


def gain(noisy, clean, denoised):
    """Gain in dB."""
    errors = [np.mean((image - clean) ** 2) for image in (noisy, denoised)]
    return 10 * np.log10(errors[0] / errors[1])


def denoised(noisy, **parameters):
    return Noise2DetailDenoiser(random_state=0, **parameters).fit_transform(noisy)


def cells(size=160):
    return 255.0 * datasets.fluorescence_cells((size, size))


def white(clean, level, seed=0):
    return clean + np.random.default_rng(seed).normal(0, level, clean.shape)


@pytest.fixture(scope="module")
def colour():
    clean = data.astronaut()[50:178, 130:258].astype(float)
    return clean, white(clean, 25)


def test_colour_is_denoised_jointly(colour):
    clean, noisy = colour
    joint = gain(noisy, clean, denoised(noisy, channel_axis=-1))
    apart = np.stack([denoised(noisy[..., c]) for c in range(3)], axis=-1)
    assert joint > 9.5
    assert joint > gain(noisy, clean, apart) + 1.0
    with patch.object(conditioned, "decorrelating_rotation", lambda *_: None):
        without = gain(noisy, clean, denoised(noisy, channel_axis=-1))
    assert joint > without + 1.0


def test_correlated_noise_needs_the_network_to_know_the_correlation():
    clean = cells()
    noisy = noise.add_correlated_noise(clean, 20.0, 0.8, rng=0)
    fitted = Noise2DetailDenoiser(random_state=0).fit(noisy)
    with_it = gain(noisy, clean, fitted.transform(noisy))
    fitted._stages = replace(
        fitted._stages, correlation=torch.zeros_like(fitted._stages.correlation)
    )
    assert with_it > gain(noisy, clean, fitted.transform(noisy)) + 1.5


def test_photon_noise_needs_its_variance_made_one():
    clean = cells()
    noisy = 255 * noise.add_poisson_noise(clean / 255, 10.0, rng=0)
    measured = prior_start.estimate_noise

    def without_gain(image):
        found = measured(image)
        return replace(found, gain=0.0, read_noise=found.level)

    with patch.object(prior_start, "estimate_noise", without_gain):
        without = gain(noisy, clean, denoised(noisy))
    assert gain(noisy, clean, denoised(noisy)) > without + 3.0
