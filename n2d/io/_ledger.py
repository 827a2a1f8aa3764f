"""The one list of finished work: JSON, a line for each thing, kept through crashes.

A list of the finished files of a folder lies in it (``.n2d-finished.jsonl``); a list of
the finished blocks of a result that grows lies in its work folder. Lines are appended;
the last one may be cut off, and does not count then.
"""

import hashlib
import json
import os
from pathlib import Path

from n2d.io._limits import check_regular

_NAME = ".n2d-finished.jsonl"
_ENDS = 2**16
_LONGEST_LINE = 2**20


class Ledger:
    """A file of JSON objects, one a line.

    Parameters
    ----------
    path : path-like
        The file.
    with_sums : bool, default=False
        Whether every line has a check sum, without which it counts as damaged.
    """

    def __init__(self, path, *, with_sums=False):
        self.path, self._with_sums = Path(path), with_sums

    def read(self):
        """Return the object of every whole line, None for damaged ones."""
        return list(self._lines())

    def _lines(self):
        try:
            check_regular(self.path)
            with open(self.path, "rb") as file:
                while line := file.readline(_LONGEST_LINE):
                    if line.endswith(b"\n"):
                        yield self._parsed(line)
                    elif len(line) == _LONGEST_LINE:  # the rest of it is damaged, too
                        yield None
        except OSError:
            return

    def _parsed(self, line):
        try:
            found = json.loads(line)
            if self._with_sums and found.pop("sum", None) != _check_sum(found):
                return None
        except (ValueError, AttributeError, RecursionError, TypeError):
            return None
        return found if isinstance(found, dict) else None

    def append(self, record):
        """Add a line."""
        if self._with_sums:
            record = record | {"sum": _check_sum(record)}
        text = json.dumps(record) + "\n"
        with open(self.path, "ab+") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":  # the last line was cut off
                    text = "\n" + text
            file.write(text.encode())

    def trim(self):
        """Cut off a last line that is not whole."""
        with open(self.path, "rb+") as file:
            file.truncate(_whole(file.read()))


def _whole(content):
    return content.rfind(b"\n") + 1


def _check_sum(record):
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_digest(run_key):
    """Return a digest, hexadecimal, of what a result depends on."""
    text = json.dumps(run_key, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class FinishedFiles:
    """Which files of a folder are the whole result of which run.

    A line is written before its file gets its name, and counts only if the file has the
    size and the time of change that the line says. So neither a run that is killed nor
    a file that is changed afterwards is taken for finished.

    Parameters
    ----------
    target : path-like
        One of the files.
    """

    def __init__(self, target):
        self._target = Path(target)
        self._ledger = Ledger(self._target.parent / _NAME)

    def has(self, run_key):
        """Whether the file is the whole result of a run."""
        state = _state(self._target)
        digest = run_digest(run_key)
        wanted = {"output": self._target.name, "state": state, "key": digest}
        return state is not None and any(
            all(found.get(k) == v for k, v in wanted.items())
            for found in self._ledger.read()
            if found is not None
        )

    def add(self, complete, run_key):
        """Note that the file is complete, by the name that it has now."""
        self._ledger.append(
            {
                "output": self._target.name,
                "state": _state(complete),
                "key": run_digest(run_key),
                "source": str(run_key.get("source", "")),
                "version": str(run_key.get("version", "")),
            }
        )


def _state(path):
    """Return size and time of change of a file, or None."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def fingerprint(path):
    """Tell whether an input is still the same, without reading all of it.

    Parameters
    ----------
    path : path-like
        A file, or the folder of a Zarr.

    Returns
    -------
    str
        Of size, time of the last change and both ends of a file; of names, sizes and
        times of all files of a folder.

    Raises
    ------
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from n2d.io import fingerprint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "notes.txt")
    ...     _ = path.write_text("one")
    ...     before = fingerprint(path)
    ...     _ = path.write_text("another")
    ...     fingerprint(path) == before
    False
    """
    path = Path(path)
    digest = hashlib.sha256()
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                found = os.stat(os.path.join(folder, name))
                where = os.path.relpath(os.path.join(folder, name), path)
                digest.update(f"{where} {found.st_size} {found.st_mtime_ns}\n".encode())
    else:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            digest.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
            digest.update(file.read(_ENDS))
            file.seek(max(0, found.st_size - _ENDS))
            digest.update(file.read(_ENDS))
    return digest.hexdigest()
