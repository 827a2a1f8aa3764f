"""Files of several images, tables to show them with, and names of other kinds."""

import zipfile

import nibabel
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from n2d.cli import app
from n2d.files import denoise_file
from n2d.files._targets import expand_inputs, plan_outputs
from n2d.io import (
    ImageFileError,
    is_image,
    open_image,
    read_image,
    suffix_of,
    write_image,
)

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 900, (3, 24, 28)).astype(np.uint16)
SMALL = RNG.integers(0, 255, (2, 12, 10)).astype(np.uint8)
FEW = {"max_iter": 2, "detail_max_iter": 0, "random_state": 0}


@pytest.fixture
def two(tmp_path):
    """An OME-TIFF of two images."""
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(STACK, metadata={"axes": "TYX", "Name": "one", "PhysicalSizeX": 0.1})
        more = {"axes": "CYX", "Name": "two", "Channel": {"Name": ["a", "b"]}}
        tif.write(SMALL, metadata=more | {"PhysicalSizeX": 0.5})
    return path


def test_one_of_several_images_is_chosen_and_written_as_one(two, tmp_path):
    with pytest.raises(ImageFileError, match=r"0: one, 3 x 24 x 28 .*1: two.*--series"):
        read_image(two)
    image = read_image(two, 1)
    np.testing.assert_array_equal(image.data, SMALL)
    assert image.channel_names == ("a", "b")
    assert image.pixel_size["X"] == (0.5, "micrometer")
    assert "other images are not kept" in " ".join(image.notes)
    done = denoise_file(two, tmp_path / "b.ome.tif", series=1, **FEW)
    assert (done.axes, done.n_fits) == ("CYX", 2)
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
        assert [one.shape for one in tif.series] == [SMALL.shape]
        assert 'Name="two"' in tif.ome_metadata
        assert 'Name="one"' not in tif.ome_metadata
    with pytest.raises(ImageFileError, match="no series 2"):
        read_image(two, 2)


def test_images_that_are_alike_are_a_stack_or_one_of_them(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for plane in STACK:
            tif.write(plane, contiguous=False)
    assert read_image(tmp_path / "a.tif").data.shape == STACK.shape
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 1).data, STACK[1])


def test_files_of_one_image_know_no_series(tmp_path):
    write_image(tmp_path / "a.npy", STACK[0])
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy", 0).data, STACK[0])
    with pytest.raises(ImageFileError, match="no series 1; leave --series"):
        read_image(tmp_path / "a.npy", 1)


def test_every_command_takes_a_series(two, tmp_path):
    for command in (["denoise", "-o", "a.tif"], ["fit", "-o", "a.n2d"]):
        name, option, target = command
        arguments = [name, str(two), option, str(tmp_path / target), "--series", "0"]
        found = CliRunner().invoke(app, [*arguments, "-q"])
        assert found.exit_code == 0, found.output
        missing = CliRunner().invoke(app, [*arguments[:-1], "7", "--overwrite"])
        assert missing.exit_code == 1
        assert "no series 7" in missing.output
    for name in ("tune", "compare", "noise"):
        arguments = [name, str(two), "--series", "7"]
        arguments += ["-o", str(tmp_path / "out")] * (name != "noise")
        found = CliRunner().invoke(app, arguments)
        assert "no series 7" in found.output


