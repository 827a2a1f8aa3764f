"""Channels without noise stay as they are, to the bit, and move no other one."""

import numpy as np
import pytest

from n2d import Noise2DetailDenoiser
from n2d.fitting.quiet import some_noisy
from n2d.model_file import ModelFileError
from n2d.model_file.fields import Fields
from n2d.model_file.state import _intensities as restored
from n2d.model_selection import self_supervised_score
from n2d.noise import Defects, NoiseModel

SIDE = 96
Y, X = np.mgrid[:SIDE, :SIDE]
SCENE = 80 + 60 * np.sin(Y / 9) * np.cos(X / 13)
# Edges as sharp as can be, at places where the other channel has some.
LABELS = np.where(SCENE > 100, 255.0, 0.0)


def noisy(seed=0, sd=15.0, at=1):
    """A channel with noise, and labels in front of or behind it."""
    channel = np.random.default_rng(seed).normal(SCENE, sd)
    return np.stack([channel, LABELS] if at else [LABELS, channel])


def fitted(image, **parameters):
    return Noise2DetailDenoiser(
        channel_axis=parameters.pop("channel_axis", 0), random_state=0, **parameters
    ).fit(image)


def check(denoiser, image, result, std=None, axis=0):
    """Labels are the same, their error is 0; the other channel is denoised."""
    quiet, other = (np.take(x, 1, axis) for x in (result, image))
    np.testing.assert_array_equal(quiet, other.astype(result.dtype))
    moved = np.take(result, 0, axis) - np.take(image, 0, axis)
    assert 10 < np.std(moved) < 16
    if std is not None:
        assert np.all(np.take(std, 1, axis) == 0)
        assert np.all(np.take(std, 0, axis) > 0)


TOLD = [NoiseModel(15.0), NoiseModel(0.0)]


@pytest.mark.parametrize("noise", ["auto", TOLD])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_a_channel_without_noise_stays(noise, dtype):
    image = noisy().clip(0, 255).astype(dtype)
    denoiser = fitted(image, noise=noise)
    assert denoiser.noise_[1].level == 0
    assert len(denoiser.noise_) == 2
    check(denoiser, image, *denoiser.transform(image, return_std=True))
    assert denoiser.trust_.verdict == "good"


def test_the_others_come_out_as_they_do_alone():
    image = noisy()
    alone = Noise2DetailDenoiser(random_state=0, data_range=(-50, 300)).fit(image[0])
    for at in (0, 1):
        both = fitted(noisy(at=at), data_range=(-50, 300)).transform(noisy(at=at))
        np.testing.assert_array_equal(both[1 - at], alone.transform(image[0]))
        np.testing.assert_array_equal(both[at], LABELS)


def test_what_channels_share_is_told_of_those_that_have_noise():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 12, SCENE.shape)
    channels = [SCENE + common + rng.normal(0, 6, SCENE.shape) for _ in range(2)]
    image = np.stack([channels[0], LABELS, channels[1]])
    shared = np.eye(3)
    shared[0, 2] = shared[2, 0] = 0.8
    models = [NoiseModel(13.4, shared=shared)] * 3
    models[1] = NoiseModel(0.0)
    denoiser = fitted(image, noise=models)
    np.testing.assert_array_equal(denoiser.noise_[0].shared, shared)
    result = denoiser.transform(image)
    np.testing.assert_array_equal(result[1], LABELS)
    two = [NoiseModel(13.4, shared=shared[::2, ::2])] * 2
    alone = fitted(image[::2], noise=two, data_range=denoiser.data_range_)
    np.testing.assert_array_equal(result[::2], alone.transform(image[::2]))


def test_stages_are_mixed_without_it():
    image = noisy()
    mixed = {"downsampling_factors": (2,), "detail_max_iter": 3}
    denoiser = fitted(image, **mixed)
    check(denoiser, image, denoiser.transform(image))
    for stage in ("stage1", "stage2", "stage3"):
        np.testing.assert_array_equal(
            denoiser.transform_stages(image)[stage][1], LABELS
        )
    denoiser = fitted(image, downsampling_factors=(2,))
    check(denoiser, image, *denoiser.transform(image, return_std=True))


