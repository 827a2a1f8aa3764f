"""Files with damaged headers: one type of error, no crash, no hang, no huge memory."""

import io

import numpy as np
import pytest
import tifffile

from n2d.io import ImageFileError, open_image, write_image

N = [300, pytest.param(10_000, marks=pytest.mark.slow, id="10000")]


def tiffs():
    """Small TIFFs of all layouts, as bytes."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 255, (2, 2, 32, 32), dtype=np.uint8)
    kinds = [
        {"imagej": True, "metadata": {"axes": "ZCYX", "unit": "um", "Info": "x"}},
        {"ome": True, "metadata": {"axes": "ZCYX", "PhysicalSizeX": 0.1}},
        {"metadata": {"axes": "ZCYX"}, "compression": "zlib"},
        {"metadata": None, "tile": (16, 16), "bigtiff": True},
    ]
    for options in kinds:
        file = io.BytesIO()
        tifffile.imwrite(file, array, photometric="minisblack", **options)
        yield file.getvalue()


def mutated(content, rng):
    """A copy with some bytes changed, most of them where the tags are."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        if rng.random() < 0.5:
            place = int(rng.integers(min(400, len(content))))
        else:
            place = int(rng.integers(len(content)))
        kind = rng.integers(4)
        if kind == 0:
            content[place] = int(rng.integers(256))
        elif kind == 1:
            content[place] = 255
        elif kind == 2:
            content[place : place + 4] = rng.bytes(4)
        else:
            del content[place : place + int(rng.integers(1, 30))]
    return bytes(content)


def read_all(path):
    with open_image(path) as image:
        assert image.axes.count("Y") == 1
        assert len(image.axes) == len(image.data.shape)
        assert np.prod(image.data.shape, dtype=float) < 1e9
        return np.asarray(image.data[...])


@pytest.mark.filterwarnings("ignore")  # of NumPy, on numbers from damaged tags
@pytest.mark.parametrize("n", N)
def test_damaged_tiffs(tmp_path, n):
    originals = list(tiffs())
    rng = np.random.default_rng(0)
    path = tmp_path / "a.tif"
    n_refused = 0
    for number in range(n):
        path.write_bytes(mutated(originals[number % len(originals)], rng))
        try:
            read_all(path)
        except ImageFileError:
            n_refused += 1
    assert n_refused > n / 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.npy", "a.png", "a.mrc", "a.nii", "a.dcm"])
@pytest.mark.filterwarnings("ignore")  # of the libraries, on damaged headers
def test_damaged_files_of_other_formats(tmp_path, name):
    if name == "a.dcm":
        from test_io_independent import make_dicom

        make_dicom(tmp_path / name)
    else:
        axes = "YX" if name == "a.png" else "ZYX"
        dtype = np.uint8 if name == "a.png" else np.int16
        shape = (2, 16, 16)[-len(axes) :]
        write_image(
            tmp_path / name,
            np.arange(np.prod(shape), dtype=dtype).reshape(shape),
            axes=axes,
        )
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        (tmp_path / name).write_bytes(mutated(whole, rng))
        try:
            read_all(tmp_path / name)
        except ImageFileError:
            pass


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
