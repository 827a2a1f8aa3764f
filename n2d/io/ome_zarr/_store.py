"""The folder of a Zarr as zarr sees it: plain files in it, no larger than chunks are.

zarr reads whatever a chunk's name leads to, and decompresses it whatever it becomes.
"""

import asyncio
import functools
import math
import os
import stat
import zipfile
from pathlib import Path

import numpy as np

from n2d.io._image import ImageFileError
from n2d.io._limits import LARGEST_TEXT
from n2d.io._streams import is_larger

_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
# Beyond twice what a chunk should be, it may become so much: no harm, and it is not
# looked at twice.
_SLACK = 2**24
_EMPTY = 2**64 - 1
# Codecs, of zarr 2 and 3, that `is_larger` looks into.
_KNOWN = {"zlib", "gzip", "bz2", "lzma", "zstd", "blosc", "lz4"}


class _Guarding:
    """Mixed into a store of zarr: has what is read looked at, before and after."""

    guard = None

    async def get(self, key, prototype=None, byte_range=None):
        whole = byte_range is None
        self._refuse(key, whole=whole)
        found = await super().get(key, prototype, byte_range)
        if found is not None and self.guard is not None:
            await asyncio.to_thread(self.guard.look, key, found.to_bytes, whole=whole)
        return found

    async def get_partial_values(self, prototype, key_ranges):
        return [
            await self.get(key, prototype, byte_range) for key, byte_range in key_ranges
        ]

    def _largest(self, key):
        """Bytes that a file may have: metadata, and all before there is a guard."""
        if self.guard is None or key.rpartition("/")[2] in _METADATA:
            return LARGEST_TEXT
        return self.guard.largest_file


@functools.cache
def guarded_store():
    """Make the class, of zarr's own; zarr is imported late.

    It is made of the folder's path, for reading, and its `guard` looks at what is read.
    """
    from zarr.storage import LocalStore

    class GuardedStore(_Guarding, LocalStore):
        def __init__(self, root, *, read_only=True):
            super().__init__(root, read_only=read_only)

        def get_sync(self, key, *, prototype=None, byte_range=None):
            whole = byte_range is None
            self._refuse(key, whole=whole)
            found = super().get_sync(key, prototype=prototype, byte_range=byte_range)
            if found is not None and self.guard is not None:
                self.guard.look(key, found.to_bytes, whole=whole)
            return found

        def _refuse(self, key, *, whole):
            _refuse_odd_file(self.root, key, self._largest(key) if whole else None)

    return GuardedStore


@functools.cache
def guarded_zip():
    """Make the class for a Zarr packed as ZIP, like that of `guarded_store`.

    Its `sizes` are those of all members by name.
    """
    from zarr.storage import ZipStore

    class GuardedZip(_Guarding, ZipStore):
        def __init__(self, path, *, mode="r", **options):
            super().__init__(path, mode=mode, **options)
            with zipfile.ZipFile(path) as content:
                self.sizes = {one.filename: one.file_size for one in content.infolist()}

        def _refuse(self, key, *, whole):
            del whole  # a part is not read without what is before it
            size, largest = self.sizes.get(key, 0), self._largest(key)
            if size > largest:
                raise ImageFileError(
                    f"{self.path}: is damaged, its {key} becomes {size:,} bytes, and "
                    f"may have {largest:,}"
                )

    return GuardedZip


def _refuse_odd_file(root, key, largest):
    """Raise where a name leads out of the folder, to a device, or to too much."""
    path = Path(root, key)
    try:
        found = os.stat(path)
    except OSError:  # a chunk that is not there holds zeros
        if not os.path.islink(path):
            return
        raise ImageFileError(f"{path}: is a link to nothing") from None
    if stat.S_ISDIR(found.st_mode):
        return
    if not stat.S_ISREG(found.st_mode):
        raise ImageFileError(f"{path}: is no file, but a pipe or a device")
    inside = os.path.realpath(root) + os.sep
    if not os.path.realpath(path).startswith(inside):
        raise ImageFileError(
            f"{path}: is a link that leads out of the Zarr; copy what it leads to"
        )
    if largest is not None and found.st_size > largest:
        raise ImageFileError(
            f"{path}: is damaged, it has {found.st_size:,} bytes, and may have "
            f"{largest:,}"
        )


class Guard:
    """Looks at the chunks of an array before they are decoded.

    Refuses arrays that are compressed in a way that cannot be looked into.
    """

    def __init__(self, array, path):
        self._path = path
        itemsize = np.dtype(array.dtype).itemsize
        self._limit = 2 * math.prod(array.chunks) * itemsize + _SLACK
        outer = array.shards or array.chunks
        self.largest_file = 2 * math.prod(outer) * itemsize + _SLACK
        self._n_inner, self._index = 0, None
        metadata = array.metadata
        if metadata.zarr_format == 2:
            codecs = [metadata.compressor, *(metadata.filters or ())]
            kinds = [codec.codec_id for codec in codecs if codec is not None]
        else:
            kinds = self._kinds(
                [codec.to_dict() for codec in metadata.codecs], array, path
            )
        known = [kind for kind in kinds if kind in _KNOWN]
        if len(known) > 1:
            raise ImageFileError(
                f"{path}: its chunks are compressed several times "
                f"({', '.join(known)}), which is not read; save it compressed once"
            )
        self._kind = known[0] if known else None

    def _kinds(self, codecs, array, path):
        """Return the names of the codecs that make bytes of bytes, of inner chunks."""
        names = [codec["name"] for codec in codecs]
        if "sharding_indexed" not in names:
            return [name.removeprefix("numcodecs.") for name in names]
        inner = codecs[names.index("sharding_indexed")]["configuration"]
        index = [codec["name"] for codec in inner["index_codecs"]]
        if len(names) > 1 or index not in (["bytes"], ["bytes", "crc32c"]):
            raise ImageFileError(
                f"{path}: its shards are compressed as a whole, or in "
                "another order than usual, which is not read"
            )
        endian = inner["index_codecs"][0].get("configuration", {}).get("endian")
        self._index = (
            str(inner.get("index_location", "end")),
            ">u8" if str(endian).endswith("big") else "<u8",
            4 * (len(index) - 1),
        )
        ratios = zip(array.shards, array.chunks, strict=True)
        self._n_inner = math.prod(-(-a // b) for a, b in ratios)
        kinds = [codec["name"].removeprefix("numcodecs.") for codec in inner["codecs"]]
        if "sharding_indexed" in kinds:
            raise ImageFileError(f"{path}: has shards in its shards, which is not read")
        return kinds

    def look(self, key, content, *, whole):
        """Raise where what was read would become more than a chunk is."""
        if self._kind is None or key.rpartition("/")[2] in _METADATA:
            return
        data = content()
        parts = [data] if self._index is None or not whole else self._inner(data)
        if any(is_larger(self._kind, part, self._limit) for part in parts):
            raise ImageFileError(
                f"{self._path}: is damaged, the {len(data):,} bytes of its chunk {key} "
                f"would become more than {self._limit:,}"
            )

    def _inner(self, data):
        """Yield the chunks of a shard, by its index."""
        location, dtype, n_sum = self._index
        n = 16 * self._n_inner
        if len(data) < n + n_sum:
            return
        start = len(data) - n - n_sum if location.endswith("end") else 0
        index = np.frombuffer(data, dtype, count=2 * self._n_inner, offset=start)
        view = memoryview(data)
        for offset, length in index.reshape(-1, 2).tolist():
            if offset != _EMPTY:
                yield view[offset : offset + length]
