"""A folder where a result grows, with a list of what is finished of it.

``NAME.zarr.n2d-part`` lies beside the result. Its ``finished.jsonl`` has a line of JSON
for the run (input, parameters, version, shape) and one for each finished block. Lines
are appended after their block is written; the last one may be cut off by a crash and
does not count then. Every line has a check sum, so that no damaged list passes for
finished work.
"""

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

from n2d.io._image import ImageFileError

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not told apart there
    fcntl = None

SUFFIX = ".n2d-part"
_LIST = "finished.jsonl"
_FORMAT = 1


class WorkFolder:
    """The work folder of one result.

    Parameters
    ----------
    target : path-like
        What the result is going to be called.
    run : dict
        What the result depends on; JSON.
    """

    def __init__(self, target, run):
        target = Path(os.path.realpath(target))
        self.path = target.with_name(target.name + SUFFIX)
        self.image = self.path / "image.zarr"
        self._run = json.loads(json.dumps(run, default=str))
        self._done = set()
        self._file = None

    @contextlib.contextmanager
    def opened(self, *, resume, overwrite):
        """Make the folder, or go on with one that is there.

        Parameters
        ----------
        resume : bool
            Whether to go on with an earlier run, which must have been the same.
        overwrite : bool
            Whether the folder of an earlier run may be removed.

        Yields
        ------
        WorkFolder
            Itself; afterwards the folder is gone, unless something is finished in it
            and an exception has passed.

        Raises
        ------
        ImageFileError
            If there is such a folder and it may not be used, or it is damaged.
        """
        if self.path.exists():
            self._take_over(resume, overwrite)
        if not self.path.exists():
            self.path.mkdir()
            self._file = open(self.path / _LIST, "ab")
            self._lock()
            self._append({"n2d_work_folder": _FORMAT, "run": self._run})
        else:
            self._file = open(self.path / _LIST, "ab")
            self._lock()
            self._file.truncate(self._good_bytes)
        try:
            yield self
        except BaseException:
            self._file.close()
            if not any(block[0] != "made" for block in self._done):
                shutil.rmtree(self.path, ignore_errors=True)
            raise
        self._file.close()
        shutil.rmtree(self.path)

    def _take_over(self, resume, overwrite):
        listed = self.path / _LIST
        ours = listed.is_file() or not any(self.path.iterdir())
        if not ours:
            raise ImageFileError(
                f"{self.path}: is in the way, and not made by n2d; move it elsewhere"
            )
        if resume:
            self._done, self._good_bytes = self._read(listed)
            if self._done is not None:
                return
            self._done = set()  # killed before the first line was whole
        elif not overwrite and listed.is_file() and listed.stat().st_size:
            raise ImageFileError(
                f"{self.path}: was left by a run that was cut off; --resume goes on "
                "with it, --overwrite starts anew"
            )
        shutil.rmtree(self.path)

    def _read(self, path):
        """Return the finished blocks, or None, and the bytes of whole lines."""
        if not path.is_file():
            return None, 0
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        if not lines:
            return None, 0
        header = self._parsed(lines[0])
        if header.get("n2d_work_folder") != _FORMAT:
            raise ImageFileError(
                f"{path}: is of another version of n2d; --overwrite starts anew"
            )
        if header.get("run") != self._run:
            raise ImageFileError(
                f"{self.path}: is of another run ({self._difference(header)} differs); "
                "repeat the command of that run, or start anew with --overwrite"
            )
        done = set()
        for line in lines[1:]:
            block = self._parsed(line).get("block")
            if not isinstance(block, list) or not block:
                raise self._damage()
            done.add(_frozen(block))
        return done, len(whole)

    def _parsed(self, line):
        try:
            found = json.loads(line)
            checked = {k: v for k, v in found.items() if k != "sum"}
            if found.get("sum") != _check_sum(checked):
                raise ValueError("check sum")
        except (ValueError, AttributeError, RecursionError, TypeError) as error:
            raise self._damage() from error
        return checked

    def _damage(self):
        return ImageFileError(
            f"{self.path / _LIST}: is damaged; start anew with --overwrite"
        )

    def _difference(self, header):
        found = header.get("run")
        if not isinstance(found, dict):
            return "everything"
        keys = found.keys() | self._run.keys()
        names = sorted(k for k in keys if found.get(k) != self._run.get(k))
        return ", ".join(names) or "everything"

    def _lock(self):
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._file.close()
                raise ImageFileError(
                    f"{self.path}: another run is at work on it"
                ) from error

    def _append(self, line):
        text = json.dumps(line | {"sum": _check_sum(line)}) + "\n"
        self._file.write(text.encode())
        self._file.flush()

    def is_finished(self, block):
        """Whether a block is finished.

        Parameters
        ----------
        block : list
            Of texts, whole numbers and None.
        """
        return _frozen(block) in self._done

    def finish(self, block):
        """Note that a block is finished.

        Parameters
        ----------
        block : list
            Of texts, whole numbers and None.
        """
        self._append({"block": block})
        self._done.add(_frozen(block))

    def start_over(self):
        """Remove what there is of the result, and every block."""
        shutil.rmtree(self.image, ignore_errors=True)
        self._done = set()
        self._file.truncate(0)
        self._append({"n2d_work_folder": _FORMAT, "run": self._run})


def _frozen(block):
    return tuple(
        part if not isinstance(part, (list, dict)) else str(part) for part in block
    )


def _check_sum(line):
    text = json.dumps(line, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
