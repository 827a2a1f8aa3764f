"""What bfloat16 costs, and what it gains: ``python benchmarks/precision.py``.

Generated scenes, each with noise of known kind, denoised in float32 and in bfloat16 by
one fit each; processor seconds in turns, on one thread. Differences are in standard
deviations of the noise. The table goes to OUTPUT/precision.md.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine

from n2d import Noise2DetailDenoiser
from n2d.applying import tiled
from n2d.datasets import fluorescence_cells, training_scene
from n2d.metrics import psnr
from n2d.noise import add_correlated_noise, add_gaussian_noise, add_poisson_noise


def cases(side):
    """Clean and noisy images by name."""
    scenes = {
        "cells": fluorescence_cells((side, side), rng=0),
        "any scene": training_scene((side, side), rng=3),
    }
    for kind, scene in scenes.items():
        clean = 100 * np.asarray(scene, float)
        clean -= clean.min()
        span = np.ptp(clean)
        yield (
            f"{kind}, 10 photons",
            clean,
            clean.max() / 10 * add_poisson_noise(clean / clean.max() * 10, 10, rng=1),
        )
        yield (
            f"{kind}, Gaussian 10 %",
            clean,
            add_gaussian_noise(clean, span / 10, rng=1),
        )
        yield (
            f"{kind}, blurred 5 %",
            clean,
            add_correlated_noise(clean, span / 20, 0.7, rng=1),
        )


def seconds(function):
    """Processor seconds of a call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def row(clean, noisy, rounds):
    """Figures of one image."""
    kinds = ("float32", "bfloat16")
    made = {k: Noise2DetailDenoiser(precision=k, random_state=0) for k in kinds}
    results = {k: d.fit_transform(noisy) for k, d in made.items()}
    fits, transforms = ({k: [] for k in kinds} for _ in range(2))
    for _ in range(rounds):
        for k, d in made.items():
            fits[k].append(seconds(lambda d=d: d.fit(noisy)))
            transforms[k].append(seconds(lambda d=d: d.transform(noisy)))
    level = np.asarray(made["float32"].noise_.level)
    difference = (results["bfloat16"] - results["float32"]) / level
    half = made["bfloat16"]
    scaled = Noise2DetailDenoiser(precision="bfloat16", random_state=0).fit_transform(
        2.7 * noisy + 31
    )
    before, tiled._LARGEST_TILE = tiled._LARGEST_TILE, 96
    try:
        parts = half.transform(noisy)
    finally:
        tiled._LARGEST_TILE = before
    span = np.ptp(clean)
    return (
        psnr(clean, results["float32"], data_range=span),
        psnr(clean, results["bfloat16"], data_range=span)
        - psnr(clean, results["float32"], data_range=span),
        np.sqrt(np.mean(difference**2)),
        np.abs(difference).max(),
        np.abs(parts - results["bfloat16"]).max() / level,
        np.abs((scaled - 31) / 2.7 - results["bfloat16"]).max() / level,
        min(fits["bfloat16"]) / min(fits["float32"]),
        min(transforms["bfloat16"]) / min(transforms["float32"]),
    )


def main():
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "| image | dB in float32 | dB by bfloat16 | difference, rms | largest "
        "| of tiles | of 2.7 x + 31 | time of fit | of transform |",
        "| --- " + "| ---: " * 8 + "|",
    ]
    for name, clean, noisy in cases(arguments.side):
        figures = row(clean, noisy, arguments.rounds)
        forms = (".2f", "+.4f", ".4f", ".3f", ".4f", ".3f", ".2f", ".2f")
        cells = [format(f, form) for f, form in zip(figures, forms, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    text = [
        "# bfloat16 against float32",
        f"Made with `benchmarks/precision.py --side {arguments.side}` on: "
        f"{describe_machine(1)}. Differences in standard deviations of the noise: of "
        "the results, of tiles of 96 pixels to one tile, of an image scaled and "
        "shifted, and brought back. Times as shares of float32's.",
        "\n".join(lines),
    ]
    (arguments.output / "precision.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
