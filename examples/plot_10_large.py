"""
Larger than memory: an OME-Zarr image, chunk by chunk, with Dask
================================================================

A slide or a mosaic does not fit into memory. As OME-Zarr it is stored in chunks. The
denoiser reads windows of it and writes tiles, or takes a Dask array and returns one:
nothing is computed until it is asked for, and then on as many threads or machines as
Dask has.
"""

# %%
# An image in chunks
# ------------------
# Small here, so that this page is built in seconds, and written with its pixel size and
# with smaller versions of itself for viewers, as OME-Zarr has it. On a real one, begin
# at the next step.

import tempfile
from pathlib import Path

import numpy as np

from n2d.datasets import fluorescence_cells
from n2d.io import ImageFile, create_image, open_image, write_image

folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "slide.ome.zarr")

rng = np.random.default_rng(0)
clean = 400 * fluorescence_cells((768, 1152), rng=2) + 100
noisy = (rng.poisson(clean / 4) * 4 + rng.normal(0, 5, clean.shape)).round()
noisy = noisy.clip(0).astype(np.uint16)
size = {"Y": (0.2, "micrometer"), "X": (0.2, "micrometer")}
write_image(path, noisy, like=ImageFile(noisy, "YX", "npy", pixel_size=size))

# %%
# From disk to disk
# -----------------
# ``fit`` reads windows of 96 pixels, about 512 x 512 pixels of them in all, however
# large the image is. ``transform`` writes to whatever takes parts, tile by tile. Axes,
# pixel size and names of channels go along. The command ``n2d denoise slide.ome.zarr -o
# denoised.ome.zarr`` does the same.

from n2d import Noise2DetailDenoiser

target = Path(folder.name, "denoised.ome.zarr")
denoiser = Noise2DetailDenoiser(random_state=0)
with open_image(path) as slide:
    print(slide.axes, slide.data.shape, slide.data.dtype, slide.pixel_size)
    denoiser.fit(slide.data)
    whole = (slice(None), slice(None))
    with (
        create_image(target, slide.data.shape, np.uint16, "YX", like=slide) as result,
        result.writing(whole) as part,
    ):
        denoiser.transform(slide.data, out=part)

with open_image(target) as result:
    print(result.axes, result.data.shape, result.data.dtype, result.pixel_size)

# %%
# With Dask
# ---------
# The same as a lazy array. A part of it is asked for here; the chunks that are needed
# for that, and no others, are read and denoised.

import dask.array as da

lazy = denoiser.transform(da.from_zarr(path / "0"))
print(lazy)
part = (slice(384, 640), slice(384, 640))
crossing = lazy[part].compute()

# %%
# ``lazy.to_zarr(...)`` would write all of it. On a cluster, a line before is all that
# changes: ``distributed.Client("address:8786")``. See :doc:`/guide/large`.
#
# Are there seams?
# ----------------
# Four chunks meet at row 512 and column 512, in the middle of this picture. The
# denoiser reads as far beyond the border of a chunk as its network sees. Beside it is
# the same part out of one piece in memory.

from n2d.comparison import plot_comparison

in_one_piece = denoiser.transform(noisy[256:768, 256:768])[128:384, 128:384]
difference = np.abs(crossing - in_one_piece).max()
print(f"largest difference between chunks and one piece: {difference:.1e}")
with open_image(target) as result:
    rounded = result.data[part]
print(f"and to the file, which is rounded: {np.abs(rounded - in_one_piece).max():.2f}")

figure = plot_comparison(
    noisy[part].astype(float),
    {"n2d, by chunks": crossing, "n2d, in one piece": in_one_piece},
    clean[part],
    data_range=400,
    columns=4,
    inset=(96, 96, 64, 64),
)
figure

# %%

folder.cleanup()
