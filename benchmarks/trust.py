"""How often `trust_` warns: for nothing, and where the noise is wrong.

    python benchmarks/trust.py --data DIR [--crops 60] [--wrong]

Crops of 256x256 pixels of real images are denoised with default settings: those of
fmd_dev and sem_line as they are, those of kodak and histology with Gaussian noise of
5 to 50 (of 255), grey and in colour. Nothing is wrong with them: at most 2 % may be
"doubtful", none "bad". With ``--wrong``, also noise of many kinds, photographs with
little noise, and images of nothing but fine texture: of those whose level is off by
more than 2, as many as possible should not be "good". Results go to OUTPUT/trust.csv
and OUTPUT/trust.md.
"""

import argparse
import csv
import os
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from noise import GENERATED, SIDE, clean_images, make_noisy
from skimage.io import imread

from n2d import Noise2DetailDenoiser, NoiseWarning
from n2d.datasets import training_scene

SIGMAS = (5, 10, 15, 25, 50)
WEAK_SIGMAS = (1, 2, 5)
SHARES = {"fmd_dev": 0.25, "sem_line": 0.15, "kodak": 0.35, "histology": 0.25}
WRONG_KINDS = ("white", "blur 1.5", "AR 0.9", "zoom x3", "JPEG 80", "back-projection")
FIGURES = ("removed", "correlation", "contrast", "spread", "believed")


def crops(data, n_crops):
    """Yield (set, image, channel_axis, true level), evenly spread over each set."""
    rng = np.random.default_rng(0)
    for folder, share in SHARES.items():
        count = round(share * n_crops)
        noisy = data / folder / "noisy"
        is_noisy = noisy.exists()
        paths = sorted((noisy if is_noisy else data / folder / "clean").iterdir())
        for i in range(count):
            image = imread(paths[i * len(paths) // count]).astype(float)
            top, left = (
                int(rng.integers(max(1, n - SIDE + 1))) for n in image.shape[:2]
            )
            crop = image[top : top + SIDE, left : left + SIDE]
            sigma = None
            if crop.ndim == 3:
                crop = crop[..., :3]
                if i % 2:
                    crop = crop @ [0.299, 0.587, 0.114]
            if not is_noisy:
                sigma = SIGMAS[(i // 2) % len(SIGMAS)]
                crop = crop + rng.normal(0, sigma, crop.shape)
            yield folder, crop, -1 if crop.ndim == 3 else None, sigma


def wrong(data):
    """Yield (kind, image, channel_axis, true level) of images that are hard."""
    chosen = list(clean_images(data))
    for number, (_, clean) in enumerate(chosen[::3]):
        for kind in WRONG_KINDS:
            for strength in (0.02, 0.05):
                noisy = make_noisy(clean, kind, strength, number)
                yield kind, noisy.image, None, noisy.level
    yield from weak(data)
    rng = np.random.default_rng(0)
    for contrast in (2, 4, 8):
        # White texture cannot be told from noise at all; this one nearly.
        texture = rng.random((SIDE, SIDE)) < 0.5
        for level in (1, 4):
            noisy = contrast * texture + rng.normal(0, level, texture.shape)
            scene = training_scene((SIDE, SIDE), kind=GENERATED[0], rng=1)
            noisy = noisy + 20 * scene / np.ptp(scene)
            yield "fine texture", noisy, None, float(level)


def weak(data):
    """Yield (kind, image, channel_axis, true level) with little noise."""
    rng = np.random.default_rng(1)
    for folder in ("kodak", "histology"):
        for path in sorted((data / folder / "clean").iterdir()):
            clean = imread(path)[..., :3].astype(float) @ [0.299, 0.587, 0.114]
            for side in (SIDE, SIDE // 2):
                top, left = (int(rng.integers(n - side + 1)) for n in clean.shape)
                crop = clean[top : top + side, left : left + side]
                for sigma in WEAK_SIGMAS:
                    noisy = crop + rng.normal(0, sigma, crop.shape)
                    yield f"photograph, noise of {sigma}", noisy, None, sigma


def judge(group, image, channel_axis, truth):
    """Denoise, and return a row of the table."""
    denoiser = Noise2DetailDenoiser(channel_axis=channel_axis, random_state=0)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        denoiser.fit(image)
    trust = denoiser.trust_
    noise = denoiser.noise_ if channel_axis is None else denoiser.noise_[0]
    return {
        "group": group,
        "verdict": trust.verdict,
        "level": noise.level,
        "true": truth,
        **{name: trust.figures.get(name) for name in FIGURES},
        "seconds": time.perf_counter() - start,
        "reasons": "; ".join(trust.reasons),
    }


def summary(rows):
    """Lay out a Markdown table: verdicts by group."""
    lines = [
        "| images | n | good | doubtful | bad | not checked | off by more than 2 "
        "| of these not good |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group in dict.fromkeys(row["group"] for row in rows):
        some = [row for row in rows if row["group"] == group]
        counts = [
            sum(row["verdict"] == verdict for row in some)
            for verdict in ("good", "doubtful", "bad", None)
        ]
        off = [
            row
            for row in some
            if row["true"]
            and abs(np.log(max(row["level"], 1e-9) / row["true"])) > np.log(2)
        ]
        known = any(row["true"] for row in some)
        cells = [group, len(some), *counts, len(off) if known else ""]
        cells.append(sum(row["verdict"] != "good" for row in off) if known else "")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main():
    """Judge, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("N2D_DATA"))
    parser.add_argument("--crops", type=int, default=60)
    parser.add_argument("--wrong", action="store_true", help="hard images, too")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data, or set N2D_DATA; README.md says what it holds")
    data = Path(arguments.data)
    cases = [*crops(data, arguments.crops), *(wrong(data) if arguments.wrong else ())]
    rows = []
    arguments.output.mkdir(parents=True, exist_ok=True)
    with open(arguments.output / "trust.csv", "w", newline="") as file:
        for case in cases:
            rows.append(judge(*case))
            writer = csv.DictWriter(file, rows[0])
            if len(rows) == 1:
                writer.writeheader()
            writer.writerow(rows[-1])
            file.flush()
    wrong_too = " --wrong" if arguments.wrong else ""
    text = (
        "# How often the result is said not to be trusted\n\n"
        f"`python benchmarks/trust.py --crops {arguments.crops}{wrong_too}`, "
        f"{describe_machine(torch.get_num_threads())}.\n\n{summary(rows)}\n"
    )
    (arguments.output / "trust.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
