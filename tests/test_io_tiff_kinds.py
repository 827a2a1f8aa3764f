"""TIFF files as instruments and programs write them, and parts of them."""

import warnings

import numpy as np
import ome_types
import pytest
import tifffile

from n2d.io import ImageFileError, create_image, open_image, read_image, write_image


def some(shape, dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def ome_metadata(path):
    """OME-XML, as ome-types understands it."""
    with warnings.catch_warnings():
        # Older ones use what newer versions of pydantic deprecate.
        warnings.simplefilter("ignore", DeprecationWarning)
        return ome_types.from_tiff(path)


LAYOUTS = {
    "contiguous": {},
    "strips": {"rowsperstrip": 10, "compression": "zlib"},
    "tiles": {"tile": (16, 32), "compression": "lzw", "predictor": True},
    "big-endian": {"byteorder": ">", "tile": (16, 16)},
    "bits": {"dtype": bool},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("axes", "shape", "options"),
    [
        ("YX", (50, 70), {"photometric": "minisblack"}),
        ("ZYX", (4, 50, 70), {"photometric": "minisblack"}),
        ("TZYX", (2, 3, 50, 70), {"photometric": "minisblack"}),
        ("ZYXS", (4, 50, 70, 3), {"photometric": "rgb"}),
        ("ZSYX", (4, 3, 50, 70), {"photometric": "rgb", "planarconfig": "separate"}),
    ],
)
def test_windows_are_parts_of_the_whole(tmp_path, layout, axes, shape, options):
    options = {**options, **LAYOUTS[layout]}
    array = some(shape, options.pop("dtype", np.uint16))
    if array.dtype == bool:
        if "S" in axes:
            pytest.skip("colours of one bit are not written by tifffile")
        array = some(shape) > 100
    byteorder = options.pop("byteorder", None)
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=byteorder) as tif:
        tif.write(array, metadata={"axes": axes}, **options)
    with open_image(tmp_path / "a.tif") as image:
        assert image.axes == axes
        assert not isinstance(image.data, np.ndarray)
        np.testing.assert_array_equal(np.asarray(image.data), array)
        rng = np.random.default_rng(1)
        for _ in range(20):
            key = []
            for n in shape:
                start, stop = sorted(rng.integers(0, n + 1, 2))
                number = int(rng.integers(-n, n))
                whole = slice(None)
                choices = [slice(int(start), int(stop)), whole, number]
                key.append(choices[rng.integers(3)])
            np.testing.assert_array_equal(image.data[tuple(key)], array[tuple(key)])
        np.testing.assert_array_equal(image.data[..., 0], array[..., 0])
        np.testing.assert_array_equal(image.data[0], array[0])


@pytest.mark.parametrize("layout", ["contiguous", "strips", "tiles"])
@pytest.mark.parametrize("kind", ["imagej", "ome", "plain"])
def test_parts_become_the_file_that_the_whole_becomes(
    tmp_path, monkeypatch, layout, kind
):
    array = some((2, 3, 50, 70))
    options = dict(LAYOUTS[layout]) if kind != "imagej" else {}
    flags = {kind: True} if kind != "plain" else {}
    tifffile.imwrite(
        tmp_path / "in.tif",
        array,
        photometric="minisblack",
        metadata={"axes": "ZCYX"},
        **flags,
        **options,
    )
    for name, in_memory in (("a.tif", 2**30), ("b.tif", 0)):
        monkeypatch.setattr("n2d.io._scratch.IN_MEMORY", in_memory)
        with (
            open_image(tmp_path / "in.tif") as image,
            create_image(
                tmp_path / name, array.shape, np.uint16, image.axes, like=image
            ) as target,
        ):
            for z, c in np.ndindex(2, 3):
                with target.writing((z, c, slice(None), slice(None))) as part:
                    part[:30, 5:] = array[z, c, :30, 5:]
                    part[30:] = array[z, c, 30:]
                    part[:30, :5] = array[z, c, :30, :5]
    for name in ("a.tif", "b.tif"):
        with tifffile.TiffFile(tmp_path / name) as tif:
            np.testing.assert_array_equal(tif.asarray(), array)
            assert tif.series[0].axes == "ZCYX"
            assert tif.is_imagej == (kind == "imagej")
            assert tif.is_ome == (kind == "ome")
            page = tif.pages[0]
            if "tile" in options:
                assert page.tile == (16, 32)
                assert page.compression == tifffile.COMPRESSION.LZW


