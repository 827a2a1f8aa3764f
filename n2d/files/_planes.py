"""Planes of image files, as many as one likes, for a fit that reads a part of them."""

from n2d.files._gaps import gaps_of, plane_of
from n2d.io import View, open_image


class FilePlane:
    """One plane of an image file, which is opened for every reading and closed again.

    So there may be more files than can be open, and more pixels than fit in memory. Of
    `data` only shape and data type are remembered. With a `plan` what has no intensity
    is filled, and with `nan` of "mask" what is no finite number.

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from n2d.io import open_image, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "stack.tif")
    ...     write_image(path, np.arange(24).reshape(2, 3, 4), axes="TYX")
    ...     with open_image(path) as image:
    ...         plane = FilePlane(path, image.data, (1, slice(0, 3), slice(0, 4)))
    ...     plane.shape, plane[0, :2].tolist()
    ((3, 4), [12, 13])
    """

    def __init__(self, path, data, key, series=None, plan=None, nan="refuse"):
        self._path, self._key, self._series = path, key, series
        self._plan, self._nan = plan, nan
        plane = View(data, key)
        self.shape, self.dtype, self.ndim = plane.shape, plane.dtype, plane.ndim

    def __getitem__(self, index):
        with open_image(self._path, self._series) as image:
            gaps = None if self._plan is None else gaps_of(image, self._plan, self._nan)
            return plane_of(image.data, gaps, self._key)[index]
