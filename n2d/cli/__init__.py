"""The command `n2d`: thin, on top of everything else.

Only typer is imported until a command runs, so that ``n2d --help`` answers at once.
"""

import contextlib
from typing import Annotated

import typer
import typer.core

from n2d import __version__
from n2d._printable import one_line, printable
from n2d._signals import watched
from n2d.cli.compare import compare
from n2d.cli.demo import demo
from n2d.cli.denoise import denoise
from n2d.cli.fit import fit
from n2d.cli.info import info
from n2d.cli.noise import noise
from n2d.cli.reporting import FAILED, complain
from n2d.cli.tune import tune
from n2d.cli.watch import watch


class _Commands(typer.core.TyperGroup):
    """Escapes what messages about arguments repeat of them."""

    def make_context(self, *args, **kwargs):
        with _printable_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx):
        with _printable_errors():
            try:
                return super().invoke(ctx)
            except BrokenPipeError:
                raise
            except OSError as error:  # of names that are looked at before any file is
                complain(one_line(error))
                raise typer.Exit(FAILED) from error


@contextlib.contextmanager
def _printable_errors():
    try:
        yield
    except typer.BadParameter.__mro__[2] as error:  # of click, which typer may bring
        error.message = printable(_in_words(error))
        raise


def _in_words(error):
    """The message of an error, in other words where typer passes on pydantic's."""
    if not hasattr(error.__cause__, "errors"):
        return error.message
    found = error.__cause__.errors()[0]
    kind = {"float": "number", "int": "whole number"}.get(found["type"].split("_")[0])
    if kind is not None:
        return f"{found['input']!r} is no {kind}."
    text = error.message.replace("Input should be", f"{found['input']} should be")
    return text.removeprefix("Value error, ")


app = typer.Typer(
    cls=_Commands,
    name="n2d",
    help="Denoise images without training data (Noise2Detail).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(denoise)
app.command()(fit)
app.command()(compare)
app.command()(demo)
app.command()(tune)
app.command()(noise)
app.command()(watch)
app.command()(info)


def _print_version(asked):
    if asked:
        typer.echo(f"n2d {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
):
    pass


def main():
    """Run the command line of this process and exit with its code."""
    with watched():
        app(prog_name="n2d")
