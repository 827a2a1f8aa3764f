"""`n2d tune`: parameters chosen on the image itself, for `n2d denoise --config`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.progress import counting
from n2d.cli.reporting import aligned, clean_ending, tell, warnings_in_one_line


def tune(
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="A file that n2d denoise takes.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the chosen parameters go, as JSON.  "
            "[default: IMAGE.n2d.json, in the current folder]",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help="Which denoiser, also with fixed parameters: nlm:patch_size=7. A "
            "wrong name lists all there are.",
        ),
    ] = "n2d",
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="PARAMETER=VALUE,...",
            help="What to search, such as strength=1,0.8,1.25, or "
            "'downsampling_factors=(),(2,4)'. May be given several times; all "
            "combinations are tried.  [default: a few for every method]",
        ),
    ] = None,
    clean: options.CleanOption = None,
    series: options.SeriesOption = None,
    axes: options.AxesOption = None,
    channels: options.ChannelsOption = options.Channels.independent,
    channel_axis: options.ChannelAxisOption = None,
    nan: options.NanOption = options.NotANumber.refuse,
    data_range: options.PixelRangeOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    overwrite: options.OverwriteOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Choose a denoiser's parameters on an image, without a clean one.

    Tries all combinations of a grid, prints a table, the best first, and writes the
    parameters of the highest self-supervised score to a file that `n2d denoise
    --config FILE` takes; the default ones, where the score cannot tell them from the
    best. A clean image, if there is one, adds PSNR to the table, and
    takes no part in the choice.
    """
    options.check_data_range(data_range)
    name = method.partition(":")[0].strip()
    searched = _checked_grid(method, name, grid)
    target = Path(f"{image.stem}.n2d.json") if output is None else output

    with clean_ending(debug=debug), warnings_in_one_line():
        from n2d.cli.config import write_config
        from n2d.files._cases import read_cases
        from n2d.io import check_target

        check_target(target, overwrite=overwrite)
        cases, limits, notes = read_cases(
            image.stem,
            image,
            clean,
            data_range=data_range,
            axes=axes,
            channels=channels,
            channel_axis=channel_axis,
            series=series,
            nan=nan,
        )
        tell(notes, quiet=quiet)
        denoiser = _make(
            method,
            data_range=limits,
            random_state=seed,
            device=device,
            channel_axis=cases[0].channel_axis,
        )
        results = _search(denoiser, searched, cases, quiet=quiet)
        typer.echo(aligned(_table(results)))
        chosen = _chosen(results, denoiser, cases, quiet=quiet)
        parameters = _changed_parameters(name, denoiser.set_params(**chosen))
        search = {"image": image.name, "grid": searched, "results": results}
        write_config(target, name, parameters, search, overwrite=overwrite)
        if not quiet:
            typer.echo(f"{target}: {_how_to_use(name, target)}", err=True)


def _how_to_use(name, path):
    from n2d.cli.config import N2D_METHODS

    if name in N2D_METHODS:
        return f"the best parameters, for n2d denoise --config {path}"
    return f"the best parameters, for n2d.denoiser_registry()[{name!r}]"


def _make(text, **settings):
    """Make the one denoiser that `--method` names."""
    from n2d import denoiser_registry
    from n2d.comparison import parse_methods

    methods = parse_methods([text], denoiser_registry(), **settings)
    if len(methods) > 1:
        raise ValueError(f"{text!r} names {len(methods)} methods; name one")
    return next(iter(methods.values()))


def _checked_grid(method, name, texts):
    """Return the grid, or end with a word on the option that makes no sense."""
    from n2d.cli.config import default_grid, parse_grid

    try:
        known = _make(method).get_params()
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--method") from error
    try:
        return parse_grid(texts, name, known) if texts else default_grid(name)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--grid") from error


def _chosen(results, denoiser, cases, *, quiet):
    """The parameters of the best result; the default's where none is surely better."""
    best, defaults = results[0], denoiser.get_params()
    for result in results[1:]:
        if any(defaults[k] != v for k, v in result["parameters"].items()):
            continue
        least = _least_difference(denoiser, best, result, cases)
        if best["score"] - result["score"] <= least:
            note = (
                "the score cannot tell the best from the default (differences below "
                f"{least:.4f} are chance): the default is kept"
            )
            tell([note], quiet=quiet)
            return result["parameters"]
    return best["parameters"]


