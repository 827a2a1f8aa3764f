"""Ctrl-C and SIGTERM at any time: one message, an exit code, nothing half-written."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from n2d.io import write_image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
HERE = os.environ | {"OMP_NUM_THREADS": "1"}
COMMAND = [sys.executable, "-m", "n2d", "denoise", "in.tif", "-o"]
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


@pytest.fixture
def folder(tmp_path):
    pixels = np.random.default_rng(0).normal(100, 8, (16, 256, 256))
    write_image(tmp_path / "in.tif", pixels.astype(np.uint16), axes="TYX")
    return tmp_path


def start(folder, *arguments):
    return subprocess.Popen(
        arguments,
        cwd=folder,
        env=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_clean(folder, process, number):
    """Whether a process that got a signal has ended as it should."""
    sent = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    seconds = time.monotonic() - sent
    if process.returncode == 0:  # it was done before
        return seconds
    early = errors.startswith(("Traceback", "Fatal Python error", "Error processing"))
    if early and f"{os.sep}n2d{os.sep}" not in errors:  # Python's own start
        return seconds
    # Before Python has come up, the system itself ends it.
    assert process.returncode in (128 + number, -number), errors
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    if process.returncode > 0:
        assert errors.count(f"{WORDS[number]}: nothing is left half-written") == 1
    left = {p.name for p in folder.iterdir()} - {"in.tif", "out.zarr.n2d-part"}
    assert not left - {"out.tif", "out.zarr"}, left
    return seconds


@pytest.mark.slow
@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
@pytest.mark.parametrize("number", WORDS)
def test_at_any_time(folder, target, number):
    n = int(os.environ.get("N2D_SIGNALS", "2"))  # of each; 50 for all 200
    rng = random.Random(repr((target, number)))
    for _ in range(n):
        process = start(folder, *COMMAND, target, "--overwrite")
        time.sleep(0.03 + rng.random() ** 2 * 5)
        is_clean(folder, process, number)


def run_stuck(folder, body, number):
    """Send a signal to a program that says when it is stuck."""
    code = (
        "import sys\\n"
        "from n2d._signals import watched, unfinished\\n"
        "def say(): print('stuck', flush=True)\\n"
        f"{body}\\n"
        "with watched():\\n    main()\\n"
    ).replace("\\n", "\n")
    process = start(folder, sys.executable, "-c", code)
    assert process.stdout.readline() == "stuck\n"
    seconds = is_clean(folder, process, number)
    assert process.returncode == 128 + number
    return seconds


@pytest.mark.parametrize("number", WORDS)
def test_in_a_long_call_of_a_library(folder, number):
    # It returns to the interpreter after half a minute, and leaves a file.
    body = (
        "def main():\n"
        "    import ctypes\n"
        "    unfinished('half.tif'); open('half.tif', 'w').close()\n"
        "    say()\n"
        "    while True: ctypes.CDLL(None).sleep(30)\n"
    )
    assert run_stuck(folder, body, number) < 10
    assert not (folder / "half.tif").exists()


def test_where_an_exception_gets_lost(folder):
    # As in callbacks of weak references, which the import system has.
    body = (
        "def main():\n"
        "    import time, weakref\n"
        "    class Thing: pass\n"
        "    def lost(_):\n"
        "        say(); time.sleep(30)\n"
        "    for _ in range(100):\n"
        "        thing = Thing(); other = weakref.ref(thing, lost); del thing\n"
    )
    assert run_stuck(folder, body, signal.SIGTERM) < 10


def test_where_another_thread_does_not_end(folder):
    body = (
        "def main():\n"
        "    import threading, time\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "    say(); time.sleep(60)\n"
    )
    assert run_stuck(folder, body, signal.SIGINT) < 10


def test_what_must_not_be_cut_is_finished(folder):
    body = (
        "def main():\n"
        "    import time\n"
        "    from n2d._signals import deferred\n"
        "    with deferred():\n"
        "        say(); time.sleep(1.6); open('out.tif', 'w').write('whole')\n"
        "    time.sleep(60)\n"
    )
    run_stuck(folder, body, signal.SIGINT)
    assert (folder / "out.tif").read_text() == "whole"


def test_while_a_module_in_c_is_loaded(folder):
    # One that makes another error of an exception, as some do.
    body = (
        "def main():\n"
        "    from importlib.machinery import ExtensionFileLoader, ModuleSpec\n"
        "    import time\n"
        "    class Loader(ExtensionFileLoader):\n"
        "        def create_module(self, spec):\n"
        "            try: say(); time.sleep(30)\n"
        "            except BaseException: raise ImportError('no') from None\n"
        "    unfinished('half.tif'); open('half.tif', 'w').close()\n"
        "    Loader('a', 'a.so').create_module(None)\n"
    )
    assert run_stuck(folder, body, signal.SIGTERM) < 10
    assert not (folder / "half.tif").exists()


def test_while_it_starts(folder):
    # In the middle of the first imports.
    code = (
        "import runpy, sys, os, signal\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['n2d', '--help']\n"
        "runpy.run_module('n2d', run_name='__main__')\n"
    )
    process = start(folder, sys.executable, "-c", code)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted: nothing is left half-written\n"
