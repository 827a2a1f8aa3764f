"""What one image takes, as ratios: ``python benchmarks/speed.py [--only fit]``.

One generated fluorescence image, in one process, in turns, after a first run of each.

- `fit`: processor seconds of `fit` and `transform`, one thread, by the side of the
  image, and those of the bare network over as many pixels.
- `busy`: the wall time of `fit_transform` with two threads over that with one, as the
  machine is and while another process keeps one of its cores busy.
- `floor`: what the processor can do: multiply-adds per processor second of matrix
  products and of the bare network, one thread.
- `cores`: how much more two processes of one thread each, which know nothing of each
  other, get done at once than one alone. Only an idle machine can tell.

The tables go to OUTPUT/speed.md, of the last two to speed_floor.md and speed_cores.md.
Other denoisers beside it: `benchmarks/peers.py`.
"""

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from torch.utils.flop_counter import FlopCounterMode

from n2d import Noise2DetailDenoiser
from n2d.core.device import computing_in, settled_precision
from n2d.core.prior import load_prior
from n2d.core.prior_network import N_DIRECTIONS, N_LAGS
from n2d.datasets import fluorescence_cells

SIDES = (128, 256, 512)


def image(side):
    """Generated cells of 10 to 300 photons."""
    rng = np.random.default_rng(0)
    return rng.poisson(10 + 290 * fluorescence_cells((side, side))).astype(np.uint16)


def in_turns(actions, rounds, clock):
    """Seconds (rounds,) of every action by name, after a first run of each."""
    found = {name: [] for name in actions}
    for turn in range(rounds + 1):
        for name, action in actions.items():
            start = clock()
            action()
            if turn:
                found[name].append(clock() - start)
    return {name: np.array(seconds) for name, seconds in found.items()}


def with_threads(n_threads, action):
    """The action with so many threads."""

    def run():
        torch.set_num_threads(n_threads)
        action()

    return run


def bare_network(side, precision="auto"):
    """An action: the network over one image, and nothing else."""
    network = load_prior().requires_grad_(False).to(memory_format=torch.channels_last)
    noisy, white = torch.randn(1, 1, side, side), torch.zeros(N_DIRECTIONS, N_LAGS)

    def action():
        with torch.no_grad(), computing_in(noisy.device, precision):
            network(noisy, 1.0, white)

    return action