def _least_difference(denoiser, one, other, cases):
    """How much two scores differ, at least, where it is not chance.

    What the score estimates of two results depends by chance on how the noise looks
    like their difference: its deviation is that of the sum of noise times difference.
    """
    import numpy as np
    from sklearn.base import clone

    variance = 0.0
    for case in cases:
        estimates = []
        for result in (one, other):
            fitted = clone(denoiser).set_params(**result["parameters"]).fit(case.noisy)
            estimates.append(np.asarray(fitted.transform(case.noisy), float))
        if getattr(fitted, "noise_", None) is None:
            return 0.0
        # As the score measures it, whatever is told.
        measured = clone(fitted).set_params(noise="auto").fit(case.noisy)
        models = measured.for_all_planes().noise_
        models = models if isinstance(models, tuple) else (models,)
        level = np.mean([model.level**2 for model in models])
        # Noise that neighbours share is as much as that of fewer pixels.
        n_alike = max(1.0, *(np.prod(1 + 2 * m.correlation.sum(1)) for m in models))
        if not level:
            return 0.0
        size = estimates[0].size
        mean_square = np.mean((estimates[0] - estimates[1]) ** 2)
        variance += 4 * mean_square / level * n_alike / size
    # Twice the deviation of a mean over cases.
    return float(2 * np.sqrt(variance) / len(cases))


def _search(denoiser, grid, cases, *, quiet):
    """Fit every setting of a grid to every case; means over cases, the best first."""
    from sklearn.model_selection import ParameterGrid

    settings = list(ParameterGrid(grid))
    with counting(len(settings) * len(cases), "settings", visible=not quiet) as step:
        tables = [_search_one(denoiser, grid, case, step) for case in cases]
    results = []
    for parameters, *found in zip(settings, *tables, strict=True):
        means = {key: sum(one[key] for one in found) / len(found) for key in found[0]}
        seconds = round(means["seconds"] * len(found), 3)
        means = {"psnr": None, **means, "seconds": seconds}
        results.append(
            {"parameters": parameters}
            | {key: means[key] for key in ("score", "psnr", "seconds")}
        )
    if not all(math.isfinite(result["score"]) for result in results):
        raise ValueError("the self-supervised score is not finite on this image")
    # Of equal scores, that of the setting named first.
    return sorted(results, key=lambda result: -result["score"])


def _search_one(denoiser, grid, case, step):
    """Fit every setting of a grid to a case; its numbers, in the order of the grid."""
    from sklearn.model_selection import GridSearchCV

    from n2d.metrics import psnr
    from n2d.model_selection import SingleImageSplit

    def judge(fitted, X, y=None):
        numbers = {"score": fitted.score(X)}
        if case.clean is not None:
            numbers["psnr"] = psnr(case.clean, fitted.transform(X), case.data_range)
        step()
        return numbers

    table = (
        GridSearchCV(
            denoiser,
            grid,
            scoring=judge,
            cv=SingleImageSplit(),
            refit=False,
            error_score="raise",
        )
        .fit(case.noisy)
        .cv_results_
    )
    columns = {"score": "mean_test_score", "seconds": "mean_fit_time"}
    if case.clean is not None:
        columns["psnr"] = "mean_test_psnr"
    return [
        {key: float(table[column][number]) for key, column in columns.items()}
        for number in range(len(table["params"]))
    ]


def _table(results):
    """The settings and what came of them, as cells."""
    names = list(results[0]["parameters"])
    header = [*(name.rpartition("__")[2] for name in names), "score"]
    with_psnr = results[0]["psnr"] is not None
    header += ["PSNR (dB)"] * with_psnr + ["fit (s)"]
    lines = [header]
    for result in results:
        line = [str(result["parameters"][name]) for name in names]
        line.append(f"{result['score']:.4f}")
        line += [f"{result['psnr']:.2f}"] if with_psnr else []
        lines.append([*line, f"{result['seconds']:.1f}"])
    return lines


def _changed_parameters(name, denoiser):
    """Parameters in which a denoiser differs from the one that the file is read for."""
    from n2d import Noise2DetailDenoiser
    from n2d.cli.config import N2D_METHODS, NOT_TUNABLE

    # `n2d denoise` starts from the estimator's own defaults, whatever the name.
    default = Noise2DetailDenoiser() if name in N2D_METHODS else _make(name)
    defaults = default.get_params()
    return {
        key: value
        for key, value in denoiser.get_params().items()
        if key.rpartition("__")[2] not in NOT_TUNABLE
        and not hasattr(value, "get_params")
        and value != defaults.get(key)
    }
