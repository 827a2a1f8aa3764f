"""The pixels of a TIFF file, read as they are asked for."""

import math
from collections import OrderedDict

import numpy as np

from n2d.io._image import ImageFileError
from n2d.io._lazy import LazyArray, RawFile
from n2d.io.tiff._nodata import value_of
from n2d.io.tiff._promises import check_data, check_page

# Decoded strips and tiles that are kept, because windows overlap.
_MOST_CACHED_BYTES = 2**26


def lazy_series(path, tif, series, resources, messages):
    """Return one image series as something that reads windows, or None.

    None where the layout is none that is read in parts. `resources` close what is
    opened; `messages` get what a user should know.
    """
    key = series.keyframe
    size = tif.filehandle.size
    if series.dataoffset is not None:
        if series.dataoffset + series.nbytes > size:
            raise ImageFileError(
                f"{path}: is damaged, it ends before the last of its "
                f"{series.nbytes} bytes of pixels"
            )
        dtype = series.dtype.newbyteorder(tif.byteorder)
        raw = RawFile(path, series.shape, dtype, offset=series.dataoffset)
        resources.callback(raw.close)
        return raw
    lead = series.shape[: series.ndim - len(key.shape)]
    pages = list(series.pages)
    if (
        series.shape[len(lead) :] != key.shape
        or math.prod(lead) != len(pages)
        or key.shaped[1] != 1  # volumes of SGI's kind
        or any(page is not None and page.parent is not tif for page in pages)
    ):
        return None
    check_page(path, key, size)
    for number, page in enumerate(pages):
        if page is not None and not any(page.databytecounts):
            raise ImageFileError(
                f"{path}: page {number} of {len(pages)} has no pixels, as of an "
                "acquisition that was stopped; save the others anew"
            )
        if page is not None and any(
            offset + count > size
            for offset, count in zip(
                page.dataoffsets, page.databytecounts, strict=False
            )
        ):
            raise ImageFileError(
                f"{path}: is damaged, it ends before the pixels of page {number}"
            )
    # Parts of maps that are not stored have no data.
    empty = value_of(key, key.dtype) or 0
    n_empty = sum(page is not None and 0 in page.databytecounts for page in pages)
    if n_empty:
        text = f"in {n_empty} of its pages there are gaps, which count as {empty:g}"
        messages.append(text)
    return _Segments(path, tif, key, pages, series.shape, empty)


class _Segments(LazyArray):
    """Pages of strips or tiles, of which only those that are needed are decoded."""

    def __init__(self, path, tif, key, pages, shape, empty):
        super().__init__(shape, key.dtype, path)
        self._handle, self._key, self._pages = tif.filehandle, key, pages
        self._lead = shape[: len(shape) - len(key.shape)]
        self._empty = empty
        self._tables = key.jpegtables
        self._cache = OrderedDict()
        self._cached_bytes = 0

    def _read(self, ranges):
        n = len(self._lead)
        planes, _, height, width, samples = self._normal(ranges[n:])
        inner = [r.stop - r.start for r in (planes, height, width, samples)]
        lead = [r.stop - r.start for r in ranges[:n]]
        values = np.full([math.prod(lead), *inner], self._empty, self.dtype)
        for i, index in enumerate(np.ndindex(*lead)):
            place = [r.start + k for r, k in zip(ranges[:n], index, strict=True)]
            number = int(np.ravel_multi_index(place, self._lead)) if place else 0
            if self._pages[number] is not None:
                self._read_page(number, (planes, height, width, samples), values[i])
        return values.reshape([r.stop - r.start for r in ranges])

    def _normal(self, ranges):
        """Ranges of a page in tifffile's order: planes, depth, rows, columns, samples.

        Axes that the page has not are those of length 1 that tifffile leaves out.
        """
        shaped, ranges = self._key.shaped, list(ranges)
        if len(ranges) == 2:
            return slice(0, 1), slice(0, 1), *ranges, slice(0, 1)
        if shaped[0] > 1:  # samples in planes of their own
            return ranges[0], slice(0, 1), *ranges[1:], slice(0, 1)
        return slice(0, 1), slice(0, 1), *ranges

    def _read_page(self, number, wanted, out):
        for segment in self._needed(*wanted):
            decoded = self._decoded(number, segment)
            if decoded is None:
                continue
            values, (plane, _, top, left, _) = decoded
            plane_range, rows, columns, samples = wanted
            height, width = values.shape[:2]
            t, b = max(top, rows.start), min(top + height, rows.stop)
            a, z = max(left, columns.start), min(left + width, columns.stop)
            if t < b and a < z:
                out[
                    plane - plane_range.start,
                    t - rows.start : b - rows.start,
                    a - columns.start : z - columns.start,
                ] = values[t - top : b - top, a - left : z - left, samples]

    def _needed(self, planes, rows, columns, _):
        """Numbers of the strips or tiles that a window touches."""
        _, _, height, width, _ = self._key.shaped
        if self._key.is_tiled:
            tall, wide = self._key.tilelength, self._key.tilewidth
        else:
            tall, wide = min(self._key.rowsperstrip, height), width
        down, across = -(-height // tall), -(-width // wide)
        for plane in range(planes.start, planes.stop):
            for row in range(rows.start // tall, -(-rows.stop // tall)):
                for column in range(columns.start // wide, -(-columns.stop // wide)):
                    yield (plane * down + row) * across + column

    def _decoded(self, number, segment):
        """Return (pixels (rows, columns, samples), their place), or None if empty."""
        found = self._cache.get((number, segment))
        if found is not None:
            self._cache.move_to_end((number, segment))
            return found
        page = self._pages[number]
        count = page.databytecounts[segment]
        if count == 0:
            return None
        with self._handle.lock:
            self._handle.seek(page.dataoffsets[segment])
            data = self._handle.read(count)
        check_data(self.path, self._key, data)
        values, place, shape = self._key.decode(data, segment, jpegtables=self._tables)
        if values is None:
            return None
        # Tiles that reach beyond the border come whole: shape is what counts of them.
        _, height, width, _ = shape
        values = values[0, :height, :width].astype(self.dtype, copy=False)
        self._cache[number, segment] = values, place
        self._cached_bytes += values.nbytes
        while self._cached_bytes > _MOST_CACHED_BYTES and len(self._cache) > 1:
            _, (old, _) = self._cache.popitem(last=False)
            self._cached_bytes -= old.nbytes
        return values, place
