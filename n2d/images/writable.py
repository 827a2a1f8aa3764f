"""Which arrays results can be written to."""

import numpy as np

from n2d.images.inputs import is_dask, reads_lazily


def check_writable(array, source, shape):
    """Raise where results of a shape for `source` cannot be written to `array`."""
    if not (reads_lazily(array) and hasattr(array, "__setitem__")):
        raise TypeError(
            "out must be an array that can be written to, such as a NumPy array, a "
            f"memory map or a Zarr array, got {type(array).__name__}"
        )
    if is_dask(array):
        raise TypeError(
            "out must not be a Dask array: transform a Dask array, and write the lazy "
            "result with its own to_zarr or store"
        )
    if tuple(array.shape) != shape:
        raise ValueError(
            f"out has shape {tuple(array.shape)}, but the result has {shape}"
        )
    if np.dtype(array.dtype).kind not in "biuf":
        raise TypeError(f"out must hold numbers, got dtype {array.dtype}")
    if not getattr(getattr(array, "flags", None), "writeable", True):
        raise ValueError("out is read-only")
    if are_one(array, source):
        raise ValueError(
            "out must not be X itself, or share memory with it: tiles are denoised "
            "from pixels around them, which would be denoised already"
        )


def are_one(array, source):
    """Whether two arrays are known to be the same, in memory or on disk."""
    if array is source:
        return True
    if isinstance(array, np.ndarray) and isinstance(source, np.ndarray):
        if np.may_share_memory(array, source):
            return True
    place = _place_on_disk(array)
    return place is not None and place == _place_on_disk(source)


def _place_on_disk(array):
    """The file behind a memory map or a Zarr array, if there is one."""
    while isinstance(array, np.ndarray):
        if getattr(array, "filename", None) is not None:
            return array.filename
        array = array.base
    return getattr(array, "store_path", None)
