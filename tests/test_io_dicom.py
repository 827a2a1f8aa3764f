"""DICOM beyond the simple slice: many frames, padding, signs, encodings, oddities."""

import warnings

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian

from n2d.files._targets import expand_inputs
from n2d.files.denoising import denoise_file
from n2d.io import ImageFile, ImageFileError, n_slices, read_image, write_image

RAMP = np.arange(42, dtype=np.uint16).reshape(6, 7)
FEW = {"max_iter": 2, "detail_max_iter": 0, "random_state": 0}


def write_dicom(path, pixels, *, syntax=ExplicitVRLittleEndian, **more):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    data.Rows, data.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"
    for name, value in more.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return data


def item(**elements):
    data = Dataset()
    for name, value in elements.items():
        setattr(data, name, value)
    return data


def groups(slope, intercept, spacing=None):
    found = item(
        PixelValueTransformationSequence=Sequence(
            [item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")]
        )
    )
    if spacing:
        found.PixelMeasuresSequence = Sequence([item(PixelSpacing=spacing)])
    return found


def test_frames_have_a_scale_each(tmp_path):
    frames = np.stack([RAMP, RAMP, RAMP])
    scales = [(1, 0), (2, -10), (0.5, 100)]
    write_dicom(
        tmp_path / "a.dcm",
        frames,
        SharedFunctionalGroupsSequence=Sequence(
            [item(PixelMeasuresSequence=Sequence([item(PixelSpacing=[0.5, 0.25])]))]
        ),
        PerFrameFunctionalGroupsSequence=Sequence([groups(*s) for s in scales]),
    )
    image = read_image(tmp_path / "a.dcm")
    for frame, (slope, intercept) in zip(image.data, scales, strict=True):
        np.testing.assert_array_equal(frame, RAMP.astype(float) * slope + intercept)
    assert image.pixel_size == {"Y": (0.5, "millimeter"), "X": (0.25, "millimeter")}
    write_image(tmp_path / "b.dcm", image.data, like=image)
    again = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(again.pixel_array, frames)
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").data, image.data)


def test_frames_share_a_scale(tmp_path):
    shared = Sequence([groups(1, -1024, [0.5, 0.5])])
    frames = np.stack([RAMP, RAMP])
    write_dicom(tmp_path / "a.dcm", frames, SharedFunctionalGroupsSequence=shared)
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.data, frames.astype(int) - 1024)
    assert image.pixel_size["X"] == (0.5, "millimeter")


def test_monochrome1_stays_a_positive(tmp_path):
    write_dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    image = read_image(tmp_path / "a.dcm")
    assert "MONOCHROME1" in image.notes[0]
    write_image(tmp_path / "b.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE


def test_bits_are_no_intensities(tmp_path):
    bits = np.packbits(RAMP.ravel() % 2)
    write_dicom(tmp_path / "a.dcm", RAMP, BitsAllocated=8)
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.BitsAllocated = data.BitsStored = 1
    data.HighBit, data.PixelData = 0, bits.tobytes()
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(ImageFileError, match="one bit a pixel"):
        read_image(tmp_path / "a.dcm")


@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")  # few pixels, loud
@pytest.mark.parametrize(
    ("limit", "gaps"), [(None, [-2000]), (-1990, [-2000, -1995, -1990])]
)
@pytest.mark.parametrize("representation", ["SS", "US"])
def test_padding_is_not_learned_from_and_stays(tmp_path, limit, gaps, representation):
    rng = np.random.default_rng(0)
    pixels = rng.normal(100, 20, (64, 64)).astype(np.int16)
    edges = [(k, v) for k, v in enumerate([-2000, -1995, -1990])]
    for k, v in edges:
        pixels[:, k] = v
    pixels[:, -10:] = -2000
    data = write_dicom(tmp_path / "a.dcm", pixels, RescaleSlope=1, RescaleIntercept=0)
    signed = representation == "SS"
    data.add_new("PixelPaddingValue", representation, -2000 if signed else 63536)
    if limit is not None:
        value = limit if signed else 65536 + limit
        data.add_new("PixelPaddingRangeLimit", representation, value)
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.gaps, np.isin(pixels, gaps))
    denoise_file(tmp_path / "a.dcm", tmp_path / "b.dcm", **FEW)
    result = pydicom.dcmread(tmp_path / "b.dcm").pixel_array
    np.testing.assert_array_equal(result[image.gaps], pixels[image.gaps])
    if limit is not None:
        assert 50 < result[~image.gaps].min()


