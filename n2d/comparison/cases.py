"""What denoisers are compared on: noisy images, with their clean versions."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2d._masked import unmasked
from n2d.io import files_of, name_in, read_image, suffix_of


@dataclass(frozen=True, eq=False)
class Case:
    """A noisy image and all that is needed to judge what a denoiser makes of it.

    Attributes
    ----------
    name : str
        Name of the case, unique among those of a comparison.
    noisy : ndarray or None
        What the denoisers get: an image, or a stack of images. None if it could not be
        read.
    clean : ndarray or None, default=None
        The truth, in the shape and unit of `noisy`. None: speed and memory are
        measured, quality is not.
    data_range : float or None, default=None
        Distance between the smallest and the largest value that the data could have,
        such as 255 for 8-bit images. Required with `clean`.
    channel_axis : int or None, default=None
        Axis of the channels, None for grey images.
    group : str, default=""
        What the case is averaged with. A group within a group is written
        ``"outer/inner"`` and counts for both.
    error : str, default=""
        Why the images could not be read; becomes the result of every denoiser.
    stack : str, default="independent"
        What the images of a stack are to each other, as `n2d.Noise2DetailDenoiser`
        takes it. For who makes the denoisers: nothing is done with it here.

    Raises
    ------
    TypeError
        If an image is a masked array that hides something.
    ValueError
        If there is a clean image without a data range or of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.comparison import Case
    >>> case = Case("flat", np.ones((8, 8)), np.zeros((8, 8)), data_range=1)
    >>> case.noisy.shape, case.group
    ((8, 8), '')
    """

    name: str
    noisy: np.ndarray | None
    clean: np.ndarray | None = None
    data_range: float | None = None
    channel_axis: int | None = None
    group: str = ""
    error: str = ""
    stack: str = "independent"

    def __post_init__(self):
        unmasked(self.noisy, "noisy")
        unmasked(self.clean, "clean")
        if self.clean is None:
            return
        if self.data_range is None:
            raise ValueError(f"case {self.name!r} has a clean image but no data_range")
        if np.shape(self.clean) != np.shape(self.noisy):
            raise ValueError(
                f"case {self.name!r}: clean has shape {np.shape(self.clean)}, noisy "
                f"{np.shape(self.noisy)}"
            )

    def fingerprint(self):
        """Digest of everything that the measurements depend on.

        Returns
        -------
        str
            16 hexadecimal digits.
        """
        digest = hashlib.sha256()
        for array in (self.noisy, self.clean):
            if array is not None:
                array = np.ascontiguousarray(array)
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.tobytes())
        digest.update(f"{self.data_range}{self.channel_axis}".encode())
        return digest.hexdigest()[:16]


def folder_cases(
    folder,
    *,
    data_range,
    channel_axis=None,
    group=None,
    noisy="noisy",
    clean="clean",
):
    """Read pairs of images from the subfolders ``noisy`` and ``clean``.

    ``noisy/X`` belongs to ``clean/X``; the extensions may differ.

    Parameters
    ----------
    folder : path-like
        Holds the two subfolders.
    data_range : float
        Distance between the smallest and the largest value that the data could have,
        such as 255 for 8-bit images.
    channel_axis : int, optional
        Axis of the channels; by default what the noisy file itself declares, if it
        does.
    group : callable, optional
        Takes the name of a case and returns its group.
    noisy, clean : str
        What the subfolders are called.

    Yields
    ------
    Case
        In the order of their names, read one at a time; the name is the file's without
        its extension.

    Raises
    ------
    FileNotFoundError
        If a subfolder or a clean image is missing. A file that can't be read is noted
        in the `Case` instead.
    """
    files = paired_files(Path(folder) / noisy, Path(folder) / clean)
    for name, (path, clean_path) in files.items():
        about = {"group": group(name) if group else ""}
        try:
            file = read_image(path)
            declared = file.channel_axis
            case = Case(
                name,
                file.data,
                read_image(clean_path).data,
                data_range=data_range,
                channel_axis=declared if channel_axis is None else channel_axis,
                **about,
            )
        except Exception as error:  # one bad file must not stop the others
            case = Case(name, None, error=why_unread(error, path), **about)
        yield case


def paired_files(noisy_folder, clean_folder=None, *, accepts=None):
    """Find the images of a folder, and their clean versions in another.

    Parameters
    ----------
    noisy_folder : path-like
        Holds the images; hidden files and folders in it are passed over.
    clean_folder : path-like, optional
        Holds a file of the same name, apart from the extension, for each.
    accepts : callable, optional
        Takes a path and says whether it counts; by default all files do.

    Returns
    -------
    dict of str to tuple of Path
        The noisy and the clean file (or None) by their name without extension, sorted.

    Raises
    ------
    FileNotFoundError
        If a folder, or the clean version of an image, is missing.
    ValueError
        If two images of a folder differ in their extension only.
    """
    noisy_files = _files_by_name(Path(noisy_folder), accepts)
    if clean_folder is None:
        return {name: (path, None) for name, path in noisy_files.items()}
    clean_files = _files_by_name(Path(clean_folder), accepts)
    missing = sorted(noisy_files.keys() - clean_files.keys())
    if missing:
        raise FileNotFoundError(
            f"{clean_folder} has no image for: {', '.join(missing)}"
        )
    return {name: (path, clean_files[name]) for name, path in noisy_files.items()}


def why_unread(error, path):
    """Return an exception as the `error` of a `Case`, whose table names no folders.

    Parameters
    ----------
    error : Exception
        What reading raised.
    path : Path
        The file that was read.

    Returns
    -------
    str
        The kind of error and its message, where the file is called by its name alone.
    """
    message = str(error).replace(f"{path.parent}{os.sep}", "")
    return f"{type(error).__name__}: {message}"


def _files_by_name(folder, accepts):
    """The files of a folder by their name without the suffix of their format."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.name[0] != "."
        and (path.is_file() if accepts is None else accepts(path))
    )
    # Of two files that are one image, the header stands for both.
    paths = [p for p in paths if suffix_of(p) != ".img" or len(files_of(p)) == 1]
    files = {name_in(path)[0]: path for path in paths}
    if len(files) < len(paths):
        raise ValueError(f"{folder} has two images of one name, differing in extension")
    return files
