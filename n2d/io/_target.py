"""A result that is being written, plane by plane."""

import contextlib
from dataclasses import dataclass
from typing import Any

from n2d.io._lazy import View


@dataclass
class Target:
    """A result that is being written, plane by plane.

    Attributes
    ----------
    array : array-like
        What is written to, with ``shape``, ``dtype`` and basic indexing.
    """

    array: Any

    @property
    def shape(self):
        """The shape of the image."""
        return self.array.shape

    @property
    def dtype(self):
        """The data type of the file."""
        return self.array.dtype

    def is_finished(self, key):
        """Whether an earlier run finished a part: never in files written in one go."""
        del key
        return False

    def band_rows(self, axis):
        """How many neighbours along an axis can be finished alone; None: only all."""
        del axis
        return None

    @contextlib.contextmanager
    def writing(self, key):
        """Give a part to write to, which is finished when all went well."""
        yield View(self.array, key)
