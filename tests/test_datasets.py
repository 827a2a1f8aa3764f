"""Generated scenes are what they promise, everywhere and every time."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from n2d.datasets import SCENE_KINDS, fluorescence_cells, scenes, training_scene
from n2d.datasets._draw import blob, curves, fractal_field, smooth_field, splat
from n2d.datasets._electron import _circuit, _glow
from n2d.datasets._lattices import _sites, crystal, grating
from n2d.datasets._leaves import halve, polygon
from n2d.datasets._textures import (
    _LETTERS,
    _PATTERNS,
    _faded,
    _glyphs,
    edge,
    pattern,
    plane,
    strands,
    worley,
    writing,
)


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
@pytest.mark.parametrize("seed", range(4))
def test_scenes_of_every_kind_fill_the_unit_range(kind, seed):
    scene = training_scene((72, 96), kind=kind, rng=seed)
    assert scene.shape == (72, 96)
    assert scene.dtype == np.float32
    assert scene.min() == 0
    assert np.array_equal(scene, training_scene((72, 96), kind=kind, rng=seed))
    if kind == "simple" and scene.max() == 0:
        return  # a constant is one of them
    assert scene.max() == 1
    assert scene.std() > 0.002


def test_kinds_are_drawn_as_often_as_planned():
    shares = [share for _, share in scenes._KINDS.values()]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0


def test_scenes_are_the_same_each_time_and_all_different():
    drawn = [training_scene((64, 64), rng=[7, i]) for i in range(12)]
    again = [training_scene((64, 64), rng=[7, i]) for i in range(12)]
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))
    assert len({scene.tobytes() for scene in drawn}) == 12


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


def radial_power(image):
    """Power over frequency in cycles per pixel: (frequencies, mean power there)."""
    image = (image - image.mean()) * np.outer(*(np.hanning(n) for n in image.shape))
    power = np.abs(np.fft.fft2(image)) ** 2
    rows, cols = (np.fft.fftfreq(n) for n in image.shape)
    ring = np.round(np.hypot(rows[:, None], cols[None]) * image.shape[0]).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    return np.arange(len(mean)) / image.shape[0], mean


@pytest.mark.parametrize("period", [2.5, 3.0, 5.0, 8.0, 13.0, 20.0])
@pytest.mark.parametrize("seed", range(4))
def test_crystals_have_a_spectral_peak_at_their_period(period, seed):
    """In one grain or several, whatever the orientation."""
    cell = period * np.eye(2)
    rng = np.random.default_rng(seed)
    frequencies, power = radial_power(crystal((240, 240), period, rng, cell))
    usable = (frequencies > 0.5 / period) & (frequencies < 0.5)
    found = frequencies[usable][np.argmax(power[usable])]
    assert found == pytest.approx(1 / period, abs=1.5 / 240)


def test_random_crystals_are_more_periodic_than_clouds():
    """Their spectra have peaks that stand out of what lies at like frequencies."""

    def peak(image):
        power = np.abs(np.fft.fft2(image)) ** 2
        rows, cols = (np.fft.fftfreq(n) for n in image.shape)
        frequency = np.hypot(rows[:, None], cols[None])
        around = power[(frequency > 0.1) & (frequency < 0.3)]
        return around.max() / np.median(around)

    crystals = [
        peak(crystal((128, 128), 7.0, np.random.default_rng(i))) for i in range(12)
    ]
    clouds = [
        peak(fractal_field((128, 128), 1, 5, 1.0, np.random.default_rng(i)))
        for i in range(12)
    ]
    assert np.median(crystals) > 3 * np.median(clouds)


def test_lattice_sites_fill_the_plane_once():
    vectors = np.array([[5.0, 1.0], [0.5, 7.0]])
    at = _sites((200, 260), vectors, (0.25, 0.5))
    inside = np.all((at >= 0) & (at < (200, 260)), 1)
    expected = 200 * 260 / np.linalg.det(vectors)
    assert inside.sum() == pytest.approx(expected, rel=0.02)
    # each differs from the first by whole lattice vectors
    steps = np.linalg.solve(vectors, (at - at[0]).T)
    assert np.abs(steps - np.round(steps)).max() < 1e-9


def test_gratings_have_values_of_both_signs_within_their_range():
    for seed in range(8):
        wave = grating((90, 100), 9.0, np.random.default_rng(seed))
        assert wave.shape == (90, 100)
        assert np.abs(wave).max() <= 1 + 1e-9
        assert abs(wave.mean()) < 0.4


def test_edges_cover_the_area_of_their_half_plane():
    y, x = np.mgrid[:60, :60]
    for angle in (0.0, 0.3, 1.1):
        away = np.cos(angle) * (y - 30.2) + np.sin(angle) * (x - 29.7)
        sharp, soft = edge(away, 1.0), edge(away, 6.0)
        assert sharp.sum() == pytest.approx((away > 0).sum(), abs=60 * 0.6)
        assert soft.sum() == pytest.approx(sharp.sum(), rel=0.01)
        assert np.all(np.diff(edge(np.linspace(-2, 2, 50), 1.0)) >= 0)


def test_polygons_hold_their_centre_and_end_within_their_reach():
    rng = np.random.default_rng(3)
    for _ in range(20):
        window, mask = polygon((80, 90), (40, 45), (20.0, 12.0), 0.4, rng)
        whole = np.zeros((80, 90))
        whole[window] = mask
        assert whole[40, 45] == 1
        assert 0 < whole.sum() < 41 * 41 * 2.3


def test_planes_seen_straight_are_not_distorted():
    u, v, pixel = plane((40, 50), np.random.default_rng(0), lean=0.0)
    for axis in (0, 1):
        steps = np.diff(u, axis=axis) ** 2 + np.diff(v, axis=axis) ** 2
        assert steps == pytest.approx(1)
    assert np.allclose(pixel, 1)


def test_leaning_planes_are_finer_on_one_side_and_know_the_size_of_a_pixel():
    u, v, pixel = plane((120, 160), np.random.default_rng(1), lean=0.7)
    step = np.hypot(np.diff(u, axis=1)[:-1], np.diff(v, axis=1)[:-1])
    down = np.hypot(np.diff(u, axis=0)[:, :-1], np.diff(v, axis=0)[:, :-1])
    size = np.sqrt(step * down)
    assert size.max() > 3 * size.min()
    ratio = size / np.broadcast_to(pixel, u.shape)[:-1, :-1]
    assert 0.4 < ratio.min() <= ratio.max() < 2.5


def test_patterns_fade_where_pixels_are_too_coarse_for_them():
    image = np.random.default_rng(0).uniform(size=(30, 30))
    assert np.ptp(_faded(image, np.full((30, 30), 0.6))) == pytest.approx(0)
    assert np.array_equal(_faded(image, np.full((30, 30), 0.2)), image)


@pytest.mark.parametrize("painter", set(_PATTERNS), ids=lambda p: p.__name__)
def test_patterns_are_normal_and_repeat_near_their_period(painter):
    rng = np.random.default_rng(5)
    image = pattern((128, 128), rng, 9, 12, only=[painter], lean=0.0)
    assert np.isfinite(image).all()
    assert image.mean() == pytest.approx(0, abs=1e-9)
    assert image.std() == pytest.approx(1)
    frequencies, power = radial_power(image)
    # what is smaller than a quarter of the period carries less than what is larger
    assert power[frequencies > 0.35].mean() < 0.2 * power[1:40].mean()


def test_cells_without_jitter_are_squares():
    u, v = np.random.default_rng(0).uniform(3, 40, (2, 50, 50))
    first, second, tone, du, dv = worley(u, v, np.random.default_rng(1), jitter=0.0)
    to_centre = [np.abs(w - np.floor(w) - 0.5) for w in (u, v)]
    assert first == pytest.approx(np.hypot(*to_centre), abs=1e-5)
    assert np.hypot(du, dv) == pytest.approx(first, abs=1e-5)
    larger, smaller = np.maximum(*to_centre), np.minimum(*to_centre)
    assert second == pytest.approx(np.hypot(1 - larger, smaller), abs=1e-5)
    cells = np.stack([np.floor(u), np.floor(v)], -1).reshape(-1, 2)
    _, owner = np.unique(cells, axis=0, return_inverse=True)
    order = np.argsort(owner)
    same = np.diff(owner[order]) == 0
    assert np.all(np.diff(tone.ravel()[order])[same] == 0)


def test_a_strand_has_no_holes():
    drawn = [
        strands(
            (100, 100),
            np.random.default_rng(seed),
            60,
            40,
            9,
            turn=(0.0, 0.0, 0.0),
            ground=-9.0,
        )
        > -4
        for seed in range(6)
    ]
    holes = [ndimage.binary_fill_holes(d) & ~d for d in drawn]
    small = sum((ndimage.sum_labels(h, *ndimage.label(h)) < 1.5).sum() for h in holes)
    assert all(d.mean() > 0.15 for d in drawn)
    assert small <= 2


def test_strands_leave_the_ground_between_them():
    ground = np.random.default_rng(0).uniform(size=(70, 80))
    few = strands((70, 80), np.random.default_rng(1), 3, 20, 2, ground=ground)
    same = np.isclose(few, ground, atol=1e-6)
    assert 0.7 < same.mean() < 1


def test_letters_differ_from_each_other():
    masks = _glyphs(24, 3.0, np.random.default_rng(0))
    assert len(masks) == len(_LETTERS.split(";"))
    for i, mask in enumerate(masks):
        assert 0.05 < mask.mean() < 0.6
        for other in masks[:i]:
            assert np.abs(mask - other).sum() > 10  # as C from G


def test_writing_comes_in_lines():
    page = writing((200, 200), np.random.default_rng(2), height=14)
    assert page.min() == 0
    assert page.max() == 1
    assert 0.03 < page.mean() < 0.5
    blank = page.max(1) == 0
    assert 4 < np.count_nonzero(np.diff(blank.astype(int)) == 1) < 15


def test_steep_places_glow_in_electron_micrographs():
    y, x = np.mgrid[:120, :120] - 60.0
    ball = np.sqrt(np.clip(50**2 - y**2 - x**2, 1, None))
    image = _glow(ball, np.random.default_rng(0))
    away = np.hypot(y, x)
    assert image[(away > 40) & (away < 48)].mean() > 1.2 * image[away < 15].mean()


def test_circuits_without_edges_are_no_division_by_zero():
    flat = _circuit((64, 64), np.random.default_rng(112))
    assert np.isfinite(flat).all()
    assert np.ptp(flat) == 0


def test_photograph_like_scenes_have_the_spectrum_of_natural_images():
    """Power falls about with the square of the frequency (Field 1987)."""
    powers = []
    for kind in ("objects", "street", "landscape", "vegetation", "dead leaves"):
        for seed in range(8):
            scene = training_scene((128, 128), kind=kind, rng=[11, seed]).astype(float)
            frequencies, power = radial_power(scene / scene.std())
            powers.append(power[3:50])
    slope = np.polyfit(np.log(frequencies[3:50]), np.log(np.mean(powers, 0)), 1)[0]
    assert -3 < slope < -1.5


def test_sparse_scenes_are_mostly_empty():
    drawn = [training_scene((96, 96), kind="sparse", rng=i) for i in range(20)]
    assert np.median([np.median(scene) for scene in drawn]) < 0.05
    assert np.mean([(scene > 0.3).mean() for scene in drawn]) < 0.15


def test_simple_scenes_are_smooth_nearly_everywhere():
    drawn = [training_scene((96, 96), kind="simple", rng=i) for i in range(30)]
    assert any(np.ptp(scene) == 0 for scene in drawn)
    steps = [np.hypot(*np.gradient(scene.astype(float))) for scene in drawn]
    assert np.mean([(step < 0.05).mean() for step in steps]) > 0.93


def test_layers_lie_on_top_of_each_other():
    drawn = [training_scene((96, 96), kind="layers", rng=i) for i in range(12)]
    down = np.mean([scene.mean(1).std() for scene in drawn])
    across = np.mean([scene.mean(0).std() for scene in drawn])
    assert down > 1.8 * across
