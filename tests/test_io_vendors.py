"""Files of microscopes' makers, read with the readers that are maintained."""

import re
import struct
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import tifffile

from n2d.files.denoising import denoise_file
from n2d.io import ImageFileError, read_image, write_image

SCENES = Path(__file__).parent / "data" / "two_scenes.czi"  # written with pylibCZIrw
STACK = np.arange(2 * 3 * 6 * 8, dtype=np.uint16).reshape(2, 3, 6, 8)
ONE = np.arange(48, dtype=np.uint8).reshape(6, 8)
FEW = {"max_iter": 2, "detail_max_iter": 0, "random_state": 0}


def write_lif(path, images):
    """Write (name, array, [(number of an axis, its length in m)]) as Leica does."""
    elements = ""
    for k, (name, array, lengths) in enumerate(images):
        step, axes = array.itemsize, ""
        for (axis, length), n in zip(lengths, array.shape[::-1], strict=False):
            axes += (
                f'<DimensionDescription DimID="{axis}" NumberOfElements="{n}" '
                f'Origin="0" Length="{length}" Unit="m" BytesInc="{step}" BitInc="0"/>'
            )
            step *= n
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Unit="" '
            f'Resolution="{8 * array.itemsize}" NameOfMeasuredQuantity="" Min="0" '
            f'Max="1" LUTName="{colour}" IsLUTInverted="0" BytesInc="{c * step}" '
            'BitInc="0"/>'
            for c, colour in enumerate(("Green", "Red")[: array.nbytes // step])
        )
        elements += (
            f'<Element Name="{name}" UniqueID="u{k}"><Data><Image><ImageDescription>'
            f"<Channels>{channels}</Channels><Dimensions>{axes}</Dimensions>"
            f'</ImageDescription></Image></Data><Memory Size="{array.nbytes}" '
            f'MemoryBlockID="MemBlock_{k}"/><Children/></Element>'
        )
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="x" UniqueID="r"><Data>'
        '<Experiment Path="x"/></Data><Memory Size="0" MemoryBlockID="MemBlock_x"/>'
        f"<Children>{elements}</Children></Element></LMSDataContainerHeader>"
    )
    with open(path, "wb") as file:
        text = xml.encode("utf-16-le")
        file.write(struct.pack("<IIBI", 0x70, len(text) + 5, 0x2A, len(xml)) + text)
        for k, (_, array, _) in enumerate(images):
            name = f"MemBlock_{k}"
            head = (0x70, 2 * len(name) + 14, 0x2A, array.nbytes, 0x2A, len(name))
            file.write(struct.pack("<IIBQBI", *head) + name.encode("utf-16-le"))
            file.write(array.tobytes())


def test_zeiss():
    pytest.importorskip("czifile")
    with pytest.raises(ImageFileError, match=r"2 images .* --series"):
        read_image(SCENES)
    for scene in (0, 1):
        image = read_image(SCENES, scene)
        assert image.axes == "CZYX"
        expected = np.add.outer([0, 100], [0, 10, 20])[..., None, None] + (
            1000 * scene + np.arange(80).reshape(8, 10) % 7
        )
        np.testing.assert_array_equal(image.data, expected)
        assert image.channel_names == ("DAPI", "GFP")
        assert image.pixel_size["Z"] == (0.5, "micrometer")
        assert image.pixel_size["Y"] == pytest.approx((0.2, "micrometer"))


