"""Writing an image file, whatever its format: whole, or not at all."""

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from n2d.io._atomic import atomic_write, check_target
from n2d.io._formats import FOLDER_FORMATS, format_module, suffix_of
from n2d.io._image import ImageFileError
from n2d.io._lazy import View
from n2d.io._scratch import check_room, scratch_array


@dataclass
class Target:
    """A result that is being written, plane by plane.

    Attributes
    ----------
    array : array-like
        What is written to, with ``shape``, ``dtype`` and basic indexing.
    """

    array: Any

    @property
    def shape(self):
        """The shape of the image."""
        return self.array.shape

    @property
    def dtype(self):
        """The data type of the file."""
        return self.array.dtype

    def is_finished(self, key):
        """Whether a part was finished by an earlier run that was cut off.

        Parameters
        ----------
        key : tuple of int and slice
            The part.

        Returns
        -------
        bool
            Always False, for files that are written in one go at the end.
        """
        del key
        return False

    def band_rows(self, axis):
        """How many neighbours along an axis can be finished by themselves.

        Parameters
        ----------
        axis : int
            An axis of the image.

        Returns
        -------
        int or None
            Always None, for files that are written in one go at the end.
        """
        del axis
        return None

    @contextlib.contextmanager
    def writing(self, key):
        """Give a part to write to, which is finished when all went well.

        Parameters
        ----------
        key : tuple of int and slice
            The part: one entry for each axis.

        Yields
        ------
        array-like
            With the shape of the part.
        """
        yield View(self.array, key)


