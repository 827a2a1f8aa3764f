"""Stacks whose planes have to do with each other: denoised with their neighbours.

Every plane is denoised alone first. Then what is averaged of it and of its neighbours,
where they agree, is denoised. Planes come and go: no more are held than are needed.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from n2d.applying.mapping import DeviceIntensities
from n2d.applying.tiled import DENOISING, STANDARD_ERROR, TileDenoiser, denoised_tiles
from n2d.core.neighbours import BLOCK, REACH, average_of_neighbours
from n2d.core.progress import Progress, report
from n2d.core.tiling import tiles

# What `stack` may be, and how many planes to either side are neighbours then.
N_NEIGHBOURS = {"independent": 0, "time": 3, "depth": 2}

# Planes of other noise are averaged if its correlations are as close as this.
_SAME_CORRELATION = 0.2

# Planes whose noise is more than so many times as strong add nothing to another one.
_LOUDEST = 4.0

# Planes are gone through in parts of at most this side: so many are held at once.
_LARGEST_PART = 1536


def denoised_images(denoiser, images, device, *, wanted=None, **options):
    """Denoise images each alone, or planes of a stack with their neighbours.

    Parameters
    ----------
    denoiser : TileDenoiser
        What to apply; its `stack` says which.
    images : Images
        What to apply it to.
    device : torch.device
        Where to compute.
    wanted : sequence of int, optional
        Numbers of the images that are asked for, rising; the others are only read. By
        default all.
    **options : object
        For `denoised_tiles`.

    Yields
    ------
    i, tile, estimates
        As by `denoised_tiles`; images in order, but those too large part by part.
    """
    alone = denoiser.stack == "independent" or len(images) == 1
    if alone and wanted is None:
        yield from denoised_tiles(denoiser, images, device, **options)
        return
    yield from _Stack(denoiser, images, device, wanted, **options).tiles()


def reach_of(denoiser):
    """How far a denoiser looks: planes to either side, pixels, and their alignment.

    Parameters
    ----------
    denoiser : TileDenoiser
        What is to be applied.

    Returns
    -------
    n_planes, reach, multiple : int
        The result depends on no plane and no pixel farther away; windows begin at
        multiples.
    """
    reach, multiple = denoiser.geometry["reach"], denoiser.geometry["multiple"]
    n_planes = N_NEIGHBOURS[denoiser.stack]
    if n_planes:
        multiple = math.lcm(multiple, BLOCK)
        # Twice the network, and what is rounded to whole blocks in between.
        reach = 2 * reach + REACH + 2 * multiple
    return n_planes, reach, multiple


class _First(TileDenoiser):
    """Denoises planes alone: what the network sees of them, makes of it, and how sure.

    One array (3 C, h, w), not in the units of the images.
    """

    def estimates(self, values, tile, device, names=("stage3",), dtype=np.float32):
        """See `TileDenoiser.estimates`."""
        noisy, found = self.seen_and_found(values, tile, device, [STANDARD_ERROR])
        return [
            np.concatenate(
                [
                    tile.crop(x[0]).float().cpu().numpy()
                    for x in (noisy, found.stage3, found.error)
                ]
            )
        ]


class _Second(TileDenoiser):
    """Denoises averages (C + 1, h, w): the last channel is the level of the noise.

    Of images that have channels without noise, all pixel values follow.
    """

    def seen_and_found(self, values, tile, device, names):
        """See `TileDenoiser.seen_and_found`."""
        n = len(self.intensities.noise)
        seen = torch.from_numpy(values[None, : n + 1].astype(np.float32, copy=False))
        noisy, level = seen[:, :n].to(device), seen[:, n:].to(device)
        asked = {"return_error": STANDARD_ERROR in names, "level": level}
        with self._computing(device):
            return noisy, self.stages.estimates(noisy, tile.halo, **asked)

    def _pixels(self, values):
        """See `TileDenoiser._pixels`."""
        return values[len(self.intensities.noise) + 1 :]


class _Planes(list):
    """Planes as `denoised_tiles` takes images."""

    def __init__(self, planes, dtype=np.float32):
        super().__init__(planes)
        self.n_channels = self[0].shape[0]
        self.result_dtypes = [np.dtype(dtype)] * len(planes)


@dataclass
class _Part:
    """A part (C, h, w) of a plane, which is read like an image."""

    values: np.ndarray
    top: int
    left: int
    shape: tuple

    def read(self, top, left, height, width):
        """Read a window; what lies beyond the plane mirrors it."""
        rows, columns = top - self.top, left - self.left
        values = self.values[:, rows : rows + height, columns : columns + width]
        missing = height - values.shape[1], width - values.shape[2]
        if any(missing):
            pad = ((0, 0), (0, missing[0]), (0, missing[1]))
            values = np.pad(values, pad, "reflect")
        return np.ascontiguousarray(values)

    def let_go(self):
        """Do nothing: it is in memory."""


class _Stack:
    """One pass over a stack of planes."""

    def __init__(
        self,
        denoiser,
        images,
        device,
        wanted,
        *,
        n_threads,
        names=("stage3",),
        regions=None,
        callback=None,
        parts=None,
    ):
        self._images, self._device, self._names = images, device, names
        self._n_threads, self._callback = n_threads, callback
        self._around = N_NEIGHBOURS[denoiser.stack]
        self._moving = denoiser.stack == "time"
        self._parts = parts or denoiser.parts_of(images)
        self._regions = regions or [(0, 0, *image.shape[1:]) for image in images]
        self._wanted = range(len(images)) if wanted is None else sorted(wanted)
        self._denoiser = denoiser
        self._first = _First(**vars(denoiser))
        self._second = _Second(**vars(denoiser))
        # Planes can be averaged whose pixels mean the same to the network.
        self._planes = [denoiser.plane_of(*part) for part in self._parts]
        self._n_done = 0
        self._n_pixels = sum(
            self._regions[i][2] * self._regions[i][3] for i in self._wanted
        )

    def tiles(self):
        """Denoise all planes that are wanted; see `denoised_images`."""
        for series in self._series():
            first = series[0]
            for part in tiles(
                *self._images[first].shape[1:],
                side=_LARGEST_PART,
                reach=0,
                multiple=BLOCK,
                region=self._regions[first],
            ):
                region = part.top, part.left, part.height, part.width
                yield from self._in_turn(series, region)

    def _series(self):
        """Runs of planes of one shape and one region."""
        series, latest = [], None
        for i, image in enumerate(self._images):
            like = image.shape, self._regions[i]
            if like != latest:
                series.append([])
            series[-1].append(i)
            latest = like
        return series

    def _in_turn(self, series, region):
        """Denoise a region of planes (top, left, height, width), one after another."""
        waiting = deque(i for i in self._wanted if series[0] <= i <= series[-1])
        outer = self._grown(region, self._geometry["reach"], series[0])
        guided = self._grown(outer, REACH, series[0])
        at_once = max(1, self._n_threads) if self._device.type == "cpu" else 1
        known = {}
        while waiting:
            some = [waiting.popleft() for _ in range(min(at_once, len(waiting)))]
            around = {i: self._neighbours(i, series) for i in some}
            joined = [i for i in some if around[i]]
            needed = sorted({j for i in joined for j in (i, *around[i])})
            for j in [j for j in known if not needed or j < needed[0]]:
                del known[j]
            self._denoise_alone([j for j in needed if j not in known], guided, known)
            averages = [
                self._average(i, around[i], outer, guided, known) for i in joined
            ]
            yield from self._tiles_of(
                self._denoiser,
                self._images,
                [i for i in some if not around[i]],
                region,
            )
            yield from self._tiles_of(
                self._second, dict(zip(joined, averages, strict=True)), joined, region
            )

    def _tiles_of(self, denoiser, images, numbers, region):
        """Denoise a region of some images by a denoiser."""
        if not numbers:
            return
        dtypes = self._images.result_dtypes
        for k, tile, estimates in denoised_tiles(
            denoiser,
            _Planes([images[i] for i in numbers], np.result_type(*dtypes)),
            self._device,
            n_threads=self._n_threads,
            names=self._names,
            regions=[region] * len(numbers),
            parts=[self._parts[i] for i in numbers],
        ):
            yield numbers[k], tile, estimates
            self._n_done += tile.height * tile.width
            self._report()

    def _report(self):
        progress = Progress(DENOISING, self._n_done, self._n_pixels, math.nan)
        report(self._callback, progress)

    @property
    def _geometry(self):
        return self._denoiser.geometry

    def _grown(self, region, reach, i):
        """A region and what is around it, rounded to blocks, within the plane."""
        multiple = math.lcm(self._geometry["multiple"], BLOCK)
        ends = []
        for start, n, side in zip(
            region[:2], region[2:], self._images[i].shape[1:], strict=True
        ):
            first = max(0, (start - reach) // multiple * multiple)
            last = min(side, -(-(start + n + reach) // multiple) * multiple)
            ends.append((first, last - first))
        (top, height), (left, width) = ends
        return top, left, height, width

    def _neighbours(self, i, series):
        """Numbers of the planes around one that can be averaged with it."""
        own = self._planes[i]
        stages = (own or self._denoiser).stages
        first = max(series[0], i - self._around)
        last = min(series[-1], i + self._around)
        return [
            j
            for j in range(first, last + 1)
            if j != i and stages is not None and self._can_join(i, j)
        ]

    def _of(self, i):
        """What denoises a plane: of its own, or of all."""
        return self._planes[i] or self._denoiser

    def _n_channels(self, i):
        """How many channels of a plane have noise."""
        return len(self._of(i).intensities.noise)

    def _can_join(self, i, j):
        """Whether a plane can be averaged with another one."""
        own, other = (self._of(k) for k in (i, j))
        if own is other:
            return True
        # Of other noise: by its pixels, which then have to mean the same.
        if (
            other.stages is None
            or own.intensities.channels != other.intensities.channels
        ):
            return False
        if any(
            one.intensities.rotation is not None or one.intensities.reach
            for one in (own, other)
        ):
            return False
        levels = zip(own.intensities.noise, other.intensities.noise, strict=True)
        if any(b.level > _LOUDEST * a.level for a, b in levels):
            return False
        apart = (own.stages.correlation - other.stages.correlation).abs()
        return bool(apart.max() <= _SAME_CORRELATION)

    def _in_place_of(self, i, j, region, known):
        """What is known of a plane, with its noise as that of another has to look."""
        own, other = (
            DeviceIntensities(
                self._denoiser.of_image(*self._parts[k]).intensities,
                torch.device("cpu"),
            )
            for k in (i, j)
        )
        top, left = region[:2]
        _, guide, error = torch.from_numpy(known[j]).chunk(3)
        pixels = other.backward(guide, top, left)

        def seen(error):
            """How far off a pixel then is."""
            off = other.backward_error(error, guide, top, left)
            up, down = (own.forward(pixels + x, top, left) for x in (off, -off))
            return (up - down) / 2

        values = self._images[j].read(*region)
        values = torch.from_numpy(self._of(j).intensities.with_noise(values))
        variance = seen(torch.ones_like(guide)).square().mean(0, keepdim=True)
        return torch.cat(
            [
                own.forward(values, top, left),
                own.forward(pixels, top, left),
                seen(error),
                variance,
            ]
        )

    def _denoise_alone(self, numbers, region, known):
        """Denoise a region of planes, each alone."""
        if not numbers:
            return
        for j in numbers:
            n = self._n_channels(j)
            known[j] = np.empty((3 * n, *region[2:]), np.float32)
        top, left = region[:2]
        for k, tile, (values,) in denoised_tiles(
            self._first,
            _Planes([self._images[j] for j in numbers]),
            self._device,
            n_threads=self._n_threads,
            regions=[region] * len(numbers),
            parts=[self._parts[j] for j in numbers],
        ):
            rows = slice(tile.top - top, tile.top - top + tile.height)
            columns = slice(tile.left - left, tile.left - left + tile.width)
            known[numbers[k]][:, rows, columns] = values
            self._report()

    def _average(self, i, around, outer, guided, known):
        """A part of a plane, averaged with its neighbours, and its noise level."""
        numbers = sorted([i, *around])
        tensors = [torch.from_numpy(known[j]) for j in numbers]
        own = self._planes[i]
        mixed = any(self._planes[j] is not own for j in numbers)
        if mixed:  # then the variance of each is behind what is known of it
            one = torch.ones((1, *guided[2:]))
            tensors = [
                torch.cat([x, one])
                if self._planes[j] is own
                else self._in_place_of(i, j, guided, known)
                for j, x in zip(numbers, tensors, strict=True)
            ]
        tensors = torch.stack(tensors)
        height, width = guided[2:]
        # To whole blocks, at the border of the plane.
        pad = (0, -width % BLOCK, 0, -height % BLOCK)
        tensors = F.pad(tensors.to(self._device), pad, mode="replicate")
        n = self._n_channels(i)
        noisy, guides, errors = tensors[:, : 3 * n].chunk(3, dim=1)
        average, level = average_of_neighbours(
            noisy,
            guides,
            errors,
            numbers.index(i),
            (own or self._denoiser).stages.correlation.to(self._device),
            moving=self._moving,
            variances=tensors[:, -1] if mixed else None,
        )
        values = torch.cat([average, level]).cpu().numpy()
        top, left = outer[0] - guided[0], outer[1] - guided[1]
        values = values[:, top : top + outer[2], left : left + outer[3]]
        if self._of(i).intensities.channels is not None:
            values = np.concatenate([values, self._images[i].read(*outer)])
        plane = self._images[i].shape[1:]
        return _Part(values, outer[0], outer[1], (len(values), *plane))
