"""Ctrl-C and SIGTERM in a program of its own: one message, an exit code, no debris.

A signal becomes an exception, so that temporary files go. That takes a while in the
middle of a long call of a library, and an exception may get lost, in a callback of the
import system for example. So somebody watches: where the program has not ended by
itself soon, what is half-written is removed, and the process ended.
"""

import contextlib
import functools
import os
import shutil
import signal
import sys
import threading
import time
from importlib.machinery import ExtensionFileLoader

# Seconds that the program has to end by itself, and to finish what must not be cut.
_GRACE, _PATIENCE = 1.2, 5.0
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_WORDS = {"SIGINT": "interrupted"}

_unfinished = set()
_state = {
    "number": None,  # of the signal that is on its way
    "active": False,
    "deferred": 0,
    "pending": False,
    "lost": False,
    "code": None,  # to end with, whatever the signal
    "done": threading.Event(),
}


class Stopped(SystemExit):
    """A signal has asked the program to stop; the code is 128 and its number."""


def unfinished(path):
    """Note a file or folder, there yet or not, that goes if the process is ended."""
    _unfinished.add(os.fspath(path))


def finished(path):
    """Take back what `unfinished` has noted."""
    _unfinished.discard(os.fspath(path))


@contextlib.contextmanager
def deferred():
    """Have signals wait until a block is left, which must be short."""
    _state["deferred"] += 1
    try:
        yield
    finally:
        _state["deferred"] -= 1
        if _state["pending"] and not _state["deferred"]:
            _state["pending"] = False
            raise Stopped(128 + _state["number"])


@contextlib.contextmanager
def ending_well():
    """Have a signal in a block be the way to end: with exit code 0."""
    _state["code"] = 0
    try:
        yield
    except (Stopped, KeyboardInterrupt):
        pass
    except BaseException:
        _state["code"] = None
        raise


@contextlib.contextmanager
def watched():
    """Run the program of a process, which ends when it is left, by a signal or not.

    Handlers are those of the main thread; elsewhere, and within itself, nothing is
    changed.
    """
    if _state["active"] or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    # What is ignored, as by nohup, stays so.
    numbers = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]
    _state["active"] = True
    try:
        for number in numbers:
            signal.signal(number, _on_signal)
        sys.unraisablehook = functools.partial(_on_lost, hook=sys.unraisablehook)
        _watch()
        yield
    except (Stopped, KeyboardInterrupt) as error:
        code = error.code if isinstance(error, Stopped) else 128 + signal.SIGINT
        _end(code)
    finally:
        # Whatever comes now, the program has done what it was to do.
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        _state["done"].set()


def _on_signal(number, frame):
    if _state["number"] is not None:  # it is on its way
        return
    _state["number"] = number
    if _state["deferred"]:
        _state["pending"] = True
        return
    if _is_loading(frame):
        _end(128 + number)
    raise Stopped(128 + number)


def _is_loading(frame):
    """Whether a module in C++ is loaded, where an exception turns into another.

    Or the process aborts.
    """
    while frame is not None:
        if frame.f_code.co_name in ("create_module", "exec_module"):
            if isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
                return True
        frame = frame.f_back
    return False


def _on_lost(report, hook):
    """Say nothing of an exception of a signal that got lost in a callback."""
    if issubclass(report.exc_type, Stopped):
        _state["lost"] = True
    else:
        hook(report)


def _watch():
    """Start the thread that ends the process where it does not end by itself."""
    if os.name == "nt":  # where a pipe cannot be waited for
        return
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    thread = threading.Thread(target=_wait, args=(read_end,), name="n2d signals")
    thread.daemon = True
    thread.start()


def _wait(read_end):
    wanted = {int(getattr(signal, name)) for name in _NAMES}
    while True:
        (number,) = os.read(read_end, 1)
        if number in wanted:
            break
    end = time.monotonic() + _GRACE
    while time.monotonic() < end:
        if _state["done"].wait(0.05):
            return
        if _state["lost"]:  # once more, where it may have an effect
            _state["lost"], _state["number"] = False, None
            signal.pthread_kill(threading.main_thread().ident, number)
    end = time.monotonic() + _PATIENCE
    while _state["deferred"] and time.monotonic() < end:
        time.sleep(0.01)
    _state["number"] = number
    _end(128 + number)


def _end(code):
    """Remove what is half-written, say so, and end the process at once.

    Without waiting for threads, which may be in the middle of anything.
    """
    for path in list(_unfinished):
        with contextlib.suppress(OSError):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)
    name = signal.Signals(code - 128).name
    word = _WORDS.get(name, "terminated")
    if threading.current_thread() is threading.main_thread():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
    with contextlib.suppress(OSError):
        os.write(2, f"{word}: nothing is left half-written\n".encode())
    os._exit(code if _state["code"] is None else _state["code"])
