"""Model files: what is loaded is what was saved, on this machine or another."""

import hashlib
import io
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from PIL import Image
from scipy import ndimage
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import n2d
from n2d import Noise2DetailDenoiser
from n2d.datasets import fluorescence_cells
from n2d.model_file import FORMAT_VERSION, ModelFileError
from n2d.model_file.container import pack, read_model
from n2d.model_file.state import describe

RANDOM = {"init": "random", "max_iter": 2, "detail_max_iter": 2, "hidden_channels": 6}
PAPER = {"solver": "paper", "max_iter": 2, "detail_max_iter": 2, "hidden_channels": 6}


def noisy(*shape, seed=0, noise=8):
    """Noise on stripes, with a channel axis at the end if there is a third."""
    rng = np.random.default_rng(seed)
    stripes = 100 + 40 * np.sin(np.arange(shape[1]) / 5)
    stripes = stripes.reshape(1, -1, *[1] * (len(shape) - 2))
    return stripes + rng.normal(0, noise, shape)


def correlated(height, width):
    """Noise whose neighbours are alike along x."""
    white = np.random.default_rng(1).normal(0, 8, (height, width + 1))
    return noisy(height, width, noise=0) + white[:, 1:] + white[:, :-1]


def frame(height, width):
    pd = pytest.importorskip("pandas", reason="it is about data frames of pandas")
    columns = [f"column {i}" for i in range(width)]
    return pd.DataFrame(noisy(height, width), columns=columns)


# What is fitted to, and the parameters: every way in which a fit can end.
KINDS = {
    "learned": (noisy(32, 28), {}),
    "learned, with stage 3": (noisy(32, 28), {"detail_max_iter": 3}),
    "learned, mixed": (correlated(40, 40), {"downsampling_factors": (2, 4)}),
    "learned, RGB": (noisy(32, 28, 3), {"channel_axis": -1}),
    "learned, RGB, all": (
        noisy(32, 28, 3),
        {"channel_axis": 2, "detail_max_iter": 2, "downsampling_factors": [2]},
    ),
    "learned, uint16": (noisy(32, 28).astype(np.uint16), {"data_range": (0, 4095)}),
    "learned, stack": (np.stack([noisy(32, 36), noisy(32, 36, seed=1)]), {}),
    "learned, list": ([noisy(32, 36), noisy(40, 20, seed=1)], {}),
    "learned, smoother": (noisy(32, 28), {"strength": 1.7}),
    "learned, no noise": (noisy(32, 28, noise=0), {}),
    "learned, flat": (np.full((32, 32), 7.3), {}),
    "random": (noisy(32, 28), RANDOM),
    "random, stage 1": (
        noisy(32, 28),
        {**RANDOM, "detail_max_iter": 0, "downsampling_factors": ()},
    ),
    "random, RGB": (noisy(32, 28, 3), {**RANDOM, "channel_axis": -1}),
    "random, flat": (np.full((32, 32), 7.3), {**RANDOM, "downsampling_factors": ()}),
    "paper": (noisy(32, 28), PAPER),
    "paper, RGB first": (
        np.moveaxis(noisy(32, 28, 3), 2, 0),
        {**PAPER, "channel_axis": 0, "downsampling_factors": (2,)},
    ),
}


@pytest.fixture(scope="module")
def fitted():
    """A fitted estimator of every kind."""
    return {
        kind: Noise2DetailDenoiser(random_state=0, **parameters).fit(X)
        for kind, (X, parameters) in KINDS.items()
    }


@pytest.fixture(scope="module")
def folder(fitted, tmp_path_factory):
    """A folder with a model file of every kind."""
    folder = tmp_path_factory.mktemp("models")
    for kind, estimator in fitted.items():
        estimator.save(folder / f"{kind}.n2d")
    return folder


@pytest.fixture
def model(folder):
    return folder / "random.n2d"


