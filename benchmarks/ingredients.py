"""What each ingredient of the default gives: leave one out, or put one in.

    python benchmarks/ingredients.py --data DIR

Every variant differs from the default in one thing and runs over whole sets; the table
has the mean PSNR of each group and how much the variant is above the default. Expected
before it was run: stabilisation is worth 0.3 dB or more on confocal and two-photon
images, the correlation several dB on wide-field images and CT, believing less of a
measurement only at light noise, and what is off by default within 0.05 dB of nothing.
"""

import argparse
import csv
import os
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from data_sets import DATA_SETS, cropped, data_set_folder
from machine import describe_machine

from n2d import Noise2DetailDenoiser
from n2d.fitting import prior_start
from n2d.metrics import psnr
from n2d.noise import NoiseModel, estimate_noise

# set, noises, side of crops or None
SETS = (
    ("fmd_dev", (), None),
    ("ct", (), None),
    ("kodak_grey", ("gaussian25", "gaussian2"), 256),
    ("kodak", ("gaussian25",), 256),
    ("histology", ("gaussian25",), 256),
)


def without_gain(image):
    """Measure noise that does not depend on intensity."""
    noise = estimate_noise(image)
    return replace(noise, gain=0.0, read_noise=noise.level)


def without_correlation(image):
    """Measure noise as if neighbours were independent."""
    noise = estimate_noise(image)
    return replace(noise, correlation=np.zeros_like(noise.correlation))


def unchanged(noise, *_):
    """Leave a measurement as it is."""
    return noise


def channels_apart(*_):
    """Leave the channels of a colour image as they are."""
    return None


def plain_noise(image):
    """Level of differences of neighbours, by scikit-image."""
    from skimage.restoration import estimate_sigma

    levels = [estimate_sigma(window) for window in image]
    return NoiseModel(level=float(np.mean(levels)))


# name -> (parameters of the estimator, what is replaced in n2d.fitting.prior_start)
VARIANTS = {
    "default": ({}, {}),
    "level by scikit-image, white": ({}, {"estimate_noise": plain_noise}),
    "without stabilisation": ({}, {"estimate_noise": without_gain}),
    "without the correlation": ({}, {"estimate_noise": without_correlation}),
    "without measuring again": ({}, {"refine_noise": unchanged}),
    "measurement believed at once": ({}, {"doubt_noise": unchanged}),
    "without discounting texture": ({}, {"discount_texture": unchanged}),
    "a tenth less than the measured level": ({"strength": 0.9}, {}),
    "channels not rotated": ({}, {"decorrelating_rotation": channels_apart}),
    "with p_2 and p_3 in the mixture": ({"downsampling_factors": (2, 3)}, {}),
}


def group_of(set_name, case, noise):
    """Name of the column that a case counts for."""
    if set_name == "fmd_dev":
        return case.name.partition("_")[0]
    return f"{set_name} {noise}".strip()


def cases(data):
    """Yield (group, case) of all sets."""
    for name, noises, crop in SETS:
        folder = data_set_folder(data, name)
        for noise in noises or ("",):
            for case in DATA_SETS[name].cases(folder, *([(noise,)] if noise else [])):
                yield (
                    group_of(name, case, noise),
                    case if crop is None else cropped(case, crop),
                )


def main():
    """Run all variants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default=os.environ.get("N2D_DATA"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = defaultdict(lambda: defaultdict(list))
    for group, case in cases(arguments.data):
        for name, (parameters, replaced) in VARIANTS.items():
            with ExitStack() as stack:
                for attribute, value in replaced.items():
                    stack.enter_context(patch.object(prior_start, attribute, value))
                denoiser = Noise2DetailDenoiser(
                    channel_axis=case.channel_axis, random_state=0, **parameters
                )
                estimate = denoiser.fit_transform(case.noisy)
            results[name][group].append(psnr(case.clean, estimate, case.data_range))
        print(group, case.name, flush=True)
    groups = list(results["default"])
    default = {group: np.mean(results["default"][group]) for group in groups}
    sizes = [f"{group} ({len(results['default'][group])})" for group in groups]
    table = [["variant", *sizes], ["default", *(f"{default[g]:.2f}" for g in groups)]]
    for name in list(VARIANTS)[1:]:
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
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "ingredients.md").write_text("\n\n".join(text) + "\n")
    # The same for the documentation.
    with open(arguments.output / "ingredients.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
    print(text[-1])


if __name__ == "__main__":
    main()
