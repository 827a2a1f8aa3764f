"""`n2d denoise`: files in, files out."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.config import ConfigError, read_config
from n2d.cli.planning import PlanError, plan_outputs
from n2d.cli.reporting import (
    FAILED,
    clean_ending,
    complain,
    one_line,
    warnings_in_one_line,
)


class DataType(StrEnum):
    """What `--dtype` may be."""

    same = "same"
    float32 = "float32"


def denoise(
    context: typer.Context,
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT", help="TIFF, PNG or JPEG files."),
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
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Parameters from `n2d tune`; options given here go before them.",
        ),
    ] = None,
    solver: options.SolverOption = options.Solver.fast,
    init: options.InitOption = options.Init.auto,
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
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--data-range",
            metavar="LOW HIGH",
            help="The values that are mapped to 0 and 1.  [default: the smallest and "
            "the largest]",
        ),
    ] = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    overwrite: options.OverwriteOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Denoise image files without training data.

    Each file is denoised on its own, with a network that learns from nothing else. A
    file of several pages, such as a stack, shares one network and one scale.
    """
    parameters = options.estimator_parameters(
        solver=solver,
        init=init,
        max_iter=max_iter,
        detail_max_iter=detail_max_iter,
        factors=factors,
        learning_rate=learning_rate,
        seed=seed,
        device=device,
        quiet=quiet,
    )
    if options.checked_data_range(data_range) is not None:
        parameters["data_range"] = data_range
    if config is not None:
        try:
            tuned = read_config(config)
        except ConfigError as error:
            raise typer.BadParameter(f"{error}.", param_hint="--config") from error
        given = options.given_parameters(context)
        parameters |= {k: v for k, v in tuned.items() if k not in given}
    try:
        jobs = plan_outputs(inputs, output, overwrite=overwrite)
    except PlanError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--output") from error

    failed = []
    with clean_ending(debug=debug):
        for source, target in jobs:
            try:
                with warnings_in_one_line():
                    denoise_file(
                        source,
                        target,
                        parameters,
                        channel_axis=channel_axis,
                        dtype=dtype,
                        overwrite=overwrite,
                        quiet=quiet,
                    )
            except Exception as error:  # one bad file must not stop the others
                text = one_line(error)
                if str(source) not in text and str(target) not in text:
                    text = f"{source}: {text}"
                complain(text, debug=debug)
                failed.append(source)
        if len(jobs) > 1 and (failed or not quiet):
            _summarise(len(jobs), failed)
    if failed:
        raise typer.Exit(FAILED)


def _summarise(n_jobs, failed):
    n_done = n_jobs - len(failed)
    text = f"{n_done} of {n_jobs} images denoised"
    if failed:
        text += f"; failed: {', '.join(map(str, failed))}"
    typer.echo(text, err=bool(failed))


def denoise_file(
    source,
    target,
    parameters,
    *,
    channel_axis=None,
    dtype=DataType.same,
    overwrite=False,
    quiet=False,
):
    """Denoise one file.

    Parameters
    ----------
    source, target : Path
        The file to read and the file to write.
    parameters : dict
        Keyword arguments of `n2d.Noise2DetailDenoiser`.
    channel_axis : int, optional
        The axis of the file's array that holds channels; by default what the file
        says.
    dtype : DataType, default=DataType.same
        Whether the result gets the input's data type or float32.
    overwrite : bool, default=False
        Whether `target` may exist.
    quiet : bool, default=False
        Whether to say nothing but warnings.

    Raises
    ------
    FileExistsError
        If `target` exists and `overwrite` is not set; nothing is computed then.
    n2d.io.ImageFileError
        If `source` cannot be read, or `target` cannot hold the result.
    Exception
        Whatever the estimator or the file system raises.
    """
    import numpy as np

    from n2d.cli.loading import load_image
    from n2d.cli.rounding import convert
    from n2d.io import check_output, write_image

    def say(text):
        if not quiet:
            typer.echo(text, err=True)

    start = time.perf_counter()
    loaded = load_image(source, channel_axis)
    image = loaded.file
    wanted = image.data.dtype if dtype == DataType.same else np.dtype(np.float32)
    check_output(
        target, wanted, image.axes, shape=image.data.shape, overwrite=overwrite
    )
    say(f"{source}: {loaded.description}")
    for note in image.notes:
        typer.echo(f"note: {source}: {note}", err=True)

    # The heaviest import, and not needed for files that cannot be read.
    from n2d import Noise2DetailDenoiser

    estimator = Noise2DetailDenoiser(channel_axis=loaded.channel_axis, **parameters)
    denoised = loaded.restore(estimator.fit_transform(loaded.X))
    result, n_clipped = convert(denoised, wanted)
    write_image(target, loaded.join(result), like=image, overwrite=overwrite)
    if n_clipped:
        typer.echo(
            f"note: {target}: {n_clipped:,} of {result.size:,} values were beyond "
            f"what {wanted} can hold and clipped; --dtype float32 keeps them",
            err=True,
        )
    say(f"{target}: written in {time.perf_counter() - start:.1f} s")
