"""PNG, JPEG, BMP, WebP and GIF, with Pillow."""

import contextlib
import io
import math
import os
import struct
import threading
import zlib
from importlib.util import find_spec

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    PngImagePlugin,
    WebPImagePlugin,
)

from n2d._memory import in_words
from n2d.io._image import ImageFile, ImageFileError, turned
from n2d.io._limits import check_size
from n2d.io._streams import declared_pixels
from n2d.io._units import convert_unit

_BMP = BmpImagePlugin.BmpImageFile.format
_WEBP = WebPImagePlugin.WebPImageFile.format
_GIF = GifImagePlugin.GifImageFile.format
# Pillow's modes of 8 bits per sample that are read: (axes, last sample is opacity)
_MODES = {
    "L": ("YX", False),
    "LA": ("YXS", True),
    "RGB": ("YXS", False),
    "RGBA": ("YXS", True),
}
_KEPT = ("dpi", "exif", "icc_profile")
# A JPEG may turn out to be an MPO. Pillow knows formats whose module is imported.
_READ = ("PNG", "JPEG", _BMP, _WEBP, _GIF)
_KINDS = {".png": "png", ".bmp": "bmp", ".webp": "webp"}
# How many samples a pixel may have, besides one.
_SAMPLES = {"PNG": (2, 3, 4), "WEBP": (3, 4)}
_ORIENTATION = 274
_GREY16 = ("I", "I;16", "I;16B")
_OF_COLOURS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# What a JPEG says in words: XMP, in parts where it is long, IPTC and comments.
_OF_WORDS = (b"http://ns.adobe.com/x", b"Photoshop 3.0\0")
_SEGMENTS = {"COM": b"\xff\xfe", "APP1": b"\xff\xe1", "APP13": b"\xff\xed"}
_MOST_TEXT = 2**24
# What programs put there that know of no pixel size.
_MEANINGLESS_DPI = (72, 96)
_LARGEST_DPI = {"png": 10**8, "jpeg": 65535, "bmp": 10**7}
_JPEG_QUALITY = 95
_PNG = b"\x89PNG\r\n\x1a\n"
# A frame that only says what has changed may be a few bytes, and is a whole picture.
_MOST_PER_BYTE_OF_FRAMES = 200
_LARGEST_PROFILE = 2**25
_ONE_AT_A_TIME = threading.RLock()


def read(path):
    """Read a picture; see `n2d.io.open_image`."""
    with _own_limits(), Image.open(_openable(path), formats=_READ) as image:
        n_pictures = getattr(image, "n_frames", 1)
        depth = _png_depth(path) if image.format == "PNG" else 8
        if n_pictures > 1 and image.format != "MPO":
            return _read_frames(path, image, depth)
        samples = len(image.getbands())
        stored = os.path.getsize(path)
        check_size(path, (*image.size[::-1], samples), "u1", stored=stored)
        metadata = {key: image.info[key] for key in _KEPT if key in image.info}
        notes = ()
        if image.format == "PNG":
            metadata["chunks"], left_out = _kept_chunks(path)
            if left_out:
                notes = ("texts of more than 16 MB in it are not kept",)
        kind = image.format.lower()
        if kind in ("jpeg", "mpo"):
            metadata["segments"] = _words_of_jpeg(image)
        sizes = _sizes(metadata)
        if kind == "mpo":  # of phones: the picture, and what it was computed from
            kind = "jpeg"
            if n_pictures > 1:
                notes = (f"the first of its {n_pictures} pictures is read, and kept",)
        orientation = image.getexif().get(_ORIENTATION)
        if orientation in range(2, 9):
            metadata["orientation"] = orientation
            notes += (turned(orientation),)
        if depth == 16 and image.mode in _GREY16:
            data = np.array(image).astype(np.uint16)
            return ImageFile(data, "YX", kind, False, metadata, notes, sizes)
        if depth == 16:  # of which Pillow drops the lower 8 bits without a word
            data = _read_16_bits(path)
            alpha = data.shape[-1] in (2, 4)
            return ImageFile(data, "YXS", kind, alpha, metadata, notes, sizes)
        if image.mode == "P":
            mode = "RGBA" if "transparency" in image.info else "RGB"
            if mode == "RGB" and _is_grey(image):
                mode = "L"
            word = {"L": "grey"}.get(mode, mode)
            notes += (f"a palette image, read as {word}, and to be written as {word}",)
            image = image.convert(mode)
        elif "transparency" in image.info:
            notes += ("the transparent colour is not kept",)
        if image.mode not in _MODES:
            raise ImageFileError(
                f"{path}: pixels of kind {image.mode!r} are not supported; convert the "
                "image to 8-bit grey or RGB, or save it as TIFF"
            )
        axes, alpha = _MODES[image.mode]
        return ImageFile(np.array(image), axes, kind, alpha, metadata, notes, sizes)


