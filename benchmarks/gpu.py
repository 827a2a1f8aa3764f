"""What a GPU does, and whether it does the same.

    python benchmarks/gpu.py FOLDER                # where the GPU is
    python benchmarks/gpu.py FOLDER --elsewhere    # anywhere: does its model load?

Runs the checks of `tests/gpu_checks.py` and measures; a part that fails is said and
stops no other. FOLDER gets gpu.md, gpu.json, and a model that was fitted there. Without
a GPU everything runs on the CPU alone, at small sizes: a rehearsal.
"""

import argparse
import json
import sys
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import gpu_checks  # noqa: E402
from machine import describe_machine  # noqa: E402

from n2d import Noise2DetailDenoiser  # noqa: E402
from n2d.core import graphs  # noqa: E402
from n2d.core.prior_network import PriorNetwork  # noqa: E402
from n2d.datasets import fluorescence_cells  # noqa: E402

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
# Steps of the published schedule that are taken on a CPU; the rest is reckoned.
CPU_STEPS = 20 if GPU else 2


def noisy_cells(side, seed=0):
    """A generated scene with photon noise, repeated to a large side."""
    clean = fluorescence_cells((min(side, 512),) * 2, rng=seed)
    clean = np.tile(clean, (-(-side // clean.shape[0]),) * 2)[:side, :side]
    return np.random.default_rng(seed).poisson(40 * clean + 2).astype(np.float32)


def seconds(function, repeats=3):
    """Shortest wall time of a few runs, after one to warm up."""
    function()
    times = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        function()
        wait()
        times.append(time.perf_counter() - start)
    return min(times)


def wait():
    """Let the GPU end what it is doing."""
    if GPU:
        torch.cuda.synchronize()


def network():
    """Megapixels per second of the prior network alone, by precision."""
    rows = {}
    net = PriorNetwork().to(DEVICE, memory_format=torch.channels_last).eval()
    side = 2048 if GPU else 64
    image = torch.randn(1, 1, side, side, device=DEVICE)
    white = torch.zeros(4, 3, device=DEVICE)
    for name, half in (("float32", False), ("bfloat16", True)):
        with (
            torch.inference_mode(),
            torch.autocast(DEVICE, torch.bfloat16, enabled=half),
        ):
            took = seconds(lambda: net(image, 1.0, white))
        rows[f"prior network alone {side} x {side}, {name}, MP/s"] = (
            side**2 / took / 1e6
        )
    return rows


def throughput():
    """Seconds of `fit`, and megapixels per second of `transform`, here and there."""
    rows = {}
    sides = {"cpu": (512, 2048), "cuda": (512, 2048, 8192)} if GPU else {"cpu": (64,)}
    for device, its_sides in sides.items():
        denoiser = Noise2DetailDenoiser(device=device, random_state=0)
        image = noisy_cells(its_sides[0])
        took = seconds(lambda d=denoiser, x=image: d.fit(x), 2)
        rows[f"fit {its_sides[0]} x {its_sides[0]}, {device}, s"] = took
        for side in its_sides:
            large = noisy_cells(side)
            took = seconds(lambda d=denoiser, x=large: d.transform(x), 2)
            rows[f"transform {side} x {side}, {device}, MP/s"] = side**2 / took / 1e6
    return rows


def paper():
    """Seconds of the published schedule, 2 x 2,000 steps at 256 x 256, and graphs."""
    rows, image = {}, noisy_cells(256 if GPU else 32)

    def fit(device, steps):
        start = time.perf_counter()
        Noise2DetailDenoiser(
            solver="paper",
            max_iter=steps,
            detail_max_iter=steps,
            device=device,
            random_state=0,
        ).fit(image)
        wait()
        return time.perf_counter() - start

    if GPU:
        fit("cuda", 30)
        rows["paper, 2 x 2000 steps at 256 x 256, replayed, cuda, s"] = fit(
            "cuda", 2000
        )
        captured, graphs._cuda_device_of = graphs._cuda_device_of, lambda _: None
        try:
            rows["paper, 500 of the steps without graphs x 4, cuda, s"] = 4 * fit(
                "cuda", 500
            )
        finally:
            graphs._cuda_device_of = captured
    fit("cpu", 1)
    name = f"paper, reckoned from 2 x {CPU_STEPS} steps, cpu, s"
    rows[name] = fit("cpu", CPU_STEPS) * 2000 / CPU_STEPS
    return rows


def checked(check):
    """Give a check the shape of a part that measures."""

    def part():
        folder = {"folder": OUTPUT} if check is gpu_checks.travelling else {}
        return {**check(DEVICE, **folder), f"check passed: {check.__name__}": True}

    part.__name__ = check.__name__
    return part


def elsewhere(folder):
    """Whether the model that was fitted there gives its result on this machine."""
    model = Noise2DetailDenoiser.load(folder / "model.n2d", device="cpu")
    expected = np.load(folder / "model_expected.npy")
    noisy = gpu_checks.image(expected.shape[0])
    difference = np.abs(model.transform(noisy) - expected).max() / np.ptp(noisy)
    print(f"difference of the model on this machine: {difference:.3g} of the range")
    return int(not difference < gpu_checks.SAME)


def table(rows):
    """Markdown of all figures."""
    lines = [
        "# A GPU beside the CPU of its machine",
        "",
        f"Card: {rows['device']}, torch {rows['torch']}; {describe_machine('all')}. "
        "Made with `bash benchmarks/gpu_check.sh FOLDER`.",
        "",
        "| what | figure |",
        "|---|---|",
    ]
    for name, value in rows.items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        lines.append(f"| {name} | {text} |".replace("\n", " "))
    return "\n".join(lines) + "\n"


def main():
    """Run everything; what fails is said and does not stop the rest."""
    global OUTPUT
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="folder of the tables")
    parser.add_argument("--elsewhere", action="store_true", help="check the model")
    parser.add_argument(
        "--seconds", type=float, default=240, help="begin no part after so long"
    )
    arguments = parser.parse_args()
    OUTPUT = arguments.output
    OUTPUT.mkdir(parents=True, exist_ok=True)
    if arguments.elsewhere:
        sys.exit(elsewhere(OUTPUT))
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    name = torch.cuda.get_device_name() if GPU else "no GPU: a rehearsal"
    rows = {"device": name, "torch": torch.__version__}
    parts = [*map(checked, gpu_checks.CHECKS), network, throughput, paper]
    failed = []
    for part in parts:
        start = time.perf_counter()
        if start - began > arguments.seconds:
            rows[f"not run for want of time: {part.__name__}"] = True
            continue
        try:
            if GPU:
                torch.cuda.reset_peak_memory_stats()
            rows.update(part())
            if GPU:
                peak = torch.cuda.max_memory_allocated() / 2**20
                rows[f"peak memory of {part.__name__}, MiB"] = peak
        except Exception:
            traceback.print_exc()
            failed.append(part.__name__)
            rows[f"FAILED: {part.__name__}"] = traceback.format_exc()[-300:]
        print(f"{part.__name__}: {time.perf_counter() - start:.1f} s", flush=True)
        (OUTPUT / "gpu.json").write_text(json.dumps(rows, indent=1))
        (OUTPUT / "gpu.md").write_text(table(rows))
    print(table(rows))
    print(f"failed: {', '.join(failed) or 'nothing'}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
