"""What users give as an array: taken as it is, converted, or refused by name."""

import numbers
import os

import numpy as np

from n2d._masked import unmasked


def is_array(item):
    """Whether something is one array, and no list of such or number."""
    if hasattr(item, "shape"):
        return getattr(item, "ndim", 0) > 0
    return hasattr(item, "__array_interface__")  # as pictures of Pillow have


def is_dask(array):
    """Whether an array is computed by Dask; xarray's may be, and are asked."""
    return hasattr(array, "__dask_graph__") and array.__dask_graph__() is not None


def reads_lazily(X):
    """Whether X is no ndarray, but has a NumPy dtype and can be indexed like one."""
    if not (hasattr(X, "shape") and hasattr(X, "dtype") and hasattr(X, "__getitem__")):
        return False
    try:
        np.dtype(X.dtype)
    except TypeError:  # as for torch tensors
        return False
    return True


def as_array(X, name):
    """Return X as something with shape, dtype and windows, or say what is wrong."""
    X = unmasked(X, name)
    if hasattr(X, "detach") and hasattr(X, "numpy"):
        X = _from_tensor(X)
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise TypeError(
            f"Sparse data was passed for {name}, but dense data is required. Use "
            f"'.toarray()' to convert it to a dense array"
        )
    if getattr(X, "mode", None) == "P" and hasattr(X, "getpalette"):  # of Pillow
        raise TypeError(
            f"{name} is a palette image, whose numbers are no intensities; take "
            f'{name}.convert("RGB"), with channel_axis=-1, or {name}.convert("L")'
        )
    if isinstance(X, (str, os.PathLike)):
        raise TypeError(
            f"{name} is the name of a file, {os.fspath(X)!r}, and no image; take "
            "n2d.io.read_image(...).data, or n2d.denoise_file, which keeps what else "
            "the file holds"
        )
    array = X if isinstance(X, np.ndarray) or reads_lazily(X) else np.asarray(X)
    if array.dtype == object and array.ndim == 0 and X is not None:
        raise TypeError(
            f"{name} must be an array of numbers, or a list of arrays, got "
            f"{type(X).__name__}"
        )
    if any(n != n for n in array.shape):  # as for a Dask array after a selection
        raise ValueError(
            f"{name} does not know its own shape, {array.shape}; call its "
            "compute_chunk_sizes() first"
        )
    dtype = np.dtype(array.dtype)
    if dtype.kind == "O":
        array = _numbers(np.asarray(array), name)
    elif dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} has dtype {dtype}; denoise its real "
            "and its imaginary part, or its magnitude"
        )
    elif dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got dtype {dtype}")
    if isinstance(array, np.ndarray):
        array = array.view(np.ndarray)  # a np.matrix would keep two axes
    return array


def _from_tensor(tensor):
    """Return a tensor of Torch as an array, whatever is attached to it."""
    tensor = tensor.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:  # of 16 bits in a way that NumPy has not
        return tensor.float().numpy()


def _numbers(array, name):
    """Convert an object array whose items are real numbers to float64."""
    for item in array.flat:
        if isinstance(item, numbers.Complex) and not isinstance(item, numbers.Real):
            raise ValueError(f"Complex data not supported: {name} holds {item!r}")
        if item is None or isinstance(item, str):
            raise TypeError(f"{name} must hold numbers, got {item!r}")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers: {error}") from error