@contextlib.contextmanager
def _own_limits():
    """Have Pillow leave it to `check_size` which images are too large.

    It takes more than 179 million pixels for an attack, whatever memory there is. And
    profiles of colours may have more than a megabyte.
    """
    with _ONE_AT_A_TIME:
        limits = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = None, _LARGEST_PROFILE
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = limits


def _openable(path):
    """Return what Pillow may open: the file, or what is left of it without texts.

    Programs put their own data into texts of a PNG. They are kept as they are, so that
    they need not be inflated.
    """
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] == b"RIFF":  # Pillow takes room for it at once
            width, height = declared_pixels(head) or (1, 1)
            check_size(path, (height, width, 4), "u1", stored=os.path.getsize(path))
        if head[:8] != _PNG:
            return path
        chunks = list(_chunks_of_png(file))
        kept = [one for one in chunks if one[0] not in _TEXTS]
        if len(kept) == len(chunks):
            return path
        content = io.BytesIO()
        content.write(_PNG)
        for _, place, size in kept:
            file.seek(place)
            content.write(file.read(size + 12))
    content.seek(0)
    return content


def _chunks_of_png(file):
    """Yield name, place in the file and length of the content of every chunk."""
    place = len(_PNG)
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        size, name = struct.unpack(">I4s", head)
        yield name, place, size
        place += size + 12


def _read_frames(path, image, depth):
    """Read an animated picture, as a series in time."""
    n_pictures = image.n_frames
    if depth == 16:  # of which Pillow drops the lower 8 bits without a word
        raise ImageFileError(
            f"{path}: is animated ({n_pictures} frames of 16 bits); save the frames as "
            "files, or as the pages of a TIFF"
        )
    shape = (n_pictures, *image.size[::-1], 4)
    stored = os.path.getsize(path)
    if math.prod(shape) > max(2**25, _MOST_PER_BYTE_OF_FRAMES * stored):
        raise ImageFileError(
            f"{path}: declares {n_pictures} frames of {shape[1]} x {shape[2]}, but "
            f"holds {in_words(stored)}: it is damaged, or save the frames as pages of "
            "a TIFF"
        )
    check_size(path, shape, "u1", stored=stored)
    # The first picture of a PNG may be for programs that show no others.
    first = int(bool(image.info.get("default_image")))
    data, durations = np.empty((n_pictures - first, *shape[1:]), np.uint8), set()
    # Pillow makes room for a frame that is larger than the picture.
    Image.MAX_IMAGE_PIXELS = math.prod(shape[1:3])
    for number, frame in enumerate(data):
        with contextlib.suppress(Image.DecompressionBombError):
            image.seek(first + number)
        if image.tell() != first + number or image.size != shape[2:0:-1]:
            raise ImageFileError(f"{path}: frame {number + 1} is damaged")
        frame[...] = image.convert("RGBA")
        durations.add(image.info.get("duration"))
    duration = durations.pop() if len(durations) == 1 else None
    alpha = bool((data[..., 3] < 255).any())
    axes, data = "TYXS", data if alpha else data[..., :3]
    if not alpha and (data == data[..., :1]).all():
        axes, data = "TYX", data[..., 0]
    return ImageFile(
        np.ascontiguousarray(data),
        axes,
        image.format.lower(),
        alpha,
        notes=(f"is animated; its {len(data)} frames are read as a series in time",),
        pixel_size={"T": (float(duration), "millisecond")} if duration else {},
    )


def _is_grey(image):
    """Whether all colours of a palette are grey."""
    table = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    used = [number for _, number in image.getcolors(256) if number < len(table)]
    return bool((table[used] == table[used][:, :1]).all())


def _imagecodecs(path):
    try:
        import imagecodecs
    except ImportError as error:
        raise ImageFileError(
            f"{path}: PNG of 16 bits in colour or with opacity needs the package "
            'imagecodecs: pip install "noise2detail[codecs]", or use TIFF'
        ) from error
    return imagecodecs


def _read_16_bits(path):
    with open(path, "rb") as file:
        return _imagecodecs(path).png_decode(file.read())


def _kept_chunks(path):
    """Return what a PNG says of colours and in words, and whether some is too long.

    Each is a pair of name and content.
    """
    found, n_text, in_front, left_out = [], 0, True, False
    with open(path, "rb") as file:
        for name, place, size in _chunks_of_png(file):
            in_front &= name != b"IDAT"
            is_text = name in _TEXTS and n_text + size <= _MOST_TEXT
            if is_text or (in_front and name in _OF_COLOURS and size < 1024):
                n_text += size * is_text
                file.seek(place + 8)
                found.append((name, file.read(size)))
            left_out |= name in _TEXTS and not is_text
    return found, left_out


