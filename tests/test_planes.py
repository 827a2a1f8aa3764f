"""Stacks whose planes have different noise: each its own, and one fit otherwise."""

import functools
import pickle

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2d import Noise2DetailDenoiser, NoiseWarning
from n2d.core.progress import Cancelled
from n2d.fitting import planes as planes_room
from n2d.io import read_image, write_image
from n2d.model_file import ModelFileError
from n2d.noise import NoiseModel


def _scene(seed, side=128):
    """Smooth blobs with edges, from 0 to 100."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 6)
    field = field / field.std()
    return 50 + 20 * np.tanh(field) + 30 * (field > 0.8)


def _noisy(levels, seed=0, side=128):
    rng = np.random.default_rng(seed)
    clean = np.stack([_scene(k, side) for k in range(len(levels))])
    return clean, clean + rng.normal(size=clean.shape) * np.array(levels)[:, None, None]


def _denoiser(**parameters):
    return Noise2DetailDenoiser(random_state=0, **parameters)


def _error(clean, estimate):
    """In decibels, relative to 1."""
    return 10 * np.log10(np.mean((np.asarray(estimate, float) - clean) ** 2))


@pytest.fixture(scope="module")
def loud():
    """A stack with one loud plane, and the denoiser fitted to it."""
    clean, noisy = _noisy([5, 5, 25, 5])
    return clean, noisy, _denoiser().fit(noisy)


@pytest.fixture(scope="module")
def whole(loud):
    """What `transform` makes of that stack."""
    return loud[2].transform(loud[1])


def test_equal_noise_is_one_fit_to_the_bit(monkeypatch):
    _, noisy = _noisy([8, 8, 8, 8])
    denoiser = _denoiser()
    found = denoiser.fit_transform(noisy)
    assert isinstance(denoiser.noise_, NoiseModel)
    monkeypatch.setattr(planes_room, "_differing", lambda *arguments: {})
    assert np.array_equal(found, _denoiser().fit_transform(noisy))


def test_photon_noise_of_bright_and_dark_planes_is_one_fit():
    bright = np.array([0.3, 1.0, 3.0, 6.0])[:, None, None]
    clean = bright * np.stack([_scene(k) for k in range(4)])
    noisy = np.random.default_rng(1).poisson(clean).astype(float)
    assert isinstance(_denoiser().fit(noisy).noise_, NoiseModel)


def test_each_plane_is_as_good_as_alone(loud, whole):
    clean, noisy, denoiser = loud
    assert isinstance(denoiser.noise_, list)
    assert denoiser.noise_[2].level == pytest.approx(25, rel=0.1)
    for k in range(len(noisy)):
        alone = _denoiser().fit_transform(noisy[k])
        assert _error(clean[k], whole[k]) < _error(clean[k], alone) + 0.3


def test_the_order_of_planes_does_not_matter(loud, whole):
    clean, noisy, _ = loud
    order = [2, 0, 3, 1]
    found = _denoiser().fit_transform(noisy[order])
    for k, plane in zip(order, found, strict=True):
        expected = _error(clean[k], whole[k])
        assert _error(clean[k], plane) == pytest.approx(expected, abs=0.1)


def test_fit_transform_is_fit_then_transform(loud, whole):
    assert np.array_equal(_denoiser().fit_transform(loud[1]), whole)


def test_dead_planes_stay_constant_and_spoil_nothing():
    clean, noisy = _noisy([10, 10, 10, 10])
    noisy[1], noisy[3] = 0, 77
    denoiser = _denoiser()
    found = denoiser.fit_transform(noisy)
    assert (found[1] == 0).all()
    assert (found[3] == 77).all()
    assert denoiser.noise_[1].level == 0
    for k in (0, 2):
        alone = _denoiser().fit_transform(noisy[k])
        assert _error(clean[k], found[k]) < _error(clean[k], alone) + 0.3


@functools.cache
def _six(photons):
    clean = np.stack([_scene(k, 96) for k in range(6)])
    rng = np.random.default_rng(4)
    noisy = rng.poisson(clean).astype(float) if photons else rng.normal(clean, 8)
    return clean, noisy


@functools.cache
def _one_of_six(photons, k):
    """The error of a plane that is denoised alone, and the level of its noise."""
    clean, noisy = (planes[k] for planes in _six(photons))
    alone = _denoiser().fit(noisy)
    return _error(clean, alone.transform(noisy)), alone.noise_.level


@pytest.mark.parametrize("where", [[0], [4], [0, 5]])
@pytest.mark.parametrize("photons", [False, True])
@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")  # of the clean ones
def test_planes_without_noise_do_not_decide_for_the_others(where, photons):
    clean, noisy = _six(photons)
    noisy = noisy.copy()
    noisy[where] = clean[where]
    denoiser = _denoiser()
    found = denoiser.fit_transform(noisy)
    for k in range(6):
        if k in where:
            assert np.std(found[k] - clean[k]) < 0.3
            assert denoiser.noise_[k].level < 0.3
            continue
        error, level = _one_of_six(photons, k)
        assert _error(clean[k], found[k]) < error + 0.3
        assert denoiser.noise_[k].level == pytest.approx(level, rel=0.1)
    pooled = denoiser.for_all_planes().noise_
    assert pooled.level == pytest.approx(level, rel=0.15)


@pytest.mark.parametrize("little", [5, 13])
@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")  # of one with texture
def test_a_plane_with_less_noise_does_not_decide_for_the_others(little):
    clean, noisy = _noisy([20, 20, little, 20, 20], side=96)
    denoiser = _denoiser()
    found = denoiser.fit_transform(noisy)
    for k in range(5):
        alone = _denoiser().fit_transform(noisy[k])
        assert _error(clean[k], found[k]) < _error(clean[k], alone) + 0.4


@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")
def test_most_planes_without_noise_do_not_decide_either():
    clean, noisy = _noisy([0, 0, 8, 0, 8, 0], side=96)
    denoiser = _denoiser()
    found = denoiser.fit_transform(noisy)
    for k in (2, 4):
        assert denoiser.noise_[k].level == pytest.approx(8, rel=0.15)
        assert np.std(found[k] - clean[k]) < 3
    for k in (0, 1, 3, 5):
        assert np.std(found[k] - clean[k]) < 0.3


@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")
def test_of_many_planes_a_clean_one_spoils_nothing():
    levels = np.full(24, 8.0)  # more than are measured one by one
    levels[17] = 0
    clean, noisy = _noisy(levels, side=96)
    denoiser = _denoiser()
    found = denoiser.fit_transform(noisy)
    assert np.std(found[17] - clean[17]) < 0.3
    for k in (3, 16, 18, 23):
        assert np.std(found[k] - clean[k]) < 3, k


def test_what_is_no_plane_of_it_gets_the_noise_of_all(loud, whole):
    _, noisy, denoiser = loud
    stripped = denoiser.for_all_planes()
    for X in (noisy[2], noisy[:3], noisy[:, :100]):
        assert np.array_equal(denoiser.transform(X), stripped.transform(X))
    assert not np.array_equal(whole, stripped.transform(noisy))


def test_some_planes_alone_give_the_same_bits(loud, whole):
    _, noisy, denoiser = loud
    some = denoiser.for_planes([3, 2])
    assert np.array_equal(some.transform(noisy[[3, 2]]), whole[[3, 2]])
    assert [model.level for model in some.noise_] == [
        denoiser.noise_[k].level for k in (3, 2)
    ]


def test_regions_outputs_and_stages_know_the_plane(loud, whole):
    _, noisy, denoiser = loud
    region = np.s_[32:96, 16:100]
    assert np.allclose(
        denoiser.transform(noisy, region=region), whole[:, *region], atol=1e-3
    )
    out = np.empty_like(whole)
    denoiser.transform(noisy, out=out)
    assert np.array_equal(out, whole)
    assert np.array_equal(denoiser.transform_stages(noisy).stage3, whole)


@pytest.mark.parametrize("chunks", [(1, 128, 128), (3, 64, 128), (4, 128, 128)])
def test_dask_blocks_know_the_plane(loud, whole, chunks):
    dask_array = pytest.importorskip("dask.array")
    _, noisy, denoiser = loud
    lazy = denoiser.transform(dask_array.from_array(noisy, chunks))
    assert np.array_equal(lazy.compute(scheduler="sync"), whole)


def test_lists_of_lazy_images_know_the_plane(loud):
    dask_array = pytest.importorskip("dask.array")
    _, noisy, denoiser = loud
    lazy = denoiser.transform([dask_array.from_array(plane) for plane in noisy])
    for found, expected in zip(lazy, denoiser.transform(list(noisy)), strict=True):
        assert np.array_equal(found.compute(scheduler="sync"), expected)


def test_pickles_and_clones(loud, whole):
    _, noisy, denoiser = loud
    again = pickle.loads(pickle.dumps(denoiser))
    assert np.array_equal(again.transform(noisy), whole)
    networks = [plane.stages.networks[0] for plane in again._planes if plane]
    assert all(network is again.networks_[0] for network in networks)
    refitted = denoiser.__sklearn_clone__().fit(noisy)
    assert np.array_equal(refitted.transform(noisy), whole)


def test_a_new_fit_forgets_the_planes(loud):
    _, noisy, denoiser = loud
    denoiser = pickle.loads(pickle.dumps(denoiser)).fit(noisy[0])
    assert isinstance(denoiser.noise_, NoiseModel)
    alone = _denoiser().fit(noisy[0])
    with pytest.warns(NoiseWarning, match="does not suit"):
        found, expected = denoiser.transform(noisy[1:3]), alone.transform(noisy[1:3])
    assert np.array_equal(found, expected)


def test_images_of_different_sizes_and_noise():
    clean = [_scene(0, 96), _scene(1, 160)]
    rng = np.random.default_rng(2)
    noisy = [
        image + rng.normal(0, level, image.shape)
        for image, level in zip(clean, (3, 20), strict=True)
    ]
    denoiser = _denoiser()
    found = denoiser.fit_transform(noisy)
    for truth, one, estimate in zip(clean, noisy, found, strict=True):
        alone = _denoiser().fit_transform(one)
        assert _error(truth, estimate) < _error(truth, alone) + 0.3


def test_channels_have_each_a_model():
    clean, noisy = _noisy([5, 20])
    rng = np.random.default_rng(3)
    two = np.stack([noisy, clean + rng.normal(0, 5, clean.shape)], axis=-1)
    denoiser = _denoiser(channel_axis=-1).fit(two)
    assert [len(models) for models in denoiser.noise_] == [2, 2]
    assert denoiser.noise_[1][0].level == pytest.approx(20, rel=0.15)


def test_of_many_planes_a_loud_one_is_found():
    levels = np.full(24, 5.0)
    levels[17] = 30
    clean, noisy = _noisy(levels, side=96)
    denoiser = _denoiser()
    found = denoiser.fit_transform(noisy)
    for k in (3, 17, 18):
        alone = _denoiser().fit_transform(noisy[k])
        assert _error(clean[k], found[k]) < _error(clean[k], alone) + 0.5


def test_cancelling_leaves_the_estimator_as_it_was(loud):
    _, noisy, _ = loud
    denoiser = _denoiser()

    def cancels(progress):
        return progress.stage == planes_room.MEASURING_PLANES

    with pytest.raises(Cancelled):
        denoiser.fit(noisy, callback=cancels)
    assert not hasattr(denoiser, "noise_")


def test_a_model_file_says_that_it_cannot_hold_the_planes(loud, tmp_path):
    with pytest.raises(ModelFileError, match="every single plane"):
        loud[2].save(tmp_path / "model.n2d")
    every = loud[2].for_all_planes()
    every.save(tmp_path / "model.n2d")
    again = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    assert isinstance(again.noise_, NoiseModel)
    assert np.array_equal(again.transform(loud[1]), every.transform(loud[1]))


def test_trust_is_of_each_plane(loud):
    _, _, denoiser = loud
    assert denoiser.trust_.whole
    assert len(denoiser.trust_.images) == 4
    assert denoiser.trust_.verdict == "good"


def test_a_file_keeps_the_noise_of_its_planes(loud, tmp_path, monkeypatch):
    from n2d.files import _pieces, denoise_file

    noisy = loud[1]
    write_image(tmp_path / "noisy.tif", noisy.astype(np.float32), axes="TYX")
    monkeypatch.setattr(_pieces, "_MOST_PLANES", 3)  # batches of 3 and 1
    paths = tmp_path / "noisy.tif", tmp_path / "clean.tif"
    denoise_file(*paths, random_state=0, stack="independent")
    found = read_image(tmp_path / "clean.tif").data
    expected = _denoiser().fit_transform(noisy.astype(np.float32))
    assert np.array_equal(found, expected)


# Told too little for the second plane, grains of its noise stay, and are told of.
@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")
def test_a_told_noise_is_that_of_all_planes():
    _, noisy = _noisy([5, 25])
    assert isinstance(_denoiser(noise=5.0).fit(noisy).noise_, NoiseModel)
