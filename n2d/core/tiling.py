"""Which windows to read so that a tiled result equals the untiled one."""

from typing import NamedTuple


class Tile(NamedTuple):
    """A part of an image and the larger window it is computed from.

    Attributes
    ----------
    top, left, height, width : int
        The part of the image that is written.
    window : tuple of four ints
        Top, left, height and width of what is read; may go beyond the image's lower
        and right border.
    """

    top: int
    left: int
    height: int
    width: int
    window: tuple

    def crop(self, values):
        """Cut the tile (..., height, width) out of values computed on its window."""
        rows = slice(self.top - self.window[0], self.top - self.window[0] + self.height)
        columns = slice(
            self.left - self.window[1], self.left - self.window[1] + self.width
        )
        return values[..., rows, columns]

    @property
    def halo(self):
        """Pixels of the window above, below, left and right of the tile."""
        top, left, height, width = self.window
        above, before = self.top - top, self.left - left
        # What a window has beyond the image is no halo, but at most its padding.
        below, after = height - above - self.height, width - before - self.width
        return above, max(0, below), before, max(0, after)


def padded_side(side, multiple):
    """Round the side of an image up to a multiple."""
    return -(-side // multiple) * multiple


def tiles(height, width, *, side, reach, multiple, region=None):
    """Cover an image with tiles whose windows hold all that they depend on.

    Windows start at multiples of `multiple`, so that phase images and half-size images
    are those of the whole image, and end inside it or at its padded border, so that
    convolutions meet a border only where the image has one.

    Parameters
    ----------
    height, width : int
        Size of the image.
    side : int
        Largest side of a tile; rounded up to a multiple of `multiple`. Tiles are equal.
    reach : int
        How far away a pixel can still change the result.
    multiple : int
        What both sides of a window have to be multiples of.
    region : tuple of four int, optional
        Top, left, height and width of the part of the image to cover; by default all
        of it.

    Yields
    ------
    Tile
        Row by row; together the tiles cover the image, or the region, once.

    Examples
    --------
    >>> from n2d.core.tiling import tiles
    >>> for tile in tiles(5, 20, side=8, reach=3, multiple=4):
    ...     print(tile)
    Tile(top=0, left=0, height=5, width=8, window=(0, 0, 8, 12))
    Tile(top=0, left=8, height=5, width=8, window=(0, 4, 8, 16))
    Tile(top=0, left=16, height=5, width=4, window=(0, 12, 8, 8))
    """
    side = padded_side(side, multiple)
    halo = padded_side(reach, multiple)
    top, left, *extent = (0, 0, height, width) if region is None else region
    rows = list(_intervals(height, top, extent[0], side, halo, multiple))
    columns = list(_intervals(width, left, extent[1], side, halo, multiple))
    for tile_top, tile_height, window_top, window_height in rows:
        for tile_left, tile_width, window_left, window_width in columns:
            window = (window_top, window_left, window_height, window_width)
            yield Tile(tile_top, tile_left, tile_height, tile_width, window)


def _intervals(length, start, extent, side, halo, multiple):
    """Start and length of every tile and of its window, along one axis."""
    padded = padded_side(length, multiple)
    # As few tiles as there can be, of equal sides: no slivers, no thread that waits.
    n_tiles = -(-extent // side)
    side = padded_side(-(-extent // n_tiles), multiple)
    for first in range(start, start + extent, side):
        last = min(start + extent, first + side)
        window_start = max(0, (first - halo) // multiple * multiple)
        window_end = min(padded, padded_side(last + halo, multiple))
        yield first, last - first, window_start, window_end - window_start
