"""Every denoiser of the package as a citizen of scikit-learn, and as one of images."""

import importlib.util
import pickle
from collections import Counter

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from n2d import Noise2DetailDenoiser, datasets, noise
from n2d.baselines import (
    BilateralDenoiser,
    BM3DDenoiser,
    GaussianDenoiser,
    IdentityDenoiser,
    MedianDenoiser,
    NonLocalMeansDenoiser,
    TemporalMeanDenoiser,
    TemporalMedianDenoiser,
    TVDenoiser,
    VarianceStabilizedDenoiser,
    WaveletDenoiser,
    ZSN2NDenoiser,
)

SHORT = {"max_iter": 2, "random_state": 0}
N2D = {"detail_max_iter": 2, **SHORT}
TRAINED = {
    "n2d": Noise2DetailDenoiser(**N2D),
    "n2d-random": Noise2DetailDenoiser(init="random", **N2D),
    "n2d-paper": Noise2DetailDenoiser(solver="paper", **N2D),
    "zs-n2n": ZSN2NDenoiser(**SHORT),
    "zs-n2n-paper": ZSN2NDenoiser(solver="paper", **SHORT),
}
# Methods that take every channel for itself, and those that look at all of them.
BY_CHANNEL = {
    # Of the two backends the slower one: it is the one that every user can have.
    "bm3d": BM3DDenoiser(backend="bmnd"),
    "wavelet": WaveletDenoiser(),
    "tv": TVDenoiser(),
    "gaussian": GaussianDenoiser(),
    "median": MedianDenoiser(),
    "identity": IdentityDenoiser(),
    "vst-wavelet": VarianceStabilizedDenoiser(WaveletDenoiser()),
}
JOINT = {
    "nlm": NonLocalMeansDenoiser(),
    "bilateral": BilateralDenoiser(),
    "vst-nlm": VarianceStabilizedDenoiser(),
}
CLASSICAL = BY_CHANNEL | JOINT
# Images of a stack are neighbours to these, and a lone one comes back as it is.
OVER_TIME = {
    "temporal-mean": TemporalMeanDenoiser(),
    "temporal-median": TemporalMedianDenoiser(),
}
# Neighbours by what they show.
NEIGHBOURS = {
    "n2d-time": Noise2DetailDenoiser(stack="time", max_iter=1, random_state=0)
}
ESTIMATORS = TRAINED | CLASSICAL | OVER_TIME | NEIGHBOURS

every_denoiser = pytest.mark.parametrize("name", ESTIMATORS)


def make(name, **parameters):
    return clone(ESTIMATORS[name]).set_params(**parameters)


def noisy_image(*shape, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (100 * rng.random(shape) + 20).astype(dtype)


# -- scikit-learn's own checks -----------------------------------------------------

_ROWS = "takes a row for a sample; a row of an image is no sample"
ROW_IS_A_SAMPLE = {
    "check_n_features_in_after_fitting": f"{_ROWS}, other widths are welcome",
    "check_transformer_general": f"{_ROWS}, other widths are welcome",
    "check_methods_sample_order_invariance": f"{_ROWS}, their order is the image",
    "check_methods_subset_invariance": f"{_ROWS}, neighbours matter",
}
# It needs an environment variable that SciPy reads when it is imported.
MAY_SKIP = {"check_array_api_input"}


def expected_failures(estimator):
    failures = dict(ROW_IS_A_SAMPLE)
    over_time = tuple(map(type, OVER_TIME.values()))
    if isinstance(estimator, (IdentityDenoiser, *over_time)):
        for name in failures:  # to them alone, every pixel is a sample
            if "invariance" in name:
                failures = {k: v for k, v in failures.items() if k != name}
    return failures


def name_of(check):
    return getattr(check, "func", check).__name__


@parametrize_with_checks(
    list(ESTIMATORS.values()), expected_failed_checks=expected_failures
)
def test_scikit_learn(estimator, check):
    try:
        check(estimator)
    except pytest.skip.Exception as skipped:
        if name_of(check) not in MAY_SKIP:
            pytest.fail(f"{name_of(check)} did not run: {skipped}")
        raise


@every_denoiser
def test_scikit_learns_checks_are_not_switched_off(name):
    # They are, by some tags, without a word. Those that are no expected failures have
    # to pass in the test above: so many are passed.
    estimator = ESTIMATORS[name]
    checks = Counter(name_of(c) for _, c in estimator_checks_generator(estimator))
    not_passed = expected_failures(estimator).keys() | MAY_SKIP
    assert sum(checks.values()) - sum(checks[c] for c in MAY_SKIP) >= 45
    assert sum(n for check, n in checks.items() if check not in not_passed) >= 38


@pytest.mark.slow
@every_denoiser
@pytest.mark.parametrize(
    "check",
    [
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_global_output_transform_pandas",
        "check_dataframe_column_names_consistency",
    ],
)
def test_scikit_learn_on_data_frames(name, check):
    # Written for scikit-learn's own estimators, and not among the checks above.
    if "pandas" in check or "dataframe" in check:
        pytest.importorskip("pandas", reason="the check needs pandas")
    getattr(estimator_checks, check)(name, make(name))


# -- shapes, dtypes, layouts -------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(list(ESTIMATORS)),
    height=st.integers(1, 37),
    width=st.integers(1, 37),
    n=st.integers(0, 2),
    channels=st.integers(0, 3),
    first=st.booleans(),
    dtype=st.sampled_from(["?", "u1", ">u2", "i2", "f2", "f4", ">f8"]),
)
def test_any_shape_and_dtype(name, height, width, n, channels, first, dtype):
    shape = (height, width)
    if channels:
        shape = (channels, *shape) if first else (*shape, channels)
    X = noisy_image(*(((n, *shape)) if n else shape), dtype=dtype)
    before = X.copy()
    axis = None if not channels else (-3 if first else -1)
    estimator = make(name, channel_axis=axis)
    result = estimator.fit_transform(X)
    assert result.shape == X.shape
    assert result.dtype == np.result_type(X.dtype, np.float32)
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(result, clone(estimator).fit(X).transform(X))


