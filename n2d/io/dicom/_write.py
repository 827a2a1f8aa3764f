"""DICOM: writing an image as one that is derived from another."""

import copy
import hashlib
import re
import warnings
from dataclasses import replace

import numpy as np

from n2d.io._image import ImageFileError
from n2d.io._lazy import stored_numbers
from n2d.io._ledger import run_digest
from n2d.io.dicom._frames import set_scale
from n2d.io.dicom._read import NEEDED, import_pydicom

_WINDOW = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")


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
    pydicom = import_pydicom()
    if like is None or like.format != "dicom":
        raise ImageFileError(
            f"{target}: a DICOM file is about a patient and an examination, so it is "
            "written from another DICOM file only; write a .tif file"
        )
    if like.metadata.get("as_values") and not like.metadata.get("quantity"):
        raise ImageFileError(
            f"{target}: DICOM holds whole numbers, and no float32; leave out "
            "--dtype float32, or write a .tif file"
        )
    # Files have dates and numbers that the standard does not allow; they are kept.
    with pydicom.config.disable_value_validation():
        _write(pydicom, path, array, like, target)


def _write(pydicom, path, array, like, target):
    dataset = copy.deepcopy(like.metadata["dataset"])
    array = np.asarray(array[...])
    if like.metadata.get("quantity"):
        like = _of_own_scale(array, dataset, like, target)
    stored = _stored(array, dataset, like)
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW" if stored.itemsize > 1 else "OB"
    if str(dataset.PhotometricInterpretation).startswith("YBR"):
        dataset.PhotometricInterpretation = "RGB"  # as it was read
    if int(dataset.SamplesPerPixel) > 1:
        dataset.PlanarConfiguration = 0
    for name in ("SmallestImagePixelValue", "LargestImagePixelValue"):
        if name in dataset:
            delattr(dataset, name)
    _derive(pydicom, dataset, like.metadata)
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
            if name in (*NEEDED, "HighBit", "PixelData", "StudyInstanceUID"):
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


def _of_own_scale(values, dataset, like, target):
    """Give an image of another quantity the scale that its values need.

    Standard errors are fractions of a step of the image, beyond any window for it.
    """
    if int(dataset.SamplesPerPixel) > 1:
        raise ImageFileError(
            f"{target}: DICOM has no {like.metadata['quantity']} of colours; write a "
            ".tif file"
        )
    bits = int(dataset.BitsStored) - int(dataset.PixelRepresentation)
    largest = float(np.nanmax(values, initial=0))
    slope = f"{largest / (2**bits - 1) or 1:.9g}"  # 16 letters at most
    set_scale(dataset, slope, "0")
    for name in ("ModalityLUTSequence", "VOILUTSequence", *_WINDOW):
        if name in dataset:
            delattr(dataset, name)
    return replace(like, metadata=like.metadata | {"rescale": (float(slope), 0.0)})


def _derive(pydicom, dataset, kept):
    """Give an image that was computed from another its own identity."""
    from pydicom.dataset import Dataset

    source = Dataset()
    content = hashlib.sha256(dataset.PixelData).hexdigest()
    if "SOPClassUID" not in dataset:
        dataset.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    if "SOPInstanceUID" not in dataset:  # a name by what is in it
        dataset.SOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[content])
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    source.ReferencedSOPClassUID = dataset.SOPClassUID
    source.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    quantity = kept.get("quantity", "")
    how = ["noise2detail", quantity, run_digest(kept.get("run", {}))]

    def new_uid(old, *more):
        # The same for the same source and options: slices of a series stay together.
        return pydicom.uid.generate_uid(entropy_srcs=[str(old), *how, *more])

    dataset.SourceImageSequence = [source]
    dataset.SOPInstanceUID = new_uid(dataset.SOPInstanceUID, content)
    if "SeriesInstanceUID" in dataset:
        dataset.SeriesInstanceUID = new_uid(dataset.SeriesInstanceUID)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    kind = [str(part) for part in dataset.get("ImageType", None) or ["", "SECONDARY"]]
    dataset.ImageType = ["DERIVED", *kind[1:]]
    done = "denoised by noise2detail"
    dataset.DerivationDescription = (
        f"{quantity} of the image {done}" if quantity else done
    )
    done = f"denoised, {quantity}" if quantity else "denoised"
    described = str(dataset.get("SeriesDescription", "")).strip()
    dataset.SeriesDescription = f"{described[: 63 - len(done)].strip()} {done}".strip()
