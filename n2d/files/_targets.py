"""Which file is written for which input: settled before anything is computed."""

import contextlib
import glob
import os
from dataclasses import dataclass, field
from pathlib import Path

from n2d.files._originals import Originals, OriginalsError
from n2d.io import (
    SUFFIXES,
    ImageFileError,
    files_of,
    format_of,
    is_image,
    n_slices,
    name_in,
    suffix_of,
)

_OTHER = "no image file of a kind that is read"
# Our own lists, in folders with results.
_LIST = ".n2d"
# So many names are listed for every reason to leave files out.
_LISTED = 20


class PlanError(ValueError):
    """The inputs and the output do not fit together; `option` is to blame."""

    def __init__(self, message, option="--output"):
        super().__init__(message)
        self.option = option


def plan_outputs(inputs, output, *, overwrite=False, below=None, settings=()):
    """Pair every input with the file that is written for it, or raise a PlanError.

    `output` is a folder if there are several inputs, if it ends in a slash or if it is
    one; files in it are called as the inputs are. The folder is made. For several
    inputs it must not be called like an image file, which is a slip, unless it exists
    or ends in a slash.

    With `overwrite` an input may be its own output; `below` says in which folder of the
    output results go, and `settings` are other files that are read, such as a model.
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
    below = below or {}
    if is_folder:
        pairs = [
            (path, Path(output) / below.get(path, "") / _name_of_result(path))
            for path in inputs
        ]
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
    folders = dict.fromkeys(target.parent for _, target in pairs)
    for folder in [Path(output), *folders] if is_folder else folders:
        _make_folder(folder, is_folder)
    return pairs


def _name_of_result(path):
    """Return the name of an input, with the suffix of what is written for it."""
    name, suffix = name_in(path)
    with contextlib.suppress(ImageFileError):  # said when it is opened
        suffix = format_of(path).written_as or suffix
    return name + suffix


@dataclass
class Inputs:
    """What the arguments of a command stand for.

    Attributes
    ----------
    paths : list of Path
        Files and Zarrs, those of a folder by name.
    below : dict of Path to Path
        Of files in folders of folders, where they are below the one that was named.
    left_out : list of tuple of Path and str
        What is in the folders beside images, and why it is none.
    """

    paths: list = field(default_factory=list)
    below: dict = field(default_factory=dict)
    left_out: list = field(default_factory=list)

    def lines(self):
        """Say what was left out, a line for each reason."""
        reasons = dict.fromkeys(why for _, why in self.left_out)
        for why in reasons:
            names = [str(path) for path, reason in self.left_out if reason == why]
            shown = ", ".join(names[:_LISTED])
            if len(names) > _LISTED:
                shown += f" and {len(names) - _LISTED:,} more"
            yield f"left out, {why}: {len(names):,} ({shown})"

    def advice(self, *, with_model=False):
        """Say what would be better denoised together."""
        n = n_slices(path for path in self.paths if is_image(path))
        if n > 1:
            text = (
                f"{n:,} DICOM files are slices of one series, and are denoised one by "
                "one; as one file those that agree help each other: make a NIfTI file "
                "of them (as dcm2niix does) and denoise that"
            )
            if not with_model:
                text += (
                    "; to stay with DICOM, measure the noise on all of them "
                    "(n2d fit FOLDER -o MODEL.n2d, and --model)"
                )
            yield text


def expand_inputs(inputs, *, recursive=False, outputs=()):
    """Put the images that are in a folder in the place of the folder.

    Of files that are one image together, such as the set of an OME-TIFF, the first one
    stands for all. Patterns such as ``*.tif`` stand for what is called like them.
    Folders in `outputs` are no inputs, once results of ours are in them.
    """
    found = Inputs()
    # Results, and every folder that was searched already, by its own path or a link.
    seen = {os.path.realpath(output) for output in outputs if _has_results(output)}
    for path in _without_patterns(inputs, found):
        if not is_folder_of_images(path):
            found.paths.append(path)
            continue
        before, n_left_out = len(found.paths), len(found.left_out)
        _search(path, Path(), found, recursive, seen | {os.path.realpath(path)})
        if len(found.paths) == before:
            lines = Inputs(left_out=found.left_out[n_left_out:]).lines()
            told = "".join(f"; {line}" for line in lines)
            raise PlanError(f"{path} has no image file{told}", "INPUT")
    found.paths = _one_of_each_set(found)
    return found


def _has_results(output):
    """Whether a folder has our own list of results; another may be one of originals."""
    return output is not None and any(Path(output).glob(f"{_LIST}*"))


def _without_patterns(inputs, found):
    """Yield paths, those that a pattern stands for in its place, images only."""
    for path in inputs:
        if path.exists() or not glob.has_magic(str(path)):
            yield path
            continue
        matches = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        images = [match for match in matches if match.is_dir() or is_image(match)]
        found.left_out += [(p, _OTHER) for p in matches if p not in images]
        if not images:
            raise PlanError(f"no image file is called like {path}", "INPUT")
        yield from images


def _search(folder, below, found, recursive, seen):
    """Sort what is in a folder: images, folders to go into, and what is left out."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(_LIST):
            continue
        if path.name.endswith(".n2d-part"):
            found.left_out.append((path, "unfinished, from a run that was cut off"))
        elif path.name.startswith("."):
            found.left_out.append((path, "hidden"))
        elif path.exists() and not (path.is_file() or path.is_dir()):
            found.left_out.append((path, "a pipe or a device, and no file"))
        elif is_image(path):
            found.paths.append(path)
            if below != Path():
                found.below[path] = below
        elif not path.is_dir():
            found.left_out.append((path, _OTHER))
        elif (real := os.path.realpath(path)) in seen:
            if path.is_symlink():
                found.left_out.append((path, "a link to a folder that is searched"))
        elif recursive:
            seen.add(real)
            _search(path, below / path.name, found, recursive, seen)
        else:
            found.left_out.append((path, "a folder in the folder, for --recursive"))


