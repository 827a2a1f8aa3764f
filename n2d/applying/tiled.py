"""What `fit` has settled, applied to images of any size, tile by tile."""

import math
import traceback
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from n2d._memory import (
    available_memory,
    give_back_memory,
    in_words,
    is_out_of_memory,
)
from n2d.applying.cluster import current_cluster
from n2d.applying.mapping import DeviceIntensities
from n2d.applying.workers import moved, workers
from n2d.core.device import computing_in
from n2d.core.progress import Progress, report
from n2d.core.stages import TrainedStages
from n2d.core.team import limited_threads
from n2d.core.tiling import tiles

DENOISING = "denoising"

# The name of the standard error among those of the stages' estimates.
STANDARD_ERROR = "standard error"

# Sides of a tile. Larger ones compute less twice; smaller ones are for want of memory.
_LARGEST_TILE = 1536
_SMALLEST_TILE = 32

# Threads compute a tile each where there are so many tiles for each of them, else they
# compute every tile together.
_TILES_EACH = 4

# What a pixel and its channels take on their way, besides the feature maps.
_BYTES_PER_VALUE = 64

# Tiles may fill this share of the memory there is, and so many bytes at most.
_SHARE = 0.5
_MOST_MEMORY = 2**30


class NotFiniteError(RuntimeError):
    """An estimate became infinite or NaN, which never becomes a number of a file."""


