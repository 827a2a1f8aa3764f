"""User's arrays in and out: every layout, lazily, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from n2d.fitting.windows import sample_windows
from n2d.images import Images

DTYPES = ["?", "u1", "i1", "<u2", ">u2", "<i4", ">i8", "<f2", ">f4", "<f8"]


def numbered(shape, dtype=np.int32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "channel_axis", "to_canonical"),
    [
        ((5, 7), None, lambda x: x[None, None]),
        ((2, 5, 7), None, lambda x: x[:, None]),
        ((5, 7, 3), 2, lambda x: np.moveaxis(x, -1, 0)[None]),
        ((5, 7, 3), -1, lambda x: np.moveaxis(x, -1, 0)[None]),
        ((3, 5, 7), 0, lambda x: x[None]),
        ((5, 3, 7), 1, lambda x: np.moveaxis(x, 1, 0)[None]),
        ((2, 5, 7, 3), 3, lambda x: np.moveaxis(x, -1, 1)),
        ((2, 3, 5, 7), 1, lambda x: x),
        ((2, 3, 5, 7), -3, lambda x: x),
    ],
)
def test_layouts(shape, channel_axis, to_canonical):
    X = numbered(shape)
    images = Images(X, channel_axis)
    expected = to_canonical(X)
    assert len(images) == len(expected)
    assert images.n_channels == expected.shape[1]
    outputs = images.empty_like()
    for image, output, truth in zip(images, outputs, expected, strict=True):
        assert image.shape == truth.shape
        np.testing.assert_array_equal(image.read_whole(), truth)
        np.testing.assert_array_equal(
            image.read(1, 2, 3, 4), truth[:, 1 : 1 + 3, 2 : 2 + 4]
        )
        output.write(image.read_whole(), 0, 0)
    np.testing.assert_array_equal(outputs.result, X)


@settings(max_examples=40)
@given(
    X=hnp.arrays(
        st.sampled_from(DTYPES),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
        elements=st.integers(0, 1),
    ),
    order=st.sampled_from("CF"),
    reverse=st.booleans(),
)
def test_dtype_byte_order_and_memory_layout_do_not_matter(X, order, reverse):
    same = np.array(X, order=order)
    if reverse:
        same = same[::-1][::-1]
    same.flags.writeable = False
    outputs = Images(same).empty_like()
    for image, output in zip(Images(same), outputs, strict=True):
        values = image.read_whole()
        assert values.dtype == np.float64
        assert values.flags.writeable
        output.write(values, 0, 0)
    assert outputs.result.dtype == np.result_type(X.dtype, np.float32)
    np.testing.assert_array_equal(outputs.result, X.astype(float))


@pytest.mark.parametrize("container", [list, tuple])
def test_a_list_of_arrays_is_many_images(container):
    X = container([numbered((3, 4), "u2"), numbered((6, 2), "f8")])
    images = Images(X)
    assert [image.shape for image in images] == [(1, 3, 4), (1, 6, 2)]
    outputs = images.empty_like()
    assert type(outputs.result) is container
    assert [array.dtype for array in outputs.result] == [np.float32, np.float64]


def test_a_nested_list_of_numbers_is_one_array():
    images = Images([[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(images[0].read_whole(), [[[1, 2, 3], [4, 5, 6]]])
    assert isinstance(images.empty_like().result, np.ndarray)


def test_objects_that_are_numbers_are_converted():
    images = Images(np.array([[1, 2.5], [True, np.float32(4)]], dtype=object))
    np.testing.assert_array_equal(images[0].read_whole(), [[[1, 2.5], [1, 4]]])


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    extra=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_what_lies_beyond_the_image_is_its_mirror_image(shape, extra):
    X = numbered(shape)
    padded = Images(X)[0].read(0, 0, shape[0] + extra[0], shape[1] + extra[1])
    np.testing.assert_array_equal(
        padded[0], np.pad(X, ((0, extra[0]), (0, extra[1])), "reflect")
    )


class Recorder:
    """An array-like that reads on indexing, like Zarr's, and keeps count."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.ndim = array.ndim
        self.pixels_read = 0

    def __getitem__(self, index):
        part = self.array[index]
        self.pixels_read += part.size
        return part


def test_only_what_is_asked_for_is_read():
    lazy = Recorder(numbered((4, 50, 60)))
    images = Images(lazy)
    assert lazy.pixels_read == 0
    images[3].read(10, 20, 5, 6)
    assert lazy.pixels_read == 30


