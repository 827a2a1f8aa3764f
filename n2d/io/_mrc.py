"""MRC, of electron microscopes, with mrcfile."""

import functools
import io
import math
import os
import sys
import warnings

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import RawFile
from n2d.io._limits import check_inside, check_size
from n2d.io._packages import imported
from n2d.io._units import convert_unit

_DTYPES = ("int8", "uint8", "int16", "uint16", "float16", "float32")
_MODES = (0, 1, 2, 4, 6, 12, 101)  # 4 is refused by its kind
_PACKED = 101  # four bits a pixel, the first of two in the lower half of a byte
_NO_INTENSITIES = {
    3: "complex integers, which are no intensities",
    16: "colours (mode 16), which such files have no standard for; save it as TIFF",
}
# Fields of the header that say nothing of the values, and are kept. In the extra ones
# programs say how the extended header is to be read, and how the stage was tilted.
_KEPT = (
    "nxstart nystart nzstart mx my mz cella cellb mapc mapr maps ispg extra1 exttyp "
    "nversion extra2 origin"
).split()

# IMOD's mark, in what the format leaves free, and the flag beside it: signed bytes.
_IMOD_STAMP, _IMOD_SIGNED = 1146047817, 1
_NSYMBT = 92  # where the length of the extended header is
_IMOD_PLACE = 40  # in extra2, byte 152 of the file
_import_mrcfile = functools.partial(imported, "mrcfile", "medical", "MRC files")


