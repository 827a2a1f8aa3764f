"""Progress on the terminal."""

import math

from tqdm import tqdm


class ProgressBar:
    """A callback that draws a bar on stderr, with ETA and the stage's name.

    A context manager; leaving it closes the bar.
    """

    def __enter__(self):
        self._stage = None
        self._bar = None
        return self

    def __call__(self, progress):
        """Draw one step; never cancels."""
        if progress.stage != self._stage:
            self.__exit__()
            self._stage = progress.stage
            trains = not math.isnan(progress.loss)  # or else counts pixels
            self._bar = tqdm(
                total=progress.total,
                desc=progress.stage,
                unit="step" if trains else "px",
                unit_scale=not trains,
            )
        if not math.isnan(progress.loss):
            self._bar.set_postfix(loss=f"{progress.loss:.3g}", refresh=False)
        self._bar.update(progress.step - self._bar.n)

    def __exit__(self, *exception):
        if self._bar is not None:
            self._bar.close()


def reporting(callback, verbose, stack):
    """Return a callback that also draws a bar, closed when `stack` is."""
    if not verbose:
        return callback
    bar = stack.enter_context(ProgressBar())

    def report(progress):
        bar(progress)
        return callback is not None and callback(progress)

    return report
