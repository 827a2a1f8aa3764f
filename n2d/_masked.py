"""Masked arrays, refused by name: what they hide is no part of an image."""

import numpy as np


def unmasked(array, name):
    """Return an array that hides nothing, or refuse it.

    Parameters
    ----------
    array : object
        What a user gave, read or not; or a list or tuple of such, however deep.
    name : str
        How the error message calls it.

    Returns
    -------
    object
        The same, or the data of a masked array that hides nothing.

    Raises
    ------
    TypeError
        If something is masked, or if a Dask array says that its blocks are masked
        arrays: whether they hide something, only computing them would tell.
    """
    if isinstance(array, np.ma.MaskedArray):
        if np.any(array.mask):
            raise TypeError(
                f"{name} is a masked array; fill the masked pixels first, for example "
                f"by {name}.filled(value)"
            )
        return array.data
    if isinstance(array, (list, tuple)):
        for i, item in enumerate(array):
            unmasked(item, f"{name}[{i}]")
    elif isinstance(getattr(_lazy(array), "_meta", None), np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a Dask array of masked arrays; fill the masked pixels first, "
            f"for example by dask.array.ma.filled({name}, value)"
        )
    return array


def read_unmasked(array, name):
    """Read what a user gave, and refuse it if it turns out to hide something.

    A Dask array may say that its blocks are plain arrays where they are masked ones.

    Parameters
    ----------
    array : array_like
        Of any kind.
    name : str
        How the error message calls it.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError
        If something is masked.
    """
    array = unmasked(array, name)
    lazy = _lazy(array)
    if lazy is not None:
        array = unmasked(lazy.compute(), name)
    return np.asarray(array)


def read_numbers(array, name):
    """Read what a user gave as finite real numbers, float64, or refuse it.

    Parameters
    ----------
    array : array_like
        Of any kind.
    name : str
        How the error message calls it.

    Returns
    -------
    ndarray of float64

    Raises
    ------
    TypeError
        If something is masked, or no real number.
    ValueError
        If there is none, or one is not finite.
    """
    array = read_unmasked(array, name)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.size == 0:
        raise ValueError(f"{name} has no pixels: its shape is {array.shape}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinite values")
    return array


def _lazy(array):
    """The Dask array that something is, or, as of xarray, has inside; else None."""
    if not hasattr(array, "__dask_graph__") or array.__dask_graph__() is None:
        return None
    inside = getattr(array, "data", None)
    return inside if hasattr(inside, "__dask_graph__") else array