def test_leica_and_the_ome_tiff_of_it(tmp_path):
    pytest.importorskip("liffile")
    write_lif(
        tmp_path / "a.lif",
        [
            ("stack", STACK, [(1, 7e-6), (2, 10e-6), (3, 4e-6)]),
            ("one", ONE, [(1, 7e-6), (2, 5e-6)]),
        ],
    )
    with pytest.raises(ImageFileError, match="0: stack, 2 x 3 x 6 x 8 uint16"):
        read_image(tmp_path / "a.lif")
    image = read_image(tmp_path / "a.lif", 0)
    np.testing.assert_array_equal(image.data, STACK)
    assert (image.axes, image.channel_names) == ("CZYX", ("Green", "Red"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.lif", 1).data, ONE)
    with pytest.raises(ImageFileError, match="no series 2"):
        read_image(tmp_path / "a.lif", 2)
    done = denoise_file(tmp_path / "a.lif", tmp_path / "b.ome.tif", series=0, **FEW)
    assert done.axes == "CZYX"
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
        xml = tif.ome_metadata
        assert tif.series[0].axes == "CZYX"
    for text in ('Name="Green"', 'PhysicalSizeY="2.0', 'PhysicalSizeXUnit="µm"'):
        assert text in xml
    with pytest.raises(ImageFileError, match=r"read, and not written; .*\.ome\.tif"):
        write_image(tmp_path / "b.lif", image.data, like=image)


def test_olympus(tmp_path):
    pytest.importorskip("oiffile")
    axes = [("X", 8, 4.0), ("Y", 6, 3.0), ("C", 2, 0), ("Z", 3, 4.0)]
    text = "[ProfileSaveInfo]\nName=x\nVersion=1\n[Axis Parameter Common]\n"
    text += 'AxisOrder="XYCZ"\n[Reference Image Parameter]\nValidBitCounts=12\n'
    for number, (axis, n, end) in enumerate(axes):
        text += (
            f'[Axis {number} Parameters Common]\nAxisCode="{axis}"\nMaxSize={n}\n'
            f'StartPosition=0.0\nEndPosition={end}\nPixUnit="um"\nUnitName="um"\n'
        )
    text += '[Channel 1 Parameters]\nDyeName="DAPI"\n'
    text += '[Channel 2 Parameters]\nDyeName="GFP"\n'
    (tmp_path / "a.oif").write_text(text, encoding="utf-16")
    (tmp_path / "a.oif.files").mkdir()
    for c, z in np.ndindex(2, 3):
        name = f"s_C{c + 1:03d}Z{z + 1:03d}.tif"
        tifffile.imwrite(tmp_path / "a.oif.files" / name, STACK[c, z], metadata=None)
    image = read_image(tmp_path / "a.oif")
    np.testing.assert_array_equal(image.data, STACK)
    assert (image.axes, image.channel_names) == ("CZYX", ("DAPI", "GFP"))
    assert image.pixel_size["X"] == (0.5, "micrometer")
    assert image.pixel_size["Z"] == (2.0, "micrometer")


def test_nikon_as_its_reader_says(tmp_path, monkeypatch):
    class ND2File:
        dtype = STACK.dtype
        metadata = types.SimpleNamespace(channels=None)  # of an old version
        experiment = ()

        def __init__(self, path):
            self.sizes = {"T": 1, "P": 2, "Z": 3, "Y": 6, "X": 8}

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def voxel_size(self):
            return types.SimpleNamespace(x=0.1, y=0.1, z=0.3)

        def asarray(self):
            return STACK[None]

    monkeypatch.setitem(sys.modules, "nd2", types.SimpleNamespace(ND2File=ND2File))
    (tmp_path / "a.nd2").write_bytes(b"nikon")
    image = read_image(tmp_path / "a.nd2")
    assert image.axes == "IZYX"
    np.testing.assert_array_equal(image.data, STACK)
    assert image.pixel_size["Z"] == (0.3, "micrometer")


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE")
    monkeypatch.setitem(sys.modules, "czifile", None)
    with pytest.raises(ImportError, match=r"package czifile: .*\[vendors\]"):
        read_image(tmp_path / "a.czi")


def test_sizes_that_a_file_cannot_have(tmp_path):
    pytest.importorskip("liffile")
    write_lif(tmp_path / "a.lif", [("one", ONE, [(1, 7e-6), (2, 5e-6)])])
    content = (tmp_path / "a.lif").read_bytes()
    small, huge = 'NumberOfElements="8"', 'NumberOfElements="99999999"'
    xml = content[13 : 13 + 2 * int.from_bytes(content[9:13], "little")]
    text = xml.decode("utf-16-le").replace(small, huge)
    head = struct.pack("<IIBI", 0x70, 2 * len(text) + 5, 0x2A, len(text))
    damaged = head + text.encode("utf-16-le") + content[13 + len(xml) :]
    (tmp_path / "a.lif").write_bytes(damaged)
    with pytest.raises(ImageFileError, match=r"6 x 99999999 pixels .* but holds"):
        read_image(tmp_path / "a.lif")


@pytest.mark.parametrize("suffix", [".czi", ".nd2", ".lif", ".oib", ".oif"])
def test_damaged_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"nothing of the kind" * 9)
    with pytest.raises((ImageFileError, ImportError), match=f"a{suffix}"):
        read_image(path)


def compressed_as(kind, stream):
    """Return the file of Zeiss with its first part compressed."""
    import czifile

    content = SCENES.read_bytes()
    with czifile.CziFile(SCENES) as file:
        places = [
            e.data_segment().data_offset for e in file.filtered_subblock_directory
        ]
    pattern = rb"DV(.{4}.{8}.{4})\0{4}"  # type, place and part; of no compression
    how = struct.pack("<i", kind)
    content = re.sub(pattern, lambda m: b"DV" + m[1] + how, content, flags=re.DOTALL)
    for place in places:
        content = (
            content[:place] + stream[:160].ljust(160, b"\0") + content[place + 160 :]
        )
    return content


def test_compressed_parts_have_a_budget(tmp_path):
    pytest.importorskip("czifile")
    jpeg = bytes.fromhex("ffd8ffc0001108ffdcffdc03")
    (tmp_path / "a.czi").write_bytes(compressed_as(1, jpeg))
    with pytest.raises(ImageFileError, match=r"65500 x 65500 .* place of 80"):
        read_image(tmp_path / "a.czi", 0)


def test_zeiss_compressed_with_lzw(tmp_path):
    pytest.importorskip("czifile")
    imagecodecs = pytest.importorskip("imagecodecs")
    values = np.arange(80, dtype=np.uint16).reshape(8, 10) % 3
    for data in (values.tobytes(), bytes(10**6)):  # what is beyond is not decoded
        packed = imagecodecs.lzw_encode(data)
        (tmp_path / "a.czi").write_bytes(compressed_as(2, packed))
        found = read_image(tmp_path / "a.czi", 0).data
        expected = values if data[2] else 0 * values
        np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))
