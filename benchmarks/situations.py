"""Everyday situations: n2d beside the simple denoisers, and whether it warns.

    python benchmarks/situations.py --data DIR [--only WORD] [--output DIR]

Noise that differs from place to place, by intensity or by pixel, that was clipped,
resampled, compressed or drawn over, and pictures that look like noise, on parts of
256x256 pixels of generated and real clean images. All denoisers at their defaults. A
result more than 1 dB below the noisy image, or the best of the simple denoisers, should
not be called good. Results go to OUTPUT/situations.csv and OUTPUT/situations.md.
"""

import argparse
import csv
import io
import os
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from data_sets import data_set_folder
from machine import describe_machine
from PIL import Image
from scipy import ndimage
from skimage import transform

import n2d
from n2d import Noise2DetailDenoiser, NoiseWarning
from n2d.datasets import fluorescence_cells
from n2d.io import read_image

SIDE = 256
SIMPLE = ("gaussian", "median", "tv", "vst-nlm")
ROW, COLUMN = np.indices((SIDE, SIDE))
BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])


def scenes(data):
    """Yield name and clean image, from about 0 to 255."""
    for seed in (1, 3):
        yield f"cells {seed}", 20 + 180.0 * fluorescence_cells((SIDE, SIDE), rng=seed)
    for folder, every in (("kodak", 2), ("fmd_dev", 9)):
        paths = sorted((data_set_folder(data, folder) / "clean").iterdir())
        for path in paths[::every]:
            image = read_image(path).data.astype(float)
            if image.ndim == 3:
                image = image[..., :3] @ [0.299, 0.587, 0.114]
            top, left = ((n - SIDE) // 2 for n in image.shape)
            yield path.stem, image[top : top + SIDE, left : left + SIDE]


def white(rng, level=15.0):
    """White noise."""
    return rng.normal(0, level, (SIDE, SIDE))


def in_places(clean, rng):
    """Levels that differ from place to place."""
    middle = np.hypot(ROW - SIDE / 2, COLUMN - SIDE / 2)
    for n in (2, 4):
        each = np.kron(rng.uniform(5, 30, (n, n)), np.ones((SIDE // n, SIDE // n)))
        yield f"mosaic of {n} x {n} tiles", clean + each * white(rng, 1), clean
    yield "ramp to 4 times", clean + (1 + 3 * ROW / SIDE) * white(rng, 8), clean
    spot = 1 + 3 * np.exp(-((middle / 70) ** 2))
    yield "4 times in the middle", clean + spot * white(rng, 6), clean
    yield "halves", clean + np.where(COLUMN < 120, 6, 18) * white(rng, 1), clean
    flat = np.exp(-((middle / 140) ** 2))
    light = clean / 2 + 5
    yield "flat-fielded photons", rng.poisson(light * flat) / flat, light


def by_intensity(clean, rng):
    """Levels that depend on the light, and ends that are cut off."""
    light = clean / 4 + 2
    photons = rng.poisson(light).astype(float)
    yield "photons", photons, light
    yield "photons, negative", 100 - photons, 100 - light
    for few in (0.1, 0.5):
        light_of_few = few * clean / clean.mean()
        yield f"{few} photons a pixel", rng.poisson(light_of_few) * 1.0, light_of_few
    counts = np.maximum(rng.poisson(20 * light), 1)
    yield "optical density", -np.log10(counts / 1300), -np.log10(20 * light / 1300)
    yield "square root", np.sqrt(photons), np.sqrt(light)
    speckle = rng.gamma(4, 0.25, clean.shape)
    yield "speckle of 4 looks", (clean + 5) * speckle, clean + 5
    most = np.quantile(clean, 0.95)
    noisy = clean + white(rng, 12)
    yield "brightest 5 % saturated", noisy.clip(None, most), clean.clip(None, most)
    least = np.quantile(light, 0.3)
    clipped = (photons - least).clip(0)
    yield "background subtracted", clipped, (light - least).clip(0)
    yield "rounded to 16 levels", 16 * np.round(noisy / 16), clean


def processed(clean, rng):
    """Noise that was resampled, blurred or compressed with the image."""
    for angle, order in ((7, 1), (33, 3)):
        both = [
            transform.rotate(x, angle, order=order, preserve_range=True, mode="reflect")
            for x in (clean + white(rng), clean)
        ]
        yield f"rotated, order {order}", *both
    few = clean[:86, :86]
    both = few + white(rng)[:86, :86], few
    many = (np.kron(x, np.ones((3, 3)))[:SIDE, :SIDE] for x in both)
    yield "each pixel 3 x 3 times", *many
    for quality, level in ((90, 10), (70, 20)):
        file = io.BytesIO()
        noisy = (clean + white(rng, level)).clip(0, 255).round().astype(np.uint8)
        Image.fromarray(noisy).save(file, "JPEG", quality=quality)
        yield f"JPEG {quality}", np.asarray(Image.open(file)).astype(float), clean
    for blur in (0.5, 1, 2):
        noise = ndimage.gaussian_filter(white(rng), blur, mode="wrap")
        yield f"blurred by {blur}", clean + 15 * noise / noise.std(), clean


def damaged(clean, rng):
    """Pixels, lines and areas that say nothing, over white noise."""
    noisy = clean + white(rng, 8)
    for share in (0.01, 0.03):
        hot = rng.random(clean.shape) < share
        values = rng.uniform(150, 1500, clean.shape)
        yield f"{share:.0%} of hot pixels", np.where(hot, values, noisy), clean
    struck = rng.random(clean.shape) < 0.05
    salt = np.where(rng.random(clean.shape) < 0.5, 0.0, 255.0)
    yield "salt and pepper 5 %", np.where(struck, salt, noisy.clip(0, 255)), clean
    struck = rng.random(clean.shape) < 0.05
    values = rng.uniform(0, 255, clean.shape)
    yield "any value in 5 %", np.where(struck, values, noisy), clean
    for share in (0.2, 0.8):
        blank = COLUMN < share * SIDE
        both = (np.where(blank, 7.0, x) for x in (noisy, clean))
        yield f"{share:.0%} of one value", *both
    lines = (ROW % 16 == 0) | (COLUMN % 16 == 0)
    yield "grid drawn over", *(np.where(lines, 255.0, x) for x in (noisy, clean))
    light = clean / 4 + 2
    dim = 6.0 * rng.poisson(light / 6) + white(rng, 2)
    for share in (0.01, 0.03):
        hot = rng.random(clean.shape) < share
        values = dim + rng.uniform(30, 130, clean.shape)
        yield f"dim light, {share:.0%} of hot pixels", np.where(hot, values, dim), light
    struck = rng.random(clean.shape) < 0.02
    values = rng.uniform(0, 255, clean.shape)
    yield "dim light, any value in 2 %", np.where(struck, values, dim), light


def not_noise(clean, rng):
    """What looks like noise and is none, with and without some."""
    chance = rng.uniform(0, 255, clean.shape)
    thresholds = 16 * (BAYER[ROW % 4, COLUMN % 4] + 0.5)
    waves = np.cos(2 * np.pi * ROW / 6) * np.cos(2 * np.pi * COLUMN / 6)
    patterns = {
        "halftone of a matrix": 200.0 * (clean > thresholds),
        "halftone of dots": 200.0 * (clean > 127 * (waves + 1)),
        "lattice": 100 + 50 * waves + 0 * clean,
    }
    for name, pattern in patterns.items():
        yield name, pattern, pattern
        yield f"{name}, noise of 10", pattern + white(rng, 10), pattern
    photons = 1.0 * (chance < clean / 4)
    yield "single photons", photons, clean / 4 / 255


KINDS = (in_places, by_intensity, processed, damaged, not_noise)


def psnr(estimate, clean):
    """Peak signal to noise ratio over the range of the clean image; 80 dB at most."""
    span = np.subtract(*np.quantile(clean, [0.999, 0.001])) or np.ptp(clean)
    error = np.mean((np.asarray(estimate, float) - clean) ** 2)
    return float(10 * np.log10(span**2 / max(error, 1e-8 * span**2)))


def judge(kind, scene, noisy, clean):
    """Denoise in all ways; a row of the table."""
    registry = n2d.denoiser_registry()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        denoiser = Noise2DetailDenoiser(random_state=0)
        found = psnr(denoiser.fit_transform(noisy), clean)
        simple = {
            name: psnr(_simple(registry, name).fit_transform(noisy), clean)
            for name in SIMPLE
        }
    best = max(simple, key=simple.get)
    return {
        "situation": kind,
        "scene": scene,
        "noisy": psnr(noisy, clean),
        "n2d": found,
        "best": best,
        "simple": simple[best],
        "verdict": denoiser.trust_.verdict,
        "reasons": "; ".join(denoiser.trust_.reasons),
    }


def _simple(registry, name):
    """A denoiser at its defaults, with stabilised variance where its name says so."""
    if name.startswith("vst-"):
        return registry[name](denoiser=registry[name.removeprefix("vst-")]())
    return registry[name]()


def summary(rows):
    """Lay out a Markdown table, a line for every situation."""
    lines = [
        "| situation | images | noisy | n2d | best simple | worst difference "
        "| 1 dB lost | of these good |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    groups = {kind: [] for kind in dict.fromkeys(row["situation"] for row in rows)}
    for row in rows:
        groups[row["situation"]].append(row)
    for kind, some in [*groups.items(), ("all", rows)]:
        noisy, found, simple = (
            np.array([row[name] for row in some]) for name in ("noisy", "n2d", "simple")
        )
        difference = found - np.maximum(noisy, simple)
        lost = [row for row, d in zip(some, difference, strict=True) if d < -1]
        good = sum(row["verdict"] == "good" for row in lost)
        lines.append(
            f"| {kind} | {len(some)} | {noisy.mean():.1f} | {found.mean():.1f} "
            f"| {simple.mean():.1f} | {difference.min():+.1f} | {len(lost)} | {good} |"
        )
    return "\n".join(lines)


def main():
    """Judge, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("N2D_DATA"))
    parser.add_argument("--only", default="", help="situations with this word")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data, or set N2D_DATA; README.md says what it holds")
    rows = []
    for scene, clean in scenes(arguments.data):
        for kinds in KINDS:
            seed = zlib.crc32(f"{scene} {kinds.__name__}".encode())
            for name, noisy, truth in kinds(clean, np.random.default_rng(seed)):
                if arguments.only in name:
                    rows.append(judge(name, scene, noisy, truth))
    arguments.output.mkdir(parents=True, exist_ok=True)
    with open(arguments.output / "situations.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    only = f" --only {arguments.only!r}" if arguments.only else ""
    text = (
        "# Everyday situations\n\n"
        f"`python benchmarks/situations.py{only}`, "
        f"{describe_machine(torch.get_num_threads())}. PSNR in dB, means over the "
        "images; the best simple denoiser is chosen image by image, knowing the "
        "clean one; differences are to it or to the noisy image, whichever is "
        f"better.\n\n{summary(rows)}\n"
    )
    (arguments.output / "situations.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
