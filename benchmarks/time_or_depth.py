"""Recordings of volumes: neighbours in time, in depth, or those that agree more.

    python benchmarks/time_or_depth.py

Generated cells in three dimensions, 7 times 5 planes of 96 x 96 pixels, that move
aside or along the optical axis, bleach, or are others every time; PSNR over the
plane-by-plane result, and which neighbours `n2d denoise` would take. Five minutes on
one core. The table goes to OUTPUT/time_or_depth.md.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from stacks import noisy_of, table

from n2d import Noise2DetailDenoiser, NoiseWarning
from n2d.datasets import cell_volume, moved_frames
from n2d.files._agreement import which_agree
from n2d.metrics import psnr

N_TIMES, N_PLANES, SIDE = 7, 5, 96
# Distance of planes, and motion per frame aside and along the axis, in pixels; the
# resolution along the axis is 6 pixels.
RECORDINGS = {
    "still, half the axial resolution": {},
    "0.5 px, bleaching 5 %": {"aside": 0.5, "bleaching": 0.05},
    "2 px": {"aside": 2.0},
    "6 px, axial 1 px": {"aside": 6.0, "axial": 1.0},
    "axial 1.5 px": {"axial": 1.5},
    "2 px, a quarter of the axial resolution": {"step": 1.5, "aside": 2.0},
    "2 px, axial 3 px, a quarter": {"step": 1.5, "aside": 2.0, "axial": 3.0},
    "0.5 px, all of the axial resolution": {"step": 6.0, "aside": 0.5},
    "others every time": None,
}


def recording(step=3.0, aside=0.0, axial=0.0, bleaching=0.0):
    """Photograph a volume (T, Z, H, W) that moves."""
    fine = 0.5
    n_fine = round((step * (N_PLANES - 1) + axial * (N_TIMES - 1)) / fine) + 1
    size = (SIDE + 48, SIDE + 48)
    volume = cell_volume(n_fine, size, step=fine, axial_fwhm=6, rng=0)
    shifts = np.arange(N_TIMES)[:, None] * aside * np.array([0.6, 0.8])
    shifts -= shifts.mean(axis=0)

    def plane(t, z):
        sharp = volume[round((z * step + t * axial) / fine)]
        (moved,) = moved_frames(sharp, shifts[t : t + 1], (SIDE, SIDE))
        return moved * (1 - bleaching) ** t

    return np.stack(
        [np.stack([plane(t, z) for z in range(N_PLANES)]) for t in range(N_TIMES)]
    )


def strangers():
    """Another volume at each time."""
    size = (SIDE, SIDE)
    return np.stack([cell_volume(N_PLANES, size, rng=100 + t) for t in range(N_TIMES)])


def measure(clean, noisy):
    """PSNR (T, Z) plane by plane, with neighbours in time, and in depth."""
    denoiser = Noise2DetailDenoiser(random_state=0)
    denoiser.fit(list(noisy.reshape(-1, SIDE, SIDE)))
    denoiser = denoiser.for_all_planes()
    found = []
    for stack in ("independent", "time", "depth"):
        denoiser.set_params(stack=stack)
        runs = np.moveaxis(noisy, 1, 0) if stack == "time" else noisy
        denoised = np.stack([denoiser.transform(run) for run in runs])
        denoised = np.moveaxis(denoised, 1, 0) if stack == "time" else denoised
        pairs = zip(
            clean.reshape(-1, SIDE, SIDE), denoised.reshape(-1, SIDE, SIDE), strict=True
        )
        found.append(np.array([psnr(a, b, 1) for a, b in pairs]))
    return found


def main():
    """Measure, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", NoiseWarning)
    lines, means = [], []
    for name, settings in RECORDINGS.items():
        clean = strangers() if settings is None else recording(**settings)
        for noise in ("medium", "strong"):
            noisy = noisy_of(clean, noise, 3)
            alone, time, depth = measure(clean, noisy)
            gains = {"time": time - alone, "depth": depth - alone}
            chosen = which_agree(noisy, "TZYX", [2, 3])
            of_both = [gains["time"].mean(), gains["depth"].mean()]
            means.append([*of_both, gains[chosen].mean(), max(of_both)])
            line = [name, noise, f"{alone.mean():.2f}"]
            line += [f"{gain:+.2f}" for gain in of_both]
            lines.append([*line, chosen, f"{gains[chosen].min():+.2f}"])
            print(*lines[-1], sep=", ", flush=True)
    time, depth, chosen, better = np.mean(means, axis=0)
    header = "what changes per frame, noise, alone, time, depth, taken, its worst plane"
    text = "\n\n".join(
        [
            "# Time or depth",
            "`python benchmarks/time_or_depth.py`, "
            f"{describe_machine(torch.get_num_threads())}.",
            "PSNR in dB (range 1) plane by plane, what neighbours in time and in depth "
            "add, and which are taken for they agree more.",
            table(header.split(", "), lines),
            f"Means: time {time:+.2f}, depth {depth:+.2f}, those that agree more "
            f"{chosen:+.2f}, always the better {better:+.2f} dB.",
        ]
    )
    (arguments.output / "time_or_depth.md").write_text(text + "\n")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