@pytest.mark.parametrize("parameters", [{}, {"detail_max_iter": 2}, {"noise": TOLD}])
def test_a_model_file_knows_it(tmp_path, parameters):
    image = noisy()
    denoiser = fitted(image, **parameters)
    denoiser.save(tmp_path / "model.n2d")
    again = Noise2DetailDenoiser.load(tmp_path / "model.n2d")
    np.testing.assert_array_equal(again.transform(image), denoiser.transform(image))
    check(again, image, again.transform(image))
    assert again.noise_ == denoiser.noise_


@pytest.mark.parametrize("channels", [[], [1, 0], [0, 0], [0, 1, 2], [3], [True]])
def test_a_model_file_with_other_channels_is_refused(channels):
    fields = {"data_range": [0.0, 1.0], "noise": None, "places": None}
    assert restored(Fields(fields | {"channels": [0, 2]}), {}, 3).channels == (0, 2)
    with pytest.raises(ModelFileError, match="channels must be"):
        restored(Fields(fields | {"channels": channels}), {}, 3)


def test_tiles_leave_it_alone(monkeypatch):
    image = np.moveaxis(noisy(), 0, -1)
    denoiser = fitted(image, channel_axis=-1)
    whole = denoiser.transform(image)
    check(denoiser, image, whole, axis=-1)
    part = np.s_[10:50, 33:90]
    np.testing.assert_array_equal(
        denoiser.transform(image, region=part)[..., 1], image[part][..., 1]
    )
    monkeypatch.setattr("n2d.applying.tiled._LARGEST_TILE", 32)
    result, std = denoiser.transform(image, return_std=True)
    check(denoiser, image, result, std, axis=-1)
    np.testing.assert_allclose(result, whole, atol=0.2)


def test_dask_leaves_it_alone():
    da = pytest.importorskip("dask.array")
    image = noisy()
    denoiser = fitted(image)
    lazy = da.from_array(image, chunks=(1, 40, 40))
    result, std = (x.compute() for x in denoiser.transform(lazy, return_std=True))
    check(denoiser, image, result, std)


@pytest.fixture(scope="module", params=[(15, 15, 15), (15, 6, 15, 6)])
def stack_and_denoiser(request):
    images = np.stack([noisy(seed, sd) for seed, sd in enumerate(request.param)])
    return images, fitted(images, channel_axis=1)


@pytest.mark.parametrize("stack", ["independent", "time", "depth"])
def test_stacks_leave_it_alone(stack, stack_and_denoiser):
    images, denoiser = stack_and_denoiser
    denoiser.set_params(stack=stack)  # what is fitted does not depend on it
    result, std = denoiser.transform(images, return_std=True)
    np.testing.assert_array_equal(result[:, 1], images[:, 1])
    assert (std[:, 1] == 0).all()
    assert (std[:, 0] > 0).all()
    gained = np.std(images[:, 0] - SCENE) / np.std(result[:, 0] - SCENE)
    assert gained > 3
    some = np.empty((2, SIDE, SIDE))
    denoiser.transform_some(images, {1: some})
    np.testing.assert_array_equal(some, result[1])


def test_planes_whose_noise_is_in_other_channels():
    images = np.stack([noisy(0), noisy(1), noisy(2), noisy(3, at=0)])
    denoiser = fitted(images, channel_axis=1)
    result = denoiser.transform(images)
    np.testing.assert_array_equal(result[:3, 1], images[:3, 1])
    np.testing.assert_array_equal(result[3, 0], images[3, 0])
    assert np.std(result[:3, 0] - SCENE) < 5
    assert np.std(result[3, 1] - SCENE) < 5
    pooled = denoiser.for_all_planes()
    assert len(pooled.noise_) == 2


def test_where_no_channel_has_noise_all_is_the_same():
    image = np.stack([LABELS, 255 - LABELS]) / 7
    denoiser = fitted(image)
    result, std = denoiser.transform(image, return_std=True)
    np.testing.assert_array_equal(result, image)
    assert not std.any()


def test_it_is_scored_by_the_others():
    score = self_supervised_score(fitted(noisy()), noisy())
    assert np.isfinite(score)


def test_which_channels_have_noise():
    stuck = NoiseModel(0.0, defects=Defects(stuck=[(1.0, 2, 0.1)]))
    weak = NoiseModel(0.0, gain=1e-3)
    loud, none = NoiseModel(0.1), NoiseModel(0.0)
    assert some_noisy([loud, none, stuck]) == [0, 2]
    assert some_noisy([loud, weak]) == [0]
    assert some_noisy([loud, weak], told=True) == []
    assert some_noisy([none, none]) == []
