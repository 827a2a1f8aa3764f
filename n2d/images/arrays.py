"""From a user's array to canonical images and back, lazily.

The rest of the package sees images as windows of shape (C, h, w), float64, one at a
time. Only what is asked for is read, so that memory maps and other array-likes that
read on indexing never need to fit into memory. NumPy only.
"""

import itertools
import math
import mmap

import numpy as np

from n2d._masked import read_unmasked
from n2d.images.inputs import as_array, is_array, is_dask
from n2d.images.rounding import convert
from n2d.images.writable import are_one, check_writable

_LARGEST_EXACT = 2**53
_AT_ONCE = 2**21  # pixels that are looked at


class Image:
    """One image of a user's array, read window by window.

    Parameters
    ----------
    array : array-like of shape (H, W), (H, W, C) or (C, H, W), or a stack of such
        Anything with ``shape``, ``dtype`` and NumPy's indexing.
    channel_axis : {0, 1, 2} or None
        Which axis of the image holds the channels.
    index : tuple of int
        The image's place in the stack, () if `array` is one image.
    name : str
        How error messages call the array.
    """

    def __init__(self, array, channel_axis, index=(), name="X"):
        self._array = array
        self._index = index
        self._channel_axis = channel_axis
        self._name = name
        shape = array.shape[len(index) :]
        if channel_axis is None:
            self.shape = (1, *shape)
        else:
            height, width = (n for axis, n in enumerate(shape) if axis != channel_axis)
            self.shape = (shape[channel_axis], height, width)

    def read(self, top, left, height, width):
        """Read a window, which may go beyond the lower and the right border.

        Parameters
        ----------
        top, left, height, width : int
            The window. What lies beyond the image mirrors it, the border pixel not
            repeated.

        Returns
        -------
        ndarray of shape (C, height, width), float64
            A copy.

        Raises
        ------
        TypeError
            If a pixel of the window is masked.
        ValueError
            If a pixel of the window is NaN or infinite.
        """
        _, bottom, right = self.shape
        rows = slice(top, min(top + height, bottom))
        columns = slice(left, min(left + width, right))
        values = read_unmasked(self._array[self._window(rows, columns)], self._name)
        values = self._channels_first(values)
        self._refuse_rounding(values, top, left)
        values = np.array(values, dtype=np.float64, order="C")
        if not np.isfinite(values).all():
            kind = "NaN" if np.isnan(values).any() else "infinity"
            raise ValueError(
                f"Input {self._name} contains {kind}, "
                f"{self._where(~np.isfinite(values), top, left)}. Replace such pixels "
                "before denoising, or have files denoised around them: nan='mask' "
                "(--nan mask)"
            )
        missing = (height - values.shape[1], width - values.shape[2])
        if any(missing):
            values = np.pad(
                values, ((0, 0), (0, missing[0]), (0, missing[1])), "reflect"
            )
        return values

    def read_whole(self):
        """Read all of it; see `read`."""
        return self.read(0, 0, *self.shape[1:])

    def _refuse_rounding(self, values, top, left):
        """Raise where integers are so large that floating point has not all of them."""
        if (
            values.dtype.kind not in "iu"
            or values.dtype.itemsize < 8
            or not values.size
        ):
            return
        beyond = (values > _LARGEST_EXACT) | (values < -_LARGEST_EXACT)
        if beyond.any():
            raise ValueError(
                f"Input {self._name} has integers beyond 2**53, which floating point "
                f"cannot tell apart, {self._where(beyond, top, left)}. Subtract an "
                "offset, or convert it to floating point yourself"
            )

    def write(self, values, top, left):
        """Put a window (C, h, w) into the array, converted to its dtype.

        For an integer type it is rounded, and clipped to what the type can hold.
        """
        _, height, width = values.shape
        values, _ = convert(values, self._array.dtype)
        window = self._window(slice(top, top + height), slice(left, left + width))
        if self._channel_axis is None:
            self._array[window] = values[0]
        else:
            self._array[window] = np.moveaxis(values, 0, self._channel_axis)

    def let_go(self):
        """Give the memory back that a memory map has taken for what is on disk.

        The operating system would do so when memory gets short; until then the process
        looks, and is counted, as if it held the whole file.
        """
        array, private = self._array, False
        while isinstance(array, np.ndarray):
            # What was written to a copy-on-write map is nowhere else.
            private |= getattr(array, "mode", None) == "c"
            array = array.base
        if isinstance(array, mmap.mmap) and not private and hasattr(array, "madvise"):
            array.madvise(mmap.MADV_DONTNEED)

    def _window(self, rows, columns):
        """Index of a window in the user's array."""
        window = [rows, columns]
        if self._channel_axis is not None:
            window.insert(self._channel_axis, slice(None))
        return (*self._index, *window)

    def _channels_first(self, values):
        if self._channel_axis is None:
            return values[np.newaxis]
        return np.moveaxis(values, self._channel_axis, 0)

    def _where(self, wrong, top, left):
        """Say in words where pixels (C, h, w) of a window are wrong."""
        rows, columns = (np.flatnonzero(wrong.any(axis)) for axis in ((0, 2), (0, 1)))
        return (
            f"in rows {top + rows[0]} to {top + rows[-1]} and columns "
            f"{left + columns[0]} to {left + columns[-1]}"
            + (f" of image {self._index[0]}" if self._index else "")
        )


