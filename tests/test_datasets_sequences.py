"""Generated sequences move, fire and blur as their truth says."""

import numpy as np
import pytest
from scipy import ndimage

from n2d.datasets import (
    calcium_movie,
    cell_movie,
    cell_volume,
    fluorescence_cells,
    moved_frames,
)
from n2d.datasets.movies import _deformation
from n2d.datasets.volume import _FOCUS, _photographed


def correlation(a, b):
    return np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]


def test_a_wave_moves_by_as_much_as_it_is_told():
    y, x = np.mgrid[:60, :70]

    def wave(down, right):
        return np.sin(0.3 * (y - down) + 0.2 * (x - right))

    shifts = np.array([(0, 0), (0.5, -1.25), (-3, 2.75)])
    frames = moved_frames(wave(0, 0), shifts, (40, 50))
    assert frames.dtype == np.float32
    for frame, shift in zip(frames, shifts, strict=True):
        np.testing.assert_allclose(frame, wave(*shift)[10:50, 10:60], atol=2e-3)


def test_whole_pixels_and_the_default_shape():
    scene = fluorescence_cells((50, 60))
    frames = moved_frames(scene, [(0, 0), (2, -3)])
    assert frames.shape == (2, 46, 54)
    np.testing.assert_allclose(frames[0], scene[2:48, 3:57], atol=1e-6)
    np.testing.assert_allclose(frames[1], scene[0:46, 6:60], atol=1e-6)


@pytest.mark.parametrize(
    ("image", "shifts", "shape", "message"),
    [
        (np.zeros(5), [(0, 0)], None, "image must have two axes"),
        (np.zeros((9, 9)), [0, 1], None, "shifts must have shape"),
        (np.zeros((9, 9)), [(0, np.nan)], None, "shifts must be finite"),
        (np.zeros((9, 9)), [(0, 5)], None, "leave nothing"),
        (np.zeros((9, 9)), [(0, 2)], (9, 6), "need a larger image"),
        (np.zeros((9, 9)), [(0, 2)], (0, 6), "at least 1 x 1"),
    ],
)
def test_what_cannot_be_moved_is_refused(image, shifts, shape, message):
    with pytest.raises(ValueError, match=message):
        moved_frames(image, shifts, shape)


@pytest.mark.parametrize("deformation", [0.0, 0.6])
def test_cells_are_where_the_motion_has_brought_them(deformation):
    movie = cell_movie(6, (90, 80), drift=(1.3, -0.7), deformation=deformation)
    assert movie.frames.shape == (6, 90, 80)
    assert movie.frames.dtype == np.float32
    assert not movie.motion[0].any()
    y, x = np.mgrid[:90, :80]
    for frame, (down, right) in zip(movie.frames, movie.motion, strict=True):
        # what is seen here was there in the first frame, as far as that shows it
        at = np.array([y - down, x - right])
        brought = ndimage.map_coordinates(movie.frames[0], at, order=3)
        seen = (at[0] > 3) & (at[0] < 86) & (at[1] > 3) & (at[1] < 76)
        assert seen.mean() > 0.6
        np.testing.assert_allclose(frame[seen], brought[seen], atol=0.01)
    speed = np.diff(movie.motion, axis=0).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(speed, (1.3, -0.7), atol=max(1e-6, 1.5 * deformation))


def test_a_deformation_is_as_fast_as_it_is_told():
    rng = np.random.default_rng(0)
    fields = np.array([_deformation(25, (160, 160), 0.5, rng) for _ in range(3)])
    speeds = np.diff(fields, axis=1)
    assert np.sqrt(np.mean(speeds**2)) == pytest.approx(0.5, rel=0.2)
    np.testing.assert_allclose(fields[:, 24], fields[:, 0], atol=1e-9)


def test_bleaching_takes_its_share_of_every_frame():
    kept = cell_movie(5, (60, 60), drift=(0, 0))
    movie = cell_movie(5, (60, 60), drift=(0, 0), bleaching=0.1)
    share = 0.9 ** np.arange(5)[:, None, None]
    np.testing.assert_allclose(movie.frames, kept.frames * share, rtol=1e-5)


def test_spots_blink_where_and_when_they_are_said_to():
    settings = {"drift": (0.4, 0.8), "deformation": 0.3, "rng": 2}
    dark = cell_movie(12, (100, 100), **settings)
    movie = cell_movie(12, (100, 100), n_blinking=4, **settings)
    assert movie.traces.shape == (4, 12)
    assert movie.positions.shape == (4, 12, 2)
    spots = movie.frames - dark.frames
    assert np.all(movie.traces >= 0)
    assert 0.2 < (movie.traces > 0).mean() < 0.8
    for t in range(12):
        drawn = np.zeros((100, 100))
        for (row, column), bright in zip(
            movie.positions[:, t], movie.traces[:, t], strict=True
        ):
            y, x = np.ogrid[:100, :100]
            away = (y - row) ** 2 + (x - column) ** 2
            drawn += bright * np.exp(-0.5 * away / 1.4**2)
        np.testing.assert_allclose(spots[t], drawn, atol=0.03)


