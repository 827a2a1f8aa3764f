"""The pieces of the core, against analytic truths."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from n2d.core.losses import detail_loss, partial_denoising_loss
from n2d.core.network import Correction, DenoisingNetwork, random_network
from n2d.core.progress import Cancelled
from n2d.core.sampling import (
    pair_downsample,
    pixel_shuffle_from_batch,
    pixel_unshuffle_to_batch,
    random_crops,
)
from n2d.core.tiling import padded_side, tiles
from n2d.core.training import TrainingDiverged, train


def random_images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def zero_network(x):
    return torch.zeros_like(x)


# -- network -----------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "n_weights"), [(1, 21_313), (3, 22_275)])
def test_network_has_the_published_size_and_order(channels, n_weights):
    parameters = list(DenoisingNetwork(channels).parameters())
    assert sum(p.numel() for p in parameters) == n_weights
    assert [tuple(p.shape) for p in parameters] == [
        (48, channels, 3, 3),
        (48,),
        (48, 48, 3, 3),
        (48,),
        (channels, 48, 1, 1),
        (channels,),
    ]


@pytest.mark.parametrize("padding_mode", ["zeros", "replicate"])
def test_a_pixel_changes_what_is_within_reach_and_nothing_else(padding_mode):
    network = random_network(1, 8, padding_mode, torch.Generator().manual_seed(0))
    image = random_images(1, 1, 15, 15)
    other = image.clone()
    other[..., 7, 7] += 1
    with torch.no_grad():
        changed = (network(image) != network(other))[0, 0].numpy()
    expected = np.zeros((15, 15), bool)
    expected[5:10, 5:10] = True
    np.testing.assert_array_equal(changed, expected)


def test_random_weights_are_seeded_and_no_global_state_is_touched():
    before = torch.get_rng_state()
    drawn = [
        random_network(1, 4, "zeros", torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    first, same, other = (torch.cat([p.ravel() for p in n.parameters()]) for n in drawn)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_weights_have_pytorchs_own_distribution():
    ours = random_network(1, 64, "zeros", torch.Generator().manual_seed(0))
    theirs = DenoisingNetwork(1, 64)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        if a.numel() > 500:
            assert a.abs().max().item() == pytest.approx(b.abs().max().item(), rel=0.02)
            assert a.std().item() == pytest.approx(b.std().item(), rel=0.1)


# -- sampling ----------------------------------------------------------------------


def test_pair_downsample_averages_the_diagonals():
    image = torch.arange(16.0).reshape(1, 1, 4, 4) ** 2
    d1, d2 = pair_downsample(image)
    assert d1[0, 0].tolist() == [[(0 + 25) / 2, (4 + 49) / 2], [(64 + 169) / 2, 162.5]]
    assert d2[0, 0].tolist() == [[(1 + 16) / 2, (9 + 36) / 2], [(81 + 144) / 2, 158.5]]


def test_both_halves_of_a_linear_ramp_are_the_ramp_between_the_pixels():
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    ramp = (3 * rows - 2 * columns)[None, None]
    d1, d2 = pair_downsample(ramp)
    expected = 3 * (rows[::2, ::2] + 0.5) - 2 * (columns[::2, ::2] + 0.5)
    assert torch.equal(d1[0, 0], expected)
    assert torch.equal(d2[0, 0], expected)


@pytest.mark.parametrize(
    "call", [pair_downsample, lambda x: pixel_unshuffle_to_batch(x, 2)]
)
def test_sides_that_do_not_divide_are_refused(call):
    with pytest.raises(ValueError, match="5 x 4 pixels are not multiples of 2"):
        call(torch.zeros(1, 1, 5, 4))


@given(
    n=st.integers(1, 3),
    c=st.integers(1, 4),
    h=st.integers(1, 4),
    w=st.integers(1, 4),
    factor=st.integers(1, 5),
)
def test_shuffle_undoes_unshuffle(n, c, h, w, factor):
    images = random_images(n, c, h * factor, w * factor)
    phases = pixel_unshuffle_to_batch(images, factor)
    assert phases.shape == (n * factor**2, c, h, w)
    assert torch.equal(pixel_shuffle_from_batch(phases, factor), images)


def test_phase_images_are_strided_slices():
    images = random_images(2, 3, 8, 12)
    phases = pixel_unshuffle_to_batch(images, 4)
    for image in range(2):
        for i in range(4):
            for j in range(4):
                phase = phases[image * 16 + i * 4 + j]
                assert torch.equal(phase, images[image, :, i::4, j::4])


def test_random_crops_are_parts_of_the_windows_seen_eight_ways():
    # Every pixel names its window and place, so a crop can be found again.
    windows = [
        torch.arange(w * 100.0, w * 100 + 48).reshape(1, 6, 8) for w in range(1, 3)
    ]
    crops = random_crops(windows, 4, 300, torch.Generator().manual_seed(0))
    assert crops.shape == (300, 1, 4, 4)
    seen, ways = set(), set()
    for crop in crops[:, 0]:
        start = int(crop.min()) % 100
        steps = (int(crop[1, 0] - crop[0, 0]), int(crop[0, 1] - crop[0, 0]))
        assert sorted(map(abs, steps)) == [1, 8]
        assert crop.unique().numel() == 16
        seen.add((int(crop.min()) // 100, start))
        ways.add(steps)
    assert len(ways) == 8
    assert len(seen) == 2 * 3 * 5


# -- losses ------------------------------------------------------------------------


def test_loss_of_a_network_that_finds_no_noise():
    # g is the identity: the residual term is the distance of the halves, and the
    # consistency term vanishes.
    noisy = random_images(1, 2, 8, 6)
    d1, d2 = pair_downsample(noisy)
    expected = ((d1 - d2) ** 2).mean()
    torch.testing.assert_close(partial_denoising_loss(zero_network, noisy), expected)


def test_detail_loss_of_a_network_that_predicts_zero():
    noisy, smooth = random_images(1, 1, 8, 6), random_images(1, 1, 8, 6, seed=1)
    d1, d2 = pair_downsample(noisy)
    expected = ((d1**2).mean() + (d2**2).mean()) / 2
    torch.testing.assert_close(detail_loss(zero_network, smooth, noisy), expected)


def test_detail_loss_of_the_identity_compares_smooth_with_noisy_halves():
    noisy, smooth = random_images(1, 1, 8, 6), random_images(1, 1, 8, 6, seed=1)
    (n1, n2), (s1, s2) = pair_downsample(noisy), pair_downsample(smooth)
    expected = (((n1 - s2) ** 2).mean() + ((n2 - s1) ** 2).mean()) / 2
    torch.testing.assert_close(detail_loss(lambda x: x, smooth, noisy), expected)


# -- the loop ----------------------------------------------------------------------


def parabola(start=4.0):
    x = torch.tensor(start, requires_grad=True)
    return x, torch.optim.SGD([x], lr=0.25), lambda: x**2


def test_train_takes_the_steps_of_gradient_descent():
    x, optimizer, loss = parabola()
    assert train(loss, optimizer, 3, stage="test") == [16.0, 4.0, 1.0]
    assert x.item() == 0.5


def test_train_advances_the_schedule():
    x, optimizer, loss = parabola()
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.0)
    train(loss, optimizer, 3, stage="test", schedule=schedule)
    assert x.item() == 2.0


def test_callback_sees_every_step_and_can_cancel():
    _, optimizer, loss = parabola()
    seen = []

    def callback(progress):
        seen.append((progress.stage, progress.step, progress.total, progress.loss))
        return progress.step == 2

    with pytest.raises(Cancelled, match="after step 2 of 5"):
        train(loss, optimizer, 5, stage="test", callback=callback)
    assert seen == [("test", 1, 5, 16.0), ("test", 2, 5, 4.0)]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_training(bad):
    _, optimizer, loss = parabola()
    factors = iter([1, 1, bad])
    with pytest.raises(
        TrainingDiverged, match=r"'test' became (nan|inf) at step 3 of 9"
    ):
        train(
            lambda: loss() * next(factors),
            optimizer,
            9,
            stage="test",
        )


# -- tiles -------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    side=st.integers(1, 40),
    reach=st.integers(0, 20),
    multiple=st.sampled_from([1, 2, 4, 6, 12]),
)
def test_tiles_cover_the_image_once_and_see_all_they_depend_on(
    height, width, side, reach, multiple
):
    covered = np.zeros((height, width), int)
    padded = padded_side(height, multiple), padded_side(width, multiple)
    image = np.arange(padded[0] * padded[1]).reshape(padded)
    for tile in tiles(height, width, side=side, reach=reach, multiple=multiple):
        rows = slice(tile.top, tile.top + tile.height)
        columns = slice(tile.left, tile.left + tile.width)
        covered[rows, columns] += 1
        top, left, window_height, window_width = tile.window
        assert not any(n % multiple for n in tile.window)
        assert top == 0 or tile.top - top >= reach
        assert left == 0 or tile.left - left >= reach
        bottom, right = top + window_height, left + window_width
        assert bottom == padded[0] or bottom - rows.stop >= reach
        assert right == padded[1] or right - columns.stop >= reach
        window = image[top:bottom, left:right]
        np.testing.assert_array_equal(tile.crop(window), image[rows, columns])
        above, below, before, after = tile.halo
        assert (above, before) == (tile.top - top, tile.left - left)
        assert (below, after) == (bottom - rows.stop, right - columns.stop)
    assert (covered == 1).all()


def test_tiles_cover_a_region_with_equal_tiles():
    covered = np.zeros((40, 50), int)
    sides = set()
    for tile in tiles(40, 50, side=8, reach=3, multiple=4, region=(5, 16, 14, 20)):
        covered[tile.top : tile.top + tile.height, tile.left :][:, : tile.width] += 1
        sides.add((tile.height, tile.width))
        top, left, height, width = tile.window
        assert not any(n % 4 for n in tile.window)
        assert top <= tile.top - 3
        assert left <= tile.left - 3
        assert top + height >= tile.top + tile.height + 3
        assert left + width >= tile.left + tile.width + 3
    expected = np.zeros((40, 50), int)
    expected[5:19, 16:36] = 1
    np.testing.assert_array_equal(covered, expected)
    assert sides == {(8, 8), (8, 4), (6, 8), (6, 4)}  # 14 and 20 pixels in two, three


# -- stopping by a judge -----------------------------------------------------------


def train_towards_one(n_steps, judge):
    """Train a single weight, from 0, on (w - 1)^2."""
    weight = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([weight], lr=0.005)
    losses = train(
        lambda: (weight - 1) ** 2,
        optimizer,
        n_steps,
        stage="any",
        judge=judge(weight),
    )
    return weight.item(), losses


def test_training_stops_where_the_judge_has_seen_the_best_and_returns_it():
    weight, losses = train_towards_one(1000, lambda w: lambda: (w - 0.4) ** 2)
    # w after n steps is 1 - 0.99^n: 0.33 after 40, 0.45 after 60 steps.
    assert weight == pytest.approx(1 - 0.99**60, abs=1e-5)
    assert len(losses) == 160


def test_no_step_is_kept_where_none_helps():
    weight, losses = train_towards_one(1000, lambda w: lambda: w**2)
    assert weight == 0
    assert len(losses) == 100


def test_the_last_weights_are_judged_too():
    weight, losses = train_towards_one(50, lambda w: lambda: (w - 1) ** 2)
    assert weight == pytest.approx(1 - 0.99**50, abs=1e-5)
    assert len(losses) == 50


def test_a_correction_starts_as_the_identity():
    network = random_network(2, 6, "replicate", torch.Generator().manual_seed(0))
    images = random_images(1, 2, 8, 8)
    assert torch.equal(Correction(network)(images), images)
