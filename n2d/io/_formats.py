"""What a format is, and which one is for which suffix; libraries are loaded late."""

import contextlib
import importlib
import math
import os
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from n2d._signals import finished, unfinished
from n2d.io._atomic import atomic_write
from n2d.io._image import ImageFileError
from n2d.io._ledger import FinishedFiles
from n2d.io._limits import refuse_series
from n2d.io._scratch import check_disk, scratch_array
from n2d.io._target import Target
from n2d.io.ome_zarr import OMEZarr


class Format(Protocol):
    """What there has to be for files of a kind; see "How to add a file format".

    Attributes
    ----------
    suffixes : tuple of str
        In small letters; files called so are of the format.
    marks : tuple of str
        Names of files in a folder that make it an image of the format.
    is_folder : bool
        Whether an image is a folder.
    resumable : bool
        Whether a result that was cut off is gone on with in the middle.
    written_as : str or None
        The suffix that results of such files get, where they are read only.
    """

    suffixes: tuple
    marks: tuple
    is_folder: bool
    resumable: bool
    written_as: str | None

    def read(self, path, series=None):
        """Return an `ImageFile`, whose data may be read when it is asked for."""

    def cannot_hold(self, dtype, axes, shape, *, suffix):
        """Say why a file cannot hold such an image, or return None."""

    def create(self, path, shape, dtype, axes, **options):
        """Give a `Target` that becomes a file; a context manager."""

    def write(self, path, array, axes, *, like, overwrite):
        """Write an array that is there already."""

    def is_result_of(self, path, run_key):
        """Whether a file is the whole result of a run."""

    def difference(self, path, run_key):
        """Say how the run that made a file differs from another, or ""."""