def test_cells_shine_as_their_traces_say():
    movie = calcium_movie(30, (120, 120), n_cells=12, rng=1)
    assert movie.labels.max() == 12
    assert movie.traces.shape == (12, 30)
    assert movie.traces.min() >= 1
    assert not movie.motion.any()
    assert movie.frames.min() >= 0
    active = np.ptp(movie.traces, axis=1) > 0.05
    assert active.sum() >= 6
    for cell in np.nonzero(active)[0]:
        inside = movie.frames[:, movie.labels == cell + 1].mean(axis=1)
        assert correlation(inside, movie.traces[cell]) > 0.98
        row, column = movie.positions[cell, 0]
        assert movie.labels[round(row), round(column)] == cell + 1
    ground = movie.frames[:, movie.labels == 0]
    assert np.median(np.ptp(ground, axis=0)) == pytest.approx(0, abs=1e-6)


def test_planes_are_alike_within_the_axial_resolution_and_not_beyond():
    planes = cell_volume(9, (96, 96), step=3, axial_fwhm=6)
    assert planes.shape == (9, 96, 96)
    assert planes.dtype == np.float32
    assert planes.min() >= 0
    alike = [
        np.mean([correlation(planes[i], planes[i + far]) for i in range(9 - far)])
        for far in range(5)
    ]
    assert np.all(np.diff(alike) < 0)
    assert alike[1] > 0.8
    assert alike[4] < 0.7
    thick = cell_volume(9, (96, 96), step=3, axial_fwhm=18)
    assert correlation(thick[3], thick[5]) > alike[2]


def test_a_point_is_blurred_as_two_gaussian_beams_would():
    scene = np.zeros((41, 64, 64))
    scene[20, 32, 32] = 1
    fwhm = 8.0
    planes = _photographed(scene, np.arange(41), 1.0, fwhm / 1.287)
    response = planes[:, 32, 32] / planes[20, 32, 32]
    assert response[16] == pytest.approx(0.5, abs=0.01)
    assert response[24] == pytest.approx(0.5, abs=0.01)
    away = np.arange(64) - 32.0
    for z in (0, 6):
        profile = planes[20 + z].sum(axis=0)
        width = np.sqrt(np.sum(profile * away**2) / profile.sum())
        expected = _FOCUS * np.sqrt(1 + (z * 1.287 / fwhm) ** 2)
        assert width == pytest.approx(expected, rel=0.01)


def test_finer_planes_show_the_same_response():
    coarse = cell_volume(3, (64, 64), step=2.5, axial_fwhm=5)
    assert np.isfinite(coarse).all()
    assert 0.1 < coarse.max() < 10


MAKERS = {
    "cells": lambda n=3, shape=(40, 50), **more: cell_movie(n, shape, **more).frames,
    "calcium": lambda n=3, shape=(40, 50), **more: (
        calcium_movie(n, shape, n_cells=4, **more).frames
    ),
    "volume": lambda n=3, shape=(40, 50), **more: cell_volume(n, shape, **more),
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_maker
def test_sequences_are_the_same_each_time_and_differ_between_seeds(make):
    assert np.array_equal(make(rng=0), make(rng=np.random.default_rng(0)))
    assert np.abs(make(rng=0) - make(rng=1)).max() > 0.02


@every_maker
def test_small_and_odd_shapes(make):
    for shape in ((1, 1), (31, 47), (7, 3)):
        frames = make(2, shape)
        assert frames.shape == (2, *shape)
        assert np.isfinite(frames).all()


@every_maker
def test_bad_sizes_are_named(make):
    with pytest.raises(ValueError, match=r"n_\w+ must be at least 1"):
        make(0)
    with pytest.raises(TypeError, match=r"n_\w+ must be an integer"):
        make(2.5)
    with pytest.raises(TypeError, match="shape must be two integers"):
        make(2, 5)


@pytest.mark.parametrize(
    ("make", "parameters", "name"),
    [
        (cell_movie, {"drift": 0.5}, "drift"),
        (cell_movie, {"drift": (0, np.inf)}, "drift"),
        (cell_movie, {"deformation": -1}, "deformation"),
        (cell_movie, {"bleaching": 1}, "bleaching"),
        (cell_movie, {"n_blinking": -1}, "n_blinking"),
        (calcium_movie, {"n_cells": 0}, "n_cells"),
        (cell_volume, {"step": 0}, "step"),
        (cell_volume, {"axial_fwhm": np.nan}, "axial_fwhm"),
    ],
)
def test_bad_parameters_are_named(make, parameters, name):
    with pytest.raises(ValueError, match=name):
        make(2, (20, 20), **parameters)
