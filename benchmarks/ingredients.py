"""What each ingredient of the default gives: leave one out, or put one in.

    python benchmarks/ingredients.py --data DIR

Every variant differs from the default in one thing and runs over the same images, 3 to
8 of every kind; the table has the mean PSNR of each group and how much the variant is
above the default. Nothing is trained: what an ingredient of the training gave cannot be
seen here.

Expected before it was run: stabilisation is worth 3 dB or more on confocal and
two-photon images, the correlation several on wide-field images and CT; a level that is
told a tenth wrong costs less than 0.1 dB, a quarter wrong 0.2 to 0.5; two views give
0.03 dB, four 0.05; pixels farther than 16 away give 0.1 dB and more.
"""

import argparse
import copy
import csv
import os
import warnings
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from data_sets import DATA_SETS, cropped, data_set_folder
from machine import describe_machine

from n2d import Noise2DetailDenoiser
from n2d.applying import tiled
from n2d.fitting import conditioned, prior_start, second_thoughts
from n2d.metrics import psnr
from n2d.noise import (
    Defects,
    NoiseModel,
    estimate_noise,
    remove_rician_bias,
    stabilize,
)
from n2d.noise.place import find_pattern

# group -> set, noises, which names, side of crops or None, images at most
GROUPS = {
    "confocal": ("fmd_dev", (), "Confocal", None, 4),
    "two-photon": ("fmd_dev", (), "TwoPhoton", None, 4),
    "wide-field": ("fmd_dev", (), "WideField", None, 4),
    "SEM, line noise": ("sem_line", (), "", None, 4),
    "CT": ("ct", (), "", None, 8),
    "MR, Rician 15": ("mri", ("rician15",), "", None, 8),
    "grey, Gaussian 25": ("kodak_grey", ("gaussian25",), "", 256, 8),
    "grey, Gaussian 2": ("kodak_grey", ("gaussian2",), "", 256, 8),
    "colour, Gaussian 25": ("kodak", ("gaussian25",), "", 256, 4),
    "histology, Gaussian 25": ("histology", ("gaussian25",), "", 256, 8),
}


def without_gain(image):
    """Measure noise that does not depend on intensity."""
    noise = estimate_noise(image)
    return replace(noise, gain=0.0, curve=None, read_noise=noise.level)


def without_correlation(image):
    """Measure noise as if neighbours were independent."""
    noise = estimate_noise(image)
    white = np.zeros_like(noise.correlation)
    return replace(noise, correlation=white, diagonals=None)


def without_defects(image):
    """Measure noise as if no pixel were hot or dead."""
    return replace(estimate_noise(image), defects=None)


def plain_noise(image):
    """Level of differences of neighbours, by scikit-image."""
    from skimage.restoration import estimate_sigma

    levels = [estimate_sigma(window) for window in image]
    return NoiseModel(level=float(np.mean(levels)))


def unchanged(noise, *_):
    """Leave a measurement as it is."""
    return noise


def nowhere(image, noise):
    """Find the same noise at every place."""
    return find_pattern(image, noise.defects or Defects()), noise


def channels_apart(*_):
    """Leave the channels of a colour image as they are."""
    return None


def mean_not_kept(parts, denoised, intensities):
    """Leave the mean of a result as the inverse transform makes it."""
    return intensities


# name -> what is replaced in the modules of n2d.fitting that have it, during `fit`
FITTED = {
    "level by scikit-image, white": {"estimate_noise": plain_noise},
    "without stabilisation": {"estimate_noise": without_gain},
    "without the correlation": {"estimate_noise": without_correlation},
    "without measuring again": {"refine_noise": unchanged},
    "measurement believed at once": {"doubt_noise": unchanged},
    "without discounting texture": {"discount_texture": unchanged},
    "without replacing hot pixels": {"estimate_noise": without_defects},
    "the same noise at every place": {"find_places": nowhere},
    "channels not rotated": {"decorrelating_rotation": channels_apart},
    "mean not kept": {"_keeping_the_mean": mean_not_kept},
}


def fitted(case, replaced=None, **parameters):
    """Fit the default to a case, with some functions replaced."""
    with ExitStack() as stack:
        for name, function in (replaced or {}).items():
            for module in (prior_start, second_thoughts, conditioned):
                if hasattr(module, name):
                    stack.enter_context(patch.object(module, name, function))
        denoiser = Noise2DetailDenoiser(
            channel_axis=case.channel_axis, random_state=0, **parameters
        )
        return denoiser.fit(case.noisy)


