"""The file itself: tensors and a JSON document, in one safetensors file.

A safetensors file is the length of its header (8 bytes), the header (JSON: where each
tensor is, and metadata), and the tensors' bytes. Here the metadata is one text, the
document; and the last tensor, and so the last 32 bytes, is the SHA-256 digest of all
the bytes before it. It finds what is damaged or was edited; it is no signature, since
whoever means to can compute it anew. That is why every value is checked as well.
"""

import hashlib
import json
import os
import stat

import numpy as np
import safetensors.numpy

from n2d import __version__

FORMAT = "n2d model"
FORMAT_VERSION = 2

_METADATA = "n2d_model"
_CHECKSUM = "sha256"
_DIGEST = hashlib.sha256().digest_size
# Of a model with 5,000 hidden channels; the default has 0.4 megabytes.
LARGEST_FILE = 2**30
LARGEST_HEADER = 2**24
_BLOCK = 2**20


class ModelFileError(ValueError):
    """A file is no model that can be loaded, or a model cannot be written to a file.

    The message names the file and says what to do.
    """


def pack(document, tensors):
    """Put a document of finite numbers, and arrays, into the bytes of a model file."""
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "n2d_version": __version__,
    }
    try:
        text = json.dumps(head | document, allow_nan=False)
    except ValueError as error:  # so many digits, or NaN
        raise ModelFileError(
            f"this model cannot be saved: {error}; is a parameter infinite or NaN?"
        ) from error
    # The format puts the types with the largest items first: bytes come last.
    checksum = {_CHECKSUM: np.zeros(_DIGEST, np.uint8)}
    tensors = {k: np.ascontiguousarray(v) for k, v in (tensors | checksum).items()}
    content = safetensors.numpy.save(tensors, {_METADATA: text})
    if len(content) > LARGEST_FILE:
        raise ModelFileError(
            f"this model has {len(content):,} bytes, and a model file has at most "
            f"{LARGEST_FILE:,}; use fewer hidden_channels"
        )
    body = content[:-_DIGEST]
    return body + hashlib.sha256(body).digest()


def read_model(path):
    """Read a model file and check all that can be checked without knowing models.

    Returns what `pack` got; the document also has "format", "format_version" and
    "n2d_version". All numbers are finite.
    """
    # Asked first: to open a named pipe would wait for someone who writes.
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
        raise ModelFileError(f"{path}: is no regular file; give a model file")
    with open(path, "rb") as file:
        try:
            return unpack(file, os.fstat(file.fileno()).st_size)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error


def unpack(file, size):
    """Take the document and the arrays out of a model file, open at its start.

    Nothing is believed: no more is read or allocated than there are bytes. Errors do
    not name the file.
    """
    document = _document(_header(file, size))
    file.seek(0)
    digest = _digest(file, size - _DIGEST)
    if digest != file.read(_DIGEST):
        raise ModelFileError(
            "is damaged: the checksum does not fit the content; get another copy, or "
            "fit the model again"
        )
    file.seek(0)
    try:
        tensors = safetensors.numpy.load(file.read(size))
    except Exception as error:  # of a kind that is private to the library
        raise _damaged(f"safetensors says {error}") from error
    # Where the tensors are, safetensors has checked.
    if tensors.pop(_CHECKSUM, np.empty(0)).tobytes() != digest:
        raise _damaged("it does not end in a checksum")
    for name, tensor in tensors.items():
        if tensor.dtype not in (np.float32, np.float64):
            raise _damaged(f"{name[:80]!r} holds no floating-point numbers")
        if not np.isfinite(tensor).all():
            raise _damaged(f"{name[:80]!r} has values that are not finite")
    return document, {name: np.array(tensor) for name, tensor in tensors.items()}


def writer(document):
    """Name, short and printable, what a document says to be written by."""
    version = document.get("n2d_version")
    if isinstance(version, str) and version.isprintable() and len(version) < 40:
        return f"n2d {version}"
    return "an unknown n2d"


def _damaged(reason):
    return ModelFileError(
        f"is damaged ({reason}); get another copy, or fit the model again"
    )


def _foreign(reason):
    return ModelFileError(
        f"is no n2d model file ({reason}); n2d fit and Noise2DetailDenoiser.save "
        "write such files"
    )


def _header(file, size):
    """Return the header, as it is."""
    beginning = file.read(9)
    if size == 0:
        raise _foreign("it is empty")
    # A safetensors header is a JSON object, and nothing else begins like that.
    if beginning[8:] != b"{":
        pickled = beginning[:1] == b"\x80"
        raise _foreign("pickles are never read" if pickled else "it begins otherwise")
    length = int.from_bytes(beginning[:8], "little")
    if length > LARGEST_HEADER:
        raise _foreign(f"its header claims {length:,} bytes")
    if size > LARGEST_FILE:
        raise _foreign(f"it has {size:,} bytes")
    if 8 + length > size:
        raise _damaged(f"it ends after {size:,} bytes, within its header")
    file.seek(8)
    return _parsed(file.read(length), "its header")


def _parsed(text, what):
    """Parse a JSON object, strictly: no NaN, no name twice."""

    def once(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name comes twice")
        return found

    def refuse(constant):
        raise ValueError(f"{constant} is no number")

    try:
        found = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    # RecursionError: thousands of brackets.
    except (ValueError, RecursionError) as error:
        raise _damaged(f"{what} cannot be parsed") from error
    if not isinstance(found, dict):
        raise _damaged(f"{what} is no JSON object")
    return found


def _document(header):
    """Return the document; other software's files and newer formats are refused."""
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or _METADATA not in metadata:
        raise _foreign("a safetensors file, but of something else")
    if not isinstance(metadata[_METADATA], str) or len(metadata) > 1:
        raise _damaged("its metadata is not one text")
    document = _parsed(metadata[_METADATA], "its document")
    if document.get("format") != FORMAT:
        raise _foreign(f"its format is not {FORMAT!r}")
    version = document.get("format_version")
    if type(version) is not int or version < 1:
        raise _damaged("it has no format version")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"was written by {writer(document)}, in version {version} of the format; "
            f"this is n2d {__version__}, which reads up to version {FORMAT_VERSION}. "
            "Update n2d: pip install --upgrade noise2detail"
        )
    return document


def _digest(file, size):
    """Compute the digest of the next `size` bytes of a file."""
    digest = hashlib.sha256()
    while size > 0:
        block = file.read(min(_BLOCK, size))
        if not block:
            break
        digest.update(block)
        size -= len(block)
    return digest.digest()
