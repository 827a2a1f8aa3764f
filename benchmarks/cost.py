"""What the default costs, against the published schedule and against itself.

    python benchmarks/cost.py [--data DIR]

In one process, in turns, after imports:

- 256 x 256 pixels: `fit_transform` against 2 x 2,000 plain steps of the published
  schedule on the whole image, of which `--steps` are taken and the rest is reckoned;
- 512 x 512 pixels, with one thread and with two;
- `fit` on 2048 x 2048 against `fit` on 512 x 512 pixels.

The images are captures of `fmd_dev` (mirrored for the large one), or without `--data` a
generated scene. The table goes to OUTPUT/cost.md.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from step_time import (
    plain_detail_loss,
    plain_network,
    plain_partial_denoising_loss,
    plain_steps,
)
from torch.utils.flop_counter import FlopCounterMode

from n2d import Noise2DetailDenoiser
from n2d.core.prior import load_prior
from n2d.core.prior_network import N_DIRECTIONS, N_LAGS
from n2d.datasets import fluorescence_cells
from n2d.io import read_image
from n2d.noise import add_poisson_noise


def seconds_of(action):
    """Time on the wall clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - processor


def in_turns(actions, rounds):
    """Run actions one after the other, again and again; medians of both clocks."""
    times = {name: [] for name in actions}
    for action in actions.values():
        action()  # warm up
    for _ in range(rounds):
        for name, action in actions.items():
            times[name].append(seconds_of(action))
    return {
        name: tuple(map(statistics.median, zip(*runs, strict=True)))
        for name, runs in times.items()
    }


def with_threads(n, action):
    """An action that runs with so many threads of PyTorch."""

    def run():
        before = torch.get_num_threads()
        torch.set_num_threads(n)
        try:
            action()
        finally:
            torch.set_num_threads(before)

    return run


def published(image, steps):
    """An action that takes some steps of each of the two stages."""
    y = torch.from_numpy(image / image.max()).float()[None, None]
    runs = [
        plain_steps(plain_network(1), lambda net: plain_partial_denoising_loss(net, y)),
        plain_steps(plain_network(1), lambda net: plain_detail_loss(net, y, y)),
    ]

    def action():
        for run in runs:
            for _ in range(steps):
                next(run)

    return action


def multiply_adds(network):
    """Of the convolutions, per pixel of an image."""
    side = 256
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 1, side, side), 1.0, torch.zeros(N_DIRECTIONS, N_LAGS))
    return counter.get_total_flops() / 2 / side**2


def main():
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default=os.environ.get("N2D_DATA"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    if arguments.data:
        path = Path(arguments.data) / "fmd_dev/noisy/TwoPhoton_MICE_1.png"
        large = read_image(path).data.astype(float)
    else:
        large = add_poisson_noise(fluorescence_cells((512, 512)), 30, rng=0)
    small = large[128:384, 128:384]
    huge = np.pad(large, ((0, 3 * 512), (0, 3 * 512)), mode="symmetric")

    def denoise(image):
        return lambda: Noise2DetailDenoiser(random_state=0).fit_transform(image)

    def fit(image):
        return lambda: Noise2DetailDenoiser(random_state=0).fit(image)

    steps = arguments.steps
    times = in_turns(
        {
            "default, 256 x 256, 2 threads": with_threads(2, denoise(small)),
            "published steps": with_threads(2, published(small, steps)),
            "default, 512 x 512, 1 thread": with_threads(1, denoise(large)),
            "default, 512 x 512, 2 threads": with_threads(2, denoise(large)),
            "fit, 512 x 512, 2 threads": with_threads(2, fit(large)),
            "fit, 2048 x 2048, 2 threads": with_threads(2, fit(huge)),
        },
        arguments.rounds,
    )
    name = "published schedule, 256 x 256, 2 threads, reckoned"
    times[name] = tuple(2000 / steps * t for t in times.pop("published steps"))
    own = times["default, 256 x 256, 2 threads"]
    share = [a / b for a, b in zip(own, times[name], strict=True)]
    lines = ["| what | seconds | processor seconds |", "| --- | ---: | ---: |"]
    lines += [f"| {n} | {w:.2f} | {p:.2f} |" for n, (w, p) in times.items()]
    macs = multiply_adds(load_prior())
    text = [
        "# Cost",
        f"Made with `benchmarks/cost.py`, medians of {arguments.rounds} runs in turns, "
        f"on: {describe_machine('1 or 2')}.",
        "\n".join(lines),
        f"The default takes 1/{1 / share[0]:.0f} of the published schedule's time, "
        f"1/{1 / share[1]:.0f} of its processor time. Its network needs {macs:,.0f} "
        "multiply-adds per pixel.",
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "cost.md").write_text("\n\n".join(text) + "\n")
    print("\n\n".join(text))


if __name__ == "__main__":
    main()
