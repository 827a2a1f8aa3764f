"""`n2d compare`: denoisers side by side on a user's own images."""

import functools
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.reporting import (
    FAILED,
    SHOWN,
    SURELY,
    aligned,
    blaming,
    clean_ending,
    complain,
    say,
    say_lines,
    tell,
    warnings_in_one_line,
)

# A few seconds each for 512 x 512 pixels, three times of which are for the score, and
# without any extra; BM3D takes a minute in all.
DEFAULT_METHODS = ("n2d", "vst-nlm", "vst-tv", "gaussian", "median")

TABLES = ("results.csv", "summary.md", "report.html")
_DPI = 200


def compare(
    context: typer.Context,
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE",
            help="An image file that n2d denoise takes; a folder of such; or a folder "
            "with subfolders noisy/ and clean/ of files with the same names.",
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FOLDER", help="Where files go.")
    ],
    clean: Annotated[
        Path | None,
        typer.Option(
            "--clean",
            metavar="CLEAN",
            help="The clean image or, for a folder, a folder of clean images.",
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--methods",
            metavar="NAME,NAME,...",
            help="Which denoisers, also with parameters: n2d,gaussian:blur=3. May be "
            "given several times. A wrong name lists all there are, such as vst-bm3d "
            f"(slower; an extra).  [default: {','.join(DEFAULT_METHODS)}]",
        ),
    ] = None,
    series: options.SeriesOption = None,
    axes: options.AxesOption = None,
    channels: options.ChannelsOption = options.Channels.independent,
    channel_axis: options.ChannelAxisOption = None,
    nan: options.NanOption = options.NotANumber.refuse,
    data_range: options.PixelRangeOption = None,
    plane: Annotated[
        int,
        typer.Option(
            "--plane",
            metavar="N",
            min=0,
            help="Which image of a stack is drawn, with a PSNR of its own.",
        ),
    ] = 0,
    inset: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(
            "--inset",
            metavar="TOP LEFT HEIGHT WIDTH",
            help="The part to enlarge, in pixels.  [default: where most happens]",
        ),
    ] = None,
    figure: Annotated[
        bool | None,
        typer.Option(
            "--figure/--no-figure",
            help="Whether to draw figures; they need the extra plot.  [default: if "
            "they can be drawn]",
        ),
    ] = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    overwrite: options.OverwriteOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Compare denoisers on images, with or without clean ones.

    Writes results.csv (a line per image and method), summary.md (means), report.html
    (a page to look at, with a map of the expected error where it is known) and a figure
    for each image: all on one grey scale, with a part enlarged and what was removed.
    PSNR and SSIM need clean images; the score and the seconds do not. The score
    estimates which share of the noise is removed, 1 at best; beside it is by how much
    its difference to the first method may be off by chance. It says so where it cannot
    tell.
    """
    from n2d.cli.compare_report import CompareReport
    from n2d.cli.report import command_of
    from n2d.comparison import compare as compare_images
    from n2d.comparison.summary import describe_ranges, describe_scores
    from n2d.files._cases import InputError, find_images, read_cases, unread_case
    from n2d.files._targets import is_meant_as_folder

    options.check_data_range(data_range)
    figure = _may_draw(figure)
    chosen = _chosen_methods(methods, seed=seed, device=device)
    if Path(output).exists() and not is_meant_as_folder(output):
        raise typer.BadParameter(
            f"{output} is a file; name a folder.", param_hint="--output"
        )
    failed = False
    with clean_ending(debug=debug):
        with blaming(None, InputError):
            files = find_images(image, clean, lambda line: tell([line]))
        folder = Path(output)
        _prepare(folder, files, figure=figure, overwrite=overwrite)
        rows, page = [], CompareReport(folder, command_of(context))
        for name, paths in files.items():
            with warnings_in_one_line():
                settled, notes = None, []
                try:
                    cases, settled, notes = read_cases(
                        name,
                        *paths,
                        data_range=data_range,
                        axes=axes,
                        channels=channels,
                        channel_axis=channel_axis,
                        series=series,
                        stack="auto",
                        nan=nan,
                    )
                    drawings = [_Drawing(case, plane, inset) for case in cases]
                except Exception as error:  # one bad file must not stop the others
                    cases, drawings = [unread_case(name, paths[0], error)], [None]
                    page.add_line(name, cases[0].error)
                tell(notes, quiet=quiet)
                for case, drawing in zip(cases, drawings, strict=True):
                    rows += compare_images(
                        chosen(settled, case.stack),
                        [case],
                        folder,
                        score=True,
                        isolate=False,
                        fresh=True,
                        callback=None if quiet else _report,
                        on_case=_drawer(
                            folder if figure else None, drawing, overwrite, page
                        ),
                        on_fitted=drawing
                        and functools.partial(page.look, drawing.plane),
                    )
        page.write(overwrite=overwrite)
        say_lines(aligned(_table(rows)))
        found = describe_ranges(rows), describe_scores(rows), _winner(rows)
        tell(filter(None, found), quiet=quiet)
        for error in _errors(rows):
            complain(error)
            failed = True
        if not quiet:
            figures = ", figures" if figure else ""
            say(f"tables{figures} and a page to look at are in {folder}", err=True)
    if failed:
        raise typer.Exit(FAILED)


def _chosen_methods(texts, *, seed, device):
    """Return a function that makes the denoisers for a range, and a kind of stack."""
    from n2d import denoiser_registry
    from n2d.comparison import parse_methods

    def make(data_range=None, stack="independent"):
        return parse_methods(
            DEFAULT_METHODS if texts is None else texts,
            denoiser_registry(),
            data_range=data_range,
            random_state=seed,
            device=device,
            stack=stack,
        )

    with blaming("--methods", ValueError):
        make()
    return make


def _may_draw(wanted):
    """Whether there will be figures; says so where there cannot be."""
    if wanted is False or find_spec("matplotlib") is not None:
        return wanted is not False
    how = "pip install 'noise2detail[plot]'"
    if wanted:
        raise typer.BadParameter(
            f"figures need Matplotlib: {how}.", param_hint="--figure"
        )
    tell([f"note: without figures, which need Matplotlib: {how}"])
    return False


def _prepare(folder, files, *, figure, overwrite):
    """Make the folder, and raise before anything is computed where writing would fail.

    A table that is to be replaced goes: rows of another comparison are none of this.
    """
    from n2d.files._originals import Originals
    from n2d.io import check_target

    targets = [folder / name for name in TABLES]
    if figure:
        targets += [_figure_path(folder, name) for name in files]
        # Of channels, which have a figure each.
        targets += [found for name in files for found in folder.glob(f"{name}-c*.png")]
    originals = Originals(path for pair in files.values() for path in pair)
    folder.mkdir(parents=True, exist_ok=True)
    for target in targets:
        originals.refuse(target)
        check_target(target, overwrite=overwrite)
    (folder / TABLES[0]).unlink(missing_ok=True)


def _figure_path(folder, name):
    return folder / f"{name}.png"


def _report(row):
    """Say on stderr how a run went."""
    if row["error"]:
        return  # said at the end, where it is not overlooked
    numbers = [
        text
        for key, text in (
            ("psnr", "{:.2f} dB"),
            ("ssim", "SSIM {:.3f}"),
            ("score", "score {:.3f}"),
            ("seconds", "{:.1f} s"),
        )
        if row[key] is not None and not math.isnan(row[key])
        for text in [text.format(row[key])]
    ]
    say(f"{row['case']}, {row['method']}: {', '.join(numbers)}", err=True)


def _table(rows):
    """Means per method over all images, as cells."""
    from n2d.comparison.summary import tabulate

    header, *lines = tabulate(rows)
    single = len({row["case"] for row in rows}) == 1
    first = 3 if single else 2
    return [[line[1], *line[first:]] for line in (header, *lines)]


def _winner(rows):
    """Say which method the score is surely for, beside the first one."""
    scores, errors = {}, {}
    for row in rows:
        if row["score"] is not None:
            scores.setdefault(row["method"], []).append(row["score"])
            errors.setdefault(row["method"], []).append(row["score_error"])
    means = {name: sum(found) / len(found) for name, found in scores.items()}
    first = next(iter(means), None)
    if first is None or len(means) < 2:
        return ""
    known = {name: mean for name, mean in means.items() if not math.isnan(mean)}
    if first not in known:
        return f"the score cannot tell: keep {first}, or judge by the figures"
    best = max(known, key=known.get)
    if best == first:
        return f"by the score, nothing is better than {first}"
    error = math.nan
    if None not in errors[best]:
        error = math.hypot(*errors[best]) / len(errors[best])
    lead = known[best] - known[first]
    ahead = f"{lead:.4f}"
    if not math.isnan(error):
        ahead += f" \N{PLUS-MINUS SIGN} {error:.4f}"
    if lead < SHOWN or lead <= SURELY * error:
        return (
            f"{best} is ahead of {first} by {ahead}, which may be chance: keep {first}"
        )
    return (
        f"by the score, {best} is better than {first}, by {ahead}; to apply it: n2d "
        f"denoise --method {best}"
    )


def _errors(rows):
    """One line for every run that failed, or for all runs of an unreadable image."""
    for case in dict.fromkeys(row["case"] for row in rows):
        failed = [row for row in rows if row["case"] == case]
        if len({row["error"] for row in failed}) == 1 and len(failed) > 1:
            failed = [failed[0] | {"method": "all methods"}]
        for row in failed:
            if row["error"]:
                yield f"{case}, {row['method']}: {row['error']}"


def _drawer(folder, drawing, overwrite, page):
    """Return what shows a case once all methods are through with it.

    Without a `folder` it goes into the page only.
    """
    from n2d.io import atomic_write

    def draw(case, rows, estimates):
        page.add(case, drawing.plane, rows, estimates)
        if folder is None:
            return
        picture = drawing.plot(rows, estimates)
        target = _figure_path(folder, case.name)
        with atomic_write(target, overwrite=overwrite) as path:
            picture.savefig(path, format="png", dpi=_DPI)

    return draw


class _Drawing:
    """One image of a case, as it is drawn."""

    def __init__(self, case, plane=0, inset=None):
        self._case, self._plane, self._inset = case, plane, inset
        shape, axis = case.noisy.shape, case.channel_axis
        self._stacked = len(shape) == (3 if axis is None else 4)
        n_planes = shape[0] if self._stacked else 1
        if plane >= n_planes:
            raise ValueError(f"--plane {plane}: there are planes 0 to {n_planes - 1}")
        rows, columns = [n for i, n in enumerate(shape) if i != axis][-2:]
        if inset is not None:
            top, left, height, width = inset
            if not (
                0 <= top < top + height <= rows and 0 <= left < left + width <= columns
            ):
                raise ValueError(
                    f"--inset {top} {left} {height} {width}: is no part (top, left, "
                    f"height, width) of {rows} x {columns} pixels"
                )

    @property
    def plane(self):
        """Which image of a stack is drawn; None of an image alone."""
        return self._plane if self._stacked else None

    def plot(self, rows, estimates):
        """Draw the image, what denoisers made of it, and the clean one."""
        from n2d.comparison import plot_comparison

        case, axis = self._case, self._case.channel_axis
        if self._stacked and axis is not None:
            axis -= 1
        return plot_comparison(
            self._one(case.noisy),
            {name: self._one(estimate) for name, estimate in estimates.items()},
            None if case.clean is None else self._one(case.clean),
            data_range=case.data_range,
            channel_axis=axis,
            inset=self._inset,
            titles={row["method"]: _title(row) for row in rows},
        )

    def _one(self, array):
        return array[self._plane] if self._stacked else array


def _title(row):
    known = row["score"] is not None and not math.isnan(row["score"])
    score = f"score {row['score']:.3f}, " if known else ""
    seconds = "" if row["seconds"] is None else f"{row['seconds']:.1f} s"
    return f"{score}{seconds}"
