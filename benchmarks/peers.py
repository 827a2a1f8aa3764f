"""n2d beside the other denoisers of the registry: decibels over seconds.

    python benchmarks/peers.py --data DIR            # 20 minutes of one core
    python benchmarks/peers.py --draw                # the table and the figure again

In one process, after a first run of each, image by image and on every image one method
after the other: seconds of the processor in `fit` and in `transform` apart, PSNR and
SSIM. Every method measures the noise itself. On one thread; n2d, the only one that can
use two, also on two, in turns. The costliest methods do a part of each set (`EVERY`);
in the figure they stand where the mean of their differences to n2d on those images puts
them.

Goes to OUTPUT/peers.csv, peers.md and peers.png.
"""

import argparse
import csv
import os
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from data_sets import DATA_SETS, cropped, data_set_folder
from machine import describe_machine

from n2d import denoiser_registry
from n2d.comparison import parse_methods
from n2d.metrics import psnr, ssim

METHODS = (
    *("n2d", "n2d:precision=float32", "bm3d", "vst-bm3d", "nlm", "vst-nlm"),
    *("wavelet", "vst-wavelet", "tv", "vst-tv", "bilateral", "gaussian", "median"),
    *("n2d-random", "zs-n2n"),
)
# One image in so many, of the first kind and of the others, where every image would
# take too long; 0: none.
EVERY = {"bm3d": (4, 4), "vst-bm3d": (1, 4), "n2d-random": (99, 0), "zs-n2n": (99, 0)}
# Set, noise added, and which of its groups is which kind of image.
KINDS = {
    "confocal and two-photon": ("fmd_dev", None, "point-scanning"),
    "wide-field": ("fmd_dev", None, "wide-field"),
    "SEM, line noise": ("sem_line", None, ""),
    "low-dose CT, simulated": ("ct", None, ""),
    "photographs, Gaussian 25": ("kodak_grey", ["gaussian25"], ""),
}
FIELDS = "kind case pixels method psnr ssim fit transform".split()
THREAD_FIELDS = "kind case method threads wall processor".split()
ROUNDS = 5


def cases_of(data, kind):
    """Images of a kind; photographs without their outermost 128 columns."""
    name, noises, group = KINDS[kind]
    data_set = DATA_SETS[name]
    folder = data_set_folder(data, name)
    found = data_set.cases(folder, noises) if noises else data_set.cases(folder)
    return [cropped(case, 512) for case in found if case.group.startswith(group)]


def run(method, image):
    """Denoise; the result, and the processor's seconds in `fit` and `transform`."""
    denoiser = denoiser_of(method)
    clock = [time.process_time()]
    denoiser.fit(image)
    clock.append(time.process_time())
    result = denoiser.transform(image)
    clock.append(time.process_time())
    return result, *np.diff(clock).tolist()


def denoiser_of(method):
    """A new, unfitted denoiser."""
    return parse_methods([method], denoiser_registry(), random_state=0)[method]


def measure(data, at_most, done):
    """Rows for every image and method that are not done, as they come."""
    for number, kind in enumerate(KINDS):
        cases = cases_of(data, kind)[:at_most]
        for method in METHODS:
            if method not in EVERY:  # what is compiled and loaded once
                run(method, cases[0].noisy[:96, :96])
        for i, case in enumerate(cases):
            row = {"kind": kind, "case": case.name, "pixels": case.noisy.size}
            for method in METHODS:
                every = EVERY.get(method, (1, 1))[number > 0]
                if not every or i % every or (kind, case.name, method) in done:
                    continue
                result, fit, transform = run(method, case.noisy)
                yield row | {
                    "method": method,
                    "psnr": round(psnr(case.clean, result, case.data_range), 4),
                    "ssim": round(ssim(case.clean, result, case.data_range), 5),
                    "fit": round(fit, 4),
                    "transform": round(transform, 4),
                }
            if (kind, case.name, "noisy") in done:
                continue
            yield row | {
                "method": "noisy",
                "psnr": round(psnr(case.clean, case.noisy, case.data_range), 4),
                "ssim": round(ssim(case.clean, case.noisy, case.data_range), 5),
                "fit": 0.0,
                "transform": 0.0,
            }