def _one_of_each_set(found):
    """Leave out files whose image is in the list already, by another of its files."""
    if len(found.paths) < 2:
        return found.paths
    kept, seen, given = [], {}, {}
    for path in found.paths:
        real = os.path.realpath(path)
        if os.path.abspath(path) in given:
            found.left_out.append((path, "given twice"))
            continue
        given[os.path.abspath(path)] = path
        if real in seen and seen[real] != path:
            why = f"a part of the image of {seen[real]}, and done with it"
            found.left_out.append((path, why))
            continue
        kept.append(path)
        for other in files_of(path)[1:]:
            seen.setdefault(os.path.realpath(other), path)
    return kept


def error_files(uncertainty, pairs, *, below=None, settings=()):
    """Settle the file for the standard errors of every result, by its input.

    `uncertainty` is a file; or a folder, made if it is missing, for files called like
    the results. Raises a PlanError if one is a result, or an input by whatever name.
    """
    uncertainty, found = os.fspath(uncertainty), {}
    is_folder = is_meant_as_folder(uncertainty) and not is_image(Path(uncertainty))
    results = {os.path.realpath(target) for _, target in pairs}
    originals = Originals([*(source for source, _ in pairs), *settings])
    for source, target in pairs:
        path = Path(uncertainty)
        if is_folder:
            path = path / (below or {}).get(source, "") / target.name
        if os.path.realpath(path) in results:
            raise PlanError(
                f"{path} is the result itself; name another for the errors",
                "--uncertainty",
            )
        try:
            originals.refuse(path)
        except OriginalsError as error:
            raise PlanError(str(error), "--uncertainty") from error
        found[source] = path
    for folder in {path.parent for path in found.values()} if is_folder else ():
        _make_folder(folder, is_folder)
    return found


def is_folder_of_images(path):
    """Whether a path is a folder of images; a Zarr is a folder, and one image."""
    return path.is_dir() and not is_image(path)


def is_meant_as_folder(output):
    """Whether a path ends in a slash, is ``.`` or ``..``, or exists as a folder.

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
