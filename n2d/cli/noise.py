"""`n2d noise`: what is measured about the noise of an image, in words and a picture."""

import json
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.reporting import clean_ending, say, tell, warnings_in_one_line


def noise(
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="A file that n2d denoise takes.")
    ],
    as_json: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE.json",
            help="Where the noise goes, for n2d denoise --noise.",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE.png",
            help="Where a picture goes: variance against intensity, correlation, map "
            "(needs Matplotlib).",
        ),
    ] = None,
    series: options.SeriesOption = None,
    axes: options.AxesOption = None,
    channels: options.ChannelsOption = options.Channels.independent,
    channel_axis: options.ChannelAxisOption = None,
    nan: options.NanOption = options.NotANumber.refuse,
    overwrite: options.OverwriteOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Measure the noise of an image, as n2d denoise does.

    Prints its level, how it depends on intensity, how neighbours share it, where it
    differs from place to place, and what is beside it, for every channel.
    """
    from importlib.util import find_spec

    if picture is not None and find_spec("matplotlib") is None:
        raise typer.BadParameter(
            "Matplotlib is missing: pip install 'noise2detail[plot]'.",
            param_hint="--picture",
        )
    if picture is not None:
        _refuse_other_pictures(picture)
    with clean_ending(debug=debug), warnings_in_one_line():
        from n2d.files._cases import read_cases
        from n2d.files._originals import Originals
        from n2d.io import check_target
        from n2d.noise.words import rows_of

        for target in filter(None, (as_json, picture)):
            check_target(target, overwrite=overwrite)
            Originals([image]).refuse(target)
        cases, _, notes = read_cases(
            image.stem,
            image,
            None,
            data_range=None,
            axes=axes,
            channels=channels,
            channel_axis=channel_axis,
            series=series,
            nan=nan,
        )
        tell(notes, quiet=quiet)
        found = [one for case in cases for one in _measured(case)]
        for number, (model, values) in enumerate(found):
            if len(found) > 1:
                typer.echo(f"channel {number}")
            for name, text in rows_of(model, values):
                say(f"{name:<14}{text}")
        _write(found, as_json, picture, overwrite=overwrite)


def _refuse_other_pictures(path):
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in {"", *kinds}:
        raise typer.BadParameter(
            f"{path} is no picture that can be drawn; name it .png, .pdf or .svg.",
            param_hint="--picture",
        )


def _measured(case):
    """Yield the noise of every channel of a case, and its pixels, (n, h, w)."""
    import numpy as np

    from n2d import Noise2DetailDenoiser

    axis = case.channel_axis
    denoiser = Noise2DetailDenoiser(channel_axis=axis, random_state=0)
    # Of planes whose noise differs, what they have in common.
    models = denoiser.fit(case.noisy).for_all_planes().noise_
    if axis is None:
        models, planes = (models,), [case.noisy]
    else:
        planes = np.moveaxis(case.noisy, axis, 0)
    for model, values in zip(models, planes, strict=True):
        yield model, np.asarray(values).reshape(-1, *values.shape[-2:])


def _write(found, as_json, picture, *, overwrite):
    from n2d.io import atomic_write
    from n2d.noise import noise_to_json

    models = [model for model, _ in found]
    if as_json is not None:
        content = noise_to_json(models[0] if len(models) == 1 else models)
        with atomic_write(as_json, overwrite=overwrite) as temporary:
            text = json.dumps(content, indent=2, allow_nan=False) + "\n"
            temporary.write_text(text, encoding="utf-8")
    if picture is not None:
        from n2d.cli.noise_picture import draw_noise

        figure = draw_noise(found)
        with atomic_write(picture, overwrite=overwrite) as temporary:
            figure.savefig(temporary, format=picture.suffix.lstrip(".") or "png")
