"""Model files that are damaged, forged or absurd: one kind of error, at once.

``N2D_FUZZ=10000 pytest tests/test_model_file_fuzz.py`` tries that many of each.
"""

import copy
import hashlib
import json
import os
import re
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2d import Noise2DetailDenoiser
from n2d.model_file import ModelFileError
from n2d.model_file.container import LARGEST_FILE, LARGEST_HEADER, pack
from n2d.model_file.state import describe

N_FILES = int(os.environ.get("N2D_FUZZ", "120"))
ODD_NUMBERS = (0, -1, 1, 3, 255, 2**31, 2**40, 2**63, 2**64 - 1, 10**30)


def noisy(*shape):
    return np.random.default_rng(0).normal(100, 8, shape)


@pytest.fixture(scope="module")
def fitted():
    """Small models, so that much of a file is header."""
    small = {"init": "random", "max_iter": 1, "hidden_channels": 1, "random_state": 0}
    return {
        "random": Noise2DetailDenoiser(**small, detail_max_iter=1).fit(noisy(16, 16)),
        "RGB": Noise2DetailDenoiser(
            **small, detail_max_iter=0, channel_axis=2, data_range=(0, 255)
        ).fit(noisy(16, 16, 3)),
        "learned": Noise2DetailDenoiser(
            random_state=0,
            channel_axis=-1,
            detail_max_iter=1,
            downsampling_factors=(2,),
        ).fit(noisy(32, 32, 1).repeat(3, axis=2) + noisy(32, 32, 3)),
    }


@pytest.fixture(scope="module")
def contents(fitted):
    return {kind: pack(*describe(model)) for kind, model in fitted.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.n2d"


def sealed(body):
    """Content with a checksum that fits, as a forger would make it."""
    return body + hashlib.sha256(body).digest()


def header_of(content):
    return 8 + int.from_bytes(content[:8], "little")


# -- damage ------------------------------------------------------------------------


def mutated(content, other, rng):
    """Bytes changed, cut out, put in, doubled or taken from another file."""
    content = bytearray(content)
    # Most of the tensors' bytes are alike; the header is where it hurts.
    end = header_of(content) if rng.random() < 0.7 else len(content)
    a, b = sorted(int(i) for i in rng.integers(0, end + 1, 2))
    match rng.integers(9):
        case 0:
            for i in rng.integers(0, end, rng.integers(1, 9)):
                content[i] ^= 1 << rng.integers(8)
        case 1:
            for i in rng.integers(0, end, rng.integers(1, 9)):
                content[i] = rng.integers(256)
        case 2:
            del content[a:]
        case 3:
            del content[a:b]
        case 4:
            content[a:a] = rng.bytes(rng.integers(1, 99))
        case 5:
            content[a:a] = content[a:b]
        case 6:
            content[a:] = other[a:]
        case 7:
            content[a:b] = other[a:b]
        case 8:
            content[:8] = ODD_NUMBERS[rng.integers(2, 9)].to_bytes(8, "little")
    return bytes(content)


def test_damaged_files_are_always_noticed(contents, path):
    rng = np.random.default_rng(1)
    kinds = list(contents)
    for _ in range(N_FILES):
        original, other = (contents[kinds[rng.integers(3)]] for _ in range(2))
        content = mutated(original, other, rng)
        if content in contents.values():
            continue
        path.write_bytes(content)
        with pytest.raises(ModelFileError) as info:
            Noise2DetailDenoiser.load(path)
        assert str(info.value).startswith(f"{path}: ")


def test_every_byte_of_a_file_counts(contents, path):
    content = contents["random"]
    step = max(1, len(content) // N_FILES)
    for i in range(0, len(content), step):
        path.write_bytes(content[:i] + bytes([content[i] ^ 0x10]) + content[i + 1 :])
        with pytest.raises(ModelFileError):
            Noise2DetailDenoiser.load(path)
        path.write_bytes(content[:i])
        with pytest.raises(ModelFileError):
            Noise2DetailDenoiser.load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ModelFileError):
        Noise2DetailDenoiser.load(path)


# -- forgery: the checksum fits ----------------------------------------------------


def load_or_complain(path, content):
    """Whether a file is loaded; all that is allowed besides is a `ModelFileError`."""
    path.write_bytes(content)
    try:
        Noise2DetailDenoiser.load(path)
    except ModelFileError as error:
        complaint = str(error)
    else:
        return True
    assert complaint.startswith(f"{path}: ")
    assert len(complaint) < 1000
    return False


def test_forged_files_raise_nothing_else(contents, path):
    rng = np.random.default_rng(2)
    kinds = list(contents)
    numbers = re.compile(rb"-?\d+")
    for i in range(N_FILES):
        original, other = (contents[kinds[rng.integers(3)]] for _ in range(2))
        content = mutated(original, other, rng)[:-32]
        if i % 2:  # another number somewhere in the header, and its length put right
            end = header_of(original)
            found = list(numbers.finditer(original[8:end]))
            place = found[rng.integers(len(found))]
            number = str(ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]).encode()
            header = bytearray(original[8:end])
            header[place.start() : place.end()] = number
            body = bytes(header) + original[end:-32]
            content = len(header).to_bytes(8, "little") + body
        load_or_complain(path, sealed(content))


