"""What the numbers of a TIFF's pixels mean: intensities, colours, or neither."""

import tifffile

from n2d.io._image import ImageFileError
from n2d.io.tiff import _ycbcr as ycbcr
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


def refuse_mixed(path, pages):
    """Raise where the numbers of some pages mean something else than those of others.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    pages : list of tifffile.TiffPage or tifffile.TiffFrame
        Those that become one image; None for one that is missing.
    """
    # Frames only know what the page has that they are like.
    found = {_meaning(one.keyframe): None for one in pages if one is not None}
    if len(found) > 1:
        names = " and ".join(dict.fromkeys(name for name, _ in found))
        raise ImageFileError(
            f"{path}: its pages are {names}, whose numbers do not mean the same; save "
            "them all in one way, for example with Fiji"
        )


def _meaning(page):
    """Return the name of what pixels mean, and how colours are coded in them."""
    kind = photometric(page)
    coding = ycbcr.coding(page) if ycbcr.is_stored(page) else None
    return str(getattr(kind, "name", kind)), coding
