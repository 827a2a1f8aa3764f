"""Images whose pixels were repeated are denoised as the small image they are of."""

import numpy as np
import pytest

from n2d import Noise2DetailDenoiser
from n2d.datasets import fluorescence_cells
from n2d.fitting.repeated import times_repeated

EXACT = {"precision": "float32", "random_state": 0}
SCENE = 20 + 200 * fluorescence_cells((128, 120), rng=1).astype(float)


def white(level, shape=SCENE.shape, seed=0):
    return np.random.default_rng(seed).normal(0, level, shape)


def repeated(image, times):
    return np.kron(image, np.ones((times, times)))


@pytest.mark.parametrize("times", [2, 3])
def test_the_result_is_that_of_the_small_image(times):
    noisy = SCENE + white(10)
    denoiser = Noise2DetailDenoiser(**EXACT)
    result = denoiser.fit_transform(repeated(noisy, times))
    assert denoiser.mixture_[times] == 1
    small = Noise2DetailDenoiser(**EXACT).fit(noisy)
    expected = repeated(small.transform(noisy), times)
    # All but the borders, where images are mirrored at other pixels.
    inner = np.s_[48:-48, 48:-48]
    np.testing.assert_allclose(result[inner], expected[inner], atol=0.05)
    assert denoiser.trust_.verdict == "good"
    assert denoiser.noise_.level == pytest.approx(small.noise_.level, rel=0.02)
    # Of two neighbours so many share a pixel of the small image.
    assert denoiser.noise_.correlation[:, 0] == pytest.approx(1 - 1 / times, abs=0.05)


def test_colour_parts_errors_and_model_files(tmp_path):
    small = np.stack([SCENE, 0.6 * SCENE + 50])
    noisy = np.kron(small + white(10, small.shape), np.ones((1, 2, 2)))[:, 3:, 1:-4]
    denoiser = Noise2DetailDenoiser(channel_axis=0, **EXACT).fit(noisy)
    result, error = denoiser.transform(noisy, return_std=True)
    clean = np.kron(small, np.ones((1, 2, 2)))[:, 3:, 1:-4]
    assert np.std(result - clean) < 0.45 * 10
    assert np.mean(np.abs(result - clean) < 2 * error) > 0.85
    part = denoiser.transform(noisy, region=np.s_[50:90, 33:101])
    np.testing.assert_allclose(part, result[:, 50:90, 33:101], atol=1e-3)
    denoiser.save(tmp_path / "twice.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "twice.n2d")
    np.testing.assert_array_equal(loaded.transform(noisy), result)


def test_a_stack_shares_one_fit():
    stack = np.stack([repeated(SCENE + white(10, seed=k), 2) for k in range(3)])
    result = Noise2DetailDenoiser(**EXACT).fit_transform(stack)
    assert np.std(result - repeated(SCENE, 2)) < 0.45 * 10


def test_what_was_not_repeated_alike_is_none():
    noisy = SCENE + white(10)
    assert times_repeated([repeated(noisy, 3)[None]]) == 3
    # A window may begin within a block.
    assert times_repeated([repeated(noisy, 3)[None, 1:, 2:]]) == 3
    others = [
        noisy,
        SCENE,
        np.full((64, 64), 7.0),
        np.kron(noisy, np.ones((1, 2))),
        np.kron(noisy, np.ones((3, 2))),
        repeated(noisy, 2)[:, :40],  # too little is left
        repeated(noisy, 9),
    ]
    # Enlarged by half, some pixels twice.
    index = (np.arange(180) / 1.5).astype(int)
    others.append(noisy[np.ix_(index[:120], index)])
    # Next to nothing changes, at even places by chance.
    few = np.zeros((96, 96))
    few[[11, 31, 57], [13, 41, 77]] = 1
    others.append(few)
    one_differs = repeated(noisy, 2)
    one_differs[200, 201] += 1
    others.append(one_differs)
    assert [times_repeated([image[None]]) for image in others] == [1] * len(others)


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_images_that_end_within_a_block_are_seen(cut):
    noisy = repeated(SCENE + white(10), 3)[cut:, 2:-cut]
    denoiser = Noise2DetailDenoiser(**EXACT).fit(noisy)
    assert denoiser.mixture_ == {1: 0.0, 3: 1.0}
    assert denoiser.trust_.verdict == "good"
