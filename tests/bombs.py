"""Small files that would take the machine, made here, and what reading them takes.

``python tests/bombs.py FOLDER`` makes them in a folder and prints, of each, by how much
memory and for how long it is read in a process of its own.
"""

import gzip
import io
import json
import os
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import tifffile

GIGABYTES = 2 * 10**9


def zeros(n_bytes, bits=15):
    """A deflate stream of a few megabytes that becomes gigabytes; 31 bits for gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    # Ends at a byte, and refers to nothing before it, so that it can be repeated.
    piece = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    n = -(-n_bytes // 2**24)
    content = piece * n + b"\3\0"
    if bits < 0:
        return content
    if bits == 31:
        return gzip.compress(b"", mtime=0)[:10] + content + bytes(8)
    adler = ((n * 2**24 % 65521) << 16) | 1
    return b"\x78\xda" + content + adler.to_bytes(4, "big")


def tiff(path, tags, data=b"", order="<"):
    """A TIFF of one page from its tags {code: (type, values)}; 273 is put right."""
    formats = {1: "B", 2: "s", 3: "H", 4: "I"}
    entries, extra = [], b""
    place = 8 + 2 + 12 * len(tags) + 4
    size = sum(len(_packed(order, *v, formats)) for v in tags.values())
    for code, (kind, values) in sorted(tags.items()):
        if code in (273, 324):
            values = [place + size]
        packed = _packed(order, kind, values, formats)
        n = len(values)
        if len(packed) <= 4:
            inline = packed.ljust(4, b"\0")
        else:
            inline = struct.pack(f"{order}I", place + len(extra))
            extra += packed
        entries.append(struct.pack(f"{order}HHI", code, kind, n) + inline)
    extra = extra.ljust(size, b"\0")
    head = struct.pack(f"{order}2sHIH", b"II", 42, 8, len(entries))
    path.write_bytes(head + b"".join(entries) + bytes(4) + extra + data)


def _packed(order, kind, values, formats):
    if kind == 2:
        return bytes(values)
    return struct.pack(f"{order}{len(values)}{formats[kind]}", *values)


def page(height, width, compression, n_bytes, **more):
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [8])}
    tags |= {259: (3, [compression]), 262: (3, [1]), 277: (3, [1])}
    if "tile" not in more:
        rows = more.get("rows", height)
        tags |= {273: (4, [0]), 278: (4, [rows]), 279: (4, [n_bytes])}
    else:
        tall, wide = more["tile"]
        tags |= {322: (4, [wide]), 323: (4, [tall]), 324: (4, [0]), 325: (4, [n_bytes])}
    return tags


def ome_many_planes(path, **attributes):
    sizes = {"SizeX": 8, "SizeY": 8, "SizeC": 1, "SizeT": 1, "SizeZ": 2 * 10**8}
    text = " ".join(f'{k}="{v}"' for k, v in (sizes | attributes).items())
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/'
        f'2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="uint8" {text}><Channel ID="Channel:0:0"/><TiffData IFD="0" '
        'PlaneCount="200000000"/></Pixels></Image></OME>'
    )
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=xml, metadata=None)


def ome_modulo(path):
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/'
        '2016-06"><StructuredAnnotations><XMLAnnotation ID="A" '
        'Namespace="openmicroscopy.org/omero/dimension/modulo"><Value><Modulo>'
        '<ModuloAlongT Type="lifetime" Start="0" End="2000000000" Step="1"/></Modulo>'
        '</Value></XMLAnnotation></StructuredAnnotations><Image ID="I"><Pixels ID="P" '
        'DimensionOrder="XYZCT" Type="uint8" SizeX="8" SizeY="8" SizeZ="1" SizeC="1" '
        'SizeT="1"><TiffData/></Pixels></Image></OME>'
    )
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=xml, metadata=None)


def imagej_many(path):
    text = "ImageJ=1.53\nimages=200000000\nslices=200000000\nhyperstack=true\n"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=text, metadata=None)


def shaped_many(path):
    text = json.dumps({"shape": [200_000_000, 8, 8]})
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=text, metadata=None)


def huge_jpeg():
    """A JPEG of 64 x 64 pixels that says that it has 65000 x 65000."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(file, "jpeg")
    stream = bytearray(file.getvalue())
    place = stream.index(b"\xff\xc0")
    stream[place + 5 : place + 9] = struct.pack(">2H", 65000, 65000)
    return bytes(stream)


def jpeg_in_tiff(path):
    stream = huge_jpeg()
    tiff(path, page(64, 64, 7, len(stream)), stream)


