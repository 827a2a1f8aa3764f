"""Stacks denoised plane by plane, and with their neighbours in time or depth.

    python benchmarks/stacks.py --data DIR [--quick] [--only GROUP ...]

Generated sequences, and clean sides of fmd_dev and sem_line moved by known distances
(static, 0.5 and 2 pixels per frame, in any direction), with Poisson-Gaussian noise of
three levels and correlated noise of one; scene cuts, planes that have nothing in
common, brightness that changes, a blank frame, a stage that jumps, planes of
different noise; z-stacks with a step of half the axial resolution. Every plane is
compared with the clean one and with what n2d makes of it alone, as are the mean and the
median over five frames and, where `bm4d` is installed, BM4D on small volumes. Then a
spark of one frame, the traces of cells that fire, and the cost in processor time.

Without ``--data``, generated sequences only. ``--quick``: few and small ones, in three
minutes on one core. Results go to OUTPUT/stacks.csv and stacks.md, or stacks_quick.*.
"""

import argparse
import csv
import os
import time
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine

from n2d import Noise2DetailDenoiser, NoiseWarning, denoiser_registry
from n2d.baselines import BM4DDenoiser, VarianceStabilizedDenoiser
from n2d.datasets import (
    calcium_movie,
    cell_movie,
    cell_volume,
    moved_frames,
    training_scene,
)
from n2d.io import read_image
from n2d.metrics import psnr, ssim
from n2d.noise import add_correlated_noise, add_poisson_gaussian_noise

REAL = {
    "fmd_dev": ("Confocal_BPAE_B_1", "TwoPhoton_MICE_1", "WideField_BPAE_R_1"),
    "sem_line": ("009", "033"),
}
GENERATED = ("fluorescence",)
# pixels per frame, and what the issue of this feature asks for on average, in dB
SPEEDS = {"static": 0.0, "0.5 px per frame": 0.5, "2 px per frame": 2.0}
GOALS = {
    "static, 5 frames": 2.5,
    "static": 2.5,
    "0.5 px per frame": 1.5,
    "2 px per frame": 1.0,
    "z-stack": 1.0,
}
# gain and read noise, of images that reach from 0 to 1
LEVELS = {"weak": (0.005, 0.01), "medium": (0.02, 0.03), "strong": (0.08, 0.06)}
CORRELATED = (0.05, 0.7)  # deviation, and blur in pixels
PER_PLANE, NEIGHBOURS = "n2d per plane", "n2d with neighbours"
FIELDS = "group case noise method psnr ssim gain worst worst_plane cpu_seconds".split()


@dataclass(frozen=True)
class Sequence:
    """A stack to denoise: what it shows, its noise, and the truth."""

    group: str
    case: str
    noise: str
    clean: np.ndarray
    noisy: np.ndarray
    axis: str = "time"


def noisy_of(clean, noise, seed):
    """Add noise of a kind of LEVELS, or correlated noise."""
    if noise == "correlated":
        return add_correlated_noise(clean, *CORRELATED, rng=seed)
    return add_poisson_gaussian_noise(np.maximum(clean, 0), *LEVELS[noise], rng=seed)


