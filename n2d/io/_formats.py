"""Which module is for which suffix; each is loaded when it is needed."""

import importlib
from pathlib import Path

from n2d.io._image import ImageFileError

_MODULES = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".png": "raster",
    ".jpg": "raster",
    ".jpeg": "raster",
    ".zarr": "ome_zarr",
    ".npy": "npy",
    ".mrc": "mrc",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".dcm": "dicom",
}
SUFFIXES = tuple(_MODULES)
# Formats whose images are folders.
FOLDER_FORMATS = (".zarr",)
_MARKS_OF_ZARR = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def suffix_of(path):
    """Return what decides on the format: a suffix in small letters, or "".

    Parameters
    ----------
    path : path-like
        A file, or a folder. What is inside a Zarr counts as ``.zarr``.

    Returns
    -------
    str
        The suffix.

    Examples
    --------
    >>> from n2d.io import suffix_of
    >>> suffix_of("a.ome.TIF"), suffix_of("b.nii.gz"), suffix_of("c")
    ('.tif', '.nii.gz', '')
    """
    path = Path(path)
    name = path.name.lower()
    if name.endswith(".nii.gz"):
        return ".nii.gz"
    suffix = path.suffix.lower()
    if suffix not in _MODULES and any((path / m).is_file() for m in _MARKS_OF_ZARR):
        return ".zarr"
    return suffix


def format_module(path):
    """Return the module that reads and writes files called like this.

    Parameters
    ----------
    path : path-like
        A file.

    Returns
    -------
    module
        Of `n2d.io`.

    Raises
    ------
    ImageFileError
        If there is none.
    """
    suffix = suffix_of(path)
    if suffix not in _MODULES:
        raise ImageFileError(
            f"{path}: unsupported file type {suffix!r}; use {', '.join(_MODULES)}"
        )
    return importlib.import_module(f"n2d.io.{_MODULES[suffix]}")
