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

from n2d.core.prior import read_prior
from n2d.pretraining.loop import Settings, Training
from n2d.pretraining.scenes import ScenePool


def _commit():
    """Newest commit of what decides the weights; "+" where files differ from it."""
    git = ["git", "-C", str(Path(__file__).parents[1])]
    code = ["--", "core/prior_network.py", "datasets", "pretraining"]
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
    device: Annotated[str, typer.Option(help="Where to train: cpu or cuda.")] = "cpu",
    minutes: Annotated[
        float | None, typer.Option(help="How long to train, instead of --steps.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Optimizer steps.")] = 30_000,
    start: Annotated[
        Path | None, typer.Option(help="Weights to go on from (safetensors).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = Settings.seed,
    batch: Annotated[int, typer.Option(help="Patches per step.")] = Settings.batch,
    patch: Annotated[int, typer.Option(help="Side of a patch.")] = Settings.patch,
    scenes: Annotated[
        int, typer.Option(help="Scenes kept at once.")
    ] = Settings.n_scenes,
    workers: Annotated[
        int, typer.Option(help="Processes that draw scenes all along; 0: none.")
    ] = 1,
    learning_rate: Annotated[
        float, typer.Option(help="Highest learning rate.")
    ] = Settings.learning_rate,
    decay: Annotated[
        float, typer.Option(help="Part of the training over which it falls.")
    ] = Settings.decay,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.")] = 1,
    log_every: Annotated[int, typer.Option(help="Steps between lines of log.")] = 500,
):
    """Train the prior network on generated scenes.

    A checkpoint in OUTPUT is taken up and continues with the settings given now: more
    steps, for example, lengthen a training. --start goes on from weights alone.
    """
    torch.set_num_threads(threads)
    # Weights that vanish would otherwise slow every product they are in.
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True
    settings = Settings(
        seed=seed,
        steps=steps if minutes is None else None,
        duration=60 * (minutes or 0),
        batch=batch,
        patch=patch,
        n_scenes=scenes,
        learning_rate=learning_rate,
        decay=decay,
    )
    # The folder is the user's own business; with the settings it decides nothing.
    given = ["FOLDER" if word == str(output) else word for word in sys.argv[1:]]
    processor = platform.machine()
    if device.startswith("cuda"):
        processor = torch.cuda.get_device_name(device)
    provenance = {
        "command": " ".join(["python -m n2d.pretraining", *given]),
        "commit": _commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor,
        "threads": threads,
        **{name: version(name) for name in ("torch", "numpy", "scipy")},
    }
    if start is not None:
        start, provenance["start"] = read_prior(start)
    pool = ScenePool(
        settings.n_scenes,
        settings.scene_size,
        seed,
        torch.device(device),
        n_workers=workers,
        first=min(scenes, 150),
    )
    try:
        training = Training(settings, pool, output, provenance, start)
        training.run(
            log_every=log_every,
            report=lambda line: typer.echo(
                " ".join(f"{k}={v}" for k, v in line.items())
            ),
        )
    finally:
        pool.close()


if __name__ == "__main__":
    typer.run(main)
