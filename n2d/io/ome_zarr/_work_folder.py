"""A folder where a result grows, with a list of what is finished of it.

``NAME.zarr.n2d-part`` lies beside the result. Its ``finished.jsonl`` has a line of JSON
for the run (input, parameters, version, shape) and one for each finished block. Lines
are appended after their block is written; the last one may be cut off by a crash and
does not count then. Every line has a check sum, so that no damaged list passes for
finished work.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path

from n2d.io._atomic import short_name
from n2d.io._image import ImageFileError
from n2d.io._ledger import Ledger

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
        self.path = target.with_name(short_name(target.name) + SUFFIX)
        self.image = self.path / "image.zarr"
        self._run = json.loads(json.dumps(run, default=str))
        self._ledger = Ledger(self.path / _LIST, with_sums=True)
        self._done = set()

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
        with self._locked():
            if self._ledger.path.stat().st_size:
                self._ledger.trim()
            else:
                self._begin()
            yield self
        shutil.rmtree(self.path)

    def _begin(self):
        self._ledger.append({"n2d_work_folder": _FORMAT, "run": self._run})

    def _take_over(self, resume, overwrite):
        listed = self.path / _LIST
        ours = listed.is_file() or not any(self.path.iterdir())
        if not ours:
            raise ImageFileError(
                f"{self.path}: is in the way, and not made by n2d; move it elsewhere"
            )
        if resume:
            self._done = self._read()
            if self._done is not None:
                return
            self._done = set()  # killed before the first line was whole
        elif not overwrite and listed.is_file() and listed.stat().st_size:
            raise ImageFileError(
                f"{self.path}: was left by a run that was cut off; --resume goes on "
                "with it, --overwrite starts anew"
            )
        shutil.rmtree(self.path)

    def _read(self):
        """Return the finished blocks, or None where nothing was begun."""
        lines = self._ledger.read()
        if not lines:
            return None
        if None in lines:
            raise self._damage()
        header = lines[0]
        if header.get("n2d_work_folder") != _FORMAT:
            raise ImageFileError(
                f"{self._ledger.path}: is of another version of n2d; --overwrite "
                "starts anew"
            )
        if header.get("run") != self._run:
            raise ImageFileError(
                f"{self.path}: is of another run ({self._difference(header)} differs); "
                "repeat the command of that run, or start anew with --overwrite"
            )
        blocks = [line.get("block") for line in lines[1:]]
        if not all(isinstance(block, list) and block for block in blocks):
            raise self._damage()
        return set(map(_frozen, blocks))

    def _damage(self):
        return ImageFileError(
            f"{self._ledger.path}: is damaged; start anew with --overwrite"
        )

    def _difference(self, header):
        found = header.get("run")
        if not isinstance(found, dict):
            return "everything"
        keys = found.keys() | self._run.keys()
        names = sorted(k for k in keys if found.get(k) != self._run.get(k))
        return ", ".join(names) or "everything"

    @contextlib.contextmanager
    def _locked(self):
        """Keep other runs out; clean up where nothing was finished."""
        with open(self._ledger.path, "ab") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    raise ImageFileError(
                        f"{self.path}: another run is at work on it"
                    ) from error
            try:
                yield
            except BaseException:
                if all(block[0] == "made" for block in self._done):
                    file.close()  # or Windows keeps the folder
                    shutil.rmtree(self.path, ignore_errors=True)
                raise

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
        self._ledger.append({"block": block})
        self._done.add(_frozen(block))

    def start_over(self):
        """Remove what there is of the result, and every block."""
        shutil.rmtree(self.image, ignore_errors=True)
        self._done = set()
        os.truncate(self._ledger.path, 0)
        self._begin()


def _frozen(block):
    return tuple(
        part if not isinstance(part, (list, dict)) else str(part) for part in block
    )