def is_concerned(denoiser, name):
    """Whether a variant of `FITTED` can change anything about a case."""
    intensities = denoiser._intensities
    if name == "without replacing hot pixels":
        return intensities.reach > 0
    if name == "the same noise at every place":
        return any((place.level != 1).any() for place in intensities.places or ())
    if name == "channels not rotated":
        return intensities.rotation is not None
    return True


def told_truly(denoiser, case):
    """Fit with the noise's level and correlation taken from the clean image."""
    measured = denoiser.noise_
    models = measured if isinstance(measured, tuple) else (measured,)
    axis = case.channel_axis
    noisy, clean = (
        [image] if axis is None else np.moveaxis(image, axis, 0)
        for image in (np.asarray(case.noisy, float), np.asarray(case.clean, float))
    )
    told = []
    for model, y, x in zip(models, noisy, clean, strict=True):
        # The lamp and the dye of the clean image's many frames were others.
        x = np.polyval(np.polyfit(x.ravel(), y.ravel(), 1), x)
        n = stabilize(y, model) - stabilize(x, model)
        n = n - n.mean()
        lags, power = range(1, 5), np.mean(n**2)
        axes = [[np.mean(n[k:] * n[:-k]) for k in lags]]
        axes += [[np.mean(n[:, k:] * n[:, :-k]) for k in lags]]
        across = [[np.mean(n[k:, k:] * n[:-k, :-k]) for k in lags]]
        across += [[np.mean(n[k:, :-k] * n[:-k, k:]) for k in lags]]
        model = replace(model.louder(np.sqrt(power)), defects=None)
        axes, across = np.array(axes) / power, np.array(across) / power
        told.append(replace(model, correlation=axes, diagonals=across))
    noise = tuple(told) if isinstance(measured, tuple) else told[0]
    return fitted(case, noise=noise).transform(case.noisy)


def with_stages(denoiser, **changes):
    """A fitted denoiser whose stages differ."""
    another = copy.copy(denoiser)
    another._stages = replace(denoiser._stages, **changes)
    return another


def at_strength(strength):
    """Denoise as if the noise were so many times as strong, all else the same."""

    def apply(denoiser, case):
        return denoiser.at_strength(strength).transform(case.noisy)

    return apply


def in_precision(precision):
    """Denoise with the network computed in a precision."""

    def apply(denoiser, case):
        return copy.copy(denoiser).set_params(precision=precision).transform(case.noisy)

    return apply


class Views:
    """The mean of what a network makes of an image and of that turned over.

    Stands in the place of the `PriorNetwork`; `flips` has the axes of every view.
    """

    def __init__(self, network, flips):
        self.network, self.flips = network, flips
        self.alignment, self.reach = network.alignment, network.reach
        self.config = network.config

    def to(self, device):
        """Move the network to a device."""
        self.network.to(device)
        return self

    def __call__(self, noisy, level, correlation, rim):
        """Denoise images as the network does."""
        mean = 0
        for axes in self.flips:
            told, sides = correlation, list(rim)
            if len(axes) == 1:  # the diagonals change places
                told = correlation[:, [0, 1, 3, 2]]
            if -2 in axes:
                sides[:2] = sides[1::-1]
            if -1 in axes:
                sides[2:] = sides[:1:-1]
            turned = level.flip(axes) if level.ndim == 4 else level
            seen = self.network(noisy.flip(axes), turned, told, tuple(sides))
            mean = mean + seen.flip(axes) / len(self.flips)
        return mean


def in_views(*flips):
    """Denoise with the mean of several views."""

    def apply(denoiser, case):
        views = Views(denoiser._stages.networks[0], flips)
        return with_stages(denoiser, networks=(views,)).transform(case.noisy)

    return apply


def not_seeing_beyond(halo):
    """Denoise squares of twice `halo`, that see `halo` pixels around them, no more."""

    def apply(denoiser, case):
        multiple = denoiser._stages.alignment
        geometry = property(lambda _: {"reach": halo, "multiple": multiple})
        with (
            patch.object(tiled, "_LARGEST_TILE", 2 * halo),
            patch.object(tiled, "_SMALLEST_TILE", 2 * halo),
            patch.object(tiled.TileDenoiser, "geometry", geometry),
        ):
            return denoiser.transform(case.noisy)

    return apply


