"""A folder that fills: which of its images are whole, and not yet denoised."""

import itertools
import os
import time
from pathlib import Path

from n2d.files._growing import Grown
from n2d.io import fingerprint, is_image, plane_marks


class Arrivals:
    """Images of a folder as they are finished, each once for every change.

    Whoever writes them need not know: an image is taken for whole when its size and its
    time of change have stayed the same for `settle` seconds, and of a stack that goes
    on growing each plane when the next one has been begun. Folders in it are left
    alone, but for OME-Zarr.
    """

    def __init__(self, folder, settle):
        self._folder, self._settle = Path(folder), settle
        self._seen, self._done = {}, {}
        # Since when images have not settled; of stacks the marks of the planes that
        # are denoised, and when to look for more.
        self._since, self._marks, self._next = {}, {}, {}

    def ready(self):
        """List images that are whole and new, the oldest first."""
        now, found = time.monotonic(), []
        for path in sorted(self._folder.iterdir()):
            if path.name.startswith(".") or not is_image(path):
                continue
            state = _state(path)
            if state is None or self._done.get(path) == state:
                continue
            seen = self._seen.get(path)
            if seen is None or seen[0] != state:
                # What was there before is not waited for.
                age = max(0.0, time.time() - state[0]) if seen is None else 0.0
                seen = self._seen[path] = state, now - age
                self._since.setdefault(path, now - age)
            if now - seen[1] >= self._settle:
                self._since.pop(path, None)
                found.append((state[0], path))
        return [path for _, path in sorted(found)]

    def growing(self):
        """List stacks that go on being written to and have new planes that are whole.

        `ready` has to be asked first.
        """
        found, now = [], time.monotonic()
        for path, since in sorted(self._since.items(), key=lambda item: item[1]):
            if now < max(since + self._settle, self._next.get(path, 0.0)):
                continue
            self._next[path] = now + self._settle
            marks = plane_marks(path, settled=False)
            took = time.monotonic() - now
            if marks and marks != self._marks.get(path, [])[: len(marks)]:
                found.append(path)
            elif took > self._settle:  # no more than half of the time is spent so
                self._next[path] += took
        return found

    def grown(self, path, *, settled):
        """Say what of an image is to be denoised, and remember it for the next time.

        Returns that, None for all of it, and the marks for `took`.
        """
        marks = plane_marks(path, settled=settled)
        if not marks:
            return None, None
        same = zip(marks, self._marks.get(path, []), strict=False)
        n_kept = sum(
            1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], same)
        )
        return Grown(len(marks), n_kept), marks

    def took(self, path, marks, seconds):
        """Note which planes of a stack its result has.

        It is looked at again no sooner than after the `seconds` that they took.
        """
        self._marks[path] = marks or []
        self._next[path] = time.monotonic() + max(self._settle, seconds)

    def begin(self, path):
        """Return how an image is before it is read, for `end`; None if it has gone."""
        return _state(path)

    def end(self, path, state):
        """Note that an image was read; return False if it has changed since `begin`.

        Then it will be ready again.
        """
        same = _state(path) == state
        if same:
            self._done[path] = state
        return same

    @property
    def n_under_way(self):
        """How many images are there that have not been read as they are."""
        return sum(
            self._done.get(path) != state
            for path, (state, _) in self._seen.items()
            if path.exists()
        )


def _state(path):
    """Time of the last change, and what else tells two versions apart; None if gone."""
    try:
        found = os.stat(path)
        if not path.is_dir():
            return found.st_mtime, found.st_size
        latest = max(
            (os.stat(os.path.join(folder, name)).st_mtime)
            for folder, _, names in os.walk(path)
            for name in ["", *names]
        )
        return latest, fingerprint(path)
    except OSError:
        return None
