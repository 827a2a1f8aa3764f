"""What a denoiser may leave behind besides noise: grids, shifted means, altered images.

    python benchmarks/artefacts.py --data DIR

For every set, with the default settings, means over all of its images of

- the grid: power of the denoised image at the 15 frequencies that a pattern of period
  2 or 4 pixels would have, in units of the power around each of them. 1 is what there
  is without a grid. Beside it the same for the error (denoised minus clean) and for the
  clean image, since the mean of 50 captures keeps what pattern the camera has;
- the spread of the error's mean over the 16 positions of a 4 x 4 grid;
- the shift of the mean intensity from the noisy to the denoised image;

the last two in per cent of the data range. Expected before it was run: a grid of less
than 1.5, and shifts below 0.1 %. The table goes to OUTPUT/artefacts.md.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from data_sets import DATA_SETS, data_set_folder
from machine import describe_machine

from n2d import Noise2DetailDenoiser

SETS = (
    ("fmd_dev", ()),
    ("ct", ()),
    ("kodak_grey", ("gaussian25", "gaussian2", "gaussian0")),
    ("mri", ("rician15", "gaussian0")),
)
_AROUND = 6  # bins on each side that a frequency is compared with


def grid_power(error):
    """Power at the frequencies of patterns of period 2 and 4 over that around them.

    Parameters
    ----------
    error : ndarray of shape (H, W)
        Its middle, with sides that are multiples of 4, is looked at.

    Returns
    -------
    float
        Mean over the 15 frequencies; about 1 for noise of any smooth spectrum.
    """
    height, width = (n - n % 4 for n in error.shape)
    error = error[:height, :width] - error.mean()
    # Without a window the edges of the image would leak along both axes.
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.fft2(error * window)) ** 2
    ratios = []
    for u in range(4):
        for v in range(4):
            if u == v == 0:
                continue
            rows = (np.arange(-_AROUND, _AROUND + 1) + u * height // 4) % height
            columns = (np.arange(-_AROUND, _AROUND + 1) + v * width // 4) % width
            around = power[np.ix_(rows, columns)]
            # The window spreads a frequency over its direct neighbours.
            peak = around[_AROUND - 1 : _AROUND + 2, _AROUND - 1 : _AROUND + 2]
            rest = (around.sum() - peak.sum()) / (around.size - peak.size)
            ratios.append(peak.mean() / rest)
    return float(np.mean(ratios))


def phase_spread(error):
    """Standard deviation of the error's means over the positions of a 4 x 4 grid."""
    height, width = (n - n % 4 for n in error.shape)
    phases = error[:height, :width].reshape(height // 4, 4, width // 4, 4)
    return float(phases.mean(axis=(0, 2)).std())


def measure(case):
    """Grids, and spread and shift in % of the data range."""
    denoised = Noise2DetailDenoiser(random_state=0).fit_transform(case.noisy)
    denoised = np.asarray(denoised, float)
    noisy, clean = (np.asarray(image, float) for image in (case.noisy, case.clean))
    per_cent = 100 / case.data_range
    return (
        grid_power(denoised),
        grid_power(denoised - clean),
        grid_power(clean),
        per_cent * phase_spread(denoised - clean),
        per_cent * abs(float(np.mean(denoised - noisy))),
    )


def main():
    """Measure all sets and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default=os.environ.get("N2D_DATA"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    lines = [
        "| set | images | grid | largest | of error | of clean | spread % | shift % |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, noises in SETS:
        folder = data_set_folder(arguments.data, name)
        for noise in noises or ("",):
            cases = DATA_SETS[name].cases(folder, *([(noise,)] if noise else []))
            rows = np.array([measure(case) for case in cases])
            grid, of_error, of_clean, spread, shift = rows.mean(axis=0)
            lines.append(
                f"| {name} {noise} | {len(rows)} | {grid:.2f} | {rows[:, 0].max():.2f} "
                f"| {of_error:.2f} | {of_clean:.2f} | {spread:.4f} | {shift:.4f} |"
            )
            print(lines[-1], flush=True)
    text = [
        "# Artefacts",
        f"Made with `benchmarks/artefacts.py`, on: {describe_machine(1)}.",
        "\n".join(lines),
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "artefacts.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
