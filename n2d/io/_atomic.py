"""Files that appear whole or not at all."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path

from n2d._signals import finished, unfinished

# Bytes of a name: file systems take 255, and suffixes of ours are added to it.
_LONGEST = 200


@contextlib.contextmanager
def atomic_write(path, *, overwrite=False):
    """Give a temporary file beside a target, which it replaces when all went well.

    On any exception, Ctrl-C and a full disk included, the temporary file is removed and
    the target is what it was.

    Parameters
    ----------
    path : str or os.PathLike
        The target. A symbolic link is followed.
    overwrite : bool, default=False
        Whether the target may exist.

    Yields
    ------
    pathlib.Path
        An empty file in the target's folder, to be written to.

    Raises
    ------
    FileExistsError
        If the target exists, before or after the writing, and `overwrite` is False.
    OSError
        If the target could not be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from n2d.io import atomic_write
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "notes.txt")
    >>> with atomic_write(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    >>> folder.cleanup()
    """
    target = Path(os.path.realpath(path))
    check_target(target, overwrite=overwrite)
    temporary = name_beside(target)
    unfinished(temporary)
    # Not tempfile: its files are private to the user, whatever the umask says.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        # Before the rename, or a crash could leave the new name with old blocks.
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        check_target(target, overwrite=overwrite)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        if isinstance(error, OSError) and not isinstance(error, FileExistsError):
            # Libraries report a short write without a name or a number.
            raise OSError(
                error.errno or errno.EIO,
                f"could not be written, nothing is left of it "
                f"({error.strerror or error})",
                str(path),
            ) from error
        raise
    finally:
        finished(temporary)


def short_name(name):
    """Return a name that leaves room for what is added to it beside the file."""
    content = os.fsencode(name)  # of old archives, not all are UTF-8
    if len(content) <= _LONGEST:
        return name
    n = _LONGEST - 17
    while n and content[n] & 0xC0 == 0x80:  # within a letter
        n -= 1
    return f"{os.fsdecode(content[:n])}~{hashlib.sha256(content).hexdigest()[:16]}"


def name_beside(target):
    """Return another path every time, beside a target, that `remove_leftovers` knows.

    >>> from pathlib import Path
    >>> len(name_beside(Path("a" * 250 + ".tif")).name) < 255
    True
    """
    name = short_name(target.name.strip("."))
    return target.with_name(f".{name}.{secrets.token_hex(4)}.part")


def check_target(path, *, overwrite=False, folder=False):
    """Raise what `atomic_write` would, as far as it can be known beforehand.

    Parameters
    ----------
    path : str or os.PathLike
        The file to be written.
    overwrite : bool, default=False
        Whether it may exist.
    folder : bool, default=False
        Whether it is going to be a folder, as an OME-Zarr is.

    Raises
    ------
    FileExistsError
        If there is something at `path`, and it must stay.
    FileNotFoundError, IsADirectoryError, PermissionError
        If no file can be written there.

    Examples
    --------
    >>> from n2d.io import check_target
    >>> check_target("no/such/folder/notes.txt")
    Traceback (most recent call last):
    ...
    FileNotFoundError: [Errno 2] its folder does not exist: 'no/such/folder/notes.txt'
    """
    parent = Path(os.path.realpath(path)).parent
    if not parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "its folder does not exist", str(path))
    if os.path.isdir(path) and not folder:
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    with contextlib.suppress(FileNotFoundError):
        os.lstat(path)  # a name that is too long says so
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(
            errno.EEXIST,
            "exists already; only overwrite (--overwrite) replaces it",
            str(path),
        )
    if not os.access(parent, os.W_OK):
        raise PermissionError(errno.EACCES, "its folder is not writable", str(path))


def remove_leftovers(target):
    """Remove what a run that was killed has left beside a file it did not finish.

    Parameters
    ----------
    target : Path
        The file that it was to become.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from n2d.io import remove_leftovers
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     left = pathlib.Path(folder, ".a.tif.0123abcd.part")
    ...     left.touch()
    ...     remove_leftovers(pathlib.Path(folder, "a.tif"))
    ...     left.exists()
    False
    """
    target = Path(os.path.realpath(target))
    name = re.escape(short_name(target.name.strip(".")))
    pattern = re.compile(rf"\.{name}(\.[0-9a-f]{{8}}\.part)+")
    for path in target.parent.iterdir():
        if pattern.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)
