"""Simulated CT: projections with photon noise, and filtered back-projection.

    python benchmarks/ct.py [--side 512] [--angles 360] [--oracle]

Phantoms (scikit-image's head and a generated body, air around them) are projected in
parallel beams, photons are drawn for every ray, and images are reconstructed with a
sharp and a soft kernel. The reference is the reconstruction without noise, so that what
counts is the noise alone. ``--oracle`` also tells the denoiser the noise of a second
draw: level, correlation and a map of places. Results go to OUTPUT/ct.csv and ct.md.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from machine import describe_machine
from skimage.data import shepp_logan_phantom
from skimage.transform import iradon, radon, resize

from n2d import Noise2DetailDenoiser
from n2d.datasets import training_scene
from n2d.metrics import psnr
from n2d.noise import NoiseModel

KERNELS = {"sharp": "ramp", "soft": "hann"}
WATER = 0.02  # attenuation per mm
FIELD = 350.0  # mm
PHOTONS = 3e5  # for every ray, before the body
WIDTH = 400.0  # HU, of the window that PSNR is relative to
MAP = 8  # cells a side of the oracle's map


def phantoms(side):
    """Yield (name, attenuation relative to water), air around the body."""
    head = resize(shepp_logan_phantom(), (side, side), anti_aliasing=True)
    # Soft tissue around 1, bone 1.8: as in a head, not as in the drawing.
    yield "head", np.where(head > 0.5, 1.8, np.where(head > 0.02, 0.9 + 0.6 * head, 0))
    y, x = (np.indices((side, side)) + 0.5) / side - 0.5
    inside = (x / 0.45) ** 2 + (y / 0.33) ** 2 < 1
    scene = training_scene((side, side), kind="anatomy", rng=0).astype(float)
    yield "body", np.where(inside, 0.9 + 0.3 * scene, 0.0)


def reconstruct(projections, angles, kernel, side):
    """Filtered back-projection, in HU."""
    image = iradon(
        projections, angles, filter_name=kernel, circle=True, output_size=side
    )
    return 1000 * (image * side / (FIELD * WATER) - 1)


def measured(projections, rng):
    """Line integrals as a detector that counts photons sees them."""
    counts = rng.poisson(PHOTONS * np.exp(-projections))
    return -np.log(np.maximum(counts, 1) / PHOTONS)


def told(noise):
    """What an oracle says of a field of noise (h, w)."""
    level, lags = float(noise.std()), range(1, 5)
    power = np.mean(noise**2)
    correlation = [
        [np.mean(noise[k:] * noise[:-k]) / power for k in lags],
        [np.mean(noise[:, k:] * noise[:, :-k]) / power for k in lags],
    ]
    diagonals = [
        [np.mean(noise[k:, k:] * noise[:-k, :-k]) / power for k in lags],
        [np.mean(noise[k:, :-k] * noise[:-k, k:]) / power for k in lags],
    ]
    n = len(noise) // MAP * MAP
    cells = noise[:n, :n].reshape(MAP, n // MAP, MAP, n // MAP)
    # Corners that no ray has met are black.
    place = np.maximum(np.sqrt(np.mean(cells**2, axis=(1, 3))) / level, 0.05)
    return NoiseModel(level, correlation=correlation, diagonals=diagonals, place=place)


def main():
    """Simulate, denoise, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--angles", type=int, default=360)
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    side, rows = arguments.side, []
    angles = np.linspace(0, 180, arguments.angles, endpoint=False)
    for name, phantom in phantoms(side):
        clean = radon(phantom, angles, circle=True) * WATER * FIELD / side
        rng = np.random.default_rng(0)
        noisy, another = measured(clean, rng), measured(clean, rng)
        for kernel, filter_name in KERNELS.items():
            truth, image, second = (
                reconstruct(p, angles, filter_name, side)
                for p in (clean, noisy, another)
            )
            denoiser = Noise2DetailDenoiser(random_state=0).fit(image)
            row = {
                "phantom": name,
                "kernel": kernel,
                "true level (HU)": float((image - truth).std()),
                "measured (HU)": denoiser.noise_.level,
                "noisy (dB)": psnr(truth, image, WIDTH),
                "n2d (dB)": psnr(truth, denoiser.transform(image), WIDTH),
                "trust": denoiser.trust_.verdict,
            }
            if arguments.oracle:
                oracle = Noise2DetailDenoiser(noise=told(second - truth))
                result = oracle.fit_transform(image)
                row["oracle (dB)"] = psnr(truth, result, WIDTH)
            rows.append(row)
            print(row, flush=True)
    with open(arguments.output / "ct.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [
        [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()]
        for row in rows
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    oracle = " --oracle" if arguments.oracle else ""
    text = (
        "# Simulated CT\n\n"
        f"`python benchmarks/ct.py --side {side} --angles {arguments.angles}{oracle}`, "
        f"{PHOTONS:.0f} photons a ray, {describe_machine(1)}.\n\n{table}\n"
    )
    (arguments.output / "ct.md").write_text(text)
    print(table)


if __name__ == "__main__":
    main()
