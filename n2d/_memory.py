"""How much memory there is, and what to do with it: nothing here knows of images."""

import contextlib
import ctypes
import os
import sys
import threading
from pathlib import Path, PurePosixPath

import psutil

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None

# Control groups, where containers and batch systems put their limits, of version 2 (the
# line of /proc/self/cgroup that names no controller) and 1: where they are mounted, the
# limit, and which line of the statistics counts what cannot be given back.
_OWN_GROUPS = "/proc/self/cgroup"
_GROUPS = (
    ("", "/sys/fs/cgroup", "memory.max", "anon"),
    ("memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "total_rss"),
)

# Parameters of glibc's mallopt: where free memory at the end of the heap goes back to
# the system, and from where on what is asked for is the system's alone (at most, and by
# default as long as nothing else is set).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST_KEPT, _LARGEST_KEPT, _USUALLY_KEPT = 2**30, 2**25, 2**17
_keeping, _n_keeping = threading.Lock(), 0

_MESSAGES = (
    "out of memory",
    "allocate memory",
    "not enough memory",
    "bad_alloc",
    # oneDNN's words for it
    "could not create a memory",
    "could not create a primitive",
    # there is no room for its stack
    "can't start new thread",
)


def available_memory():
    """Estimate how many bytes this process can still get without swapping.

    The least of what the machine has free, and of what the limits of a container, a
    batch system or ``ulimit -v`` leave.
    """
    free = [psutil.virtual_memory().available]
    free += _left_by_groups()
    if resource is not None:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            free.append(limit - psutil.Process().memory_info().vms)
    return max(0, min(free))


def _left_by_groups():
    """Yield what the control group of this process, and those above it, have left."""
    try:
        lines = Path(_OWN_GROUPS).read_text(encoding="utf-8").splitlines()
        own = [line.split(":", 2)[1:] for line in lines]
    except (OSError, ValueError):  # no Linux
        return
    for controllers, place in (pair for pair in own if len(pair) == 2):
        for controller, mount, limit, used in _GROUPS:
            if controller not in controllers.split(","):
                continue
            # In a container the path may be that of the host; the root is there then.
            parts = PurePosixPath(place).parts[1:]
            for depth in range(len(parts), -1, -1):
                group = Path(mount, *parts[:depth])
                try:
                    statistics = (group / "memory.stat").read_text().splitlines()
                    counts = dict(line.split() for line in statistics)
                    yield int((group / limit).read_text()) - int(counts[used])
                except (OSError, ValueError, KeyError):  # none, or "max"
                    continue


def check_room(n_bytes, what, instead):
    """Raise a MemoryError, before anything is computed, where memory will not do."""
    available = available_memory()
    if n_bytes > available:
        raise MemoryError(
            f"{what} would take {in_words(n_bytes)} of memory, but only "
            f"{in_words(available)} are available; {instead}"
        )


def is_out_of_memory(error):
    """Whether an exception says that memory is short, in whose words ever.

    >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate ..."))
    True
    >>> is_out_of_memory(RuntimeError("shapes do not fit"))
    False
    """
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    # Where there is no room for all of PyTorch's words, they end in the middle.
    cut_short = text.startswith("[enforce fail") and "]" not in text
    known = cut_short or any(m in text for m in _MESSAGES)
    return isinstance(error, RuntimeError) and known


def give_back_memory():
    """Return memory that is free within this process to the system, where possible.

    The C library of Linux keeps what was freed for later, in pieces that may be too
    small for what is wanted next.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
        if trim is not None:
            trim(0)


@contextlib.contextmanager
def freed_memory_kept():
    """Keep what is freed for what comes next, where the C library is told not to.

    The environment of Dask's workers tells it to give all back at once. Feature maps
    would be zeroed by the system again and again then, which takes as long as half of
    the convolutions (`benchmarks/large.py throughput`). At the end all is given back.
    """
    global _n_keeping
    told = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")
    set_option = None
    if sys.platform == "linux" and told.isdigit():
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
    if set_option is None or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        yield
        return
    with _keeping:
        _n_keeping += 1
        set_option(_TRIM_THRESHOLD, _MOST_KEPT)
        set_option(_MMAP_THRESHOLD, _LARGEST_KEPT)
    try:
        yield
    finally:
        with _keeping:
            _n_keeping -= 1
            if not _n_keeping:
                set_option(_TRIM_THRESHOLD, min(int(told), _MOST_KEPT))
                set_option(_MMAP_THRESHOLD, _USUALLY_KEPT)
                give_back_memory()


def in_words(n_bytes):
    """Write a number of bytes as people do.

    >>> in_words(1_600_000_000), in_words(20_000)
    ('1.6 GB', '20 kB')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= 0.9995 * size:  # as it is rounded
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:g} bytes"
