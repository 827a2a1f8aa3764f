"""`n2d info`: what is installed, what it would compute on, and what a model holds."""

from pathlib import Path
from typing import Annotated

import typer

from n2d.cli.reporting import clean_ending, say, say_lines

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
# Correlation below this is none.
_SMALL = 0.05
_OPTIONAL = ("imagecodecs", "matplotlib", "bm3d", "bmnd")


def info(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL.n2d]", help="A file that n2d fit has written."),
    ] = None,
):
    """Print what is installed, or what a model holds.

    Versions, device and threads are what a bug report needs.
    """
    if model is None:
        _installation()
    else:
        from n2d.io import is_image

        if is_image(model):
            raise typer.BadParameter(
                f"{model} is an image, and no model; n2d noise tells about it.",
                param_hint="MODEL.n2d",
            )
        with clean_ending():
            _model(model)


def _model(path):
    from n2d import Noise2DetailDenoiser
    from n2d.model_file.container import read_model, writer

    denoiser = Noise2DetailDenoiser.load(path)
    say(f"{'model':<14}{path}, written by {writer(read_model(path)[0])}")
    say_lines(report(denoiser))


def _installation():
    import os
    import platform
    from importlib import metadata

    import torch

    from n2d.core.device import settled_precision, usable_device

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
        ("precision", settled_precision(usable_device("auto"), "auto")),
    ]
    for name, value in rows:
        say(f"{name:<14}{value}")


def _devices(torch):
    """Name the devices that `--device` may be, the one "auto" takes first."""
    names = [
        f"cuda:{i} ({torch.cuda.get_device_name(i)})"
        for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def report(model):
    """Lay out what a fitted denoiser has measured and settled, a line for each."""
    rows = [("fitted to", _input(model.input_fingerprint_))]
    rows += noise_rows(model.noise_, told=not isinstance(model.noise, str))
    rows.append(("trust", _trust(model.trust_)))
    low, high = model.data_range_
    rows.append(("intensities", f"{low:.6g} to {high:.6g}"))
    rows.append(("network", _network(model)))
    rows.append(("precision", f"{model.precision_} on this machine"))
    rows.append(("parameters", _parameters(model)))
    return "\n".join(f"{name:<14}{text}" for name, text in rows)


def _network(model):
    """Say which networks there are, and whether they learned from the images."""
    n_weights = [sum(p.numel() for p in net.parameters()) for net in model.networks_]
    weights = f"{' + '.join(f'{n:,}' for n in n_weights)} weights"
    if model.noise_ is not None and len(n_weights) == 1:
        return f"the one that ships with n2d, {weights}"
    return f"{weights}, trained in {model.n_iter_:,} steps ({model.stop_reason_})"


def _input(fingerprint):
    n = fingerprint["n_images"]
    text = f"{n:,} image{'s' * (n > 1)}"
    if fingerprint["shape"]:
        text += f", {' x '.join(map(str, fingerprint['shape']))}"
    if fingerprint["dtype"]:
        text += f", {fingerprint['dtype']}"
    return text


def noise_rows(noise, *, told=False):
    """Describe one noise model, or one for every channel."""
    if noise is None:
        return [("noise", "not measured, by random weights")]
    from n2d.noise.words import detector_in_words

    models = noise if isinstance(noise, tuple) else (noise,)

    def each(name):
        return ", ".join(f"{getattr(model, name):.4g}" for model in models)

    rows = [
        (
            "noise level",
            f"{each('level')}, a standard deviation in units of the image"
            f"{', as told' if told else ''}",
        )
    ]
    if any(model.gain for model in models):
        rows.append(("brightness", "bright places are noisier"))
        rows.append(("detector", detector_in_words(*models)))
    near = [
        f"{model.correlation[0, 0]:.2f} along y and {model.correlation[1, 0]:.2f} "
        "along x"
        for model in models
    ]
    if any(abs(model.correlation[:, 0]).max() >= _SMALL for model in models):
        rows.append(("correlation", f"neighbours share it: {'; '.join(near)}"))
    else:
        rows.append(("correlation", "none: pixels are independent"))
    return rows


def _trust(trust):
    return ": ".join(filter(None, (trust.verdict, "; ".join(trust.reasons))))


def _parameters(model):
    """Name the parameters that are not what they are by default."""
    from n2d.noise import noise_to_json

    defaults = type(model)().get_params()
    # Of a machine or a file, not of the model.
    left_out = {"verbose", "device", "channel_axis"}
    changed = [
        f"{name}={noise_to_json(value) if name == 'noise' else value!r}"
        for name, value in model.get_params().items()
        if name not in left_out and value != defaults[name]
    ]
    return ", ".join(changed) or "all by default"
