"""The bundled scene and the training scenes."""

import numpy as np
import pytest

from n2d.datasets import fluorescence_cells


def test_scene_is_clean_and_in_range():
    scene = fluorescence_cells()
    assert scene.shape == (256, 256)
    assert scene.dtype == np.float32
    assert scene.min() >= 0
    assert 0.7 < scene.max() <= 1


def test_scene_is_mostly_dark_with_bright_structures():
    scene = fluorescence_cells()
    assert np.median(scene) < 0.15
    assert np.mean(scene > 0.4) > 0.02


def test_scene_is_blurred_not_noisy():
    scene = fluorescence_cells().astype(float)
    # A point spread function of a pixel leaves next to nothing at the highest
    # frequencies; white noise would hold half of its energy there.
    power = np.abs(np.fft.fft2(scene - scene.mean())) ** 2
    fy, fx = np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :]
    high = np.hypot(fy, fx) > 0.35
    # The wrap-around of the FFT is most of what is left.
    assert power[high].sum() / power.sum() < 2e-3


def test_same_seed_same_scene_other_seed_another():
    np.testing.assert_array_equal(fluorescence_cells(rng=3), fluorescence_cells(rng=3))
    assert np.abs(fluorescence_cells(rng=3) - fluorescence_cells(rng=4)).mean() > 0.01


def test_generator_is_accepted_and_advanced():
    rng = np.random.default_rng(5)
    first, second = (fluorescence_cells((40, 40), rng=rng) for _ in range(2))
    np.testing.assert_array_equal(first, fluorescence_cells((40, 40), rng=5))
    assert np.any(first != second)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 7), (130, 257)])
def test_any_shape(shape):
    scene = fluorescence_cells(shape)
    assert scene.shape == shape
    assert np.isfinite(scene).all()


@pytest.mark.parametrize("shape", [(0, 5), (5,), (5, 5, 3), 7, (2.5, 3), "ab", (-1, 4)])
def test_bad_shape_is_refused(shape):
    with pytest.raises(ValueError, match="shape must be two positive integers"):
        fluorescence_cells(shape)
