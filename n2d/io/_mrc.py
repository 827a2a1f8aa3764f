"""MRC, of electron microscopes, with mrcfile."""

import os

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import RawFile
from n2d.io._limits import check_size
from n2d.io._units import convert_unit

_DTYPES = ("int8", "int16", "uint16", "float16", "float32")
# Fields of the header that say nothing of the values, and are kept.
_KEPT = (
    "nxstart nystart nzstart mx my mz cella cellb mapc mapr maps ispg exttyp nversion "
    "origin"
).split()


def _import_mrcfile():
    try:
        import mrcfile
    except ImportError as error:
        raise ImportError(
            'MRC files need the package mrcfile: pip install "noise2detail[medical]"'
        ) from error
    return mrcfile


def read(path):
    """Read an MRC file; see `n2d.io.open_image`."""
    mrcfile = _import_mrcfile()
    with mrcfile.open(path, header_only=True) as mrc:
        dtype = mrcfile.utils.data_dtype_from_header(mrc.header)
        shape = mrcfile.utils.data_shape_from_header(mrc.header)
        header = mrc.header.copy()
        extended = np.array(mrc.extended_header)
        lengths = {letter: float(mrc.voxel_size[letter.lower()]) for letter in "ZYX"}
    shape = tuple(int(n) for n in shape)
    if dtype.kind not in "iuf":
        raise ImageFileError(f"{path}: holds {dtype}, which are no intensities")
    offset = 1024 + int(header.nsymbt)
    stored = os.path.getsize(path) - offset
    check_size(path, shape, dtype, stored=max(stored, 0), whole=False)
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > stored:
        raise ImageFileError(f"{path}: is damaged, it ends too early")
    axes = "YX" if len(shape) == 2 else ("ZYX" if int(header.ispg) else "QYX")
    if len(shape) == 4:
        axes = "QZYX"
    raw = RawFile(path, shape, dtype, offset=offset)
    image = ImageFile(
        raw,
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
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(np.asarray(array[...]))
        if kept:
            if kept["extended"].size:
                mrc.set_extended_header(kept["extended"])
            for name in _KEPT:
                mrc.header[name] = kept["header"][name]
            mrc.header.nlabl = kept["header"].nlabl
            mrc.header.label = kept["header"].label
            mrc.update_header_stats()
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
            mrc.voxel_size = tuple(length or lengths[0] for length in lengths)