SHAPES = {
    "(H, W)": ((20, 23), None),
    "(n, H, W)": ((2, 20, 23), None),
    "(H, W, C)": ((20, 23, 3), -1),
    "(C, H, W)": ((2, 20, 23), 0),
    "(n, H, W, C)": ((2, 20, 23, 3), -1),
}


@every_denoiser
@pytest.mark.parametrize("kind", SHAPES)
def test_shape_and_dtype_of_the_result(name, kind):
    shape, axis = SHAPES[kind]
    for dtype in ("u2", "f8"):
        X = noisy_image(*shape, dtype=dtype)
        result = make(name, channel_axis=axis).fit_transform(X)
        assert result.shape == shape
        assert result.dtype == (np.float64 if dtype == "f8" else np.float32)
        assert type(result) is np.ndarray


@every_denoiser
def test_layout_and_byte_order_do_not_matter(name, tmp_path):
    X = noisy_image(21, 27, dtype=np.uint16)
    expected = make(name).fit_transform(X)
    on_disk = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", X.dtype, X.shape)
    on_disk[:] = X
    on_disk.flush()
    same = {
        "Fortran": np.asfortranarray(X),
        "big-endian": X.astype(">u2"),
        "strided": np.repeat(np.repeat(X, 2, 0), 3, 1)[::2, ::3],
        "read-only memory map": np.load(tmp_path / "x.npy", mmap_mode="r"),
    }
    for layout, other in same.items():
        result = make(name).fit_transform(other)
        np.testing.assert_array_equal(result, expected, err_msg=layout)
    # A list of Python's integers is an array of int64, so its result is float64.
    result = make(name).fit_transform(X.tolist())
    np.testing.assert_array_equal(result.astype(np.float32), expected)


@every_denoiser
def test_channel_axis_does_not_matter(name):
    X = noisy_image(16, 20, 3)
    expected = make(name, channel_axis=-1).fit_transform(X)
    first = make(name, channel_axis=0).fit_transform(np.moveaxis(X, -1, 0))
    middle = make(name, channel_axis=1).fit_transform(np.moveaxis(X, -1, 1))
    np.testing.assert_array_equal(np.moveaxis(first, 0, -1), expected)
    np.testing.assert_array_equal(np.moveaxis(middle, 1, -1), expected)


@pytest.mark.parametrize("name", sorted(TRAINED | CLASSICAL))
def test_a_stack_is_its_images(name):
    X = noisy_image(3, 21, 26)
    estimator = make(name).fit(X)
    stack = estimator.transform(X)
    as_list = estimator.transform(list(X))
    for i in range(3):
        # One image alone is shared by the threads that several have one each of: the
        # sums are the same, but not in the same order.
        alone = estimator.transform(X[i])
        np.testing.assert_allclose(alone, stack[i], rtol=0, atol=1e-6 * np.ptp(X))
        np.testing.assert_array_equal(as_list[i], stack[i])
    np.testing.assert_array_equal(make(name).fit_transform(list(X)), stack)


@every_denoiser
def test_a_list_of_different_sizes_and_dtypes(name):
    X = [noisy_image(9, 30), noisy_image(24, 7, dtype=np.uint8)]
    estimator = make(name)
    results = estimator.fit_transform(X)
    assert [r.shape for r in results] == [(9, 30), (24, 7)]
    assert [r.dtype for r in results] == [np.float64, np.float32]
    assert isinstance(estimator.transform(tuple(X)), tuple)


