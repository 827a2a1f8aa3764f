"""Tags of the pages of a TIFF: which are written again, and which cannot be."""

from n2d.io._image import turned

# Of one number or a text, kept byte by byte.
_SIMPLE = (269, 271, 272, 274, 285, 286, 287, 305, 306, 315, 316, 33432)
_DESCRIPTION, _ICC_PROFILE, _ORIENTATION, _PRIVATE = 270, 34675, 274, 32768
_RESOLUTION = {282: "XResolution", 283: "YResolution", 296: "ResolutionUnit"}
# Types of numbers that are places in the file, which change; and what is too long.
_PLACES, _MOST_BYTES = (4, 13, 16, 17, 18), 2**20
_MOST_BYTES_OF_PAGES = 2**26
# How pixels are laid out, compressed and made of samples, which colours they stand for,
# and which values they have: all of that is said anew, or has a place of its own.
_OF_LAYOUT = {
    *range(254, 267),
    *(_DESCRIPTION, *_RESOLUTION, _ICC_PROFILE),
    *(273, 277, 278, 279, 280, 281, 284, 288, 289, 292, 293, 297),
    317,
    *(320, 321, 322, 323, 324, 325, 326, 327, 328, 330),
    *range(332, 343),
    *(346, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521),
    *(529, 530, 531, 532, 559),
    *range(32995, 32999),
    *(50838, 50839, 50674),
}
# Of planes, or with places inside: Metamorph, LSM, Photoshop, Micro-Manager, NDPI. And
# curves for as many numbers as there were.
_NOT_KEPT = {*range(33628, 33632), 34412, 34377, 37724, 51123, *range(65420, 65536)}
_NOT_KEPT |= {290, 291, 301}


def text(tif, tag):
    """Return the text of a tag, or its bytes where those are not all ASCII."""
    if isinstance(tag.value, str) and tag.value.isascii():
        return tag.value
    return _raw(tif, tag).rstrip(b"\0")


def _raw(tif, tag):
    with tif.filehandle.lock:
        tif.filehandle.seek(tag.valueoffset)
        return tif.filehandle.read(tag.count)


def kept_tags(tif, page):
    """Return the tags to write again, and those that cannot be.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The file, open.
    page : tifffile.TiffPage
        One of its pages.

    Returns
    -------
    kept : list of tuple
        Of code, type, count and value.
    lost : list of int
        Codes.
    """
    kept, lost = [], []
    for tag in page.tags:
        dtype, count = int(tag.dtype), tag.count
        simple = tag.code in _SIMPLE
        if tag.code in _OF_LAYOUT:
            continue
        if simple and isinstance(tag.value, int):
            kept.append((tag.code, dtype, count, tag.value))
        elif simple and dtype == 2:
            kept.append((tag.code, dtype, 0, text(tif, tag)))
        elif (
            tag.code in _NOT_KEPT
            or dtype in _PLACES
            or tag.valuebytecount > _MOST_BYTES
        ):
            lost.append(tag.code)
        elif dtype in (1, 2, 6, 7):
            kept.append((tag.code, dtype, count, _raw(tif, tag)))
        elif isinstance(tag.value, (int, float, tuple)):
            kept.append((tag.code, dtype, count, tag.value))
        else:
            lost.append(tag.code)
    return kept, lost


def notes(page, lost):
    """Return what a user should know of the tags of a page, and of those lost."""
    found = []
    if lost:
        kind = "private tags" if min(lost) >= _PRIVATE else "tags"
        found.append(f"its {kind} {_listed(lost)} are not kept")
    orientation = page.tags.get(_ORIENTATION)
    if orientation is not None and orientation.value in range(2, 9):
        found.append(turned(orientation.value))
    return found


def said_by(tif, page):
    """Return what a page says that may differ from page to page.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The file, open.
    page : tifffile.TiffPage
        One of its pages.

    Returns
    -------
    dict
        "tags", as of `kept_tags`, and, where the page has them, "description" and the
        tags of the resolution by their names.
    """
    said = {"tags": kept_tags(tif, page)[0]}
    for code, name in _RESOLUTION.items():
        if code in page.tags:
            said[name] = page.tags[code].value
    if _DESCRIPTION in page.tags:
        said["description"] = text(tif, page.tags[_DESCRIPTION])
    return said


def pages_of(tif, pages, *, each):
    """Return what each page says, where pages say something for themselves.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The file, open.
    pages : list of tifffile.TiffPage or tifffile.TiffFrame
        Of the image.
    each : bool
        Whether each page can be written with its own tags.

    Returns
    -------
    said : list of dict, or None
        As of `said_by`; None where only the first page is to be written with tags.
    note : str or None
        What a user should know.
    """
    own = [one for one in pages if one is not None and one.parent is tif]
    if not each and len(own) > 3:  # frames, of which each page has to be read
        own = [own[0], own[1], own[len(own) // 2], own[-1]]
    if len(own) < 2 or any(one.is_virtual for one in own):
        return None, None
    said = [said_by(tif, one.aspage()) for one in own]
    first = _by_code(said[0])
    differing, others = set(), False
    for one in said[1:]:
        found = _by_code(one)
        # That of the resolution is written for every page in any case.
        same = {k for k in _RESOLUTION if found.get(k) == first.get(k)}
        others = others or bool(found.keys() - same)
        differing |= {code for code, value in found.items() if first.get(code) != value}
    differing = sorted(differing)
    too_long = sum(_n_bytes(one) for one in said) > _MOST_BYTES_OF_PAGES
    if not each or too_long or len(own) != len(pages):
        text = (
            f"what pages after the first say in tags {_listed(differing)} is not kept"
        )
        return None, text if differing else None
    text = f"its pages differ in tags {_listed(differing)}, which are kept in TIFF only"
    return said if others else None, text if differing else None


def _by_code(said):
    """Return what a page says by the numbers of tags."""
    found = {code: value for code, _, _, value in said["tags"]}
    names = {**_RESOLUTION, _DESCRIPTION: "description"}
    return found | {code: said[name] for code, name in names.items() if name in said}


def _n_bytes(said):
    """Return about how much memory it takes to remember what a page says."""
    values = _by_code(said).values()
    return sum(len(v) if hasattr(v, "__len__") else 8 for v in values)


def _listed(codes):
    return ", ".join(map(str, codes))
