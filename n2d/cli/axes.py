"""From the axes of a file to an image or a stack of images, and back."""

import numpy as np


def to_images(data, axes, channel_axis=None):
    """Arrange a file's array as the estimator wants it.

    Parameters
    ----------
    data : ndarray
        As read.
    axes : str
        One letter per axis of `data`; "Y" and "X" are the rows and the columns.
    channel_axis : int or None, default=None
        Which axis of `data` holds the channels. Where it is the one named "Y" or "X",
        the last two of the others are the rows and the columns.

    Returns
    -------
    X : ndarray
        A view of `data` or, where it had several axes besides the image's, a copy: one
        image, or a stack of images along axis 0.
    channel_axis : int or None
        The axis of X that holds the channels.
    back : callable
        Brings an array of the shape of X into the shape of `data`.

    Raises
    ------
    ValueError
        If `channel_axis` is not an axis of `data`.
    """
    n_axes = data.ndim
    if channel_axis is None:
        channels = []
    elif -n_axes <= channel_axis < n_axes:
        channels = [channel_axis % n_axes]
    else:
        raise ValueError(
            f"--channel-axis {channel_axis}: the file has the {n_axes} axes {axes}, of "
            f"shape {'x'.join(map(str, data.shape))}"
        )
    others = [axis for axis in range(n_axes) if axis not in channels]
    if len(others) < 2:
        raise ValueError(
            f"--channel-axis {channel_axis}: the file has the axes {axes} only, "
            "and none of them can hold channels"
        )
    plane = [axis for axis in others if axes[axis] in "YX"]
    if len(plane) != 2:
        plane = others[-2:]
    stacked = [axis for axis in others if axis not in plane]
    image = sorted(channels + plane)
    order = stacked + image
    arranged = data.transpose(order)
    X = arranged
    if len(stacked) > 1:
        X = arranged.reshape(-1, *arranged.shape[len(stacked) :])
    inverse = [order.index(axis) for axis in range(n_axes)]

    def back(array):
        return array.reshape(arranged.shape).transpose(inverse)

    if not channels:
        return X, None, back
    return X, image.index(channels[0]) + min(len(stacked), 1), back


def split_opacity(data, axes):
    """Take the opacity, the last sample of every pixel, away from the intensities.

    Parameters
    ----------
    data : ndarray
        Pixels of two or more samples, the last of which is opacity.
    axes : str
        One letter per axis of `data`, with "S" for the samples.

    Returns
    -------
    intensities : ndarray
        `data` without the last sample, and without the axis of the samples
        if only one is left.
    axes : str
        One letter per axis of `intensities`.
    join : callable
        Puts the opacity back beside new intensities, in their data type.
    """
    axis = axes.index("S")
    intensities = np.take(data, range(data.shape[axis] - 1), axis)
    opacity = np.take(data, [-1], axis)
    single = intensities.shape[axis] == 1
    if single:
        intensities, axes = intensities.squeeze(axis), axes.replace("S", "")

    def join(array):
        array = np.expand_dims(array, axis) if single else array
        return np.concatenate([array, opacity.astype(array.dtype)], axis)

    return intensities, axes, join
