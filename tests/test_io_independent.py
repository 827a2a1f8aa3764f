"""What comes back of a file, as another reader than ours sees it.

The table of doc/files.rst is held to it: a format keeps what the table says, no more
and no less.
"""

import json
import re
import warnings
from pathlib import Path

import mrcfile
import nibabel
import numpy as np
import ome_types
import pydicom
import pytest
import tifffile
import zarr
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset

from n2d.io import ImageFile, open_image, write_image
from n2d.io._units import convert_unit

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("axes", "pixel size", "units", "channel names", "dtype", "compression")


def pixels(shape, dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def ome_metadata(path):
    """OME-XML, as ome-types understands it."""
    with warnings.catch_warnings():
        # Older ones use what newer versions of pydantic deprecate.
        warnings.simplefilter("ignore", DeprecationWarning)
        return ome_types.from_tiff(path)


# For each format: a function that makes a file without n2d, and one that tells, without
# n2d, what is in it, under the names of COLUMNS (None: the format cannot say).


def make_ome_tiff(path):
    array = pixels((2, 3, 2, 70, 60))
    metadata = {
        "axes": "TZCYX",
        "PhysicalSizeX": 0.11,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.12,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.5,
        "PhysicalSizeZUnit": "µm",
        "TimeIncrement": 2.5,
        "TimeIncrementUnit": "ms",
        "Channel": {"Name": ["DAPI", "GFP"], "ExcitationWavelength": [405, 488]},
        "Plane": {"ExposureTime": [0.1] * 12, "ExposureTimeUnit": ["s"] * 12},
        "Description": "cells of Tuesday",
    }
    options = {"tile": (32, 32), "compression": "zlib", "predictor": True}
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(array, subifds=2, metadata=metadata, **options)
        for step in (2, 4):
            tif.write(array[..., ::step, ::step], subfiletype=1, **options)


def see_ome_tiff(path):
    image = ome_metadata(path).images[0]
    p = image.pixels
    with tifffile.TiffFile(path) as tif:
        series, page = tif.series[0], tif.series[0].keyframe
        layout = (page.compression, page.predictor > 1, page.tile)
        shapes = [level.shape for level in series.levels]
        assert np.dtype(series.dtype).name == {"float": "float32"}.get(
            p.type.value, p.type.value
        )
    return {
        "axes": (p.dimension_order.value, p.size_t, p.size_z, p.size_c, series.axes),
        "pixel size": (
            p.physical_size_x,
            p.physical_size_y,
            p.physical_size_z,
            p.time_increment,
        ),
        "units": (
            p.physical_size_x_unit,
            p.physical_size_z_unit,
            p.time_increment_unit,
        ),
        "channel names": [channel.name for channel in p.channels],
        "dtype": p.type.value,
        "compression": layout,
        "others": (
            shapes,
            image.description,
            [channel.excitation_wavelength for channel in p.channels],
            [plane.exposure_time for plane in p.planes],
        ),
    }


def make_imagej(path):
    tables = [np.zeros((3, 256), np.uint8) for _ in range(2)]
    tables[0][1] = tables[1][2] = np.arange(256)
    tifffile.imwrite(
        path,
        pixels((2, 3, 2, 64, 60)),
        imagej=True,
        resolution=(4.0, 5.0),
        metadata={
            "axes": "TZCYX",
            "spacing": 0.3,
            "unit": "um",
            "finterval": 2.5,
            "mode": "composite",
            "Labels": ["DAPI", "GFP"] * 6,
            "Ranges": (0.0, 100.0, 0.0, 200.0),
            "LUTs": tables,
            "Info": "made on Tuesday",
        },
    )


def see_imagej(path):
    with tifffile.TiffFile(path) as tif:
        described, page = tif.imagej_metadata, tif.pages[0]
        assert tif.is_imagej
        return {
            "axes": tif.series[0].axes,
            "pixel size": (
                page.tags["XResolution"].value,
                page.tags["YResolution"].value,
                described["spacing"],
                described["finterval"],
            ),
            "units": described["unit"],
            "channel names": described["Labels"],
            "dtype": str(tif.series[0].dtype),
            "compression": None,
            "others": (
                described["mode"],
                described["Ranges"],
                described["Info"],
                [table.tolist() for table in described["LUTs"]],
            ),
        }


def make_tiff(path):
    tifffile.imwrite(
        path,
        pixels((3, 64, 60), np.int16),
        photometric="minisblack",
        resolution=(300.5, 72),
        resolutionunit="CENTIMETER",
        compression="lzw",
        predictor=True,
        bigtiff=True,
        software="microscope 3",
        datetime="2024:02:29 12:00:00",
        metadata={"axes": "ZYX", "dose": 20},
    )


def see_tiff(path):
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        return {
            "axes": tif.series[0].axes,
            "pixel size": [page.tags[f"{a}Resolution"].value for a in "XY"],
            "units": page.tags["ResolutionUnit"].value,
            "channel names": None,
            "dtype": str(tif.series[0].dtype),
            "compression": (page.compression, page.predictor),
            "others": (
                tif.is_bigtiff,
                page.tags["Software"].value,
                page.tags["DateTime"].value,
                tif.shaped_metadata[0]["dose"],
            ),
        }


def make_ome_zarr(path):
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    array = pixels((2, 3, 64, 60))
    codec = zarr.codecs.BloscCodec(cname="lz4", clevel=3, shuffle="bitshuffle")
    group.create_array(
        "0", data=array, chunks=(1, 1, 64, 60), compressors=codec,
        dimension_names=list("czyx"),
    )  # fmt: skip
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [1.0, 3.0, 0.5, 0.25]}]
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [
        {"label": label, "color": "00FF00", "window": window} for label in ("a", "b")
    ]
    multiscale = {
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": scale}],
    }
    ome = {"version": "0.5", "multiscales": [multiscale]}
    group.attrs["ome"] = {**ome, "omero": {"channels": channels}}