def jpeg_2000_in_tiff(path):
    import imagecodecs

    stream = bytearray(imagecodecs.jpeg2k_encode(np.zeros((64, 64), np.uint8)))
    place = stream.index(b"\xff\x4f\xff\x51")
    for at in (8, 12, 24, 28):
        stream[place + at : place + at + 4] = struct.pack(">I", 60000)
    tiff(path, page(64, 64, 34712, len(stream)), bytes(stream))


def huge_tile(path):
    data = zeros(65536 * 49152)
    tiff(path, page(65536, 49152, 8, len(data), tile=(65536, 49152)), data)


def huge_tile_of_a_small_image(path):
    data = zeros(65536 * 49152)
    tiff(path, page(64, 64, 8, len(data), tile=(65536, 49152)), data)


def huge_strip(path):
    data = zeros(50000 * 50000)
    tiff(path, page(50000, 50000, 8, len(data)), data)


def inflating_strip(path):
    data = zeros(GIGABYTES)
    tiff(path, page(64, 64, 8, len(data)), data)


def sparse(path, content, size):
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(size)


def mrc_header(path):
    head = bytearray(1024)
    head[:16] = struct.pack("<4i", 8, 8, 1, 0)
    head[28:40] = struct.pack("<3i", 8, 8, 1)
    head[92:96] = struct.pack("<i", GIGABYTES)
    head[208:216] = b"MAP \x44\x44\0\0"
    sparse(path, head, 1024 + GIGABYTES + 64)


def nifti_extension(path):
    head = bytearray(352)
    head[:4] = struct.pack("<i", 348)
    head[40:56] = struct.pack("<8h", 3, 8, 8, 1, 1, 1, 1, 1)
    head[70:74] = struct.pack("<2h", 2, 8)
    head[76:108] = struct.pack("<8f", *[1] * 8)
    head[108:112] = struct.pack("<f", 352 + GIGABYTES)
    head[344:352] = b"n+1\0\1\0\0\0"
    content = bytes(head) + struct.pack("<2i", GIGABYTES // 16 * 16, 6)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content) + zeros(GIGABYTES, 31))
    else:
        sparse(path, content, 352 + GIGABYTES + 64)


def zarr_2(path, data, compressor, chunks=(64, 64), shape=(64, 64)):
    path.mkdir()
    described = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks,
        "dtype": "|u1",
        "compressor": compressor,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    (path / ".zarray").write_text(json.dumps(described))
    if data is not None:
        (path / "0.0").write_bytes(data)


def zarr_3(path, data, codecs, chunks=(64, 64), shape=(64, 64)):
    path.mkdir()
    described = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": {},
    }
    (path / "zarr.json").write_text(json.dumps(described))
    if data is not None:
        (path / "c" / "0").mkdir(parents=True)
        (path / "c" / "0" / "0").write_bytes(data)


BYTES = {"name": "bytes"}


def zarr_zlib(path):
    zarr_2(path, zeros(GIGABYTES), {"id": "zlib", "level": 1})


def zarr_gzip(path):
    gzipped = {"name": "gzip", "configuration": {"level": 1}}
    zarr_3(path, zeros(GIGABYTES, 31), [BYTES, gzipped])


def zarr_zstd(path):
    # One block of zeros after the other; its size is not told.
    block = (1 | (1 << 1) | (2**17 << 3)).to_bytes(3, "little")
    middle = ((1 << 1) | (2**17 << 3)).to_bytes(3, "little") + b"\0"
    data = b"\x28\xb5\x2f\xfd\x00\x58" + middle * 20_000 + block + b"\0"
    zstd = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
    zarr_3(path, data, [BYTES, zstd])


def zarr_blosc(path):
    import numcodecs

    data = numcodecs.Blosc(clevel=9).encode(np.zeros(3 * 10**8, np.uint8))
    blosc = {"cname": "lz4", "clevel": 5, "shuffle": 1, "id": "blosc"}
    zarr_2(path, data, blosc)


def zarr_twice(path):
    data = gzip.compress(zeros(GIGABYTES, 31))
    gzipped = {"name": "gzip", "configuration": {"level": 1}}
    zarr_3(path, data, [BYTES, gzipped, gzipped])


def zarr_shard(path):
    chunk = zeros(GIGABYTES, 31)
    index = struct.pack("<2Q", 0, len(chunk)) + b"\xff" * 48
    gzipped = {"name": "gzip", "configuration": {"level": 1}}
    shard = {
        "chunk_shape": (32, 32),
        "codecs": [BYTES, gzipped],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "index_location": "end",
    }
    codecs = [{"name": "sharding_indexed", "configuration": shard}]
    zarr_3(path, chunk + index, codecs)


