"""Room for a result that is written piece by piece: in memory, or on the disk."""

import contextlib
import errno
import math
import os
import shutil
from pathlib import Path

import numpy as np

from n2d._memory import in_words
from n2d._signals import finished, unfinished
from n2d.io._atomic import name_beside
from n2d.io._lazy import RawFile

# Results beyond this are put together on the disk.
IN_MEMORY = 2**27


@contextlib.contextmanager
def scratch_array(beside, shape, dtype):
    """Give an array of zeros of which memory holds no more than a part, for a while.

    It lies in the folder of `beside` if it is large.
    """
    shape = tuple(map(int, shape))
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if n_bytes <= IN_MEMORY:
        yield np.zeros(shape, dtype)
        return
    path = name_beside(Path(beside))
    unfinished(path)
    try:
        with open(path, "xb") as file:
            _reserve(file, n_bytes, beside)
        array = RawFile(path, shape, dtype, writable=True)
        try:
            yield array
        finally:
            array.close()
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        finished(path)


def check_disk(path, n_bytes):
    """Raise if the disk cannot hold so many more bytes."""
    free = shutil.disk_usage(Path(os.path.realpath(path)).parent).free
    if n_bytes > free:
        raise OSError(
            errno.ENOSPC,
            f"needs {in_words(n_bytes)} on the disk, where "
            f"{in_words(free)} are free; nothing was written",
            str(path),
        )


def _reserve(file, n_bytes, beside):
    """Take the room now, so that it does not run out halfway."""
    check_disk(beside, n_bytes)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    else:
        file.truncate(n_bytes)
