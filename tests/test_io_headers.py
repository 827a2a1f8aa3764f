"""Headers made to harm: pages in a circle, and terabytes in a few hundred bytes."""

import io

import numpy as np
import pytest
import tifffile

from n2d.io import ImageFileError, open_image, write_image


@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_that_go_in_a_circle(tmp_path, bigtiff):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tif:
        for _ in range(3):
            tif.write(np.zeros((8, 8), np.uint8), contiguous=False, metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        second = tif.pages[1].offset
        last = tif.pages[2]
        n_tags = len(last.tags)
        place = last.offset + (8 + 20 * n_tags if bigtiff else 2 + 12 * n_tags)
    width = 8 if bigtiff else 4
    assert content[place : place + width] == bytes(width)
    content[place : place + width] = second.to_bytes(width, "little")
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match="in a circle after 3"):
        open_image(path)


def huge_tiff(**options):
    """A TIFF of a few hundred bytes that declares 10 TB."""
    file = io.BytesIO()
    array = np.zeros((1, 1), np.uint8)
    tifffile.imwrite(file, array, metadata=None, **options)
    content = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as tif:
        tags = tif.pages[0].tags
        for code in (256, 257):
            tag = tags[code]
            where = tag.valueoffset
            content[where : where + 2] = b"\x00\x00"
            content[where : where + 4] = (3_300_000).to_bytes(4, "little")
            # as a 32-bit number
            content[tag.offset + 2 : tag.offset + 4] = (4).to_bytes(2, "little")
    return bytes(content)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_terabytes_in_a_few_hundred_bytes(tmp_path, options):
    path = tmp_path / "a.tif"
    path.write_bytes(huge_tiff(**options))
    assert path.stat().st_size < 500
    with pytest.raises(ImageFileError, match=r"a\.tif"):
        open_image(path)


@pytest.mark.parametrize("name", ["a.npy", "a.mrc", "a.nii"])
def test_terabytes_in_other_headers(tmp_path, name):
    path = tmp_path / name
    if name == "a.npy":
        with open(path, "wb") as file:
            header = {"descr": "<u2", "fortran_order": False, "shape": (10**6, 10**7)}
            np.lib.format.write_array_header_1_0(file, header)
    else:
        write_image(path, np.zeros((2, 4, 4), np.int16), axes="ZYX")
        content = bytearray(path.read_bytes())
        if name == "a.mrc":
            for place in (0, 4, 8):
                content[place : place + 4] = (30_000).to_bytes(4, "little")
        else:
            for place in (42, 44, 46):
                content[place : place + 2] = (30_000).to_bytes(2, "little")
        path.write_bytes(content)
    with pytest.raises(ImageFileError, match=r"TB\), but holds"):
        open_image(path)