def measure_threads(data):
    """Seconds of n2d on one thread and on two, in turns, by both clocks."""
    kind = next(iter(KINDS))
    case = cases_of(data, kind)[0]
    for _ in range(ROUNDS):
        for threads in (1, 2):
            torch.set_num_threads(threads)
            wall, processor = time.perf_counter(), time.process_time()
            denoiser_of("n2d").fit_transform(case.noisy)
            yield {
                "kind": kind,
                "case": case.name,
                "method": "n2d",
                "threads": threads,
                "wall": round(time.perf_counter() - wall, 4),
                "processor": round(time.process_time() - processor, 4),
            }
    torch.set_num_threads(1)


def summarise(rows):
    """Means by kind and method; what n2d is ahead, and how often its time is taken."""
    by_kind = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        by_kind[row["kind"]][row["method"]][row["case"]] = row
    found = {}
    for kind, methods in by_kind.items():
        found[kind] = {}
        for method in ("noisy", *METHODS):
            own = methods.get(method, {})
            if not own:
                continue
            pairs = [(row, methods["n2d"][case]) for case, row in own.items()]
            mean = {
                name: float(np.mean([float(a[name]) for a, _ in pairs]))
                for name in ("psnr", "ssim", "fit", "transform")
            }
            ahead = np.mean([float(a["psnr"]) - float(b["psnr"]) for a, b in pairs])
            times = [
                [float(r["fit"]) + float(r["transform"]) for r in pair]
                for pair in pairs
            ]
            found[kind][method] = mean | {
                "n": len(pairs),
                "to n2d": float(ahead),
                "times": float(np.median([a / b for a, b in times])),
                "seconds": mean["fit"] + mean["transform"],
            }
    return found


def table(summary, kind):
    """Markdown of one kind of image."""
    lines = [
        "| method | images | PSNR, dB | SSIM | to n2d, dB | fit, s | transform, s "
        "| times n2d's |",
        "| --- " + "| ---: " * 7 + "|",
    ]
    for method, row in summary[kind].items():
        times = "" if method == "noisy" else f"{row['times']:.2f}"
        lines.append(
            f"| {method} | {row['n']} | {row['psnr']:.2f} | {row['ssim']:.4f} "
            f"| {row['to n2d']:+.2f} | {row['fit']:.2f} | {row['transform']:.2f} "
            f"| {times} |"
        )
    return "\n".join(lines)


def threads_said(rows):
    """What two threads of n2d cost and gain."""
    one, two = (
        [
            float(np.median([float(r[clock]) for r in rows if r["threads"] == n]))
            for clock in ("wall", "processor")
        ]
        for n in ("1", "2")
    )
    return (
        f"On the first image (`{rows[0]['case']}`) `fit_transform` took n2d "
        f"{one[0]:.2f} s by the wall clock and {one[1]:.2f} s of the processor on one "
        f"thread, {two[0]:.2f} s and {two[1]:.2f} s on two (medians of {ROUNDS}, in "
        "turns, while other programs were running: the clock on the wall says little). "
        "The other methods run on one thread, whatever is allowed."
    )


# What is drawn in one colour, and with which marker: (with and without the name's
# first part), and what it is called.
_FAMILIES = {
    "n2d": ("tab:red", "*", "n2d"),
    "bm3d": ("tab:blue", "o", "BM3D"),
    "nlm": ("tab:green", "s", "non-local means"),
    "wavelet": ("tab:purple", "D", "wavelet"),
    "tv": ("tab:orange", "^", "total variation"),
    "bilateral": ("tab:brown", "v", "bilateral"),
    "gaussian": ("tab:grey", "P", "Gaussian"),
    "median": ("tab:pink", "X", "median"),
    "n2d-random": ("tab:red", "p", 'n2d, init="random"'),
    "zs-n2n": ("tab:cyan", "h", "ZS-N2N"),
}


