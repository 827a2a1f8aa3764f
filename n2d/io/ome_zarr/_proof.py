"""Whether what was written is there: opened again, and compared in places."""

import hashlib
import heapq
import zlib

import numpy as np

from n2d.io._image import ImageFileError

# Windows of an array, of a chunk at most, that are compared.
_WINDOWS = 32


class Witnessed:
    """A Zarr array that remembers check sums of some of what is written to it.

    Which windows is settled by their place alone, so that one that is written twice
    counts as it was written last.
    """

    def __init__(self, array):
        self._array = array
        self.shape, self.ndim = tuple(array.shape), array.ndim
        self.dtype = np.dtype(array.dtype)
        self._chunks = tuple(array.chunks)
        self._sums, self._ranks = {}, []

    def __getitem__(self, key):
        return self._array[key]

    def __setitem__(self, key, values):
        self._array[key] = values
        full = zip(key, self.shape, strict=True)
        ranges = [
            k.indices(n)[:2] if isinstance(k, slice) else (k, k + 1) for k, n in full
        ]
        place = tuple(
            (int(start), int(min(stop, start + c)))
            for (start, stop), c in zip(ranges, self._chunks, strict=True)
        )
        if place not in self._sums:
            digest = hashlib.sha256(repr(place).encode()).digest()
            rank = -int.from_bytes(digest)  # the first of a heap is to be dropped next
            if len(self._ranks) == _WINDOWS and rank <= self._ranks[0][0]:
                return
            heapq.heappush(self._ranks, (rank, place))
            if len(self._ranks) > _WINDOWS:
                _, dropped = heapq.heappop(self._ranks)
                del self._sums[dropped]
        values = np.asarray(values).reshape([b - a for a, b in ranges])
        window = tuple(slice(0, b - a) for a, b in place)
        self._sums[place] = _check_sum(values[window])

    def differing(self, array):
        """Return the first place where an array is not what was written, or None."""
        for place, expected in sorted(self._sums.items()):
            values = array[tuple(slice(a, b) for a, b in place)]
            if _check_sum(np.asarray(values, self.dtype)) != expected:
                return place
        return None


def _check_sum(values):
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def prove(zarr, path, target, levels):
    """Open a result anew, and raise where anything is not as it was written."""
    try:
        group = zarr.open_group(store=str(path), mode="r")
        found = [group[str(i)] for i in range(len(levels))]
        if not group.attrs.get("ome"):
            raise KeyError("its metadata")
        for i, (array, level) in enumerate(zip(found, levels, strict=True)):
            if (tuple(array.shape), array.dtype) != (level.shape, level.dtype):
                raise ValueError(f"array {i} is of {array.shape}, {array.dtype}")
            place = level.differing(array)
            if place is not None:
                raise ValueError(f"array {i} differs at {place}")
    # Whatever is missing, zarr has a kind of error of its own for it.
    except Exception as error:
        raise ImageFileError(
            f"{target}: was not written, because what was put together for it is not "
            f"whole ({type(error).__name__}: {' '.join(str(error).split())[:200]}); "
            "did something else change the folder? Denoise it again"
        ) from error
