"""How far a run is: bars on a terminal, with an estimate of the time that is left."""

import contextlib
import sys


class RunProgress:
    """Bars for all files and for the one that is under way; a context manager.

    Parameters
    ----------
    n_files : int
        How many files there are.
    visible : bool
        Whether to draw anything.
    """

    def __init__(self, n_files, visible):
        self._n_files, self._visible = n_files, visible
        self._bar = None

    def __enter__(self):
        if self._visible and self._n_files > 1:
            from tqdm import tqdm

            self._bar = tqdm(total=self._n_files, desc="all files", unit="file")
        return self

    def __exit__(self, *exception):
        if self._bar is not None:
            self._bar.close()

    @contextlib.contextmanager
    def file(self, name):
        """Follow one file.

        Parameters
        ----------
        name : str
            How to call it.

        Yields
        ------
        FileProgress
            To be told what happens.
        """
        progress = FileProgress(
            name, self._visible, position=int(self._bar is not None)
        )
        try:
            yield progress
        finally:
            progress.close()
            if self._bar is not None:
                self._bar.update()


class FileProgress:
    """The bar of one file, in planes.

    Parameters
    ----------
    name : str
        How to call the file.
    visible : bool
        Whether to draw anything.
    position : int, default=0
        The line to draw in.
    """

    def __init__(self, name, visible, position=0):
        self._name, self._visible, self._position = name, visible, position
        self._bar, self._done, self._at_once = None, 0, 0

    def begin(self, n_planes):
        """Start, with so many planes to go."""
        if self._visible:
            from tqdm import tqdm

            self._bar = tqdm(
                total=n_planes,
                desc=self._name,
                unit="plane",
                position=self._position,
                leave=self._position == 0,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} planes "
                "[{elapsed}<{remaining}{postfix}]",
            )

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
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"{progress.stage} {progress.step}/{progress.total}, "
                f"loss={progress.loss:.3g}",
                refresh=False,
            )
            self._bar.update(0)

    def transforming(self, progress):
        """Show a step of `transform`: its callback; never cancels."""
        if self._bar is not None:
            self._bar.set_postfix_str("denoising", refresh=False)
            self._show(self._at_once * progress.step / max(progress.total, 1))

    def _show(self, share):
        if self._bar is not None:
            self._bar.update(min(self._done + share, self._bar.total) - self._bar.n)

    def close(self):
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def is_terminal():
    """Whether stderr is a terminal, where bars can move.

    Returns
    -------
    bool
        Whether it is.
    """
    return sys.stderr is not None and sys.stderr.isatty()


def write_line(text):
    """Print a line to stderr, above the bars if there are any.

    Parameters
    ----------
    text : str
        The line.
    """
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)
    else:
        import typer

        typer.echo(text, err=True)


@contextlib.contextmanager
def counting(total, unit, *, visible):
    """Give a function that counts one more of what is to be done."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, disable=not visible) as bar:
        yield bar.update
