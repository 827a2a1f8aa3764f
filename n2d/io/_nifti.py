"""NIfTI, of brain imaging, with nibabel."""

import functools
import gzip
import math
import os
import struct
import warnings
from pathlib import Path

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import RawFile, Scaled, stored_numbers
from n2d.io._limits import check_inside, check_regular, check_size
from n2d.io._packages import imported
from n2d.io._units import convert_unit, unit_name

# The file has columns first; read the other way round, rows and columns come last.
_ORDER = "QICTZYX"
_RGB = np.dtype([(sample, "u1") for sample in "RGB"])
_RGBA = np.dtype([(sample, "u1") for sample in "RGBA"])
_import_nibabel = functools.partial(imported, "nibabel", "medical", "NIfTI files")


def read(path):
    """Read a NIfTI file; see `n2d.io.open_image`."""
    nibabel = _import_nibabel()
    _refuse_huge_extensions(path)
    try:
        found = nibabel.load(path)
    except FileNotFoundError as error:
        raise ImageFileError(
            f"{path}: is one of a pair, and the other, .hdr or .img, is not beside it; "
            "put it there"
        ) from error
    except nibabel.filebasedimages.ImageFileError as error:
        raise ImageFileError(
            f"{path}: is neither NIfTI nor Analyze; save it as NIfTI (.nii) or TIFF"
        ) from error
    # All of NIfTI, and Analyze of both kinds, which is older and a pair of files.
    kinds = nibabel.AnalyzeImage, nibabel.Nifti1Pair, nibabel.Nifti2Pair
    if not isinstance(found, kinds) or isinstance(found, nibabel.Cifti2Image):
        raise ImageFileError(
            f"{path}: is no NIfTI image, but {type(found).__name__}; save it as NIfTI"
        )
    proxy = found.dataobj
    pixels = found.file_map["image"].filename
    if not os.path.isfile(pixels):
        raise ImageFileError(
            f"{path}: has its pixels in {pixels}, which is not there; "
            "put the two side by side"
        )
    dtype, shape = np.dtype(proxy.dtype), tuple(int(n) for n in proxy.shape[::-1])
    n_samples = len(dtype) if dtype.names in (_RGB.names, _RGBA.names) else 0
    if dtype.kind not in "iuf" and not n_samples:
        raise ImageFileError(
            f"{path}: holds {dtype}, which are no intensities"
            + "; save its magnitude, or real and imaginary part" * (dtype.kind == "c")
        )
    if not 2 <= len(shape) <= len(_ORDER):
        raise ImageFileError(f"{path}: has {len(shape)} axes, and an image has two")
    axes = _ORDER[-len(shape) :]
    if n_samples:  # colours, one after the other in every pixel
        axes, shape, dtype = axes + "S", (*shape, n_samples), np.dtype(np.uint8)
    stored = os.path.getsize(pixels)
    packed = str(pixels).lower().endswith(".gz")
    check_size(path, shape, dtype, stored=stored, whole=packed)
    header = found.header
    metadata = {
        "class": _single(nibabel, found),
        "header": _single(nibabel, found).header_class.from_header(header, check=False),
        "affine": None if found.affine is None else np.array(found.affine),
        # The values are denoised, and written as numbers of the same scale.
        "scale": (float(proxy.slope), float(proxy.inter or 0)),
        "stored_dtype": dtype.newbyteorder("="),
    }
    image = ImageFile(
        None,
        axes,
        "nifti",
        alpha=n_samples == 4,
        metadata=metadata,
        pixel_size=_sizes(header, axes.rstrip("S")),
    )
    if packed:
        data = np.ascontiguousarray(np.asarray(proxy.get_unscaled()).T)
        data = data.view(np.uint8).reshape(shape) if n_samples else data
        data = data.astype(dtype.newbyteorder("="), copy=False)
    else:
        offset = int(proxy.offset)
        if offset + math.prod(shape) * dtype.itemsize > stored:
            raise ImageFileError(f"{path}: is damaged, it ends too early")
        data = RawFile(pixels, shape, dtype, offset=offset)
        image.resources.callback(data.close)
    if metadata["scale"] != (1.0, 0.0):
        data = Scaled(data, *metadata["scale"])
    object.__setattr__(image, "data", data)
    return image


def _refuse_huge_extensions(path):
    """Raise where what lies between the header and the pixels is absurdly large."""
    is_of_pixels = Path(path).suffix.lower() == ".img"
    for part in others_of_pair(path) if is_of_pixels else [path]:
        _refuse_huge_extensions_in(part)


def others_of_pair(path):
    """Return what is there of the other file of a pair of .hdr and .img."""
    other = {".hdr": ".img", ".img": ".hdr"}[Path(path).suffix.lower()]
    others = [Path(path).with_suffix(c) for c in (other, other.upper())]
    return [p for p in others if p.exists()]


def _refuse_huge_extensions_in(path):
    check_regular(path)
    packed = str(path).lower().endswith(".gz")
    with (gzip.open if packed else open)(path, "rb") as file:
        head = file.read(544)
        order = "<" if head[:2] in (b"\x5c\x01", b"\x1c\x02") else ">"
        is_second = head[:2] in (b"\x1c\x02", b"\x00\x00") and head[4:7] in (
            b"n+2",
            b"ni2",
        )
        size = 540 if is_second else 348
        if len(head) < size + 4:
            return
        kind, place = ("q", 168) if is_second else ("f", 108)
        (offset,) = struct.unpack_from(f"{order}{kind}", head, place)
        is_pair = (head[4:7] if is_second else head[344:347]) in (b"ni1", b"ni2")
        if not is_pair:
            check_inside(path, int(offset) if abs(offset) < 2**62 else -1, "header")
        if not head[size]:
            return
        file.seek(size + 4)
        # Of a pair, they go on to the end of the file.
        left = float("inf") if is_pair else offset - file.tell()
        while left >= 16:
            found = file.read(8)
            if len(found) < 8:
                return
            (n,) = struct.unpack(f"{order}i", found[:4])
            check_inside(path, n, "extension")
            file.seek(max(n - 8, 0), os.SEEK_CUR)
            left -= max(n, 8)


