"""Time per optimizer step of the published schedule, against a plain transcription.

    python benchmarks/step_time.py

The transcription below follows the formulas in the obvious way. Both take turns, step
by step, in one process, on one image, so that what else the machine does hits both
alike. Results
go to OUTPUT/step_time.md and step_time.csv.
"""

import argparse
import csv
import statistics
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from torch import nn
from torch.nn.functional import mse_loss

from n2d.core.network import DenoisingNetwork
from n2d.core.stages import run_paper
from n2d.datasets import fluorescence_cells
from n2d.noise import add_poisson_noise

STAGES = ("partial denoising", "detail recovery")


# -- the plain transcription -------------------------------------------------------


def plain_network(channels):
    """Conv 3x3 - LeakyReLU - conv 3x3 - LeakyReLU - conv 1x1."""
    return nn.Sequential(
        nn.Conv2d(channels, 48, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(48, 48, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(48, channels, 1),
    )


def d1(y):
    """One diagonal of every 2x2 block, averaged."""
    return (y[:, :, 0::2, 0::2] + y[:, :, 1::2, 1::2]) / 2


def d2(y):
    """The other diagonal."""
    return (y[:, :, 0::2, 1::2] + y[:, :, 1::2, 0::2]) / 2


def plain_partial_denoising_loss(f, y):
    """Loss of stage 1, with g(x) = x - f(x)."""
    d1y, d2y = d1(y), d2(y)
    g1, g2, gy = d1y - f(d1y), d2y - f(d2y), y - f(y)
    residual = (mse_loss(d1y, g2) + mse_loss(d2y, g1)) / 2
    consistency = (mse_loss(g1, d1(gy)) + mse_loss(g2, d2(gy))) / 2
    return residual + consistency


def plain_detail_loss(h, smooth, y):
    """Loss of stage 3."""
    h1, h2, hs = h(d1(smooth)), h(d2(smooth)), h(smooth)
    residual = (mse_loss(d1(y), h2) + mse_loss(d2(y), h1)) / 2
    consistency = (mse_loss(h1, d1(hs)) + mse_loss(h2, d2(hs))) / 2
    return residual + consistency


def plain_steps(network, loss):
    """Train a network, one step whenever asked; every step's loss."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1000, gamma=0.5)
    while True:
        optimizer.zero_grad()
        value = loss(network)
        value.backward()
        optimizer.step()
        schedule.step()
        yield value.item()


# -- measuring ---------------------------------------------------------------------


def clocks():
    """Time on the wall clock and of the processor, in seconds.

    The second, of all threads together, does not count what else the machine does.
    """
    return np.array([time.perf_counter(), time.process_time()])


class Turns:
    """Lets the transcription take a step after every step of the package.

    Parameters
    ----------
    y : torch.Tensor of shape (1, C, H, W)
        The noisy image.
    networks : sequence of DenoisingNetwork
        Where both start from.
    """

    def __init__(self, y, networks):
        f, h = (plain_network(y.shape[1]) for _ in networks)
        for plain, own in zip((f, h), networks, strict=True):
            for p, q in zip(plain.parameters(), own.parameters(), strict=True):
                p.data.copy_(q.data)
        # The second gets y for the smooth image, which changes nothing about its time.
        self._plain = dict(
            zip(
                STAGES,
                (
                    plain_steps(f, lambda net: plain_partial_denoising_loss(net, y)),
                    plain_steps(h, lambda net: plain_detail_loss(net, y, y)),
                ),
                strict=True,
            )
        )
        self._start = None
        self.durations = {stage: {"n2d": [], "plain": []} for stage in STAGES}

    def __call__(self, progress):
        """Take the time of the package's step, and of a plain one."""
        package_end = clocks()
        plain_loss = next(self._plain[progress.stage])
        plain_end = clocks()
        durations = self.durations[progress.stage]
        if progress.step > 2:  # the first ones of each also set things up
            durations["n2d"].append(package_end - self._start)
            durations["plain"].append(plain_end - package_end)
        if progress.stage == STAGES[0]:
            # Both do the same work.
            np.testing.assert_allclose(plain_loss, progress.loss, rtol=1e-3)
        self._start = clocks()


def matrix_rate():
    """Floating-point operations a second of processor time in a matrix product."""
    a = torch.rand(1024, 1024)
    durations = []
    for _ in range(20):
        start = time.process_time()
        a @ a
        durations.append(time.process_time() - start)
    return 2 * 1024**3 / statistics.median(durations)


def breakdown(y, networks, steps):
    """Where the time of the package's steps goes: rows of operation, share, ms."""
    from torch.profiler import ProfilerActivity, profile

    run_paper(y, deepcopy(networks), 2)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run_paper(y, deepcopy(networks), steps)
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    events = sorted(events, key=lambda event: -event.self_cpu_time_total)
    return [
        (
            event.key,
            event.self_cpu_time_total / total,
            event.self_cpu_time_total / 1e3 / (2 * steps),
        )
        for event in events[:12]
    ]


# -- reporting ---------------------------------------------------------------------


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, nargs="+", default=[256])
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60, help="per stage (default: 60)")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument(
        "--profile", action="store_true", help="tell where the time goes"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).parent / "results",
        help="default: benchmarks/results",
    )
    return parser.parse_args()


