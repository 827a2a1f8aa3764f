"""Image files: read with what is needed to write one like it, written whole or not.

The format follows from the suffix: ``.tif`` and ``.tiff`` (TIFF, ImageJ and OME-TIFF),
``.zarr`` (OME-Zarr), ``.png`` (8-bit, and 16-bit grey), ``.jpg`` and ``.jpeg``,
``.bmp``, ``.webp``, ``.npy``, ``.mrc``, ``.mrcs`` and ``.rec``, ``.nii`` and
``.nii.gz`` (NIfTI), and ``.dcm`` and ``.ima`` (DICOM).
"""

from n2d.io._atomic import atomic_write, check_target, remove_leftovers
from n2d.io._formats import SUFFIXES, format_of, name_in, suffix_of
from n2d.io._growing import plane_marks
from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import View
from n2d.io._ledger import fingerprint
from n2d.io._limits import read_text
from n2d.io._reading import files_of, is_image, n_slices, open_image, read_image
from n2d.io._writing import (
    check_output,
    create_image,
    is_own_result,
    is_result_of,
    note_result,
    write_image,
)

__all__ = [
    "SUFFIXES",
    "ImageFile",
    "ImageFileError",
    "View",
    "atomic_write",
    "check_output",
    "check_target",
    "create_image",
    "files_of",
    "fingerprint",
    "format_of",
    "is_image",
    "is_own_result",
    "is_result_of",
    "n_slices",
    "name_in",
    "note_result",
    "open_image",
    "plane_marks",
    "read_image",
    "read_text",
    "remove_leftovers",
    "suffix_of",
    "write_image",
]
