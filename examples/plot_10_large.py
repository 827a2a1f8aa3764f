"""
Larger than memory: an OME-Zarr image, chunk by chunk, with Dask
================================================================

A slide or a mosaic does not fit into memory. As a Zarr array it is stored in chunks,
Dask reads them when they are needed, and the denoiser takes a Dask array and returns
one: nothing is computed until it is asked for, and then on as many threads or machines
as Dask has.
"""

# %%
# An image in chunks
# ------------------
# A folder with an OME-Zarr image, version 0.5: a Zarr group whose attributes say what
# the axes are, and the pixels. Small here, so that this page is built in seconds. On a
# machine with 4 GB, a side of 30,000 pixels goes the same way.

import tempfile
from pathlib import Path

import numpy as np
import zarr

from n2d.datasets import fluorescence_cells

folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "slide.ome.zarr")

rng = np.random.default_rng(0)
clean = 400 * fluorescence_cells((768, 1152), rng=2) + 100
noisy = (rng.poisson(clean / 4) * 4 + rng.normal(0, 5, clean.shape)).round()

axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
scale = {"type": "scale", "scale": [0.2, 0.2]}
datasets = [{"path": "0", "coordinateTransformations": [scale]}]
ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}


def new_slide(path, dtype):
    """Make an empty OME-Zarr image of this size, with its metadata."""
    group = zarr.create_group(path, attributes={"ome": ome})
    return group.create_array("0", shape=clean.shape, chunks=(512, 512), dtype=dtype)


new_slide(path, np.uint16)[:] = noisy.clip(0).astype(np.uint16)

# %%
# Fit, and transform lazily
# -------------------------
# ``fit`` reads windows of 96 pixels, about 512 x 512 pixels of them in all, however
# large the image is. ``transform`` returns a Dask array at once.

import dask.array as da

from n2d import Noise2DetailDenoiser

slide = da.from_zarr(path / "0")
denoiser = Noise2DetailDenoiser(random_state=0).fit(slide)
lazy = denoiser.transform(slide)
print(slide)
print(lazy)

# %%
# What leaves memory again goes to disk chunk by chunk, and keeps the metadata:

result = new_slide(Path(folder.name, "denoised.ome.zarr"), np.float32)
lazy.store(result, lock=False)

# %%
# Without Dask, ``out=`` takes any array that can be written to by parts, and rounds and
# clips for integer types:

again = new_slide(Path(folder.name, "rounded.ome.zarr"), np.uint16)
denoiser.transform(zarr.open_array(path / "0"), out=again)
largest = np.abs(again[:] - np.asarray(result[:])).max()
print(f"largest difference to the unrounded result: {largest:.3f}")

# %%
# Are there seams?
# ----------------
# Four chunks meet at row 512 and column 512. The denoiser reads as far beyond the
# border of a chunk as its network sees. Here the same part comes out of the whole image
# in memory, in one piece.

part = slice(384, 640)
whole = denoiser.transform(np.asarray(slide[256:768, 256:768]))[128:384, 128:384]
chunked = np.asarray(result[part, part])
print(f"largest difference at the crossing: {np.abs(chunked - whole).max():.1e}")

from n2d.comparison import plot_comparison

figure = plot_comparison(
    np.asarray(slide[part, part]).astype(float),
    {"n2d, by chunks": chunked, "n2d, in one piece": whole},
    clean[part, part],
    data_range=400,
    columns=4,
    inset=(96, 96, 64, 64),  # the crossing is in the middle
)
figure

# %%
# A cluster is a matter of a line before: ``distributed.Client("address:8786")``. See
# :doc:`/guide/large`.

folder.cleanup()
