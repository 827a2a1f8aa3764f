"""NIfTI, of brain imaging, with nibabel."""

import gzip
import os
import struct
import warnings

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import RawFile, Scaled, stored_numbers
from n2d.io._limits import check_inside, check_size
from n2d.io._units import convert_unit, unit_name

# The file has columns first; read the other way round, rows and columns come last.
_ORDER = "QICTZYX"


def _import_nibabel():
    try:
        import nibabel
    except ImportError as error:
        raise ImportError(
            'NIfTI files need the package nibabel: pip install "noise2detail[medical]"'
        ) from error
    return nibabel


def read(path):
    """Read a NIfTI file; see `n2d.io.open_image`."""
    nibabel = _import_nibabel()
    _refuse_huge_extensions(path)
    found = nibabel.load(path)
    if not isinstance(found, (nibabel.Nifti1Image, nibabel.Nifti2Image)):
        raise ImageFileError(f"{path}: is no NIfTI file, but {type(found).__name__}")
    proxy = found.dataobj
    dtype, shape = np.dtype(proxy.dtype), tuple(int(n) for n in proxy.shape[::-1])
    if dtype.kind not in "iuf":
        raise ImageFileError(f"{path}: holds {dtype}, which are no grey intensities")
    if not 2 <= len(shape) <= len(_ORDER):
        raise ImageFileError(f"{path}: has {len(shape)} axes, and an image has two")
    axes = _ORDER[-len(shape) :]
    stored = os.path.getsize(path)
    packed = str(path).lower().endswith(".gz")
    check_size(path, shape, dtype, stored=stored, whole=packed)
    header = found.header
    metadata = {
        "class": type(found),
        "header": header.copy(),
        "affine": None if found.affine is None else np.array(found.affine),
        # The values are denoised, and written as numbers of the same scale.
        "scale": (float(proxy.slope), float(proxy.inter)),
        "stored_dtype": dtype.newbyteorder("="),
    }
    image = ImageFile(
        None, axes, "nifti", metadata=metadata, pixel_size=_sizes(header, axes)
    )
    if packed:
        data = np.ascontiguousarray(np.asarray(proxy.get_unscaled()).T)
        data = data.astype(dtype.newbyteorder("="), copy=False)
    else:
        offset = int(proxy.offset)
        if offset + int(np.prod(shape, dtype=object)) * dtype.itemsize > stored:
            raise ImageFileError(f"{path}: is damaged, it ends too early")
        data = RawFile(path, shape, dtype, offset=offset)
        image.resources.callback(data.close)
    if metadata["scale"] != (1.0, 0.0):
        data = Scaled(data, *metadata["scale"])
    object.__setattr__(image, "data", data)
    return image


def _refuse_huge_extensions(path):
    """Raise where what lies between the header and the pixels is absurdly large."""
    packed = str(path).lower().endswith(".gz")
    with (gzip.open if packed else open)(path, "rb") as file:
        head = file.read(544)
        order = "<" if head[:2] in (b"\x5c\x01", b"\x1c\x02") else ">"
        is_second = head[:2] in (b"\x1c\x02", b"\x00\x00") and head[4:7] == b"n+2"
        size = 540 if is_second else 348
        if len(head) < size + 4:
            return
        kind, place = ("q", 168) if is_second else ("f", 108)
        (offset,) = struct.unpack_from(f"{order}{kind}", head, place)
        check_inside(path, int(offset) if abs(offset) < 2**62 else -1, "header")
        if not head[size]:
            return
        file.seek(size + 4)
        left = offset - file.tell()
        while left >= 16:
            found = file.read(8)
            if len(found) < 8:
                return
            (n,) = struct.unpack(f"{order}i", found[:4])
            check_inside(path, n, "extension")
            file.seek(max(n - 8, 0), os.SEEK_CUR)
            left -= max(n, 8)


def _sizes(header, axes):
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
    del shape, suffix
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
    missing = [letter for letter in _ORDER[_ORDER.index(axes[0]) :]]
    data = np.asarray(array[...])
    scale = (1.0, 0.0)
    # Floating point that was asked for is written as it is.
    if kept and kept["scale"] != scale and not kept.get("as_values"):
        scale = kept["scale"]
        data = _stored(data, scale, kept["stored_dtype"])
    for place, letter in enumerate(missing):
        if letter not in axes:
            data = np.expand_dims(data, place)
    kind = kept.get("class", nibabel.Nifti1Image)
    if max(data.shape) > 32767:
        kind = nibabel.Nifti2Image
    header = kept["header"].copy() if kept else None
    if header is not None:
        header.set_data_dtype(data.dtype)
    else:
        header = kind.header_class()
        header.set_data_dtype(data.dtype)
    image = kind(data.T, kept.get("affine"), header)
    image.header.set_slope_inter(*scale)
    if not kept:
        _describe(image, like)
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


def _describe(image, like):
    """Set the distances and units of an image of another format."""
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
        affine = np.diag([*(zooms + [1.0] * 3)[:3], 1.0])
        image.set_sform(affine, code="aligned")
        image.set_qform(affine, code="aligned")