@pytest.mark.parametrize("name", CLASSICAL)
def test_the_order_of_channels_does_not_matter(name):
    X = noisy_image(20, 24, 3) * [1, 5, 0.1]
    estimator = make(name, channel_axis=-1)
    order = [2, 0, 1]
    expected = estimator.fit_transform(X)[..., order]
    result = clone(estimator).fit_transform(X[..., order])
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize("name", BY_CHANNEL)
def test_channels_are_independent(name):
    X = noisy_image(20, 24, 2) * [1, 5]
    together = make(name, channel_axis=-1).fit_transform(X)
    for c in range(2):
        alone = make(name).fit_transform(X[..., c])
        np.testing.assert_allclose(together[..., c], alone, rtol=1e-12)


@pytest.mark.parametrize("name", JOINT)
def test_channels_share_what_they_show(name):
    rng = np.random.default_rng(0)
    clean = np.kron(rng.random((4, 4)), np.full((12, 12), 100.0))[..., None]
    X = clean + rng.normal(0, 20, (48, 48, 3))
    together = make(name, channel_axis=-1).fit_transform(X)
    alone = np.stack([make(name).fit_transform(X[..., c]) for c in range(3)], -1)
    assert np.std(together - clean) < np.std(alone - clean)


# -- intensities -------------------------------------------------------------------


@every_denoiser
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (31, 27), (2, 3, 5)])
@pytest.mark.parametrize(("value", "dtype"), [(0, "u2"), (7, "i4"), (-3.25e5, "f8")])
def test_constant_images_come_back_unchanged(name, shape, value, dtype):
    X = np.full(shape, value, dtype)
    result = make(name).fit_transform(X)
    if name == "gaussian":  # sums of weights round
        np.testing.assert_allclose(result, X, rtol=1e-12)
    else:
        np.testing.assert_array_equal(result, X)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(list(ESTIMATORS)),
    a=st.floats(1e-3, 1e4),
    b=st.floats(-1e4, 1e4),
)
def test_equivariance(name, a, b):
    X = noisy_image(20, 28)
    expected = a * make(name).fit_transform(X) + b
    result = make(name).fit_transform(a * X + b)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4 * a * np.ptp(X))


@every_denoiser
def test_large_offsets_are_no_problem(name):
    X = np.random.default_rng(0).integers(0, 50, (24, 24))
    expected = make(name).fit_transform(X)
    result = make(name).fit_transform(X + 2**40)
    np.testing.assert_allclose(result - 2**40, expected, atol=2e-3)


@every_denoiser
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(name, bad):
    X = noisy_image(20, 20)
    fitted = make(name).fit(X)
    X[3, 4] = bad
    with pytest.raises(ValueError, match=r"X contains (NaN|infinity)"):
        make(name).fit(X)
    with pytest.raises(ValueError, match=r"X contains (NaN|infinity)"):
        fitted.transform(X)


# In dB, half of one to two below what was measured, on 64 x 64 pixels.
FLOORS = {
    "n2d": 8.0,
    "bm3d": 8.0,
    "nlm": 5.5,
    "wavelet": 6.5,
    "tv": 7.0,
    "bilateral": 5.0,
    "gaussian": 6.5,
    "median": 5.0,
    "vst-nlm": 5.5,
    "vst-wavelet": 6.5,
    "zs-n2n": 3.5,
    "zs-n2n-paper": 4.0,
    "n2d-random": 4.0,
    "n2d-paper": 4.0,
}


def gain(clean, noisy, denoised):
    """Gain in dB."""
    errors = [np.mean((image - clean) ** 2) for image in (noisy, denoised)]
    return 10 * np.log10(errors[0] / errors[1])


@pytest.mark.filterwarnings("ignore:the result is doubtful")  # of 64 x 64 pixels
@pytest.mark.parametrize("name", FLOORS)
def test_gain_floor_on_the_bundled_scene(name):
    clean = 200.0 * datasets.fluorescence_cells((64, 64))
    noisy = noise.add_gaussian_noise(clean, 20, rng=1)
    longer = {"max_iter": 120 if name in TRAINED and name != "n2d" else 3}
    longer |= {"detail_max_iter": 0}
    known = make(name).get_params()
    estimator = make(name, **{k: v for k, v in longer.items() if k in known})
    assert gain(clean, noisy, estimator.fit_transform(noisy)) > FLOORS[name]


# -- scikit-learn habits -----------------------------------------------------------


@every_denoiser
def test_transform_changes_nothing(name):
    X = noisy_image(20, 24)
    estimator = make(name).fit(X)

    def state():
        parts = dict(vars(estimator))
        inner = parts.pop("denoiser_", None)
        parts |= {
            f"inner {key}": value
            for key, value in (vars(inner) if inner else {}).items()
        }
        return {key: pickle.dumps(value) for key, value in parts.items()}

    before, copy = state(), X.copy()
    first = estimator.transform(X)
    assert state() == before
    np.testing.assert_array_equal(X, copy)
    assert not np.shares_memory(first, X)
    np.testing.assert_array_equal(estimator.transform(X), first)