def without_rician_bias(sigma_of):
    """Remove what Rician noise adds to the mean, where the noise is Rician."""

    def apply(denoiser, case):
        denoised = denoiser.transform(case.noisy)
        if not case.group.startswith("rician"):
            return denoised
        return remove_rician_bias(denoised, sigma_of(case))

    return apply


def brightness_of_the_clean_image(denoiser, case):
    """Undo the straight line between the values of the clean image and the noisy."""
    line = np.polyfit(np.ravel(case.clean), np.ravel(case.noisy), 1)
    return (denoiser.transform(case.noisy) - line[1]) / line[0]


# name -> function of the fitted default and the case
APPLIED = {
    "told 0.8 times the level": at_strength(0.8),
    "told 0.9 times the level": at_strength(0.9),
    "told 1.1 times the level": at_strength(1.1),
    "told 1.25 times the level": at_strength(1.25),
    "two views": in_views((), (-2, -1)),
    "four views": in_views((), (-2,), (-1,), (-2, -1)),
    "float32": in_precision("float32"),
    "sees 16 to 48 pixels far": not_seeing_beyond(16),
    "sees 32 to 96 pixels far": not_seeing_beyond(32),
    "noise told from the clean image": told_truly,
    "brightness told from the clean image": brightness_of_the_clean_image,
    "Rician bias removed, level known": without_rician_bias(
        lambda case: float(case.group.removeprefix("rician")) / 255
    ),
    "Rician bias removed, level from a corner": without_rician_bias(
        lambda case: case.noisy[:12, :12].mean() / 1.2533
    ),
}


def cases_of(data, group):
    """The cases of a group, evenly spread over the set."""
    name, noises, prefix, crop, most = GROUPS[group]
    folder = data_set_folder(data, name)
    found = DATA_SETS[name].cases(folder, *([noises] if noises else []))
    found = [case for case in found if case.name.startswith(prefix)]
    for case in islice(found, 0, None, -(-len(found) // most)):
        yield case if crop is None else cropped(case, crop)


def decibels_of(case, fit=FITTED, apply=APPLIED):
    """Yield (variant, PSNR in dB) of a case, the default first."""

    def judged(estimate):
        return psnr(case.clean, estimate, case.data_range)

    denoiser = fitted(case)
    default = judged(denoiser.transform(case.noisy))
    yield "default", default
    for name, function in apply.items():
        yield name, judged(function(denoiser, case)) if denoiser._stages else default
    for name, replaced in fit.items():
        found = default
        if is_concerned(denoiser, name):
            found = judged(fitted(case, replaced).transform(case.noisy))
        yield name, found


def write(results, output):
    """Write the table of results[variant][group], lists of dB."""
    groups = list(results["default"])
    default = {group: np.mean(results["default"][group]) for group in groups}
    sizes = [f"{group} ({len(results['default'][group])})" for group in groups]
    table = [["variant", *sizes], ["default", *(f"{default[g]:.2f}" for g in groups)]]
    for name in list(results)[1:]:
        gains = [np.mean(results[name][group]) - default[group] for group in groups]
        table.append([name, *(f"{gain:+.2f}" for gain in gains)])
    text = [
        "# Ingredients",
        f"Made with `benchmarks/ingredients.py`, on: {describe_machine(1)}. Mean PSNR "
        "in dB, and what each variant adds to it.",
        "\n".join(
            f"| {' | '.join(line)} |"
            for line in (table[0], ["---"] * len(table[0]), *table[1:])
        ),
    ]
    output.mkdir(parents=True, exist_ok=True)
    (output / "ingredients.md").write_text("\n\n".join(text) + "\n")
    # The same for the documentation.
    with open(output / "ingredients.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
    print(text[-1])


def main():
    """Run all variants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default=os.environ.get("N2D_DATA"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    results = defaultdict(lambda: defaultdict(list))
    for group in GROUPS:
        for case in cases_of(arguments.data, group):
            for name, found in decibels_of(case):
                results[name][group].append(found)
            print(group, case.name, flush=True)
    write(results, arguments.output)


if __name__ == "__main__":
    main()
