"""What the command line says when something goes wrong, and how it ends."""

import contextlib
import sys
import traceback
import warnings

import typer

from n2d._printable import one_line, printable

FAILED = 1
# What comes first is left only for what is ahead by more than so many standard errors,
# and by what four decimals show.
SURELY, SHOWN = 2.0, 5e-5
INTERRUPTED = 130  # as shells report a process that Ctrl-C has ended


def say(text, *, err=False):
    """Print one line, whatever is in it."""
    typer.echo(printable(text), err=err)


def say_lines(text, *, err=False):
    """Print lines, such as a table."""
    typer.echo(printable(text, lines=True), err=err)


def complain(message, *, debug=False):
    """Print an error to stderr, with the current traceback if asked to."""
    if debug and sys.exc_info()[0] is not None:
        say_lines(traceback.format_exc().rstrip(), err=True)
    say(f"error: {message}", err=True)


def tell(notes, *, quiet=False):
    """Print lines to stderr; of a quiet run only notes and warnings."""
    for note in notes:
        if not quiet or note.startswith(("note: ", "warning: ")):
            say(note, err=True)


@contextlib.contextmanager
def clean_ending(*, debug=False):
    """End the process with a clear message and exit code, whatever happens.

    An exception becomes one line and exit code 1, Ctrl-C exit code 130. In a process of
    its own, signals are the business of `n2d._signals`.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        typer.echo("interrupted: nothing is left half-written", err=True)
        raise typer.Exit(INTERRUPTED) from error
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:
        complain(one_line(error), debug=debug)
        raise typer.Exit(FAILED) from error


@contextlib.contextmanager
def blaming(option, *kinds):
    """Have errors of some kinds be about an option; None: the one that they name."""
    try:
        yield
    except kinds as error:
        option = option or error.option
        raise typer.BadParameter(f"{error}.", param_hint=option) from error


@contextlib.contextmanager
def threads(number):
    """Compute with so many threads; None: with as many as PyTorch takes."""
    if number is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def on_cluster(address):
    """Compute with the workers of a Dask cluster; None: here."""
    if address is None:
        yield
        return
    from n2d.applying.cluster import computing_on

    with contextlib.ExitStack() as stack:
        with blaming("--cluster", ImportError, ValueError):
            stack.enter_context(computing_on(address))
        yield


@contextlib.contextmanager
def warnings_in_one_line():
    """Print warnings to stderr as one line each, once the block is left."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        # For the developers of the package, whose tests turn them into errors.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            yield
        finally:
            for text in dict.fromkeys(" ".join(str(w.message).split()) for w in caught):
                say(f"warning: {text}", err=True)


def aligned(lines):
    """Lay out lines of cells in columns, the first to the left, numbers right."""
    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
