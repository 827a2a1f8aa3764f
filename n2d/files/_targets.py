"""Which file is written for which input: settled before anything is computed."""

import os
from pathlib import Path

from n2d.files._originals import Originals, OriginalsError
from n2d.io import SUFFIXES, files_of, format_of, is_image, name_in, suffix_of


class PlanError(ValueError):
    """The inputs and the output do not fit together."""


def plan_outputs(inputs, output, *, overwrite=False, settings=()):
    """Pair every input with the file that is written for it.

    `output` is a folder if there are several inputs, if it ends in a slash or if it
    is one; files in it are called as the inputs are. The folder is made. For several
    inputs it must not be called like an image file, which is a slip, unless it exists
    or ends in a slash.

    Parameters
    ----------
    inputs : list of Path
        Files to read.
    output : str
        A file or a folder.
    overwrite : bool, default=False
        Whether an input may be its own output.
    settings : sequence of path-like or None, optional
        Other files that are read, such as a model.

    Returns
    -------
    list of tuple of two Path
        (input, output) in the order of `inputs`.

    Raises
    ------
    PlanError
        If the output is one of the inputs and `overwrite` is not set, or is one by
        another name, a part of one or around one, if two inputs
        would be written to one file, if several would be written to something called
        like one image file, or if the folder is a file or cannot be made.
    """
    # A Zarr is a folder, and yet one image.
    is_image = len(inputs) == 1 and Path(output).suffix.lower() in SUFFIXES
    is_image = is_image and format_of(output).is_folder
    is_folder = is_meant_as_folder(output) and not is_image
    if len(inputs) > 1 and not is_folder:
        if suffix_of(output) in SUFFIXES and not Path(output).exists():
            raise PlanError(
                f"{output} is called like one image file, but there are {len(inputs)} "
                f"inputs; name a folder, or write {output}/ if it is to be called so"
            )
        is_folder = True
    if is_folder:
        pairs = [(path, Path(output) / _name_of_result(path)) for path in inputs]
    else:
        pairs = [(inputs[0], Path(output))]

    sources, originals = {}, Originals([*inputs, *settings])
    for source, target in pairs:
        key = os.path.realpath(target)
        if key in sources:
            raise PlanError(
                f"{sources[key]} and {source} would both be written to {target}; "
                "denoise them in two runs with two folders"
            )
        sources[key] = source
        if not overwrite and key == os.path.realpath(source):
            raise PlanError(
                f"{target} is the input itself; choose another output, or replace the "
                "input with --overwrite"
            )
        try:
            originals.refuse(target, source=source)
        except OriginalsError as error:
            raise PlanError(str(error)) from error
    _make_folder(Path(output) if is_folder else Path(output).parent, is_folder)
    return pairs


def _name_of_result(path):
    """Return the name of an input, with the suffix of what is written for it."""
    name, suffix = name_in(path)
    return name + (format_of(path).written_as or suffix)


def expand_inputs(inputs, *, say=None):
    """Put the images that are in a folder in the place of the folder.

    Of files that are one image together, such as the set of an OME-TIFF, the first one
    stands for all.

    Parameters
    ----------
    inputs : list of Path
        Files, Zarrs, and folders of such; folders in folders are left alone.
    say : callable, optional
        Takes a line for the user.

    Returns
    -------
    list of Path
        Files and Zarrs, those of a folder by name.

    Raises
    ------
    PlanError
        If a folder has no image.
    """
    found = []
    for path in inputs:
        if not path.is_dir() or is_image(path):
            found.append(path)
            continue
        images = [p for p in sorted(path.iterdir()) if is_image(p)]
        images = [p for p in images if not p.name.startswith(".")]
        if not images:
            raise PlanError(f"{path} has no {', '.join(SUFFIXES)} file")
        found += images
    return _one_of_each_set(found, say)


def _one_of_each_set(paths, say):
    """Leave out files whose image is in the list already, by another of its files."""
    if len(paths) < 2:
        return paths
    kept, seen = [], {}
    for path in paths:
        real = os.path.realpath(path)
        if real in seen and seen[real] != path:
            if say is not None:
                say(f"{path}: is a part of the image of {seen[real]}, and done with it")
            continue
        kept.append(path)
        for other in files_of(path)[1:]:
            seen.setdefault(os.path.realpath(other), path)
    return kept


def is_meant_as_folder(output):
    """Whether a path is one of a folder, as it is written or as it is found.

    Parameters
    ----------
    output : str
        A path that may not exist yet.

    Returns
    -------
    bool
        True if it ends in a slash, is ``.`` or ``..``, or exists as a folder.

    Examples
    --------
    >>> from n2d.files._targets import is_meant_as_folder
    >>> is_meant_as_folder("new/"), is_meant_as_folder("new.tif")
    (True, False)
    """
    return (
        output.endswith(("/", os.sep))
        or output in (os.curdir, os.pardir)
        or Path(output).is_dir()
    )


def _make_folder(folder, wanted):
    if folder.is_dir():
        return
    if not wanted:
        raise PlanError(f"the folder {folder} does not exist; make it first")
    try:
        folder.mkdir(parents=True)
    except (FileExistsError, NotADirectoryError):
        raise PlanError(
            f"{folder} is a file, but several inputs need a folder to be written to"
            if folder.exists()
            else f"{folder} cannot be made: a part of it is a file"
        ) from None
    except OSError as error:
        raise PlanError(
            f"the folder {folder} cannot be made: {error.strerror}"
        ) from None
