"""One computation at a time beside the window, that can be followed and stopped."""

import threading
import time
from functools import partial

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from n2d.core.progress import Cancelled
from n2d.napari.work import Watch

# How long a window that is closed waits for a computation to notice.
_PATIENCE = 30.0


class Tasks(QObject):
    """Runs functions one after the other; only the latest that waits is kept.

    Signals
    -------
    progressed : float, str
        The share that is done, and what is done now.
    changed : bool
        Whether something runs.
    """

    progressed = Signal(float, str)
    changed = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._current = self._next = None
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self.start_time = 0.0

    @property
    def is_busy(self):
        """Whether something runs."""
        return self._current is not None

    def start(self, function, done, failed, *, total=1.0):
        """Run a function in a thread, after what runs there has been stopped.

        Parameters
        ----------
        function : callable
            Takes a `Watch`.
        done : callable
            Takes what the function returned; called in the window's thread, unless it
            was stopped.
        failed : callable
            Takes the exception; `n2d.core.progress.Cancelled` where it was stopped.
        total : float
            What the watch counts to.
        """
        self._next = function, done, failed, total
        if self.is_busy:
            self._stop.set()
        else:
            self._begin()

    def stop(self):
        """Stop what runs, and forget what waits."""
        self._next = None
        self._stop.set()

    def close(self):
        """Stop, and wait until nothing computes any more."""
        self.stop()
        self._idle.wait(_PATIENCE)

    def _begin(self):
        function, done, failed, total = self._next
        self._next = None
        self._stop = stop = threading.Event()
        self._idle.clear()
        watch = Watch(partial(_emit, self.progressed), stop.is_set, total)
        self._current = done, failed, stop
        self.start_time = time.monotonic()
        worker = create_worker(
            _outcome_of, function, watch, self._idle, _ignore_errors=True
        )
        worker.returned.connect(self._ended)
        self.changed.emit(True)
        worker.start()

    def _ended(self, outcome):
        kind, value = outcome
        done, failed, stop = self._current
        self._current = None
        if self._next is not None:
            self._begin()
            return
        self.changed.emit(False)
        if kind == "failed":
            failed(value)
        elif stop.is_set():
            failed(Cancelled("stopped"))
        else:
            done(value)


def _emit(signal, share, text):
    """Report, unless the window has gone meanwhile."""
    try:
        signal.emit(share, text)
    except RuntimeError:
        raise Cancelled("the window is closed") from None


def _outcome_of(function, watch, idle):
    """What a function returns or raises, as a value; nothing is raised in a thread."""
    try:
        watch.check()
        return "done", function(watch)
    except BaseException as error:
        return "failed", error.with_traceback(None)
    finally:
        idle.set()


def time_left(share, seconds):
    """Say how long the rest will take.

    Parameters
    ----------
    share : float
        Of the work that is done.
    seconds : float
        How long that took.

    Returns
    -------
    str
        "" where it is too early to tell.
    """
    if share < 0.02 or seconds < 1:
        return ""
    left = seconds * (1 - share) / share
    if left < 90:
        return f"{left:.0f} s left"
    if left < 5400:
        return f"{left / 60:.0f} min left"
    return f"{left / 3600:.1f} h left"
