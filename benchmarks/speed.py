"""What one image takes, as ratios: ``python benchmarks/speed.py [--only fit]``.

One generated fluorescence image, in one process, in turns, after a first run of each.

- `fit`: processor seconds of `fit` and `transform`, one thread, by the side of the
  image, and those of the bare network over as many pixels.
- `busy`: the wall time of `fit_transform` with two threads over that with one, as the
  machine is and while another process keeps one of its cores busy.

The tables go to OUTPUT/speed.md. Other denoisers beside it: `benchmarks/peers.py`.
"""

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine

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


def fit(rounds):
    """Processor seconds by the side of the image, on one thread."""
    torch.set_num_threads(1)
    network = load_prior().requires_grad_(False).to(memory_format=torch.channels_last)
    white = torch.zeros(N_DIRECTIONS, N_LAGS)
    lines = [
        "| side | fit | transform | bare network | of it in transform |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for side in SIDES:
        X, noisy = image(side), torch.randn(1, 1, side, side)
        fitted = Noise2DetailDenoiser(random_state=0).fit(X)

        def bare(noisy=noisy):
            with torch.no_grad(), computing_in(noisy.device, "auto"):
                network(noisy, 1.0, white)

        found = in_turns(
            {
                "fit": lambda X=X: Noise2DetailDenoiser(random_state=0).fit(X),
                "transform": lambda X=X, fitted=fitted: fitted.transform(X),
                "bare": bare,
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


MEASURES = {
    "fit": (fit, "Processor seconds, one thread"),
    "busy": (busy, "512 x 512 pixels, while another process is busy"),
}


def main():
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    text = [
        "# What one image takes",
        f"Made with `benchmarks/speed.py --only {' '.join(arguments.only)}`, medians "
        f"of {arguments.rounds} runs in turns, on: {describe_machine(2)}. Network in "
        f"{settled_precision(torch.device('cpu'), 'auto')}. Load of the machine at the "
        f"end: {{load}}.",
    ]
    for what in arguments.only:
        measure, title = MEASURES[what]
        text += [f"## {title}", "\n".join(measure(arguments.rounds))]
        print(text[-1], flush=True)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    text[1] = text[1].replace("{load}", f"{load:.1f}")
    (arguments.output / "speed.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
