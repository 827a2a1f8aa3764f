"""`n2d noise`: what is measured about the noise of an image, in words and a picture."""

import json
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.reporting import clean_ending, say, tell, warnings_in_one_line

# Of what is denoised to know the contrast, in pixels.
_LARGEST_SIDE = 512


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

    Prints for every channel its level and what that means, whether bright places are
    noisier, whether neighbours share it, where it differs from place to place, and
    what is beside it.
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
        measured = [one for case in cases for one in _measured(case)]
        for number, (model, _, denoised) in enumerate(measured):
            if len(measured) > 1:
                typer.echo(f"channel {number}")
            for name, text in rows_of(model, denoised):
                say(f"{name:<14}{text}")
        found = [(model, noisy) for model, noisy, _ in measured]
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
    """Yield noise, pixels, (n, h, w), and some denoised ones of every channel."""
    import numpy as np

    from n2d import Noise2DetailDenoiser

    axis = case.channel_axis
    denoiser = Noise2DetailDenoiser(channel_axis=axis, random_state=0)
    # Of planes whose noise differs, what they have in common.
    denoiser = denoiser.fit(case.noisy).for_all_planes()
    models, images = denoiser.noise_, (case.noisy, _some_denoised(denoiser, case))
    if axis is None:
        models, planes = (models,), [images]
    else:
        planes = zip(*(np.moveaxis(image, axis, 0) for image in images), strict=True)
    for model, both in zip(models, planes, strict=True):
        yield model, *(np.asarray(x).reshape(-1, *x.shape[-2:]) for x in both)


def _some_denoised(denoiser, case):
    """The middle of the first, the middle and the last plane, denoised."""
    import numpy as np

    noisy, axis = np.asarray(case.noisy), case.channel_axis
    n_axes = noisy.ndim
    if n_axes == (3 if axis is None else 4):
        noisy = noisy[sorted({0, len(noisy) // 2, len(noisy) - 1})]
    sides = [i for i in range(n_axes) if axis is None or i != axis % n_axes][-2:]
    key = [slice(None)] * n_axes
    for side in sides:
        start = max(0, (noisy.shape[side] - _LARGEST_SIDE) // 2)
        key[side] = slice(start, start + _LARGEST_SIDE)
    return denoiser.transform(noisy[tuple(key)])


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
