"""NPY, NumPy's own format: an array, and no word on what its axes are."""

import math
import os

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import RawFile
from n2d.io._limits import check_inside, check_size


def read(path):
    """Read an NPY file; see `n2d.io.open_image`."""
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        place = file.tell()
        n_bytes = file.read(2 if version == (1, 0) else 4)
        check_inside(path, int.from_bytes(n_bytes, "little"), "header")
        file.seek(place)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ImageFileError(f"{path}: is of NPY version {version}; save it anew")
        offset = file.tell()
    if dtype.kind not in "buif":
        raise ImageFileError(f"{path}: holds {dtype}, which are no intensities")
    if not 2 <= len(shape) <= 8:
        raise ImageFileError(f"{path}: has {len(shape)} axes, and an image has 2 to 8")
    stored = os.path.getsize(path) - offset
    check_size(path, shape, dtype, stored=stored, whole=False)
    if math.prod(shape) * dtype.itemsize > stored:
        raise ImageFileError(f"{path}: is damaged, it ends too early")
    axes = "QIPUVW"[: len(shape) - 2] + "YX"
    if fortran:  # what varies slowest comes last
        check_size(path, shape, dtype)
        data = np.load(path, allow_pickle=False)
        data = data.astype(dtype.newbyteorder("="), copy=False)
        return ImageFile(np.ascontiguousarray(data), axes, "npy")
    raw = RawFile(path, shape, dtype, offset=offset)
    image = ImageFile(raw, axes, "npy")
    image.resources.callback(raw.close)
    return image


def cannot_hold(dtype, axes, shape, *, suffix):
    """Say why an NPY file cannot hold such an image, or return None."""
    del axes, shape, suffix
    return None if dtype.kind in "buif" else f"NPY is not used for {dtype}"


def write(path, array, axes, like, *, target):
    """Write an NPY file; see `n2d.io.create_image`."""
    del axes, like, target
    dtype = np.dtype(array.dtype)
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": tuple(array.shape),
    }
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for index in np.ndindex(*array.shape[:-2]):
            file.write(np.ascontiguousarray(array[index]).tobytes())
