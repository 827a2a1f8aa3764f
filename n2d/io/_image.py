"""What reading a file gives, whatever its format."""

from dataclasses import dataclass, field

import numpy as np


class ImageFileError(OSError):
    """A file is damaged, of an unsupported kind, or unable to hold an image.

    The message names the file and says what to do.
    """


@dataclass(frozen=True)
class ImageFile:
    """An image as read from a file, with what is needed to write one like it.

    Attributes
    ----------
    data : ndarray
        The pixels, in the file's own data type and native byte order.
    axes : str
        One letter per axis of `data`: ``"Y"`` and ``"X"`` always, ``"S"`` for the
        samples of a pixel (RGB), ``"C"`` for channels, and for series of planes
        ``"T"`` (time), ``"Z"`` (depth), ``"I"`` or ``"Q"`` (the file does not say).
    format : str
        "tiff", "png" or "jpeg".
    alpha : bool, default=False
        Whether the last sample of a pixel is its opacity.
    metadata : dict
        What the format's own module keeps to write a file like this one.
    notes : tuple of str, default=()
        What a user should know, such as metadata that cannot be kept.
    """

    data: np.ndarray
    axes: str
    format: str
    alpha: bool = False
    metadata: dict = field(default_factory=dict)
    notes: tuple = ()

    @property
    def channel_axis(self):
        """The axis of samples or channels that the file declares, or None."""
        for letter in "SC":
            if letter in self.axes:
                return self.axes.index(letter)
        return None
