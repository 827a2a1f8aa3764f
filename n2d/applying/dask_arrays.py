"""Dask arrays in, lazy Dask arrays out: any chunks, the same numbers."""

import hashlib
import math
import pickle
from itertools import accumulate, groupby

import numpy as np
import torch

from n2d._masked import unmasked
from n2d._memory import freed_memory_kept
from n2d._surroundings import undisturbed
from n2d.applying.neighbours import denoised_images, reach_of
from n2d.core.device import usable_device
from n2d.images import Images, settle_axes

# Chunks are put together to sides of about this many pixels at least: around every
# chunk a halo is computed twice, half as much again at the first of these sides, a
# quarter at the second, which is taken where it leaves so many chunks to share.
_SMALLEST_CHUNK, _BETTER_CHUNK, _ENOUGH_CHUNKS = 512, 1024, 16

# And along the axis of a stack to so many times what is read of it on every side.
_FEWEST_PLANES = 4


def lazily_denoised(denoiser, X, names, channel_axis, device, region=None):
    """Denoise Dask arrays when and where Dask is asked to.

    Parameters
    ----------
    denoiser : TileDenoiser
        What to apply. It is a node of its own in the graph, so that a cluster sends it
        to every worker once.
    X : dask.array.Array, or list or tuple of array-likes
        Images, as for `Noise2DetailDenoiser.transform`.
    names : sequence of str or int
        See `TileDenoiser.estimates`.
    channel_axis : int or None
        The axis of the channels.
    device : str
        Where each worker computes, as the estimator's parameter.
    region : tuple of two slices, optional
        Which rows and columns of every image.

    Returns
    -------
    list of dask.array.Array, or of list or tuple of them
        One for every name, with X's chunks, of dtype
        ``np.result_type(X.dtype, np.float32)``. They are computed together, where they
        are asked for together.
    """
    import dask.array as da
    from dask.delayed import delayed

    # By its content, so that the same computation has the same name in Dask.
    digest = hashlib.sha256(pickle.dumps((denoiser, device))).hexdigest()
    node = delayed(denoiser, name=f"noise2detail-{digest[:32]}", pure=True)

    arrays = X if isinstance(X, (list, tuple)) else [X]
    stacked = len(arrays) == 1 and settle_axes(arrays[0], channel_axis)[1]
    n_images = arrays[0].shape[0] if stacked else len(arrays)
    as_many = denoiser.planes is not None and len(denoiser.planes) == n_images

    def found_for(array, number=0, channel_axis=channel_axis):
        array = da.asarray(array)
        plane = _plane(array, channel_axis)
        found = _denoised_array(
            array,
            plane,
            node,
            denoiser,
            names,
            channel_axis,
            device,
            number if as_many else None,
        )
        index = [slice(None)] * array.ndim
        for axis, part in zip(plane, region or (), strict=region is not None):
            index[axis] = part
        return [estimate[tuple(index)] for estimate in found]

    if isinstance(X, (list, tuple)):
        if denoiser.stack == "independent":
            found = list(map(found_for, X, range(len(X))))
        else:  # images of one shape after another are a stack
            axis = channel_axis
            axis = axis + 1 if axis is not None and axis >= 0 else axis
            found = []
            for _, same in groupby(X, key=lambda array: array.shape):
                planes = list(same)
                number, n = len(found), len(planes)
                stacks = found_for(da.stack(planes), number, channel_axis=axis)
                found += [[stack[i] for stack in stacks] for i in range(n)]
        return [type(X)(each) for each in zip(*found, strict=True)]
    return found_for(X)


def _plane(array, channel_axis):
    """The axes of the rows and the columns."""
    axis, stacked = settle_axes(array, channel_axis)
    return [i for i in range(stacked, array.ndim) if i - stacked != axis]


