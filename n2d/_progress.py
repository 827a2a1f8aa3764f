"""Progress on the terminal: bars on stderr, drawn by rich."""

import math
import sys

# The noise is measured in a few rounds, and a network trained in many steps.
_FEW = 10

# What users read, of a stage and of whether a network is trained in it.
_WORDS = {
    ("partial denoising", False): "measuring the noise",
    ("partial denoising", True): "training the network",
    ("detail recovery", True): "training for detail",
    ("measuring planes", False): "measuring the noise of single planes",
}


def is_training(progress):
    """Whether a network is trained, or else the noise is measured or pixels counted."""
    return progress.total > _FEW and not math.isnan(progress.loss)


def in_words(progress):
    """Say what a computation is at, for users."""
    trains = is_training(progress)
    return _WORDS.get((progress.stage, trains), progress.stage)


def progress_bars(*columns, on_any=False):
    """Make rich's bars on stderr; a context manager with ``add_task`` and ``update``.

    Where stderr is no terminal it sees, unless `on_any`, only how they end.
    """
    # Not needed until something is drawn.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr, force_terminal=True if on_any else None)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=console,
        redirect_stdout=False,  # what is printed there is a result
    )


class ProgressBar:
    """A callback that draws a bar on stderr, with ETA and the stage's name.

    A context manager; leaving it closes the bar.
    """

    def __enter__(self):
        self._stage = self._bars = self._task = None
        return self

    def __call__(self, progress):
        """Draw one step; never cancels."""
        trains = is_training(progress)
        if self._bars is None:
            from rich.progress import TextColumn

            self._bars = progress_bars(TextColumn("{task.fields[text]}", markup=False))
            self._bars.start()
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._task = self._bars.add_task(
                in_words(progress), total=progress.total, text=""
            )
        text = f"{100 * progress.step / max(progress.total, 1):.0f} %"
        if trains:
            text = f"{progress.step:,}/{progress.total:,} steps"
        self._bars.update(self._task, completed=progress.step, text=text)

    def __exit__(self, *exception):
        if self._bars is not None:
            self._bars.stop()


def reporting(callback, verbose, stack):
    """Return a callback that also draws a bar, closed when `stack` is."""
    if not verbose:
        return callback
    bar = stack.enter_context(ProgressBar())

    def report(progress):
        bar(progress)
        return callback is not None and callback(progress)

    return report
