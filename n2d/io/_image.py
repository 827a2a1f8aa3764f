"""What reading a file gives, whatever its format."""

import contextlib
from dataclasses import dataclass, field
from typing import Any


class ImageFileError(OSError):
    """A file is damaged, of an unsupported kind, or unable to hold an image.

    The message names the file and says what to do.
    """


def turned(orientation):
    """Say in a note that viewers show a picture turned, and nothing else does."""
    return (
        f"its orientation tag ({orientation}) has viewers turn the picture; the pixels "
        "stay as they are, and so does the tag where the result has room for it"
    )


@dataclass(frozen=True)
class ImageFile:
    """An image as read from a file, with what is needed to write one like it.

    A context manager: leaving it closes the file that `data` may be read from.

    Attributes
    ----------
    data : ndarray or array-like
        The pixels, in the file's own data type and native byte order: an array, or,
        from `n2d.io.open_image`, something with ``shape``, ``dtype`` and basic indexing
        that reads windows from the file.
    axes : str
        One letter per axis of `data`: ``"Y"`` and ``"X"`` always, ``"S"`` for the
        samples of a pixel (RGB), ``"C"`` for channels, and for series of planes
        ``"T"`` (time), ``"Z"`` (depth), ``"I"`` or ``"Q"`` (the file does not say).
    format : str
        "tiff", "png", "jpeg", "zarr", "npy", "mrc", "nifti" or "dicom".
    alpha : bool, default=False
        Whether the last sample of a pixel is its opacity.
    metadata : dict
        What the format's own module keeps to write a file like this one.
    notes : tuple of str, default=()
        What a user should know, such as metadata that cannot be kept.
    pixel_size : dict of str to tuple of float and str
        The distance of neighbours along an axis, by its letter, and the unit: a name
        such as "micrometer" or "second", or "" where the file does not say.
    channel_names : tuple of str, default=()
        Names of the channels along ``"C"``, where the file has them.
    gaps : array-like of bool, optional
        True where the file says that there is no intensity, only padding; with the
        shape of `data`. None if there is no such place.
    """

    data: Any
    axes: str
    format: str
    alpha: bool = False
    metadata: dict = field(default_factory=dict)
    notes: tuple = ()
    pixel_size: dict = field(default_factory=dict)
    channel_names: tuple = ()
    gaps: Any = None
    resources: contextlib.ExitStack = field(
        default_factory=contextlib.ExitStack, repr=False, compare=False
    )

    @property
    def channel_axis(self):
        """The axis of samples or channels that the file declares, or None."""
        for letter in "SC":
            if letter in self.axes:
                return self.axes.index(letter)
        return None

    def close(self):
        """Close the file, if it is open."""
        self.resources.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
