"""`n2d fit`: what a denoiser learns from images, as a file."""

import time
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.reporting import (
    blaming,
    clean_ending,
    say,
    say_lines,
    tell,
    threads,
    warnings_in_one_line,
)


def fit(
    context: typer.Context,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGES",
            help="Files that n2d denoise takes, or folders of them; of one kind of "
            "image.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="MODEL.n2d", help="Where the model goes."
        ),
    ],
    recursive: options.RecursiveOption = False,
    config: options.ConfigOption = None,
    solver: options.SolverOption = options.Solver.fast,
    init: options.InitOption = options.Init.auto,
    noise: options.NoiseOption = None,
    strength: options.StrengthOption = None,
    stripes: options.StripesOption = None,
    max_iter: options.MaxIterOption = None,
    factors: options.FactorsOption = None,
    detail_max_iter: options.DetailMaxIterOption = None,
    learning_rate: options.LearningRateOption = None,
    series: options.SeriesOption = None,
    axes: options.AxesOption = None,
    channels: options.ChannelsOption = options.Channels.independent,
    channel_axis: options.ChannelAxisOption = None,
    nan: options.NanOption = options.NotANumber.refuse,
    data_range: options.MappedRangeOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    precision: options.PrecisionOption = options.Precision.auto,
    jobs: options.JobsOption = None,
    overwrite: options.OverwriteOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Learn from images, for n2d denoise --model.

    The noise is measured on all images together. Says what was measured, and writes a
    file that holds no pixels and runs no code. Large files are read in parts.
    """
    parameters = options.estimator_parameters(context)
    from n2d.files._targets import PlanError, expand_inputs

    with blaming("IMAGES", PlanError):
        found = expand_inputs(images, recursive=recursive)
    images = found.paths
    tell([f"note: {line}" for line in found.lines()])

    with clean_ending(debug=debug), warnings_in_one_line(), threads(jobs):
        from n2d.cli.info import report
        from n2d.files._originals import Originals
        from n2d.io import check_target

        start = time.perf_counter()
        check_target(output, overwrite=overwrite)
        Originals([*images, config]).refuse(output)
        how = {"axes": axes, "channels": channels, "channel_axis": channel_axis}
        planes, axis = _planes(images, series, nan, how, quiet=quiet)

        # The heaviest import, and not needed for files that cannot be read.
        from n2d import Noise2DetailDenoiser

        model = Noise2DetailDenoiser(channel_axis=axis, **parameters).fit(planes)
        if model.for_all_planes() is not model:
            note = "the planes differ in their noise, and the model has that of all; "
            tell([f"note: {note}without a model, n2d denoise gives each its own"])
            model = model.for_all_planes()
        model.set_params(verbose=0).save(output, overwrite=overwrite)
        say_lines(report(model))
        if not quiet:
            seconds = time.perf_counter() - start
            say(f"{output}: written in {seconds:.1f} s", err=True)


def _planes(paths, series, nan, how, *, quiet):
    """List the images of all files, of one kind, and the axis of their channels."""
    from n2d.files._gaps import gaps_of, planes_to_learn_from
    from n2d.files._plan import plan_of
    from n2d.files._planes import FilePlane
    from n2d.files._words import describe_file
    from n2d.io import open_image

    planes, first = [], None
    for path in paths:
        with open_image(path, series) as image:
            plan = plan_of(image, fit_per="file", **how)
            gaps = gaps_of(image, plan, nan)
            found = [
                FilePlane(path, image.data, plane.key, series, plan, nan)
                for plane in planes_to_learn_from(plan.fits[0], gaps)
            ]
            tell([f"{path}: {describe_file(image, plan.axes)}"], quiet=quiet)
            tell([f"note: {path}: {note}" for note in image.notes])
            tell([f"warning: {path}: {text}" for text in plan.cautions])
        axis = plan.channel_axis
        kind = axis, None if axis is None else found[0].shape[axis]
        if first is None:
            first = path, kind
        if kind != first[1]:
            raise ValueError(
                f"{path} has {_describe(kind)}, but {first[0]} has "
                f"{_describe(first[1])}; fit a model to each kind"
            )
        planes += found
    return planes, first[1][0]


def _describe(kind):
    axis, n_channels = kind
    if axis is None:
        return "one channel at a time"
    return f"{n_channels} channels together, along axis {axis} of a plane"
