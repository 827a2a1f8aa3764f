"""Noise measured, simulated and stabilised; numpy and scipy only."""

from n2d.noise.simulate import (
    add_correlated_noise,
    add_gaussian_noise,
    add_poisson_gaussian_noise,
    add_poisson_noise,
    add_rician_noise,
)

__all__ = [
    "add_correlated_noise",
    "add_gaussian_noise",
    "add_poisson_gaussian_noise",
    "add_poisson_noise",
    "add_rician_noise",
]
