"""Arrays that are read, and written, a window at a time."""

import math
import threading
from pathlib import Path

import numpy as np

from n2d.io._image import ImageFileError

_AT_ONCE = 2**30  # bytes; some systems read and write no more in one go


class LazyArray:
    """Something with a shape and a native data type that reads what is asked for.

    A subclass implements ``_read(ranges)``, which returns the window that a list of
    slices, one for each axis, all with a start, a stop and no step, stands for.
    """

    def __init__(self, shape, dtype, path):
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.path = path

    @property
    def ndim(self):
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self):
        """Bytes of the whole array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        ranges, steps, dropped = expand(key, self.shape)
        try:
            values = self._read(ranges)
        except ImageFileError:
            raise
        except MemoryError as error:
            raise out_of_memory(self.path, error) from error
        # Whatever a library raises on damaged data, users see one type of error.
        except Exception as error:
            raise damaged(self.path, error) from error
        return values[
            tuple(0 if drop else s for drop, s in zip(dropped, steps, strict=True))
        ]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError(f"{self.path} cannot be an array without being read")
        values = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)


class View(LazyArray):
    """Part of an array, by basic indexing, read and written through to it.

    Parameters
    ----------
    array : array-like
        What is looked at: a NumPy array, or anything with ``shape``, ``dtype`` and
        basic indexing.
    key : tuple of int and slice
        One for each axis; slices without a step.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.io._lazy import View
    >>> array = np.arange(24).reshape(2, 3, 4)
    >>> view = View(array, (1, slice(1, 3), slice(None)))
    >>> view.shape, view[0, 1:3].tolist()
    ((2, 4), [17, 18])
    >>> view[0, 0] = 0
    >>> int(array[1, 1, 0])
    0
    """

    def __init__(self, array, key):
        ranges, _, dropped = expand(key, array.shape)
        self._array, self._ranges, self._dropped = array, ranges, dropped
        kept = [r for r, drop in zip(ranges, dropped, strict=True) if not drop]
        path = getattr(array, "path", "the array")
        super().__init__([r.stop - r.start for r in kept], array.dtype, path)

    def _outer(self, ranges):
        inner = iter(ranges)
        for base, drop in zip(self._ranges, self._dropped, strict=True):
            if drop:
                yield base.start
            else:
                r = next(inner)
                yield slice(base.start + r.start, base.start + r.stop)

    def _read(self, ranges):
        return np.asarray(self._array[tuple(self._outer(ranges))])

    def __setitem__(self, key, values):
        ranges, _, dropped = expand(key, self.shape)
        values = with_dropped(values, ranges, dropped)
        self._array[tuple(self._outer(ranges))] = values


class Scaled(LazyArray):
    """What stored numbers stand for: each times a slope, plus an intercept.

    >>> import numpy as np
    >>> values = Scaled(np.arange(6, dtype=np.int16).reshape(2, 3), 0.5, 10.0)
    >>> str(values.dtype), values[1].tolist()
    ('float32', [11.5, 12.0, 12.5])
    """

    def __init__(self, array, slope, intercept):
        # Single precision holds integers of 16 bits, and no longer ones.
        dtype = np.result_type(array.dtype, np.float32)
        super().__init__(array.shape, dtype, getattr(array, "path", "the array"))
        self._array, self._scale = array, (slope, intercept)

    def _read(self, ranges):
        slope, intercept = self._scale
        stored = np.asarray(self._array[tuple(ranges)])
        return (stored * np.float64(slope) + intercept).astype(self.dtype)


class Coloured(LazyArray):
    """The colours (red, green, blue) of a table that numbers stand for, on a last axis.

    >>> import numpy as np
    >>> table = np.array([[0, 0, 0], [255, 128, 0]], np.uint8)
    >>> colours = Coloured(np.array([[0, 1]], np.uint8), table)
    >>> colours.shape, colours[0, 1].tolist()
    ((1, 2, 3), [255, 128, 0])
    """

    def __init__(self, array, table):
        path = getattr(array, "path", "the array")
        super().__init__((*array.shape, 3), table.dtype, path)
        self._array, self._table = array, table

    def _read(self, ranges):
        numbers = np.asarray(self._array[tuple(ranges[:-1])])
        return self._table[:, ranges[-1]][np.minimum(numbers, len(self._table) - 1)]


class RawFile(LazyArray):
    """Numbers that lie in a file one after the other, in C order.

    Read and written by position, not mapped into memory, so that neither large inputs
    nor large outputs show up in the memory of the process.
    """

    def __init__(self, path, shape, dtype, *, offset=0, writable=False):
        super().__init__(shape, dtype, path)
        self._stored = np.dtype(dtype)
        self._offset = offset
        self._file = open(path, "r+b" if writable else "rb", buffering=0)
        self._lock = threading.Lock()

    def close(self):
        """Close the file."""
        self._file.close()

    def _runs(self, ranges):
        """Yield (position in the file in bytes, index of the leading axes)."""
        n_lead = self.ndim
        while n_lead and ranges[n_lead - 1] == slice(0, self.shape[n_lead - 1]):
            n_lead -= 1  # whole axes at the end are read in one go
        n_lead = max(n_lead - 1, 0)
        strides = [math.prod(self.shape[i + 1 :]) for i in range(self.ndim)]
        start = sum(r.start * s for r, s in zip(ranges, strides, strict=True))
        for index in np.ndindex(*(r.stop - r.start for r in ranges[:n_lead])):
            elements = start + sum(i * s for i, s in zip(index, strides, strict=False))
            yield self._offset + elements * self._stored.itemsize, index

    def _read(self, ranges):
        values = np.empty([r.stop - r.start for r in ranges], self._stored)
        if not values.size:
            return values.astype(self.dtype)
        with self._lock:
            for position, index in self._runs(ranges):
                self._file.seek(position)
                target = memoryview(values[index]).cast("B")
                while target:
                    n_read = self._file.readinto(target[:_AT_ONCE])
                    if not n_read:
                        raise ImageFileError(
                            f"{self.path}: is damaged, it ends too early"
                        )
                    target = target[n_read:]
        return values.astype(self.dtype, copy=False)

    def __setitem__(self, key, values):
        ranges, _, dropped = expand(key, self.shape)
        window = np.empty([r.stop - r.start for r in ranges], self._stored)
        window[...] = with_dropped(values, ranges, dropped)
        if not window.size:
            return
        with self._lock:
            for position, index in self._runs(ranges):
                self._file.seek(position)
                source = memoryview(window[index]).cast("B")
                while source:
                    source = source[self._file.write(source[:_AT_ONCE]) :]


def stored_numbers(values, slope, intercept, limits, dtype):
    """Return the numbers that stand for values, and how many are beyond the limits.

    They are rounded, and clipped to the limits.
    """
    numbers = values
    if np.ndim(slope) or (slope, intercept) != (1.0, 0.0):
        numbers = (values.astype(np.float64) - intercept) / slope
    numbers = np.rint(numbers)
    low, high = limits
    n_beyond = int(np.count_nonzero((numbers < low) | (numbers > high)))
    return np.clip(numbers, low, high).astype(dtype), n_beyond


def expand(key, shape):
    """Bring a basic index into three lists, with one entry for every axis.

    Ranges are slices with a start and a stop within the axis and no step, steps what is
    left to be taken of each, and dropped says whether the axis goes, because it was
    indexed by a number.
    """
    key = list(key) if isinstance(key, tuple) else [key]
    where = [i for i, part in enumerate(key) if part is Ellipsis]
    n_missing = len(shape) - len(key) + len(where)
    if len(where) > 1 or n_missing < 0:
        raise IndexError(f"too many indices for an array of {len(shape)} axes")
    i = where[0] if where else len(key)
    key[i : i + 1] = [slice(None)] * n_missing
    ranges, steps, dropped = [], [], []
    for axis, (part, n) in enumerate(zip(key, shape, strict=True)):
        if isinstance(part, slice):
            start, stop, step = part.indices(n)
            if step < 0:
                raise IndexError("steps backwards are not supported")
            stop = max(start, stop)
        else:
            start, step = int(part.__index__()), 1
            if not -n <= start < n:
                raise IndexError(f"index {start} is out of range for axis {axis}")
            start %= n
            stop = start + 1
        ranges.append(slice(start, stop))
        steps.append(slice(None, None, step))
        dropped.append(not isinstance(part, slice))
    return ranges, steps, dropped


def with_dropped(values, ranges, dropped):
    """Give values that are to be written the axes that indexing has dropped."""
    values = np.asarray(values)
    kept = [
        r.stop - r.start for r, drop in zip(ranges, dropped, strict=True) if not drop
    ]
    values = np.broadcast_to(values, kept)
    return values.reshape([r.stop - r.start for r in ranges])


def out_of_memory(path, error):
    """Return the error that users see where there was no room for what was read."""
    text = " ".join(str(error).split())[:300]
    return MemoryError(
        f"{path}: there is not enough memory to read it{f' ({text})' if text else ''}; "
        "close other programs, or save it in smaller tiles or chunks"
    )


def damaged(path, error):
    """Return the error that users see for what a library raised on reading a file."""
    if Path(path).is_file() and not Path(path).stat().st_size:
        return ImageFileError(f"{path}: is empty, a file of 0 bytes; copy it again")
    return ImageFileError(
        f"{path}: cannot be read, damaged or not what its name says "
        f"({type(error).__name__}: {' '.join(str(error).split())[:300]})"
    )