@dataclass(frozen=True)
class TileDenoiser:
    """Stages and intensities, and how they are applied to parts of images.

    Holds no image, and can be pickled.

    Parameters
    ----------
    stages : object
        How to denoise: `TrainedStages` or `PriorStages` of `n2d.core`; None: not at
        all.
    intensities : n2d.fitting.intensities.Intensities
        What the stages see of pixel values.
    planes : sequence of Plane of `n2d.fitting.planes` or None, optional
        For every image of a stack its own stages and intensities, with its shape; None
        in the place of one that has those of all.
    stack : {"independent", "time", "depth"}, default="independent"
        What images have to do with each other; see `n2d.applying.neighbours`.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What the prior network is computed in.
    """

    stages: object
    intensities: object
    planes: tuple | None = None
    stack: str = "independent"
    precision: str = "auto"

    @property
    def geometry(self):
        """The reach and the alignment, as `n2d.core.tiling.tiles` takes them."""
        found = stages_of(self.stages, self.planes)
        planes = (plane for plane in self.planes or () if plane is not None)
        before = max(one.intensities.reach for one in (self, *planes))
        return {
            "reach": max((stages.reach for stages in found), default=0) + before,
            "multiple": math.lcm(1, *(stages.alignment for stages in found)),
        }

    def to(self, device):
        """Return one whose stages are on a device."""

        # The networks themselves are the estimator's, and move.
        def moved(stages):
            return None if stages is None else replace(stages).to(device)

        planes = self.planes and tuple(
            plane and plane._replace(stages=moved(plane.stages))
            for plane in self.planes
        )
        return replace(self, stages=moved(self.stages), planes=planes)

    def of_image(self, i, shape, top=0, left=0):
        """One for a single image, or a part of it.

        Parameters
        ----------
        i : int or None
            Its number among those that `fit` saw; None of another.
        shape : tuple of two int
            Of the whole image.
        top, left : int, default=0
            Where in it the part begins.

        Returns
        -------
        TileDenoiser
        """
        plane = self.plane_of(i, shape) or self
        intensities = plane.intensities.of_shape(shape, top, left)
        return replace(self, stages=plane.stages, intensities=intensities, planes=None)

    def plane_of(self, i, shape, *_):
        """Return what is known of one image alone, or None; see `of_image`."""
        plane = None if i is None else self.planes[i]
        return None if plane is None or plane.shape != tuple(shape) else plane

    def parts_of(self, images):
        """Say of every image what `of_image` takes: its number for `fit`, its shape.

        Parameters
        ----------
        images : Images
            What is to be denoised.

        Returns
        -------
        list of tuple
            The number is None unless there are as many images as `fit` saw.
        """
        as_many = self.planes is not None and len(self.planes) == len(images)
        return [
            (i if as_many else None, image.shape[1:]) for i, image in enumerate(images)
        ]

    def estimates(self, values, tile, device, names=("stage3",), dtype=np.float64):
        """Denoise a tile.

        Parameters
        ----------
        values : ndarray of shape (C, h, w)
            Pixel values of the tile's window.
        tile : Tile
            What to denoise.
        device : torch.device
            Where the stages are.
        names : sequence of str or int, default=("stage3",)
            "stage1", "stage2", "stage3", a downsampling factor of stage 2, or
            `STANDARD_ERROR`, that of stage 3.
        dtype : dtype, default=float64
            Of the estimates: float32 or float64.

        Returns
        -------
        list of ndarray of shape (C, tile.height, tile.width)
            The estimates that were named, in the units of `values`.
        """
        if self.stages is None:  # the image is left alone
            pixels = tile.crop(values).astype(dtype)
            return [pixels * (name != STANDARD_ERROR) for name in names]
        _, found = self.seen_and_found(values, tile, device, names)
        kind = torch.float32 if dtype == np.float32 else torch.float64
        maps = self._maps(device)
        seen = {**vars(found), **found.stage2_factors}
        pixels = tile.crop(self._pixels(values))

        def in_units(name):
            back = maps.backward
            cut = [seen["stage3" if name == STANDARD_ERROR else name]]
            if name == STANDARD_ERROR:
                back, cut = maps.backward_error, [seen["error"], *cut]
            cut = [tile.crop(each[0]).to(maps.device) for each in cut]
            result = back(*cut, tile.top, tile.left, dtype=kind).cpu().numpy()
            others = pixels * (name != STANDARD_ERROR)
            return self.intensities.among_all(result, others)

        return list(map(in_units, names))

    def _pixels(self, values):
        """Pixel values (C, h, w) of the image, of what `estimates` is given."""
        return values

    def seen_and_found(self, values, tile, device, names):
        """What the stages see of a tile's window, and make of it, each (1, C, h, w).

        Parameters
        ----------
        values, tile, device, names
            As for `estimates`.

        Returns
        -------
        noisy : Tensor
            Stabilised; of the channels that have noise.
        found : Estimates
            Of the stages.
        """
        maps = self._maps(device)
        values = moved(self.intensities.with_noise(values), maps.device)
        noisy = maps.forward(values, *tile.window[:2])[None].to(device)
        asked = {"return_error": True} if STANDARD_ERROR in names else {}
        with self._computing(device):
            return noisy, self.stages.estimates(noisy, tile.halo, **asked)

    def _maps(self, device):
        # Where there is no float64, intensities are mapped by the processor.
        maps_on = torch.device("cpu") if device.type == "mps" else device
        return DeviceIntensities(self.intensities, maps_on)

    def _computing(self, device):
        trained = isinstance(self.stages, TrainedStages)
        return computing_in(device, "float32" if trained else self.precision)

    def check_knows_error(self):
        """Raise where the stages do not say how far off their result is.

        Raises
        ------
        ValueError
            The message says what to do.
        """
        if self.stages is not None and self.stages.why_no_error is not None:
            raise ValueError(f"return_std=True: {self.stages.why_no_error}")

    def bytes_per_pixel(self, n_channels, n_estimates=1):
        """Return how much memory a tile takes for every pixel of its window.

        Parameters
        ----------
        n_channels : int
            Channels of the images.
        n_estimates : int, default=1
            How many estimates are brought back to the units of the image.

        Returns
        -------
        int
        """
        every = stages_of(self.stages, self.planes)
        found = [stages.bytes_per_pixel for stages in every]
        return _BYTES_PER_VALUE * n_channels * n_estimates + max(found, default=0)

    def tile_side(self, n_channels, memory, n_estimates=1):
        """Return the side of the largest tile that there is memory for.

        Parameters
        ----------
        n_channels : int
            Channels of the images.
        memory : int
            Bytes that may be filled.
        n_estimates : int, default=1
            How many estimates are brought back to the units of the image.

        Returns
        -------
        int
        """
        needed = self.bytes_per_pixel(n_channels, n_estimates)
        side = math.isqrt(int(memory / needed)) - 2 * self.geometry["reach"]
        return min(_LARGEST_TILE, max(_SMALLEST_TILE, side))


