"""Image files: read with what is needed to write one like it, written whole or not.

The format follows from the suffix: ``.tif`` and ``.tiff`` (TIFF, also with many pages,
of any data type), ``.png`` (8-bit, and 16-bit grey), ``.jpg`` and ``.jpeg``.
"""

from pathlib import Path

import numpy as np

from n2d.io import raster, tiff
from n2d.io._atomic import atomic_write, check_target
from n2d.io._image import ImageFile, ImageFileError

__all__ = [
    "SUFFIXES",
    "ImageFile",
    "ImageFileError",
    "atomic_write",
    "check_output",
    "check_target",
    "read_image",
    "write_image",
]

_MODULES = {
    ".tif": tiff,
    ".tiff": tiff,
    ".png": raster,
    ".jpg": raster,
    ".jpeg": raster,
}
SUFFIXES = tuple(_MODULES)


def _module(path):
    suffix = Path(path).suffix.lower()
    if suffix not in _MODULES:
        raise ImageFileError(
            f"{path}: unsupported file type {suffix!r}; use {', '.join(_MODULES)}"
        )
    return _MODULES[suffix]


def read_image(path):
    """Read an image file.

    Parameters
    ----------
    path : str or os.PathLike
        A TIFF, PNG or JPEG file.

    Returns
    -------
    ImageFile
        The pixels (`data`), their axes, and the metadata to write a file like it.

    Raises
    ------
    ImageFileError
        If the file is damaged, or of a kind that is not supported.
    OSError
        If it is missing or may not be read.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from n2d.io import read_image, write_image
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "image.tif")
    >>> write_image(path, np.zeros((4, 5), np.int16))
    >>> image = read_image(path)
    >>> image.axes, image.data.shape, str(image.data.dtype)
    ('YX', (4, 5), 'int16')
    >>> folder.cleanup()
    """
    module = _module(path)
    with open(path, "rb"):
        pass  # a file that is missing or forbidden says so in its own words
    try:
        return module.read(path)
    except ImageFileError:
        raise
    # The libraries raise anything from struct.error to IndexError on damaged files.
    except Exception as error:
        raise ImageFileError(
            f"{path}: cannot be read, damaged or not what its name says "
            f"({type(error).__name__}: {error})"
        ) from error


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
    check_output(path, array.dtype, axes, shape=array.shape, overwrite=overwrite)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    module = _module(path)
    with atomic_write(path, overwrite=overwrite) as temporary:
        module.write(temporary, array, axes, like, suffix=Path(path).suffix.lower())


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
    OSError
        If its folder does not exist or is not writable.
    """
    module = _module(path)
    check_target(path, overwrite=overwrite)
    # Byte order is the writer's business, not a reason to refuse.
    dtype = np.dtype(dtype).newbyteorder("=")
    reason = module.cannot_hold(dtype, axes, shape, suffix=Path(path).suffix.lower())
    if reason:
        raise ImageFileError(f"{path}: {reason}")