def see_ome_zarr(path):
    group = zarr.open_group(str(path), mode="r")
    ome = group.attrs["ome"]
    multiscale = ome["multiscales"][0]
    array = group[multiscale["datasets"][0]["path"]]
    return {
        "axes": [axis["name"] for axis in multiscale["axes"]],
        "pixel size": multiscale["datasets"][0]["coordinateTransformations"],
        "units": [axis.get("unit") for axis in multiscale["axes"]],
        "channel names": [channel["label"] for channel in ome["omero"]["channels"]],
        "dtype": str(array.dtype),
        "compression": [codec.to_dict() for codec in array.compressors],
        "others": array.chunks,
    }


def make_png(path):
    Image.fromarray(pixels((40, 30, 3), np.uint8)).save(path, dpi=(300, 200))


def see_png(path):
    with Image.open(path) as image:
        return {
            "axes": (image.mode, image.size),
            "pixel size": image.info["dpi"],
            "units": "inch",
            "channel names": None,
            "dtype": "uint8",
            "compression": "deflate",
        }


def make_npy(path):
    np.save(path, pixels((3, 40, 30), np.int32))


def see_npy(path):
    array = np.load(path)
    return {
        "axes": array.shape,
        "pixel size": None,
        "units": None,
        "channel names": None,
        "dtype": str(array.dtype),
        "compression": None,
    }


def make_mrc(path):
    with mrcfile.new(path) as mrc:
        mrc.set_data(pixels((3, 40, 30), np.int16))
        mrc.voxel_size = (1.5, 1.6, 2.5)
        mrc.header.origin = (10.0, 20.0, 30.0)
        mrc.add_label("made on Tuesday")
        mrc.set_extended_header(np.frombuffer(b"tilt angles " * 10, "V1"))


def see_mrc(path):
    with mrcfile.open(path) as mrc:
        return {
            "axes": (mrc.data.shape, mrc.is_volume()),
            "pixel size": mrc.voxel_size.tolist(),
            "units": "angstrom",
            "channel names": None,
            "dtype": str(mrc.data.dtype),
            "compression": None,
            "others": (
                mrc.header.origin.tolist(),
                "made on Tuesday" in mrc.get_labels(),
                mrc.extended_header.tobytes(),
            ),
        }


AFFINE = np.array([[2.0, 0.1, 0, 3], [0, 2.5, 0, 4], [0, 0, 3, 5], [0, 0, 0, 1]])


