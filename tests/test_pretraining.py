"""The training of the prior network: what it sees, and that it can be repeated."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from n2d.core.prior import read_prior
from n2d.core.prior_network import PriorNetwork
from n2d.noise import NoiseModel, reader
from n2d.noise import stabilize as stabilize_image
from n2d.pretraining import noise_reader
from n2d.pretraining.batches import (
    LEAST_VARIANCE,
    SPECTRA,
    Dice,
    _crops,
    draw_batch,
    draw_patches,
    draw_spectra,
    expected_stabilized,
    gaussian_samples,
    photon_samples,
    stabilize,
)
from n2d.pretraining.loop import Settings, Training, learning_rate_at, losses_of
from n2d.pretraining.scenes import ScenePool, draw_scenes

CPU = torch.device("cpu")

TINY = Settings(
    seed=1,
    steps=6,
    batch=4,
    patch=32,
    n_scenes=4,
    scene_size=64,
    warmup=2,
    half_precision=False,
    network={
        "widths": (8, 8),
        "encoder_blocks": (1,),
        "coarsest_dilations": (1,),
        "decoder_blocks": (1,),
    },
)
# Losses of `Training(TINY)`, single precision, one thread.
TINY_LOSSES = [4.0565, 3.9339, 4.3498, 4.0443, 4.1264, 4.0375]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pool():
    return ScenePool(TINY.n_scenes, TINY.scene_size, TINY.seed, CPU)


# -- what a batch is made of -------------------------------------------------------


def test_dice_keep_to_their_bounds():
    dice = Dice(20_000, generator())
    uniform, logs = dice.uniform(2, 5), dice.log_uniform(0.1, 10)
    assert uniform.shape == logs.shape == (20_000, 1, 1)
    assert 2 <= uniform.min() < 2.01
    assert 4.99 < uniform.max() <= 5
    assert logs.log10().mean() == pytest.approx(0, abs=0.02)
    assert logs.log10().abs().max() <= 1
    assert dice.chance(0.3).float().mean() == pytest.approx(0.3, abs=0.02)
    assert dice.normal((2, 3)).shape == (20_000, 2, 3)
    high = torch.randint(1, 5, (20_000, 1, 1), generator=generator(1))
    whole = dice.whole(high)
    assert whole.min() == 0
    assert torch.equal((whole < high).unique(), torch.tensor([True]))
    assert torch.equal(whole[high == 4].unique(), torch.arange(4))


def test_dice_of_one_seed_fall_alike():
    first, again = (Dice(5, generator(3)).normal((2, 2)) for _ in range(2))
    assert torch.equal(first, again)


def test_crops_are_parts_of_scenes():
    # Every pixel is a number of its own, which says where it is from.
    n, height, width, size = 3, 40, 50, 16
    scenes = torch.arange(n * height * width).reshape(n, height, width).float()
    steps, means, turned = set(), set(), set()
    for crop in _crops(scenes, size, Dice(200, generator())):
        mean = bool((crop % 1).any())
        # The mean of four pixels, if so, back to the first of them.
        places = (crop - mean * (width + 1) / 2).long()
        number, places = places // (height * width), places % (height * width)
        assert len(number.unique()) == 1
        rows, columns = places // width, places % width
        if rows[0, 0] == rows[1, 0]:
            rows, columns = rows.T, columns.T
            turned.add(True)
        assert (rows == rows[:, :1]).all()
        assert (columns == columns[:1]).all()
        (step_y,) = rows[:, 0].diff().unique().tolist()
        (step_x,) = columns[0].diff().unique().tolist()
        assert abs(step_y) == abs(step_x)
        assert not mean or abs(step_y) == 2
        steps |= {step_y}
        means |= {mean}
    assert steps == {-2, -1, 1, 2}
    assert means == {False, True}
    assert turned


@pytest.mark.parametrize("side", [33, 70])
def test_patches_fit_whatever_the_scale(side):
    scenes = torch.rand(2, side, side + 5, generator=generator()).half()
    patches = draw_patches(scenes, 32, Dice(60, generator()))
    assert patches.shape == (60, 32, 32)
    assert patches.isfinite().all()
    assert patches.min() >= 0
    assert patches.max() <= 1.001


def test_told_correlation_is_that_of_the_noise():
    size, n_spectra, n_draws = 64, 60, 40
    amplitude, told = draw_spectra(size, Dice(n_spectra, generator()))
    assert told.shape == (n_spectra, 4, 3)
    white = torch.randn(n_draws, n_spectra, size, size, generator=generator(1))
    noise = torch.fft.irfft2(torch.fft.rfft2(white) * amplitude, s=(size, size))
    variance = noise.square().mean((0, 2, 3))
    # Slow waves make the variance of a patch itself vary.
    np.testing.assert_allclose(variance, 1, atol=0.12)
    for direction, (y, x) in enumerate([(1, 0), (0, 1), (1, 1), (1, -1)]):
        for lag in (1, 2, 3):
            there = noise.roll((lag * y, lag * x), (2, 3))
            found = (noise * there).mean((0, 2, 3)) / variance
            np.testing.assert_allclose(told[:, direction, lag - 1], found, atol=0.03)


def test_noise_is_of_every_kind():
    assert sum(SPECTRA.values()) == pytest.approx(1)
    _, told = draw_spectra(32, Dice(2000, generator()))
    near = told[:, :2, 0]
    white = (near.abs() < 1e-6).all(1).float().mean()
    assert white == pytest.approx(SPECTRA["white"], abs=0.03)
    assert (told < -0.05).flatten(1).any(1).float().mean() > 0.05  # signed lobes
    assert (near > 0.5).all(1).float().mean() > 0.1
    assert ((near[:, 0] - near[:, 1]).abs() > 0.3).float().mean() > 0.05  # one axis


@pytest.mark.parametrize("read", [0.0, 0.5, 2.0, 6.0])
@pytest.mark.parametrize("mean", [0.0, 0.1, 1.0, 7.0, 50.0, 900.0])
def test_target_of_photon_noise_is_its_mean(read, mean):
    rng = np.random.default_rng(6)
    counts = rng.poisson(mean, 200_000) + read * rng.standard_normal(200_000)
    found = stabilize(torch.from_numpy(counts), torch.tensor(read)).mean()
    expected = expected_stabilized(torch.tensor([mean]), torch.tensor([read]))
    assert expected.item() == pytest.approx(found.item(), abs=0.012)


@pytest.mark.parametrize("read", [0.0, 0.3, 2.5])
def test_stabilized_as_the_package_does(read):
    # Darker pixels than noise explains are treated with care in use.
    counts = np.linspace(1, 400, 500)
    model = NoiseModel(level=1.0, gain=1.0, read_noise=read)
    ours = stabilize(torch.from_numpy(counts), torch.tensor(read).double())
    package = stabilize_image(counts, model)
    np.testing.assert_allclose(np.diff(ours), np.diff(package), atol=1e-9)


def test_gaussian_noise_has_the_level_it_is_told_to_have():
    dice = Dice(16, generator())
    amplitude = torch.ones(16, 64, 33)
    level = torch.linspace(0.8, 1.2, 16)[:, None, None]
    level_map = torch.linspace(0.5, 2, 64)[None, :, None].expand(16, 64, 64)
    patches = torch.rand(16, 64, 64, generator=generator(1))
    noisy, clean, weight = gaussian_samples(patches, amplitude, level, level_map, dice)
    scaled = (noisy - clean) / (level * level_map)
    np.testing.assert_allclose(scaled.std((1, 2)), 1, atol=0.05)
    np.testing.assert_allclose(scaled.std((0, 2)), 1, atol=0.12)
    assert torch.equal(weight, torch.ones_like(clean))
    # Clean patches are the scenes, but for scale, offset and sign.
    for mine, theirs in zip(clean, patches, strict=True):
        together = torch.stack([mine.flatten(), theirs.flatten()])
        assert torch.corrcoef(together)[0, 1].abs() == pytest.approx(1, abs=1e-4)


def test_photons_have_unit_noise_around_what_the_network_shall_say():
    dice = Dice(200, generator())
    amplitude = torch.ones(200, 32, 17)
    patches = torch.rand(200, 32, 32, generator=generator(1))
    gain = torch.ones(200, 1, 1)
    noisy, clean, weight = photon_samples(patches, amplitude, gain, dice)
    error = noisy - clean
    assert 0.9 < error.std((1, 2)).median() < 1.1
    assert abs(error.mean((1, 2)).median()) < 0.05
    # The errors of few photons, which are less than 1 once stabilised, count as much.
    left = error.square().mean((1, 2))
    assert left.min() < 0.1
    between = left.clamp(LEAST_VARIANCE, 1)
    np.testing.assert_allclose(weight.mean((1, 2)) * between, 1, atol=1e-3)


@pytest.mark.parametrize("level_maps", [False, True])
def test_batches_are_at_unit_noise_level(level_maps):
    scenes = torch.rand(4, 96, 96, generator=generator()).half()
    batch = draw_batch(scenes, 60, 48, generator(8), level_maps=level_maps)
    shape = (60, 1, 48, 48)
    assert batch.noisy.shape == batch.clean.shape == batch.weight.shape == shape
    assert batch.correlation.shape == (60, 4, 3)
    assert batch.level.shape == (shape if level_maps else (60, 1, 1, 1))
    assert batch.noisy.isfinite().all()
    levels = ((batch.noisy - batch.clean) / batch.level).std((1, 2, 3))
    assert 0.9 < levels.median() < 1.1
    assert batch.level.min() > 0


# -- scenes ------------------------------------------------------------------------


def test_scenes_depend_on_seed_and_number_alone(pool):
    assert pool.n_drawn == len(pool.scenes) == TINY.n_scenes
    assert pool.scenes.min() >= 0
    assert pool.scenes.max() <= 1
    again = draw_scenes([2, 0], TINY.scene_size, TINY.seed)
    np.testing.assert_array_equal(pool.scenes[[2, 0]], again)
    other = draw_scenes([0], TINY.scene_size, TINY.seed + 1)
    assert not np.array_equal(other[0], again[1])
    pool.renew()
    assert pool.n_drawn == TINY.n_scenes


def test_processes_deliver_new_scenes_all_along():
    pool = ScenePool(4, 64, 7, CPU, n_workers=2, first=2)
    processes = list(pool._processes)
    try:
        assert 2 <= len(pool.scenes) <= 4
        deadline = time.monotonic() + 120
        while pool.n_drawn < 7 and time.monotonic() < deadline:
            time.sleep(0.1)
            pool.renew()
        assert pool.n_drawn >= 7
        assert len(pool.scenes) == 4  # the oldest have made room
        known = draw_scenes(range(pool.n_drawn + 20), 64, 7)
        for scene in pool.scenes.numpy():
            assert (known == scene).all((1, 2)).any()
    finally:
        pool.close()
    for process in processes:
        process.join(30)
        assert not process.is_alive()


# -- training ----------------------------------------------------------------------


def test_learning_rate_rises_holds_and_falls_to_zero():
    settings = Settings(steps=1000, warmup=10, decay=0.4, learning_rate=1.0)
    rates = [learning_rate_at(step / 1000, step, settings) for step in range(1001)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[500] == 1
    assert rates[800] == pytest.approx(0.5)
    assert 0 < rates[999] < 0.01
    assert rates[1000] == 0


def test_the_likelihood_is_best_where_the_expected_error_is_right():
    scenes = torch.rand(2, 64, 64, generator=generator()).half()
    batch = draw_batch(scenes, 8, 32, generator(1))
    error = (batch.noisy - batch.clean).square().mean().sqrt()

    def likelihood(expected):
        def network(noisy, level, correlation, return_error):
            return noisy, expected * torch.ones_like(noisy)

        return losses_of(network, batch)[1]

    best = likelihood(error)
    assert likelihood(0.9 * error) > best
    assert likelihood(1.1 * error) > best


def test_short_training_reproduces_its_recorded_losses(pool):
    training = Training(TINY, pool)
    steps = range(TINY.steps)
    losses = [training.take_step(step / TINY.steps)[0].item() for step in steps]
    assert losses == pytest.approx(TINY_LOSSES, abs=2e-3)


def test_training_lowers_the_loss(pool):
    training = Training(TINY, pool)
    before = training.check_average()
    for _ in range(60):
        training.take_step(0.0)
    after = training.check_average()
    assert after[0] < before[0] - 0.02
    assert after[1] < before[1] - 0.02


@pytest.mark.parametrize("stop_at", [3, 4])
def test_interrupted_training_ends_like_an_uninterrupted_one(pool, tmp_path, stop_at):
    whole = Training(TINY, pool)
    whole.run()
    lines = []

    class Interrupted(Exception):
        pass

    def stop(line):
        lines.append(line)
        raise Interrupted

    with pytest.raises(Interrupted):
        Training(TINY, pool, tmp_path).run(
            log_every=stop_at, save_every=0.0, report=stop
        )
    resumed = Training(TINY, pool, tmp_path, {"commit": "abc"})
    assert resumed.step == stop_at
    resumed.run(log_every=stop_at, report=lines.append)
    assert [line["step"] for line in lines] == [stop_at, TINY.steps]
    for mine, theirs in zip(
        resumed.average.parameters(), whole.average.parameters(), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    saved, provenance = read_prior(tmp_path / "average.safetensors")
    assert saved.config == whole.average.config
    assert provenance["step"] == TINY.steps
    assert provenance["scenes"] == TINY.n_scenes
    assert provenance["commit"] == "abc"
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_training_starts_from_weights(pool):
    start = Training(TINY, pool)
    start.take_step(0.0)
    training = Training(TINY, pool, start=start.average)
    assert training.step == 0
    for name in ("network", "average"):
        state = getattr(training, name).state_dict()
        for key, expected in start.average.state_dict().items():
            assert torch.equal(state[key], expected)
    assert isinstance(training.network, PriorNetwork)


def test_training_lasts_as_long_as_it_is_given(pool):
    training = Training(replace(TINY, steps=None, duration=0.2), pool)
    training.run()
    assert training.step >= 1
    assert training.seconds >= 0.2


def test_losses_that_are_no_numbers_end_the_training(pool):
    training = Training(TINY, pool)
    with torch.no_grad():
        training.network.last.weight.fill_(torch.nan)
    with pytest.raises(RuntimeError, match="start again from the checkpoint"):
        training.run()


def test_training_leaves_the_global_random_state_alone(pool):
    before = torch.get_rng_state()
    Training(TINY, pool).take_step(0.0)
    assert torch.equal(before, torch.get_rng_state())


def test_the_command_trains_and_says_how(tmp_path):
    options = "--steps 1 --batch 2 --patch 32 --scenes 1 --workers 0 --seed 5"
    command = [sys.executable, "-m", "n2d.pretraining", *options.split()]
    run = subprocess.run(
        [*command, "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "step=1" in run.stdout
    network, provenance = read_prior(tmp_path / "average.safetensors")
    assert (
        provenance["command"] == f"python -m n2d.pretraining {options} --output FOLDER"
    )
    assert provenance["settings"]["seed"] == 5
    assert network.config == PriorNetwork().config


def test_the_reader_of_the_noise_is_trained_as_its_weights_are(tmp_path, monkeypatch):
    for name, value in {"_N_SCENES": 3, "_N_SAMPLES": 20, "_STEPS": 20}.items():
        monkeypatch.setattr(noise_reader, name, value)
    file = tmp_path / "reader.safetensors"
    monkeypatch.setattr(sys, "argv", ["noise_reader", str(file)])
    with torch.random.fork_rng(devices=[]):
        noise_reader.main()
    weights, shipped = load_file(file), reader._weights()
    assert {k: v.shape for k, v in weights.items()} == {
        k: v.shape for k, v in shipped.items()
    }
    assert all(np.isfinite(v).all() for v in weights.values())
