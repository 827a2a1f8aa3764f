"""From an image file to what a denoiser takes, as all commands do it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from n2d.cli.axes import split_opacity, to_images
from n2d.io import ImageFile, read_image


@dataclass(frozen=True)
class LoadedImage:
    """An image file, arranged for a denoiser.

    Attributes
    ----------
    file : ImageFile
        As read.
    X : ndarray
        One image, or a stack of images along axis 0; without opacity.
    channel_axis : int or None
        The axis of X that holds the channels.
    restore : callable
        Brings an array of the shape of X into the shape of the file without opacity.
    join : callable
        Puts the opacity, if there is one, beside what `restore` returned.
    description : str
        What the file holds and how it is taken, in one line.
    """

    file: ImageFile
    X: np.ndarray
    channel_axis: int | None
    restore: Callable[[Any], Any]
    join: Callable[[Any], Any]
    description: str

    @property
    def is_stack(self):
        """Whether axis 0 of X holds images."""
        return self.X.ndim == (3 if self.channel_axis is None else 4)


def load_image(path, channel_axis=None):
    """Read an image file and arrange it for a denoiser.

    Parameters
    ----------
    path : Path
        A file that `n2d.io.read_image` reads.
    channel_axis : int, optional
        The axis of the file's array that holds channels; by default what the file
        says.

    Returns
    -------
    LoadedImage
        What a denoiser takes, and the way back.

    Raises
    ------
    n2d.io.ImageFileError, OSError
        If the file cannot be read.
    ValueError
        If it has no such `channel_axis`.
    """
    file = read_image(path)
    intensities, join = file, lambda array: array
    if file.alpha:
        data, axes, join = split_opacity(file.data, file.axes)
        intensities = replace(file, data=data, axes=axes)
    X, axis, restore = to_images(
        intensities.data,
        intensities.axes,
        intensities.channel_axis if channel_axis is None else channel_axis,
    )
    loaded = LoadedImage(file, X, axis, restore, join, "")
    return replace(loaded, description=_describe(loaded, channel_axis))


def _describe(loaded, asked):
    """Say what a file holds and how it is taken."""
    file, X, axis = loaded.file, loaded.X, loaded.channel_axis
    text = f"{' x '.join(map(str, file.data.shape))}, {file.data.dtype}"
    if file.axes != "YX":
        text += f", axes {file.axes}"
    if axis is not None:
        source = "as the file says" if asked is None else "as --channel-axis says"
        text += f"; {X.shape[axis]} channels together, {source}"
    if file.alpha:
        text += "; opacity kept as it is"
    if loaded.is_stack:
        text += f"; {X.shape[0]} images, one network and scale for all"
    return text
