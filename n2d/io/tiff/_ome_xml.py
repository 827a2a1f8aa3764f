"""The XML of an OME-TIFF: what is in it, and what changes when pixels do.

Nothing is written from scratch: the file's own XML is kept, and only what it says of
the layout of the pixels is brought up to date.
"""

import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import quoteattr

from n2d.io._units import unit_name, unit_symbol

_TYPES = {
    "bool": "bit",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
}


def can_hold(dtype):
    """Whether OME-XML has a name for a data type."""
    return dtype.name in _TYPES


def sizes_and_names(xml):
    """Return the pixel size and the channels' names that OME-XML says.

    Parameters
    ----------
    xml : str
        OME-XML.

    Returns
    -------
    pixel_size : dict of str to tuple of float and str
        As in `n2d.io.ImageFile`.
    names : tuple of str
        Of the channels; () if they have none.

    Examples
    --------
    >>> from n2d.io.tiff._ome_xml import sizes_and_names
    >>> sizes_and_names(
    ...     '<OME><Image><Pixels PhysicalSizeX="0.5" PhysicalSizeXUnit="nm">'
    ...     '<Channel Name="DAPI"/></Pixels></Image></OME>'
    ... )
    ({'X': (0.5, 'nanometer')}, ('DAPI',))
    """
    pixels = _root(xml).find(".//{*}Image/{*}Pixels")
    if pixels is None:
        return {}, ()
    sizes = {}
    attributes = [(f"PhysicalSize{letter}", letter) for letter in "XYZ"]
    for name, letter in [*attributes, ("TimeIncrement", "T")]:
        default = "s" if letter == "T" else "µm"
        try:
            value = float(pixels.get(name, "0"))
        except ValueError:
            continue
        if 0 < value < float("inf"):
            sizes[letter] = (value, unit_name(pixels.get(f"{name}Unit", default)))
    names = tuple(channel.get("Name", "") for channel in pixels.findall("{*}Channel"))
    return sizes, names if any(names) else ()


def adapted(xml, dtype, n_pages):
    """Bring OME-XML up to date with pixels that are written anew, into one file.

    Parameters
    ----------
    xml : str
        OME-XML of the file that the pixels are from.
    dtype : dtype
        Of the new pixels.
    n_pages : int
        How many pages are going to be written, in the order they had.

    Returns
    -------
    bytes or None
        UTF-8; None where the XML is not about so many pages.
    """
    root = _root(xml)
    all_pixels = root.findall(".//{*}Image/{*}Pixels")
    expected = [_n_pages(pixels) for pixels in all_pixels]
    if not all_pixels or None in expected or sum(expected) != n_pages:
        return None
    root.attrib.pop("UUID", None)  # of another file
    first = 0
    for pixels, n in zip(all_pixels, expected, strict=True):
        if pixels.get("Type") != _TYPES[dtype.name]:
            pixels.set("Type", _TYPES[dtype.name])
            pixels.attrib.pop("SignificantBits", None)
        pixels.attrib.pop("BigEndian", None)
        for name in ("BinData", "TiffData", "MetadataOnly"):
            for element in pixels.findall(f"{{*}}{name}"):
                pixels.remove(element)
        namespace = pixels.tag.partition("}")[0] + "}" if "}" in pixels.tag else ""
        data = ElementTree.Element(
            f"{namespace}TiffData", {"IFD": str(first), "PlaneCount": str(n)}
        )
        # The schema has the channels first, and planes and the like after.
        place = len(pixels.findall("{*}Channel"))
        pixels.insert(place, data)
        first += n
    return _as_bytes(root)


def _as_bytes(root):
    """Write XML with the namespace of its root as the one without a prefix."""
    uri, brace, name = root.tag[1:].partition("}")
    if not brace:
        return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    # Not ElementTree.register_namespace, which is for the whole process.
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{uri}}}")
    xml = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    start = f"<{name}".encode()
    return xml.replace(start, start + f" xmlns={quoteattr(uri)}".encode(), 1)


def new_metadata(axes, pixel_size, channel_names):
    """Return what tifffile's writer of OME-XML takes, for images of other formats."""
    metadata = {"axes": axes}
    for letter, (value, unit) in pixel_size.items():
        if letter not in axes:
            continue
        name = "TimeIncrement" if letter == "T" else f"PhysicalSize{letter}"
        metadata[name] = value
        metadata[f"{name}Unit"] = unit_symbol(unit) or "pixel"
        if letter == "T" and not unit:
            metadata.pop(f"{name}Unit")
    if channel_names and "C" in axes:
        metadata["Channel"] = {"Name": list(channel_names)}
    return metadata


def _root(xml):
    # ElementTree refuses text with a declaration of another encoding than its own.
    return ElementTree.fromstring(xml.encode("utf-8") if isinstance(xml, str) else xml)


def _n_pages(pixels):
    """How many pages the planes of an image take, or None if it does not say."""
    try:
        n = 1
        for letter in "ZTC":
            n *= int(pixels.get(f"Size{letter}"))
        channels = pixels.findall("{*}Channel")
        samples = {int(channel.get("SamplesPerPixel", "1")) for channel in channels}
    except (TypeError, ValueError):
        return None
    if not samples:
        return n
    if len(samples) != 1 or 0 in samples:
        return None
    return n // samples.pop()