def stages_of(stages, planes):
    """All that there are: of all images, and of single ones."""
    own = (plane.stages for plane in planes or () if plane is not None)
    return [each for each in (stages, *own) if each is not None]


def denoised_tiles(
    denoiser,
    images,
    device,
    *,
    n_threads,
    names=("stage3",),
    regions=None,
    callback=None,
    parts=None,
):
    """Denoise images tile by tile, in order, several tiles at once.

    Where memory gets short, tiles are halved, then the CPU is taken.

    Parameters
    ----------
    denoiser : TileDenoiser
        What to apply.
    images : Images
        What to apply it to. Windows are read by the calling thread alone.
    device : torch.device
        Where to compute.
    n_threads : int
        How many threads may compute at once. On the CPU, many small tiles are spread
        over them; large ones they share.
    names : sequence of str or int, default=("stage3",)
        See `TileDenoiser.estimates`.
    regions : sequence of tuple of four int, optional
        For every image, the part that is asked for: top, left, height and width. By
        default all of it.
    callback : callable, optional
        Called with a `Progress` after every tile; returning True cancels.
    parts : sequence of tuple, optional
        Where the images come from: arguments of `TileDenoiser.of_image`; by default
        what `TileDenoiser.parts_of` says.

    Yields
    ------
    i : int
        Number of the image.
    tile : Tile
        The part of it that is denoised.
    estimates : list of ndarray of shape (C, tile.height, tile.width)
        As named, of the dtype of results.

    Raises
    ------
    MemoryError
        If there is not even memory for the smallest tile.
    NotFiniteError
        If an estimate is infinite or NaN; the message says where.
    Cancelled
        If `callback` returned True.
    """
    # Of the stages' estimates one at a time is brought back; an error takes two more.
    n_estimates = 3 if STANDARD_ERROR in names else 1
    n_workers = 1
    if (cluster := current_cluster()) is not None:
        device = torch.device("cpu")
    memory = min(_MOST_MEMORY, _SHARE * available_memory())
    if device.type == "cuda":
        # One tile is copied while another is computed.
        n_workers = 2
        memory = _SHARE * torch.cuda.mem_get_info(device)[0] / n_workers
    side = denoiser.tile_side(images.n_channels, memory, n_estimates)
    jobs = [
        (i, tile)
        for i, image in enumerate(images)
        for tile in tiles(
            *image.shape[1:],
            side=side,
            region=None if regions is None else regions[i],
            **denoiser.geometry,
        )
    ]
    n_pixels = sum(tile.height * tile.width for _, tile in jobs)
    if device.type == "cpu" and len(jobs) >= _TILES_EACH * n_threads:
        largest = max(tile.window[2] * tile.window[3] for _, tile in jobs)
        needed = largest * denoiser.bytes_per_pixel(images.n_channels, n_estimates)
        n_workers = n_threads if memory >= n_threads * needed else 1
    parts = parts or denoiser.parts_of(images)
    run = _Run(denoiser, images, device, names, side, parts)
    n_done = 0
    with workers(n_workers, n_threads, device) as submit:
        # More tiles than there are workers, so that none waits for the caller, or for
        # another that is slow.
        at_once = 2 * n_workers if n_threads > 1 or n_workers > 1 else 1
        if cluster is not None and len(jobs) > 1:
            submit, at_once = cluster.submit, cluster.at_once(jobs, memory)
        for i, tile, estimates in run.in_order(jobs, submit, at_once):
            yield i, tile, estimates
            images[i].let_go()
            n_done += tile.height * tile.width
            report(callback, Progress(DENOISING, n_done, n_pixels, math.nan))


