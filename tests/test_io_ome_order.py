"""Planes of an OME-TIFF stay where its XML says, whatever the order of its pages."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import tifffile

from n2d.files._plan import plan_of
from n2d.files._targets import expand_inputs
from n2d.io import ImageFileError, read_image, write_image

TIFFDATA = '<TiffData FirstC="{C}" FirstT="{T}" FirstZ="{Z}" IFD="{ifd}"/>'


def ome_xml(order, sizes, places, *, image=0):
    letters = " ".join(f'Size{k}="{n}"' for k, n in sizes.items())
    data = "".join(
        TIFFDATA.format(**place, ifd=ifd).replace("/>", ' PlaneCount="1"/>')
        for ifd, place in places
    )
    channels = "".join(
        f'<Channel ID="Channel:{image}:{c}" SamplesPerPixel="1" Name="dye {c}"/>'
        for c in range(sizes["C"])
    )
    return (
        f'<Image ID="Image:{image}"><Pixels ID="Pixels:{image}" Type="uint16" '
        f'DimensionOrder="{order}" SizeX="7" SizeY="6" {letters}>{channels}{data}'
        "</Pixels></Image>"
    )


def write_ome(path, planes, images):
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    xml = f'<OME xmlns="{schema}">{"".join(images)}</OME>'
    with tifffile.TiffWriter(path) as tif:
        for i, plane in enumerate(planes):
            description = xml.encode() if i == 0 else None
            tif.write(plane, description=description, metadata=None, contiguous=False)


def plane(value):
    return np.full((6, 7), value, np.uint16)


def planes_by_xml(path):
    """Read an OME-TIFF by its XML alone: {(image, z, c, t): the pixels' value}."""
    with tifffile.TiffFile(path) as tif:
        root = ElementTree.fromstring(tif.ome_metadata.encode())
        pages = [int(page.asarray()[0, 0]) for page in tif.pages]
    found = {}
    for image, pixels in enumerate(root.findall(".//{*}Pixels")):
        order = pixels.get("DimensionOrder")[2:]
        sizes = [int(pixels.get(f"Size{letter}")) for letter in order]
        for data in pixels.findall("{*}TiffData"):
            first = [int(data.get(f"First{letter}", 0)) for letter in order]
            start = np.ravel_multi_index(first, sizes, order="F")
            for k in range(int(data.get("PlaneCount", 1))):
                at = np.unravel_index(start + k, sizes, order="F")
                at = dict(zip(order, map(int, at), strict=True))
                place = (image, at["Z"], at["C"], at["T"])
                found[place] = pages[int(data.get("IFD", 0)) + k]
    return found


@pytest.mark.parametrize("order", ["XYCZT", "XYZCT", "XYTZC", "XYTCZ", "XYZTC"])
def test_pages_in_an_order_of_their_own(tmp_path, order):
    sizes = {"Z": 2, "C": 3, "T": 4}
    rng = np.random.default_rng(0)
    places = [
        {"Z": z, "C": c, "T": t} for z in range(2) for c in range(3) for t in range(4)
    ]
    rng.shuffle(places)
    planes = [plane(100 * p["Z"] + 10 * p["C"] + p["T"]) for p in places]
    source, target = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    write_ome(source, planes, [ome_xml(order, sizes, list(enumerate(places)))])
    image = read_image(source)
    write_image(target, image.data, like=image)
    wanted = {(0, *p.values()): 100 * p["Z"] + 10 * p["C"] + p["T"] for p in places}
    assert planes_by_xml(source) == planes_by_xml(target) == wanted
    assert read_image(target).channel_names == ("dye 0", "dye 1", "dye 2")


def test_positions_that_take_turns_stay_apart(tmp_path):
    from n2d.io.tiff._ome_xml import adapted

    sizes = {"Z": 1, "C": 1, "T": 3}
    images = [ome_xml("XYCZT", sizes, [], image=i) for i in range(2)]
    xml = adapted(
        f"<OME>{''.join(images)}</OME>", np.dtype("u2"), "TIYX", (3, 2, 6, 7), "TIYX"
    )
    places = [
        [(d.get("FirstT"), d.get("IFD")) for d in pixels.findall("TiffData")]
        for pixels in ElementTree.fromstring(xml).findall(".//Pixels")
    ]
    assert places == [
        [("0", "0"), ("1", "2"), ("2", "4")],
        [("0", "1"), ("1", "3"), ("2", "5")],
    ]


def test_missing_planes_are_no_data(tmp_path):
    source = tmp_path / "stopped.ome.tif"
    sizes = {"Z": 1, "C": 1, "T": 10}
    places = [(t, {"Z": 0, "C": 0, "T": t}) for t in range(4)]
    write_ome(source, [plane(t) for t in range(4)], [ome_xml("XYZCT", sizes, places)])
    with pytest.raises(ImageFileError, match="6 of its 10 planes are missing"):
        read_image(source)


def ome_set(tmp_path, n):
    """Write a set of files, each with one time point, that make one image."""
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    data = "".join(
        f'<TiffData FirstT="{t}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="set_{t}.ome.tif">urn:uuid:{t}</UUID></TiffData>'
        for t in range(n)
    )
    image = ome_xml("XYZCT", {"Z": 1, "C": 1, "T": n}, [])
    image = image.replace("</Pixels>", f"{data}</Pixels>")
    for t in range(n):
        xml = f'<OME xmlns="{schema}" UUID="urn:uuid:{t}">{image}</OME>'
        tifffile.imwrite(
            tmp_path / f"set_{t}.ome.tif", plane(t), description=xml, metadata=None
        )


def test_a_set_of_files_is_one_image(tmp_path):
    ome_set(tmp_path, 3)
    other = tmp_path / "z.tif"
    write_image(other, plane(9))
    found = expand_inputs([tmp_path])
    assert found.paths == [tmp_path / "set_0.ome.tif", other]
    assert len(found.left_out) == 2
    assert all("set_0.ome.tif" in why for _, why in found.left_out)
    image = read_image(tmp_path / "set_0.ome.tif")
    assert image.data[:, 0, 0].tolist() == [0, 1, 2]
    (tmp_path / "set_2.ome.tif").unlink()
    with pytest.raises(ImageFileError, match="other files of the set"):
        read_image(tmp_path / "set_0.ome.tif")


def test_axes_that_are_asked_for_are_written(tmp_path):
    from n2d.files.denoising import denoise_file

    source, target = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    rng = np.random.default_rng(0)
    pixels = rng.normal(1000, 50, (2, 48, 48)).astype(np.uint16)
    metadata = {"axes": "TYX", "TimeIncrement": 2.0, "PhysicalSizeX": 0.5}
    tifffile.imwrite(source, pixels, metadata=metadata)
    image = read_image(source)
    assert plan_of(image, axes="ZYX").axes == "ZYX"
    done = denoise_file(
        source, target, axes="ZYX", random_state=0, max_iter=2, detail_max_iter=0
    )
    assert any("ZYX" in note for note in done.notes)
    again = read_image(target)
    assert (again.axes, again.data.shape) == ("ZYX", (2, 48, 48))
    assert again.pixel_size == {"X": (0.5, "micrometer")}