def places(value, above=()):
    """Every place in a JSON document."""
    yield above
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from places(item, (*above, key))


def holder_of(document, place):
    for key in place[:-1]:
        document = document[key]
    return document


ODD_VALUES = [
    *(None, True, False, *ODD_NUMBERS, 0.0, -0.5, 1e308, "", "auto", "x" * 300, "\n"),
    *([], {}, [[]], [None], [0.5, "a"], {"a": 1}, [0] * 100, [1, 2], [-2.0, 3.0]),
]


@pytest.mark.parametrize("kind", ["random", "RGB", "learned"])
def test_forged_documents_raise_nothing_else(kind, fitted, path):
    document, tensors = describe(fitted[kind])
    document = json.loads(json.dumps(document))
    assert load_or_complain(path, pack(document, tensors))
    found = list(places(document))[1:]
    rng = np.random.default_rng(3)
    tries = [(place, value) for place in found for value in ODD_VALUES]
    chosen = rng.choice(len(tries), min(N_FILES, len(tries)), replace=False)
    for place, value in (tries[i] for i in chosen):
        forged = copy.deepcopy(document)
        holder_of(forged, place)[place[-1]] = value
        load_or_complain(path, pack(forged, tensors))


@pytest.mark.parametrize("kind", ["random", "learned"])
def test_forged_documents_lack_nothing_and_have_nothing_more(kind, fitted, path):
    document, tensors = describe(fitted[kind])
    document = json.loads(json.dumps(document))
    holders = {}
    for place in list(places(document))[1:]:
        if place[0] == "parameters" or isinstance(holder_of(document, place), list):
            continue
        forged = copy.deepcopy(document)
        del holder_of(forged, place)[place[-1]]
        assert not load_or_complain(path, pack(forged, tensors)), place
        holders[place[:-1]] = place
    for place in holders.values():
        forged = copy.deepcopy(document)
        holder_of(forged, place)["unheard_of"] = 1
        assert not load_or_complain(path, pack(forged, tensors)), place


@pytest.mark.parametrize("kind", ["random", "learned"])
def test_forged_tensors_are_refused(kind, fitted, path):
    document, tensors = describe(fitted[kind])
    seen = set()
    for i, (name, tensor) in enumerate(tensors.items()):
        broken = tensor.copy()
        broken.flat[-1] = np.nan
        changes = (
            {name: broken},
            {name: tensor.astype(np.float64 if tensor.itemsize == 4 else np.float32)},
            {name: tensor[..., None]},
            {name: np.repeat(tensor, 2, axis=0)},
            {name: tensor[:0]},
            {name: tensor.astype(np.int64)},
            {name + "x": tensor},
        )
        # Of weights that are alike each is changed in one of the ways.
        kind = re.sub(r"(networks\.\d).*\.(\w+)$", r"\1.\2", name)
        for change in [changes[i % 7]] if kind in seen else changes:
            forged = pack(document, tensors | change)
            loaded = load_or_complain(path, forged)
            steps = change.get("loss_curve")  # of any number
            assert not loaded or (steps is not None and steps.shape[0] > 0)
        seen.add(kind)
        without = {key: value for key, value in tensors.items() if key != name}
        optional = name in ("intensities.rotation", "intensities.shift")
        assert load_or_complain(path, pack(document, without)) == optional


