"""
A day in the life of a hyperstack
=================================

A microscopist has recorded two channels over time, and Fiji has saved them as a
hyperstack, with its pixel size, frame interval, channel colours and display ranges. The
command line denoises it, and all of that is in place afterwards, as tifffile, which
knows nothing of n2d, can tell.

    python examples/hyperstack_day.py [FOLDER]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from n2d.datasets import fluorescence_cells
from n2d.metrics import psnr
from n2d.noise import add_poisson_gaussian_noise

N_TIMES, SIDE = 3, 128

# %%
# In the morning: two channels, three time points
# -----------------------------------------------
# The scenes are generated, so that the result can be judged: nuclei that are bright,
# and a second channel that is ten times dimmer.


def record():
    """Return a clean and a noisy hyperstack of axes TCYX, in camera counts."""
    rng = np.random.default_rng(0)
    clean = np.stack(
        [
            [fluorescence_cells((SIDE, SIDE), rng=2 * t + c) for c in range(2)]
            for t in range(N_TIMES)
        ]
    )
    noisy = add_poisson_gaussian_noise(clean, 0.02, 0.02, rng=rng)
    brightness = np.array([20_000.0, 2_000.0])[:, None, None]
    counts = np.clip(np.rint(500 + brightness * noisy), 0, 65535)
    return 500 + brightness * clean, counts.astype(np.uint16)


def lookup_table(red, green, blue):
    """Return a lookup table from black to a colour, as ImageJ has it."""
    ramp = np.arange(256)[None] * np.array([red, green, blue])[:, None]
    return ramp.astype(np.uint8)


def save_as_fiji_does(path, stack):
    """Write an ImageJ hyperstack."""
    tifffile.imwrite(
        path,
        stack,
        imagej=True,
        resolution=(1 / 0.108, 1 / 0.108),
        metadata={
            "axes": "TCYX",
            "unit": "um",
            "finterval": 30.0,
            "mode": "composite",
            "Labels": ["H2B-mCherry", "tubulin-GFP"] * N_TIMES,
            "LUTs": [lookup_table(1, 0, 1), lookup_table(0, 1, 0)],
            "Ranges": (500.0, 20_000.0, 500.0, 2_500.0),
            "Info": "63x oil, 37 degrees",
        },
    )


def look(path):
    """Return what tifffile finds in a hyperstack, besides its pixels."""
    with tifffile.TiffFile(path) as tif:
        series, page, said = tif.series[0], tif.pages[0], tif.imagej_metadata
        pixels = page.tags["XResolution"].value
        return {
            "axes": series.axes,
            "shape": series.shape,
            "type": str(series.dtype),
            "pixel": f"{pixels[1] / pixels[0]:.3f} {said['unit']}",
            "frame interval": f"{said['finterval']} s",
            "channels": said["Labels"][:2],
            "display ranges": said["Ranges"],
            "lookup tables": [table[:, -1].tolist() for table in said["LUTs"]],
            "info": said["Info"],
        }


def main(folder):
    """Record, denoise, look."""
    source, target = folder / "cells.tif", folder / "cells-denoised.tif"
    clean, noisy = record()
    save_as_fiji_does(source, noisy)

    # %%
    # At noon: one command
    # --------------------

    command = ["denoise", str(source), "-o", str(target), "--overwrite"]
    print("$ n2d", *command)
    subprocess.run([sys.executable, "-m", "n2d", *command], check=True)

    # %%
    # In the evening: all in place
    # ----------------------------

    before, after = look(source), look(target)
    for name, value in after.items():
        print(f"{name:<15}{value!s:<50}{'as before' if value == before[name] else ''}")
    if after != before:
        raise SystemExit(f"something was lost: {before}")
    denoised = tifffile.imread(target)
    for c, name in enumerate(after["channels"]):
        span = float(np.ptp(clean[:, c]))
        values = [psnr(clean[:, c], stack[:, c], span) for stack in (noisy, denoised)]
        print(f"{name:<15}PSNR {values[0]:.1f} dB before, {values[1]:.1f} dB after")
    print("all is in place")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
