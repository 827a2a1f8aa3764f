"""TIFF, with ImageJ's kind and OME-TIFF: reading and writing, with tifffile."""

from n2d.io.tiff._chain import refuse_circles
from n2d.io.tiff._read import files_of, logged, read
from n2d.io.tiff._write import cannot_hold, write

__all__ = ["cannot_hold", "files_of", "logged", "read", "refuse_circles", "write"]
