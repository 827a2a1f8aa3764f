"""OME-Zarr, with zarr: a folder, read in parts, written block by block, resumable."""

import numpy as np

from n2d.io._ledger import differing, run_digest, told_of
from n2d.io.ome_zarr import _write
from n2d.io.ome_zarr._read import read


class OMEZarr:
    """The format; see `n2d.io._formats.Format`."""

    suffixes = (".zarr",)
    marks = _write.MARKS
    is_folder = resumable = True
    written_as = None
    read = staticmethod(read)
    cannot_hold = staticmethod(_write.cannot_hold)
    create = staticmethod(_write.create)

    def write(self, path, array, axes, *, like, overwrite):
        """Write an array that is there already; see `Format`."""
        dtype = np.dtype(array.dtype)
        options = {"like": like, "overwrite": overwrite}
        with self.create(path, array.shape, dtype, axes, **options) as target:
            for key in _write.plane_keys(axes, array.shape):
                with target.writing(key) as plane:
                    plane[...] = array[key]

    def is_result_of(self, path, run_key):
        """Whether the metadata of a Zarr say it is the result of a run."""
        return _write.made_by(path).get("run") == run_digest(run_key)

    def difference(self, path, run_key):
        """Say how the run that made a Zarr differs; see `Format`."""
        told = _write.made_by(path).get("told")
        return differing(told, told_of(run_key)) if isinstance(told, dict) else ""
