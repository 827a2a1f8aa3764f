"""Lattices, dim scenes and nothing at all: ``python benchmarks/structure.py``.

Expected, before it was run: lattices of period 3 to 20 in noise of 0.2 to 2 times their
amplitude at least as good as BM3D; scenes from -10 to 0 dB signal to noise never worse
than the Gaussian blur that suits them best (chosen with the clean image in hand); of
noise alone, at most 2 % left. All images are generated, with seeds that no training has
used; n2d measures the noise, BM3D is told it.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from scipy import ndimage

from n2d import Noise2DetailDenoiser, denoiser_registry
from n2d.datasets import training_scene

SIDE = 256
PERIODS, NOISES = (3, 4.5, 7, 12, 20), (0.2, 0.5, 1.0, 2.0)
KINDS = ("sparse", "fluorescence", "lattices", "thin section", "objects")
DECIBELS = (-10, -5, 0)
BLURS = (0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8, 11, 16)


def lattice(period, angle=0.4):
    """A square lattice of amplitude 1."""
    y, x = np.mgrid[:SIDE, :SIDE] * 2 * np.pi / period
    c, s = np.cos(angle), np.sin(angle)
    return (np.sin(c * y + s * x) + np.sin(c * x - s * y)) / 2


def psnr(found, clean):
    """Decibels, for a range of the clean image's own."""
    return 10 * np.log10(np.ptp(clean) ** 2 / np.mean((found - clean) ** 2))


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


def rows():
    """Lines of the table."""
    rng = np.random.default_rng(20)
    for noise in NOISES:
        gains = []
        for period in PERIODS:
            clean = lattice(period)
            noisy = clean + rng.normal(0, noise, clean.shape)
            gains.append([psnr(f, clean) for f in (n2d(noisy), bm3d(noisy, noise))])
            gains[-1].append(psnr(best_blur(noisy, clean), clean))
            yield (f"lattice, period {period}, noise {noise}", *gains[-1])
        yield (f"lattices, noise {noise}, mean", *np.mean(gains, axis=0))
    for kind in KINDS:
        for decibels in DECIBELS:
            found = []
            for seed in range(3):
                clean = training_scene((SIDE, SIDE), kind=kind, rng=[9, seed])
                clean = clean / clean.std() * 10 ** (decibels / 20)
                noisy = clean + rng.normal(size=clean.shape)
                images = n2d(noisy), bm3d(noisy, 1.0), best_blur(noisy, clean)
                found.append([psnr(image, clean) for image in images])
            yield (f"{kind}, {decibels} dB, mean of 3", *np.mean(found, axis=0))


def main():
    """Print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    folder = parser.parse_args().output
    lines = ["# Lattices, dim scenes, nothing at all", ""]
    noise = np.random.default_rng(3).normal(size=(512, 512))
    left = n2d(noise).std()
    lines += [f"Of noise alone {100 * left:.2f} % of its deviation is left.", ""]
    lines += [
        "| scene | n2d | BM3D, told the level | best Gaussian |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, *figures in rows():
        lines.append(f"| {name} | " + " | ".join(f"{f:.2f}" for f in figures) + " |")
        print(lines[-1], flush=True)
    (folder / "structure.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
