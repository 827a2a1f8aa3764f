"""What the numbers of a TIFF's pixels mean: intensities, colours, or neither."""

import tifffile

from n2d.io._image import ImageFileError
from n2d.io.tiff._colormap import is_ramp

_KINDS = tifffile.PHOTOMETRIC


def photometric(page):
    """Return what the values of pixels mean; grey, where no tag says so.

    Parameters
    ----------
    page : tifffile.TiffPage
        Any page.

    Returns
    -------
    tifffile.PHOTOMETRIC or int
        A number that tifffile has no name for stays one.
    """
    return page.photometric if 262 in page.tags else _KINDS.MINISBLACK


def has_lookup_table(page):
    """Whether a colour map is there to show intensities with, as all of ImageJ are."""
    return page.parent.is_imagej or page.parent.is_ome or is_ramp(page.colormap)


def refuse_no_intensities(path, page):
    """Raise where the pixels are no intensities.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    page : tifffile.TiffPage
        A page whose colour map is no list of colours.
    """
    intensities = [_KINDS.MINISBLACK, _KINDS.MINISWHITE, _KINDS.RGB, _KINDS.YCBCR]
    if has_lookup_table(page):
        intensities.append(_KINDS.PALETTE)
    if photometric(page) not in intensities:
        name = getattr(page.photometric, "name", page.photometric)
        raise ImageFileError(
            f"{path}: {name} pixels are not intensities that can be denoised; convert "
            "the image to grey or RGB, for example with Fiji"
        )