def scenes(data, side, *, quick):
    """Yield (name, scene), with enough around the middle for the fastest motion."""
    extent = side + 2 * 24
    for seed, kind in enumerate(GENERATED):
        yield f"generated {kind}", training_scene((extent, extent), kind=kind, rng=seed)
    if data is None:
        return
    for folder, names in REAL.items():
        for name in names[: 1 if quick else None]:
            (path,) = (data / folder / "clean").glob(f"{name}.*")
            image = np.asarray(read_image(path).data, dtype=float)
            top, left = ((n - extent) // 2 for n in image.shape)
            image = image[top : top + extent, left : left + extent]
            low, high = image.min(), image.max()
            yield f"{folder} {name}", (image - low) / (high - low)


def sequences(data, side, n_frames, *, quick):
    """Yield all sequences whose planes are compared."""
    noises = ["medium", "correlated"] if quick else [*LEVELS, "correlated"]
    found = list(scenes(data, side, quick=quick))
    for number, (name, scene) in enumerate(found):
        rng = np.random.default_rng(number)
        angle = rng.uniform(0, 2 * np.pi)
        direction = np.array([np.sin(angle), np.cos(angle)])
        for group, speed in SPEEDS.items():
            shifts = np.arange(n_frames)[:, None] * speed * direction
            # The middle of the way lies in the middle of the scene.
            clean = moved_frames(scene, shifts - shifts.mean(axis=0), (side, side))
            for noise in noises:
                noisy = noisy_of(clean, noise, [number, 1])
                yield Sequence(group, name, noise, clean, noisy)
                if speed == 0:
                    some = (clean[:5], noisy[:5])
                    yield Sequence("static, 5 frames", name, noise, *some)
    yield from _not_alike(found, side, n_frames, noises)
    yield from _changing(side, n_frames, "medium", quick=quick)
    for seed in range(1 if quick else 3):
        clean = cell_volume(n_frames, (side, side), step=3, axial_fwhm=6, rng=seed)
        for noise in noises:
            noisy = noisy_of(clean, noise, [seed, 2])
            yield Sequence("z-stack", f"cells {seed}", noise, clean, noisy, "depth")


def _not_alike(found, side, n_frames, noises):
    """Planes that must not be helped by what is beside them."""
    middle = (side, side)
    drift = 0.4 * np.arange(n_frames)[:, None] * [0.6, 0.8]
    parts = [moved_frames(scene, drift, middle) for _, scene in found]
    parts += [
        moved_frames(
            training_scene((side + 48, side + 48), kind="fluorescence", rng=90 + i),
            drift,
            middle,
        )
        for i in range(max(3, n_frames) - len(parts))
    ]
    third = n_frames // 3
    cut = np.concatenate([parts[0][:third], parts[1][:third], parts[2][2 * third :]])
    independent = np.stack([part[0] for part in parts[:n_frames]])
    for noise in noises:
        yield Sequence("scene cuts", "3 scenes", noise, cut, noisy_of(cut, noise, 3))
        noisy = noisy_of(independent, noise, 4)
        yield Sequence("independent", f"{len(noisy)}", noise, independent, noisy)


def _changing(side, n_frames, noise, *, quick):
    """Recordings in which something changes besides the place."""
    shape = (side, side)
    movies = {
        "cells deform": {"drift": (0.2, 0.3), "deformation": 0.4},
        "cells bleach and blink": {"bleaching": 0.05, "n_blinking": 8},
    }
    for name, settings in movies.items():
        clean = cell_movie(n_frames, shape, rng=5, **settings).frames
        noisy = noisy_of(clean, noise, 5)
        yield Sequence("changing", name, noise, clean, noisy)
    still = cell_movie(n_frames, shape, drift=(0, 0), rng=6).frames
    middle = n_frames // 2
    blank = still.copy()
    blank[middle] = 0
    flicker = np.random.default_rng(7).uniform(0.7, 1.3, n_frames)
    jump = cell_movie(n_frames, shape, drift=(0, 9), rng=6).frames
    jump = np.concatenate([np.repeat(jump[:1], middle, 0), jump[middle:]])
    jump[middle + 1 :] = jump[middle]
    for name, clean in {
        "blank frame": blank,
        "flicker": still * flicker[:, None, None],
        "jump": jump,
    }.items():
        yield Sequence("changing", name, noise, clean, noisy_of(clean, noise, 8))
    noisy = noisy_of(still, noise, 9)
    noisy[middle] += np.random.default_rng(9).normal(0, 0.2, shape)
    yield Sequence("changing", "one plane noisier", noise, still, noisy)


def small_sequences():
    """Yield what is small enough for BM4D."""
    clean = cell_volume(9, (96, 96), step=3, axial_fwhm=6, rng=7)
    noisy = noisy_of(clean, "medium", 7)
    yield Sequence("small volumes", "z-stack", "medium", clean, noisy, "depth")
    clean = cell_movie(9, (96, 96), drift=(0.3, 0.4), rng=7).frames
    noisy = noisy_of(clean, "medium", 7)
    yield Sequence("small volumes", "0.5 px per frame", "medium", clean, noisy)


def denoiser_of(axis=None):
    """Make the estimator: per plane, or with neighbours along time or depth."""
    if axis is None:
        return Noise2DetailDenoiser(random_state=0)
    return Noise2DetailDenoiser(stack=axis, random_state=0)


def has_neighbours():
    """Whether the estimator can use neighbours."""
    return "stack" in Noise2DetailDenoiser().get_params()


def methods_for(sequence, *, more):
    """Return {name: function of the noisy stack}."""
    registry = denoiser_registry()
    methods = {"noisy": np.asarray, PER_PLANE: denoiser_of().fit_transform}
    if has_neighbours():
        methods[NEIGHBOURS] = denoiser_of(sequence.axis).fit_transform
    methods["mean of 5"] = registry["temporal-mean"]().fit_transform
    methods["median of 5"] = registry["temporal-median"]().fit_transform
    if more and sequence.group.startswith("static"):
        methods["mean of 5, then n2d"] = lambda stack: denoiser_of().fit_transform(
            registry["temporal-mean"]().fit_transform(stack)
        )
    if sequence.group == "small volumes":
        bm4d = VarianceStabilizedDenoiser(BM4DDenoiser())
        methods["BM4D, stabilised"] = bm4d.fit_transform
    return methods


def measure(sequence, *, more):
    """Yield a row for every method."""
    alone = None
    for name, method in methods_for(sequence, more=more).items():
        start = time.process_time()
        result = method(sequence.noisy)
        seconds = time.process_time() - start
        pairs = list(zip(sequence.clean, result, strict=True))
        planes = np.array([psnr(clean, plane, 1) for clean, plane in pairs])
        if name == PER_PLANE:
            alone = planes
        gains = np.full(1, np.nan) if alone is None else planes - alone
        values = (
            sequence.group,
            sequence.case,
            sequence.noise,
            name,
            planes.mean(),
            np.mean([ssim(clean, plane, 1) for clean, plane in pairs]),
            gains.mean(),
            gains.min(),
            int(gains.argmin()),
            seconds,
        )
        yield dict(zip(FIELDS, values, strict=True))


def measure_events(side, n_frames):
    """Yield a row for every spark of one frame: what is left of it, and beside it.

    6 standard deviations of the noise, 5 x 5 pixels, in the middle frame. The response
    is the difference between the same noisy recording denoised with and without it.
    """
    gain, read = LEVELS["medium"]
    middle = n_frames // 2
    places = [
        (r, c) for r in (side // 4, 3 * side // 4) for c in (side // 4, side // 2)
    ]
    for speed in (0.0, 0.5, 2.0):
        movie = cell_movie(n_frames, (side, side), drift=(0, speed), rng=11)
        noisy = noisy_of(movie.frames, "medium", 11)
        sparks = np.zeros_like(noisy)
        for row, column in places:
            window = (middle, slice(row - 2, row + 3), slice(column - 2, column + 3))
            light = movie.frames[window].mean()
            sparks[window] = 6 * np.sqrt(gain * light + read**2)
        for name, axis in ((PER_PLANE, None), (NEIGHBOURS, "time"))[
            : 1 + has_neighbours()
        ]:
            denoiser = denoiser_of(axis).fit(noisy + sparks)
            response = denoiser.transform(noisy + sparks) - denoiser.transform(noisy)
            yield _event_row(name, speed, response, sparks, middle, places)
        mean = denoiser_registry()["temporal-mean"]()
        response = mean.fit_transform(sparks)
        yield _event_row("mean of 5", speed, response, sparks, middle, places)


def _event_row(name, speed, response, sparks, middle, places):
    kept, beside = [], []
    for row, column in places:
        window = (slice(row - 2, row + 3), slice(column - 2, column + 3))
        amplitude = sparks[middle][window].mean()
        share = response[(slice(None), *window)].mean(axis=(1, 2)) / amplitude
        kept.append(share[middle])
        beside.append(np.abs(np.delete(share, middle)).max())
    return {
        "px per frame": speed,
        "method": name,
        "kept (mean)": np.mean(kept),
        "kept (least)": np.min(kept),
        "beside it (most)": np.max(beside),
    }


def measure_traces(side, n_frames):
    """Return {method: correlations of 40 cells' traces with the truth}."""
    movie = calcium_movie(n_frames, (side, side), n_cells=40, rng=1)
    noisy = add_poisson_gaussian_noise(movie.frames, 0.2, 0.2, rng=1)
    registry = denoiser_registry()
    results = {"noisy": noisy, PER_PLANE: denoiser_of().fit_transform(noisy)}
    if has_neighbours():
        results[NEIGHBOURS] = denoiser_of("time").fit_transform(noisy)
    results["mean of 5"] = registry["temporal-mean"]().fit_transform(noisy)
    results["median of 5"] = registry["temporal-median"]().fit_transform(noisy)
    found = {}
    for name, frames in results.items():
        found[name] = []
        for cell in range(1, 41):
            inside = movie.labels == cell
            truth, trace = (x[:, inside].mean(axis=1) for x in (movie.frames, frames))
            found[name].append(np.corrcoef(truth, trace)[0, 1])
    return {name: np.array(values) for name, values in found.items()}


def measure_cost(side, n_frames, repeats):
    """Ratios of processor times, measured alternately: fit and transform, transform."""
    if not has_neighbours():
        return None
    clean = cell_movie(n_frames, (side, side)).frames
    noisy = noisy_of(clean, "medium", 0)
    seconds = {None: [], "time": []}
    for _ in range(repeats + 1):
        for axis, times in seconds.items():
            start = time.process_time()
            denoiser = denoiser_of(axis).fit(noisy)
            fitted = time.process_time()
            denoiser.transform(noisy)
            ended = time.process_time()
            times.append((ended - start, ended - fitted))
    alone, neighbours = (np.median(times[1:], axis=0) for times in seconds.values())
    return neighbours / alone


def table(header, rows):
    """Lay out a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def summary(rows):
    """Means over sequences, by group and method."""
    lines = []
    for group in dict.fromkeys(row["group"] for row in rows):
        some = [row for row in rows if row["group"] == group]
        for method in dict.fromkeys(row["method"] for row in some):
            own = [row for row in some if row["method"] == method]
            psnrs, ssims, gains = (
                np.mean([row[name] for row in own]) for name in ("psnr", "ssim", "gain")
            )
            worst = min(own, key=lambda row: row["worst"])
            row = [group, method, len(own), f"{psnrs:.2f}", f"{ssims:.4f}"]
            if method in ("noisy", PER_PLANE):
                row += [""] * 4
            else:
                goal = f"{GOALS[group]:+.1f}" if group in GOALS else "-0.05"
                row += [
                    f"{gains:+.2f}",
                    goal if method == NEIGHBOURS else "",
                    f"{worst['worst']:+.2f}",
                    f"{worst['case']}, {worst['noise']}, {worst['worst_plane']}",
                ]
            lines.append(row)
    header = (
        "sequences, method, n, PSNR, SSIM, over per plane, goal, worst plane, where"
    )
    return table(header.split(", "), lines)


def by_noise(rows):
    """What neighbours give over the per-plane result, by group and noise."""
    noises = list(dict.fromkeys(row["noise"] for row in rows))
    lines = []
    for group in dict.fromkeys(row["group"] for row in rows):
        cells = []
        for noise in noises:
            gains = [
                row["gain"]
                for row in rows
                if (row["group"], row["noise"], row["method"])
                == (group, noise, NEIGHBOURS)
            ]
            cells.append(f"{np.mean(gains):+.2f}" if gains else "")
        lines.append([group, *cells])
    return table(["sequences", *noises], lines)


def report(rows, events, traces, ratio, command):
    """Return the text of stacks.md."""
    parts = [
        "# Stacks: plane by plane, and with neighbours",
        f"`{command}`, {describe_machine(torch.get_num_threads())}.",
    ]
    if rows:
        parts.append(
            "PSNR in dB (range 1) and SSIM, means over planes and sequences; the gain "
            "over what n2d makes of each plane alone, its goal, and the worst plane of "
            f"all.\n\n{summary(rows)}"
        )
    if rows and has_neighbours():
        parts.append(f"The gain of neighbours by noise, in dB.\n\n{by_noise(rows)}")
    if events:
        lines = [
            [f"{v:.3f}" if isinstance(v, float) and k != "px per frame" else v
             for k, v in row.items()]
            for row in events
        ]  # fmt: skip
        parts.append(
            "A spark of one frame, 6 standard deviations, 5 x 5 pixels: which share of "
            "its amplitude is left, and how much of it is in the frames beside it.\n\n"
            f"{table(list(events[0]), lines)}"
        )
    if traces:
        lines = [
            [name, f"{v.mean():.4f}", f"{np.median(v):.4f}", f"{v.min():.4f}"]
            for name, v in traces.items()
        ]
        parts.append(
            "Traces of 40 cells: correlation with the truth.\n\n"
            + table(["method", "mean", "median", "least"], lines)
        )
    if ratio is not None:
        parts.append(
            f"Processor time with neighbours: {ratio[0]:.2f} times that without, of "
            f"`transform` alone {ratio[1]:.2f} times."
        )
    return "\n\n".join(parts) + "\n"


def main():
    """Measure, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("N2D_DATA"))
    parser.add_argument("--quick", action="store_true", help="three minutes")
    parser.add_argument("--side", type=int, help="pixels; default: 112, quick 96")
    parser.add_argument("--frames", type=int, help="default: 7")
    parser.add_argument(
        "--only",
        nargs="+",
        help="groups of sequences, or events, traces, cost; default: all",
    )
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    quick, only = arguments.quick, arguments.only
    side = arguments.side or (96 if quick else 112)
    n_frames = arguments.frames or 7
    data = Path(arguments.data) if arguments.data else None
    name = "stacks_quick" if quick else "stacks"
    warnings.simplefilter("ignore", NoiseWarning)

    def wanted(part):
        return only is None or part in only

    rows = []
    arguments.output.mkdir(parents=True, exist_ok=True)
    with open(arguments.output / f"{name}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        found = list(sequences(data, side, n_frames, quick=quick))
        if not quick and find_spec("bm4d"):
            found += small_sequences()
        for sequence in found:
            if not wanted(sequence.group):
                continue
            for row in measure(sequence, more=not quick):
                rows.append(row)
                rounded = {
                    k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()
                }
                writer.writerow(rounded)
                print(*rounded.values(), sep=", ", flush=True)
            file.flush()
    events = (
        list(measure_events(max(side, 128), max(n_frames, 9)))
        if wanted("events")
        else []
    )
    traces = measure_traces(192, 30 if quick else 60) if wanted("traces") else None
    ratio = measure_cost(side, n_frames, 1 if quick else 3) if wanted("cost") else None
    command = "python benchmarks/stacks.py" + " --data DIR" * (data is not None)
    command += " --quick" * quick
    if only:
        command += f" --only {' '.join(map(repr, only))}"
    text = report(rows, events, traces, ratio, command)
    (arguments.output / f"{name}.md").write_text(text)
    print(f"\n{text}")


if __name__ == "__main__":
    main()
