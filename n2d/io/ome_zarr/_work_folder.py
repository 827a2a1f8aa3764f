"""A folder where a result grows, with a list of what is finished of it.

``NAME.zarr.n2d-part`` lies beside the result. Its ``finished.jsonl`` has a line of JSON
for the run (input, parameters, version, shape) and one for each finished block. Lines
are appended after their block is written; the last one may be cut off by a crash and
does not count then. Every line has a check sum, so that no damaged list passes for
finished work.

Whoever holds a lock on the list owns the folder, the result and the earlier result that
is to be replaced. Nothing is removed without the lock, and nothing but what n2d has put
there.
"""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

from n2d._signals import deferred, finished, unfinished
from n2d.io._atomic import short_name
from n2d.io._image import ImageFileError
from n2d.io._ledger import Ledger, differing, told_of

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not told apart there
    fcntl = None

SUFFIX = ".n2d-part"
_LIST, _IMAGE, _REPLACED = "finished.jsonl", "image.zarr", "replaced.zarr"
_FORMAT = 1
# How often to try again where another run removes the folder at the same moment.
_TRIES = 20


class WorkFolder:
    """The work folder of one result."""

    def __init__(self, target, run):
        self.target = Path(os.path.realpath(target))
        self.path = self.target.with_name(short_name(self.target.name) + SUFFIX)
        self.image, self._replaced = self.path / _IMAGE, self.path / _REPLACED
        self._run = json.loads(json.dumps(run, default=str))
        self._ledger = Ledger(self.path / _LIST, with_sums=True)
        self._done, self._lock = set(), None

    @contextlib.contextmanager
    def opened(self, *, resume, overwrite):
        """Make the folder, or go on with one of the same run that is there.

        Afterwards it is gone, unless something is finished in it and an exception has
        passed. With `overwrite` what an earlier run has left may be removed.
        """
        self._acquire()
        unfinished(self.path)
        try:
            is_new = not self._begun(resume, overwrite)
            if is_new:
                self.start_over()
            else:
                self._keep_if_worth()
            try:
                yield self
            except BaseException:
                if not self._is_worth_keeping:
                    self._remove()
                raise
            with deferred():
                self._remove()
        finally:
            self._lock.close()
            finished(self.path)

    @property
    def _is_worth_keeping(self):
        """Whether anything is finished but the empty arrays, and not in use yet."""
        return any(block[0] != "made" for block in self._done)

    def _keep_if_worth(self):
        if self._is_worth_keeping:
            finished(self.path)

    def _acquire(self):
        """Make the folder, or take the one that is there, and keep other runs out."""
        for _ in range(_TRIES):
            self._refuse_others_folder()
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.path)
            try:
                self._lock = open(self._ledger.path, "ab")
            except FileNotFoundError:  # removed again, by a run that has ended
                continue
            try:
                if fcntl is not None:
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._lock.close()
                raise self._at_work() from error
            if self._is_ours():
                return
            self._lock.close()
        raise self._at_work()

    def _at_work(self):
        return ImageFileError(f"{self.path}: another run is at work on it")

    def _refuse_others_folder(self):
        """Raise where there is something that n2d has not made."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            if not os.path.islink(self.path):
                return
            names = None
        except NotADirectoryError:
            names = None
        if names is None or os.path.islink(self.path):
            strange = "no folder"
        else:
            strange = ", ".join(sorted({*names} - {_LIST, _IMAGE, _REPLACED})[:3])
            links = [n for n in names if os.path.islink(self.path / n)]
            if not strange and (links or (names and _LIST not in names)):
                strange = ", ".join(sorted(links or names)[:3])
            elif not strange and not self._is_list():
                strange = _LIST
        if strange:
            raise ImageFileError(
                f"{self.path}: is in the way, and not made by n2d ({strange}); move it "
                "elsewhere"
            )

    def _is_list(self):
        """Whether what is called like the list of finished blocks may be one."""
        try:
            with open(self._ledger.path, "rb") as file:
                start = file.read(4096)
        except FileNotFoundError:
            return True
        # Damaged ones still have their marks; a first line may be cut off.
        marks = (b'"n2d_work_folder"', b'"block"', b'"run"', b'"sum"')
        whole = b"\n" in start
        return not whole or any(mark in start for mark in marks)

    def _is_ours(self):
        """Whether the folder is still the one that this run has locked."""
        try:
            there = os.stat(self._ledger.path)
        except OSError:
            return False
        held = os.fstat(self._lock.fileno())
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)

    def _begun(self, resume, overwrite):
        """Settle what is finished; False if all is to be made anew."""
        if not self._ledger.path.stat().st_size:
            return False
        if resume:
            try:
                done = self._read()
            except ImageFileError:
                if not overwrite:
                    raise
                return False  # the input has changed since
            if done is None:  # killed before the first line was whole
                return False
            self._done = done
            self._ledger.trim()
            return True
        if not overwrite:
            raise ImageFileError(
                f"{self.path}: was left by a run that was cut off; --resume goes on "
                "with it, --overwrite starts anew"
            )
        return False

    def _begin(self):
        self._ledger.append({"n2d_work_folder": _FORMAT, "run": self._run})

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
        return differing(told_of(found), told_of(self._run)) or "everything"

    def is_finished(self, block):
        """Whether a block is finished."""
        return _frozen(block) in self._done

    def finish(self, block):
        """Note that a block is finished; raise if somebody else removed the folder."""
        self.check_ours()
        self._ledger.append({"block": block})
        self._done.add(_frozen(block))
        self._keep_if_worth()

    def check_ours(self):
        """Raise where somebody has removed the folder while the result grew in it."""
        if self._is_ours():
            return
        if not os.path.lexists(self._ledger.path):
            # What zarr has made again of what was removed is no use to anybody.
            shutil.rmtree(self.image, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
        raise ImageFileError(
            f"{self.path}: was removed or replaced while the result grew in it, so "
            f"that {self.target} was not written; denoise it again"
        )

    def start_over(self):
        """Remove what there is of the result, and every block."""
        self._restore()
        _remove_folder(self.image)
        self._done = set()
        os.truncate(self._ledger.path, 0)
        self._begin()

    def publish(self, *, overwrite):
        """Give the result its name; it has been proven before.

        An earlier result, where it may be replaced, is removed when the new one has its
        place, and put back if that fails.
        """
        self.check_ours()
        with deferred():
            self._publish(overwrite)

    def _publish(self, overwrite):
        if os.path.lexists(self.target):
            if not overwrite:
                raise FileExistsError(errno.EEXIST, "exists already", str(self.target))
            _remove_folder(self._replaced)
            os.rename(self.target, self._replaced)
        try:
            os.rename(self.image, self.target)
        except BaseException:
            self._restore()
            raise
        self._done = set()  # nothing is left to go on with

    def _restore(self):
        """Put an earlier result back that was on its way out when a run was killed."""
        if not os.path.lexists(self._replaced):
            return
        if os.path.lexists(self.target):
            _remove_folder(self._replaced)
        else:
            os.rename(self._replaced, self.target)

    def _remove(self):
        """Remove the folder with all that n2d has put there, and nothing else."""
        if not self._is_ours():
            return
        self._restore()
        os.truncate(self._ledger.path, 0)  # before what it lists is gone
        _remove_folder(self.image)
        self._ledger.path.unlink(missing_ok=True)
        if os.name == "nt":  # where an open file keeps the folder
            self._lock.close()
        with contextlib.suppress(OSError):
            os.rmdir(self.path)


def _remove_folder(path):
    if os.path.lexists(path):
        shutil.rmtree(path)


def _frozen(block):
    return tuple(
        part if not isinstance(part, (list, dict)) else str(part) for part in block
    )