def _words_of_jpeg(image):
    """Return the segments of a JPEG that hold words, to be written as they are."""
    return b"".join(
        _SEGMENTS[name] + struct.pack(">H", len(content) + 2) + content
        for name, content in getattr(image, "applist", ())
        if name == "COM" or (name in _SEGMENTS and content.startswith(_OF_WORDS))
    )


def _sizes(metadata):
    """Return pixel sizes, where the dots per inch of a picture mean something."""
    dots = [float(n) for n in metadata.get("dpi", ())]
    if len(dots) != 2 or any(round(n) in _MEANINGLESS_DPI for n in dots):
        return {}
    return {
        letter: (25.4 / n, "millimeter")
        for letter, n in zip("XY", dots, strict=True)
        if 0 < n < math.inf
    }


def _dpi(like, kind):
    """Return dots per inch of an image of another format, as an option of Pillow."""
    inches = [convert_unit(*like.pixel_size.get(a, (0, "")), "inch") for a in "XY"]
    if not all(inches):
        return {}
    dots = [1 / size for size in inches]
    if max(dots) > _LARGEST_DPI.get(kind, 0):
        return {}
    # JPEG has whole numbers, which say nothing of large pixels.
    if kind == "jpeg" and any(abs(round(n) - n) > 0.005 * n for n in dots):
        return {}
    return {"dpi": tuple(dots)}


def _png_depth(path):
    """Bits per sample: byte 24 of a PNG, in the header chunk that comes first."""
    with open(path, "rb") as file:
        return file.read(25)[24]


def cannot_hold(dtype, axes, shape, *, suffix):
    """Say why a picture cannot hold such an image, or return None."""
    name = suffix.lstrip(".").upper()
    samples = shape[-1] if shape is not None and axes == "YXS" else None
    if axes not in ("YX", "YXS"):
        return f"{name} holds one image, not axes {axes!r}; write a .tif file"
    if samples is not None:
        if samples not in _SAMPLES.get(name, (3,)):
            return (
                f"{name} cannot hold {samples} samples per pixel; write a .tif file"
                + (", or a .png one" if samples in (2, 4) else "")
            )
    if name == "WEBP" and axes == "YX":
        return "WEBP has no grey images; write a .png file"
    if dtype == np.uint8 or (dtype == np.uint16 and name == "PNG"):
        if dtype == np.uint16 and axes == "YXS" and find_spec("imagecodecs") is None:
            return (
                "PNG of 16 bits in colour needs the package imagecodecs: pip install "
                '"noise2detail[codecs]"; or write a .tif file'
            )
        return None
    held = "uint8" if name != "PNG" else "uint8 and uint16"
    return f"{name} holds {held}, not {dtype}; write a .tif file" + (
        ", or give --dtype same (not float32)" if dtype.kind == "f" else ""
    )


def write(path, array, axes, like, *, target):
    """Write a picture; see `n2d.io.create_image`."""
    del axes  # checked before: (H, W), or samples last
    kind = _KINDS.get(target.suffix.lower(), "jpeg")
    options = {}
    if like is not None and like.format in ("png", "jpeg", *_KINDS.values()):
        options = {key: like.metadata[key] for key in _KEPT if key in like.metadata}
    elif like is not None:
        options = _dpi(like, kind)
    if kind == "jpeg":
        options |= {"quality": _JPEG_QUALITY, "subsampling": 0}
        if like is not None and like.format == "jpeg":
            options["extra"] = like.metadata.get("segments", b"")
    if kind == "webp":
        options["lossless"] = True
    array, chunks = np.ascontiguousarray(array[...]), []
    if kind == "png" and like is not None and like.format == "png":
        chunks = like.metadata.get("chunks", [])
    with open(path, "wb") as file:
        if array.dtype == np.uint16 and array.ndim == 3:
            file.write(_written_16_bits(path, array, chunks, options))
            return
        if chunks:
            options["pnginfo"] = PngImagePlugin.PngInfo()
            for name, content in chunks:
                options["pnginfo"].add(name, content)
        Image.fromarray(array).save(file, kind, **options)


def _written_16_bits(path, array, chunks, options):
    """Return a PNG that Pillow cannot write, with what it says beside its pixels."""
    content = _imagecodecs(path).png_encode(array)
    if "dpi" in options:
        dots = [round(n / 0.0254) for n in options["dpi"]]
        chunks = [*chunks, (b"pHYs", struct.pack(">IIB", *dots, 1))]
    if "icc_profile" in options:
        packed = zlib.compress(options["icc_profile"])
        chunks = [*chunks, (b"iCCP", b"profile\0\0" + packed)]
    if "exif" in options:
        chunks = [*chunks, (b"eXIf", options["exif"].removeprefix(b"Exif\0\0"))]
    between = b"".join(
        struct.pack(">I", len(data))
        + name
        + data
        + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    place = 33  # after the head, which comes first
    return content[:place] + between + content[place:]
