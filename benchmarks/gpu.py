"""What a GPU does, and whether it does the same: ``python benchmarks/gpu.py``.

Prints a table and writes it to a folder. Without a GPU it runs on the CPU alone, at
small sizes, so that it can be rehearsed.
"""

import argparse
import json
import time
import traceback
from pathlib import Path

import numpy as np
import torch

from n2d import Noise2DetailDenoiser
from n2d.core.prior_network import PriorNetwork
from n2d.datasets import fluorescence_cells

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"


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


def agreement():
    """Largest difference to the CPU, as a share of the range, for every solver.

    In float32: where one of the two is made for bfloat16 and the other is not, they
    differ by that.
    """
    image = noisy_cells(96)
    kinds = {
        "default": {},
        "random start": {"init": "random", "max_iter": 60, "detail_max_iter": 20},
        "paper": {"solver": "paper", "max_iter": 20, "detail_max_iter": 20},
    }
    rows = {}
    for name, options in kinds.items():
        results = [
            Noise2DetailDenoiser(
                device=device, precision="float32", random_state=0, **options
            ).fit_transform(image)
            for device in ("cpu", DEVICE, DEVICE)
        ]
        difference = np.abs(results[0] - results[1]).max() / np.ptp(image)
        rows[f"difference to the CPU, {name}"] = float(difference)
        same = bool((results[1] == results[2]).all())
        rows[f"same bits twice, {name}"] = same
    return rows


def throughput():
    """Megapixels per second of `transform`, and seconds of `fit`."""
    rows = {}
    fitted = {}
    for device in dict.fromkeys(("cpu", DEVICE)):
        denoiser = Noise2DetailDenoiser(device=device, random_state=0)
        image = noisy_cells(512)
        rows[f"fit 512 x 512, {device}, s"] = seconds(
            lambda d=denoiser, x=image: d.fit(x), 2
        )
        fitted[device] = denoiser
        for side in (512, 2048, 8192) if device == "cuda" else (512,):
            large = noisy_cells(side)
            took = seconds(lambda d=denoiser, x=large: d.transform(x), 1)
            rows[f"transform {side} x {side}, {device}, MP/s"] = side**2 / took / 1e6
    return rows


def network():
    """Megapixels per second of the prior network alone, by precision."""
    rows = {}
    net = PriorNetwork().to(DEVICE, memory_format=torch.channels_last).eval()
    side = 2048 if GPU else 256
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


def paper():
    """Seconds of the published schedule at 256 x 256."""
    steps = 2000 if GPU else 2
    image = noisy_cells(256)
    start = time.perf_counter()
    Noise2DetailDenoiser(
        solver="paper",
        max_iter=steps,
        detail_max_iter=steps,
        device=DEVICE,
        random_state=0,
    ).fit(image)
    wait()
    return {f"paper, 2 x {steps} steps at 256 x 256, s": time.perf_counter() - start}


def main():
    """Run everything; what fails is said and does not stop the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder of the table")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    name = torch.cuda.get_device_name() if GPU else "no GPU"
    rows = {"device": name, "torch": torch.__version__}
    for part in (agreement, network, throughput, paper):
        start = time.perf_counter()
        try:
            rows.update(part())
        except Exception:
            traceback.print_exc()
            rows[f"{part.__name__} failed"] = traceback.format_exc()[-300:]
        rows[f"({part.__name__} took, s)"] = time.perf_counter() - start
        if GPU:
            peak = torch.cuda.max_memory_allocated() / 2**20
            rows[f"peak memory by the end of {part.__name__}, MiB"] = peak
        (folder / "gpu.json").write_text(json.dumps(rows, indent=1))
    for key, value in rows.items():
        print(f"{key}: {value:.6g}" if isinstance(value, float) else f"{key}: {value}")


if __name__ == "__main__":
    main()
