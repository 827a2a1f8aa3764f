"""What compressed data say of their own size, looked up before they are decoded.

Libraries allocate what a stream declares. So it is read here first, from the first few
bytes, or by decoding and forgetting piece by piece.
"""

import bz2
import lzma
import struct
import zlib

_PIECE, _FED = 2**20, 2**14
# Markers of JPEG that begin the header of a frame, JPEG-LS among them.
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
# The largest expansion that deflate can do.
_DEFLATE = 1040
_ZSTD_MAGIC, _ZSTD_BLOCK = 0xFD2FB528, 2**17


def declared_pixels(data):
    """Return width and height that a compressed picture declares, or None.

    A JPEG, JPEG-LS, JPEG 2000, JPEG XR, JPEG XL, PNG, WebP or LERC stream.

    >>> declared_pixels(bytes.fromhex("ffd8ffc0001108ffdcffdc03"))
    (65500, 65500)
    """
    data = memoryview(data)
    head = bytes(data[:64])
    try:
        if head[:2] == b"\xff\xd8":
            return _jpeg(data)
        if head[:4] == b"\xff\x4f\xff\x51":
            right, lower, left, upper = struct.unpack_from(">4I", head, 8)
            return right - left, lower - upper
        if head[4:8] == b"jP  ":
            # The box of the header may say something else than the codestream.
            place = bytes(data[: 2**16]).find(b"\xff\x4f\xff\x51")
            return declared_pixels(data[place:]) if place > 0 else None
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return struct.unpack_from(">2I", head, 16)
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _webp(head)
        if head[:3] == b"II\xbc":
            return _jpeg_xr(data)
        if head[:2] == b"\xff\x0a" or head[4:8] == b"JXL ":
            return _jpeg_xl(data)
        if head[:6] == b"Lerc2 ":
            version = struct.unpack_from("<i", head, 6)[0]
            rows, columns = struct.unpack_from("<2i", head, 14 if version >= 3 else 10)
            return columns, rows
    except (struct.error, IndexError):
        pass
    return None


def _jpeg(data):
    """Look for the frame's header, in the chain of markers."""
    place = 2
    while place + 9 < len(data):
        if data[place] != 0xFF:
            place += 1
            continue
        marker = data[place + 1]
        if marker in (0x01, 0xFF, 0x00) or 0xD0 <= marker <= 0xD9:
            place += 1 if marker in (0xFF, 0x00) else 2
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">2H", data, place + 5)
            return width, height
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return None


def _webp(head):
    kind = head[12:16]
    if kind == b"VP8X":
        return tuple(1 + int.from_bytes(head[i : i + 3], "little") for i in (24, 27))
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<2H", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_xr(data):
    (place,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, place)
    found = {}
    for i in range(min(n, 100)):
        tag, kind, _, value = struct.unpack_from("<HHII", data, place + 2 + 12 * i)
        found[tag] = value & 0xFFFF if kind == 3 else value
    if 0xBC80 in found and 0xBC81 in found:
        return found[0xBC80], found[0xBC81]
    return None


def _jpeg_xl(data):
    head = bytes(data[: 2**16])
    place = 0
    if head[:2] != b"\xff\x0a":
        place = head.find(b"\xff\x0a")
        if place < 0:
            return None
    bits = int.from_bytes(head[place + 2 : place + 20], "little")

    def take(n):
        nonlocal bits
        value, bits = bits & ((1 << n) - 1), bits >> n
        return value

    def side(small):
        if small:
            return 8 * (take(5) + 1)
        return take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = side(small)
    ratio = take(3)
    if not ratio:
        return side(small), height
    over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * over // under, height


def is_larger(kind, data, limit):
    """Whether a compressed stream holds more bytes than it may.

    Of "zlib", "gzip", "deflate", "bz2", "lzma", "zstd", "blosc" and "lz4" (that of
    numcodecs); of others nothing is known.

    >>> import zlib
    >>> bomb = zlib.compress(bytes(10**7))
    >>> len(bomb), is_larger("zlib", bomb, 10**6), is_larger("zlib", bomb, 10**7)
    (9738, True, False)
    """
    data = memoryview(data)
    if kind in ("zlib", "gzip", "deflate"):
        if len(data) * _DEFLATE <= limit:
            return False
        bits = {"zlib": 15, "gzip": 31, "deflate": -15}[kind]
        return _inflates_beyond(data, limit, lambda: zlib.decompressobj(bits))
    if kind == "bz2":
        return _expands_beyond(data, limit, bz2.BZ2Decompressor)
    if kind == "lzma":
        return _expands_beyond(data, limit, lzma.LZMADecompressor)
    if kind == "blosc" and len(data) >= 16:
        return int.from_bytes(data[4:8], "little") > limit
    if kind == "lz4" and len(data) >= 4:
        return int.from_bytes(data[:4], "little") > limit
    if kind == "zstd":
        return _zstd_at_most(data) > limit
    return False


def _inflates_beyond(data, limit, make):
    """Inflate and forget piece by piece, members of a gzip one after the other."""
    total, place = 0, 0
    while place < len(data):
        stream = make()
        try:
            while place < len(data) and not stream.eof:
                given = data[place : place + _FED]
                total += len(stream.decompress(given, _PIECE))
                while stream.unconsumed_tail and not stream.eof and total <= limit:
                    total += len(stream.decompress(stream.unconsumed_tail, _PIECE))
                if total > limit:
                    return True
                place += len(given) - len(stream.unused_data)
        except zlib.error:  # whoever decodes it says so
            return False
        if not stream.eof or data[place : place + 1] != b"\x1f":
            return False
    return False


def _expands_beyond(data, limit, make):
    total, stream = 0, make()
    try:
        piece = bytes(data)
        while not stream.eof:
            total += len(stream.decompress(piece, _PIECE))
            if total > limit:
                return True
            if stream.needs_input:
                return False
            piece = b""
    except (OSError, EOFError, ValueError, lzma.LZMAError):
        return False
    return False


def _zstd_at_most(data):
    """The most that the frames of a stream can become, by their headers."""
    total, place = 0, 0
    while place + 5 <= len(data):
        magic = int.from_bytes(data[place : place + 4], "little")
        if magic >> 4 == 0x184D2A5:  # to be skipped
            place += 8 + int.from_bytes(data[place + 4 : place + 8], "little")
            continue
        if magic != _ZSTD_MAGIC:
            return total
        flags = data[place + 4]
        single = flags >> 5 & 1
        of_id, of_size = (0, 1, 2, 4)[flags & 3], (single, 2, 4, 8)[flags >> 6]
        place += 5 + (not single) + of_id
        if of_size:
            size = int.from_bytes(data[place : place + of_size], "little")
            return total + size + (256 if of_size == 2 else 0)
        # The size is not told: what each block can become at most.
        last = False
        while not last and place + 3 <= len(data):
            block = int.from_bytes(data[place : place + 3], "little")
            last, kind, size = block & 1, block >> 1 & 3, block >> 3
            total += size if kind < 2 else _ZSTD_BLOCK
            place += 3 + (1 if kind == 1 else size)
        place += 4 * (flags >> 2 & 1)
    return total
