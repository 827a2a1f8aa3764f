"""One computation at a time beside the window, that can be followed and stopped."""

import threading
import time
from functools import partial

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QTimer, Signal

from n2d.core.progress import Cancelled
from n2d.napari.work import Watch

# How long a window that is closed waits for a computation to notice.
_PATIENCE = 30.0
_FETCH_MS = 50


class Ending:
    """How what runs is stopped, and waited for: outlives the window's objects."""

    def __init__(self):
        self.stop, self.idle = threading.Event(), threading.Event()
        self.idle.set()

    def close(self):
        """Stop, and wait until nothing computes any more."""
        self.stop.set()
        self.idle.wait(_PATIENCE)


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
        # What a thread says is left here and fetched: it may outlive the window, and
        # to call into a window that has gone ends the program.
        self._latest = None
        self._timer = QTimer(self)
        self._timer.setInterval(_FETCH_MS)
        self._timer.timeout.connect(self._fetch)
        self.ending = Ending()
        self.start_time = 0.0

    @property
    def is_busy(self):
        """Whether something runs."""
        return self._current is not None

    @property
    def waits(self):
        """Whether something waits for what runs."""
        return self._next is not None

    def start(self, function, done, failed, *, total=1.0, stops=True):
        """Run a function of a `Watch` in a thread, once nothing else runs there.

        `done` takes what it returned, in the window's thread, unless it was stopped;
        `failed` takes the exception, `n2d.core.progress.Cancelled` where it was
        stopped. `total` is what the watch counts to. Without `stops` what runs is
        waited for.
        """
        self._next = function, done, failed, total
        if not self.is_busy:
            self._begin()
        else:
            if stops:
                self.ending.stop.set()
            self.changed.emit(True)

    def stop(self):
        """Stop what runs, and what waits for that."""
        waits, self._next = self._next, None
        self.ending.stop.set()
        if waits is not None:
            waits[2](Cancelled("stopped"))

    def close(self):
        """Stop, and wait until nothing computes any more."""
        self.stop()
        self.ending.close()

    def _begin(self):
        function, done, failed, total = self._next
        self._next = None
        self.ending.stop = stop = threading.Event()
        self.ending.idle.clear()
        self._latest = latest = [None]
        watch = Watch(partial(_leave, latest), stop.is_set, total)
        self._current = done, failed, stop
        self._timer.start()
        self.start_time = time.monotonic()
        worker = create_worker(
            _outcome_of, function, watch, self.ending.idle, _ignore_errors=True
        )
        worker.returned.connect(self._ended)
        self.changed.emit(True)
        worker.start()

    def _fetch(self):
        said, self._latest[0] = self._latest[0], None
        if said is not None:
            self.progressed.emit(*said)

    def _ended(self, outcome):
        kind, value = outcome
        self._timer.stop()
        done, failed, stop = self._current
        self._current = None
        if self._next is not None:
            if kind == "done" and not stop.is_set():  # was waited for
                done(value)
            self._begin()
            return
        self.changed.emit(False)
        if kind == "failed":
            failed(value)
        elif stop.is_set():
            failed(Cancelled("stopped"))
        else:
            done(value)


def _leave(latest, share, text):
    """Leave what a thread says where the window fetches it."""
    latest[0] = share, text


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
    """Say how long the rest will take; "" where it is too early to tell."""
    if share < 0.02 or seconds < 1:
        return ""
    left = seconds * (1 - share) / share
    if left < 90:
        return f"{left:.0f} s left"
    if left < 5400:
        return f"{left / 60:.0f} min left"
    return f"{left / 3600:.1f} h left"
