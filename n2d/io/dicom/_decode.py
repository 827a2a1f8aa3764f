"""DICOM: the pixels of a file, whatever they are compressed with."""

import numpy as np

from n2d.io._image import ImageFileError
from n2d.io._limits import check_stream
from n2d.io.dicom._frames import n_frames_of

GREY = ("MONOCHROME1", "MONOCHROME2")
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


def pixels(path, dataset):
    """Decode the pixels, or say which package does."""
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        _refuse_other_sizes(path, dataset)
    try:
        if _is_high(dataset):
            dataset.pixel_array_options(correct_unused_bits=False)
            return _lowered(dataset, dataset.pixel_array)
        return dataset.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        syntax = dataset.file_meta.TransferSyntaxUID
        if not syntax.is_compressed:
            raise
        try:
            import imagecodecs

            decode = _CODECS.get(str(syntax))
            is_plain = str(dataset.PhotometricInterpretation) in (*GREY, "RGB")
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


def _decoded(path, dataset, decode):
    """Decode frames with imagecodecs, which the extra for TIFF brings."""
    from pydicom.encaps import generate_frames

    n_frames = n_frames_of(dataset)
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


_RLE = "1.2.840.10008.1.2.5"  # whose frames are the words of a file, packed


def _is_high(dataset):
    """Whether a file says that values are not in the lowest bits of their words."""
    syntax, high = dataset.file_meta.TransferSyntaxUID, dataset.get("HighBit")
    # Codecs give numbers, wherever their bits were.
    is_coded = syntax.is_encapsulated and str(syntax) != _RLE
    lowest, bits = int(dataset.BitsStored), int(dataset.BitsAllocated)
    return not is_coded and isinstance(high, int) and lowest <= high < bits


def _lowered(dataset, words):
    """Return the numbers in higher bits of words, and have the data set say so."""
    words = words.astype(words.dtype.newbyteorder("="), copy=False)
    bits, used, high = 8 * words.itemsize, int(dataset.BitsStored), dataset.HighBit
    dataset.HighBit = used - 1
    has_low = bool((words & (2 ** (high + 1 - used) - 1)).any())
    if has_low and -(2 ** (used - 1)) <= words.min() and words.max() < 2**used:
        high = used - 1  # they are where they mostly are, and the file is wrong
    return (words << (bits - 1 - high)) >> (bits - used)
