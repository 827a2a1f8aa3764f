"""`n2d denoise`: files in, files out."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.reporting import FAILED, blaming, clean_ending, on_cluster, say, threads
from n2d.cli.values import FitPer


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
    recursive: options.RecursiveOption = False,
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
        FitPer,
        typer.Option(
            "--fit-per",
            help="What is measured together: each plane on its own, the Z and T planes "
            "of a channel, or all planes of a file.",
        ),
    ] = FitPer.channel,
    solver: options.SolverOption = options.Solver.fast,
    init: options.InitOption = options.Init.auto,
    noise: options.NoiseOption = None,
    strength: options.StrengthOption = None,
    stripes: options.StripesOption = None,
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
    uncertainty: Annotated[
        str | None,
        typer.Option(
            "--uncertainty",
            metavar="FILE_OR_FOLDER",
            help="Also write the standard error of every pixel: a file, or a folder "
            "for several inputs.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Also write a page to look at: before and after, what was removed, "
            "noise, trust, settings.",
        ),
    ] = None,
    data_range: options.MappedRangeOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    precision: options.PrecisionOption = options.Precision.auto,
    jobs: options.JobsOption = None,
    cluster: options.ClusterOption = None,
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

    The noise of each file is measured, for each channel on its own and for its planes
    (Z, T) together; then a small network that ships with n2d removes it, with the help
    of planes before and after that show the same. The result has the axes, the data
    type and the metadata of the input.
    """
    name, parameters = options.method_and_parameters(context)
    if resume and overwrite:
        raise typer.BadParameter(
            "--resume keeps results that are finished, --overwrite replaces them; give "
            "one of the two.",
            param_hint="--resume",
        )
    options.check_model(context, model)
    from n2d.files._targets import (
        PlanError,
        error_files,
        expand_inputs,
        is_folder_of_images,
        plan_outputs,
    )

    with blaming(None, PlanError):
        found = expand_inputs(
            inputs, recursive=recursive, outputs=(output, uncertainty)
        )
        into_folder = max(len(inputs), len(found.paths)) > 1
        into_folder |= any(map(is_folder_of_images, inputs))
        if into_folder and len(found.paths) == 1:
            output = output.rstrip(f"/{os.sep}") + "/"
        how = {"below": found.below, "settings": [model, config]}
        pairs = plan_outputs(found.paths, output, overwrite=overwrite, **how)
        errors = None
        if uncertainty is not None:
            if into_folder:
                uncertainty = uncertainty.rstrip(f"/{os.sep}") + "/"
            errors = error_files(uncertainty, pairs, **how)
    for line in (*found.lines(), *found.advice(with_model=model is not None)):
        say(f"note: {line}", err=True)

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
        uncertainty=errors,
        overwrite=overwrite,
        resume=resume,
        seen=options.seen_of(config),
    )
    with clean_ending(debug=debug), threads(jobs), on_cluster(cluster):
        options.check_job(context, job)
        batch = Batch(
            pairs,
            job,
            left_out=found.left_out,
            report=_report(report, context, job, overwrite),
            into_folder=into_folder or pairs[0][1] != Path(output),
            quiet=quiet,
            show_progress=verbose or (is_terminal() and not quiet),
            as_json=as_json,
            debug=debug,
        )
        if not batch.run():
            raise typer.Exit(FAILED)


def _report(path, context, job, overwrite):
    """What gathers the page of the run, if one is asked for."""
    if path is None:
        return None
    from n2d.cli.report import command_of
    from n2d.cli.run_report import RunReport

    # With --resume the page of the run that was cut off is replaced by that of both.
    replaces = overwrite or job.resume
    return RunReport(path, command_of(context), job, overwrite=replaces)
