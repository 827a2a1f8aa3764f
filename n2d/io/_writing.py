"""Writing an image file, whatever its format: whole, or not at all."""

import contextlib

import numpy as np

from n2d._masked import read_unmasked
from n2d.io._atomic import check_target
from n2d.io._formats import format_of, suffix_of
from n2d.io._image import ImageFileError
from n2d.io._ledger import FinishedFiles


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
        What the result depends on: input, parameters, version. It is noted, in the
        result or in a list beside it, for `is_result_of`; a run that was cut off is
        resumed only if it had the same.
    resume : bool, default=False
        Whether to go on with what an earlier run left, where the format can do that
        (OME-Zarr).

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
    with format_of(path).create(
        path,
        shape,
        dtype,
        axes,
        like=like,
        overwrite=overwrite,
        run_key=run_key,
        resume=resume,
    ) as target:
        yield target


def is_result_of(path, run_key):
    """Whether a file is the whole result of a run, as the run has noted.

    Parameters
    ----------
    path : str or os.PathLike
        A result, of any format.
    run_key : dict
        As for `create_image`.

    Returns
    -------
    bool
        True if it was made by `create_image` with the same key, and is as it was then.
    """
    return format_of(path).is_result_of(path, run_key)


def is_own_result(path):
    """Whether a file is the whole result of any run, as that run has noted.

    Parameters
    ----------
    path : str or os.PathLike
        A file; a folder, as an OME-Zarr is, counts if `note_result` was told of it.

    Returns
    -------
    bool
        True if it was made by `create_image` with a key, and is as it was then.
    """
    return FinishedFiles(path).knows()


def note_result(path):
    """Note in the list beside it that a folder is the whole result of a run, as it is.

    Files are noted as they are made. Afterwards a run may replace it, unless anything
    in it has changed.

    Parameters
    ----------
    path : str or os.PathLike
        The folder; of a file nothing is noted.
    """
    if format_of(path).is_folder:
        FinishedFiles(path).add(path, {})


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
    TypeError
        If `array` is a masked array that hides something.
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
    array = read_unmasked(array, "array")
    if axes is None:
        axes = "YX" if like is None else like.axes
    if len(axes) != array.ndim:
        raise ValueError(
            f"array has {array.ndim} axes, shape {array.shape}, but axes={axes!r}; "
            "give one letter per axis"
        )
    dtype = array.dtype.newbyteorder("=")
    check_output(path, dtype, axes, shape=array.shape, overwrite=overwrite)
    array = array.astype(dtype, copy=False)
    format_of(path).write(path, array, axes, like=like, overwrite=overwrite)


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
    kind = format_of(path)
    check_target(path, overwrite=overwrite, folder=kind.is_folder)
    # Byte order is the writer's business, not a reason to refuse.
    dtype = np.dtype(dtype).newbyteorder("=")
    reason = kind.cannot_hold(dtype, axes, shape, suffix=suffix_of(path))
    if reason:
        raise ImageFileError(f"{path}: {reason}")
