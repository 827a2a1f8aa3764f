"""Writing in bands of rows, so that chunks and shards are written once, and whole."""

import numpy as np

from n2d.io._lazy import expand, with_dropped


class BandWriter:
    """Part of an array that is written from top to bottom, bands of whole chunks.

    What is written is kept until the next band begins. Other orders are fine, too, but
    cost more: a band that was written before is read again.
    """

    def __init__(self, array, key, rows, height):
        ranges, _, dropped = expand(key, array.shape)
        self._array, self._ranges, self._dropped = array, ranges, dropped
        kept = [r for r, drop in zip(ranges, dropped, strict=True) if not drop]
        self.shape = tuple(r.stop - r.start for r in kept)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(array.dtype)
        self._rows, self._height = rows, height
        self._band, self._buffer, self._written = None, None, set()

    def _place(self, band):
        """Return the place of a band in the array."""
        place, inner = [], 0
        for r, drop in zip(self._ranges, self._dropped, strict=True):
            if drop:
                place.append(r.start)
                continue
            if inner == self._rows:
                top = r.start + band * self._height
                r = slice(top, min(top + self._height, r.stop))
            place.append(r)
            inner += 1
        return tuple(place)

    def _go_to(self, band):
        if band == self._band:
            return
        self.flush()
        place = self._place(band)
        if band in self._written:
            self._buffer = np.array(self._array[place])
        else:
            shape = [k.stop - k.start for k in place if isinstance(k, slice)]
            self._buffer = np.zeros(shape, self.dtype)
        self._band = band

    def flush(self):
        """Write the band that is in memory."""
        if self._band is not None:
            self._array[self._place(self._band)] = self._buffer
            self._written.add(self._band)
            self._band = self._buffer = None

    def __setitem__(self, key, values):
        ranges, _, dropped = expand(key, self.shape)
        values = with_dropped(values, ranges, dropped)
        rows = ranges[self._rows]
        top = rows.start
        while top < rows.stop:
            band = top // self._height
            bottom = min(rows.stop, (band + 1) * self._height)
            self._go_to(band)
            inside, part = list(ranges), [slice(None)] * self.ndim
            start = band * self._height
            inside[self._rows] = slice(top - start, bottom - start)
            part[self._rows] = slice(top - rows.start, bottom - rows.start)
            self._buffer[tuple(inside)] = values[tuple(part)]
            top = bottom

    def __getitem__(self, key):
        self.flush()
        whole = tuple(
            r.start if drop else r
            for r, drop in zip(self._ranges, self._dropped, strict=True)
        )
        return np.asarray(self._array[whole])[key]
