"""PSNR, SSIM, time and memory of denoisers on sets of images.

    python benchmarks/quality.py --data DIR --set fmd_dev --solver fast
    python benchmarks/quality.py --data DIR --set fmd_dev --methods vst-bm3d \\
        gaussian:blur=3

Results go to OUTPUT/SET/results.csv and summary.md. A run that was interrupted goes on
where it stopped when the same command is given again.
"""

import argparse
import ast
import itertools
import os
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from data_sets import DATA_SETS, cropped, data_set_folder
from machine import describe_machine

from n2d.comparison import compare, parse_methods, read_results
from n2d.metrics import psnr

STAGES = ("stage1", "stage2", "stage3")


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        default=os.environ.get("N2D_DATA"),
        help="folder with the sets (default: the environment variable N2D_DATA)",
    )
    parser.add_argument("--set", nargs="+", choices=DATA_SETS, required=True)
    parser.add_argument(
        "--solver",
        nargs="+",
        choices=("fast", "paper", "noisy"),
        help="default: fast, or none where --methods names any",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        default=[],
        metavar="NAME[:PARAMETER=VALUE,...]",
        help="denoisers of n2d.denoiser_registry(), such as vst-bm3d gaussian:blur=3",
    )
    parser.add_argument(
        "--param",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of Noise2DetailDenoiser, such as max_iter=200",
    )
    parser.add_argument("--seed", type=int, default=0, help="random_state (default: 0)")
    parser.add_argument(
        "--noise", nargs="+", help="for sets of clean images, such as gaussian50"
    )
    parser.add_argument("--only", nargs="+", help="names of cases, with * and ?")
    parser.add_argument("--crop", type=int, help="only the middle, so many pixels wide")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument(
        "--stages", action="store_true", help="PSNR after every stage, too"
    )
    parser.add_argument(
        "--score", action="store_true", help="the self-supervised score, too"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="run again what the table has already"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).parent / "results",
        help="default: benchmarks/results",
    )
    arguments = parser.parse_args()
    if arguments.solver is None:
        arguments.solver = [] if arguments.methods else ["fast"]
    return arguments


def methods_of(arguments, data_range):
    """Return the denoisers to compare, by name."""
    from n2d import Noise2DetailDenoiser, denoiser_registry

    parameters = {}
    for text in arguments.param:
        name, _, value = text.partition("=")
        try:
            parameters[name] = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            parameters[name] = value  # a string without quotes
    methods = {}
    for solver in arguments.solver:
        if solver == "noisy":
            methods[solver] = None
            continue
        settings = {"solver": solver, "random_state": arguments.seed}
        if solver == "paper":
            settings["data_range"] = data_range
        name = " ".join([solver, *arguments.param])
        methods[name] = Noise2DetailDenoiser(**(settings | parameters))
    if arguments.methods:
        try:
            methods |= parse_methods(
                arguments.methods,
                denoiser_registry(),
                data_range=data_range,
                random_state=arguments.seed,
            )
        except ValueError as error:
            raise SystemExit(f"--methods: {error}") from None
    return methods


def cases_of(arguments, name):
    """Yield the chosen cases of a set."""
    data_set = DATA_SETS[name]
    folder = data_set_folder(arguments.data, name)
    if data_set.noises:
        cases = data_set.cases(folder, arguments.noise or data_set.noises)
    else:
        cases = data_set.cases(folder)
    for case in cases:
        if arguments.only and not any(fnmatch(case.name, p) for p in arguments.only):
            continue
        yield case if arguments.crop is None else cropped(case, arguments.crop)


def against_reference(rows, folder):
    """Tabulate PSNR per stage against complete runs of the published schedule."""
    header = ["case", "method", *(f"{s} (dB)" for s in STAGES), "largest difference"]
    lines = [header, ["---", "---", "---:", "---:", "---:", "---:"]]
    for row in rows:
        if row["psnr_stage1"] is None:
            continue
        with np.load(folder / f"{row['case']}.npz") as run:
            reference = {s: psnr(run["clean"], run[s], 1) for s in STAGES}
        difference = {s: row[f"psnr_{s}"] - reference[s] for s in STAGES}
        cells = [f"{row[f'psnr_{s}']:.2f} ({difference[s]:+.2f})" for s in STAGES]
        worst = max(map(abs, difference.values()))
        lines.append([row["case"], row["method"], *cells, f"{worst:.2f}"])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        "PSNR after each stage, and in brackets how much it is above that of the "
        f"reference run:\n\n{table}\n"
    )


def run_set(arguments, name):
    """Compare the solvers on one set and write its tables."""
    output = arguments.output / name
    methods = methods_of(arguments, DATA_SETS[name].data_range)
    counter = itertools.count(1)

    def report(row):
        result = row["error"] or (
            f"{row['psnr_noisy']:.2f} -> {row['psnr']:.2f} dB"
            + (f", {row['seconds']:.1f} s" if row["seconds"] is not None else "")
        )
        print(f"{next(counter):3d} {row['case']} {row['method']}: {result}", flush=True)

    compare(
        methods,
        cases_of(arguments, name),
        output,
        stages=arguments.stages or name == "paper_runs",
        score=arguments.score,
        fresh=arguments.fresh,
        callback=report,
    )
    rows = {(r["case"], r["method"]): r for r in read_results(output / "results.csv")}
    used = {(r["method"], r["parameters"], r["version"]) for r in rows.values()}
    text = [
        f"# {name}",
        f"Made with `benchmarks/quality.py --set {name}`, one process per run, on: "
        f"{describe_machine(arguments.threads)}.",
        "\n".join(f"- {m}: `{p}`, n2d {version}" for m, p, version in sorted(used)),
        (output / "summary.md").read_text(),
    ]
    if name == "paper_runs":
        folder = data_set_folder(arguments.data, name)
        text.append(against_reference(rows.values(), folder))
    (output / "summary.md").write_text("\n\n".join(t.strip() for t in text) + "\n")
    print(f"\n{text[3]}\nwritten to {output}")


def main():
    """Run the sets that the command line names."""
    arguments = parse_arguments()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)  # for the processes of the runs
    for name in arguments.set:
        run_set(arguments, name)


if __name__ == "__main__":
    main()
