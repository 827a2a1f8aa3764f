"""DICOM, of hospitals, with pydicom: read, and written as an image derived from one."""

from n2d.io.dicom._read import read, series_of
from n2d.io.dicom._write import cannot_hold, write

__all__ = ["cannot_hold", "read", "series_of", "write"]