@pytest.mark.parametrize("kind", ["green", "grey", "inverted", "fire"])
def test_indices_are_read_where_the_map_is_a_ramp_and_it_is_kept(tmp_path, kind):
    ramp = np.arange(256, dtype=np.uint16) * 257
    up, down = np.minimum(2 * ramp.astype(int), 65535), ramp[::-1]
    maps = {
        "green": [0 * ramp, ramp, 0 * ramp],
        "grey": [ramp] * 3,
        "inverted": [down] * 3,
        "fire": [up, np.maximum(2 * ramp.astype(int) - 65535, 0), down],
    }
    colormap = np.array(maps[kind], np.uint16)
    options = {"photometric": "palette", "colormap": colormap, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", SMALL[0], **options)
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, SMALL[0])
    write_image(tmp_path / "b.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        np.testing.assert_array_equal(tif.asarray(), SMALL[0])
        np.testing.assert_array_equal(tif.pages[0].colormap, colormap)
    # Other types of data have no map.
    write_image(tmp_path / "c.tif", image.data.astype(np.float32), like=image)
    np.testing.assert_array_equal(read_image(tmp_path / "c.tif").data, SMALL[0])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("factor", [1, 257])
def test_lists_of_colours_are_read_as_colours(tmp_path, compression, factor):
    rng = np.random.default_rng(5)
    colours = (rng.integers(0, 256 if factor > 1 else 65536, (3, 256)) * factor).astype(
        np.uint16
    )
    options = {"photometric": "palette", "colormap": colours, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", SMALL, compression=compression, **options)
    image = read_image(tmp_path / "a.tif")
    assert image.axes[1:] == "YXS"
    assert "RGB" in image.notes[0]
    expected = np.moveaxis((colours // factor)[:, SMALL], 0, -1)
    assert image.data.dtype == (np.uint8 if factor > 1 else np.uint16)
    np.testing.assert_array_equal(image.data, expected)
    with open_image(tmp_path / "a.tif") as image:
        np.testing.assert_array_equal(
            image.data[0, 1:3, :2, 1], expected[0, 1:3, :2, 1]
        )
        write_image(tmp_path / "b.tif", expected, like=image)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.RGB
        np.testing.assert_array_equal(tif.asarray(), expected)


def test_a_palette_for_each_page_is_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for seed in range(2):
            colours = np.random.default_rng(seed).integers(
                0, 65536, (3, 256), np.uint16
            )
            options = {"photometric": "palette", "colormap": colours, "metadata": None}
            tif.write(SMALL[0], **options)
    with pytest.raises(ImageFileError, match="palette of its own for each page"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["AnalyzeImage", "Spm2AnalyzeImage", "Nifti1Pair"])
def test_pairs_of_analyze_and_nifti(tmp_path, kind):
    volume = STACK.astype(np.int16)
    pair = getattr(nibabel, kind)(volume.T, np.diag([2.0, 3, 4, 1]))
    nibabel.save(pair, tmp_path / "a.img")
    for name in ("a.img", "a.hdr"):
        image = read_image(tmp_path / name)
        assert image.axes == "ZYX"
        np.testing.assert_array_equal(image.data, volume)
        assert [image.pixel_size[a][0] for a in "XYZ"] == [2, 3, 4]
    write_image(tmp_path / "b.nii", image.data, like=image)
    written = nibabel.load(tmp_path / "b.nii")
    source = nibabel.load(tmp_path / "a.hdr")
    np.testing.assert_array_equal(written.affine, source.affine)
    np.testing.assert_array_equal(np.asarray(written.dataobj), volume.T)
    # A folder has the two as one image, and its result is one file.
    found = expand_inputs([tmp_path])
    assert [path.name for path in found.paths] == ["a.hdr", "b.nii"]
    pairs = plan_outputs(found.paths[:1], f"{tmp_path / 'out'}/")
    assert pairs[0][1].name == "a.nii"
    with pytest.raises(ImageFileError, match=r"not written; write a \.nii one"):
        write_image(tmp_path / "c.img", image.data, like=image)
    (tmp_path / "a.img").unlink()
    with pytest.raises(ImageFileError, match="not there"):
        read_image(tmp_path / "a.hdr")


def test_nifti_in_colour(tmp_path):
    kind = np.dtype([(sample, "u1") for sample in "RGB"])
    colours = RNG.integers(0, 255, (5, 6, 7, 3)).astype(np.uint8)
    volume = nibabel.Nifti1Image(colours.view(kind)[..., 0], np.eye(4))
    nibabel.save(volume, tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    assert image.axes == "ZYXS"
    np.testing.assert_array_equal(image.data, colours.transpose(2, 1, 0, 3))
    write_image(tmp_path / "b.nii", image.data, like=image)
    written = np.asarray(nibabel.load(tmp_path / "b.nii").dataobj)
    np.testing.assert_array_equal(written, colours.view(kind)[..., 0])


@pytest.mark.parametrize("inside", ["", "a.zarr/"])
def test_zarr_in_a_zip(tmp_path, inside):
    write_image(tmp_path / "a.zarr", STACK, axes="ZYX")
    with zipfile.ZipFile(tmp_path / "b.zarr.zip", "w") as packed:
        for path in sorted((tmp_path / "a.zarr").rglob("*")):
            name = path.relative_to(tmp_path / "a.zarr").as_posix()
            packed.write(path, f"{inside}{name}")
    image = read_image(tmp_path / "b.zarr.zip")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, STACK)
    assert suffix_of("b.zarr.zip") == ".zarr.zip"
    pairs = plan_outputs([tmp_path / "b.zarr.zip"], f"{tmp_path / 'out'}/")
    assert pairs[0][1].name == "b.zarr"
    (tmp_path / "c.zarr.zip").write_bytes(b"no zip")
    with pytest.raises(ImageFileError, match="no ZIP"):
        read_image(tmp_path / "c.zarr.zip")


def test_dicom_without_a_suffix(tmp_path):
    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "notes").write_bytes(b"of the day")
    assert suffix_of(tmp_path / "IM0001") == ".dcm"
    assert [is_image(tmp_path / n) for n in ("DICOMDIR", "notes")] == [False, False]
    pairs = plan_outputs([tmp_path / "IM0001"], f"{tmp_path / 'out'}/")
    assert pairs[0][1].name == "IM0001.dcm"


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".png"])
def test_names_as_long_as_can_be(tmp_path, suffix):
    path = tmp_path / ("ä" * 120 + "n" * (15 - len(suffix)) + suffix)
    write_image(path, SMALL[0])
    np.testing.assert_array_equal(read_image(path).data, SMALL[0])
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    with pytest.raises(OSError, match="too long"):
        write_image(path.with_name("n" + path.name), SMALL[0])
