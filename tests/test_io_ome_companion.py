"""OME-TIFF whose XML is in another file: read as if it was in its own."""

import numpy as np
import pytest
import tifffile

from n2d.io import files_of, read_image, write_image

OME = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
STACK = np.arange(3 * 20 * 24, dtype=np.uint16).reshape(3, 20, 24)


def described(places, uuid="urn:uuid:c"):
    """OME-XML of a stack whose planes are at places in files."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{OME} UUID="{uuid}">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        'Type="uint16" SizeX="24" SizeY="20" SizeC="1" SizeZ="3" SizeT="1" '
        'PhysicalSizeX="0.25" PhysicalSizeY="0.25" PhysicalSizeZ="1.5">'
        '<Channel ID="Channel:0:0" Name="GFP" SamplesPerPixel="1"/>'
        f"{places}</Pixels></Image></OME>\n"
    )


def place(name, first=0, n=3):
    return (
        f'<TiffData FirstZ="{first}" IFD="0" PlaneCount="{n}"><UUID '
        f'FileName="{name}.ome.tif">urn:uuid:{name}</UUID></TiffData>'
    )


def write_planes(path, planes, other, uuid="urn:uuid:c"):
    """Write planes with nothing but the name of the file that describes them."""
    own = path.name.partition(".")[0]
    xml = (
        f'{OME} UUID="urn:uuid:{own}"><BinaryOnly MetadataFile="{other}" '
        f'UUID="{uuid}"/></OME>'
    )
    options = {"metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(path, planes, description=xml, **options)


def test_a_companion_is_read(tmp_path):
    write_planes(tmp_path / "d.ome.tif", STACK, "d.companion.ome")
    (tmp_path / "d.companion.ome").write_text(described(place("d")))
    image = read_image(tmp_path / "d.ome.tif")
    assert (image.axes, image.channel_names, image.notes) == ("ZYX", ("GFP",), ())
    assert image.pixel_size["Z"] == (1.5, "micrometer")
    assert files_of(tmp_path / "d.ome.tif") == [tmp_path / "d.ome.tif"]
    (tmp_path / "out").mkdir()
    write_image(tmp_path / "out" / "d.ome.tif", image.data, like=image)
    with tifffile.TiffFile(tmp_path / "out" / "d.ome.tif") as tif:
        assert tif.series[0].axes == "ZYX"
        assert "BinaryOnly" not in tif.ome_metadata
    again = read_image(tmp_path / "out" / "d.ome.tif")
    np.testing.assert_array_equal(again.data, STACK)
    assert again.pixel_size == image.pixel_size
    assert again.channel_names == image.channel_names


@pytest.mark.parametrize("name", ["e", "d"])
def test_a_companion_of_several_files(tmp_path, name):
    write_planes(tmp_path / "d.ome.tif", STACK[:2], "s.companion.ome")
    write_planes(tmp_path / "e.ome.tif", STACK[2], "s.companion.ome")
    places = place("d", 0, 2) + place("e", 2, 1)
    (tmp_path / "s.companion.ome").write_text(described(places))
    image = read_image(tmp_path / f"{name}.ome.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, STACK)
    names = map(str, files_of(tmp_path / "d.ome.tif"))
    assert {one[-9:] for one in names} == {"d.ome.tif", "e.ome.tif"}


def test_the_xml_is_in_another_tiff(tmp_path):
    write_planes(tmp_path / "e.ome.tif", STACK[1:], "d.ome.tif", "urn:uuid:d")
    xml = described(place("d", 0, 1) + place("e", 1, 2), "urn:uuid:d")
    options = {"metadata": None, "photometric": "minisblack", "description": xml}
    tifffile.imwrite(tmp_path / "d.ome.tif", STACK[0], **options)
    for name in "de":
        image = read_image(tmp_path / f"{name}.ome.tif")
        assert image.axes == "ZYX"
        np.testing.assert_array_equal(image.data, STACK)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("other.companion.ome", None, "which is not beside it"),
        ("../a.companion.ome", described(place("d")), "which is not beside it"),
        ("a.companion.ome", described("", "urn:uuid:x"), "which is of other files"),
        ("a.companion.ome", "<OME", "which cannot be read"),
    ],
)
def test_a_companion_of_no_use_is_said(tmp_path, name, content, word):
    folder = tmp_path / "in"
    folder.mkdir()
    write_planes(folder / "d.ome.tif", STACK, name)
    if content is not None:
        (folder / name).write_text(content)
    image = read_image(folder / "d.ome.tif")
    np.testing.assert_array_equal(image.data, STACK)
    assert word in image.notes[0]
    assert "pixel sizes and names of channels" in image.notes[0]