@given(data=st.data())
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_json_as_a_document_is_refused(data, fitted, path):
    document, tensors = describe(fitted["RGB"])
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(0),
        lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4),
        max_leaves=9,
    )
    name = data.draw(st.sampled_from(sorted(document)))
    value = data.draw(values)
    try:
        content = pack(document | {name: value}, tensors)
    except ModelFileError:  # not finite
        return
    load_or_complain(path, content)


# -- sizes -------------------------------------------------------------------------


def with_header(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(header) if length is None else length).to_bytes(8, "little") + (
        header + data
    )


def claims(content):
    """Files of a few hundred bytes that claim to be enormous."""
    header = json.loads(content[8 : header_of(content)])
    data = content[header_of(content) :]
    text = header["__metadata__"]["n2d_model"]
    name = "networks.0.layers.0.weight"
    for shape in ([2**40], [2**62, 4], [2**20] * 3, [10**30], [0, 2**62]):
        for end in (0, 2**42, 2**63, 10**30):
            entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
            yield sealed(with_header(header | {name: entry}, data[:-32]))
    for length in (LARGEST_HEADER, LARGEST_HEADER + 1, 2**40, 2**64 - 1):
        yield with_header(header, data, length)
    for key, value in [
        ('"hidden_channels": 1,', '"hidden_channels": 16384,'),
        ('"in_channels": 1,', '"in_channels": 16384,'),
        ('"n_channels": 1,', '"n_channels": 16384,'),
        ('"mixture": [[1,', '"mixture": [[1000000007,'),
    ]:
        assert key in text
        metadata = {"n2d_model": text.replace(key, value)}
        yield sealed(with_header(header | {"__metadata__": metadata}, data[:-32]))
    # Deep, and long numbers.
    for document in ("[" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}"):
        metadata = {"n2d_model": document}
        yield sealed(with_header(header | {"__metadata__": metadata}, data[:-32]))
        yield sealed(with_header(b"{" + document.encode(), data[:-32]))


def test_claims_are_not_believed(contents, path):
    Noise2DetailDenoiser.load(write(path, contents["random"]))  # imports done
    for content in claims(contents["random"]):
        path.write_bytes(content)
        tracemalloc.start()
        with pytest.raises(ModelFileError):
            Noise2DetailDenoiser.load(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * 2**20 + 20 * len(content)


def write(path, content):
    path.write_bytes(content)
    return path


def test_enormous_files_are_not_read(contents, path):
    # Sparse: they take no room on the disk.
    for size in (LARGEST_FILE + 1, 2**41):
        with open(path, "wb") as file:
            file.write(contents["random"])
            try:
                file.truncate(size)
            except OSError as error:
                pytest.skip(f"this file system holds no sparse files: {error}")
        with pytest.raises(ModelFileError, match=f"it has {size:,} bytes"):
            Noise2DetailDenoiser.load(path)


def test_enormous_models_are_not_written(fitted, path, monkeypatch):
    monkeypatch.setattr("n2d.model_file.container.LARGEST_FILE", 1000)
    with pytest.raises(ModelFileError, match="fewer hidden_channels"):
        fitted["random"].save(path)
    assert not path.exists()


def test_networks_are_built_without_memory_and_chance(contents, path):
    # A network is only tried on for size where nothing is allocated.
    state = torch.get_rng_state()
    header = json.loads(contents["random"][8 : header_of(contents["random"])])
    text = header["__metadata__"]["n2d_model"]
    metadata = {
        "n2d_model": text.replace('"hidden_channels": 1,', '"hidden_channels": 16384,')
    }
    content = with_header(
        header | {"__metadata__": metadata},
        contents["random"][header_of(contents["random"]) : -32],
    )
    path.write_bytes(sealed(content))
    with pytest.raises(ModelFileError, match=r"networks\.0 must be a DenoisingNetwork"):
        Noise2DetailDenoiser.load(path)
    assert torch.equal(torch.get_rng_state(), state)
