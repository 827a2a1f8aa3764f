"""`n2d info`: what is installed, and what it would compute on."""

import typer

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


def info():
    """Print versions, device and threads, to go with a bug report."""
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
