"""The XML of an OME-TIFF: what is in it, and what changes when pixels do.

Nothing is written from scratch: the file's own XML is kept, and only what it says of
the layout of the pixels is brought up to date.
"""

import math
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np

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


def of_one_image(xml, number):
    """Return OME-XML without the images but one, by its number from 0."""
    root = _root(xml)
    for place, image in enumerate(root.findall("{*}Image")):
        if place != number:
            root.remove(image)
    return _as_bytes(root).decode()


def uuid_of(xml):
    """Return the identifier of the file that OME-XML is in, or None."""
    return _root(xml).get("UUID")


def as_of_file(xml, uuid):
    """Return OME-XML as if it was in the file with an identifier, or in one without."""
    root = _root(xml)
    root.attrib.pop("UUID", None)
    if uuid is not None:
        root.set("UUID", uuid)
    return _as_bytes(root).decode()


def adapted(xml, dtype, axes, shape, own_axes):
    """Bring OME-XML up to date with pixels that are written anew, into one file.

    Pages are written in the order of `axes`; `own_axes` is what the file itself calls
    them. Returns UTF-8, or None where the XML is not about these pixels.
    """
    root = _root(xml)
    all_pixels = root.findall(".//{*}Image/{*}Pixels")
    expected = [_n_pages(pixels) for pixels in all_pixels]
    lead = {a: n for a, n in zip(axes, shape, strict=True) if a not in "YXS"}
    n_pages = math.prod(lead.values())
    if not all_pixels or None in expected or sum(expected) != n_pages:
        return None
    if axes != own_axes and not _rename(all_pixels, axes, own_axes, lead):
        return None
    root.attrib.pop("UUID", None)  # of another file
    for i, pixels in enumerate(all_pixels):
        if pixels.get("Type") != _TYPES[dtype.name]:
            pixels.set("Type", _TYPES[dtype.name])
            pixels.attrib.pop("SignificantBits", None)
        pixels.attrib.pop("BigEndian", None)
        for name in ("BinData", "TiffData", "MetadataOnly"):
            for element in pixels.findall(f"{{*}}{name}"):
                pixels.remove(element)
        # Pages follow the array, whatever order those of the source were in.
        if lead and set(lead) & set("TCZ"):
            order = [a for a in axes[::-1] if a in "TCZ"]
            missing = [a for a in pixels.get("DimensionOrder", "XYCZT") if a in "TCZ"]
            order += [a for a in missing if a not in order]
            pixels.set("DimensionOrder", "XY" + "".join(order))
        pages = _pages_of(i, len(all_pixels), pixels, lead)
        if pages is None:
            return None
        namespace = pixels.tag.partition("}")[0] + "}" if "}" in pixels.tag else ""
        # The schema has the channels first, and planes and the like after.
        place = len(pixels.findall("{*}Channel"))
        for k, attributes in enumerate(pages):
            data = ElementTree.Element(f"{namespace}TiffData", attributes)
            pixels.insert(place + k, data)
    return _as_bytes(root)


def _pages_of(image, n_images, pixels, lead):
    """Return attributes of the TiffData of an image: where its planes are, or None."""
    n = _n_pages(pixels)
    others = [letter for letter in lead if letter not in "TCZ"]
    if n_images == 1 and others:  # such as lifetimes, which are a part of Z, T or C
        return [{"IFD": "0", "PlaneCount": str(n)}]
    if math.prod(lead[letter] for letter in others) != n_images:
        return None
    sizes = {letter: lead.get(letter, 1) for letter in "TCZ"}
    if n != math.prod(sizes.values()):
        return None
    place = np.unravel_index(image, [lead[letter] for letter in others] or [1])
    place = dict(zip(others, map(int, place), strict=False))
    order = pixels.get("DimensionOrder", "XYCZT")[:1:-1]
    numbers, indices = [], []
    for index in np.ndindex(*(sizes[letter] for letter in order)):
        at = place | dict(zip(order, index, strict=True))
        number = 0
        for letter, size in lead.items():
            number = number * size + at[letter]
        numbers.append(number)
        indices.append(at)
    if numbers == list(range(numbers[0], numbers[0] + n)):
        return [{"IFD": str(numbers[0]), "PlaneCount": str(n)}]
    return [
        {f"First{letter}": str(at[letter]) for letter in "CTZ"}
        | {"IFD": str(number), "PlaneCount": "1"}
        for number, at in zip(numbers, indices, strict=True)
    ]


def _rename(all_pixels, axes, own_axes, lead):
    """Call the axes by other names than the file does; False if XML cannot follow."""
    if len(axes) != len(own_axes):
        return False
    changed = {a for pair in zip(axes, own_axes, strict=True) for a in pair}
    changed -= {a for a, b in zip(axes, own_axes, strict=True) if a == b}
    # Channels are described one by one, and other axes not at all.
    if changed - {"T", "Z"}:
        return False
    for pixels in all_pixels:
        for letter in "TZ":
            pixels.set(f"Size{letter}", str(lead.get(letter, 1)))
        for letter in changed:
            name = "TimeIncrement" if letter == "T" else "PhysicalSizeZ"
            pixels.attrib.pop(name, None)
            pixels.attrib.pop(f"{name}Unit", None)
        for element in pixels.findall("{*}Plane"):  # of times that are none
            pixels.remove(element)
    return True


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
