"""`n2d denoise`: files in, files out."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.reporting import FAILED, clean_ending


class DataType(StrEnum):
    """What `--dtype` may be."""

    same = "same"
    float32 = "float32"


def denoise(
    context: typer.Context,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            help="Image files (TIFF, OME-TIFF, PNG, JPEG, NPY, MRC, NIfTI, DICOM), "
            "OME-Zarr folders, or folders of such.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE_OR_FOLDER",
            help="A file, or a folder (made if it ends in /, or for several inputs).",
        ),
    ],
    config: options.ConfigOption = None,
    method: options.MethodOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="FILE",
            help="A model from `n2d fit`, instead of a fit of each file.",
        ),
    ] = None,
    series: options.SeriesOption = None,
    axes: options.AxesOption = None,
    stack: options.StackOption = None,
    channels: options.ChannelsOption = options.Channels.independent,
    fit_per: Annotated[
        options.FitPer,
        typer.Option(
            "--fit-per",
            help="What shares scale and network: nothing (plane), the Z and T planes "
            "of a channel, or all planes of a file.",
        ),
    ] = options.FitPer.channel,
    solver: options.SolverOption = options.Solver.fast,
    init: options.InitOption = options.Init.auto,
    noise: options.NoiseOption = None,
    strength: options.StrengthOption = None,
    max_iter: options.MaxIterOption = None,
    factors: options.FactorsOption = None,
    detail_max_iter: options.DetailMaxIterOption = None,
    learning_rate: options.LearningRateOption = None,
    channel_axis: options.ChannelAxisOption = None,
    dtype: Annotated[
        DataType,
        typer.Option(
            "--dtype",
            help="Of the results: as the input, rounded and clipped to what it can "
            "hold, or float32, untouched.",
        ),
    ] = DataType.same,
    nan: options.NanOption = options.NotANumber.refuse,
    data_range: options.MappedRangeOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    overwrite: options.OverwriteOption = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a run that was cut off: skip what is finished and was "
            "made from the same input with the same options and version.",
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object per file, and one at the end, to stdout.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Draw progress bars even if stderr is no terminal.",
        ),
    ] = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Denoise image files without training data.

    Each file is denoised on its own, with a network that learns from nothing else.
    Every channel has a scale and a network of its own; its planes (Z, T) share them,
    and each is denoised with its neighbours where they show the same (--stack).
    """
    name, parameters = options.method_and_parameters(context)
    if resume and overwrite:
        raise typer.BadParameter(
            "--resume keeps results that are finished, --overwrite replaces them; give "
            "one of the two.",
            param_hint="--resume",
        )
    if model is not None and not model.is_file():
        raise typer.BadParameter(f"{model} is no file.", param_hint="--model")
    if model is not None:
        _refuse_with_model(context, config)
    from n2d.files._targets import PlanError, expand_inputs, plan_outputs

    try:
        into_folder = len(inputs) > 1 or any(map(_is_folder_of_images, inputs))
        inputs = expand_inputs(inputs, say=_note)
        if into_folder and len(inputs) == 1:
            output = output.rstrip(f"/{os.sep}") + "/"
        pairs = plan_outputs(inputs, output, overwrite=overwrite)
    except PlanError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--output") from error

    from n2d.cli.batch import Batch
    from n2d.cli.progress import is_terminal
    from n2d.files._jobs import Job

    is_own = name in options.N2D_METHODS
    job = Job(
        parameters=parameters | ({"verbose": 0} if is_own else {}),
        method=name,
        model=model,
        dtype=dtype,
        series=series,
        axes=axes,
        channels=channels,
        fit_per=fit_per,
        channel_axis=channel_axis,
        nan=nan,
        overwrite=overwrite,
        resume=resume,
    )
    with clean_ending(debug=debug):
        batch = Batch(
            pairs,
            job,
            into_folder=into_folder or pairs[0][1] != Path(output),
            quiet=quiet,
            show_progress=verbose or (is_terminal() and not quiet),
            as_json=as_json,
            debug=debug,
        )
        if not batch.run():
            raise typer.Exit(FAILED)


def _is_folder_of_images(path):
    from n2d.io import is_image

    return path.is_dir() and not is_image(path)


_OF_A_FIT = (
    "solver init noise strength max_iter factors detail_max_iter learning_rate "
    "data_range seed fit_per method"
).split()


def _refuse_with_model(context, config):
    """Raise where options say how to fit, and nothing is going to be fitted."""
    given = [
        name
        for name in _OF_A_FIT
        if context.get_parameter_source(name).name == "COMMANDLINE"
    ]
    if config is not None:
        given.append("config")
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise typer.BadParameter(
            f"a model is fitted already, and {names} is about fitting.",
            param_hint="--model",
        )


def _note(text):
    """Say what becomes of an input, before anything is done."""
    typer.echo(f"note: {text}", err=True)
