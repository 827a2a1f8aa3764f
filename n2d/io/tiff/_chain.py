"""Whether the pages of a TIFF come to an end: each says where the next one is."""

import os
import struct

from n2d.io._image import ImageFileError

# (bytes of the count of tags, of a tag, of the place of the next page), and the
# formats of count and place, by the version in the header.
_KINDS = {42: (2, 12, 4, "H", "I"), 43: (8, 20, 8, "Q", "Q")}


def refuse_circles(path):
    """Raise if a page of a TIFF names an earlier one as the next.

    tifffile would go round in such a file for ever. All else that can be wrong with
    pages it finds itself.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 16:
            return
        (version,) = struct.unpack_from(f"{order}H", head, 2)
        if version not in _KINDS:
            return
        of_count, of_tag, of_next, count_format, next_format = _KINDS[version]
        (place,) = struct.unpack_from(f"{order}{next_format}", head, of_next)
        seen = set()
        while 0 < place < size:
            if place in seen:
                raise ImageFileError(
                    f"{path}: is damaged, its pages go in a circle after {len(seen)}"
                )
            seen.add(place)
            file.seek(place)
            found = file.read(of_count)
            if len(found) < of_count:
                return
            (n_tags,) = struct.unpack(f"{order}{count_format}", found)
            place += of_count + n_tags * of_tag
            if place + of_next > size:
                return
            file.seek(place)
            (place,) = struct.unpack(f"{order}{next_format}", file.read(of_next))