class WholeFile:
    """A format whose files are written in one go, by a module for its library.

    The module is in `n2d.io`, with functions ``read``, ``cannot_hold`` and ``write``;
    with ``read`` alone where files are read only and `written_as` another format. With
    `has_series` a file may hold several images, and ``read`` takes which.
    """

    marks = ()
    is_folder = resumable = False

    def __init__(self, module, *suffixes, has_series=False, written_as=None):
        self._name, self.suffixes = module, suffixes
        self._has_series, self.written_as = has_series, written_as

    def _module(self):
        return importlib.import_module(f"n2d.io.{self._name}")

    def read(self, path, series=None):
        """Return an `ImageFile`; see `Format`."""
        if self._has_series:
            return self._module().read(path, series)
        refuse_series(path, series)
        return self._module().read(path)

    def cannot_hold(self, dtype, axes, shape, *, suffix):
        """Say why a file cannot hold an image, or return None; see `Format`."""
        if self.written_as is not None:
            return (
                f"{suffix} files are read, and not written; write a {self.written_as} "
                "one"
            )
        return self._module().cannot_hold(dtype, axes, shape, suffix=suffix)

    @contextlib.contextmanager
    def create(self, path, shape, dtype, axes, *, like, overwrite, run_key, resume):
        """Give a `Target` in memory or on the disk, written at the end."""
        del resume  # what is cut off begins anew
        check_disk(path, math.prod(shape) * dtype.itemsize // 20)
        self._rehearse(path, shape, dtype, axes, like)
        with scratch_array(path, shape, dtype) as array:
            yield Target(array)
            self.write(
                path, array, axes, like=like, overwrite=overwrite, run_key=run_key
            )

    def _rehearse(self, path, shape, dtype, axes, like):
        """Write an image of few pixels with the same metadata, before all computing.

        What a library cannot write, such as text that somebody put into a file by hand,
        it only says when it writes.
        """
        small = [
            min(n, 16) if a in "YX" else n for n, a in zip(shape, axes, strict=True)
        ]
        if math.prod(small) > 2**24:  # so many planes are not written twice
            return
        if like is not None and like.metadata.get("n_levels", 1) > 1:
            like = replace(like, metadata=like.metadata | {"n_levels": 1})
        parent = Path(os.path.realpath(path)).parent
        with (
            _passing_folder(parent) as folder,
            warnings.catch_warnings(action="ignore"),
        ):
            try:
                self._module().write(
                    Path(folder, "rehearsal"),
                    np.zeros(small, dtype),
                    axes,
                    like,
                    target=Path(path),
                )
            except (ImageFileError, ImportError, MemoryError, OSError):
                raise
            except Exception as error:
                raise ImageFileError(
                    f"{path}: cannot be written with what its source says "
                    f"({str(error).partition('Traceback')[0].strip()}); "
                    "write a file of another format"
                ) from error

    def write(self, path, array, axes, *, like, overwrite, run_key=None):
        """Write an array that is there already; see `Format`."""
        with atomic_write(path, overwrite=overwrite) as temporary:
            self._module().write(temporary, array, axes, like, target=Path(path))
            self._prove(temporary, Path(path), array.shape)
            if run_key is not None:
                FinishedFiles(path).add(temporary, run_key)

    def _prove(self, temporary, path, shape):
        """Open what was written, and read its end, before it gets its name."""
        with (
            _passing_folder(temporary.parent) as folder,
            warnings.catch_warnings(action="ignore"),
        ):
            link = Path(folder, path.name)  # libraries go by the name
            try:
                link.symlink_to(temporary)
            except (OSError, NotImplementedError):  # no links on this file system
                return
            try:
                with self._module().read(link) as image:
                    if math.prod(image.data.shape) != math.prod(shape):
                        raise ValueError(f"its shape is {image.data.shape}")
                    image.data[(-1,) * len(image.data.shape)]
            except MemoryError:
                return
            # Whatever a library raises, the file is not whole.
            except Exception as error:
                raise ImageFileError(
                    f"{path}: was not written, because what was put together for it "
                    f"cannot be opened ({type(error).__name__}: {error})"
                ) from error

    def is_result_of(self, path, run_key):
        """Whether the list beside a file says it is the result of a run."""
        return FinishedFiles(path).has(run_key)

    def difference(self, path, run_key):
        """Say how the run that made a file differs; see `Format`."""
        return FinishedFiles(path).difference(run_key)


@contextlib.contextmanager
def _passing_folder(parent):
    """Give a folder that is gone afterwards, even if the process is ended."""
    with tempfile.TemporaryDirectory(prefix=".n2d.", dir=parent) as folder:
        unfinished(folder)
        try:
            yield folder
        finally:
            finished(folder)


FORMATS = (
    WholeFile("tiff", ".tif", ".tiff", ".btf", has_series=True),
    WholeFile("_raster", ".png"),
    WholeFile("_raster", ".jpg", ".jpeg"),
    OMEZarr(),
    WholeFile("_npy", ".npy"),
    WholeFile("_raster", ".bmp"),
    WholeFile("_raster", ".webp"),
    WholeFile("_raster", ".gif", written_as=".tif"),
    WholeFile("_mrc", ".mrc", ".mrcs", ".rec", ".st", ".ali", ".map", ".ccp4"),
    WholeFile("_nifti", ".nii", ".nii.gz"),
    WholeFile("_nifti", ".hdr", ".img", written_as=".nii"),
    WholeFile("dicom", ".dcm", ".ima"),
    WholeFile("tiff", ".lsm", ".stk", has_series=True, written_as=".ome.tif"),
    WholeFile("ome_zarr", ".zarr.zip", ".ozx", written_as=".zarr"),
    WholeFile(
        "_vendors",
        *(".czi", ".nd2", ".lif", ".lof", ".oib", ".oif"),
        has_series=True,
        written_as=".ome.tif",
    ),
)
# What there is no reader for, and what to do instead.
_ADVICE = {
    (".vsi", ".ims", ".dv", ".scn", ".mrxs", ".sld", ".zvi", ".ipl", ".ics", ".ids"): (
        "save it as OME-TIFF, for example with Bio-Formats' bfconvert, or with the "
        "microscope's program"
    ),
    (".svs", ".ndpi", ".qptiff", ".bif"): (
        "of such slides save the part to denoise as OME-TIFF, for example with QuPath"
    ),
    (".avif", ".heic", ".jp2", ".tga", ".ppm", ".pgm", ".exr"): (
        "save it as TIFF or PNG, for example with Fiji"
    ),
    (".par", ".mgz", ".mgh", ".mnc", ".head", ".brik", ".v", ".nrrd", ".mha", ".mhd"): (
        "save it as NIfTI (.nii), for example with 3D Slicer or nibabel"
    ),
    (".gii", ".trk", ".tck"): "it holds no image, but a surface, lines or tables",
    (".gz", ".bz2", ".xz", ".zip", ".7z", ".tar"): "unpack it first",
    (".npz", ".mat", ".h5", ".hdf5"): "save one array of it as .npy",
    (".raw", ".bin", ".dat", ".data"): (
        "numbers without a description: read them with NumPy and save them as .npy"
    ),
    (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"): (
        "develop it to a 16-bit TIFF first"
    ),
    (".mp4", ".avi", ".mov", ".mkv", ".cine", ".ser"): (
        "save its frames as a TIFF stack"
    ),
}
_BY_SUFFIX = {suffix: one for one in FORMATS for suffix in one.suffixes}
SUFFIXES = tuple(_BY_SUFFIX)


def suffix_of(path):
    """Return what decides on the format: a suffix in small letters, or "".

    Parameters
    ----------
    path : path-like
        A file, or a folder. What is inside a Zarr counts as ``.zarr``, and a file that
        begins as DICOM does, whatever it is called, as ``.dcm``.

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
    for suffix in SUFFIXES:
        if suffix.count(".") > 1 and name.endswith(suffix):
            return suffix
    suffix = path.suffix.lower()
    if suffix not in _BY_SUFFIX:
        for one in FORMATS:
            if any((path / mark).is_file() for mark in one.marks):
                return one.suffixes[0]
        if _begins_as_dicom(path):
            return ".dcm"
    return suffix


# Tags that files without a head begin with, in the order of bytes that they have.
_FIRST_IN_DICOM = [
    bytes((group, 0, element, 0))
    for group, element in ((2, 0), (2, 1), (8, 0), (8, 1), (8, 5), (8, 8), (8, 0x16))
]


def _begins_as_dicom(path):
    """Whether a file has the mark of DICOM; scanners give them numbers for names."""
    # The table of contents of a disk has the mark, and no image.
    if path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(132)
            return head[128:] == b"DICM" or head[:4] in _FIRST_IN_DICOM
    except OSError:
        return False


def name_in(path):
    """Return the name of an image without its suffix, and the suffix it has or lacks.

    Parameters
    ----------
    path : path-like
        A file, or a folder that is an image.

    Returns
    -------
    name, suffix : str
        As written; a folder that is an image by what is in it gets its format's suffix.

    Examples
    --------
    >>> from n2d.io import name_in
    >>> name_in("scans/brain.nii.gz"), name_in("cell.ome.tif")
    (('brain', '.nii.gz'), ('cell.ome', '.tif'))
    """
    name, suffix = Path(path).name, suffix_of(path)
    if name.lower().endswith(suffix):
        return name[: len(name) - len(suffix)], name[len(name) - len(suffix) :]
    return Path(path).resolve().name, suffix


def format_of(path):
    """Return the format of a file, or a folder, that is called like this.

    Parameters
    ----------
    path : path-like
        A file, or a folder.

    Returns
    -------
    Format
        With ``is_folder``, ``resumable`` and the ways to read and to write.

    Raises
    ------
    ImageFileError
        If there is none.

    Examples
    --------
    >>> from n2d.io import format_of
    >>> format_of("a.zarr").resumable, format_of("a.jpg") is format_of("b.JPEG")
    (True, True)
    """
    suffix = suffix_of(path)
    if suffix not in _BY_SUFFIX:
        advice = next((t for kinds, t in _ADVICE.items() if suffix in kinds), None)
        raise ImageFileError(
            f"{path}: unsupported file type {suffix!r}; "
            + (advice or f"use {', '.join(SUFFIXES)}")
        )
    return _BY_SUFFIX[suffix]