def test_padding_beyond_the_bits_of_values_is_not_clipped(tmp_path):
    pixels = np.where(RAMP < 5, -2000, RAMP).astype(np.int16)
    more = {"BitsStored": 8, "HighBit": 7, "PixelPaddingValue": -2000}
    with warnings.catch_warnings(action="ignore"):
        write_dicom(tmp_path / "a.dcm", pixels, **more)
        image = read_image(tmp_path / "a.dcm")
        write_image(tmp_path / "b.dcm", image.data, like=image)
        again = read_image(tmp_path / "b.dcm")
    np.testing.assert_array_equal(again.data, image.data)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("high", [15, 13])
def test_values_in_the_upper_bits_of_words(tmp_path, dtype, high):
    values = (RAMP * 40).astype(dtype) - (800 if dtype is np.int16 else 0)
    stored = values << (high - 11)
    below = 2 ** (high - 11) - 1  # where overlays were once
    stored[0, 0] |= below
    how = {"BitsStored": 12, "HighBit": high}
    write_dicom(tmp_path / "a.dcm", stored, **how)
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.data, values)
    write_image(tmp_path / "b.dcm", image.data, like=image)
    again = pydicom.dcmread(tmp_path / "b.dcm")
    assert (again.BitsStored, again.HighBit) == (12, 11)
    np.testing.assert_array_equal(again.pixel_array, values)
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").data, values)


def test_a_high_bit_that_values_contradict(tmp_path):
    for values in (RAMP * 40, (RAMP * 40).astype(np.int16) - 800):
        write_dicom(tmp_path / "a.dcm", values, BitsStored=12, HighBit=15)
        np.testing.assert_array_equal(read_image(tmp_path / "a.dcm").data, values)


def test_big_endian(tmp_path):
    write_dicom(
        tmp_path / "a.dcm",
        RAMP.astype(">u2"),
        syntax=ExplicitVRBigEndian,
        RescaleSlope=2,
        RescaleIntercept=0,
        SmallestImagePixelValue=0,
        WindowCenter=20,
    )
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.data, RAMP * 2)
    write_image(tmp_path / "b.dcm", image.data, like=image)
    again = pydicom.dcmread(tmp_path / "b.dcm")
    assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    np.testing.assert_array_equal(again.pixel_array, RAMP)
    assert (again.Rows, again.Columns, again.WindowCenter) == (6, 7, 20)


@pytest.mark.parametrize(
    ("syntax", "package"),
    [
        ("1.2.840.10008.1.2.4.70", "pylibjpeg-libjpeg"),
        ("1.2.840.10008.1.2.4.80", "pyjpegls"),
    ],
)
def test_a_missing_decoder_is_named(tmp_path, monkeypatch, syntax, package):
    write_dicom(tmp_path / "a.dcm", RAMP)
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    def no_decoder(self):
        raise RuntimeError("the required packages are missing")

    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(no_decoder))
    with pytest.raises(ImageFileError, match=f"pip install .*{package}"):
        read_image(tmp_path / "a.dcm")


def test_a_file_without_a_head(tmp_path):
    data = write_dicom(tmp_path / "a.dcm", RAMP)
    content = (tmp_path / "a.dcm").read_bytes()
    body = content.index(b"\x08\x00\x16\x00")
    (tmp_path / "c.dcm").write_bytes(content[body:])
    (tmp_path / "IM000001").write_bytes(content[body:])
    image = read_image(tmp_path / "IM000001")
    np.testing.assert_array_equal(read_image(tmp_path / "c.dcm").data, image.data)
    write_image(tmp_path / "b.dcm", image.data, like=image)
    again = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(again.pixel_array, RAMP)
    assert again.SOPClassUID == data.SOPClassUID


