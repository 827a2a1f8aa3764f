"""DICOM, of hospitals, with pydicom: read, and written as an image derived from one."""

import hashlib
import os
import re
import warnings

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._lazy import stored_numbers
from n2d.io._limits import check_inflated, check_size, check_stream

_GREY = ("MONOCHROME1", "MONOCHROME2")
_NEEDED = (
    "PhotometricInterpretation BitsAllocated BitsStored PixelRepresentation Rows "
    "Columns SamplesPerPixel"
).split()
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
    _refuse_inflating(path, pydicom)
    # Files of the time before part 10 of the standard lack a head.
    dataset = pydicom.dcmread(path, force=True)
    if "PixelData" not in dataset:
        raise ImageFileError(_without_pixels(pydicom, path, dataset))
    lacking = [name for name in _NEEDED if dataset.get(name) is None]
    if lacking:
        raise ImageFileError(f"{path}: is damaged, it lacks {', '.join(lacking)}")
    kind = str(dataset.PhotometricInterpretation)
    has_palette = kind == "PALETTE COLOR"
    if kind not in (*_GREY, *_COLOUR) and not has_palette:
        raise ImageFileError(
            f"{path}: {kind} pixels are not intensities, but numbers of colours; save "
            "the image as RGB or grey, with the program that shows it"
        )
    if int(dataset.BitsAllocated) == 1:
        raise ImageFileError(
            f"{path}: has one bit a pixel, as segmentations have, and no intensities; "
            "leave it out"
        )
    n_frames = int(dataset.get("NumberOfFrames", 1) or 1)
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
    data = _pixels(path, dataset)
    notes = ()
    if has_palette:
        data, n_samples = _coloured(pydicom, dataset, data), 3
        notes = ("a palette image, read as RGB, and to be written as RGB",)
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    axes = ("Q" if n_frames > 1 else "") + "YX" + ("S" if n_samples > 1 else "")
    if data.ndim != len(axes):
        raise ImageFileError(f"{path}: is damaged, it says {axes} of {data.shape}")
    rescale = _rescale(dataset, n_frames, data.ndim)
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
        },
        notes=notes,
        pixel_size=_sizes(dataset),
        gaps=gaps,
    )


