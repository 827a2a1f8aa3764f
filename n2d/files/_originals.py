"""Originals are safe: what is written is none of what is read, by whatever name."""

import functools
import os
from pathlib import Path

from n2d.io import ImageFileError, files_of, format_of


class OriginalsError(ValueError):
    """An output would replace or change an input."""


class Originals:
    """The files that a run reads, by device and number, links followed.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source, target = (pathlib.Path(folder, name) for name in "ab")
    ...     source.touch()
    ...     target.hardlink_to(source)
    ...     try:
    ...         Originals([source]).refuse(target)
    ...     except OriginalsError as error:
    ...         print("by another name" in str(error))
    True
    """

    def __init__(self, paths):
        self._paths = [Path(path) for path in paths if path is not None]
        self._known = {}
        for path in self._paths:
            self._known.setdefault(_identity(path), path)
        self._known.pop(None, None)  # of what is not there

    @functools.cached_property
    def _parts(self):
        """Other files of the images, such as those of the set of an OME-TIFF."""
        return {
            _identity(part): path
            for path in self._paths
            for part in files_of(path)[1:]
            if _identity(part) not in self._known
        }

    @functools.cached_property
    def _around(self):
        """All folders that an input is in, with the input."""
        found = {}
        for path in self._paths:
            for folder in Path(os.path.realpath(path)).parents:
                key = _identity(folder)
                if key in found:
                    break
                found[key] = path
        return found

    def refuse(self, target, *, source=None):
        """Raise where writing a file or a folder would change an input.

        That is where `target` is an input, a link to one, a part of one, or around one;
        it may replace `source`, by the very name that it was given.
        """
        key = _identity(target)
        if key is not None:
            found = self._known.get(key) or self._parts.get(key)
            is_own = source is not None and key == _identity(source)
            is_named = is_own and os.path.abspath(target) == os.path.abspath(source)
            if found is not None and not is_named:
                raise OriginalsError(
                    f"{target} is an input: it is {found}, which is read, by another "
                    "name (a link), or a part of it; choose another output"
                )
        # The target may not exist yet, but its folders do.
        for folder in Path(os.path.realpath(target)).parents:
            found = self._known.get(_identity(folder))
            if found is not None and found.is_dir():
                raise OriginalsError(
                    f"{target} would be inside {found}, which is read; choose another "
                    "output"
                )
        for folder in _replaced_with(target):
            found = self._around.get(_identity(folder))
            if found is not None:
                raise OriginalsError(
                    f"{folder} is around {found}, which is read, and would be "
                    "replaced; choose another output"
                )


def _replaced_with(target):
    """Yield the folders that are gone when a target is written."""
    try:
        is_folder = format_of(target).is_folder
    except ImageFileError:  # a table, a model, a folder of results
        return
    if is_folder and os.path.exists(target):
        yield target
    if is_folder:
        work = f"{os.path.realpath(target)}.n2d-part"
        if os.path.exists(work):
            yield work


def _identity(path):
    """Return device and number of what a path leads to, or None."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
