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
        """Whether a part was finished by an earlier run that was cut off.

        Parameters
        ----------
        key : tuple of int and slice
            The part.

        Returns
        -------
        bool
            Always False, for files that are written in one go at the end.
        """
        del key
        return False

    def band_rows(self, axis):
        """How many neighbours along an axis can be finished by themselves.

        Parameters
        ----------
        axis : int
            An axis of the image.

        Returns
        -------
        int or None
            Always None, for files that are written in one go at the end.
        """
        del axis
        return None

    @contextlib.contextmanager
    def writing(self, key):
        """Give a part to write to, which is finished when all went well.

        Parameters
        ----------
        key : tuple of int and slice
            The part: one entry for each axis.

        Yields
        ------
        array-like
            With the shape of the part.
        """
        yield View(self.array, key)