def zarr_huge_chunk(path):
    zarr_2(path, zeros(10**6), {"id": "zlib", "level": 1}, chunks=(60000, 60000))


def zarr_huge_chunk_of_a_huge_image(path):
    side = (60000, 60000)
    data = zeros(side[0] * side[1])
    zarr_2(path, data, {"id": "zlib", "level": 1}, chunks=side, shape=side)


def zarr_device(path):
    zarr_2(path, None, None)
    (path / "0.0").symlink_to("/dev/zero")


def zarr_device_of_metadata(path):
    path.mkdir()
    (path / "zarr.json").symlink_to("/dev/zero")


def zarr_pipe(path):
    zarr_2(path, None, None)
    os.mkfifo(path / "0.0")


def zarr_many_planes(path):
    shape = (60_000_000, 1, 1)
    zarr_2(path, None, None, chunks=shape, shape=shape)


def zarr_large_file(path):
    zarr_2(path, None, None)
    sparse(path / "0.0", b"", GIGABYTES)


def deflated_dicom(path):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    content = file.getvalue()
    n_meta = int.from_bytes(content[140:144], "little")
    path.write_bytes(content[: 144 + n_meta] + zeros(GIGABYTES, -15))


def jpeg_in_dicom(path):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PhotometricInterpretation = 7, "MONOCHROME2"
    dataset.PixelData = encapsulate([huge_jpeg()])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)


