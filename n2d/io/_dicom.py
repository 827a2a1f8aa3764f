"""DICOM, of hospitals, with pydicom: read, and written as an image derived from one."""

import os
import warnings

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import stored_numbers
from n2d.io._limits import check_size

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def _import_pydicom():
    try:
        import pydicom
    except ImportError as error:
        raise ImportError(
            'DICOM files need the package pydicom: pip install "noise2detail[medical]"'
        ) from error
    return pydicom


def read(path):
    """Read a DICOM file; see `n2d.io.open_image`."""
    pydicom = _import_pydicom()
    dataset = pydicom.dcmread(path)
    if "PixelData" not in dataset:
        raise ImageFileError(f"{path}: has no pixels that can be denoised")
    kind = str(dataset.PhotometricInterpretation)
    if kind not in (*_GREY, *_COLOUR):
        raise ImageFileError(f"{path}: {kind} pixels are not intensities")
    n_frames = int(dataset.get("NumberOfFrames", 1) or 1)
    n_samples = int(dataset.SamplesPerPixel)
    shape = (n_frames, int(dataset.Rows), int(dataset.Columns), n_samples)
    stored = os.path.getsize(path)
    check_size(
        path, shape, f"u{max(1, int(dataset.BitsAllocated) // 8)}", stored=stored
    )
    data = dataset.pixel_array
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    axes = ("Q" if n_frames > 1 else "") + "YX" + ("S" if n_samples > 1 else "")
    if data.ndim != len(axes):
        raise ImageFileError(f"{path}: is damaged, it says {axes} of {data.shape}")
    return ImageFile(
        _rescaled(data, slope, intercept),
        axes,
        "dicom",
        metadata={
            "dataset": dataset,
            "stored_dtype": data.dtype,
            "rescale": (slope, intercept),
        },
        pixel_size=_sizes(dataset),
    )


def _rescaled(data, slope, intercept):
    """Return what stored numbers stand for, such as Hounsfield units."""
    if (slope, intercept) == (1.0, 0.0):
        return data
    if slope == 1.0 and intercept.is_integer():
        for dtype in (np.int16, np.int32):
            limits = np.iinfo(dtype)
            low, high = (float(v) + intercept for v in (data.min(), data.max()))
            if limits.min <= low and high <= limits.max:
                return (data.astype(np.int64) + int(intercept)).astype(dtype)
    return (data * np.float64(slope) + intercept).astype(np.float32)


def _sizes(dataset):
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    sizes = {}
    if spacing is not None and len(spacing) == 2:
        for letter, value in zip("YX", spacing, strict=True):
            if 0 < float(value) < np.inf:
                sizes[letter] = (float(value), "millimeter")
    return sizes


def cannot_hold(dtype, axes, shape, *, suffix):
    """Say why a DICOM file cannot hold such an image, or return None."""
    del shape, suffix
    if axes not in ("YX", "YXS", "QYX", "QYXS"):
        return f"DICOM holds images and series of them, not axes {axes!r}"
    if dtype.kind not in "uif":
        return f"DICOM cannot hold {dtype}"
    return None


def write(path, array, axes, like, *, target):
    """Write an image that is derived from another; see `n2d.io.create_image`."""
    del axes
    pydicom = _import_pydicom()
    if like is None or like.format != "dicom":
        raise ImageFileError(
            f"{target}: a DICOM file is about a patient and an examination, so it is "
            "written from another DICOM file only; write a .tif file"
        )
    import copy

    dataset = copy.deepcopy(like.metadata["dataset"])
    stored = _stored(np.asarray(array[...]), dataset, like.metadata)
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW" if stored.itemsize > 1 else "OB"
    if str(dataset.PhotometricInterpretation).startswith("YBR"):
        dataset.PhotometricInterpretation = "RGB"  # as it was read
    if int(dataset.SamplesPerPixel) > 1:
        dataset.PlanarConfiguration = 0
    for name in ("SmallestImagePixelValue", "LargestImagePixelValue"):
        if name in dataset:
            delattr(dataset, name)
    _derive(pydicom, dataset)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def _stored(values, dataset, kept):
    """Return the numbers to store, within the bits that the file declares for them."""
    slope, intercept = kept["rescale"]
    dtype = kept["stored_dtype"]
    bits = int(dataset.BitsStored)
    signed = int(dataset.PixelRepresentation) == 1
    low, high = (
        (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    )
    numbers, n_beyond = stored_numbers(
        values, slope, intercept, (low, high), dtype.newbyteorder("<")
    )
    if n_beyond:
        warnings.warn(
            f"{n_beyond:,} of {numbers.size:,} values were beyond the {bits} bits of "
            "the DICOM file and clipped",
            stacklevel=2,
        )
    return numbers


def _derive(pydicom, dataset):
    """Give an image that was computed from another its own identity."""
    from pydicom.dataset import Dataset

    source = Dataset()
    source.ReferencedSOPClassUID = dataset.SOPClassUID
    source.ReferencedSOPInstanceUID = dataset.SOPInstanceUID

    def new_uid(old):
        # The same for the same source: all slices of a series stay together.
        return pydicom.uid.generate_uid(entropy_srcs=[str(old), "noise2detail"])

    dataset.SourceImageSequence = [source]
    dataset.SOPInstanceUID = new_uid(dataset.SOPInstanceUID)
    if "SeriesInstanceUID" in dataset:
        dataset.SeriesInstanceUID = new_uid(dataset.SeriesInstanceUID)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    kind = [str(part) for part in dataset.get("ImageType", None) or ["", "SECONDARY"]]
    dataset.ImageType = ["DERIVED", *kind[1:]]
    dataset.DerivationDescription = "denoised by noise2detail"
    described = str(dataset.get("SeriesDescription", "")).strip()
    dataset.SeriesDescription = f"{described} denoised".strip()[:64]