@contextlib.contextmanager
def create_image(
    path,
    shape,
    dtype,
    axes,
    *,
    like=None,
    overwrite=False,
    run_key=None,
    resume=False,
    before_rename=None,
):
    """Give an image to write to, which becomes a file when all went well.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write; its suffix decides the format.
    shape : tuple of int
        The shape of the image.
    dtype : dtype
        Its data type.
    axes : str
        One letter per axis, as in `ImageFile`.
    like : ImageFile, optional
        The file this image is made from: where the format is the same its metadata are
        kept; else axes, pixel size and names of channels.
    overwrite : bool, default=False
        Whether an existing file may be replaced.
    run_key : dict, optional
        What the result depends on: input, parameters, version. A run that was cut off
        is resumed only if it had the same.
    resume : bool, default=False
        Whether to go on with what an earlier run left, where the format can do that
        (OME-Zarr).
    before_rename : callable, optional
        Called with the path of the complete file, just before it gets its name.

    Yields
    ------
    Target
        To be written to, through ``writing``.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    ImageFileError
        If the format cannot hold such an image, or what is there to resume is of
        another run.
    OSError
        If the file cannot be written, for example because the disk is full.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from n2d.io import create_image, read_image
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "stack.tif")
    >>> with create_image(path, (2, 3, 4), np.uint8, "TYX") as target:
    ...     with target.writing((1, slice(None), slice(None))) as plane:
    ...         plane[0:2, 0:2] = 7
    >>> int(read_image(path).data.sum())
    28
    >>> folder.cleanup()
    """
    dtype = np.dtype(dtype).newbyteorder("=")
    shape = tuple(map(int, shape))
    check_output(path, dtype, axes, shape=shape, overwrite=overwrite)
    if suffix_of(path) in FOLDER_FORMATS:
        with format_module(path).create(
            path,
            shape,
            dtype,
            axes,
            like=like,
            overwrite=overwrite,
            run_key=run_key,
            resume=resume,
            before_rename=before_rename,
        ) as target:
            yield target
        return
    check_room(path, math.prod(shape) * dtype.itemsize // 20)
    with scratch_array(path, shape, dtype) as array:
        yield Target(array)
        _write_file(path, array, axes, like, overwrite, before_rename)


def is_result_of(path, run_key):
    """Whether a result says of itself that it is that of a run.

    Parameters
    ----------
    path : str or os.PathLike
        A result, of any format.
    run_key : dict
        As for `create_image`.

    Returns
    -------
    bool
        True for an OME-Zarr that was made with the same key; False for other formats,
        which say nothing.
    """
    if suffix_of(path) not in FOLDER_FORMATS:
        return False
    module = format_module(path)
    return module.made_by(path) == module.run_sum(run_key)


def write_image(path, array, *, like=None, axes=None, overwrite=False):
    """Write an image file, whole or not at all.

    The file is written under another name in the same folder and renamed when it is
    complete; if anything goes wrong, an existing target is untouched.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write; its suffix decides the format.
    array : ndarray
        The pixels. The data type is kept: nothing is rounded, scaled or clipped.
    like : ImageFile, optional
        The file this image was made from: its axes are taken over, and, where the
        format is the same, resolution and metadata too.
    axes : str, optional
        One letter per axis of `array`, as in `ImageFile`, where `like` does not say;
        without either, the array has to be 2-D.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    ImageFileError
        If the format cannot hold such an image.
    OSError
        If the file cannot be written, for example because the disk is full.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from n2d.io import write_image
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "photo.png")
    >>> write_image(path, np.zeros((4, 5, 3), np.uint8), axes="YXS")
    >>> folder.cleanup()
    """
    array = np.asarray(array)
    if axes is None:
        axes = "YX" if like is None else like.axes
    if len(axes) != array.ndim:
        raise ValueError(
            f"array has {array.ndim} axes, shape {array.shape}, but axes={axes!r}; "
            "give one letter per axis"
        )
    dtype = array.dtype.newbyteorder("=")
    check_output(path, dtype, axes, shape=array.shape, overwrite=overwrite)
    if suffix_of(path) in FOLDER_FORMATS:
        options = {"like": like, "overwrite": overwrite}
        with create_image(path, array.shape, dtype, axes, **options) as target:
            for key in plane_keys(axes, array.shape):
                with target.writing(key) as plane:
                    plane[...] = array[key]
        return
    _write_file(path, array.astype(dtype, copy=False), axes, like, overwrite, None)


def _write_file(path, array, axes, like, overwrite, before_rename):
    with atomic_write(path, overwrite=overwrite) as temporary:
        format_module(path).write(temporary, array, axes, like, target=Path(path))
        if before_rename is not None:
            before_rename(temporary)


def plane_keys(axes, shape):
    """Yield the index of every plane of an image.

    Parameters
    ----------
    axes : str
        One letter per axis.
    shape : tuple of int
        Its shape.

    Yields
    ------
    tuple of int and slice
        Slices for the axes Y, X and S, numbers for the others.
    """
    numbers = [
        range(n) if a not in "YXS" else [None] for a, n in zip(axes, shape, strict=True)
    ]
    for index in np.ndindex(*map(len, numbers)):
        yield tuple(
            slice(None) if part[0] is None else i
            for part, i in zip(numbers, index, strict=True)
        )


def check_output(path, dtype, axes, *, shape=None, overwrite=False):
    """Raise, before anything is computed, where writing would fail.

    Parameters
    ----------
    path : str or os.PathLike
        The file to be written.
    dtype : dtype
        Its data type.
    axes : str
        One letter per axis, as in `ImageFile`.
    shape : tuple of int, optional
        The shape, one number per axis.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    ImageFileError
        If the format cannot hold such an image.
    ImportError
        If the format needs a package that is not installed.
    OSError
        If its folder does not exist or is not writable.
    """
    module = format_module(path)
    suffix = suffix_of(path)
    check_target(path, overwrite=overwrite, folder=suffix in FOLDER_FORMATS)
    # Byte order is the writer's business, not a reason to refuse.
    dtype = np.dtype(dtype).newbyteorder("=")
    reason = module.cannot_hold(dtype, axes, shape, suffix=suffix)
    if reason:
        raise ImageFileError(f"{path}: {reason}")
