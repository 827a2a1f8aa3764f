"""What is finished in an output folder, so that a run that was cut off can go on."""

import hashlib
import json
import os
import re
from pathlib import Path

_NAME = ".n2d-finished.jsonl"
_ENDS = 2**16


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


class Journal:
    """The list of finished files of an output folder, one line of JSON each.

    A line is written before its file gets its name, and counts only if the file has the
    size and the time of change that the line says. So neither a run that is killed nor
    a file that is changed afterwards is taken for finished.

    Parameters
    ----------
    folder : path-like
        The output folder.
    """

    def __init__(self, folder):
        self._path = Path(folder, _NAME)

    def _lines(self):
        try:
            text = self._path.read_bytes().decode("utf-8", "replace")
        except OSError:
            return
        for line in text.splitlines():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue  # cut off while it was written
            if isinstance(found, dict):
                yield found

    def is_finished(self, target, run_key):
        """Whether a file is the complete result of the same run.

        Parameters
        ----------
        target : Path
            The file, or folder.
        run_key : dict
            What the result depends on.

        Returns
        -------
        bool
            Whether nothing is left to do.
        """
        state = _state(target)
        wanted = {"output": target.name, "state": state, "key": _digest(run_key)}
        return state is not None and any(
            all(found.get(k) == v for k, v in wanted.items()) for found in self._lines()
        )

    def add(self, target, complete, run_key):
        """Note that a file is complete.

        Parameters
        ----------
        target : Path
            The name that it is going to have.
        complete : Path
            The name that it has now.
        run_key : dict
            What the result depends on.
        """
        line = {
            "output": target.name,
            "state": _state(complete),
            "key": _digest(run_key),
            "source": str(run_key.get("source", "")),
            "version": str(run_key.get("version", "")),
        }
        text = json.dumps(line) + "\n"
        with open(self._path, "ab+") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":  # the last line was cut off
                    text = "\n" + text
            file.write(text.encode())


def remove_leftovers(target):
    """Remove what a run that was killed has left beside a file it did not finish.

    Parameters
    ----------
    target : Path
        The file that it was to become.
    """
    target = Path(os.path.realpath(target))
    pattern = re.compile(
        rf"\.{re.escape(target.name)}(\.[0-9a-f]{{8}}\.part)+|"
        rf"\.{re.escape(target.name.strip('.'))}(\.[0-9a-f]{{8}}\.part)+"
    )
    for path in target.parent.iterdir():
        if pattern.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _state(path):
    """Size and time of change: of a file, or of the metadata of a Zarr."""
    path = Path(path)
    try:
        found = os.stat(path / "zarr.json" if path.is_dir() else path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _digest(run_key):
    text = json.dumps(run_key, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