def read(path):
    """Read an MRC file; see `n2d.io.open_image`."""
    mrcfile = _import_mrcfile()
    with open(path, "rb") as file:
        head = file.read(1024)
    # mrcfile takes room for the extended header that a file promises: here for none.
    bare = io.BytesIO(head[:_NSYMBT] + bytes(4) + head[_NSYMBT + 4 :])
    # Wrong marks in the header are common, and what counts is checked below.
    with (
        warnings.catch_warnings(action="ignore", category=RuntimeWarning),
        mrcfile.mrcinterpreter.MrcInterpreter(
            bare, permissive=True, header_only=True
        ) as mrc,
    ):
        n_extended = head[_NSYMBT : _NSYMBT + 4]
        mrc.header.nsymbt = np.frombuffer(n_extended, mrc.header.nsymbt.dtype)[0]
        _settle_byte_order(mrc.header, os.path.getsize(path))
        mode = int(mrc.header.mode)
        if mode in _NO_INTENSITIES:
            raise ImageFileError(f"{path}: holds {_NO_INTENSITIES[mode]}")
        if mode not in _MODES:
            raise ImageFileError(
                f"{path}: is no MRC file, or of a mode ({mrc.header.mode}) that is not "
                "known; .rec files of Philips' scanners save as NIfTI (.nii)"
            )
        if mode == _PACKED:  # mrcfile does not know it; it becomes bytes
            mrc.header.mode = 0
        dtype = mrcfile.utils.data_dtype_from_header(mrc.header)
        shape = mrcfile.utils.data_shape_from_header(mrc.header)
        header = mrc.header.copy()
        lengths = _lengths(header, mrc.voxel_size)
    shape = tuple(int(n) for n in shape)
    if mode == _PACKED or (dtype == np.int8 and _has_unsigned_bytes(header)):
        dtype = np.dtype(np.uint8)
    if dtype.kind not in "iuf":
        raise ImageFileError(f"{path}: holds {dtype}, which are no intensities")
    check_inside(path, int(header.nsymbt), "extended header")
    offset = 1024 + int(header.nsymbt)
    stored = os.path.getsize(path) - offset
    check_size(path, shape, dtype, stored=max(stored, 0), whole=mode == _PACKED)
    in_file = (*shape[:-1], -(-shape[-1] // 2)) if mode == _PACKED else shape
    if math.prod(in_file) * dtype.itemsize > stored:
        raise ImageFileError(f"{path}: is damaged, it ends too early")
    with open(path, "rb") as file:
        extended = np.frombuffer(file.read(offset)[1024:], "V1")
    axes = "YX" if len(shape) == 2 else ("ZYX" if int(header.ispg) else "QYX")
    if len(shape) == 4:
        axes = "QZYX"
    raw = RawFile(path, in_file, dtype, offset=offset)
    image = ImageFile(
        _unpacked(raw, shape) if mode == _PACKED else raw,
        axes,
        "mrc",
        metadata={"header": header, "extended": extended},
        pixel_size={
            letter: (length, "angstrom")
            for letter, length in lengths.items()
            if letter in axes and 0 < length < np.inf
        },
    )
    image.resources.callback(raw.close)
    return image


def _lengths(header, voxel_size):
    """Return the distances of columns, rows and sections, along whatever they are."""
    along = [int(header[name]) for name in ("mapc", "mapr", "maps")]
    if sorted(along) != [1, 2, 3]:  # old files say nothing of it
        along = [1, 2, 3]
    names = ["xyz"[number - 1] for number in along]
    return {a: float(voxel_size[name]) for a, name in zip("XYZ", names, strict=True)}


def _unpacked(raw, shape):
    """Return four-bit numbers as bytes; a row begins with a byte of its own."""
    packed = raw[...]
    numbers = np.empty((*packed.shape, 2), np.uint8)
    numbers[..., 0], numbers[..., 1] = packed & 15, packed >> 4
    return numbers.reshape(*packed.shape[:-1], -1)[..., : shape[-1]]


def _settle_byte_order(header, size):
    """Swap the bytes of a header whose machine stamp is not to be believed."""
    if not _is_likely(header, size):
        swapped = header.dtype.newbyteorder()
        own, header.dtype = header.dtype, swapped
        if not _is_likely(header, size):
            header.dtype = own


def _is_likely(header, size):
    """Whether what a header says fits into the file."""
    numbers = [int(header[name]) for name in ("nx", "ny", "nz", "nsymbt")]
    return (
        min(numbers[:3]) > 0
        and numbers[3] >= 0
        and 0 <= int(header.mode) <= 101
        and math.prod(numbers[:3]) // 2 + numbers[3] <= size
    )


def _order(header):
    """Return the order of bytes that numbers of a header have, "<" or ">"."""
    order = header.nx.dtype.byteorder
    return order if order in "<>" else {"little": "<", "big": ">"}[sys.byteorder]


def _has_unsigned_bytes(header):
    """Whether bytes have no sign: IMOD says so, or values beyond what a sign allows."""
    order = _order(header)
    stamp, flags = np.frombuffer(
        header.extra2.tobytes(), f"{order}i4", count=2, offset=_IMOD_PLACE
    )
    if stamp == _IMOD_STAMP:
        return not flags & _IMOD_SIGNED
    return bool(header.dmax > 127 and header.dmax <= 255 and header.dmin >= 0)


def cannot_hold(dtype, axes, shape, *, suffix):
    """Say why an MRC file cannot hold such an image, or return None."""
    del shape, suffix
    if axes[-2:] != "YX" or len(axes) > 4 or "S" in axes or "C" in axes:
        return (
            f"MRC holds grey images and volumes, not axes {axes!r}; write a .tif file"
        )
    if dtype.name not in _DTYPES:
        return f"MRC holds {', '.join(_DTYPES)}, not {dtype}; give --dtype float32"
    return None


def write(path, array, axes, like, *, target):
    """Write an MRC file; see `n2d.io.create_image`."""
    del target
    mrcfile = _import_mrcfile()
    kept = like.metadata if like is not None and like.format == "mrc" else {}
    check_size(path, array.shape, array.dtype)
    with (
        # mrcfile warns of NaN, which are there because the source has them.
        warnings.catch_warnings(action="ignore", category=RuntimeWarning),
        mrcfile.new(path, overwrite=True) as mrc,
    ):
        data = np.asarray(array[...])
        if kept:  # what programs have put beside the header goes by its order of bytes
            order = _order(kept["header"])
            data = data.astype(data.dtype.newbyteorder(order), copy=False)
            if order != _order(mrc.header):
                mrc.header.byteswap(inplace=True)
                mrc.header.dtype = mrc.header.dtype.newbyteorder()
        unsigned = data.dtype == np.uint8 and bool(kept)
        # Without IMOD's mark bytes have a sign, and mrcfile takes 16 bits.
        mrc.set_data(data.view(np.int8) if unsigned else data)
        if kept:
            if kept["extended"].size:
                mrc.set_extended_header(kept["extended"])
            for name in _KEPT:
                mrc.header[name] = kept["header"][name]
            mrc.header.nlabl = kept["header"].nlabl
            mrc.header.label = kept["header"].label
            mrc.update_header_stats()
            if unsigned:
                _mark_unsigned(mrc.header, data)
            return
        if len(axes) == 3 and axes[0] == "Z":
            mrc.set_volume()
        elif len(axes) == 3:
            mrc.set_image_stack()
        sizes = {} if like is None else like.pixel_size
        lengths = [
            convert_unit(*sizes[letter], "angstrom") if letter in sizes else None
            for letter in "XYZ"
        ]
        if all(lengths[:2]):
            # A series has no distance of sections, and one image any.
            unknown = lengths[0] if len(axes) == 2 else 0
            mrc.voxel_size = tuple(length or unknown for length in lengths)


def _mark_unsigned(header, data):
    """Say, in IMOD's way, that bytes have no sign."""
    extra = bytearray(header.extra2.tobytes())
    numbers = header.nx.dtype.newbyteorder(_order(header))
    stamp, flags = np.frombuffer(extra, numbers, count=2, offset=_IMOD_PLACE)
    flags = int(flags) & ~_IMOD_SIGNED if stamp == _IMOD_STAMP else 0
    mark = np.array([_IMOD_STAMP, flags], numbers).tobytes()
    extra[_IMOD_PLACE : _IMOD_PLACE + len(mark)] = mark
    header.extra2 = np.void(bytes(extra))
    header.dmin, header.dmax = data.min(), data.max()
    header.dmean, header.rms = data.mean(), data.std()
