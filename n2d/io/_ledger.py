"""The one list of finished work: JSON, a line for each thing, kept through crashes.

A list of the finished files of a folder lies in it (``.n2d-finished.jsonl``); a list of
the finished blocks of a result that grows lies in its work folder. Lines are appended;
the last one may be cut off, and does not count then.
"""

import functools
import hashlib
import json
import os
from pathlib import Path

from n2d.io._limits import check_regular

_NAME = ".n2d-finished.jsonl"
_ENDS, _PLACES = 2**16, 64
_LONGEST_LINE = 2**20


class Ledger:
    """A file of JSON objects, one a line, with a check sum each or not.

    With sums, a line without its own counts as damaged.
    """

    def __init__(self, path, *, with_sums=False):
        self.path, self._with_sums = Path(path), with_sums

    def read(self):
        """Return the object of every whole line, None for damaged ones."""
        return [found for found, _ in self.lines()]

    def lines(self, start=0):
        """Yield the object of every whole line after a place, and where it ends."""
        try:
            check_regular(self.path)
            with open(self.path, "rb") as file:
                file.seek(start)
                while line := file.readline(_LONGEST_LINE):
                    if line.endswith(b"\n"):
                        yield self._parsed(line), file.tell()
                    elif len(line) == _LONGEST_LINE:  # the rest of it is damaged, too
                        yield None, file.tell()
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

    def head(self):
        """Return the beginning, by which another list in its place is known."""
        try:
            with open(self.path, "rb") as file:
                return file.read(512)
        except OSError:
            return b""

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
            file.truncate(file.read().rfind(b"\n") + 1)


def _check_sum(record):
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_digest(run_key):
    """Return a digest, hexadecimal, of what a result depends on."""
    text = json.dumps(run_key, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


# What options are called by users, where that is not the name they have here.
_NAMES = {
    "downsampling_factors": "factors",
    "input": "the input file",
    "model": "the model file",
    "random_state": "seed",
    "version": "version of n2d",
}


def told_of(run_key):
    """Return what a result depends on as a flat dict of short texts."""
    told = {}
    for name, value in run_key.items():
        if isinstance(value, dict):
            told |= told_of(value)
            continue
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if len(text) > 40:  # such as a digest
            text = hashlib.sha256(text.encode()).hexdigest()[:16]
        told[name] = text
    return told


def differing(then, now):
    """Say which of two runs' options, as from `told_of`, differ, and how.

    >>> differing({"seed": "0", "axes": "TYX"}, {"seed": "5", "axes": "TYX"})
    'seed (0 then, 5 now)'
    """
    found = []
    for name in sorted(then.keys() | now.keys()):
        old, new = then.get(name, "default"), now.get(name, "default")
        if old != new:
            text = _NAMES.get(name, name)
            if name not in ("input", "model"):
                text += f" ({old} then, {new} now)"
            found.append(text)
    return ", ".join(found)


class _Known:
    """What a list says of each file: read once, and then what has been added to it."""

    def __init__(self, ledger):
        self._ledger = ledger
        self._state, self._head, self._end, self._of = None, b"", 0, {}

    def about(self, name):
        """Return the lines about a file, the first first."""
        state = _state(self._ledger.path)
        if state is None or state != self._state:
            head = self._ledger.head()
            grew = state and self._state and state[0] > self._state[0]
            if not grew or not head.startswith(self._head):  # another, or changed
                self._end, self._of = 0, {}
            for found, end in self._ledger.lines(self._end):
                self._end = end
                if found is not None and isinstance(found.get("output"), str):
                    self._of.setdefault(found["output"], []).append(found)
            self._state, self._head = state, head
        return self._of.get(name, [])


# A folder of n files asks n times.
_known = functools.lru_cache(8)(lambda path: _Known(Ledger(path)))


class FinishedFiles:
    """Which files of a folder are the whole result of which run.

    A line is written before its file gets its name, and counts only if the file has the
    size, the time of change and, in places, the content that the line says. So neither
    a run that is killed nor a file that is changed afterwards is taken for finished.
    """

    def __init__(self, target):
        self._target = Path(target)
        self._ledger = Ledger(self._target.parent / _NAME)

    def has(self, run_key):
        """Whether the file is the whole result of a run."""
        state = _state(self._target)
        digest = run_digest(run_key)
        wanted = {"state": state, "key": digest}
        likely = [
            found.get("content")
            for found in _known(self._ledger.path).about(self._target.name)
            if all(found.get(k) == v for k, v in wanted.items())
        ]
        # Only then is the file read: times can be set, and disks count in seconds.
        return state is not None and bool(likely) and _sampled(self._target) in likely

    def difference(self, run_key):
        """Say how the run that made the file differs; "" where that is not known."""
        for found in _known(self._ledger.path).about(self._target.name)[-1:]:
            told = found.get("told")
            if isinstance(told, dict) and found.get("state") == _state(self._target):
                return differing(told, told_of(run_key))
        return ""

    def knows(self):
        """Whether the file is as some run has left it."""
        state = _state(self._target)
        return state is not None and any(
            found.get("state") == state
            for found in _known(self._ledger.path).about(self._target.name)
        )

    def add(self, complete, run_key):
        """Note that the file is complete, by the name that it has now."""
        self._ledger.append(
            {
                "output": self._target.name,
                "state": _state(complete),
                "content": _sampled(complete),
                "key": run_digest(run_key),
                "told": told_of(run_key),
                "source": str(run_key.get("source", "")),
                "version": str(run_key.get("version", "")),
            }
        )


def _state(path):
    """Return what tells versions of a file, or a folder, apart; None if it is gone."""
    try:
        found = os.stat(path)
        if os.path.isdir(path):
            return [fingerprint(path)]
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
        Of size, time of the last change and content of a file, and of names, sizes and
        times of all files of a folder, and the content of some. Of what is larger than
        4 MB, the content of 64 places.

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
        files = []
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                found = os.stat(os.path.join(folder, name))
                where = os.path.relpath(os.path.join(folder, name), path)
                line = f"{where} {found.st_size} {found.st_mtime_ns}\n"
                digest.update(line.encode(errors="surrogateescape"))
                files.append(os.path.join(folder, name))
        for number in _spread(len(files)):
            digest.update(_sampled(files[number]).encode())
    else:
        found = os.stat(path)
        digest.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
        digest.update(_sampled(path).encode())
    return digest.hexdigest()


def _sampled(path):
    """Return a digest of a file's content, or of places of a large one; "" if gone."""
    digest = hashlib.sha256()
    try:
        check_regular(path)
        with open(path, "rb") as file:
            blocks = -(-os.fstat(file.fileno()).st_size // _ENDS)
            for number in _spread(blocks):
                file.seek(number * _ENDS)
                digest.update(file.read(_ENDS))
    except OSError:
        return ""
    return digest.hexdigest()


def _spread(n):
    """Yield so many of n numbers that are read, the first and the last among them."""
    last = max(1, min(n, _PLACES) - 1)
    yield from sorted({i * (n - 1) // last for i in range(min(n, _PLACES))})
