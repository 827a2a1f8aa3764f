"""Generated scenes are what they promise, everywhere and every time."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from n2d.datasets import SCENE_KINDS, fluorescence_cells, training_scene
from n2d.datasets._draw import blob, curves, fractal_field, smooth_field, splat
from n2d.datasets._leaves import halve


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 7), (256, 256), (40, 300)])
def test_cells_have_the_shape_asked_for_and_lie_in_the_unit_range(shape):
    clean = fluorescence_cells(shape)
    assert clean.shape == shape
    assert clean.dtype == np.float32
    assert 0 <= clean.min() <= clean.max() <= 1


def test_cells_are_the_same_each_time_and_differ_between_seeds():
    first = fluorescence_cells((96, 96))
    assert np.array_equal(first, fluorescence_cells((96, 96), rng=0))
    generator = np.random.default_rng(0)
    assert np.array_equal(first, fluorescence_cells((96, 96), rng=generator))
    assert np.abs(first - fluorescence_cells((96, 96), rng=1)).mean() > 0.02


def test_cells_look_like_fluorescence():
    """Mostly dark, some bright, hardly saturated, blurred below the pixel grid."""
    clean = fluorescence_cells((512, 512)).astype(float)
    assert np.median(clean) < 0.15
    assert np.percentile(clean, 99.5) > 0.5
    assert np.mean(clean == 1) < 0.002
    # A point spread function leaves hardly any power near the Nyquist frequency.
    power = np.abs(np.fft.fft2(clean - clean.mean())) ** 2
    frequency = np.abs(np.fft.fftfreq(512))
    finest = np.maximum(frequency[:, None], frequency[None]) > 0.4
    assert power[finest].sum() < 1e-3 * power.sum()


def test_cells_are_equally_bright_at_borders():
    """What is painted runs out of the picture instead of ending at its border."""
    stack = np.array([fluorescence_cells((128, 128), rng=i) for i in range(24)])
    rows, cols = stack.mean((0, 2)), stack.mean((0, 1))
    for profile in (rows, cols):
        border = np.concatenate([profile[:4], profile[-4:]]).mean()
        assert border == pytest.approx(profile.mean(), rel=0.25)


@pytest.mark.parametrize("shape", [5, (5,), (5.5, 4), (1, 2, 3), None, "ab"])
def test_cells_refuse_what_is_no_shape(shape):
    with pytest.raises(TypeError, match="shape must be two integers"):
        fluorescence_cells(shape)


def test_cells_refuse_an_empty_picture():
    with pytest.raises(ValueError, match="shape must be at least 1 x 1"):
        fluorescence_cells((0, 10))


@pytest.mark.parametrize("kind", SCENE_KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_scenes_of_every_kind_fill_the_unit_range(kind, seed):
    scene = training_scene((72, 96), kind=kind, rng=seed)
    assert scene.shape == (72, 96)
    assert scene.dtype == np.float32
    assert scene.min() == 0
    assert scene.max() == 1
    assert scene.std() > 0.005


def test_scenes_are_the_same_each_time_and_all_different():
    scenes = [training_scene((64, 64), rng=[7, i]) for i in range(12)]
    again = [training_scene((64, 64), rng=[7, i]) for i in range(12)]
    assert all(np.array_equal(a, b) for a, b in zip(scenes, again, strict=True))
    assert len({scene.tobytes() for scene in scenes}) == 12


def test_scenes_are_the_same_in_another_process():
    """Also where hashes of strings are salted differently."""
    code = (
        "from n2d.datasets import training_scene, fluorescence_cells as f; "
        "import hashlib as h; "
        "s = training_scene((64, 64), rng=3).tobytes() + f((32, 32)).tobytes(); "
        "print(h.sha256(s).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_scenes_refuse_unknown_kinds_and_small_shapes():
    with pytest.raises(ValueError, match="kind must be one of dead leaves"):
        training_scene(kind="photograph")
    with pytest.raises(ValueError, match="shape must be at least 64 x 64"):
        training_scene((63, 200))


def test_generators_leave_global_randomness_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    training_scene((64, 64), rng=0)
    fluorescence_cells((64, 64))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("blur", [0.5, 1.0, 3.0, 12.0])
def test_smooth_fields_have_unit_variance_and_the_length_asked_for(blur):
    rng = np.random.default_rng(0)
    fields = np.array([smooth_field((160, 160), blur, rng) for _ in range(12)])
    if blur >= 1:
        assert fields.std() == pytest.approx(1, rel=0.12)
    lag = max(1, round(blur))
    correlation = np.mean(fields[:, lag:] * fields[:, :-lag]) / fields.var()
    if blur >= 3:
        assert correlation == pytest.approx(np.exp(-((lag / blur) ** 2) / 4), abs=0.08)
    assert correlation < 0.98


def test_rougher_fields_have_more_fine_detail():
    def detail(roughness):
        field = fractal_field((256, 256), 1, 5, roughness, np.random.default_rng(1))
        return np.diff(field, axis=0).std() / field.std()

    assert detail(0.5) < detail(1.0) < detail(2.0)


def test_points_keep_their_brightness_and_centre_of_mass():
    rng = np.random.default_rng(0)
    rows, cols = rng.uniform(2, 17, (2, 50))
    values = rng.uniform(0, 1, 50)
    image = splat((20, 24), rows, cols, values)
    assert image.sum() == pytest.approx(values.sum())
    y, x = np.mgrid[:20, :24]
    assert (image * y).sum() == pytest.approx((values * rows).sum())
    assert (image * x).sum() == pytest.approx((values * cols).sum())


def test_points_outside_are_left_out():
    rows, cols = np.array([-3.0, 5.0, 99.0]), np.array([5.0, -1.0, 5.0])
    assert splat((10, 10), rows, cols, 1.0).sum() == 0


def test_straight_curves_end_where_geometry_says():
    rng = np.random.default_rng(0)
    starts = np.array([[10.0, 20.0], [30.0, 5.0]])
    angles = np.array([0.0, np.pi / 2])
    rows, cols, owner = curves(starts, angles, np.array([15.0, 8.0]), 0.0, rng)
    assert rows[owner == 0].std() == pytest.approx(0, abs=1e-9)
    assert cols[owner == 0].max() == pytest.approx(35, abs=0.6)
    assert cols[owner == 1].std() == pytest.approx(0, abs=1e-9)
    assert rows[owner == 1].max() == pytest.approx(38, abs=0.6)


def test_blobs_have_the_area_of_their_ellipse():
    window, mask, depth = blob(
        (80, 80), (40.3, 38.9), (20.0, 9.0), 0.7, 0.0, 1.0, np.random.default_rng(0)
    )
    assert mask.sum() == pytest.approx(np.pi * 20 * 9, rel=0.02)
    whole = np.zeros((80, 80))
    whole[window] = mask
    assert ndimage.center_of_mass(whole) == pytest.approx((40.3, 38.9), abs=0.05)
    assert depth.max() == pytest.approx(1, abs=0.1)


def test_blobs_outside_have_no_window():
    _, mask, _ = blob(
        (40, 40), (-90.0, 10.0), (9.0, 9.0), 0.0, 0.1, 1.0, np.random.default_rng(0)
    )
    assert mask.size == 0


def test_halving_keeps_the_mean():
    image = np.random.default_rng(0).uniform(size=(20, 30))
    assert halve(image).shape == (10, 15)
    assert halve(image).mean() == pytest.approx(image.mean())
