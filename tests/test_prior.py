"""The prior network: what holds by construction, and the weights that ship."""

import json
import warnings

import numpy as np
import pytest
import safetensors
import torch

from n2d import datasets, noise
from n2d.core.prior import (
    PRIOR_ALIGNMENT,
    load_prior,
    read_prior,
    save_prior,
    shipped_weights,
)
from n2d.core.prior_network import PriorNetwork

WHITE = torch.zeros(4, 3)
TOLD = torch.tensor(
    [[0.5, 0.2, 0.0], [0.3, 0.0, -0.1], [0.2, 0.1, 0.0], [0.1, 0.0, 0.0]]
)


@pytest.fixture(scope="module")
def network():
    """A small network of three scales with random weights, all of which matter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PriorNetwork((8, 12, 12), (1, 1), (2,), (1, 1)).eval()


@pytest.fixture(scope="module")
def shipped():
    return load_prior()


@pytest.fixture(scope="module")
def image():
    return random_image(2, 1, 64, 96)


def random_image(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def denoise(network, image, level=1.0, correlation=WHITE, **options):
    with torch.inference_mode():
        return network(image, level, correlation, **options)


def assert_close(found, expected, atol=2e-5):
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


# -- the network -------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-3, 0.5, 300.0])
@pytest.mark.parametrize("shift", [0.0, -7.0])
def test_scale_and_shift_pass_through_and_the_error_scales(
    network, image, scale, shift
):
    expected, error = denoise(network, image, 1.0, TOLD, return_error=True)
    shift = shift * scale
    found = denoise(network, scale * image + shift, scale, TOLD, return_error=True)
    assert_close(found[0], scale * expected + shift, 5e-5 * scale)
    assert_close(found[1], scale * error, 5e-5 * scale)


def test_the_expected_error_is_positive_and_changes_no_estimate(network, image):
    estimate, error = denoise(network, image, 0.7, TOLD, return_error=True)
    assert error.shape == estimate.shape
    assert error.min() > 0
    assert_close(estimate, denoise(network, image, 0.7, TOLD), 0)


def test_noise_free_flat_image_is_unchanged(network):
    flat = torch.full((1, 1, 16, 24), 3.25)
    assert_close(denoise(network, flat, 0.0), flat, 1e-6)


@pytest.mark.parametrize("rim", [(0, 0, 0, 0), (40, 2, 16, 0), (0, 24, 7, 64)])
@pytest.mark.parametrize("level", ["one", "map"])
def test_a_rim_changes_nothing_inside(network, rim, level):
    image = random_image(2, 1, 96, 128)
    level = 1.0 if level == "one" else 1 + 0.5 * random_image(*image.shape).tanh()
    whole = denoise(network, image, level, TOLD, return_error=True)
    rimmed = denoise(network, image, level, TOLD, rim=rim, return_error=True)
    top, bottom, left, right = rim
    inside = (..., slice(top, 96 - bottom), slice(left, 128 - right))
    for found, expected in zip(rimmed, whole, strict=True):
        assert found.shape == expected.shape
        assert_close(found[inside], expected[inside], 1e-5)


def influence(network, side, position):
    """How far a pixel on the diagonal is seen: nothing swallows what is no number."""
    image = torch.zeros(1, 1, side, side)
    image[0, 0, position, position] = torch.nan
    # Plain sums: faster algorithms let neighbours share their intermediate results.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TF32 acceleration", UserWarning)
        with torch.backends.mkldnn.flags(enabled=False):
            found = denoise(network, image, return_error=True)
    farthest = []
    for part in found:
        rows, columns = torch.nonzero(part[0, 0].isnan(), as_tuple=True)
        away = torch.maximum((rows - position).abs(), (columns - position).abs())
        farthest.append(int(away.max()))
    return max(farthest)


@pytest.mark.parametrize("blocks", [((1,), (1,), (1,)), ((1, 2), (2, 1), (2, 1))])
def test_reach_is_a_bound_and_not_a_wide_one(blocks):
    encoder, coarsest, decoder = blocks
    widths = (4,) * (len(encoder) + 1)
    network = PriorNetwork(widths, encoder, coarsest, decoder).eval()
    step = network.alignment
    side = 2 * (network.reach // step + 2) * step
    seen = max(influence(network, side, side // 2 + i) for i in range(step))
    assert 0.7 * network.reach <= seen <= network.reach


def test_the_shipped_network_sees_far_but_not_beyond_its_reach(shipped):
    assert shipped.reach >= 100
    half = (shipped.reach // PRIOR_ALIGNMENT + 1) * PRIOR_ALIGNMENT
    assert 75 <= influence(shipped, 2 * half, half) <= shipped.reach


def test_shift_by_the_alignment_shifts_the_result(network):
    step, reach = network.alignment, network.reach
    rim = (reach // step + 2) * step
    image = random_image(1, 1, 2 * rim + 32, 2 * rim + 32)
    base = denoise(network, image)
    moved = denoise(network, torch.roll(image, (step, -step), (2, 3)))
    inside = (..., slice(rim, -rim), slice(rim, -rim))
    assert_close(torch.roll(moved, (-step, step), (2, 3))[inside], base[inside])


def test_level_and_correlation_may_differ_between_images(network, image):
    levels, told = torch.tensor([0.5, 2.0]), torch.stack([TOLD, -TOLD / 2])
    together = denoise(network, image, levels, told)
    for i in range(2):
        alone = denoise(network, image[i : i + 1], levels[i].item(), told[i])
        assert_close(together[i : i + 1], alone)
    assert (together - denoise(network, image, levels, -told)).abs().max() > 1e-3
    assert (together - denoise(network, image, 1.0, told)).abs().max() > 1e-3


def test_every_number_of_the_correlation_counts(network, image):
    white = denoise(network, image)
    for place in np.ndindex(4, 3):
        told = WHITE.clone()
        told[place] = 0.4
        assert (denoise(network, image, 1.0, told) - white).abs().max() > 1e-4


def test_a_constant_map_of_levels_is_the_level(network, image):
    level = torch.full_like(image, 0.7)
    for found, expected in zip(
        denoise(network, image, level, TOLD, return_error=True),
        denoise(network, image, 0.7, TOLD, return_error=True),
        strict=True,
    ):
        assert_close(found, expected, 1e-5)


def test_a_map_of_levels_acts_where_it_says_so(network):
    far = (network.reach // 8 + 1) * 8
    image = random_image(1, 1, 32, 2 * far + 64)
    level = torch.ones_like(image)
    level[..., far + 32 :] = 3.0  # from the middle on
    found = denoise(network, image, level)
    left, right = slice(0, 32), slice(2 * far + 32, None)
    assert_close(found[..., left], denoise(network, image, 1.0)[..., left], 1e-5)
    assert_close(found[..., right], denoise(network, image, 3.0)[..., right], 1e-5)


def test_numbers_of_blocks_must_fit_the_scales():
    with pytest.raises(ValueError, match="every scale but the coarsest, 2"):
        PriorNetwork((8, 8, 8), (1,), (1,), (1, 1))


def test_saved_network_comes_back(network, image, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_prior(network, path, {"seed": 3})
    state = torch.get_rng_state()
    again, provenance = read_prior(path)
    assert torch.equal(state, torch.get_rng_state())
    assert provenance == {"seed": 3}
    assert again.config == network.config
    assert_close(denoise(again, image), denoise(network, image), 0)


# -- the weights that ship ---------------------------------------------------------


def test_shipped_weights_are_small(shipped):
    assert shipped_weights().stat().st_size < 4e6
    assert sum(weight.numel() for weight in shipped.parameters()) < 1.5e6
    assert shipped.alignment == PRIOR_ALIGNMENT
    with safetensors.safe_open(shipped_weights(), framework="pt") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}
    assert kinds == {"F16"}


def test_shipped_weights_tell_where_they_come_from():
    provenance = read_prior(shipped_weights())[1]
    json.dumps(provenance)
    assert "start" in provenance
    while provenance is not None:  # down to the run from random weights
        assert provenance["command"].startswith("python -m n2d.pretraining ")
        assert provenance["scenes"] > 0
        assert provenance["seconds"] > 0
        for name in ("commit", "started", "processor", "settings", "step", "torch"):
            assert provenance[name]
        provenance = provenance.get("start")


def test_asking_for_weights_that_do_not_exist_is_an_error():
    assert shipped_weights(7) is None
    with pytest.raises(ValueError, match="no synthetic weights for hidden_channels=7"):
        load_prior(7)


def cells_with_noise(level, blur):
    """Cells, the same with noise, and its correlation as the network takes it."""
    clean = datasets.fluorescence_cells((128, 128), rng=11)
    noisy = noise.add_correlated_noise(clean, level, blur, rng=12)
    away = np.arange(1, 4) * np.array([[1, 1, 2**0.5, 2**0.5]]).T
    lags = np.exp(-(away**2) / (4 * blur**2)) if blur else 0 * away
    clean, noisy = (torch.from_numpy(np.float32(x))[None, None] for x in (clean, noisy))
    return clean, noisy, torch.from_numpy(lags).float()


@pytest.mark.parametrize(
    ("blur", "gain_db"), [(0.0, 8.0), (0.7, 5.0)], ids=["white", "blurred"]
)
def test_shipped_network_denoises(shipped, blur, gain_db):
    clean, noisy, told = cells_with_noise(0.08, blur)
    estimate = denoise(shipped, noisy, 0.08, told)
    before, after = ((x - clean).square().mean() for x in (noisy, estimate))
    assert 10 * torch.log10(before / after) > gain_db
    assert abs((estimate - noisy).mean()) < 2e-3


@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_shipped_network_knows_how_sure_it_is(shipped, blur):
    clean, noisy, told = cells_with_noise(0.08, blur)
    estimate, expected = denoise(shipped, noisy, 0.08, told, return_error=True)
    error = (estimate - clean).abs()
    # 68 and 95 % on average; a single scene is easier or harder.
    assert 0.55 < (error < expected).float().mean() < 0.88
    assert 0.90 < (error < 2 * expected).float().mean() < 0.995
    worst = expected > expected.quantile(0.9)
    assert error[worst].square().mean() > 2 * error.square().mean()


def test_shipped_network_leaves_noise_free_images_alone(shipped):
    clean = torch.from_numpy(datasets.fluorescence_cells((96, 96), rng=13))[None, None]
    estimate = denoise(shipped, clean, 1e-4)
    assert (estimate - clean).square().mean().sqrt() < 2e-3


def test_half_precision_costs_little(shipped):
    level = 0.01
    _, noisy, told = cells_with_noise(level, 0.0)
    noisy = noisy[..., 40:80, 40:80]
    exact = denoise(shipped, noisy, level, told)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = denoise(shipped, noisy, level, told)
    assert (rounded - exact).square().mean().sqrt() < 0.03 * level
