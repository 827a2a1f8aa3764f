"""Noise measured, simulated and stabilised; numpy and scipy only."""

from n2d.noise.channels import channel_correlation, undo_correlation
from n2d.noise.check import VERDICTS, Verdict, check_result, worst_of
from n2d.noise.defects import Defects
from n2d.noise.hot_pixels import hot_pixels, without_hot_pixels
from n2d.noise.measure import estimate_noise
from n2d.noise.model import NoiseModel
from n2d.noise.place import Places, find_places
from n2d.noise.refine import (
    UNDERSTATED,
    discount_texture,
    doubt_noise,
    is_sure,
    least_level,
    refine_noise,
)
from n2d.noise.rician import remove_rician_bias
from n2d.noise.simulate import (
    add_correlated_noise,
    add_gaussian_noise,
    add_poisson_gaussian_noise,
    add_poisson_noise,
    add_rician_noise,
)
from n2d.noise.stabilize import stabilize, unstabilize
from n2d.noise.stuck import DEFECTS_REACH, stuck_pixels, without_stuck_pixels
from n2d.noise.told import noise_from_json, noise_to_json
from n2d.noise.warning import NoiseWarning

__all__ = [
    "DEFECTS_REACH",
    "UNDERSTATED",
    "VERDICTS",
    "Defects",
    "NoiseModel",
    "NoiseWarning",
    "Places",
    "Verdict",
    "add_correlated_noise",
    "add_gaussian_noise",
    "add_poisson_gaussian_noise",
    "add_poisson_noise",
    "add_rician_noise",
    "channel_correlation",
    "check_result",
    "discount_texture",
    "doubt_noise",
    "estimate_noise",
    "find_places",
    "hot_pixels",
    "is_sure",
    "least_level",
    "noise_from_json",
    "noise_to_json",
    "refine_noise",
    "remove_rician_bias",
    "stabilize",
    "stuck_pixels",
    "undo_correlation",
    "unstabilize",
    "without_hot_pixels",
    "without_stuck_pixels",
    "worst_of",
]
