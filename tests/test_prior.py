"""The prior network and its training."""

import json

import numpy as np
import pytest
import torch

from n2d.core.prior import (
    PriorNetwork,
    load_prior,
    read_prior,
    save_prior,
    shipped_weights,
)
from n2d.pretraining.batches import (
    draw_batch,
    draw_patch,
    expected_stabilized,
    noise_spectrum,
    stabilize,
)
from n2d.pretraining.loop import Settings, Training, learning_rate_at

WHITE = torch.zeros(2, 2)

TINY = Settings(
    seed=1,
    steps=6,
    batch=2,
    patch=32,
    n_scenes=3,
    scene_size=64,
    warmup=2,
    half_precision=False,
    network={"hidden_channels": 8, "dilations": (1, 2), "n_passes": 2},
)
# Losses of `Training(TINY)`, single precision, one thread.
TINY_LOSSES = [0.286891, 0.081056, 0.093766, -0.129099, -0.096440, 0.041438]


@pytest.fixture(scope="module")
def network():
    """A network with large random biases, so that they matter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PriorNetwork(12, dilations=(1, 2), n_passes=2).eval()


@pytest.fixture(scope="module")
def image():
    return torch.from_numpy(
        np.random.default_rng(0).normal(size=(2, 1, 48, 64))
    ).float()


def denoise(network, image, level=1.0, correlation=WHITE):
    with torch.inference_mode():
        return network(image, level, correlation)


@pytest.mark.parametrize("rim", [(0, 0, 0, 0), (20, 2, 16, 0), (0, 24, 0, 30)])
def test_a_rim_saves_work_and_changes_nothing_inside(network, image, rim):
    told = torch.tensor([[0.3, 0.1], [0.2, 0.0]])
    with torch.inference_mode():
        whole = network(image, 1.0, told)
        rimmed = network(image, 1.0, told, rim)
    top, bottom, left, right = rim
    inside = (..., slice(top, 48 - bottom), slice(left, 64 - right))
    outside = torch.ones_like(image, dtype=bool)
    outside[inside] = False
    torch.testing.assert_close(rimmed[inside], whole[inside], rtol=0, atol=1e-6)
    torch.testing.assert_close(rimmed[outside], image[outside], rtol=0, atol=0)


@pytest.mark.parametrize("scale", [1e-3, 0.5, 300.0])
@pytest.mark.parametrize("shift", [0.0, -7.0])
def test_scale_and_shift_pass_through(network, image, scale, shift):
    shift = shift * scale
    expected = scale * denoise(network, image) + shift
    found = denoise(network, scale * image + shift, scale)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * scale)


def test_noise_free_flat_image_is_unchanged(network):
    flat = torch.full((1, 1, 16, 20), 3.25)
    torch.testing.assert_close(denoise(network, flat, 0.0), flat, rtol=0, atol=1e-6)


def test_reach_is_finite_and_not_overstated(network):
    size = 2 * (network.reach + 6)
    image = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 1, size, size)))
    image = image.float()
    base = denoise(network, image)
    farthest = 0
    for position in (size // 2, size // 2 + 1):
        touched = image.clone()
        touched[0, 0, position, position] += 1e3
        moved = (denoise(network, touched) - base)[0, 0].abs() > 1e-6
        rows, columns = torch.nonzero(moved, as_tuple=True)
        distance = torch.maximum((rows - position).abs(), (columns - position).abs())
        farthest = max(farthest, int(distance.max()))
    assert network.reach - 2 <= farthest <= network.reach


def test_shift_by_alignment_shifts_the_result(network):
    rng = np.random.default_rng(2)
    image = torch.from_numpy(rng.normal(size=(1, 1, 96, 96))).float()
    step, rim = network.alignment, network.reach + 3
    base = denoise(network, image)
    moved = denoise(network, torch.roll(image, (step, -step), (2, 3)))
    inside = slice(rim, -rim)
    torch.testing.assert_close(
        torch.roll(moved, (-step, step), (2, 3))[..., inside, inside],
        base[..., inside, inside],
        rtol=0,
        atol=1e-5,
    )


def test_level_and_correlation_may_differ_between_images(network, image):
    levels = torch.tensor([0.5, 2.0])
    correlations = torch.tensor([[[0.6, 0.1], [0.5, 0.1]], [[0.0, 0.0], [0.1, 0.0]]])
    together = denoise(network, image, levels, correlations)
    for i in range(2):
        alone = denoise(network, image[i : i + 1], levels[i].item(), correlations[i])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5)
    assert (together - denoise(network, image)).abs().max() > 1e-3


def test_odd_number_of_dilations_is_refused():
    with pytest.raises(ValueError, match="dilations must come in pairs"):
        PriorNetwork(8, dilations=(1, 2, 1))


def test_saved_network_comes_back(network, image, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_prior(network, path, {"seed": 3})
    again, provenance = read_prior(path)
    assert provenance == {"seed": 3}
    assert again.config == network.config
    torch.testing.assert_close(
        denoise(again, image), denoise(network, image), rtol=0, atol=0
    )


def test_shipped_weights_are_small_and_tell_where_they_come_from():
    path = shipped_weights()
    assert path.stat().st_size < 500_000
    network, provenance = read_prior(path)
    assert sum(weight.numel() for weight in network.parameters()) < 100_000
    assert network.reach <= 45
    assert {"command", "commit", "settings", "seconds", "torch"} <= set(provenance)
    json.dumps(provenance)


def test_asking_for_weights_that_do_not_exist_is_an_error():
    assert shipped_weights(7) is None
    with pytest.raises(ValueError, match="no synthetic weights for hidden_channels=7"):
        load_prior(7)


@pytest.mark.parametrize(
    ("blur", "gain_db"), [(0.0, 7.5), (0.7, 4.0)], ids=["white", "blurred"]
)
def test_shipped_network_denoises(blur, gain_db):
    from n2d.datasets import fluorescence_cells
    from n2d.noise import add_correlated_noise

    clean = fluorescence_cells((128, 128), rng=11)
    level = 0.08
    noisy = add_correlated_noise(clean, level, blur, rng=12)
    lags = np.exp(-(np.array([1.0, 2.0]) ** 2) / (4 * blur**2)) if blur else np.zeros(2)
    told = torch.from_numpy(np.stack([lags, lags]).astype(np.float32))
    image = torch.from_numpy(noisy[None, None].astype(np.float32))
    estimate = denoise(load_prior(), image, level, told)[0, 0].numpy()
    before, after = (np.mean((x - clean) ** 2) for x in (noisy, estimate))
    assert 10 * np.log10(before / after) > gain_db
    assert abs(np.mean(estimate - noisy)) < 1e-3


def test_shipped_network_leaves_noise_free_images_alone():
    from n2d.datasets import fluorescence_cells

    clean = torch.from_numpy(fluorescence_cells((96, 96), rng=13))[None, None]
    estimate = denoise(load_prior(), clean, 1e-4)
    assert (estimate - clean).square().mean().sqrt() < 2e-3


# -- training ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_told_correlation_is_that_of_the_noise(seed):
    rng = np.random.default_rng([seed, 5])
    amplitude, told = noise_spectrum((256, 256), rng)
    white = rng.standard_normal((256, 256))
    noise = np.fft.irfft2(np.fft.rfft2(white) * amplitude, s=white.shape)
    assert noise.std() == pytest.approx(1, abs=0.03)
    for axis in range(2):
        for lag in (1, 2):
            found = np.mean(noise * np.roll(noise, lag, axis))
            assert told[axis, lag - 1] == pytest.approx(found, abs=0.03)


@pytest.mark.parametrize("read", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("mean", [0.1, 1.0, 7.0, 50.0])
def test_target_of_photon_noise_is_its_mean(read, mean):
    rng = np.random.default_rng(6)
    counts = rng.poisson(mean, 200_000) + read * rng.standard_normal(200_000)
    found = stabilize(counts, read).mean()
    assert expected_stabilized(np.array([mean]), read)[0] == pytest.approx(
        found, abs=0.01
    )


def test_stabilized_as_the_package_does():
    from n2d.noise import NoiseModel
    from n2d.noise import stabilize as stabilize_image

    for read in (0.0, 0.3, 2.5):
        # Darker pixels than noise explains are treated with care in use.
        counts = np.linspace(-1 - 4 * read, 400, 500)
        noise = NoiseModel(level=1.0, gain=1.0, read_noise=read)
        package, ours = stabilize_image(counts, noise), stabilize(counts, read)
        np.testing.assert_allclose(np.diff(ours), np.diff(package), atol=1e-9)


def test_batches_are_at_unit_noise_level():
    library = np.random.default_rng(7).random((4, 96, 96)).astype(np.float16)
    batch = draw_batch(library, 48, 48, np.random.default_rng(8))
    assert (
        batch.noisy.shape == batch.clean.shape == batch.weight.shape == (48, 1, 48, 48)
    )
    assert batch.correlation.shape == (48, 2, 2)
    levels = (batch.noisy - batch.clean).std((1, 2, 3))
    assert 0.9 < levels.median() < 1.1
    assert torch.isfinite(batch.noisy).all()


def test_patches_fit_whatever_the_scale():
    library = np.random.default_rng(9).random((2, 70, 70)).astype(np.float16)
    rng = np.random.default_rng(10)
    assert all(draw_patch(library, 32, rng).shape == (32, 32) for _ in range(60))


def test_learning_rate_rises_holds_and_falls_to_zero():
    settings = Settings(steps=1000, warmup=10, decay=0.4, learning_rate=1.0)
    rates = [learning_rate_at(step, settings) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[500] == 1
    assert rates[800] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01


def test_short_training_reproduces_its_recorded_losses():
    training = Training(TINY)
    losses = [training.take_step() for _ in range(TINY.steps)]
    assert losses == pytest.approx(TINY_LOSSES, abs=1e-4)


def test_interrupted_training_ends_like_an_uninterrupted_one(tmp_path):
    whole = Training(TINY)
    whole.run()
    lines = []

    class Interrupted(Exception):
        pass

    def stop(line):
        lines.append(line)
        if line["step"] == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        Training(TINY, tmp_path).run(save_every=3, report=stop)
    resumed = Training(TINY, tmp_path, {"commit": "abc"})
    assert resumed.step == 3
    resumed.run(save_every=3, report=lines.append)
    assert [line["step"] for line in lines] == [3, 6]
    for mine, theirs in zip(
        resumed.average.parameters(), whole.average.parameters(), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    _, provenance = read_prior(tmp_path / "average.safetensors")
    assert provenance["step"] == 6
    assert provenance["commit"] == "abc"
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_training_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    Training(TINY)
    assert torch.equal(before, torch.get_rng_state())