def test_what_the_standard_wants_and_files_lack(tmp_path):
    write_dicom(tmp_path / "a.dcm", RAMP)
    data = pydicom.dcmread(tmp_path / "a.dcm")
    del data.SOPInstanceUID
    with pydicom.config.disable_value_validation():
        data.StudyDate = "last Tuesday"
        data.PatientAge = "old"
        data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    image = read_image(tmp_path / "a.dcm")
    write_image(tmp_path / "b.dcm", image.data, like=image)
    with pydicom.config.disable_value_validation():
        again = pydicom.dcmread(tmp_path / "b.dcm")
        assert again.StudyDate == "last Tuesday"
    assert again.SOPInstanceUID == again.file_meta.MediaStorageSOPInstanceUID
    np.testing.assert_array_equal(again.pixel_array, RAMP)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_is_read_as_colours_and_written_so(tmp_path, bits):
    pixels = RAMP.astype(np.uint8)
    rng = np.random.default_rng(0)
    tables = rng.integers(0, 2**bits, (256, 3)).astype(f"u{bits // 8}")
    more = {"PhotometricInterpretation": "PALETTE COLOR"}
    for number, colour in enumerate(("Red", "Green", "Blue")):
        name = f"{colour}PaletteColorLookupTable"
        more[f"{name}Descriptor"] = [256, 0, bits]
        more[f"{name}Data"] = tables[:, number].tobytes()
    write_dicom(tmp_path / "a.dcm", pixels, **more)
    image = read_image(tmp_path / "a.dcm")
    assert image.axes == "YXS"
    np.testing.assert_array_equal(image.data, tables[pixels])
    write_image(tmp_path / "b.dcm", image.data, like=image)
    written = pydicom.dcmread(tmp_path / "b.dcm")
    assert written.PhotometricInterpretation == "RGB"
    assert not [one for one in written if "Palette" in one.keyword]
    np.testing.assert_array_equal(written.pixel_array, tables[pixels])


def test_jpeg_ls_in_colour(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    colours = np.random.default_rng(0).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    data = write_dicom(tmp_path / "a.dcm", colours[..., 0].copy())
    data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"
    data.PlanarConfiguration = 0
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.80"
    frames = [imagecodecs.jpegls_encode(colours)]
    data.PixelData = pydicom.encaps.encapsulate(frames)
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").data, colours)


def test_lack_of_memory_is_not_taken_for_a_missing_decoder(tmp_path, monkeypatch):
    imagecodecs = pytest.importorskip("imagecodecs")
    data = write_dicom(tmp_path / "a.dcm", RAMP)
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.80"
    data.PixelData = pydicom.encaps.encapsulate([imagecodecs.jpegls_encode(RAMP)])
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)

    def lacks_memory(frame):
        raise MemoryError

    monkeypatch.setattr(imagecodecs, "jpegls_decode", lacks_memory)
    with pytest.raises(MemoryError, match="not enough memory to read it"):
        read_image(tmp_path / "b.dcm")


def test_a_table_of_values_is_mentioned(tmp_path):
    table = item(
        LUTDescriptor=[256, 0, 16], LUTData=np.arange(256, dtype="u2").tobytes()
    )
    table["LUTData"].VR = "OW"
    write_dicom(tmp_path / "a.dcm", RAMP, ModalityLUTSequence=Sequence([table]))
    assert "not applied" in read_image(tmp_path / "a.dcm").notes[0]


def test_slices_of_a_series_are_counted_and_advised_about(tmp_path):
    for name, more in (
        ("a", {"SeriesInstanceUID": "1.2"}),
        ("b", {"SeriesInstanceUID": "1.2"}),
        ("c", {"SeriesInstanceUID": "1.3"}),
        ("d", {}),
    ):
        write_dicom(tmp_path / f"{name}.dcm", RAMP, **more)
    write_dicom(tmp_path / "e.dcm", np.stack([RAMP, RAMP]), SeriesInstanceUID="1.2")
    (tmp_path / "f.dcm").write_bytes(b"nothing")
    found = expand_inputs([tmp_path])
    assert n_slices(found.paths) == 2
    assert "2 DICOM files are slices of one series" in " ".join(found.advice())
    assert "--model" not in " ".join(found.advice(with_model=True))
    assert list(expand_inputs([tmp_path / "a.dcm", tmp_path / "c.dcm"]).advice()) == []


# Where pixels are in the patient: NIfTI says so, or nothing.
SAGITTAL = [0, 1, 0, 0, 0, -1]
OBLIQUE = [0.8, 0.6, 0, 0.36, -0.48, 0.8]
START = np.array([10.0, -20.0, 30.0])


def to_nifti(tmp_path):
    image = read_image(tmp_path / "a.dcm")
    write_image(tmp_path / "a.nii", image.data, like=image, overwrite=True)
    return nibabel.load(tmp_path / "a.nii")


def codes(image):
    return int(image.header["sform_code"]), int(image.header["qform_code"])


def frames(positions, directions=OBLIQUE):
    """What multi-frame images say of frames at places."""
    measures = item(PixelSpacing=[0.5, 0.25], SliceThickness=2)
    shared = item(
        PixelMeasuresSequence=Sequence([measures]),
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=directions)]),
    )
    each = [
        item(
            PlanePositionSequence=Sequence(
                [item(ImagePositionPatient=list(map(float, p)))]
            )
        )
        for p in positions
    ]
    return {
        "SharedFunctionalGroupsSequence": Sequence([shared]),
        "PerFrameFunctionalGroupsSequence": Sequence(each),
    }


