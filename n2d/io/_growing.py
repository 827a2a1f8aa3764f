"""Stacks that are being written: which of their planes are there, and unchanged."""

import hashlib
import itertools
import os
import zlib
from pathlib import Path

from n2d.io._formats import suffix_of
from n2d.io._limits import check_regular

# Bytes at the beginning, in the middle and at the end of a plane that tell it apart.
_BLOCK = 4096


def plane_marks(path, *, settled):
    """Return a mark for every plane that is whole, as long as those before it are.

    Parameters
    ----------
    path : path-like
        A TIFF of single planes, or an OME-Zarr folder.
    settled : bool
        Whether nothing is being written any more. If not, a plane counts when a later
        one has been begun.

    Returns
    -------
    list of str or None
        One for each place along the first axis; where two are equal the planes are.
        None of other files, and where it cannot be told.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, tifffile
    >>> from n2d.io import plane_marks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "stack.tif")
    ...     with tifffile.TiffWriter(path) as file:
    ...         for i in range(3):
    ...             file.write(np.full((16, 16), i, np.uint8))
    ...     len(plane_marks(path, settled=False)), len(plane_marks(path, settled=True))
    (2, 3)
    """
    suffix = suffix_of(path)
    try:
        check_regular(path)
        if suffix == ".zarr" and Path(path).is_dir():
            return _of_zarr(Path(path), settled)
        if suffix in (".tif", ".tiff", ".btf"):
            return _of_tiff(path, settled)
    # Of what is half written, libraries say what they like; it is looked at again.
    except Exception:
        return None
    return None


def _of_tiff(path, settled):
    import tifffile

    from n2d.io.tiff import logged, refuse_circles

    refuse_circles(path)
    marks = []
    with logged(), tifffile.TiffFile(path) as tif:
        pages = tif.pages
        # What is described as anything but a row of pages is not gone into.
        if len(pages) < 2 or not _is_row_of_pages(tif):
            return None
        last, handle = pages[len(pages) - 1].offset, tif.filehandle
        for i in range(len(pages)):
            parts = list(
                zip(pages[i].dataoffsets, pages[i].databytecounts, strict=True)
            )
            end = max(offset + count for offset, count in parts)
            if end > (handle.size if settled else last):
                break
            mark = zlib.crc32(repr([count for _, count in parts]).encode())
            for offset, count in (parts[0], parts[len(parts) // 2], parts[-1]):
                for start in {0, count // 2, max(0, count - _BLOCK)}:
                    handle.seek(offset + start)
                    mark = zlib.crc32(handle.read(min(_BLOCK, count - start)), mark)
            marks.append(f"{mark:08x}")
    return marks


def _is_row_of_pages(tif):
    """Whether the image is one page after another along its first axis."""
    series, n_pages = tif.series, len(tif.pages)
    if len(series) == n_pages:
        return len({(one.shape, one.dtype) for one in series}) == 1
    shape = series[0].shape
    return len(series) == 1 and shape[0] == n_pages and shape[1:] == tif.pages[0].shape


def _of_zarr(path, settled):
    from n2d.io.ome_zarr import OMEZarr

    with OMEZarr.read(path) as image:
        array = image.data._array
        where = Path(str(array.store_path.store.root), array.store_path.path)
        found = {}
        for folder, _, names in os.walk(where):
            for name in names:
                file = Path(folder, name)
                state = file.stat()
                key = file.relative_to(where).as_posix()
                found[key] = state.st_size, state.st_mtime_ns
        sides = array.shards or array.chunks
        grid = [-(-n // side) for n, side in zip(array.shape, sides, strict=True)]
        rows = [
            [
                (key, found[key])
                for rest in itertools.product(*map(range, grid[1:]))
                if (key := array.metadata.encode_chunk_key((row, *rest))) in found
            ]
            for row in range(grid[0])
        ]
        if not settled:
            begun = [row for row, chunks in enumerate(rows) if chunks]
            rows = rows[: begun[-1]] if begun else []
        marks = []
        for row in rows:
            digest = hashlib.sha256(repr(row).encode()).hexdigest()[:16]
            marks += [digest] * sides[0]
        return marks[: array.shape[0]]
