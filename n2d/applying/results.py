"""What `fit` has settled, applied to a user's X: where the results go."""

from n2d._memory import check_room
from n2d.applying.neighbours import denoised_images
from n2d.applying.tiled import NotFiniteError


def results_of(
    denoiser, images, names, *, device, n_threads, region=None, out=None, callback=None
):
    """Denoise a user's images: one result like X for every estimate named.

    Parameters
    ----------
    denoiser : TileDenoiser
        What to apply.
    images : Images
        The user's images.
    names : sequence of str or int
        See `TileDenoiser.estimates`.
    device : torch.device
        Where to compute.
    n_threads : int
        How many threads may compute at once.
    region : tuple of two slices, optional
        Which rows and columns of every image.
    out : array-like, list of array-likes, or a pair of such, optional
        Where to write the result, or the pair of results. By default new arrays.
    callback : callable, optional
        See `denoised_images`.

    Returns
    -------
    list
        For every name what `out` or X is: arrays, or lists or tuples of arrays.

    Raises
    ------
    TypeError, ValueError
        If `region` or `out` is unsuitable.
    MemoryError
        If there is no room for the results.
    """
    regions, _ = images.cropped(region)
    if out is None:
        n_bytes = len(names) * images.n_result_bytes(region)
        check_room(n_bytes, "the result", "pass out=, an array on disk")
        outputs = [images.empty_like(region) for _ in names]
    elif len(names) == 1:
        outputs = [images.outputs_in(out, region)]
    else:
        outputs = images.pair_of_outputs_in(out, region)
    if out is not None and region is None:
        images.check_finite_in_memory()
    n_written = 0
    found = denoised_images(
        denoiser,
        images,
        device,
        n_threads=n_threads,
        names=names,
        regions=regions,
        callback=callback,
    )
    try:
        for i, tile, estimates in found:
            top, left, *_ = regions[i]
            for output, estimate in zip(outputs, estimates, strict=True):
                output[i].write(estimate, tile.top - top, tile.left - left)
                output[i].let_go()
            n_written += tile.height * tile.width
    except (ValueError, NotFiniteError) as error:
        if out is None or not n_written:
            raise
        raise type(error)(
            f"{error}. out is unfinished: only {n_written:,} pixels of it are written, "
            f"up to image {i}, row {tile.top - top + tile.height - 1}"
        ) from error
    return [output.result for output in outputs]
