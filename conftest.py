"""What pytest collects, and in how many processes it runs all there is."""

import os
from importlib.util import find_spec

import pytest

# Its modules would be imported for their docstrings.
collect_ignore_glob = [] if find_spec("napari") else ["n2d/napari/window/*"]

_MOST_PROCESSES = 8  # each takes a gigabyte or two

_IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if _IS_WORKER:
    # Before PyTorch is imported: threads of many processes would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Run the whole suite in a process for each core, by pytest-xdist if it is there.

    What is named on the command line runs in this one; so does everything with -n 0.
    """
    option = config.option
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    asked = getattr(option, "numprocesses", 0) is not None
    if _IS_WORKER or asked or not whole or option.usepdb or option.collectonly:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    if cores > 1:
        option.numprocesses = min(cores, _MOST_PROCESSES)
        option.dist = "loadfile"