@pytest.mark.parametrize("directions", [SAGITTAL, OBLIQUE])
def test_a_slice_stays_where_it_is(tmp_path, directions):
    write_dicom(
        tmp_path / "a.dcm",
        RAMP,
        PixelSpacing=[0.5, 0.25],
        SliceThickness=3,
        ImageOrientationPatient=directions,
        ImagePositionPatient=START.tolist(),
    )
    found = to_nifti(tmp_path)
    assert codes(found) == (1, 1)
    across, down = np.reshape(directions, (2, 3))
    # Of DICOM, to the left and to the back; column 3, row 2.
    expected = (START + 3 * 0.25 * across + 2 * 0.5 * down) * [-1, -1, 1]
    for affine in (found.affine, found.get_qform()):
        np.testing.assert_allclose((affine @ [3, 2, 0, 1])[:3], expected, atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(affine[:3, 2]), 3, atol=1e-4)
    if directions is SAGITTAL:
        assert nibabel.aff2axcodes(found.affine)[:2] == ("P", "I")
    np.testing.assert_array_equal(found.get_fdata(), RAMP.T)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("sheared", [False, True])
def test_frames_that_are_slices(tmp_path, sign, sheared):
    across, down = np.reshape(OBLIQUE, (2, 3))
    step = sign * 2.5 * np.cross(across, down) + sheared * 0.5 * down
    positions = START + np.arange(4)[:, None] * step
    stack = np.stack([RAMP + i for i in range(4)])
    write_dicom(tmp_path / "a.dcm", stack, **frames(positions))
    found = to_nifti(tmp_path)
    assert codes(found) == (1, 0 if sheared else 1)
    assert found.shape == (7, 6, 4)
    expected = (positions[3] + 5 * 0.25 * across) * [-1, -1, 1]
    np.testing.assert_allclose((found.affine @ [5, 0, 3, 1])[:3], expected, atol=1e-4)
    np.testing.assert_array_equal(found.get_fdata(), stack.T)


def test_doses_say_how_far_frames_are_apart(tmp_path):
    write_dicom(
        tmp_path / "a.dcm",
        np.stack([RAMP] * 3),
        PixelSpacing=[0.5, 0.25],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        ImagePositionPatient=START.tolist(),
        GridFrameOffsetVector=[0, 4, 8],
    )
    found = to_nifti(tmp_path)
    np.testing.assert_allclose(found.affine[:3, 2], [0, 0, 4])
    assert found.shape == (7, 6, 3)


def test_places_that_are_not_known_are_not_made_up(tmp_path):
    across, down = np.reshape(OBLIQUE, (2, 3))
    normal = np.cross(across, down)
    uneven = START + np.array([0, 2, 7])[:, None] * normal
    moving = START + np.arange(3)[:, None] * across
    said = {
        "PixelSpacing": [0.5, 0.25],
        "ImageOrientationPatient": OBLIQUE,
        "ImagePositionPatient": START.tolist(),
    }
    several = np.stack([RAMP] * 3)
    for pixels, more in (
        (RAMP, {"PixelSpacing": [0.5, 0.25]}),
        (RAMP, said | {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}),
        (RAMP, said | {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}),
        (several, frames(uneven)),
        (several, frames(moving)),
        (several, said),
    ):
        write_dicom(tmp_path / "a.dcm", pixels, **more)
        found = to_nifti(tmp_path)
        assert codes(found) == (0, 0), more
        np.testing.assert_allclose(found.header.get_zooms()[:2], (0.25, 0.5))


def test_other_formats_do_not_know_of_left_and_right(tmp_path):
    sizes = {"X": (0.25, "millimeter"), "Y": (0.5, "millimeter")}
    like = ImageFile(None, "ZYX", "npy", pixel_size=sizes | {"Z": (2, "millimeter")})
    write_image(tmp_path / "a.tif", np.stack([RAMP] * 3), like=like)
    image = read_image(tmp_path / "a.tif")
    write_image(tmp_path / "a.nii", image.data, like=image)
    found = nibabel.load(tmp_path / "a.nii")
    assert codes(found) == (0, 0)
    np.testing.assert_allclose(found.header.get_zooms(), (0.25, 0.5, 2))
