"""`n2d fit`: what a denoiser learns from images, as a file."""

import time
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.config import ConfigError, read_config
from n2d.cli.reporting import clean_ending, tell, warnings_in_one_line


def fit(
    context: typer.Context,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGES", help="TIFF, PNG or JPEG files, of one kind of image."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="MODEL.n2d", help="Where the model goes."
        ),
    ],
    config: options.ConfigOption = None,
    solver: options.SolverOption = options.Solver.fast,
    init: options.InitOption = options.Init.auto,
    max_iter: options.MaxIterOption = None,
    factors: options.FactorsOption = None,
    detail_max_iter: options.DetailMaxIterOption = None,
    learning_rate: options.LearningRateOption = None,
    channel_axis: options.ChannelAxisOption = None,
    data_range: options.MappedRangeOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    overwrite: options.OverwriteOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Learn from images, for n2d denoise --model.

    All images share one fit: one measured noise, one scale, one set of weights. Says
    what was measured, and writes a file that holds no pixels and runs no code.
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

    with clean_ending(debug=debug), warnings_in_one_line():
        from n2d.cli.model_report import report
        from n2d.io import check_target

        start = time.perf_counter()
        check_target(output, overwrite=overwrite)
        planes, axis = _planes(images, channel_axis, quiet=quiet)

        # The heaviest import, and not needed for files that cannot be read.
        from n2d import Noise2DetailDenoiser

        model = Noise2DetailDenoiser(channel_axis=axis, **parameters).fit(planes)
        model.set_params(verbose=0).save(output, overwrite=overwrite)
        typer.echo(report(model))
        if not quiet:
            seconds = time.perf_counter() - start
            typer.echo(f"{output}: written in {seconds:.1f} s", err=True)


def _planes(paths, channel_axis, *, quiet):
    """Read files as a list of images of one kind, channels last.

    Returns
    -------
    planes : list of ndarray
        Each (H, W) or (H, W, C).
    channel_axis : {-1, None}
        Of every image.
    """
    import numpy as np

    from n2d.cli.loading import load_image

    planes, first = [], None
    for path in paths:
        loaded = load_image(path, channel_axis)
        tell([f"{path}: {loaded.description}"], quiet=quiet)
        tell([f"note: {path}: {note}" for note in loaded.file.notes])
        X, axis = loaded.X, loaded.channel_axis
        if axis is not None:
            X = np.moveaxis(X, axis, -1)
        found = list(X) if loaded.is_stack else [X]
        # Colours belong together, channels do not unless someone says so.
        if axis is not None and channel_axis is None and "S" not in loaded.file.axes:
            found = [image[..., c] for image in found for c in range(X.shape[-1])]
        kind = found[0].shape[2:]
        if first is None:
            first = path, kind
        if kind != first[1]:
            raise ValueError(
                f"{path} has {_channels(kind)}, but {first[0]} has "
                f"{_channels(first[1])}; fit a model to each kind"
            )
        planes += found
    return planes, -1 if first[1] else None


def _channels(kind):
    return f"{kind[0]} channels together" if kind else "one channel at a time"
