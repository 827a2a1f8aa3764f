"""The command ``python -m n2d.pretraining``."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import typer

from n2d.pretraining.loop import Settings, Training


def _commit():
    """Newest commit of what decides the weights; "+" where files differ from it."""
    git = ["git", "-C", str(Path(__file__).parents[1])]
    code = ["--", "core/prior.py", "datasets", "pretraining"]
    try:
        commit, changes = (
            subprocess.run(
                git + command + code, capture_output=True, text=True, check=True
            )
            for command in (["log", "-1", "--format=%H"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changes.stdout.strip() else "")


def main(
    output: Annotated[Path, typer.Option(help="Folder of checkpoint, log, weights.")],
    steps: Annotated[int, typer.Option(help="Optimizer steps.")] = Settings.steps,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = Settings.seed,
    scenes: Annotated[int, typer.Option(help="Scenes.")] = Settings.n_scenes,
    hidden_channels: Annotated[int, typer.Option(help="Width of the network.")] = 48,
    dilations: Annotated[str, typer.Option(help="Of the middle layers.")] = "1,2,4,2",
    passes: Annotated[int, typer.Option(help="Runs of the middle layers.")] = 2,
    learning_rate: Annotated[
        float, typer.Option(help="Highest learning rate.")
    ] = Settings.learning_rate,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.")] = 1,
    save_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 500,
):
    """Train the learned start on generated scenes.

    A checkpoint in OUTPUT is taken up and continues with the settings given now: more
    steps, for example, lengthen a training.
    """
    torch.set_num_threads(threads)
    # Weights that vanish would otherwise slow every product they are in.
    torch.set_flush_denormal(True)
    settings = Settings(
        seed=seed,
        steps=steps,
        n_scenes=scenes,
        learning_rate=learning_rate,
        network={
            "hidden_channels": hidden_channels,
            "dilations": tuple(int(d) for d in dilations.split(",")),
            "n_passes": passes,
        },
    )
    # The folder is the user's own business; with the settings it decides nothing.
    given = ["FOLDER" if word == str(output) else word for word in sys.argv[1:]]
    provenance = {
        "command": " ".join(["python -m n2d.pretraining", *given]),
        "commit": _commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": platform.machine(),
        "threads": threads,
        **{name: version(name) for name in ("torch", "numpy", "scipy")},
    }
    training = Training(settings, output, provenance)
    training.run(
        save_every=save_every,
        report=lambda line: typer.echo(" ".join(f"{k}={v}" for k, v in line.items())),
    )


if __name__ == "__main__":
    typer.run(main)
