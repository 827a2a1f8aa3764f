"""Stacks whose planes have to do with each other: what neighbours give and leave."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from n2d import Noise2DetailDenoiser, denoise_file, denoise_noise2detail
from n2d.applying import neighbours, tiled
from n2d.core.neighbours import average_of_neighbours
from n2d.core.prior_network import PriorNetwork
from n2d.core.progress import Cancelled
from n2d.datasets import fluorescence_cells
from n2d.files._plan import AxesError, plan_of, plan_planes
from n2d.fitting.planes import Plane
from n2d.io import open_image, read_image, write_image
from n2d.noise import NoiseModel, Verdict

SIGMA = 12.0


def scene(n=5, shape=(72, 80), step=0.0, seed=0):
    """A scene that moves by `step` pixels a frame."""
    margin = 24
    height, width = (side + 2 * margin for side in shape)
    still = 200 * fluorescence_cells((height, width), rng=seed)
    frames = [
        ndimage.shift(still, (0.6 * step * t, 0.8 * step * t), mode="nearest")
        for t in range(n)
    ]
    return np.stack(frames)[:, margin:-margin, margin:-margin]


def noisy(clean, seed=1, sigma=SIGMA):
    return clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)


def psnr(image, clean):
    return 10 * np.log10(255**2 / np.mean((image - clean) ** 2))


def both(data, stack="time", **parameters):
    """What comes out of every plane alone, and with its neighbours."""
    denoiser = Noise2DetailDenoiser(random_state=0, **parameters).fit(data)
    alone = denoiser.transform(data)
    return alone, denoiser.set_params(stack=stack).transform(data)


def gains(clean, stack="time", seed=1, sigma=SIGMA):
    """Decibels that neighbours add to every plane."""
    alone, together = both(noisy(clean, seed, sigma), stack, noise=sigma)
    planes = zip(alone, together, clean, strict=True)
    return np.array([psnr(b, c) - psnr(a, c) for a, b, c in planes])


# -- what is won and what is not lost -----------------------------------------------


def test_static_frames_gain():
    won = gains(scene())
    assert won.mean() > 2.0
    assert won.min() > 1.0


def test_moving_frames_gain():
    won = gains(scene(5, step=2.0))
    assert won.mean() > 0.5
    assert won.min() > 0


def test_planes_in_depth_gain():
    """A body that is sharp in the middle plane and blurred away from it."""
    sharp = scene(1)[0]
    clean = np.stack([ndimage.gaussian_filter(sharp, abs(z) / 2) for z in range(-2, 3)])
    won = gains(clean, "depth")
    assert won.mean() > 1.0
    assert won.min() > 0


def test_what_moves_in_from_beyond_the_border_stands_alone():
    shown = torch.from_numpy(noisy(scene(1, (64, 200), seed=2), sigma=40)[0] / 8)
    shown[:, :17] = shown[:, 16:17]  # what the border is continued by agrees
    guides = torch.stack([shown[:, 8:], shown[:, :-8]])[:, None].float()  # moved by 8
    generator = torch.Generator().manual_seed(0)
    frames = guides + torch.randn(guides.shape, generator=generator)
    errors, white = torch.full_like(guides, 0.3), torch.zeros(1, 4, 3)
    _, level = average_of_neighbours(frames, guides, errors, 1, white, moving=True)
    assert level[0, :, :8].min() > 0.9
    assert level[0, :, 130:].mean() < 0.85


def test_images_that_are_strangers_are_not_harmed():
    clean = np.concatenate([scene(1, seed=k) for k in range(4)])
    assert np.abs(gains(clean)).max() < 0.1


def test_a_cut_is_one():
    clean = np.concatenate([scene(3, seed=1), scene(3, seed=2)])
    won = gains(clean)
    assert won.min() > 1.0  # by the neighbours on its own side


def test_what_flashes_in_one_frame_stays_there():
    still = scene(5)
    flash = np.zeros_like(still)
    flash[2, 30:35, 40:45] = 6 * SIGMA
    results = [both(data, noise=SIGMA) for data in (noisy(still), noisy(still) + flash)]
    alone, together = (b - a for a, b in zip(*results, strict=True))
    peaks = [x[2, 30:35, 40:45].mean() for x in (alone, together)]
    assert peaks[1] > 0.9 * peaks[0]
    beside = together[[1, 3], 30:35, 40:45].mean(axis=(1, 2))
    assert np.abs(beside).max() < 0.03 * 6 * SIGMA


def test_noise_that_stays_in_its_place_stays_noise():
    """The pattern of a detector is the same in all frames: no mean removes it."""
    rng = np.random.default_rng(3)
    clean = scene(5, (112, 120))
    data = noisy(clean, sigma=1.0) + rng.normal(0, SIGMA, clean.shape[1:])
    alone, together = both(data, noise=SIGMA)
    assert psnr(together, clean) > psnr(alone, clean) - 0.3


def test_dead_frames_stand_alone_and_loud_ones_gain():
    clean = scene(5)
    data = noisy(clean)
    data[2] = 100.0
    data[3] += np.random.default_rng(3).normal(0, 30, data[3].shape)
    alone, together = both(data)
    np.testing.assert_array_equal(together[2], data[2].astype(np.float32))
    assert psnr(together[3], clean[3]) > psnr(alone[3], clean[3]) + 3
    for k in (0, 1, 4):
        assert psnr(together[k], clean[k]) > psnr(alone[k], clean[k]) + 1


def test_strangers_of_other_noise_are_not_harmed():
    clean = np.concatenate([scene(1, seed=k) for k in range(4)])
    won = []
    for seed in (3, 6):
        data = noisy(clean)
        more = np.random.default_rng(seed).normal(0, 30, data[1::2].shape)
        data[1::2] += more
        alone, together = both(data)
        won += [
            psnr(t, c) - psnr(a, c)
            for a, t, c in zip(alone, together, clean, strict=True)
        ]
    # By chance one image loses a little, as another wins.
    assert np.mean(won) > -0.05
    assert min(won) > -0.2


def test_colours_share_their_weights():
    clean = scene(3, (64, 64))[..., None] * [1.0, 0.8, 0.4]
    data = noisy(clean)
    denoiser = Noise2DetailDenoiser(noise=SIGMA, channel_axis=-1).fit(data)
    alone = denoiser.transform(data)
    together = denoiser.set_params(stack="time").transform(data)
    assert together.shape == data.shape
    assert psnr(together, clean) > psnr(alone, clean) + 1


# -- what there is to call ----------------------------------------------------------


def test_a_single_image_comes_out_as_it_would_without_neighbours():
    data = noisy(scene(1))
    alone, together = both(data)
    np.testing.assert_array_equal(together, alone)


def test_the_one_liner_takes_neighbours_too():
    data = noisy(scene(3, (48, 48)))
    expected = Noise2DetailDenoiser(random_state=0, stack="time").fit_transform(data)
    np.testing.assert_array_equal(
        denoise_noise2detail(data, stack="time", rng=0), expected
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"init": "random"}, "trained beforehand"),
        ({"solver": "paper"}, "trained beforehand"),
        ({"detail_max_iter": 10}, "stage 3"),
    ],
)
def test_networks_that_are_trained_on_the_image_take_no_neighbours(parameters, message):
    denoiser = Noise2DetailDenoiser(stack="time", **parameters)
    assert not denoiser.takes_neighbours
    with pytest.raises(ValueError, match=message):
        denoiser.fit(np.zeros((2, 16, 16)))


def test_networks_that_were_trained_on_an_image_take_no_neighbours_later():
    data = noisy(scene(2, (32, 32)))
    denoiser = Noise2DetailDenoiser(init="random", max_iter=1, detail_max_iter=1)
    denoiser.fit(data).set_params(stack="time")
    with pytest.raises(ValueError, match="trained beforehand"):
        denoiser.transform(data)


def test_a_model_file_remembers(tmp_path):
    data = noisy(scene(3, (48, 48)))
    denoiser = Noise2DetailDenoiser(random_state=0, stack="time").fit(data)
    denoiser.save(tmp_path / "cells.n2d")
    loaded = Noise2DetailDenoiser.load(tmp_path / "cells.n2d")
    assert loaded.stack == "time"
    np.testing.assert_array_equal(loaded.transform(data), denoiser.transform(data))


# -- parts of the whole -------------------------------------------------------------


@pytest.fixture(scope="module")
def moving():
    return noisy(scene(8, (270, 150), step=1.0, seed=4))


@pytest.fixture(scope="module")
def fitted(moving):
    """Fitted, with a network that sees less far than the images are wide."""
    denoiser = Noise2DetailDenoiser(noise=SIGMA, precision="float32").fit(moving)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PriorNetwork((8, 8), (1,), (1,), (1,)).requires_grad_(False).eval()
    network.last.weight *= 0.3
    found = copy(denoiser)
    found.stack = "time"
    found._stages = replace(denoiser._stages, networks=(network,))
    return found


@pytest.fixture(scope="module")
def whole(fitted, moving):
    return fitted.transform(moving)


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


def test_neighbours_were_used(fitted, moving, whole):
    alone = copy(fitted).set_params(stack="independent").transform(moving)
    assert np.abs(whole - alone).mean() > 0.05


def test_tiles_and_parts_are_the_whole(fitted, moving, whole, monkeypatch):
    monkeypatch.setattr(tiled, "_LARGEST_TILE", 64)
    monkeypatch.setattr(neighbours, "_LARGEST_PART", 128)
    assert_same(fitted.transform(moving), whole)


def test_a_region_is_a_part_of_the_whole(fitted, moving, whole):
    region = np.s_[201:247, 13:99]
    assert_same(fitted.transform(moving, region=region), whole[:, *region])


def test_parts_of_planes_of_other_noise_are_the_whole(fitted, moving, monkeypatch):
    intensities = fitted._intensities
    louder = tuple(model.louder(1.5) for model in intensities.noise)
    loud = Plane(
        moving.shape[1:],
        fitted._stages,
        replace(intensities, noise=louder),
        (NoiseModel(1.5 * SIGMA),),
        Verdict(),
    )
    found = copy(fitted)
    found._planes = (None, loud, None)
    whole, region = found.transform(moving[:3]), np.s_[201:247, 13:99]
    alone = copy(found).set_params(stack="independent").transform(moving[:3])
    assert (np.abs(whole - alone).mean(axis=(1, 2)) > 0.05).all()
    monkeypatch.setattr(tiled, "_LARGEST_TILE", 64)
    monkeypatch.setattr(neighbours, "_LARGEST_PART", 128)
    found = found.transform(moving[:3], region=region)
    assert_same(found, whole[:, *region])


def test_out_and_lists_and_errors(fitted, moving, whole):
    out = np.empty(moving.shape)
    fitted.transform(moving, out=out)
    assert_same(out, whole)
    assert_same(np.stack(fitted.transform(list(moving))), whole)
    again, std = fitted.transform(moving, return_std=True)
    np.testing.assert_array_equal(again, whole)
    assert std.min() > 0
    assert_same(fitted.transform_stages(moving).stage3, whole)


@pytest.mark.parametrize("chunks", [(2, 270, 150), (8, 135, 150)])
def test_dask_is_numpy(fitted, moving, whole, chunks, monkeypatch):
    da = pytest.importorskip("dask.array")
    from n2d.applying import dask_arrays

    monkeypatch.setattr(dask_arrays, "_SMALLEST_CHUNK", 100)
    monkeypatch.setattr(dask_arrays, "_FEWEST_PLANES", 1)
    found = fitted.transform(da.from_array(moving, chunks=chunks))
    assert found.chunks[0] == da.from_array(moving, chunks=chunks).chunks[0]
    assert_same(found.compute(scheduler="synchronous"), whole)


def test_a_list_of_dask_arrays_is_a_stack(fitted, moving, whole):
    da = pytest.importorskip("dask.array")
    found = fitted.transform([da.from_array(plane) for plane in moving[:4]])
    expected = fitted.transform(moving[:4])
    assert_same(found[1].compute(scheduler="synchronous"), expected[1])


class Counting:
    """An array that is read plane by plane, and knows which was read when."""

    def __init__(self, array):
        self._array, self.reads = array, []
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        self.reads.append(key[0])
        return self._array[key]


def test_planes_come_out_before_the_last_is_read(fitted, moving, whole):
    source = Counting(moving)
    latest = []

    class Out:
        shape, dtype, ndim = moving.shape, np.dtype(float), 3

        def __getitem__(self, key):
            raise AssertionError("nothing is read back")

        def __setitem__(self, key, values):
            latest.append((key[0], max(source.reads)))
            assert_same(values, whole[key])

    fitted.transform(source, out=Out())
    assert [i for i, _ in latest] == list(range(8))
    n_ahead = neighbours.N_NEIGHBOURS["time"] + torch.get_num_threads() - 1
    assert all(read <= i + n_ahead for i, read in latest)
    assert len(source.reads) == len(set(source.reads)) == 8  # each once


def test_cancelled_in_the_middle(fitted, moving):
    seen = []

    def callback(progress):
        seen.append(progress.step)
        return len(seen) > 5

    with pytest.raises(Cancelled):
        fitted.transform(moving, callback=callback)
    assert len(seen) == 6


# -- files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "shape", "asked", "stack", "n_runs"),
    [
        ("TYX", (5, 64, 64), "auto", "time", 1),
        ("ZYX", (5, 64, 64), "auto", "depth", 1),
        ("TZCYX", (5, 4, 2, 64, 64), "auto", "time", 4),
        ("TZCYX", (5, 4, 2, 64, 64), "depth", "depth", 5),
        ("TZCYX", (1, 4, 2, 64, 64), "auto", "depth", 1),
        ("QYX", (5, 64, 64), "auto", "independent", 1),
        ("YX", (64, 64), "time", "independent", 1),
        ("TYX", (5, 64, 64), "independent", "independent", 1),
    ],
)
def test_only_named_axes_make_neighbours(axes, shape, asked, stack, n_runs):
    plan = plan_planes(axes, shape, stack=asked)
    assert plan.stack == stack
    assert [len(runs) for runs in plan.runs] == [n_runs] * len(plan.fits)
    assert ("neighbours in" in plan.description) == (stack != "independent")


@pytest.mark.parametrize("fast", ["T", "Z"])
def test_of_time_and_depth_those_are_neighbours_that_agree_more(fast, tmp_path):
    """What changes along T is like its neighbours in Z, and the other way round."""
    scenes = [scene(1, (72, 80), seed=k)[0] for k in range(4)]
    volume = np.stack([np.stack([one] * 3) for one in scenes])  # changes along axis 0
    data = noisy(volume if fast == "T" else volume.swapaxes(0, 1)).astype(np.float32)
    write_image(tmp_path / "cells.ome.tif", data, axes="TZYX")
    with open_image(tmp_path / "cells.ome.tif") as image:
        plan = plan_of(image, stack="auto")
        assert plan_of(image, stack="time").stack == "time"
    stack, other = ("depth", "time") if fast == "T" else ("time", "depth")
    assert plan.stack == stack
    assert f"in {stack} where they agree, more than in {other}" in plan.description


@pytest.mark.parametrize(
    ("axes", "options"), [("QYX", {}), ("ZYX", {}), ("TYX", {"fit_per": "plane"})]
)
def test_neighbours_that_there_are_none_of_are_refused(axes, options):
    with pytest.raises(AxesError, match="--stack time"):
        plan_planes(axes, (5, 64, 64), stack="time", **options)


def test_a_file_is_denoised_like_its_array(tmp_path):
    data = noisy(scene(4, (48, 48)), sigma=6).clip(0).astype(np.uint16)
    data = np.stack([data, data[::-1]], 1)  # T, Z
    source, target = tmp_path / "cells.ome.tif", tmp_path / "clean.ome.tif"
    write_image(source, data, axes="TZYX")
    denoise_file(source, target, random_state=0, dtype="float32")
    found = read_image(target).data
    fitted = Noise2DetailDenoiser(random_state=0, stack="time")
    fitted.fit(list(data.reshape(-1, 48, 48)))
    for z in range(2):
        np.testing.assert_array_equal(found[:, z], fitted.transform(data[:, z]))
    options = {"random_state": 0, "dtype": "float32", "overwrite": True}
    denoise_file(source, target, stack="independent", **options)
    fitted.set_params(stack="independent")
    np.testing.assert_array_equal(
        read_image(target).data[:, 0], fitted.transform(data[:, 0])
    )