def noisy_scene(side, channels):
    """A generated scene with photon noise, as a tensor (1, C, H, W)."""
    clean = fluorescence_cells((side, side), rng=0)
    planes = [add_poisson_noise(clean, 30, rng=seed) for seed in range(channels)]
    return torch.from_numpy(np.stack(planes)[None].astype(np.float32))


def main():
    """Measure every side and write the tables."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    rate = matrix_rate()
    rows, profiles = [], []
    for side in arguments.side:
        y = noisy_scene(side, arguments.channels)
        torch.manual_seed(0)
        networks = [DenoisingNetwork(arguments.channels) for _ in range(2)]
        n_weights = sum(weight.numel() for weight in networks[0].parameters())
        # Forward and backward take 6 operations per weight and pixel; a step looks at
        # the image and at two quarters of it.
        operations = 1.5 * n_weights * 6 * side**2
        turns = Turns(y, networks)
        run_paper(y, deepcopy(networks), arguments.steps, callback=turns)
        for stage, both in turns.durations.items():
            wall, cpu = (
                {name: np.median(steps, axis=0)[clock] for name, steps in both.items()}
                for clock in range(2)
            )
            rows.append(
                {
                    "side": side,
                    "channels": arguments.channels,
                    "stage": stage,
                    "plain_ms": f"{1e3 * wall['plain']:.1f}",
                    "n2d_ms": f"{1e3 * wall['n2d']:.1f}",
                    "ratio": f"{wall['n2d'] / wall['plain']:.3f}",
                    "plain_cpu_ms": f"{1e3 * cpu['plain']:.1f}",
                    "n2d_cpu_ms": f"{1e3 * cpu['n2d']:.1f}",
                    "cpu_ratio": f"{cpu['n2d'] / cpu['plain']:.3f}",
                    "n2d_gflops": f"{operations / cpu['n2d'] / 1e9:.1f}",
                    "floor_ms": f"{1e3 * operations / rate:.1f}",
                    "steps": len(both["n2d"]),
                }
            )
            print(rows[-1], flush=True)
        if arguments.profile:
            profiles.append((side, breakdown(y, networks, 10)))
    write(arguments, rows, profiles, rate)


def write(arguments, rows, profiles, rate):
    """Write the tables and show them."""
    options = (
        f"--side {' '.join(map(str, arguments.side))} --threads {arguments.threads}"
    )
    lines = [
        "# Time per step of the published schedule",
        f"`python benchmarks/step_time.py {options} --channels {arguments.channels} "
        f"--steps {arguments.steps}`, on: "
        f"{describe_machine(arguments.threads)}.",
        "Medians over the steps, taken in turns, on the wall clock and of processor "
        "time (all threads), which other work disturbs less. ratio: n2d over "
        "plain transcription. n2d_gflops: 1.5 x weights x 6 floating-point operations "
        "per pixel and step, per second of processor time; floor: the same at the rate "
        f"of a large matrix product, here {rate / 1e9:.0f} GFLOP/s.",
        _table(list(rows[0]), [list(row.values()) for row in rows]),
    ]
    for side, events in profiles:
        lines.append(f"Where the time goes, {side} x {side} (profiler):")
        lines.append(
            _table(
                ["operation", "share", "ms per step"],
                [(key, f"{share:.1%}", f"{ms:.1f}") for key, share, ms in events],
            )
        )
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(lines) + "\n"
    (arguments.output / "step_time.md").write_text(text, encoding="utf-8")
    with open(arguments.output / "step_time.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(text)


def _table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    main()