def make_nifti(path):
    image = nibabel.Nifti1Image(pixels((30, 40, 5, 2), np.int16), AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((2.0, 2.5, 3.0, 1.5))
    image.header["descrip"] = b"head of Tuesday"
    image.header.set_slope_inter(0.5, 10)
    image.header.extensions.append(
        nibabel.nifti1.Nifti1Extension("comment", b"a remark")
    )
    nibabel.save(image, path)


def see_nifti(path):
    image = nibabel.load(path)
    return {
        "axes": image.shape,
        "pixel size": image.header.get_zooms(),
        "units": image.header.get_xyzt_units(),
        "channel names": None,
        "dtype": str(image.get_data_dtype()),
        "compression": None if str(path).endswith("nii") else "gzip",
        "others": (
            image.affine.tolist(),
            image.header["descrip"].item(),
            (image.dataobj.slope, image.dataobj.inter),
            [extension.get_content() for extension in image.header.extensions],
        ),
    }


def make_dicom(path):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    data.SOPClassUID = pydicom.uid.CTImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    data.SeriesInstanceUID, data.StudyInstanceUID = "1.2.3", "1.2"
    data.PatientName, data.PatientID = "Doe^Jane", "7"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Rows, data.Columns = 40, 30
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelRepresentation = 0
    data.PixelSpacing = [0.7, 0.6]
    data.RescaleSlope, data.RescaleIntercept = "2", "-1024"
    data.PixelData = pixels((40, 30)).tobytes()
    data.save_as(path, enforce_file_format=True)


def see_dicom(path):
    data = pydicom.dcmread(path)
    return {
        "axes": data.pixel_array.shape,
        "pixel size": list(data.PixelSpacing),
        "units": "mm",
        "channel names": None,
        "dtype": (str(data.pixel_array.dtype), data.BitsStored),
        "compression": None,
        "others": (
            data.PatientName,
            data.StudyInstanceUID,
            data.RescaleSlope,
            data.RescaleIntercept,
        ),
    }


FORMATS = {
    "OME-TIFF": (".ome.tif", make_ome_tiff, see_ome_tiff),
    "ImageJ TIFF": (".tif", make_imagej, see_imagej),
    "other TIFF": (".tif", make_tiff, see_tiff),
    "OME-Zarr": (".zarr", make_ome_zarr, see_ome_zarr),
    "PNG": (".png", make_png, see_png),
    "NPY": (".npy", make_npy, see_npy),
    "MRC": (".mrc", make_mrc, see_mrc),
    "NIfTI": (".nii", make_nifti, see_nifti),
    "DICOM": (".dcm", make_dicom, see_dicom),
}


def round_trip(tmp_path, name):
    """Return what another reader sees before and after."""
    suffix, make, see = FORMATS[name]
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    make(source)
    with open_image(source) as image:
        array = np.array(image.data[...])
        # The pixels are those that another reader finds, but for one.
        place = (0,) * array.ndim
        array[place] += 2
        write_image(target, array, like=image)
    return see(source), see(target)


def table():
    """{format: {column: cell}} of doc/files.rst."""
    text = (ROOT / "doc" / "files.rst").read_text(encoding="utf-8")
    part = text.partition(".. _table-of-formats:")[2]
    rows = re.findall(r"^   \* - (.*)\n((?:     - .*\n)+)", part, re.M)
    names = [cell.strip() for cell in re.findall(r"- (.*)", rows[0][1])]
    assert tuple(names) == COLUMNS
    return {
        name.strip(): dict(
            zip(COLUMNS, [c.strip() for c in re.findall(r"- (.*)", cells)], strict=True)
        )
        for name, cells in rows[1:]
    }


def test_the_table_has_every_format():
    assert list(table()) == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_what_the_table_says_is_kept(tmp_path, name):
    before, after = round_trip(tmp_path, name)
    found = {
        column: "–"
        if before[column] is None
        else ("yes" if after[column] == before[column] else "no")
        for column in COLUMNS
    }
    assert found == table()[name], json.dumps([before, after], default=str, indent=1)
    assert after.get("others") == before.get("others")


def test_gzipped_nifti(tmp_path):
    make_nifti(tmp_path / "in.nii.gz")
    with open_image(tmp_path / "in.nii.gz") as image:
        assert image.axes == "TZYX"
        write_image(tmp_path / "out.nii.gz", image.data, like=image)
    assert see_nifti(tmp_path / "out.nii.gz") == see_nifti(tmp_path / "in.nii.gz")
    before, after = (nibabel.load(tmp_path / f"{n}.nii.gz") for n in ("in", "out"))
    np.testing.assert_array_equal(before.get_fdata(), after.get_fdata())


def test_a_derived_dicom_image_is_another_image(tmp_path):
    make_dicom(tmp_path / "in.dcm")
    with open_image(tmp_path / "in.dcm") as image:
        before = pydicom.dcmread(tmp_path / "in.dcm")
        expected = before.pixel_array * 2.0 - 1024
        np.testing.assert_array_equal(image.data, expected)
        write_image(tmp_path / "out.dcm", image.data + 3.1, like=image)
    after = pydicom.dcmread(tmp_path / "out.dcm")
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.SeriesInstanceUID != before.SeriesInstanceUID
    assert after.ImageType[0] == "DERIVED"
    source = after.SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == before.SOPInstanceUID
    # 3.1 Hounsfield units are 1.55 steps of 2.
    np.testing.assert_array_equal(after.pixel_array, before.pixel_array + 2)


@pytest.mark.parametrize("name", ["OME-TIFF", "ImageJ TIFF", "other TIFF", "OME-Zarr"])
def test_float32_keeps_all_but_the_type(tmp_path, name):
    suffix, make, see = FORMATS[name]
    make(tmp_path / f"in{suffix}")
    with open_image(tmp_path / f"in{suffix}") as image:
        array = image.data[...].astype(np.float32) + 0.25
        write_image(tmp_path / f"out{suffix}", array, like=image)
    before, after = see(tmp_path / f"in{suffix}"), see(tmp_path / f"out{suffix}")
    assert "float" in after.pop("dtype")
    before.pop("dtype")
    if name == "other TIFF":  # the predictor of floats is another one
        before.pop("compression")
        assert after.pop("compression") == (5, 3)
    assert after == before
    with open_image(tmp_path / f"out{suffix}") as image:
        np.testing.assert_array_equal(image.data[...], array)


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".zarr", ".nii", ".mrc"])
def test_pixel_size_goes_from_format_to_format(tmp_path, suffix):
    make_mrc(tmp_path / "in.mrc")
    with open_image(tmp_path / "in.mrc") as image:
        write_image(tmp_path / f"out{suffix}", image.data[...], like=image)
        sizes = image.pixel_size
        values = np.array(image.data)
    with open_image(tmp_path / f"out{suffix}") as image:
        assert image.axes == "ZYX"
        np.testing.assert_array_equal(image.data, values)
        for letter, (value, unit) in image.pixel_size.items():
            there = convert_unit(value, unit, "angstrom")
            assert there == pytest.approx(sizes[letter][0], rel=1e-5)
        assert image.pixel_size.keys() == set("ZYX")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
