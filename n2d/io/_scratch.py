"""Room for a result that is written piece by piece: in memory, or on the disk."""

import contextlib
import errno
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
    """Give an array to write to, of which memory holds no more than a part.

    Parameters
    ----------
    beside : path-like
        A file in whose folder there is room; the array lies there if it is large.
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its data type.

    Yields
    ------
    ndarray or RawFile
        Zeros, readable and writable by windows; gone afterwards.

    Raises
    ------
    OSError
        If the disk has not so much room.
    """
    shape = tuple(map(int, shape))
    n_bytes = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
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
    """Raise if the disk cannot hold so many more bytes.

    Parameters
    ----------
    path : path-like
        A file in the folder that is to hold them.
    n_bytes : int
        How many.

    Raises
    ------
    OSError
        If fewer are free.
    """
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