def series_of(path):
    """The series that a file is a slice of; None of other files."""
    names = ["SeriesInstanceUID", "NumberOfFrames"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = _import_pydicom().dcmread(
                path, stop_before_pixels=True, force=True, specific_tags=names
            )
        several = int(dataset.get("NumberOfFrames", 1) or 1) > 1
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


# Who decodes what pydicom and the packages of the extra do not, by the transfer syntax.
_DECODERS = {
    "1.2.840.10008.1.2.4.57": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.70": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.50": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.51": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg pylibjpeg-openjpeg",
}


# What imagecodecs decodes in their place, of grey images.
_CODECS = {
    "1.2.840.10008.1.2.4.51": "jpeg8_decode",
    "1.2.840.10008.1.2.4.57": "ljpeg_decode",
    "1.2.840.10008.1.2.4.70": "ljpeg_decode",
    "1.2.840.10008.1.2.4.80": "jpegls_decode",
    "1.2.840.10008.1.2.4.81": "jpegls_decode",
    "1.2.840.10008.1.2.4.90": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.91": "jpeg2k_decode",
}


def _pixels(path, dataset):
    """Decode the pixels, or say which package does."""
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        _refuse_other_sizes(path, dataset)
    try:
        return dataset.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        syntax = dataset.file_meta.TransferSyntaxUID
        if not syntax.is_compressed:
            raise
        try:
            import imagecodecs

            decode = _CODECS.get(str(syntax))
            is_plain = str(dataset.PhotometricInterpretation) in (*_GREY, "RGB")
            if decode is not None and is_plain:
                return _decoded(path, dataset, getattr(imagecodecs, decode))
        except (ImageFileError, MemoryError):
            raise
        except Exception:  # whatever it raises, the advice below is what helps
            pass
        package = _DECODERS.get(str(syntax))
        advice = (
            f"pip install {package}"
            if package
            else "save it uncompressed, with the program that made it"
        )
        raise ImageFileError(
            f"{path}: its pixels are compressed as {syntax.name}, and nothing that is "
            f"installed decodes them: {advice}"
        ) from error


def _refuse_other_sizes(path, dataset):
    """Raise where a compressed frame says that it is larger than the image."""
    from pydicom.encaps import generate_fragments

    n_pixels = int(dataset.Rows) * int(dataset.Columns)
    for fragment in generate_fragments(dataset.PixelData):
        check_stream(path, fragment, n_pixels)


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


def _decoded(path, dataset, decode):
    """Decode frames with imagecodecs, which the extra for TIFF brings."""
    from pydicom.encaps import generate_frames

    n_frames = int(dataset.get("NumberOfFrames", 1) or 1)
    frames = generate_frames(dataset.PixelData, number_of_frames=n_frames)
    frames = np.stack([decode(frame) for frame in frames])
    samples = () if int(dataset.SamplesPerPixel) == 1 else (dataset.SamplesPerPixel,)
    if frames.shape != (n_frames, int(dataset.Rows), int(dataset.Columns), *samples):
        raise ImageFileError(f"{path}: is damaged, it has pixels of {frames.shape}")
    bits = int(dataset.BitsAllocated)
    frames = frames.astype(f"u{bits // 8}")
    if int(dataset.PixelRepresentation) == 1:  # the sign is the highest bit stored
        unused = bits - int(dataset.BitsStored)
        frames = (frames << unused).view(f"i{bits // 8}") >> unused
    return frames if n_frames > 1 else frames[0]


def _functional(dataset, sequence, n_frames):
    """Return an item of a functional group for every frame, None where there is none.

    Multi-frame images have what single ones have in one place in the groups that all
    frames share, or in one for each frame.
    """

    def first(groups):
        found = groups.get(sequence)
        return found[0] if found else None

    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    common = first(shared[0]) if shared else None
    each = dataset.get("PerFrameFunctionalGroupsSequence") or []
    own = [first(groups) for groups in each] if len(each) == n_frames else []
    own = own or [None] * n_frames
    return [common if one is None else one for one in own]


def _rescale(dataset, n_frames, n_axes):
    """Return slope and intercept: numbers, or arrays where frames differ."""
    items = _functional(dataset, "PixelValueTransformationSequence", n_frames)
    scales = []
    for item in items:
        source = dataset if item is None else item
        slope = float(source.get("RescaleSlope", 1) or 1)
        scales.append((slope, float(source.get("RescaleIntercept", 0) or 0)))
    if len(set(scales)) == 1:
        return scales[0]
    shape = (n_frames, *[1] * (n_axes - 1))
    slopes, intercepts = np.array(scales).T
    return slopes.reshape(shape), intercepts.reshape(shape)


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
    n_frames = int(dataset.get("NumberOfFrames", 1) or 1)
    found = {
        tuple(map(float, item.PixelSpacing))
        for item in _functional(dataset, "PixelMeasuresSequence", n_frames)
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

    # Files have dates and numbers that the standard does not allow; they are kept.
    with pydicom.config.disable_value_validation():
        _write(pydicom, path, array, like, copy, target)


def _write(pydicom, path, array, like, copy, target):
    dataset = copy.deepcopy(like.metadata["dataset"])
    stored = _stored(np.asarray(array[...]), dataset, like)
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
    was_big = dataset.original_encoding[1] is False
    if was_big:
        _swap_words(dataset)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    lost = []
    while True:
        try:
            _save(pydicom, path, dataset, was_big)
            break
        # Elements were read that are against all rules; pydicom names the first.
        except Exception as error:
            tag = re.search(r"tag \((\w{4}),(\w{4})\)", str(error))
            tag = tag and int(tag[1] + tag[2], 16)
            if not tag or tag not in dataset:
                raise
            name = dataset[tag].keyword or f"{tag:08x}"
            if name in (*_NEEDED, "HighBit", "PixelData", "StudyInstanceUID"):
                raise ImageFileError(
                    f"{target}: {name} of its source is not as DICOM wants it; write a "
                    ".tif file"
                ) from error
            lost.append(name)
            del dataset[tag]
    if lost:
        warnings.warn(
            f"what the DICOM file says as {', '.join(lost)} cannot be written, and is "
            "left out",
            stacklevel=3,
        )


def _save(pydicom, path, dataset, was_big):
    if not was_big:
        dataset.save_as(path, enforce_file_format=True)
        return
    pydicom.dataset.validate_file_meta(dataset.file_meta, enforce_standard=True)
    dataset.file_meta.FileMetaInformationGroupLength = 0  # pydicom counts
    dataset.preamble = dataset.preamble or b"\0" * 128
    pydicom.dcmwrite(
        path, dataset, implicit_vr=False, little_endian=True, force_encoding=True
    )


def _swap_words(dataset):
    """Turn what pydicom leaves as bytes, such as overlays, to little-endian words."""
    # Looking at an element makes numbers of its bytes.
    for element in dataset.iterall():
        if element.VR == "OW" and element.keyword != "PixelData":
            words = np.frombuffer(element.value, ">u2")
            element.value = words.astype("<u2").tobytes()


def _stored(values, dataset, like):
    """Return the numbers to store, within the bits that the file declares for them."""
    kept = like.metadata
    slope, intercept = kept["rescale"]
    dtype = kept["stored_dtype"]
    bits = int(dataset.BitsStored)
    signed = int(dataset.PixelRepresentation) == 1
    low, high = (
        (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    )
    gaps = like.gaps
    if gaps is not None and gaps.shape == values.shape:
        values = np.where(gaps, values[~gaps][:1] if not gaps.all() else 0, values)
    numbers, n_beyond = stored_numbers(
        values, slope, intercept, (low, high), dtype.newbyteorder("<")
    )
    if gaps is not None and gaps.shape == values.shape:
        numbers[gaps] = kept["padding"]
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
    if "SOPClassUID" not in dataset:
        dataset.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    if "SOPInstanceUID" not in dataset:  # a name by what is in it
        dataset.SOPInstanceUID = pydicom.uid.generate_uid(
            entropy_srcs=[hashlib.sha256(dataset.PixelData).hexdigest()]
        )
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
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
