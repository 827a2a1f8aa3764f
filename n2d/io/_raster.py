"""PNG, JPEG, BMP and WebP, with Pillow."""

import contextlib
import os

import numpy as np
from PIL import BmpImagePlugin, Image, PngImagePlugin, WebPImagePlugin

from n2d.io._image import ImageFile, ImageFileError, turned
from n2d.io._limits import check_size

_BMP = BmpImagePlugin.BmpImageFile.format
_WEBP = WebPImagePlugin.WebPImageFile.format
# Pillow's modes of 8 bits per sample that are read: (axes, last sample is opacity)
_MODES = {
    "L": ("YX", False),
    "LA": ("YXS", True),
    "RGB": ("YXS", False),
    "RGBA": ("YXS", True),
}
_KEPT = ("dpi", "exif", "icc_profile")
# A JPEG may turn out to be an MPO. Pillow knows formats whose module is imported.
_READ = ("PNG", "JPEG", _BMP, _WEBP)
_KINDS = {".png": "png", ".bmp": "bmp", ".webp": "webp"}
# How many samples a pixel may have, besides one.
_SAMPLES = {"PNG": (2, 3, 4), "WEBP": (3, 4)}
_ORIENTATION = 274
_JPEG_QUALITY = 95
_MOST_TEXT = 2**28


def read(path):
    """Read a picture; see `n2d.io.open_image`."""
    # Programs put their own data into texts of a PNG, which are not kept.
    with _any_text(), Image.open(path, formats=_READ) as image:
        n_pictures = getattr(image, "n_frames", 1)
        if n_pictures > 1 and image.format != "MPO":
            raise ImageFileError(
                f"{path}: is animated ({image.n_frames} frames); save the frames as "
                "files, or as the pages of a TIFF"
            )
        depth = _png_depth(path) if image.format == "PNG" else 8
        if depth == 16 and image.mode not in ("I", "I;16", "I;16B"):
            # Pillow would drop the lower 8 bits without a word.
            raise ImageFileError(
                f"{path}: 16-bit PNG is read in grey only; save the image as TIFF"
            )
        samples = len(image.getbands())
        stored = os.path.getsize(path)
        check_size(path, (*image.size[::-1], samples), "u1", stored=stored)
        metadata = {key: image.info[key] for key in _KEPT if key in image.info}
        kind, notes = image.format.lower(), ()
        if kind == "mpo":  # of phones: the picture, and what it was computed from
            kind = "jpeg"
            if n_pictures > 1:
                notes = (f"the first of its {n_pictures} pictures is read, and kept",)
        orientation = image.getexif().get(_ORIENTATION)
        if orientation in range(2, 9):
            metadata["orientation"] = orientation
            notes += (turned(orientation),)
        if depth == 16:
            data = np.array(image).astype(np.uint16)
            return ImageFile(data, "YX", kind, metadata=metadata, notes=notes)
        if image.mode == "P":
            mode = "RGBA" if "transparency" in image.info else "RGB"
            notes += (f"a palette image, read as {mode}, and to be written as {mode}",)
            image = image.convert(mode)
        elif "transparency" in image.info:
            notes += ("the transparent colour is not kept",)
        if image.mode not in _MODES:
            raise ImageFileError(
                f"{path}: pixels of kind {image.mode!r} are not supported; convert the "
                "image to 8-bit grey or RGB, or save it as TIFF"
            )
        axes, alpha = _MODES[image.mode]
        return ImageFile(np.array(image), axes, kind, alpha, metadata, notes)


@contextlib.contextmanager
def _any_text():
    """Have Pillow read past texts of a PNG that it takes for an attack."""
    limits = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = _MOST_TEXT
    try:
        yield
    finally:
        PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = limits


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
    if dtype == np.uint8 or (dtype == np.uint16 and name == "PNG" and axes == "YX"):
        return None
    held = "uint8" if name != "PNG" else "uint8, and uint16 in grey"
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
    if kind == "jpeg":
        options |= {"quality": _JPEG_QUALITY, "subsampling": 0}
    if kind == "webp":
        options["lossless"] = True
    with open(path, "wb") as file:
        Image.fromarray(np.ascontiguousarray(array[...])).save(file, kind, **options)
