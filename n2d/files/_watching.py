"""A folder that fills: which of its images are whole, and not yet denoised."""

import os
import time
from pathlib import Path

from n2d.io import fingerprint, is_image


class Arrivals:
    """Images of a folder as they are finished, each once for every change.

    Whoever writes them need not know: an image is taken for whole when its size and its
    time of change have stayed the same for a while.

    Parameters
    ----------
    folder : Path
        Where images arrive; folders in it are left alone, but for OME-Zarr.
    settle : float
        Seconds that an image has to stay the same.
    """

    def __init__(self, folder, settle):
        self._folder, self._settle = Path(folder), settle
        self._seen, self._done = {}, {}

    def ready(self):
        """List images that are whole and new, the oldest first.

        Returns
        -------
        list of Path
        """
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
            if now - seen[1] >= self._settle:
                found.append((state[0], path))
        return [path for _, path in sorted(found)]

    def begin(self, path):
        """Remember how an image is, before it is read.

        Parameters
        ----------
        path : Path
            One of those that are ready.

        Returns
        -------
        object
            For `end`; None if it has gone.
        """
        return _state(path)

    def end(self, path, state):
        """Note that an image was read, unless it has changed since `begin`.

        Parameters
        ----------
        path : Path
            The image.
        state : object
            As `begin` gave it.

        Returns
        -------
        bool
            Whether it is as it was; if not, it will be ready again.
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