class Images:
    """All images of a user's X, and the way back to an output like X.

    Parameters
    ----------
    X : array-like, or list or tuple of array-likes
        With ``channel_axis=None``, (H, W) is one image and (n, H, W) a stack of n.
        With a `channel_axis` there is one axis more. A list or tuple of arrays is many
        images, of any sizes; a nested list of numbers is one array.
    channel_axis : int or None
        Axis of X, or of every array of a list, that holds the channels.
    name : str, default="X"
        How error messages call X.

    Raises
    ------
    TypeError
        If X is a masked or sparse array or does not hold numbers.
    ValueError
        If X is complex, empty or has the wrong number of axes, if `channel_axis` does
        not fit, or if the images differ in their number of channels.
    """

    def __init__(self, X, channel_axis=None, name="X"):
        self._X = X
        self._channel_axis = channel_axis
        self.is_list = isinstance(X, (list, tuple)) and any(map(is_array, X))
        if self.is_list:
            self.arrays = [as_array(item, f"{name}[{i}]") for i, item in enumerate(X)]
            self._images = []
            for i, array in enumerate(self.arrays):
                item_name = f"{name}[{i}]"
                axis, stacked = settle_axes(array, channel_axis, item_name)
                if stacked:
                    raise ValueError(
                        f"{item_name} has {array.ndim} axes, but every array of a list "
                        f"is one image of {array.ndim - 1}; pass a stack as one array"
                    )
                self._images.append(Image(array, axis, name=item_name))
        else:
            array = as_array(X, name)
            self.arrays = [array]
            axis, stacked = settle_axes(array, channel_axis, name)
            places = [(i,) for i in range(array.shape[0])] if stacked else [()]
            self._images = [Image(array, axis, place, name) for place in places]
        channels = {image.shape[0] for image in self._images}
        if len(channels) > 1:
            raise ValueError(
                "the images of X have different numbers of channels: "
                f"{sorted(channels)}"
            )
        self.n_channels = channels.pop()

    @property
    def look_like_colour(self):
        """Whether a stack of grey images has the shape of one colour image."""
        shape = self.arrays[0].shape
        return (
            self._channel_axis is None
            and len(shape) == 3
            and shape[2] in (3, 4)
            and min(shape[:2]) >= 32
        )

    def __len__(self):
        return len(self._images)

    def __getitem__(self, i):
        return self._images[i]

    @property
    def result_dtypes(self):
        """The data type that the result of every array has by default."""
        return [np.result_type(array.dtype, np.float32) for array in self.arrays]

    @property
    def are_lazy(self):
        """Whether there are Dask arrays among the arrays."""
        return any(map(is_dask, self.arrays))

    def cropped(self, region):
        """Return what a region of every image is, without reading it.

        Parameters
        ----------
        region : tuple of two slices, or None
            Of the rows and the columns, as for indexing, without steps. None: all.

        Returns
        -------
        regions : list of tuple of four int
            Top, left, height and width in every image.
        shapes : list of tuple of int
            What is left of the shape of every array.

        Raises
        ------
        ValueError
            If the region is none, or not a part of every image.
        """
        regions = [_settle_region(region, image.shape[1:]) for image in self]
        shapes = []
        for array in self.arrays:
            axis, stacked = settle_axes(array, self._channel_axis)
            shape = list(array.shape)
            plane = [i for i in range(stacked, len(shape)) if i - stacked != axis]
            found = _settle_region(region, [shape[i] for i in plane])
            shape[plane[0]], shape[plane[1]] = found[2:]
            shapes.append(tuple(shape))
        return regions, shapes

    def empty_like(self, region=None):
        """Return new images of X's shapes and of the dtype that results have.

        Parameters
        ----------
        region : tuple of two slices, optional
            Which part of every image; see `cropped`.

        Returns
        -------
        Images
            Of dtype ``np.result_type(X.dtype, np.float32)``; `result` gives the array.
        """
        outputs = list(map(np.empty, self.cropped(region)[1], self.result_dtypes))
        X = outputs[0] if not self.is_list else type(self._X)(outputs)
        return Images(X, self._channel_axis)

    def n_result_bytes(self, region=None):
        """How much memory the results take, of a region or in all."""
        shapes = self.cropped(region)[1]
        return sum(
            math.prod(shape) * dtype.itemsize
            for shape, dtype in zip(shapes, self.result_dtypes, strict=True)
        )

    def outputs_in(self, out, region=None):
        """Return the images of an array, or a list of arrays, to write results to.

        Parameters
        ----------
        out : array-like, or list or tuple of array-likes
            Of the shape, or shapes, of the results.
        region : tuple of two slices, optional
            Which part of every image they are of; see `cropped`.

        Returns
        -------
        Images

        Raises
        ------
        TypeError, ValueError
            If `out` cannot be written to, is X itself, or has another shape.
        """
        if self.is_list and not isinstance(out, (list, tuple)):
            raise ValueError("X is a list, so out must be a list of arrays, too")
        arrays = list(out) if self.is_list else [out]
        if len(arrays) != len(self.arrays):
            raise ValueError(
                f"out has {len(arrays)} arrays, but X has {len(self.arrays)}"
            )
        shapes = self.cropped(region)[1]
        for array, source, shape in zip(arrays, self.arrays, shapes, strict=True):
            check_writable(array, source, shape)
        return Images(out, self._channel_axis)

    def single_outputs_in(self, out):
        """Return images to write some of the results to.

        Parameters
        ----------
        out : dict of int to array-like
            By the numbers of the images.

        Returns
        -------
        dict of int to Image
        """
        return {
            i: Image(array, self._images[i]._channel_axis, name=f"out[{i}]")
            for i, array in out.items()
        }

    def check_finite_in_memory(self):
        """Raise where a NumPy array, or a memory map, is not finite anywhere.

        So that nothing is written where something is refused in the end. What else
        reads lazily is not read twice.

        Raises
        ------
        ValueError
            As `Image.read` does.
        """
        for image, array in zip(self._images, self._arrays_of_images(), strict=True):
            if isinstance(array, np.ndarray):
                _, height, width = image.shape
                rows = max(1, _AT_ONCE // width)
                for top in range(0, height, rows):
                    image.read(top, 0, min(rows, height - top), width)
                image.let_go()

    def _arrays_of_images(self):
        return self.arrays if self.is_list else self.arrays * len(self._images)

    def pair_of_outputs_in(self, out, region=None):
        """Return the images of a pair of what `outputs_in` takes.

        Parameters
        ----------
        out : tuple or list of two
            Where to write the results, and their standard errors.
        region : tuple of two slices, optional
            As for `outputs_in`.

        Returns
        -------
        list of two Images

        Raises
        ------
        TypeError, ValueError
            If `out` is no pair, both are the same, or one of them is unsuitable.
        """
        if not isinstance(out, (tuple, list)) or len(out) != 2:
            raise ValueError(
                "with return_std=True, out must be a pair: what to write the result "
                "to, and what to write the standard errors to"
            )
        outputs = [self.outputs_in(part, region) for part in out]
        arrays = [array for output in outputs for array in output.arrays]
        if any(are_one(a, b) for a, b in itertools.combinations(arrays, 2)):
            raise ValueError(
                "the arrays of out must not share memory: results and standard errors "
                "would overwrite each other"
            )
        return outputs

    @property
    def result(self):
        """The array, or the list or tuple of arrays, that the images belong to."""
        return self._X


def _settle_region(region, shape):
    """Top, left, height and width of a region of an image (rows, columns)."""
    if region is None:
        return (0, 0, *shape)
    if not (
        isinstance(region, (tuple, list))
        and len(region) == 2
        and all(isinstance(part, slice) for part in region)
    ):
        raise ValueError(
            "region must be two slices, of the rows and of the columns, such as "
            f"np.s_[1000:2000, 500:900], got {region!r}"
        )
    ranges = [part.indices(n) for part, n in zip(region, shape, strict=True)]
    if any(step != 1 or stop <= start for start, stop, step in ranges):
        raise ValueError(
            f"region={region!r} has no pixel in an image of {shape[0]} x {shape[1]}, "
            "or a step, which it must not have"
        )
    (top, bottom, _), (left, right, _) = ranges
    return top, left, bottom - top, right - left


def settle_axes(array, channel_axis, name="X"):
    """Find out which axes of an array are which.

    Parameters
    ----------
    array : array-like
        Images, as a user gave them.
    channel_axis : int or None
        The axis of the channels.
    name : str, default="X"
        How error messages call the array.

    Returns
    -------
    axis : int or None
        The channel axis within one image.
    stacked : bool
        Whether axis 0 holds images.

    Raises
    ------
    ValueError
        If the array has the wrong number of axes, or no pixel, or `channel_axis` does
        not fit.
    """
    n_axes = 2 if channel_axis is None else 3
    if array.ndim not in (n_axes, n_axes + 1):
        one, many = ("(H, W)", "(n, H, W)") if n_axes == 2 else ("3 axes", "4 axes")
        raise ValueError(
            f"Expected 2D array or 3D stack: with channel_axis={channel_axis}, {name} "
            f"is one image of shape {one} or a stack of shape {many}, got an array of "
            f"shape {tuple(array.shape)}. Reshape your data, or give channel_axis if "
            "an axis holds channels"
        )
    if 0 in array.shape:
        raise ValueError(
            f"Found array with {array.shape[0]} sample(s) and {array.shape[-1]} "
            f"feature(s) (shape={tuple(array.shape)}) while a minimum of 1 is "
            f"required: {name} has no pixels"
        )
    stacked = array.ndim == n_axes + 1
    if channel_axis is None:
        return None, stacked
    if not -array.ndim <= channel_axis < array.ndim:
        raise ValueError(
            f"channel_axis={channel_axis} is out of range for {name} of shape "
            f"{tuple(array.shape)}"
        )
    axis = channel_axis % array.ndim - stacked
    if axis < 0:
        raise ValueError(
            f"channel_axis={channel_axis} of {name} of shape {tuple(array.shape)} is "
            "the axis of the images: axis 0 of a stack is never the channels. Move the "
            "channels with np.moveaxis, or denoise one image at a time"
        )
    return axis, stacked