def fit(rounds):
    """Processor seconds by the side of the image, on one thread."""
    torch.set_num_threads(1)
    lines = [
        "| side | fit | transform | bare network | of it in transform |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for side in SIDES:
        X = image(side)
        fitted = Noise2DetailDenoiser(random_state=0).fit(X)
        found = in_turns(
            {
                "fit": lambda X=X: Noise2DetailDenoiser(random_state=0).fit(X),
                "transform": lambda X=X, fitted=fitted: fitted.transform(X),
                "bare": bare_network(side),
            },
            rounds,
            time.process_time,
        )
        cells = [f"{np.median(seconds):.3f}" for seconds in found.values()]
        share = np.median(found["bare"] / found["transform"])
        lines.append(f"| {side} | {' | '.join(cells)} | {share:.0%} |")
    return lines


def keep_busy():
    """Compute for ever, on one core where cores can be chosen."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    while True:
        pass


def busy(rounds):
    """Two threads against one, with and without another program."""
    X = image(512)
    actions = {
        n: with_threads(
            n, lambda: Noise2DetailDenoiser(random_state=0).fit_transform(X)
        )
        for n in (1, 2)
    }
    lines = [
        "| other processes | one thread, s | two threads, s | two over one |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for n_others in (0, 1):
        others = [multiprocessing.Process(target=keep_busy) for _ in range(n_others)]
        for other in others:
            other.start()
        try:
            wall = in_turns(actions, rounds, time.perf_counter)
        finally:
            for other in others:
                other.terminate()
                other.join()
        ratio = np.median(wall[2] / wall[1])
        seconds = [f"{np.median(wall[n]):.3f}" for n in (1, 2)]
        lines.append(f"| {n_others} | {' | '.join(seconds)} | {ratio:.2f} |")
    return lines


def product(side, dtype):
    """An action: matrix products that stay in a core's own cache."""
    a, b = torch.randn(2, side, side).to(dtype)
    return lambda: [a @ b for _ in range(8)]


def copy(megabytes):
    """An action: memory copied that no cache holds, or that a core's own one does."""
    source = torch.zeros(int(megabytes * 2**18))
    target = torch.zeros_like(source)
    n_times = max(1, int(256 / megabytes))
    return lambda: [target.copy_(source) for _ in range(n_times)]


SHARED = {
    "bare network, 512 x 512": (bare_network, 512),
    "matrix products of 256 x 256, bfloat16": (product, 256, torch.bfloat16),
    "matrix products of 256 x 256, float32": (product, 256, torch.float32),
    "copies of 0.25 MB": (copy, 0.25),
    "copies of 128 MB": (copy, 128),
}


def serve(connection, what):
    """In a process of its own: run an action as often as can be, when asked to."""
    torch.set_num_threads(1)
    make, *arguments = SHARED[what]
    action = make(*arguments)
    action()
    connection.send(None)
    while seconds := connection.recv():
        n_runs, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            action()
            n_runs += 1
        connection.send(n_runs / (time.perf_counter() - start))


def two_over_one(what, rounds, seconds=1.5):
    """How often two processes at once run an action, over one alone; in turns."""
    context = multiprocessing.get_context("spawn")
    ends, processes = [], []
    for _ in range(2):
        here, there = context.Pipe()
        processes.append(context.Process(target=serve, args=(there, what), daemon=True))
        processes[-1].start()
        ends.append(here)

    def runs(asked):
        for end in asked:
            end.send(seconds)
        return sum(end.recv() for end in asked)

    for end in ends:
        end.recv()
    found = []
    for turn in range(rounds):
        alone = runs([ends[turn % 2]])
        found.append(runs(ends) / alone)
    for end, process in zip(ends, processes, strict=True):
        end.send(0)
        process.join()
    return np.median(found)


def floor(rounds):
    """How near the bare network comes to what the processor can do, on one thread."""
    torch.set_num_threads(1)
    with FlopCounterMode(display=False) as counter:
        bare_network(256, "float32")()  # small enough not to be cut into strips
    per_pixel = counter.get_total_flops() / 2 / 256**2
    lines = [
        "| one thread | bfloat16 | float32 |",
        "| --- | ---: | ---: |",
    ]
    kinds = {"bfloat16": torch.bfloat16, "float32": torch.float32}
    actions = {(kind, "net"): bare_network(512, kind) for kind in kinds}
    actions |= {(kind, "mm"): product(512, dtype) for kind, dtype in kinds.items()}
    found = in_turns(actions, rounds, time.process_time)
    work = {"net": per_pixel * 512**2, "mm": 8 * 512**3}
    rate = {key: work[key[1]] / np.median(found[key]) for key in actions}
    rows = {
        "matrix product, 10^9 multiply-adds/s": lambda k: f"{rate[k, 'mm'] / 1e9:.0f}",
        "bare network, 10^9 multiply-adds/s": lambda k: f"{rate[k, 'net'] / 1e9:.0f}",
        "of the matrix product": lambda k: f"{rate[k, 'net'] / rate[k, 'mm']:.0%}",
        "bare network, MP/s": lambda k: f"{rate[k, 'net'] / per_pixel / 1e6:.2f}",
        "at the product's rate, MP/s": lambda k: (
            f"{rate[k, 'mm'] / per_pixel / 1e6:.2f}"
        ),
    }
    lines += [
        f"| {name} | {' | '.join(cell(kind) for kind in kinds)} |"
        for name, cell in rows.items()
    ]
    return [
        *lines,
        "",
        f"The network takes {per_pixel:,.0f} multiply-adds for a pixel.",
    ]


def cores(rounds):
    """What two processes get done that only share the processor and its memory."""
    lines = ["| two processes at once over one alone | |", "| --- | ---: |"]
    return lines + [f"| {what} | {two_over_one(what, rounds):.2f} |" for what in SHARED]


MEASURES = {
    "fit": (fit, "Processor seconds, one thread", "speed"),
    "busy": (busy, "512 x 512 pixels, while another process is busy", "speed"),
    "floor": (floor, "What the processor can do", "speed_floor"),
    "cores": (cores, "What the cores share", "speed_cores"),
}


def main():
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    for name in dict.fromkeys(MEASURES[what][2] for what in arguments.only):
        chosen = [what for what in arguments.only if MEASURES[what][2] == name]
        text = []
        for what in chosen:
            measure, title, _ = MEASURES[what]
            text += [f"## {title}", "\n".join(measure(arguments.rounds))]
            print(text[-1], flush=True)
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        made = (
            f"Made with `benchmarks/speed.py --only {' '.join(chosen)}`, medians of "
            f"{arguments.rounds} runs in turns, on: "
            f"{describe_machine(torch.get_num_threads())}. Network in "
            f"{settled_precision(torch.device('cpu'), 'auto')}. Load of the machine at "
            f"the end: {load:.1f}."
        )
        text = ["# What one image takes", made, *text]
        (arguments.output / f"{name}.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
