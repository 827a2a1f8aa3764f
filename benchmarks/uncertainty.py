"""Whether the standard errors of `transform(X, return_std=True)` are true.

    python benchmarks/uncertainty.py --set generated "noise alone" "-5 dB"
    python benchmarks/uncertainty.py --data DIR --set fmd_dev sem_line kodak_grey

Of every set: the share of pixels whose error is within one and two standard errors (68
and 95 % of Gaussian errors are); what share of the squared error those 10 % of the
pixels carry whose standard error is largest, image by image (10 % would say nothing,
the ideal is all of it); the root of the mean squared error, beside that of the mean
squared standard error. Rows go to OUTPUT.csv and a table to OUTPUT.md; sets that are
not named keep the rows that they have.
"""

import argparse
import csv
import os
from pathlib import Path

import numpy as np
import torch
from data_sets import DATA_SETS, cropped, data_set_folder
from machine import describe_machine

from n2d import Noise2DetailDenoiser
from n2d.comparison import Case
from n2d.datasets import training_scene
from n2d.noise import add_correlated_noise, add_gaussian_noise, add_poisson_noise

# Sets of clean images get this noise.
NOISES = ("gaussian25",)

# Standard deviations of the generated scenes' noise, and numbers of photons, at values
# from 0 to 1.
LEVELS = (0.02, 0.05, 0.1, 0.2)
PHOTONS = (100, 30, 10)

# What the standard errors would be multiplied by: whether another one than 1 would
# make those of the generated scenes truer.
FACTORS = (0.8, 0.9, 1.0, 1.1, 1.2)

COLUMNS = (
    "set",
    "case",
    "within 1",
    "within 2",
    "worst tenth",
    "rmse",
    "rms standard error",
    "noise",
    *(f"within {n} x {factor}" for factor in FACTORS for n in (1, 2)),
)


