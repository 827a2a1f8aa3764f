"""`n2d tune`: parameters chosen on the image itself, for `n2d denoise --config`."""

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.progress import counting
from n2d.cli.reporting import (
    SHOWN,
    SURELY,
    aligned,
    blaming,
    clean_ending,
    say,
    say_lines,
    tell,
    threads,
    warnings_in_one_line,
)


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
    jobs: options.JobsOption = None,
    overwrite: options.OverwriteOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Choose a denoiser's parameters on an image, without a clean one.

    Tries all combinations of a grid, prints a table, the best first, and writes the
    parameters of the highest score to a file that `n2d denoise --config FILE` takes.
    The score estimates which share of the noise is removed, from the noisy image alone;
    beside it is by how much its difference to the default may be off by chance. Where
    nothing is better than the default for certain, the default is written. A clean
    image, if there is one, adds PSNR to the table, and takes no part in the choice.
    """
    options.check_data_range(data_range)
    name = method.partition(":")[0].strip()
    searched = _checked_grid(method, name, grid)
    target = Path(f"{image.stem}.n2d.json") if output is None else output

    with clean_ending(debug=debug), warnings_in_one_line(), threads(jobs):
        from n2d._config import write_config
        from n2d.comparison.summary import describe_scores
        from n2d.files._cases import how_it_looks, read_cases
        from n2d.files._methods import make_one
        from n2d.files._originals import Originals
        from n2d.io import check_target

        check_target(target, overwrite=overwrite)
        Originals([image, clean]).refuse(target)
        cases, limits, notes = read_cases(
            image.stem,
            image,
            clean,
            data_range=data_range,
            axes=axes,
            channels=channels,
            channel_axis=channel_axis,
            series=series,
            stack="auto",
            nan=nan,
        )
        tell(notes, quiet=quiet)
        denoiser = make_one(
            method,
            data_range=limits,
            random_state=seed,
            device=device,
            channel_axis=cases[0].channel_axis,
            stack=cases[0].stack,
        )
        results = _search(denoiser, searched, cases, quiet=quiet)
        say_lines(aligned(_table(results)))
        against = "the default" if _with_default(results) else "the first"
        tell([describe_scores(results, against)], quiet=quiet)
        chosen, why = _chosen(results)
        if why:
            tell([f"note: {why}"])
        parameters = _changed_parameters(
            name, denoiser.set_params(**chosen), cases[0].stack
        )
        search = {"image": image.name, "grid": searched, "results": _plain(results)}
        seen = [how_it_looks(case) for case in cases]
        write_config(target, name, parameters, search, seen, overwrite=overwrite)
        if not quiet:
            say(f"{target}: for n2d denoise --config {target}", err=True)


def _checked_grid(method, name, texts):
    """Return the grid, or end with a word on the option that makes no sense."""
    from n2d.cli.grids import default_grid, parse_grid
    from n2d.files._methods import make_one

    with blaming("--method", ValueError):
        known = make_one(method).get_params()
    with blaming("--grid", ValueError):
        return parse_grid(texts, name, known) if texts else default_grid(name)


def _chosen(results):
    """The parameters of the best result, or the default's, and why these."""
    known = [result for result in results if not math.isnan(result["score"])]
    default = next((result for result in results if result["is_default"]), None)
    if not known:
        kept = {} if default is None else default["parameters"]
        return kept, "the score cannot tell on this image: the default is kept"
    best = known[0]
    if default is None or best is default or math.isnan(default["score"]):
        why = "nothing tried is better than the default" if best is default else None
        return best["parameters"], why
    ahead, error = best["score"] - default["score"], best["standard_error"]
    if ahead > SHOWN and ahead > SURELY * error:
        return best["parameters"], None
    return default["parameters"], (
        f"nothing tried is better than the default for certain (ahead by {ahead:.4f} "
        f"\N{PLUS-MINUS SIGN} {error:.4f}): the default is kept"
    )


def _search(denoiser, grid, cases, *, quiet):
    """Fit every setting of a grid to every case; means over cases, the best first."""
    from sklearn.model_selection import ParameterGrid

    settings = list(ParameterGrid(grid))
    defaults = denoiser.get_params()
    are_default = [
        all(defaults[key] == value for key, value in setting.items())
        for setting in settings
    ]
    # What the others are compared with.
    first = are_default.index(True) if any(are_default) else 0
    with counting(len(settings) * len(cases), visible=not quiet) as step:
        tables = [_search_one(denoiser, settings, case, step) for case in cases]
    results = []
    for number, setting in enumerate(settings):
        found = [table[number] for table in tables]
        errors = [
            one["judgement"].standard_error(table[first]["judgement"])
            for one, table in zip(found, tables, strict=True)
        ]
        results.append(
            {
                "parameters": setting,
                "is_default": are_default[number],
                "score": sum(one["judgement"].score for one in found) / len(found),
                "standard_error": math.hypot(*errors) / len(errors),
                "psnr": sum(one["psnr"] for one in found) / len(found)
                if cases[0].clean is not None
                else None,
                "seconds": round(sum(one["seconds"] for one in found), 3),
            }
        )
    # Of equal scores, that of the setting named first; those without one last.
    return sorted(
        results, key=lambda r: math.inf if math.isnan(r["score"]) else -r["score"]
    )


def _search_one(denoiser, settings, case, step):
    """Fit every setting to a case, and judge it."""
    from sklearn.base import clone

    from n2d.metrics import psnr
    from n2d.model_selection import judge

    found = []
    for setting in settings:
        start = time.perf_counter()
        fitted = clone(denoiser).set_params(**setting).fit(case.noisy)
        one = {"seconds": time.perf_counter() - start}
        one["judgement"] = judge(fitted, case.noisy)
        if case.clean is not None:
            estimate = fitted.transform(case.noisy)
            one["psnr"] = psnr(case.clean, estimate, case.data_range)
        found.append(one)
        step()
    return found


def _plain(results):
    """Results for JSON, which knows no NaN."""
    return [
        {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in result.items()
            if key != "is_default"
        }
        for result in results
    ]


def _with_default(results):
    return any(result["is_default"] for result in results)


def _table(results):
    """The settings and what came of them, as cells."""
    names = list(results[0]["parameters"])
    against = "default" if _with_default(results) else "first"
    header = [*(name.rpartition("__")[2] for name in names), "score"]
    header.append(f"\N{PLUS-MINUS SIGN} to the {against}")
    with_psnr = results[0]["psnr"] is not None
    header += ["PSNR (dB)"] * with_psnr + ["fit (s)"]
    lines = [header]
    for result in results:
        line = [str(result["parameters"][name]) for name in names]
        if math.isnan(result["score"]):
            line += ["cannot tell", ""]
        else:
            line += [f"{result['score']:.4f}", f"{result['standard_error']:.4f}"]
        line += [f"{result['psnr']:.2f}"] if with_psnr else []
        lines.append([*line, f"{result['seconds']:.1f}"])
    return lines


def _changed_parameters(name, denoiser, stack):
    """Parameters in which a denoiser differs from the one that the file is read for.

    `stack` is what the axes of a file say, and it is read for files of other axes, too.
    """
    from n2d._config import NOT_TUNABLE
    from n2d.files._methods import plain_denoiser

    # `n2d denoise` starts from the estimator's own defaults, whatever the name.
    defaults = plain_denoiser(name).get_params()
    return {
        key: value
        for key, value in denoiser.get_params().items()
        if key.rpartition("__")[2] not in NOT_TUNABLE
        and not hasattr(value, "get_params")
        and value != (stack if key == "stack" else defaults.get(key))
    }
