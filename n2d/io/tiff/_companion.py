"""The OME-XML of a TIFF that is in another file of its folder."""

import os
import xml.etree.ElementTree as ElementTree

import tifffile

from n2d.io._limits import read_text
from n2d.io.tiff import _ome_xml as ome
from n2d.io.tiff._chain import refuse_circles


def found_beside(path, tif):
    """Return the OME-XML of a file that only names another with it.

    Parameters
    ----------
    path : path-like
        The file.
    tif : tifffile.TiffFile
        The same, open.

    Returns
    -------
    xml : str or None
        The XML, as if it was in the file itself; None where the file names no other,
        or that is of no use.
    note : str or None
        What a user should know, where it is of no use.
    """
    named = _named(tif)
    if named is None:
        return None, None
    name, uuid, own_uuid = named
    folder = os.path.realpath(os.path.dirname(os.path.realpath(path)))
    other = os.path.realpath(os.path.join(folder, name))
    lost = f"axes, pixel sizes and names of channels are in {name!r}, which"
    if not other.startswith(folder + os.sep) or not os.path.exists(other):
        return None, f"its {lost} is not beside it: they are not kept"
    try:
        xml = _xml_in(other)
        if ome.uuid_of(xml) not in (None, uuid):
            return None, f"its {lost} is of other files: they are not kept"
        return ome.as_of_file(xml, own_uuid), None
    # Whatever is wrong with the other file, this one has its pixels.
    except Exception as error:
        return None, f"its {lost} cannot be read ({error}): they are not kept"


def _named(tif):
    """Return name and identifier of the file with the XML, and one's own; or None."""
    xml = tif.ome_metadata if tif.is_ome else None
    if not xml or "BinaryOnly" not in xml:
        return None
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:  # tifffile reads the pages without it
        return None
    element = root.find("{*}BinaryOnly")
    if element is None or not element.get("MetadataFile"):
        return None
    return element.get("MetadataFile"), element.get("UUID"), root.get("UUID")


def _xml_in(path):
    """Return the XML that is in a file, by itself or as the description of a TIFF."""
    if not path.lower().endswith((".tif", ".tiff", ".tf2", ".tf8", ".btf")):
        return read_text(path)
    refuse_circles(path)
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    if not xml or "BinaryOnly" in xml:
        raise ValueError("it has no OME-XML")
    return xml