class _Run:
    """One pass over images: where it computes, and how large its tiles are by now."""

    def __init__(self, denoiser, images, device, names, side, parts):
        self._images = images
        self._parts = parts
        self._names = names
        self._side = side
        self._move(denoiser, device)

    def _move(self, denoiser, device):
        self._denoiser, self._device = denoiser.to(device), device
        if device.type == "cuda":  # before other streams use what was moved
            torch.cuda.synchronize(device)

    def in_order(self, jobs, submit, at_once):
        """Denoise all jobs (i, tile), so many at once; see `denoised_tiles`."""
        waiting, under_way = deque(jobs), deque()
        while waiting or under_way:
            while waiting and len(under_way) < at_once:
                i, tile = waiting.popleft()
                parts = list(self._split(i, tile))
                if len(parts) > 1:  # memory has become short since it was planned
                    waiting.extendleft((i, part) for part in reversed(parts))
                    continue
                under_way.append((i, tile, self._start(i, tile, submit)))
            i, tile, future = under_way.popleft()
            try:
                estimates = future.result()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                # What is under way ends first, and all of it gives its memory back:
                # what a failed computation had made by then, too.
                failed = [(i, tile)]
                _forget_locals(error)
                for other, its_tile, future in under_way:
                    _forget_locals(future.exception())
                    failed.append((other, its_tile))
                under_way.clear()
                future = None
                submit, at_once = self._in_new_thread, 1
                waiting.extendleft(reversed(failed))
                self._make_do_with_less(tile, error)
            else:
                self._refuse_not_finite(i, tile, estimates)
                yield i, tile, estimates

    def _refuse_not_finite(self, i, tile, estimates):
        """Raise where a tile came out as something that is no number."""
        for name, values in zip(self._names, estimates, strict=True):
            n_bad = values.size - np.count_nonzero(np.isfinite(values))
            if n_bad:
                bottom, right = tile.top + tile.height - 1, tile.left + tile.width - 1
                raise NotFiniteError(
                    f"{n_bad:,} of {values.size:,} values of {name} came out as NaN or "
                    f"infinite, in rows {tile.top} to {bottom} and columns "
                    f"{tile.left} to {right} of image {i}. The weights, the noise "
                    "that was told or data_range do not belong "
                    "to such an image; fit to it anew"
                )

    def _split(self, i, tile):
        """Tiles of the side that there is memory for, in the place of a tile."""
        region = (tile.top, tile.left, tile.height, tile.width)
        return tiles(
            *self._images[i].shape[1:],
            side=self._side,
            region=region,
            **self._denoiser.geometry,
        )

    def _start(self, i, tile, submit):
        compute = self._denoiser.of_image(*self._parts[i]).estimates
        try:
            values = self._images[i].read(*tile.window)
            dtype = np.float64
            if self._device.type == "cuda":  # half as much comes back
                dtypes = self._images.result_dtypes
                dtype = dtypes[i if len(dtypes) == len(self._images) else 0]
            return submit(compute, values, tile, self._device, self._names, dtype)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            failed = Future()
            failed.set_exception(error)
            return failed

    def _in_new_thread(self, function, *arguments):
        """Compute in a thread of its own, and give the result as a future.

        Where oneDNN once lacked memory to compile a kernel it fails forever, but only
        in that thread.
        """
        with ThreadPoolExecutor(1, "n2d", initializer=limited_threads) as pool:
            return pool.submit(function, *arguments)

    def _make_do_with_less(self, tile, error):
        """Take smaller tiles, or else the CPU, or else give up."""
        side = min(self._side, max(tile.height, tile.width))
        if side > _SMALLEST_TILE:
            self._side = max(_SMALLEST_TILE, side // 2)
        elif self._device.type != "cpu":
            self._move(self._denoiser, torch.device("cpu"))
            self._side = _LARGEST_TILE
        else:
            reach = self._denoiser.geometry["reach"]
            raise MemoryError(
                f"not even a tile of {side} x {side} pixels, with {reach} around it, "
                f"can be denoised in the {in_words(available_memory())} of memory "
                "that are available. Close other programs, or pass an array that is "
                "on disk (a memory map, Zarr) and another as out"
            ) from error
        give_back_memory()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _forget_locals(error):
    """Let go of what was computed where an exception comes from."""
    if error is not None:
        traceback.clear_frames(error.__traceback__)