def test_sampled_windows_are_parts_of_the_images_and_of_bounded_size():
    lazy = Recorder(numbered((3, 500, 400)))
    rng = np.random.default_rng(0)
    windows = sample_windows(Images(lazy), rng, side=40, max_pixels=20_000, multiple=4)
    assert 20_000 <= lazy.pixels_read <= 20_000 + 40 * 40
    images_seen = set()
    for window in windows:
        assert window.shape == (1, 40, 40)
        i, top, left = np.unravel_index(int(window[0, 0, 0]), lazy.shape)
        part = lazy.array[i, top : top + 40, left : left + 40]
        np.testing.assert_array_equal(window[0], part)
        images_seen.add(int(i))
    assert images_seen == {0, 1, 2}


def test_small_images_are_sampled_whole_and_padded():
    X = [numbered((5, 7)), numbered((8, 3))]
    rng = np.random.default_rng(0)
    windows = sample_windows(Images(X), rng, side=4, max_pixels=100, multiple=4)
    assert [window.shape for window in windows] == [(1, 8, 8), (1, 8, 4)]
    np.testing.assert_array_equal(windows[0][0, :5, :7], X[0])


# -- refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            np.ma.array(np.ones((3, 3)), mask=np.eye(3)),
            TypeError,
            "X is a masked array",
        ),
        (np.ones((3, 3), complex), ValueError, "Complex data not supported"),
        (np.array([["a", "b"]]), TypeError, "X must hold numbers, got dtype <U1"),
        (np.array([["1", 2]], object), TypeError, "X must hold numbers, got '1'"),
        (np.array([[None, 2]], object), TypeError, "X must hold numbers, got None"),
        (np.array([[{}, 2]], object), TypeError, "must be .* string.* number"),
        (np.array([[1j, 2]], object), ValueError, "Complex data not supported"),
        (np.zeros((2, 2), "M8[s]"), TypeError, "X must hold numbers, got dtype"),
        (np.zeros((2, 2), "u1,f4"), TypeError, "X must hold numbers, got dtype"),
        ("cells.tif", TypeError, "X is the name of a file, 'cells.tif', and no image"),
        (Path("a.tif"), TypeError, r"name of a file.* take n2d\.io\.read_image"),
        ((i for i in ()), TypeError, "X must be an array .*, got generator"),
        ({1: 2}, TypeError, "X must be an array .*, got dict"),
        (np.ones(5), ValueError, "image of shape .* got an array of shape .5,"),
        (5.0, ValueError, "got an array of shape"),
        (np.ones((2, 2, 2, 2)), ValueError, "give channel_axis"),
        (np.ones((0, 4)), ValueError, r"shape=\(0, 4\).* X has no pixels"),
        (np.ones((2, 4, 0)), ValueError, "X has no pixels"),
        ([], ValueError, "got an array of shape"),
        ([np.ones((2, 2)), np.ones((2, 2, 2))], ValueError, r"X\[1\] has 3 axes"),
        (
            [np.ones((2, 2)), np.ma.array(np.ones((2, 2)), mask=np.eye(2))],
            TypeError,
            r"X\[1\] is a masked",
        ),
    ],
)
def test_unsuitable_arrays_are_refused_by_name(X, error, message):
    with pytest.raises(error, match=message):
        Images(X)


@pytest.mark.parametrize(
    ("shape", "channel_axis", "message"),
    [
        ((5, 7, 3), 3, "channel_axis=3 is out of range"),
        ((2, 3, 5, 7), 0, "axis 0 of a stack is never the channels"),
        ((2, 3, 5, 7), -4, "axis 0 of a stack is never the channels"),
        ((5, 7), 0, "give channel_axis|with channel_axis=0"),
    ],
)
def test_unsuitable_channel_axes_are_refused(shape, channel_axis, message):
    with pytest.raises(ValueError, match=message):
        Images(np.ones(shape), channel_axis)


def test_images_with_different_numbers_of_channels_are_refused():
    with pytest.raises(ValueError, match=r"different numbers of channels: \[1, 3\]"):
        Images([np.ones((4, 4, 3)), np.ones((4, 4, 1))], channel_axis=-1)


@pytest.mark.parametrize("sparse", ["csr_matrix", "coo_array"])
def test_sparse_matrices_are_refused(sparse):
    import scipy.sparse

    with pytest.raises(TypeError, match="dense data is required"):
        Images(getattr(scipy.sparse, sparse)(np.eye(3)))


@pytest.mark.parametrize(("bad", "kind"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_nan_and_infinity_are_found_where_they_are_read(bad, kind):
    X = np.ones((3, 20, 20))
    X[1, 12, 15] = bad
    images = Images(X)
    images[0].read(0, 0, 20, 20)
    images[1].read(0, 0, 12, 20)
    with pytest.raises(
        ValueError,
        match=f"X contains {kind}, in rows 12 to 12 and columns 15 to 15 of image 1",
    ):
        images[1].read(10, 10, 5, 8)