@every_denoiser
def test_same_seed_same_bits_and_refitting_forgets(name):
    X, other = noisy_image(20, 24), noisy_image(24, 21, 3, seed=1)
    estimator = make(name)
    expected = estimator.fit_transform(X)
    names = set(vars(estimator))
    estimator.set_params(channel_axis=-1).fit([other, 2 * other])
    assert not hasattr(estimator, "n_features_in_")  # a list has no columns
    estimator.set_params(channel_axis=None)
    np.testing.assert_array_equal(estimator.fit_transform(X), expected)
    assert set(vars(estimator)) == names


@every_denoiser
def test_pickle_and_clone(name):
    X = noisy_image(20, 24)
    estimator = make(name).fit(X)
    restored = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(restored.transform(X), estimator.transform(X))
    copy = clone(estimator)
    assert repr(copy) == repr(estimator)
    with pytest.raises(NotFittedError):
        copy.transform(X)


@every_denoiser
def test_a_pipeline_equals_its_steps(name):
    X = noisy_image(2, 20, 24)
    first = MedianDenoiser().fit(X)
    expected = make(name).fit_transform(first.transform(X))
    pipeline = make_pipeline(MedianDenoiser(), make(name))
    np.testing.assert_array_equal(pipeline.fit_transform(X), expected)
    np.testing.assert_array_equal(pipeline.transform(X), expected)


@every_denoiser
def test_another_number_of_channels_is_refused(name):
    estimator = make(name, channel_axis=-1).fit(noisy_image(8, 8, 3))
    with pytest.raises(ValueError, match=r"X has 2 channel\(s\), .* fitted with 3"):
        estimator.transform(noisy_image(8, 8, 2))


@every_denoiser
def test_a_colour_image_that_was_not_declared_is_pointed_out(name):
    X = noisy_image(32, 34, 3)
    with pytest.warns(UserWarning, match="stack of 32 grey .* set channel_axis=-1"):
        make(name).fit(X)
    make(name, channel_axis=-1).fit(X)  # without a warning


@every_denoiser
def test_a_score_is_a_number(name):
    X = noisy_image(24, 24)
    score = make(name).fit(X).score(X)
    assert isinstance(score, float)
    assert np.isfinite(score)


@every_denoiser
def test_images_as_data_frames(name):
    pd = pytest.importorskip("pandas", reason="it is about data frames of pandas")
    values = noisy_image(20, 24)
    X = pd.DataFrame(values, columns=[f"x{i}" for i in range(24)], index=range(5, 25))
    estimator = make(name).fit(X)
    assert estimator.feature_names_in_.tolist() == X.columns.tolist()
    assert estimator.get_feature_names_out().tolist() == X.columns.tolist()
    expected = make(name).fit_transform(values)
    np.testing.assert_array_equal(estimator.transform(X), expected)
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.transform(X.rename(columns={"x0": "y0"}))

    result = estimator.set_output(transform="pandas").transform(X)
    assert result.columns.tolist() == X.columns.tolist()
    assert result.index.tolist() == X.index.tolist()
    np.testing.assert_array_equal(result, expected)


@every_denoiser
def test_what_is_no_data_frame_is_not_made_one(name):
    pytest.importorskip("pandas", reason="it is about data frames of pandas")
    stack = noisy_image(2, 20, 24)
    estimator = make(name).set_output(transform="pandas").fit(stack)
    for X in (stack, list(stack), stack[0][:, :9]):
        with pytest.raises(ValueError, match=r"set_output\(transform='pandas'\) is"):
            estimator.transform(X)
    with sklearn.config_context(transform_output="pandas"):
        result = make(name, channel_axis=-1).set_output(transform="default")
        assert isinstance(result.fit_transform(noisy_image(9, 8, 2)), np.ndarray)
        # What the process is set to give, not this estimator, is for what fits.
        estimator = make(name)
        assert isinstance(estimator.fit_transform(stack), np.ndarray)
        assert isinstance(estimator.transform(list(stack))[0], np.ndarray)
        assert isinstance(estimator.transform(stack[0][:, :9]), np.ndarray)
        assert hasattr(make(name).fit_transform(stack[0]), "columns")


def test_every_denoiser_is_here():
    from n2d.baselines import __all__ as names

    classes = {type(estimator).__name__ for estimator in ESTIMATORS.values()}
    # BM4D, for non-commercial use only, has a few tests of its own.
    others = {"denoiser_registry", "BM4DDenoiser"}
    assert classes - {"Noise2DetailDenoiser"} == set(names) - others
    assert importlib.util.find_spec("bmnd"), "pip install -e '.[test]'"