def _single(nibabel, found):
    """Return the kind of NIfTI, one file, that stands for an image."""
    newer = isinstance(found, (nibabel.Nifti2Image, nibabel.Nifti2Pair))
    return nibabel.Nifti2Image if newer else nibabel.Nifti1Image


def _sizes(header, axes):
    lengths, times = "mm", "sec"  # always, in Analyze
    if hasattr(header, "get_xyzt_units"):
        lengths, times = header.get_xyzt_units()
    sizes = {}
    for letter, zoom in zip(axes[::-1], header.get_zooms(), strict=True):
        unit = times if letter == "T" else lengths
        name = {"usec": "microsecond"}.get(unit, unit_name(unit))
        if letter in "TZYX" and 0 < zoom < np.inf:
            sizes[letter] = (float(zoom), "" if name == "unknown" else name)
    return sizes


def cannot_hold(dtype, axes, shape, *, suffix):
    """Say why a NIfTI file cannot hold such an image, or return None."""
    del suffix
    if axes.endswith("S"):
        n_samples = 3 if shape is None else shape[-1]
        if dtype != np.uint8 or n_samples not in (3, 4):
            return "NIfTI holds colours of 8 bits only; write a .tif file"
        axes = axes[:-1]
    places = [_ORDER.find(letter) for letter in axes]
    if -1 in places or places != sorted(set(places)):
        return f"NIfTI has the axes {_ORDER}, not {axes!r}; write a .tif file"
    if dtype.kind not in "iuf" or dtype.itemsize < (4 if dtype.kind == "f" else 1):
        return f"NIfTI cannot hold {dtype}; give --dtype float32"
    return None


def write(path, array, axes, like, *, target):
    """Write a NIfTI file; see `n2d.io.create_image`."""
    nibabel = _import_nibabel()
    kept = like.metadata if like is not None and like.format == "nifti" else {}
    check_size(path, array.shape, array.dtype)
    axes, affine = (axes, None) if kept else _placed(axes, array.shape, like)
    data = np.asarray(array[...])
    if axes.endswith("S"):
        kind = _RGB if data.shape[-1] == 3 else _RGBA
        data = np.ascontiguousarray(data).view(kind)[..., 0]
    scale = (1.0, 0.0)
    # Floating point that was asked for is written as it is.
    if kept and kept["scale"] != scale and not kept.get("as_values"):
        scale = kept["scale"]
        data = _stored(data, scale, kept["stored_dtype"])
    for place, letter in enumerate(_ORDER[_ORDER.index(axes[0]) :]):
        if letter not in axes:
            data = np.expand_dims(data, place)
    kind = kept.get("class", nibabel.Nifti1Image)
    if max(data.shape) > 32767:
        kind = nibabel.Nifti2Image
    header = kept["header"].copy() if kept else kind.header_class()
    header.set_data_dtype(data.dtype)
    image = kind(data.T, kept.get("affine"), header)
    image.header.set_slope_inter(*scale)
    if not kept:
        _describe(image, like, affine)
    # nibabel goes by the name, and the temporary file has another one.
    content = image.to_bytes()
    if target.name.lower().endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    with open(path, "wb") as file:
        file.write(content)


def _stored(values, scale, dtype):
    """Return the numbers of the source's kind that stand for values."""
    if dtype.kind == "f":
        return ((values.astype(np.float64) - scale[1]) / scale[0]).astype(dtype)
    limits = np.iinfo(dtype)
    numbers, n_beyond = stored_numbers(
        values, *scale, (int(limits.min), int(limits.max)), dtype
    )
    if n_beyond:
        warnings.warn(
            f"{n_beyond:,} of {numbers.size:,} values were beyond what {dtype} of the "
            "NIfTI file's slope can hold and clipped; --dtype float32 keeps them",
            stacklevel=3,
        )
    return numbers


def _placed(axes, shape, like):
    """Return the axes of an image of another format, and where it is, or None.

    Of DICOM the place is known, and which frames are slices.
    """
    of_dicom = like is not None and like.format == "dicom"
    affine, are_slices = (of_dicom and like.metadata["place"]) or (None, False)
    if are_slices and "Z" not in axes:
        axes = axes.replace("Q", "Z")
    n_slices = shape[axes.index("Z")] if "Z" in axes else 1
    fits = are_slices if n_slices > 1 else not are_slices
    return axes, affine if fits else None


def _describe(image, like, affine):
    """Set place, distances and units of an image of another format."""
    sizes = {} if like is None else like.pixel_size
    zooms = list(image.header.get_zooms())
    for place, letter in enumerate("XYZT"[: len(zooms)]):
        if letter in sizes:
            wanted = "second" if letter == "T" else "millimeter"
            value = convert_unit(*sizes[letter], wanted)
            zooms[place] = value or zooms[place]
    image.header.set_zooms(zooms)
    if "X" in sizes:
        image.header.set_xyzt_units("mm", "sec")
    # Without a place the codes stay 0: nobody knows where left and right are.
    if affine is not None:
        image.set_sform(affine, code="scanner")
        axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        is_sheared = not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3)
        image.set_qform(affine, code="unknown" if is_sheared else "scanner")
