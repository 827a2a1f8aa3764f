"""DICOM: reading, with pydicom."""

import functools
import os
import warnings

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._limits import check_inflated, check_regular, check_size
from n2d.io._packages import imported
from n2d.io.dicom._decode import GREY, pixels
from n2d.io.dicom._frames import functional, n_frames_of, scale_of
from n2d.io.dicom._geometry import place_of

NEEDED = (
    "PhotometricInterpretation BitsAllocated BitsStored PixelRepresentation Rows "
    "Columns SamplesPerPixel"
).split()
import_pydicom = functools.partial(imported, "pydicom", "medical", "DICOM files")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def read(path):
    """Read a DICOM file; see `n2d.io.open_image`."""
    pydicom = import_pydicom()
    _refuse_inflating(path, pydicom)
    # Files of the time before part 10 of the standard lack a head.
    dataset = pydicom.dcmread(path, force=True)
    if "PixelData" not in dataset:
        raise ImageFileError(_without_pixels(pydicom, path, dataset))
    lacking = [name for name in NEEDED if dataset.get(name) is None]
    if lacking:
        raise ImageFileError(f"{path}: is damaged, it lacks {', '.join(lacking)}")
    kind = str(dataset.PhotometricInterpretation)
    has_palette = kind == "PALETTE COLOR"
    if kind not in (*GREY, *_COLOUR) and not has_palette:
        raise ImageFileError(
            f"{path}: {kind} pixels are not intensities, but numbers of colours; save "
            "the image as RGB or grey, with the program that shows it"
        )
    if int(dataset.BitsAllocated) == 1:
        raise ImageFileError(
            f"{path}: has one bit a pixel, as segmentations have, and no intensities; "
            "leave it out"
        )
    n_frames = n_frames_of(dataset)
    n_samples = int(dataset.SamplesPerPixel)
    shape = (n_frames, int(dataset.Rows), int(dataset.Columns), n_samples)
    stored = os.path.getsize(path)
    check_size(
        path, shape, f"u{max(1, int(dataset.BitsAllocated) // 8)}", stored=stored
    )
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        syntaxes = (
            pydicom.uid.ImplicitVRLittleEndian,
            pydicom.uid.ExplicitVRLittleEndian,
        )
        dataset.file_meta.TransferSyntaxUID = (
            syntaxes[not implicit] if little else pydicom.uid.ExplicitVRBigEndian
        )
    data = pixels(path, dataset)
    notes = ()
    if has_palette:
        data, n_samples = _coloured(pydicom, dataset, data), 3
        notes = ("a palette image, read as RGB, and to be written as RGB",)
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    axes = ("Q" if n_frames > 1 else "") + "YX" + ("S" if n_samples > 1 else "")
    if data.ndim != len(axes):
        raise ImageFileError(f"{path}: is damaged, it says {axes} of {data.shape}")
    rescale = scale_of(dataset, n_frames, data.ndim)
    gaps = _gaps(dataset, data) if n_samples == 1 else None
    if "ModalityLUTSequence" in dataset:
        notes += ("its modality LUT is not applied, and kept: these are stored values",)
    if kind == "MONOCHROME1":
        notes += ("MONOCHROME1: low values are shown bright, and stay as they are",)
    return ImageFile(
        _rescaled(data, *rescale),
        axes,
        "dicom",
        metadata={
            "dataset": dataset,
            "stored_dtype": data.dtype,
            "rescale": rescale,
            "padding": None if gaps is None else data[gaps],
            "white_is_zero": kind == "MONOCHROME1",
            "place": place_of(dataset, n_frames),
        },
        notes=notes,
        pixel_size=_sizes(dataset),
        gaps=gaps,
    )


def series_of(path):
    """The series that a file is a slice of; None of other files."""
    names = ["SeriesInstanceUID", "NumberOfFrames"]
    try:
        check_regular(path)
        with warnings.catch_warnings(action="ignore"):
            dataset = import_pydicom().dcmread(
                path, stop_before_pixels=True, force=True, specific_tags=names
            )
        several = n_frames_of(dataset) > 1
    except Exception:  # what is wrong with the file is said when it is opened
        return None
    return None if several else dataset.get("SeriesInstanceUID")


def _coloured(pydicom, dataset, data):
    """Return the colours that numbers stand for, and have the data set say so."""
    data = pydicom.pixels.apply_color_lut(data, dataset)
    bits = 8 * data.itemsize
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "RGB", 3
    dataset.PlanarConfiguration, dataset.PixelRepresentation = 0, 0
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    for element in list(dataset):
        if "PaletteColorLookupTable" in element.keyword:
            del dataset[element.tag]
    return data


def _without_pixels(pydicom, path, dataset):
    """Say what a file is that holds no image."""
    if not dataset:
        return f"{path}: is no DICOM file, or damaged"
    floating = {"FloatPixelData", "DoubleFloatPixelData"} & set(dataset.dir())
    if floating:
        return f"{path}: has {floating.pop()}, which is not supported; save it as TIFF"
    kind = pydicom.uid.UID(str(dataset.get("SOPClassUID", ""))).name
    return f"{path}: holds no image{f', but {kind}' if kind else ''}; leave it out"


def _refuse_inflating(path, pydicom):
    """Raise where a deflated file would become absurdly large."""
    stored = os.path.getsize(path)
    with open(path, "rb") as file:
        syntax = _syntax(file)
        if syntax != pydicom.uid.DeflatedExplicitVRLittleEndian.encode():
            return
        check_inflated(path, "deflate", file.read(), stored)


def _syntax(file):
    """Read past the head of a file, and return the transfer syntax it names."""
    start = file.read(132)
    if start[128:] != b"DICM":
        file.seek(0)
    syntax = b""
    while True:
        element = file.read(8)
        if len(element) < 8 or element[:2] != b"\2\0":
            file.seek(-len(element), os.SEEK_CUR)
            return syntax
        n = int.from_bytes(element[6:], "little")
        if element[4:6] in (b"OB", b"OW", b"UN", b"SQ", b"UT"):
            n = int.from_bytes(file.read(4), "little")
        if element[2:4] == b"\x10\0":
            syntax = file.read(min(n, 64)).rstrip(b"\0 ")
        else:
            file.seek(n, os.SEEK_CUR)


def _gaps(dataset, data):
    """Return where there is padding and no intensity, or None."""
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    limit = limit if isinstance(limit, int) else value
    # Files say it with and without a sign, whatever their pixels have.
    bits = np.iinfo(data.dtype).bits
    ends = [np.int64(v).astype(f"{data.dtype.kind}{bits // 8}") for v in (value, limit)]
    gaps = (data >= min(ends)) & (data <= max(ends))
    return gaps if gaps.any() else None


def _rescaled(data, slope, intercept):
    """Return what stored numbers stand for, such as Hounsfield units."""
    if np.ndim(slope) == 0:
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
    found = {
        tuple(map(float, item.PixelSpacing))
        for item in functional(dataset, "PixelMeasuresSequence", n_frames_of(dataset))
        if item is not None and item.get("PixelSpacing")
    }
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    if found:  # of no use where frames differ
        spacing = found.pop() if len(found) == 1 else None
    sizes = {}
    if spacing is not None and len(spacing) == 2:
        for letter, value in zip("YX", spacing, strict=True):
            if 0 < float(value) < np.inf:
                sizes[letter] = (float(value), "millimeter")
    return sizes