@pytest.mark.parametrize("axes", ["YX", "QYX", "QZYX", "TCZYX", "CYX", "YXS"])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_sizes_and_names_go_to_tiff_whatever_the_axes(tmp_path, name, axes, dtype):
    shape = [{"Y": 16, "X": 20, "Z": 3, "S": 3}.get(letter, 2) for letter in axes]
    sizes = {"T": (1.5, "second"), "Z": (2.5, "micrometer")}
    sizes |= {"Y": (0.5, "micrometer"), "X": (0.25, "micrometer")}
    like = ImageFile(
        np.zeros(shape, dtype),
        axes,
        "czi",
        pixel_size={k: v for k, v in sizes.items() if k in axes},
        channel_names=("DAPI", "GFP") if "C" in axes else (),
    )
    write_image(tmp_path / name, like.data, axes=axes, like=like)
    with open_image(tmp_path / name) as image:
        assert image.axes == axes
        assert image.channel_names == like.channel_names
        assert image.pixel_size.keys() == like.pixel_size.keys()
        for letter, (value, unit) in image.pixel_size.items():
            wanted = convert_unit(*like.pixel_size[letter], unit)
            assert value == pytest.approx(wanted, rel=1e-5)
    with tifffile.TiffFile(tmp_path / name) as tif:
        if tif.is_ome:
            pixels = ome_metadata(tmp_path / name).images[0].pixels
            assert pixels.physical_size_x == 0.25
            assert pixels.physical_size_y_unit.value == "µm"
            names = [c.name for c in pixels.channels][: len(like.channel_names)]
            assert tuple(names) == like.channel_names
        else:  # ImageJ's
            assert tif.imagej_metadata["unit"] == "um"
            assert tif.pages[0].tags["XResolution"].value == (4, 1)


def test_channel_names_go_from_ome_tiff_to_zarr_and_back(tmp_path):
    make_ome_tiff(tmp_path / "a.ome.tif")
    with open_image(tmp_path / "a.ome.tif") as image:
        write_image(tmp_path / "b.zarr", image.data[...], like=image)
    seen = see_ome_zarr(tmp_path / "b.zarr")
    assert seen["channel names"] == ["DAPI", "GFP"]
    assert seen["units"] == [
        "millisecond",
        None,
        "micrometer",
        "nanometer",
        "nanometer",
    ]
    with open_image(tmp_path / "b.zarr") as image:
        write_image(tmp_path / "c.ome.tif", image.data[...], like=image)
    seen = see_ome_tiff(tmp_path / "c.ome.tif")
    assert seen["channel names"] == ["DAPI", "GFP"]
    assert seen["pixel size"] == (0.11, 0.12, 0.5, 2.5)


@pytest.mark.parametrize("module", ["zarr", "nibabel", "mrcfile", "pydicom"])
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, module):
    name = {"zarr": "OME-Zarr", "nibabel": "NIfTI", "mrcfile": "MRC"}
    suffix, make, _ = FORMATS[name.get(module, "DICOM")]
    make(tmp_path / f"a{suffix}")
    monkeypatch.setitem(__import__("sys").modules, module, None)
    extra = "zarr" if module == "zarr" else "medical"
    with pytest.raises(ImportError, match=rf"{module}.*noise2detail\[{extra}\]"):
        open_image(tmp_path / f"a{suffix}")
