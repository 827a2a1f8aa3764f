"""`n2d info`: what is installed, what it would compute on, and what a model holds."""

from pathlib import Path
from typing import Annotated

import typer

from n2d.cli.reporting import clean_ending

_PACKAGES = (
    "noise2detail",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "tifffile",
    "pillow",
    "safetensors",
    "typer",
)
_OPTIONAL = ("imagecodecs", "matplotlib", "bm3d", "bmnd")


def info(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL.n2d]", help="A file that n2d fit has written."),
    ] = None,
):
    """Print versions, device and threads, for a bug report; or what a model holds."""
    if model is None:
        _installation()
    else:
        with clean_ending():
            _model(model)


def _model(path):
    from n2d import Noise2DetailDenoiser
    from n2d.cli.model_report import report
    from n2d.model_file.container import read_model, writer

    denoiser = Noise2DetailDenoiser.load(path)
    typer.echo(f"{'model':<14}{path}, written by {writer(read_model(path)[0])}")
    typer.echo(report(denoiser))


def _installation():
    import os
    import platform
    from importlib import metadata

    import torch

    def version(name):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    rows = [
        ("Python", platform.python_version()),
        ("platform", platform.platform()),
        *((name, version(name) or "not installed") for name in _PACKAGES),
        *(
            (name, f"{version(name) or 'not installed'} (optional)")
            for name in _OPTIONAL
        ),
        ("processors", str(os.cpu_count())),
        ("threads", str(torch.get_num_threads())),
        ("devices", ", ".join(_devices(torch))),
    ]
    for name, value in rows:
        typer.echo(f"{name:<14}{value}")


def _devices(torch):
    """Name the devices that `--device` may be, the one "auto" takes first."""
    names = [
        f"cuda:{i} ({torch.cuda.get_device_name(i)})"
        for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]