def test_a_lookup_table_is_no_palette_to_imagej(tmp_path):
    array = some((40, 30), np.uint8)
    table = np.zeros((3, 256), np.uint16)
    table[1] = np.arange(256) * 257
    tifffile.imwrite(
        tmp_path / "in.tif", array, imagej=True, photometric="palette", colormap=table
    )
    image = read_image(tmp_path / "in.tif")
    np.testing.assert_array_equal(image.data, array)
    write_image(tmp_path / "out.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        np.testing.assert_array_equal(tif.asarray(), array)
        np.testing.assert_array_equal(tif.imagej_metadata["LUTs"], table >> 8)
    again = read_image(tmp_path / "out.tif")
    write_image(tmp_path / "third.tif", again.data, like=again)
    with tifffile.TiffFile(tmp_path / "third.tif") as tif:
        np.testing.assert_array_equal(tif.imagej_metadata["LUTs"], table >> 8)


def test_one_label_stays_one(tmp_path):
    metadata = {"axes": "YX", "Labels": ["GFP"], "Overlays": [b"Iout"]}
    tifffile.imwrite(tmp_path / "in.tif", some((9, 8)), imagej=True, metadata=metadata)
    image = read_image(tmp_path / "in.tif")
    write_image(tmp_path / "out.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.imagej_metadata["Labels"] == "GFP"
        assert tif.imagej_metadata["Overlays"] == b"Iout"


def test_a_unit_beyond_ascii(tmp_path):
    options = {"imagej": True, "resolution": (10, 10)}
    metadata = {"unit": "\\u00B5m", "spacing": 0.5, "axes": "ZYX"}
    tifffile.imwrite(tmp_path / "in.tif", some((3, 9, 8)), metadata=metadata, **options)
    image = read_image(tmp_path / "in.tif")
    assert image.pixel_size["Z"] == (0.5, "micrometer")
    assert image.pixel_size["X"] == (0.1, "micrometer")
    write_image(tmp_path / "out.tif", image.data, like=image)
    again = read_image(tmp_path / "out.tif")
    assert again.pixel_size == image.pixel_size


def test_positions_of_an_ome_tiff_stay_images_of_their_own(tmp_path):
    arrays = [some((2, 40, 30), seed=i) for i in range(3)]
    with tifffile.TiffWriter(tmp_path / "in.ome.tif", ome=True) as tif:
        for i, array in enumerate(arrays):
            metadata = {"axes": "ZYX", "Name": f"position {i}", "PhysicalSizeX": 0.1}
            tif.write(array, metadata=metadata)
    image = read_image(tmp_path / "in.ome.tif")
    assert image.axes == "IZYX"
    np.testing.assert_array_equal(image.data, arrays)
    array = image.data.astype(np.float32)
    write_image(tmp_path / "out.ome.tif", array, like=image)
    found = ome_metadata(tmp_path / "out.ome.tif").images
    assert [one.name for one in found] == [f"position {i}" for i in range(3)]
    assert {one.pixels.type.value for one in found} == {"float"}
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tif:
        assert len(tif.series) == 3
        for series, array in zip(tif.series, arrays, strict=True):
            np.testing.assert_array_equal(series.asarray(), array)


def test_colour_in_an_ome_tiff(tmp_path):
    array = some((3, 40, 30, 3), np.uint8)
    options = {"photometric": "rgb", "tile": (16, 16)}
    metadata = {"axes": "ZYXS", "PhysicalSizeX": 0.25}
    tifffile.imwrite(
        tmp_path / "in.ome.tif", array, ome=True, metadata=metadata, **options
    )
    image = read_image(tmp_path / "in.ome.tif")
    assert image.axes == "ZYXS"
    write_image(tmp_path / "out.ome.tif", image.data, like=image)
    pixels = ome_metadata(tmp_path / "out.ome.tif").images[0].pixels
    assert pixels.channels[0].samples_per_pixel == 3
    assert pixels.physical_size_x == 0.25
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tif:
        assert tif.series[0].axes == "ZYXS"
        assert tif.pages[0].is_tiled
        np.testing.assert_array_equal(tif.asarray(), array)


def test_an_ome_tiff_of_several_files_becomes_one(tmp_path):
    """What it says of pixels in other files would be wrong in a single one."""
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        'Type="uint16" SizeX="30" SizeY="40" SizeC="1" SizeZ="1" SizeT="2">'
        '<Channel ID="Channel:0:0" Name="DAPI" SamplesPerPixel="1"/>'
        '<TiffData FirstT="0" IFD="0"><UUID FileName="a.ome.tif">urn:uuid:0</UUID>'
        '</TiffData><TiffData FirstT="1" IFD="0">'
        '<UUID FileName="b.ome.tif">urn:uuid:1</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    arrays = [some((40, 30), seed=i) for i in range(2)]
    for name, array in zip("ab", arrays, strict=True):
        options = {"description": xml, "metadata": None, "photometric": "minisblack"}
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", array, **options)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.data, arrays)
    (tmp_path / "out").mkdir()
    write_image(tmp_path / "out" / "a.ome.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "out" / "a.ome.tif") as tif:
        assert tif.series[0].axes == "TYX"
        assert "FileName" not in tif.ome_metadata
        np.testing.assert_array_equal(tif.asarray(), arrays)
    found = ome_metadata(tmp_path / "out" / "a.ome.tif")
    assert found.images[0].pixels.channels[0].name == "DAPI"


def test_lossy_compression_becomes_lossless(tmp_path):
    pytest.importorskip("imagecodecs", reason="JPEG in TIFF needs imagecodecs")
    array = some((64, 64), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", array, compression="jpeg")
    image = read_image(tmp_path / "in.tif")
    write_image(tmp_path / "out.tif", image.data, like=image)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), image.data)
    assert any("without loss" in note for note in image.notes)


def test_pages_without_pixels_are_no_zeros(tmp_path):
    stack, path = some((3, 16, 20)), tmp_path / "a.tif"
    options = {"compression": "zlib", "metadata": None, "rowsperstrip": 8}
    tifffile.imwrite(path, stack, photometric="minisblack", **options)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        counts = tif.pages[1].tags[279]
        counts.overwrite((0, tif.pages[1].databytecounts[1]))
    with open_image(path) as image:
        assert "gaps, which count as 0" in image.notes[0]
        assert not image.data[1, :8].any()
        np.testing.assert_array_equal(image.data[1, 8:], stack[1, 8:])
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[1].tags[279].overwrite((0, 0))
    with pytest.raises(ImageFileError, match="page 1 of 3 has no pixels"):
        open_image(path)


@pytest.mark.parametrize(("code", "what"), [(258, "how many bits"), (277, "samples")])
def test_what_pixels_are_made_of_is_not_guessed(tmp_path, code, what):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, some((16, 20, 3), np.uint8), photometric="rgb")
    content = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].tags[code].offset
    # Another tag, private and unknown, in the place of this one.
    path.write_bytes(content[:place] + b"\x00\xfd" + content[place + 2 :])
    with pytest.raises(ImageFileError, match=f"does not say {what}|how many {what}"):
        open_image(path)


def test_without_a_tag_nothing_is_compressed(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, some((16, 20)), metadata=None)
    content = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].tags[259].offset
    path.write_bytes(content[:place] + b"\x01\xfd" + content[place + 2 :])
    with open_image(path) as image:
        assert not [note for note in image.notes if "compress" in note]
        assert image.metadata["compression"] == "NONE"