def _denoised_array(array, plane, node, denoiser, names, channel_axis, device, number):
    """Denoise one Dask array lazily: a list of the estimates named.

    `number` is that of its first image among those that `fit` saw, or None.
    """
    import dask.array as da

    channels = None if channel_axis is None else channel_axis % array.ndim
    n_planes, reach, multiple = reach_of(denoiser)
    # Windows start at multiples of `multiple`, wherever the chunks do.
    depth = reach + multiple - 1
    # Along the axis of the stack planes around are read, too.
    stacked = 0 not in (*plane, channels)
    n_planes = n_planes if stacked else 0

    least = max(_SMALLEST_CHUNK, depth)
    n_better = math.prod(array.shape[i] // _BETTER_CHUNK for i in plane)
    if n_better * (array.numblocks[0] if stacked else 1) >= _ENOUGH_CHUNKS:
        least = max(_BETTER_CHUNK, depth)
    chunks = {i: _merged(array.chunks[i], least) for i in plane}
    if channels is not None:
        chunks[channels] = (array.shape[channels],)
    if n_planes:
        chunks[0] = _merged(array.chunks[0], _FEWEST_PLANES * n_planes)
    merged = array.rechunk(chunks)
    depths = {i: depth if len(merged.chunks[i]) > 1 else 0 for i in plane}
    if n_planes and len(merged.chunks[0]) > 1:
        depths[0] = n_planes
    n_blocks = math.prod(merged.numblocks)
    dtype = np.result_type(array.dtype, np.float32)
    results = da.map_blocks(
        _denoised_block,
        da.overlap.overlap(merged, depths, "none", allow_rechunk=False),
        dtype=dtype,
        # The estimates are along an axis of their own, in front.
        new_axis=0,
        chunks=((len(names),), *merged.chunks),
        meta=np.empty((0,) * (array.ndim + 1), dtype),
        denoiser=node,
        names=tuple(names),
        plane=tuple(plane),
        # Where blocks begin and end, along the rows' and the columns' axis.
        edges=tuple((0, *accumulate(merged.chunks[i])) for i in plane),
        depth=depth,
        # Where blocks begin and end along the axis of the stack, and how many planes
        # they are given before and after.
        starts=(0, *accumulate(merged.chunks[0])) if stacked else (0, 1),
        n_around=depths.get(0, 0) if n_planes else 0,
        # The number of the first image among those that `fit` saw.
        number=number,
        channel_axis=channels,
        device=device,
        # Blocks are what is computed at once; threads that would be left help them.
        n_threads=max(1, torch.get_num_threads() // n_blocks),
    )
    return [results[i].rechunk(array.chunks) for i in range(len(names))]


def _merged(chunks, least):
    """Put neighbouring chunks together until each is long enough."""
    merged, length = [], 0
    for chunk in chunks:
        length += chunk
        if length >= least:
            merged.append(length)
            length = 0
    if length and merged:
        merged[-1] += length
    elif length:
        merged.append(length)
    return tuple(merged)


@undisturbed
def _denoised_block(
    block,
    *,
    denoiser,
    names,
    plane,
    edges,
    depth,
    starts,
    n_around,
    number,
    channel_axis,
    device,
    n_threads,
    block_id,
):
    """Denoise one block of a Dask array, given with `depth` pixels around it.

    The estimates named come along a new axis 0; `block_id` counts it.
    """
    block_id = block_id[1:]
    multiple = reach_of(denoiser)[2]
    kept, region, shape = [slice(None)] * block.ndim, [], list(block.shape)
    origin = []
    for i, ends in zip(plane, edges, strict=True):
        start, stop = ends[block_id[i]], ends[block_id[i] + 1]
        read_from, read_to = max(0, start - depth), min(ends[-1], stop + depth)
        first = -(-read_from // multiple) * multiple
        # At the image's own border it is mirrored; elsewhere a window ends aligned.
        last = read_to if read_to == ends[-1] else read_to // multiple * multiple
        kept[i] = slice(first - read_from, last - read_from)
        region.append((start - first, stop - start))
        origin.append(first)
        shape[i] = stop - start
    (top, height), (left, width) = region

    name = f"block {block_id} of X"
    images = Images(np.asarray(unmasked(block, name))[tuple(kept)], channel_axis, name)
    whole = tuple(ends[-1] for ends in edges)
    # Which planes of the stack these are, and which of them are asked for.
    k = block_id[0] if len(starts) > 2 else 0
    read_from = max(0, starts[k] - n_around)
    wanted = range(starts[k] - read_from, starts[k + 1] - read_from)
    if n_around:
        shape[0] = len(wanted)
    parts = [
        (None if number is None else number + read_from + i, whole, *origin)
        for i in range(len(images))
    ]
    results = np.empty((len(names), *shape), images.result_dtypes[0])
    outputs = [Images(result, channel_axis) for result in results]
    found = denoised_images(
        denoiser,
        images,
        usable_device(device, fall_back=True),
        n_threads=min(n_threads, torch.get_num_threads()),
        names=names,
        regions=[(top, left, height, width)] * len(images),
        parts=parts,
        wanted=wanted if n_around else None,
    )
    first = wanted[0] if n_around else 0
    with freed_memory_kept():
        for i, tile, estimates in found:
            for output, estimate in zip(outputs, estimates, strict=True):
                output[i - first].write(estimate, tile.top - top, tile.left - left)
    return results
