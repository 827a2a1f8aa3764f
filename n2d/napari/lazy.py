"""Results of layers that are larger than memory: computed when they are looked at."""

import collections
import threading

import numpy as np

from n2d.io._lazy import expand
from n2d.napari.layers import ERROR, NOISE, removed_noise, single_error
from n2d.napari.work import Watch

# Planes with more pixels take too long for someone who scrolls through them.
LARGEST_PLANE = 2048**2
# Bytes of results that are kept, because several layers show the same planes.
_KEPT = 2**28


def is_for_lazy(source, plan):
    """Whether a layer is denoised as one looks at it, rather than all at once.

    So is a series of planes that are read when they are asked for.
    """
    rows, columns = (source.data.shape[source.axes.index(a)] for a in "YX")
    return source.is_lazy and plan.n_planes > 1 and rows * columns <= LARGEST_PLANE


class Planes:
    """Denoised planes of a layer, the latest of which are kept."""

    def __init__(self, fits, return_std):
        self.fits, self._return_std = fits, return_std
        self._kept = collections.OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    def __call__(self, place):
        """Denoise a plane: its pixels, the result and the error."""
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
            source = self.fits.source
            index = self.fits.index_of(place)
            noisy = np.asarray(source.data[index])
            height, width = (source.data.shape[source.axes.index(a)] for a in "YX")
            clean, std = self.fits.part(
                place,
                slice(0, height),
                slice(0, width),
                Watch(),
                return_std=self._return_std,
            )
            found = noisy, clean, std
            self._kept[place] = found
            self._n_bytes += sum(a.nbytes for a in found if a is not None)
            while self._n_bytes > _KEPT and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self._n_bytes -= sum(a.nbytes for a in old if a is not None)
            return found


class LazyResult:
    """A result in the shape of a layer's pixels, computed plane by plane when read.

    Its kind is "denoised", "removed noise" or "standard error".
    """

    def __init__(self, planes, kind):
        source = planes.fits.source
        self._planes, self._kind = planes, kind
        self.shape = tuple(source.data.shape)
        self.dtype = np.result_type(source.dtype, np.float32)
        if "S" in source.axes:
            if kind != "denoised":
                self.shape = self.shape[:-1]
            elif source.dtype.kind == "u":
                self.dtype = source.dtype
        self.ndim = len(self.shape)

    @property
    def size(self):
        """How many values there are."""
        return int(np.prod(self.shape, dtype=object))

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("the result cannot be an array without being computed")
        values = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __getitem__(self, key):
        ranges, steps, dropped = expand(key, self.shape)
        found = np.empty([r.stop - r.start for r in ranges], self.dtype)
        fits = self._planes.fits
        outer = fits.outer_axes
        inner = [i for i in range(self.ndim) if i not in outer]
        kept = [i for i in range(len(fits.source.axes)) if i not in outer]
        for place in np.ndindex(*(found.shape[i] for i in outer)):
            at = [slice(None)] * self.ndim
            for axis, n in zip(outer, place, strict=True):
                at[axis] = n
            of = tuple(ranges[a].start + n for a, n in zip(outer, place, strict=True))
            values = self._of(self._planes(of), [fits.source.axes[i] for i in kept])
            found[tuple(at)] = values[tuple(ranges[i] for i in inner)]
        return found[
            tuple(0 if drop else s for drop, s in zip(dropped, steps, strict=True))
        ]

    def _of(self, plane, axes):
        noisy, clean, std = plane
        if self._kind == NOISE:
            return removed_noise(noisy, clean, axes)
        if self._kind == ERROR:
            return single_error(std, axes)
        if self.dtype.kind == "u":
            from n2d.images import convert

            return convert(clean, self.dtype)[0]
        return clean


def lazy_results(fits, kinds):
    """Make the results, by kind, of a layer whose pixels are read when asked for."""
    planes = Planes(fits, ERROR in kinds)
    return {kind: LazyResult(planes, kind) for kind in kinds}