def generated(n_scenes, first_seed=1_000_000):
    """Scenes of all kinds with white, photon and correlated noise in turns."""
    for i in range(n_scenes):
        rng = np.random.default_rng(first_seed + i)
        clean = training_scene((192, 192), rng=rng).astype(float)
        if clean.std() == 0:  # a scene of one value, and no photons to make noise
            continue
        level, photons = LEVELS[i // 3 % len(LEVELS)], PHOTONS[i // 3 % len(PHOTONS)]
        noise = ("gaussian", "poisson", "correlated")[i % 3]
        if noise == "gaussian":
            noisy = add_gaussian_noise(clean, level, rng=rng)
        elif noise == "poisson":
            noisy = add_poisson_noise(clean, photons, rng=rng)
        else:
            noisy = add_correlated_noise(clean, level, blur=0.6, rng=rng)
        yield Case(f"{noise}_{i}", noisy, clean, data_range=1, group=noise)


def no_light(n_images=10):
    """Nothing but white noise."""
    for i in range(n_images):
        clean = np.full((192, 192), 0.5)
        noisy = add_gaussian_noise(clean, 0.2, rng=2_000_000 + i)
        yield Case(f"noise_{i}", noisy, clean, data_range=1)


def low_light(n_scenes=20):
    """Generated scenes whose noise is 5 dB above their contrast."""
    for i in range(n_scenes):
        rng = np.random.default_rng(3_000_000 + i)
        clean = training_scene((192, 192), rng=rng).astype(float)
        level = clean.std() * 10 ** (5 / 20)
        if level == 0:  # a scene of one value has no contrast
            continue
        noisy = add_gaussian_noise(clean, level, rng=rng)
        yield Case(f"faint_{i}", noisy, clean, data_range=1)


GENERATED = {
    "generated": lambda arguments: generated(arguments.scenes),
    "noise alone": lambda arguments: no_light(),
    "-5 dB": lambda arguments: low_light(),
}


def cases_of(arguments, name):
    """Yield the cases of a set."""
    if name in GENERATED:
        yield from GENERATED[name](arguments)
        return
    data_set = DATA_SETS[name]
    more = (NOISES,) if data_set.noises else ()
    cases = data_set.cases(data_set_folder(arguments.data, name), *more)
    for case in cases:
        yield case if arguments.crop is None else cropped(case, arguments.crop)


def judge(case, denoiser):
    """Denoise a case, and compare its standard errors with its errors."""
    denoiser.set_params(channel_axis=case.channel_axis)
    denoised, std = denoiser.fit(case.noisy).transform(case.noisy, return_std=True)
    clean = np.asarray(case.clean, float)
    error = np.abs(denoised - clean).ravel() / case.data_range
    std = np.asarray(std, float).ravel() / case.data_range
    worst = np.argsort(std)[-(len(std) // 10) :]
    noise = np.asarray(case.noisy, float) - clean
    return {
        "within 1": np.mean(error <= std),
        "within 2": np.mean(error <= 2 * std),
        "worst tenth": np.sum(error[worst] ** 2) / np.sum(error**2),
        "rmse": np.sqrt(np.mean(error**2)),
        "rms standard error": np.sqrt(np.mean(std**2)),
        "noise": noise.std() / case.data_range,
    } | {
        f"within {n} x {factor}": np.mean(error <= n * factor * std)
        for factor in FACTORS
        for n in (1, 2)
    }


def table_of(rows):
    """Means over sets, and within the generated one over kinds of noise."""
    groups = {}
    for row in rows:
        groups.setdefault(row["set"], []).append(row)
        if row["set"] == "generated":
            group = f"generated, {row['case'].partition('_')[0]}"
            groups.setdefault(group, []).append(row)
        if row["set"] == "fmd_dev":
            kind = row["case"].partition("_")[0]
            groups.setdefault(f"fmd_dev, {kind}", []).append(row)
    heads = ("within 1 (%)", "within 2 (%)", "worst tenth carries (%)")
    heads += ("RMSE (noise = 1)", "RMS standard error (noise = 1)")
    lines = [["set", "images", *heads], ["---"] + ["---:"] * (1 + len(heads))]
    for name, found in groups.items():
        mean = {c: np.mean([float(row[c]) for row in found]) for c in COLUMNS[2:5]}
        cells = [f"{100 * share:.1f}" for share in mean.values()]
        for column in ("rmse", "rms standard error"):
            parts = [(float(row[column]) / float(row["noise"])) ** 2 for row in found]
            cells.append(f"{np.sqrt(np.mean(parts)):.3f}")
        lines.append([name, str(len(found)), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table_of_factors(rows):
    """Shares of the generated scenes' pixels within multiples of standard errors."""
    found = [row for row in rows if row["set"] == "generated"]
    lines = [["factor", "within 1 (%)", "within 2 (%)"], ["---:"] * 3]
    for factor in FACTORS:
        columns = [f"within {n} x {factor}" for n in (1, 2)]
        shares = [np.mean([float(row[c]) for row in found]) for c in columns]
        lines.append([str(factor), *(f"{100 * share:.1f}" for share in shares)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("N2D_DATA"))
    names = [*GENERATED, *DATA_SETS]
    parser.add_argument("--set", nargs="+", choices=names, required=True)
    parser.add_argument(
        "--scenes", type=int, default=96, help="of the set generated (default: 96)"
    )
    parser.add_argument("--crop", type=int, help="only the middle, so many pixels wide")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).parent / "results" / "uncertainty",
        help="without a suffix (default: benchmarks/results/uncertainty)",
    )
    return parser.parse_args()


def write(rows, output, threads):
    """Write the rows and the table of their means."""
    with output.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text = (
        "# Are the standard errors true?\n\n"
        "Made with `benchmarks/uncertainty.py`, which says what the columns are, on: "
        f"{describe_machine(threads)}. Means over the images of a set.\n\n"
        f"{table_of(rows)}\n"
    )
    if any(row["set"] == "generated" for row in rows):
        text += (
            "\nOf the generated scenes, if all standard errors were multiplied by a "
            f"factor:\n\n{table_of_factors(rows)}\n"
        )
    output.with_suffix(".md").write_text(text)
    print(text)


def main():
    """Run the sets that the command line names, and write the tables."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    table, rows = arguments.output.with_suffix(".csv"), []
    if table.exists():
        with table.open(newline="") as file:
            rows = [r for r in csv.DictReader(file) if r["set"] not in arguments.set]
    denoiser = Noise2DetailDenoiser(random_state=0)
    for name in arguments.set:
        for case in cases_of(arguments, name):
            found = judge(case, denoiser)
            figures = {key: f"{value:.5f}" for key, value in found.items()}
            rows.append({"set": name, "case": case.name, **figures})
            print(*list(rows[-1].values())[:8], flush=True)
        write(rows, arguments.output, arguments.threads)


if __name__ == "__main__":
    main()
