"""Reading an image file, whatever its format."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from n2d.io._formats import SUFFIXES, format_of, suffix_of
from n2d.io._image import ImageFileError
from n2d.io._lazy import damaged, out_of_memory
from n2d.io._limits import check_regular, check_size


def open_image(path, series=None):
    """Open an image file; its pixels are read when they are asked for.

    Parameters
    ----------
    path : str or os.PathLike
        A file that `n2d.io` has a format for, or an OME-Zarr folder.
    series : int, optional
        Which image, counted from 0, of a file that holds several different ones.

    Returns
    -------
    ImageFile
        A context manager. Its `data` has ``shape``, ``dtype`` and basic indexing, which
        reads windows, where the format can do that; else it is an array.

    Raises
    ------
    ImageFileError
        If the file is damaged, or of a kind that is not supported, or larger than
        memory and of a format that is not read in parts. Damage in the pixels may be
        found, and raised, when they are read.
    ImportError
        If the format needs a package that is not installed.
    OSError
        If it is missing or may not be read.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from n2d.io import open_image, write_image
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "stack.tif")
    >>> write_image(path, np.arange(24).reshape(2, 3, 4), axes="TYX")
    >>> with open_image(path) as image:
    ...     image.axes, image.data.shape, image.data[1, 0, :2].tolist()
    ('TYX', (2, 3, 4), [12, 13])
    >>> folder.cleanup()
    """
    if suffix_of(path) not in SUFFIXES and Path(path).is_dir():
        raise ImageFileError(f"{path}: is a folder, and no image; name one in it")
    kind = format_of(path)
    check_regular(path)  # one that is missing says so, too
    if not kind.is_folder or not Path(path).is_dir():
        with open(path, "rb"):
            pass  # a file that is missing or forbidden says so in its own words
    try:
        return kind.read(path, series)
    except (ImageFileError, ImportError):
        raise
    except MemoryError as error:
        raise out_of_memory(path, error) from error
    # The libraries raise anything from struct.error to IndexError on damaged files.
    except Exception as error:
        raise damaged(path, error) from error


def read_image(path, series=None):
    """Read an image file into memory.

    Parameters
    ----------
    path : str or os.PathLike
        A file that `n2d.io` has a format for, or an OME-Zarr folder.
    series : int, optional
        Which image, counted from 0, of a file that holds several different ones.

    Returns
    -------
    ImageFile
        The pixels (`data`), their axes, and the metadata to write a file like it.

    Raises
    ------
    ImageFileError
        If the file is damaged, of a kind that is not supported, or too large.
    ImportError
        If the format needs a package that is not installed.
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
    with open_image(path, series) as image:
        if not isinstance(image.data, np.ndarray):
            check_size(path, image.data.shape, image.data.dtype)
        gaps = None if image.gaps is None else np.asarray(image.gaps[...])
        return replace(image, data=np.asarray(image.data[...]), gaps=gaps)


def is_image(path):
    """Whether a path is called like something that `open_image` reads.

    Parameters
    ----------
    path : str or os.PathLike
        A file or a folder.

    Returns
    -------
    bool
        Whether there is a format for it: for a folder, whether it is a Zarr.

    Examples
    --------
    >>> from n2d.io import is_image
    >>> is_image("a.tif"), is_image("a.txt")
    (True, False)
    """
    try:
        return format_of(path).is_folder == Path(path).is_dir()
    except ImageFileError:
        return False


def files_of(path):
    """Return the files that an image consists of.

    Parameters
    ----------
    path : str or os.PathLike
        A file or a folder.

    Returns
    -------
    list of path-like
        `path` first; the others that hold planes of the image, as those of an OME-TIFF
        may. Only `path` where the file cannot be read.

    Examples
    --------
    >>> from n2d.io import files_of
    >>> files_of("a.png")
    ['a.png']
    """
    suffix = suffix_of(path)
    if suffix in (".hdr", ".img"):  # one is nothing without the other
        from n2d.io._nifti import others_of_pair

        return [path, *others_of_pair(path)]
    if suffix not in (".tif", ".tiff"):
        return [path]
    from n2d.io.tiff import files_of

    try:
        check_regular(path)
        return files_of(path)
    # Whatever is wrong with the file, it is said when it is opened.
    except Exception:
        return [path]


def n_slices(paths):
    """Count the files of one DICOM series, of the one with most of them.

    Parameters
    ----------
    paths : iterable of path-like
        Files of any kind.

    Returns
    -------
    int
        0 where none is of a series, or pydicom is not installed.

    Examples
    --------
    >>> from n2d.io import n_slices
    >>> n_slices(["a.tif", "b.tif"])
    0
    """
    paths = [path for path in paths if ".dcm" in format_of(path).suffixes]
    if len(paths) < 2:
        return 0
    from n2d.io.dicom import series_of

    found = Counter(series for path in paths if (series := series_of(path)))
    return max(found.values(), default=0)