def assert_same(found, expected):
    """Values, types and bits are the same, all the way down."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = list(found.values()), list(expected.values())
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    elif isinstance(expected, torch.Tensor):
        assert found.stride() == expected.stride()
        assert torch.equal(found, expected)
    elif isinstance(expected, torch.nn.Module):
        assert str(found) == str(expected)
        assert_same(dict(found.state_dict()), dict(expected.state_dict()))
        assert not any(weight.requires_grad for weight in found.parameters())
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected, strict=True)
    elif hasattr(expected, "__dict__"):
        assert_same(vars(found), vars(expected))
    else:
        assert found == expected


# -- there and back --------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_is_what_was_saved(kind, fitted, folder):
    saved, loaded = fitted[kind], Noise2DetailDenoiser.load(folder / f"{kind}.n2d")
    state, expected = vars(loaded), dict(vars(saved))
    if isinstance(expected["downsampling_factors"], list):
        expected["downsampling_factors"] = tuple(expected["downsampling_factors"])
    expected["mixture_"] = {r: float(w) for r, w in saved.mixture_.items()}
    # Attributes that only `transform` makes would not be in a file.
    assert set(state) == set(expected)
    for name, value in expected.items():
        assert_same(state[name], value)


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_the_same_bit_for_bit(kind, fitted, folder):
    X = KINDS[kind][0]
    saved, loaded = fitted[kind], Noise2DetailDenoiser.load(folder / f"{kind}.n2d")
    assert_same(loaded.transform(X), saved.transform(X))
    assert_same(dict(loaded.transform_stages(X)), dict(saved.transform_stages(X)))
    if kind in ("learned", "random"):
        other = np.concatenate([X, X[3:]])
        assert_same(loaded.transform(other), saved.transform(other))
        large = noisy(96, 96)  # whose noise is known well enough to judge by
        assert loaded.score(large) == saved.score(large)


def test_results_are_the_same_in_another_process(fitted, folder, tmp_path):
    for kind, (X, _) in KINDS.items():
        if not isinstance(X, list):
            np.save(tmp_path / f"{kind}.npy", X)
    code = (
        "import sys\nfrom pathlib import Path\nimport numpy as np, torch\n"
        "from n2d import Noise2DetailDenoiser\n"
        "torch.set_num_threads(int(sys.argv[3]))\n"
        "for path in Path(sys.argv[2]).glob('*.npy'):\n"
        "    model = Path(sys.argv[1], path.stem + '.n2d')\n"
        "    model = Noise2DetailDenoiser.load(model)\n"
        "    np.save(path, model.transform(np.load(path)))\n"
    )
    # Told in both: untold, PyTorch's threads split some sums otherwise.
    torch.set_num_threads(torch.get_num_threads())
    arguments = [folder, tmp_path, torch.get_num_threads()]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    for kind, (X, _) in KINDS.items():
        if not isinstance(X, list):
            found = np.load(tmp_path / f"{kind}.npy")
            assert_same(found, fitted[kind].transform(X))


def test_copies_and_pickles_give_the_same_bits_and_leave_the_original(fitted):
    # A file is one way of copying; the others agree with it.
    for kind in ("learned, with stage 3", "paper"):
        X, estimator = KINDS[kind][0], fitted[kind]
        networks = estimator.networks_
        expected = estimator.transform(X)
        copy = pickle.loads(pickle.dumps(estimator))
        assert_same(copy.transform(X), expected)
        assert estimator.networks_ is networks


def test_column_names_of_a_data_frame_come_back(tmp_path):
    X = frame(20, 24)
    saved = Noise2DetailDenoiser(random_state=0).fit(X)
    saved.save(tmp_path / "model.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    assert_same(loaded.feature_names_in_, saved.feature_names_in_)
    assert_same(loaded.get_feature_names_out(), saved.get_feature_names_out())
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.transform(X.rename(columns={"column 3": "other"}))


def test_a_loaded_model_is_an_estimator_like_any_other(fitted, folder):
    kind = "learned, with stage 3"
    X = KINDS[kind][0]
    loaded = Noise2DetailDenoiser.load(folder / f"{kind}.n2d")
    unfitted = clone(loaded)
    assert unfitted.get_params() == fitted[kind].get_params()
    with pytest.raises(NotFittedError):
        unfitted.transform(X)
    expected = fitted[kind].transform(X)
    assert_same(unfitted.fit_transform(X), expected)
    assert_same(loaded.fit_transform(X), expected)
    # An older attribute does not outlive a new fit.
    loaded.fit([X, X])
    assert not hasattr(loaded, "n_features_in_")


def test_saving_twice_gives_the_same_bytes(fitted, folder, tmp_path):
    for kind in ("learned, RGB, all", "paper"):
        path = folder / f"{kind}.n2d"
        Noise2DetailDenoiser.load(path).save(tmp_path / "again.n2d", overwrite=True)
        assert (tmp_path / "again.n2d").read_bytes() == path.read_bytes()


def test_numbers_of_numpy_as_parameters_become_plain_ones(tmp_path):
    X = noisy(32, 32)
    parameters = {
        "max_iter": np.int64(2),
        "learning_rate": np.float64(1 / 300),
        "data_range": (np.float32(0.1), np.int16(255)),
    }
    saved = Noise2DetailDenoiser(**{**RANDOM, **parameters}).fit(X)
    saved.save(tmp_path / "model.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    assert loaded.get_params() == saved.get_params()
    assert type(loaded.max_iter) is int
    assert_same(loaded.transform(X), saved.transform(X))


def test_a_random_state_object_is_saved_as_none(tmp_path):
    state = np.random.RandomState(0)
    saved = Noise2DetailDenoiser(**{**RANDOM, "random_state": state})
    X = noisy(32, 32)
    saved.fit(X).save(tmp_path / "model.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    assert loaded.random_state is None
    assert_same(loaded.transform(X), saved.transform(X))


def test_the_weights_that_ship_need_not_be_there(fitted, folder, monkeypatch):
    monkeypatch.setattr("n2d.core.prior.shipped_weights", lambda *_: None)
    monkeypatch.setattr("n2d._plans.shipped_weights", lambda *_: None)
    loaded = Noise2DetailDenoiser.load(folder / "learned.n2d")
    X = KINDS["learned"][0]
    assert_same(loaded.transform(X), fitted["learned"].transform(X))


def test_loading_touches_no_global_state(fitted, folder):
    torch.set_default_dtype(torch.float64)
    state = torch.get_rng_state()
    try:
        loaded = {
            kind: Noise2DetailDenoiser.load(folder / f"{kind}.n2d") for kind in KINDS
        }
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), state)
    for kind in ("learned, with stage 3", "random"):
        X = KINDS[kind][0]
        assert_same(loaded[kind].transform(X), fitted[kind].transform(X))


# -- what is known of the noise ----------------------------------------------------

SCENE = 200.0 * fluorescence_cells((160, 160), rng=1)


def white(seed=0, shape=SCENE.shape):
    return np.random.default_rng(seed).normal(size=shape)


def falling():
    """Noise that falls with the intensity, on a ramp."""
    clean = np.linspace(0, 200, 128) * np.ones((128, 1))
    return clean + 20 * (1 - clean / 220) * white(0, clean.shape)


# What is fitted to, the parameters, and how to tell that this kind of noise was found.
NOISES = {
    "curve": (falling(), {}, lambda fit: fit.noise_.curve is not None),
    "diagonals": (
        SCENE + 70 * ndimage.gaussian_filter(white(), 1.0, mode="wrap"),
        {},
        lambda fit: fit.noise_.diagonals is not None,
    ),
    "place": (
        SCENE + np.linspace(5, 25, 160) * white(),
        {},
        lambda fit: fit._intensities.places[0].level.size > 1,
    ),
    "stripes": (
        SCENE + 20 * white(1, (160, 1)) + 8 * white(),
        {"downsampling_factors": (2,)},
        lambda fit: fit._intensities.places[0].rows.any(),
    ),
    "lattice": (
        SCENE + 80 * np.cos(2 * np.pi * np.arange(160) / 5) + 8 * white(),
        {},
        lambda fit: len(fit._intensities.places[0].waves) > 0,
    ),
    "shared": (
        SCENE + 10 * white(9) + 6 * white(10, (3, 160, 160)),
        {"channel_axis": 0},
        lambda fit: (
            not np.allclose(
                fit._intensities.rotation @ fit._intensities.rotation.T, np.eye(3)
            )
        ),
    ),
    "striped channels": (
        SCENE + 20 * white(1, (160, 1)) + 8 * white(10, (3, 160, 160)),
        {"channel_axis": 0, "detail_max_iter": 2},
        lambda fit: all(places.rows.any() for places in fit._intensities.places),
    ),
}


@pytest.fixture(scope="module")
def fitted_to_noise():
    with warnings.catch_warnings():
        # Some of it is told where it stays.
        warnings.simplefilter("ignore", n2d.NoiseWarning)
        return {
            kind: Noise2DetailDenoiser(random_state=0, **parameters).fit(X)
            for kind, (X, parameters, _) in NOISES.items()
        }


@pytest.mark.parametrize("kind", NOISES)
def test_all_that_was_learned_of_the_noise_is_kept(kind, fitted_to_noise, tmp_path):
    X, _, was_found = NOISES[kind]
    saved = fitted_to_noise[kind]
    assert was_found(saved)
    saved.save(tmp_path / "model.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    unpickled = pickle.loads(pickle.dumps(saved))
    expected = dict(vars(saved))
    assert set(vars(loaded)) == set(expected)
    for name, value in expected.items():
        if name != "mixture_":  # its numbers become plain ones
            assert_same(getattr(loaded, name), value)
    for same_model in (loaded, unpickled):
        assert same_model.noise_ == saved.noise_
        assert_same(same_model.transform(X), saved.transform(X))
        smaller = X[..., :96, :80]
        assert_same(same_model.transform(smaller), saved.transform(smaller))
    assert clone(loaded).get_params() == saved.get_params()
    again = tmp_path / "again.n2d"
    loaded.save(again)
    assert again.read_bytes() == (tmp_path / "model.n2d").read_bytes()


def without_places(document, _):
    document["intensities"]["places"] = None


def without_stripes(_, tensors):
    del tensors["intensities.places.0.rows"]


def longer_stripes(_, tensors):
    tensors["intensities.places.0.rows"] = np.zeros(161)


def no_level(_, tensors):
    tensors["intensities.places.0.level"] = np.zeros((1, 1))


def other_waves(_, tensors):
    tensors["intensities.places.0.waves"] = np.zeros((1, 5))


def other_shape(document, _):
    document["intensities"]["places"]["shape"] = [160]


def unknown_array(document, _):
    document["noise"]["arrays"].append("unheard_of")


def lost_array(document, _):
    document["noise"]["arrays"] = []


def odd_array(_, tensors):
    tensors["noise.diagonals"] = np.zeros((3, 3))


def odd_period(document, _):
    document["noise"]["defects"]["periods"] = [[0.1]]


def odd_value(document, _):
    document["noise"]["defects"]["stuck"] = [[0.0, 8.0]]


def negative_spread(document, _):
    document["noise"]["spread"] = -0.1


@pytest.mark.parametrize(
    "forge",
    [
        *(without_places, without_stripes, longer_stripes, no_level, other_waves),
        *(other_shape, unknown_array, lost_array, odd_array, odd_period, odd_value),
        negative_spread,
    ],
)
def test_forged_noise_is_refused(forge, fitted_to_noise, tmp_path):
    document, tensors = describe(fitted_to_noise["stripes"])
    forge(document, tensors)
    (tmp_path / "model.n2d").write_bytes(pack(document, tensors))
    with pytest.raises(ModelFileError, match="holds no usable model"):
        Noise2DetailDenoiser.load(tmp_path / "model.n2d")


# -- devices -----------------------------------------------------------------------


def test_a_model_of_an_absent_device_runs_on_the_cpu(fitted, tmp_path):
    X, saved = KINDS["learned"][0], fitted["learned"]
    path = tmp_path / "model.n2d"
    clone(saved).fit(X).set_params(device="cuda:99").save(path)
    loaded = Noise2DetailDenoiser.load(path)
    assert loaded.device == "cuda:99"
    with pytest.warns(RuntimeWarning, match="cuda:99.* using the CPU"):
        result = loaded.transform(X)
    assert_same(result, saved.transform(X))
    loaded = Noise2DetailDenoiser.load(path, device="cpu")
    assert loaded.device == "cpu"
    assert_same(loaded.transform(X), saved.transform(X))
    with pytest.raises(ValueError, match="device='cuda:98' is not available"):
        Noise2DetailDenoiser.load(path, device="cuda:98")
    with pytest.raises(ValueError, match="device='abacus' is no device"):
        Noise2DetailDenoiser.load(path, device="abacus")


# -- the file ----------------------------------------------------------------------


def test_other_readers_of_safetensors_can_look_into_it(fitted, folder):
    path = folder / "learned, RGB, all.n2d"
    with safetensors.safe_open(path, framework="np") as file:
        assert list(file.metadata()) == ["n2d_model"]
        names = set(file.keys())
        first = file.get_tensor("networks.0.first.weight")
    weight = fitted["learned, RGB, all"].networks_[0].first.weight
    np.testing.assert_array_equal(first, weight.numpy())
    assert {"loss_curve", "sha256", "stages.correlation"} < names


def test_the_checksum_is_that_of_all_bytes_before_it(model):
    content = model.read_bytes()
    assert content[-32:] == hashlib.sha256(content[:-32]).digest()


def test_a_file_says_where_it_is_from(fitted, folder):
    document, _ = read_model(folder / "learned, uint16.n2d")
    assert document["n2d_version"] == n2d.__version__
    assert document["estimator"] == "Noise2DetailDenoiser"
    assert document["parameters"]["data_range"] == [0, 4095]
    assert document["noise"]["level"] == fitted["learned, uint16"].noise_.level
    assert document["input"]["shape"] == [32, 28]
    assert document["input"]["dtype"] == "uint16"


def test_fingerprints_tell_inputs_apart():
    def fingerprint(X, **parameters):
        parameters = {"random_state": 0, **RANDOM, **parameters}
        return Noise2DetailDenoiser(**parameters).fit(X).input_fingerprint_

    X = noisy(32, 36)
    found = fingerprint(X)
    assert found == fingerprint(X.copy(order="F"))
    assert (found["n_images"], found["shape"], found["dtype"]) == (
        1,
        (32, 36),
        "float64",
    )
    changed = X.copy()
    changed[31, 35] += 1e-9
    assert fingerprint(changed)["sha256"] != found["sha256"]
    many = fingerprint([X, noisy(20, 24).astype(np.float32)])
    assert (many["n_images"], many["shape"], many["dtype"]) == (2, None, None)
    stack = fingerprint(np.stack([X, X, X]))
    assert (stack["n_images"], stack["shape"]) == (3, (3, 32, 36))


def test_a_fingerprint_costs_next_to_no_reading():
    read = []
    X = noisy(700, 800)

    class Lazy:
        shape, dtype, ndim = X.shape, X.dtype, 2

        def __getitem__(self, index):
            read.append(X[index].size)
            return X[index]

    estimator = Noise2DetailDenoiser(**{**RANDOM, "random_state": 0}).fit(Lazy())
    # What fit reads, and the middle once more, by which `transform` tells other images.
    assert sum(read) < 1.1 * 512**2 + 256**2
    twin = Noise2DetailDenoiser(**{**RANDOM, "random_state": 0}).fit(X)
    assert estimator.input_fingerprint_ == twin.input_fingerprint_


# -- writing -----------------------------------------------------------------------


def test_files_are_not_replaced_unless_asked_to(fitted, tmp_path):
    path = tmp_path / "model.n2d"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="overwrite"):
        fitted["random"].save(path)
    assert path.read_bytes() == b"precious"
    fitted["random"].save(path, overwrite=True)
    Noise2DetailDenoiser.load(path)
    assert os.listdir(tmp_path) == ["model.n2d"]


def test_what_cannot_be_saved_leaves_everything_as_it_was(fitted, tmp_path):
    path = tmp_path / "model.n2d"
    fitted["random"].save(path)
    before = path.read_bytes()
    X = KINDS["random"][0]
    for parameters, message in [
        ({"learning_rate": np.inf}, "cannot be saved.* infinite"),
        ({"verbose": object()}, "cannot hold verbose="),
        ({"device": "abacus"}, "parameters are refused.*abacus"),
        ({"solver": "slow"}, "parameters are refused.*solver must be"),
        ({"downsampling_factors": tuple(range(2, 99))}, "downsampling_factors must"),
    ]:
        estimator = clone(fitted["random"]).fit(X).set_params(**parameters)
        with pytest.raises(ModelFileError, match=message) as info:
            estimator.save(path, overwrite=True)
        assert str(path) in str(info.value)
    with pytest.raises(NotFittedError):
        clone(fitted["random"]).save(path, overwrite=True)
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        fitted["random"].save(tmp_path / "no" / "model.n2d")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.n2d"]


# -- other files, other versions ---------------------------------------------------


def png():
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def plain_safetensors():
    weights = {"weight": np.zeros((3, 3), np.float32)}
    return safetensors.numpy.save(weights, {"format": "pt"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\0", "is no n2d model file"),
        (b"\0" * 5000, "is no n2d model file"),
        (b"hello world\n", "is no n2d model file"),
        (b'{"parameters": {}}', "is no n2d model file"),
        (png(), "is no n2d model file"),
        (pickle.dumps({"solver": "fast"}), "pickles are never read"),
        (plain_safetensors(), "a safetensors file, but of something else"),
        (b"\xff" * 7 + b"\x7f{}", "is no n2d model file.*its header claims"),
        (b"\x02" + b"\0" * 7 + b"{}", "a safetensors file, but of something else"),
        (b"\x09" + b"\0" * 7 + b"{}", "is damaged .*ends after 10 bytes"),
        (b"\x02" + b"\0" * 7 + b"{{", "is damaged .*header cannot be parsed"),
    ],
)
def test_other_files_are_refused(content, message, tmp_path):
    path = tmp_path / "model.n2d"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as info:
        Noise2DetailDenoiser.load(path)
    assert str(path) in str(info.value)


def test_pickles_are_not_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "model.n2d").write_bytes(pickle.dumps(Trap(), protocol))
        with pytest.raises(ModelFileError):
            Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    torch.save(Trap(), tmp_path / "model.n2d")
    with pytest.raises(ModelFileError):
        Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    assert not (tmp_path / "sprung").exists()


def test_missing_files_and_folders_say_so_in_their_own_words(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        Noise2DetailDenoiser.load(tmp_path / "absent.n2d")
    with pytest.raises(OSError, match=tmp_path.name):  # of a kind that systems choose
        Noise2DetailDenoiser.load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.n2d")
    with pytest.raises(ModelFileError, match="no regular file"):
        Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    with pytest.raises(ModelFileError, match="no regular file"):
        Noise2DetailDenoiser.load(Path(os.devnull))


def test_newer_versions_say_what_to_do(fitted, tmp_path):
    document, tensors = describe(fitted["random"])
    path = tmp_path / "model.n2d"
    newer = {
        "format_version": FORMAT_VERSION + 1,
        "n2d_version": "7.5",
        "something": "new",
    }
    path.write_bytes(pack(document | newer, tensors))
    with pytest.raises(ModelFileError, match=r"by n2d 7\.5, .*Update n2d: pip") as info:
        Noise2DetailDenoiser.load(path)
    assert str(path) in str(info.value)
    # The same format, but a parameter that has been added since.
    parameters = {**document["parameters"], "sharpness": 3}
    newer = {"n2d_version": "0.9", "parameters": parameters}
    path.write_bytes(pack(document | newer, tensors))
    with pytest.raises(ModelFileError, match=r"'sharpness' .* n2d 0\.9\. Update n2d"):
        Noise2DetailDenoiser.load(path)


def test_a_network_that_is_no_more_is_refused_with_advice(fitted, tmp_path):
    # As n2d wrote it when its prior network had four views.
    document, tensors = describe(fitted["learned"])
    assert document["networks"][0]["kind"] == "PriorNetwork"
    network = {
        "kind": "PriorNetwork",
        "channels_last": True,
        "hidden_channels": 48,
        "dilations": [1, 2, 3, 3, 2, 1],
        "n_passes": 2,
        "condition_channels": 64,
    }
    old = {"format_version": 1, "networks": [network]}
    (tmp_path / "model.n2d").write_bytes(pack(document | old, tensors))
    with pytest.raises(ModelFileError, match=r"of an older n2d.*fit the model again"):
        Noise2DetailDenoiser.load(tmp_path / "model.n2d")


def test_networks_trained_on_the_image_load_from_the_older_format(fitted, tmp_path):
    document, tensors = describe(fitted["random"])
    parameters = {k: v for k, v in document["parameters"].items() if k != "strength"}
    old = {"format_version": 1, "parameters": parameters}
    (tmp_path / "model.n2d").write_bytes(pack(document | old, tensors))
    loaded = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    assert loaded.strength == 1
    X = KINDS["random"][0]
    assert_same(loaded.transform(X), fitted["random"].transform(X))


def test_a_parameter_added_since_has_its_default(fitted, tmp_path):
    document, tensors = describe(fitted["random"])
    del document["parameters"]["verbose"]
    (tmp_path / "model.n2d").write_bytes(pack(document, tensors))
    assert Noise2DetailDenoiser.load(tmp_path / "model.n2d").verbose == 0


def test_other_classes_are_refused(fitted, tmp_path):
    class Other(Noise2DetailDenoiser):
        pass

    path = tmp_path / "model.n2d"
    fitted["random"].save(path)
    with pytest.raises(
        ModelFileError, match="holds a 'Noise2DetailDenoiser', no Other"
    ):
        Other.load(path)
    Other(**RANDOM).fit(KINDS["random"][0]).save(path, overwrite=True)
    assert type(Other.load(path)) is Other
    with pytest.raises(ModelFileError, match="the class that saved it"):
        Noise2DetailDenoiser.load(path)