def draw(summary, pixels, path):
    """Decibels over seconds, a panel for every kind of image."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 3).flat
    for ax, (kind, methods) in zip(axes, summary.items(), strict=False):
        own = methods["n2d"]["psnr"]
        ax.axhline(methods["noisy"]["psnr"], color="0.6", lw=0.8, ls=":")
        ax.text(
            *(0.98, methods["noisy"]["psnr"]),
            "noisy",
            transform=ax.get_yaxis_transform(),
            ha="right",
            va="bottom",
            color="0.4",
            fontsize=8,
        )
        for family, (colour, marker, _) in _FAMILIES.items():
            places = []
            for method in (family, f"vst-{family}"):
                if method not in methods:
                    continue
                row = methods[method]
                place = max(row["seconds"], 0.01), own + row["to n2d"]
                places.append(place)
                ax.plot(
                    *place,
                    marker=marker,
                    markersize=16 if family == "n2d" else 7,
                    color=colour,
                    markerfacecolor="white"
                    if method == family and f"vst-{family}" in methods
                    else colour,
                    zorder=3,
                )
            if len(places) == 2:
                ax.plot(*zip(*places, strict=True), color=colour, lw=0.8, zorder=2)
        ax.set_xscale("log")
        ax.set_xlim(0.015, 60)
        ax.set_title(
            f"{kind}: {methods['n2d']['n']} of {pixels[kind]}", fontsize=10, loc="left"
        )
        ax.set_xlabel("seconds on one core")
        ax.set_ylabel("PSNR, dB")
        ax.grid(alpha=0.25, which="major")
        ax.xaxis.set_major_formatter("{x:g}")
    handles = [
        Line2D([], [], color=c, marker=m, ls="", label=label)
        for c, m, label in _FAMILIES.values()
    ]
    for face, label in (
        ("white", "open: without,"),
        ("0.3", "full: with variance stabilisation"),
    ):
        handles.append(
            Line2D([], [], color="0.3", marker="o", mfc=face, ls="", label=label)
        )
    last = list(figure.axes)[-1]
    last.set_axis_off()
    last.legend(handles=handles, loc="center", frameon=False, fontsize=10)
    figure.savefig(path, dpi=110)


def read(path):
    """Rows of a table."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def main():
    """Measure and write, or write anew what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("N2D_DATA"))
    parser.add_argument("--images", type=int, help="at most so many of each kind")
    parser.add_argument("--resume", action="store_true", help="go on with peers.csv")
    parser.add_argument("--draw", action="store_true", help="from the CSV files")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    files = {
        name: arguments.output / f"{name}.csv" for name in ("peers", "peers_threads")
    }
    if not arguments.draw:
        torch.set_num_threads(1)
        done = set()
        if arguments.resume:
            done = {(r["kind"], r["case"], r["method"]) for r in read(files["peers"])}
        for name, fields, measured in (
            ("peers_threads", THREAD_FIELDS, measure_threads(arguments.data)),
            ("peers", FIELDS, measure(arguments.data, arguments.images, done)),
        ):
            if done and name == "peers_threads":
                continue
            with open(files[name], "a" if done else "w", newline="") as file:
                table_file = csv.DictWriter(file, fields, lineterminator="\n")
                if not done:
                    table_file.writeheader()
                for row in measured:
                    table_file.writerow(row)
                    file.flush()
                    print(*row.values(), flush=True)
    rows, thread_rows = map(read, files.values())
    summary = summarise(rows)
    sides = {
        row["kind"]: "{0} x {0}".format(round(int(row["pixels"]) ** 0.5))
        for row in rows
    }
    minutes = sum(float(row["fit"]) + float(row["transform"]) for row in rows) / 60
    text = [
        "# n2d beside its peers",
        f"Made with `benchmarks/peers.py`, {minutes:.0f} minutes of the processor, on: "
        f"{describe_machine('1 or 2')}.",
        "Seconds of the processor on one thread, of a process that has run each method "
        "before, image by image in turns; every method measures the noise itself. "
        '"to n2d": the mean difference to n2d\'s PSNR on the same images; "times '
        "n2d's\": the median of the ratios of time, fit and transform, to n2d's. "
        "`vst-` is with variance stabilisation, `bm3d` the package of that name. `n2d` "
        "computes in bfloat16 where the processor has it, as here; "
        "`n2d:precision=float32` is what others get. `n2d-random` and `zs-n2n` learn "
        "from the image, and were given one of the first kind only. Development sets: "
        "n2d was made while looking at them, and they flatter it.",
    ]
    for kind, side in sides.items():
        # No headings: the documentation shows tables and paragraphs.
        text += [f"{kind}, about {side} pixels:", table(summary, kind)]
    text += [
        threads_said(thread_rows),
    ]
    (arguments.output / "peers.md").write_text("\n\n".join(text) + "\n")
    draw(summary, sides, arguments.output / "peers.png")


if __name__ == "__main__":
    main()
