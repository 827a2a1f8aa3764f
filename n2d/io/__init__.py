"""Image files: read with what is needed to write one like it, written whole or not.

The format follows from the suffix: ``.tif`` and ``.tiff`` (TIFF, ImageJ and OME-TIFF),
``.zarr`` (OME-Zarr), ``.png`` (8-bit, and 16-bit grey), ``.jpg`` and ``.jpeg``,
``.npy``, ``.mrc``, ``.nii`` and ``.nii.gz`` (NIfTI) and ``.dcm`` (DICOM).
"""

from n2d.io._atomic import atomic_write, check_target
from n2d.io._formats import FOLDER_FORMATS, SUFFIXES, suffix_of
from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import View
from n2d.io._limits import format_bytes
from n2d.io.reading import is_image, open_image, read_image
from n2d.io.writing import check_output, create_image, is_result_of, write_image

__all__ = [
    "FOLDER_FORMATS",
    "SUFFIXES",
    "ImageFile",
    "ImageFileError",
    "View",
    "atomic_write",
    "check_output",
    "check_target",
    "create_image",
    "format_bytes",
    "is_image",
    "is_result_of",
    "open_image",
    "read_image",
    "suffix_of",
    "write_image",
]
