"""How far a run is: bars on a terminal, with an estimate of the time that is left."""

import contextlib
import sys

import typer

from n2d._printable import printable
from n2d._progress import in_words, is_training, progress_bars
from n2d.cli.reporting import say


class RunProgress:
    """Bars for all files and for the one that is under way; a context manager."""

    def __init__(self, n_files, visible):
        self._bars = self._all = None
        self._n_files, self._visible = n_files, visible

    def __enter__(self):
        if self._visible:
            self._bars = _bars(on_any=not is_terminal())
            self._bars.start()
            if self._n_files > 1:
                text = f"0/{self._n_files} files"
                self._all = self._bars.add_task(
                    "all files", total=self._n_files, text=text
                )
        return self

    def __exit__(self, *exception):
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    @contextlib.contextmanager
    def file(self, name):
        """Give a `FileProgress` for one file."""
        progress = FileProgress(name, self._bars)
        try:
            yield progress
        finally:
            progress.close(remove=self._all is not None)
            if self._all is not None:
                self._bars.advance(self._all)
                done = int(self._bars.tasks[0].completed)
                self._bars.update(self._all, text=f"{done}/{self._n_files} files")

    def write_line(self, text):
        """Print a line to stderr, above the bars if there are any."""
        if self._bars is None:
            say(text, err=True)
        else:
            self._bars.console.print(
                printable(text),
                markup=False,
                highlight=False,
                emoji=False,
                soft_wrap=True,
            )


class FileProgress:
    """The bar of one file, in planes."""

    def __init__(self, name, bars):
        self._name, self._bars = printable(name), bars
        self._task, self._total, self._done, self._at_once = None, 0, 0, 0

    def begin(self, n_planes):
        """Start, with so many planes to go."""
        self._total = n_planes
        if self._bars is not None:
            self._task = self._bars.add_task(self._name, total=n_planes, text="")

    def skip(self, n_planes):
        """Count planes that an earlier run has finished."""
        self._done += n_planes
        self._show(0.0)

    @contextlib.contextmanager
    def planes(self, n_planes):
        """Count planes when they are finished."""
        self._at_once = n_planes
        yield
        self._done += n_planes
        self._show(0.0)

    def fitting(self, progress):
        """Show a step of `fit`: its callback; never cancels."""
        text = in_words(progress)
        if is_training(progress):
            text += f", step {progress.step:,} of {progress.total:,}"
        self._show(0.0, text)

    def transforming(self, progress):
        """Show a step of `transform`: its callback; never cancels."""
        share = self._at_once * progress.step / max(progress.total, 1)
        self._show(share, "denoising")

    def _show(self, share, text=""):
        if self._task is not None:
            done = min(self._done + share, self._total)
            text = f"{done:.1f}/{self._total} planes  {text}"
            self._bars.update(self._task, completed=done, text=text)

    def close(self, *, remove):
        """Stop the bar, and take it away where others follow."""
        if self._task is not None:
            self._bars.stop_task(self._task)
            if remove:
                self._bars.remove_task(self._task)
            self._task = None


def is_terminal():
    """Whether stderr is a terminal, where bars can move."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def counting(total, *, visible):
    """Give a function that counts one more setting: by a bar, or by lines."""
    done = 0

    def step():
        nonlocal done
        done += 1
        if bars is not None:
            bars.update(task, completed=done, text=f"{done}/{total}")
        elif visible:
            typer.echo(f"{done}/{total} settings", err=True)

    bars = _bars() if visible and is_terminal() else None
    with bars or contextlib.nullcontext():
        task = bars and bars.add_task("settings", total=total, text=f"0/{total}")
        yield step


def _bars(*, on_any=False):
    from rich.progress import TextColumn

    return progress_bars(TextColumn("{task.fields[text]}", markup=False), on_any=on_any)
