"""Lattices, dim scenes and nothing at all: ``python benchmarks/structure.py``.

Expected, before it was run: lattices of period 3 to 20 in noise of 0.2 to 2 times their
amplitude at least as good as BM3D; scenes from -10 to 0 dB signal to noise never worse
than the Gaussian blur that suits them best (chosen with the clean image in hand),
sections of tissue neither by SSIM; the same for few photons a pixel; of noise alone, at
most 2 % left. All images are
generated, with seeds that no training has used; n2d measures the noise, BM3D is told
it. `--pictures` keeps every scene as clean, noisy, denoised and blurred, side by side,
four times as large.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from scipy import ndimage

from n2d import Noise2DetailDenoiser, denoiser_registry
from n2d.datasets import training_scene
from n2d.io import write_image
from n2d.metrics import psnr, ssim

SIDE = 256
PERIODS, NOISES = (3, 4.5, 7, 12, 20), (0.2, 0.5, 1.0, 2.0)
KINDS = ("sparse", "fluorescence", "lattices", "thin section", "objects")
DECIBELS, PHOTONS = (-10, -5, 0), (0.05, 0.1, 0.2, 0.5)
FORMS = (".2f", ".2f", ".3f", ".3f", ".2f")
BLURS = (0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8, 11, 16)


def lattice(period, angle=0.4):
    """A square lattice of amplitude 1."""
    y, x = np.mgrid[:SIDE, :SIDE] * 2 * np.pi / period
    c, s = np.cos(angle), np.sin(angle)
    return (np.sin(c * y + s * x) + np.sin(c * x - s * y)) / 2


def n2d(noisy):
    """The default, and what it says of its own error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Noise2DetailDenoiser(random_state=0).fit_transform(noisy)


def bm3d(noisy, level):
    """BM3D from the registry, told the true level of the noise."""
    return denoiser_registry()["bm3d"](sigma=level).fit_transform(noisy)


def best_blur(noisy, clean):
    """The Gaussian blur nearest to the clean image."""
    blurred = (ndimage.gaussian_filter(noisy, blur) for blur in BLURS)
    return min(blurred, key=lambda found: np.mean((found - clean) ** 2))


def judged(clean, noisy, picture, other=None):
    """Decibels of n2d, the best blur and another image, SSIM of the first two."""
    images = [n2d(noisy), best_blur(noisy, clean)]
    span = np.ptp(clean)
    if picture is not None:
        shown = np.hstack([clean, noisy, *images])
        shown = np.clip((shown - clean.min()) / span, 0, 1).repeat(4, 0).repeat(4, 1)
        write_image(picture, np.rint(255 * shown).astype(np.uint8))
    found = [psnr(clean, image, span) for image in images]
    found += [ssim(clean, image, span) for image in images]
    return found if other is None else [*found, psnr(clean, other, span)]


def rows(pictures):
    """Lines of the table."""
    rng = np.random.default_rng(20)

    def picture(name):
        return pictures and pictures / f"{name}.png".replace(" ", "_")

    for kind in KINDS:
        for decibels in DECIBELS:
            found = []
            for seed in range(3):
                clean = training_scene((SIDE, SIDE), kind=kind, rng=[9, seed])
                clean = clean / clean.std() * 10 ** (decibels / 20)
                noisy = clean + rng.normal(size=clean.shape)
                name = picture(f"{kind} {decibels} dB {seed}")
                found.append(judged(clean, noisy, name))
            yield (f"{kind}, {decibels} dB, mean of 3", *np.mean(found, axis=0))
    yield from photon_rows(picture)
    for noise in NOISES:
        found = []
        for period in PERIODS:
            clean = lattice(period)
            noisy = clean + rng.normal(0, noise, clean.shape)
            name = f"lattice, period {period}, noise {noise}"
            found.append(judged(clean, noisy, picture(name), bm3d(noisy, noise)))
            yield (name, *found[-1])
        yield (f"lattices, noise {noise}, mean", *np.mean(found, axis=0))


def photon_rows(picture):
    """Lines of the table: so few photons that most pixels see none."""
    rng = np.random.default_rng(21)
    for kind in KINDS[:2]:
        for photons in PHOTONS:
            found = []
            for seed in range(3):
                clean = training_scene((SIDE, SIDE), kind=kind, rng=[9, seed])
                clean = photons * clean / clean.mean()
                noisy = rng.poisson(clean).astype(float)
                name = picture(f"{kind} {photons} photons {seed}")
                found.append(judged(clean, noisy, name))
            name = f"{kind}, {photons} photons a pixel, mean of 3"
            yield (name, *np.mean(found, axis=0))


def main():
    """Print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--pictures", type=Path, help="folder for PNG files")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["# Lattices, dim scenes, nothing at all", ""]
    lines += [f"`python benchmarks/structure.py`, {describe_machine(1)}.", ""]
    noise = np.random.default_rng(3).normal(size=(512, 512))
    left = n2d(noise).std()
    lines += [f"Of noise alone {100 * left:.2f} % of its deviation is left.", ""]
    lines += [
        "| scene | n2d (dB) | best Gaussian | n2d (SSIM) | best Gaussian "
        "| BM3D, told the level (dB) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, *figures in rows(arguments.pictures):
        cells = [f"{f:{form}}" for f, form in zip(figures, FORMS, strict=False)]
        lines.append(f"| {' | '.join([name, *cells, '-'][:6])} |")
        print(lines[-1], flush=True)
        (arguments.output / "structure.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
