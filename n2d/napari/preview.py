"""The part of a layer that is seen, denoised: which part that is, and its layer."""

from dataclasses import dataclass

import numpy as np

from n2d.napari.layers import LayerError, placed_like

NAME = "preview"
# No more than so many pixels of each side, in the middle of what is seen.
_LARGEST_SIDE = 1024
# What is computed at a time, the middle first.
_TILE = 512


@dataclass(frozen=True)
class Seen:
    """A part of a plane.

    Attributes
    ----------
    place : tuple of int
        Of the plane, along the axes that are no part of it.
    rows, columns : slice
        The part.
    offset : tuple of int
        Its first pixel, along the axes of the layer without colours.
    is_all : bool
        Whether it is all that is seen, not only the middle of it.
    """

    place: tuple
    rows: slice
    columns: slice
    offset: tuple
    is_all: bool = True

    @property
    def shape(self):
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def tiles(self):
        """Yield the parts that are computed one after the other, the middle first."""
        parts = [
            (slice(top, min(top + _TILE, self.rows.stop)), slice(left, right))
            for top in range(self.rows.start, self.rows.stop, _TILE)
            for left in range(self.columns.start, self.columns.stop, _TILE)
            for right in [min(left + _TILE, self.columns.stop)]
        ]
        middle = [(s.start + s.stop) / 2 for s in (self.rows, self.columns)]

        def away(part):
            return sum(
                abs((s.start + s.stop) / 2 - m)
                for s, m in zip(part, middle, strict=True)
            )

        return sorted(parts, key=away)


def view_of(layer, fits, dims):
    """Find out which part of a layer is seen."""
    axes = fits.source.axes
    n_axes = layer.ndim  # without colours
    shown = [d - (dims.ndim - n_axes) for d in dims.displayed]
    plane = [axes.index("Y"), axes.index("X")]
    if dims.ndisplay != 2 or shown != plane:
        raise LayerError(
            "the preview is of a plane in the 2-D view, rows down and columns across"
        )
    at = np.asarray(layer.world_to_data(dims.point[dims.ndim - n_axes :]), float)
    at = np.clip(
        np.rint(at).astype(int), 0, np.array(fits.source.data.shape[:n_axes]) - 1
    )
    place = [int(at[i]) if i < n_axes else 0 for i in fits.outer_axes]
    if fits.source.alpha and fits.plan.channel_axis is None:
        place[-1] = 0  # grey with opacity: the grey
    corners = np.asarray(layer.corner_pixels)[:, plane].astype(float)
    if layer.multiscale:
        corners = (
            corners * np.asarray(layer.downsample_factors)[layer.data_level][plane]
        )
    sides = np.array([fits.source.data.shape[i] for i in plane])
    first, last = corners.round().astype(int)
    if (last <= first).any():  # nothing is drawn yet
        first, last = np.zeros(2, int), sides
    first = np.clip(first, 0, sides - 1)
    last = np.clip(last + 1, first + 1, sides)
    too_long = np.maximum(0, last - first - _LARGEST_SIDE)
    first += too_long // 2
    last -= too_long - too_long // 2
    offset = at.copy()
    offset[plane] = first
    return Seen(
        tuple(place),
        slice(int(first[0]), int(last[0])),
        slice(int(first[1]), int(last[1])),
        tuple(map(int, offset)),
        not too_long.any(),
    )


def picture_of(view, fits):
    """Return the noisy part, as an array for a layer, and how to write into it.

    The array has as many axes as the layer, of one entry where they are no part of the
    plane. Writing takes rows, columns and what the part there is denoised to.
    """
    source = fits.source
    axes = source.axes
    dtype = np.result_type(source.dtype, np.float32)
    if axes[-1] == "S" and source.dtype.kind == "u":
        dtype = source.dtype
    key = []
    for axis, letter in enumerate(axes):
        if letter == "Y":
            key.append(view.rows)
        elif letter == "X":
            key.append(view.columns)
        elif letter == "S":
            key.append(slice(None))
        else:  # also of channels together: the one that is seen
            key.append(slice(view.offset[axis], view.offset[axis] + 1))
    picture = np.array(source.data[tuple(key)]).astype(dtype)
    # Of channels that are denoised together, one is seen.
    together = fits.plan.channel_axis is not None and "S" not in axes
    channel = view.offset[axes.index("C")] if together else 0
    y, x = axes.index("Y"), axes.index("X")

    def write(rows, columns, clean):
        from n2d.images import convert

        at = [slice(0, 1)] * picture.ndim
        at[y] = slice(rows.start - view.rows.start, rows.stop - view.rows.start)
        at[x] = slice(
            columns.start - view.columns.start, columns.stop - view.columns.start
        )
        if together:
            clean = np.take(clean, channel, axis=fits.plan.channel_axis)
        elif axes[-1] == "S":
            at[-1] = slice(0, clean.shape[-1] if clean.ndim == 3 else 1)
        values = convert(clean, dtype)[0]
        picture[tuple(at)] = values.reshape(picture[tuple(at)].shape)

    return picture, write


def options_of(layer, view, name):
    """Keyword arguments of the layer that shows a preview."""
    options = {**placed_like(layer, view.offset), "name": name, "rgb": layer.rgb}
    if not layer.rgb:
        options["contrast_limits"] = tuple(layer.contrast_limits)
        options["colormap"] = layer.colormap
    options["blending"] = layer.blending
    options["gamma"] = layer.gamma
    options["interpolation2d"] = layer.interpolation2d
    return options