def png(path, height, width, *chunks):
    """A PNG of 8 bits in grey, from (name, content) of what follows its head."""
    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    content = b"".join(
        len(data).to_bytes(4, "big")
        + kind
        + data
        + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in [(b"IHDR", head), *chunks, (b"IEND", b"")]
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def png_text(path):
    text = b"zTXt", b"a\0\0" + zeros(2**28 - 1)
    png(path, 8, 8, text, text, text, (b"IDAT", zlib.compress(bytes(72))))


def png_profile(path):
    profile = b"iCCP", b"a\0\0" + zeros(GIGABYTES)
    png(path, 8, 8, profile, (b"IDAT", zlib.compress(bytes(72))))


def webp_canvas(path):
    canvas = b"\x02\0\0\0" + (16382).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas
    frame = bytes(100)
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    body += b"ANMF" + struct.pack("<I", len(frame)) + frame
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def _gif(path, side, n_frames):
    size = struct.pack("<HH", side, side)
    # One pixel of each, in the corner: the canvas is put together for every frame.
    frame = b"\x2c" + bytes(4) + struct.pack("<HHB", 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    content = b"GIF89a" + size + b"\xf0\0\0" + bytes(3) + b"\xff" * 3
    path.write_bytes(content + frame * n_frames + b";")


def gif_canvas(path):
    _gif(path, 65535, 1)


def gif_frames(path):
    _gif(path, 4000, 5000)


def gif_small_frames(path):
    _gif(path, 130, 20000)


def gif_large_frame(path):
    """The last frame is larger than the picture, and Pillow makes room for it."""
    _gif(path, 64, 3)
    content = path.read_bytes()
    start = content.rindex(b"\x2c") + 5
    sides = struct.pack("<HH", 65000, 30000)
    path.write_bytes(content[:start] + sides + content[start + 4 :])


def apng_frames(path):
    def chunk(name, data):
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", 4000, 4000, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    content += chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    content += chunk(b"IDAT", zlib.compress(bytes(4000 * 4001), 9)) + chunk(
        b"IEND", b""
    )
    path.write_bytes(content)


def npy_header(path):
    content = b"\x93NUMPY\x02\x00" + struct.pack("<I", GIGABYTES)
    sparse(path, content, GIGABYTES + 100)


BOMBS = {
    "OME-TIFF, SizeZ of 2e8": ("a.ome.tif", ome_many_planes),
    "OME-TIFF, modulo of 2e9": ("b.ome.tif", ome_modulo),
    "ImageJ, 2e8 images": ("c.tif", imagej_many),
    "TIFF, described as 2e8 planes": ("d.tif", shaped_many),
    "TIFF, JPEG of 65000 x 65000 inside": ("e.tif", jpeg_in_tiff),
    "TIFF, JPEG 2000 of 60000 x 60000 inside": ("f.tif", jpeg_2000_in_tiff),
    "TIFF, one tile of 65536 x 49152": ("g.tif", huge_tile),
    "TIFF of 64 x 64, tile of 65536 x 49152": ("h.tif", huge_tile_of_a_small_image),
    "TIFF, one strip of 50000 x 50000": ("i.tif", huge_strip),
    "TIFF, strip that becomes 2 GB": ("j.tif", inflating_strip),
    "MRC, nsymbt of 2 GB": ("a.mrc", mrc_header),
    "NIfTI, extension of 2 GB": ("a.nii", nifti_extension),
    "NIfTI, extension of 2 GB, packed": ("a.nii.gz", nifti_extension),
    "Zarr 2, zlib chunk of 2 GB": ("a.zarr", zarr_zlib),
    "Zarr 3, gzip chunk of 2 GB": ("b.zarr", zarr_gzip),
    "Zarr 3, zstd chunk of 2.6 GB": ("c.zarr", zarr_zstd),
    "Zarr 2, blosc chunk of 0.3 GB": ("d.zarr", zarr_blosc),
    "Zarr 3, compressed twice": ("e.zarr", zarr_twice),
    "Zarr 3, chunk of 2 GB in a shard": ("f.zarr", zarr_shard),
    "Zarr 2, chunk of 60000 x 60000": ("g.zarr", zarr_huge_chunk),
    "Zarr 2, image of one such chunk": ("h.zarr", zarr_huge_chunk_of_a_huge_image),
    "Zarr 2, chunk is /dev/zero": ("i.zarr", zarr_device),
    "Zarr 3, metadata are /dev/zero": ("j.zarr", zarr_device_of_metadata),
    "Zarr 2, chunk is a pipe": ("k.zarr", zarr_pipe),
    "Zarr 2, 6e7 planes of a pixel": ("l.zarr", zarr_many_planes),
    "Zarr 2, chunk file of 2 GB": ("m.zarr", zarr_large_file),
    "DICOM, deflated 2 GB": ("a.dcm", deflated_dicom),
    "DICOM, JPEG of 65000 x 65000 inside": ("b.dcm", jpeg_in_dicom),
    "PNG, three texts of 256 MB": ("a.png", png_text),
    "PNG, profile of 2 GB": ("b.png", png_profile),
    "WebP, canvas of 16383 x 16383": ("a.webp", webp_canvas),
    "GIF, canvas of 65535 x 65535": ("a.gif", gif_canvas),
    "GIF, 5000 frames of 4000 x 4000": ("b.gif", gif_frames),
    "GIF, 20000 frames of 130 x 130": ("c.gif", gif_small_frames),
    "GIF, frame of 65000 x 30000": ("d.gif", gif_large_frame),
    "PNG, 2e9 frames of 4000 x 4000": ("c.png", apng_frames),
    "NPY, header of 2 GB": ("a.npy", npy_header),
}
# Those that hold an image, and read it without what is beside it.
HARMLESS = {"PNG, three texts of 256 MB"}


def make(folder, name):
    """Make a bomb in a folder, and return its path."""
    file, maker = BOMBS[name]
    path = Path(folder, file)
    maker(path)
    return path


def read(path):
    """Do with a file what `n2d denoise` does before it computes."""
    from n2d.files._plan import plan_of
    from n2d.io import open_image

    with open_image(path) as image:
        plan_of(image)
        np.asarray(image.data[...])


def measured(paths):
    """Yield (error or "", megabytes, seconds) of reading each file, in a process."""
    import warnings

    import nibabel  # noqa: F401  # what all need is there before
    import pydicom  # noqa: F401
    import zarr  # noqa: F401

    import n2d.files
    import n2d.io.tiff  # noqa: F401

    for path in paths:
        start = time.monotonic()
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            before = _resident()
            warnings.simplefilter("ignore")
            text = ""
            try:
                read(path)
            except (OSError, ValueError, MemoryError) as error:
                text = f"{type(error).__name__}: {error}"
            except BaseException as error:
                text = f"!! {type(error).__name__}: {error}"
            text = f"{before}\n{text[:2000]}"
            os.write(into, text.encode())
            os._exit(0)
        os.close(into)
        with open(out, encoding="utf-8", errors="replace") as file:
            text = file.read()
        _, code, used = os.wait4(pid, 0)
        before, _, error = text.partition("\n")
        error = error if code == 0 else f"!! ended by {code}"
        megabytes = (used.ru_maxrss - int(before or 0)) / 1e3
        yield error, megabytes, time.monotonic() - start


def _resident():
    """Kilobytes of this process."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    """Make all bombs, read them, and print a line of JSON for each."""
    folder = Path(sys.argv[1])
    paths = [make(folder, name) for name in BOMBS]
    for name, path, found in zip(BOMBS, paths, measured(paths), strict=True):
        size = sum(
            p.lstat().st_blocks * 512
            for p in ([path] if path.is_file() else path.rglob("*"))
        )
        sys.stdout.write(json.dumps([name, size, *found]) + "\n")


if __name__ == "__main__":
    main()
