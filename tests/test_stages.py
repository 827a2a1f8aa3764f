"""The stages put together, against an independent transcription of the paper."""

import os
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from n2d.core import crops, graphs, stages
from n2d.core.network import Correction, DenoisingNetwork, random_network
from n2d.core.sampling import pixel_shuffle_from_batch, pixel_unshuffle_to_batch

FIXTURE = Path(__file__).parent / "data" / "paper_run.npz"


def load_network(weights, hidden_channels):
    network = DenoisingNetwork(weights[-1].shape[0], hidden_channels)
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(value))
    return network


@pytest.mark.parametrize("name", ["grey", "rgb"])
def test_run_paper_agrees_with_a_float64_transcription(name):
    fixture = np.load(FIXTURE)
    networks = [
        load_network(
            [fixture[f"{name}_weights{stage}_{i}"] for i in range(6)],
            int(fixture["hidden_channels"]),
        )
        for stage in (1, 3)
    ]
    noisy = torch.from_numpy(fixture[f"{name}_noisy"])
    run = stages.run_paper(noisy, networks, int(fixture["n_steps"]))
    for losses, key in zip(run.losses, ("losses1", "losses3"), strict=True):
        np.testing.assert_allclose(losses, fixture[f"{name}_{key}"], rtol=1e-5)
    estimates = {
        "stage1": run.stage1,
        "factor2": run.stage2_factors[2],
        "factor4": run.stage2_factors[4],
        "stage2": run.stage2,
        "stage3": run.stage3,
    }
    for key, estimate in estimates.items():
        np.testing.assert_allclose(estimate, fixture[f"{name}_{key}"], atol=1e-5)


@pytest.mark.parametrize("name", ["grey", "rgb"])
def test_run_paper_agrees_with_the_published_algorithm(name):
    folder = os.environ.get("N2D_REFERENCE")
    if not folder:
        pytest.skip(
            "N2D_REFERENCE names no folder with golden_grey.npz, golden_rgb.npz"
        )
    golden = np.load(Path(folder) / f"golden_{name}.npz")

    def tensor(key):
        image = np.atleast_3d(golden[key]).astype(np.float32)
        return torch.from_numpy(image.transpose(2, 0, 1)[None].copy())

    layers = [f"{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")]
    networks = [
        load_network([golden[f"{stage}_init_layers.{layer}"] for layer in layers], 48)
        for stage in ("stage1", "stage3")
    ]
    run = stages.run_paper(tensor("noisy"), networks, int(golden["epochs"]))
    np.testing.assert_allclose(run.losses[0], golden["stage1_losses"], rtol=1e-5)
    np.testing.assert_allclose(run.losses[1], golden["stage3_losses"], rtol=1e-5)
    estimates = dict(
        vars(run), **{f"stage2_factor{r}": p for r, p in run.stage2_factors.items()}
    )
    for key in ("stage1", "stage2_factor2", "stage2_factor4", "stage2", "stage3"):
        np.testing.assert_allclose(estimates[key], tensor(key), atol=1e-4)


def test_the_paper_halves_its_learning_rate_after_1000_steps(monkeypatch):
    rates = []

    def record(loss, optimizer, n_steps, *, schedule, **kwargs):
        for _ in range(n_steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return []

    monkeypatch.setattr(stages, "train", record)
    stages.run_paper(torch.zeros(1, 1, 4, 4), random_networks(), 2000)
    assert rates == ([1e-3] * 1000 + [5e-4] * 1000) * 2


def test_a_graph_that_cannot_be_captured_changes_nothing(monkeypatch):
    noisy = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    plain = stages.run_paper(noisy, random_networks(), 12)

    def fail(compute, device):
        compute()
        raise RuntimeError("operation not permitted when stream is capturing")

    asked = []
    monkeypatch.setattr(graphs, "_cuda_device_of", lambda _: torch.device("cuda"))
    monkeypatch.setattr(graphs, "_captured", fail)
    monkeypatch.setattr(torch.cuda, "synchronize", asked.append)
    run = stages.run_paper(noisy, random_networks(), 12)
    assert len(asked) == 2
    assert run.losses == plain.losses
    assert torch.equal(run.stage3, plain.stage3)


def test_a_captured_computation_is_replayed_in_its_memory(monkeypatch):
    """As far as it can be rehearsed without a GPU."""
    weight, values = torch.tensor(1.0, requires_grad=True), []

    def compute():
        weight.grad = None
        value = weight**2
        value.backward()
        values.append(value)
        return value

    class Graph:
        def replay(self):
            first = values[-1]
            first.data.copy_(compute().detach())
            values[-1] = first

    for name in ("device", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, **__: nullcontext())
    for name in ("Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, lambda: Mock())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    replayed = graphs._captured(compute, torch.device("cuda"))
    assert len(values) == graphs._WARM_UP + 1
    for number in (2.0, 3.0):
        weight.data.fill_(number)
        assert replayed().item() == number**2
        assert weight.grad.item() == 2 * number


def random_networks(n=2, channels=1):
    generator = torch.Generator().manual_seed(3)
    return [random_network(channels, 6, "zeros", generator) for _ in range(n)]


@pytest.mark.parametrize("factors", [(), (2,), (3, 4)])
@pytest.mark.parametrize("n_networks", [1, 2])
def test_reach_is_exact(factors, n_networks):
    networks = random_networks(n_networks)
    side = 12 * 5
    image = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    other = image.clone()
    centre = side // 2
    other[..., centre, centre] += 1
    results = [
        stages.TrainedStages(networks, factors, clamp=False).estimates(x).stage3
        for x in (image, other)
    ]
    rows, columns = np.nonzero((results[0] != results[1])[0, 0].numpy())
    farthest = max(abs(rows - centre).max(), abs(columns - centre).max())
    assert farthest == stages.TrainedStages(networks, factors, clamp=False).reach


def test_stages_can_be_switched_off():
    noisy = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    f, h = random_networks()
    all_stages = stages.TrainedStages([f, h], (2,), clamp=False).estimates(noisy)
    mean = (all_stages.stage1 + all_stages.stage2_factors[2]) / 2
    torch.testing.assert_close(all_stages.stage2, mean)
    no_detail = stages.TrainedStages([f], (2,), clamp=False).estimates(noisy)
    assert torch.equal(no_detail.stage3, all_stages.stage2)
    no_refinement = stages.TrainedStages([f], (), clamp=False).estimates(noisy)
    assert torch.equal(no_refinement.stage3, all_stages.stage1)
    assert no_refinement.stage2_factors == {}


def test_only_the_paper_clamps():
    # Weights so large that every stage goes far beyond [0, 1].
    f, h = random_networks()
    with torch.no_grad():
        for network in (f, h):
            network.layers[-1].weight.mul_(50)
    noisy = 4 * torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 2
    with torch.no_grad():
        d1 = noisy - f(noisy)
        phases = pixel_unshuffle_to_batch(noisy, 2)
        shuffled = pixel_shuffle_from_batch(phases - f(phases), 2)
        p2 = shuffled - f(shuffled)
        d2 = (d1 + p2) / 2
        expected = {"stage1": d1, 2: p2, "stage2": d2, "stage3": h(d2)}

    def named(clamp):
        found = stages.TrainedStages([f, h], (2,), clamp=clamp).estimates(noisy)
        return vars(found) | found.stage2_factors

    free, clamped = named(False), named(True)
    for name, image in expected.items():
        assert image.min() < -0.5, name
        assert image.max() > 1.5, name
        torch.testing.assert_close(free[name], image)
        assert clamped[name].min() >= 0, name
        assert clamped[name].max() <= 1, name
    torch.testing.assert_close(clamped["stage1"], d1.clamp(0, 1))


def test_stage_3_brings_back_what_the_smooth_estimate_lacks():
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(96) / 5)[:, None] * np.cos(np.arange(96) / 4)
    clean = torch.tensor(clean, dtype=torch.float32)[None]
    noise = torch.tensor(rng.normal(0, 0.1, clean.shape), dtype=torch.float32)
    smooth = 0.6 * clean  # contrast is lost, no noise is left
    generator = torch.Generator().manual_seed(1)
    h = Correction(random_network(1, 8, "replicate", generator))
    losses = crops.recover_detail(
        h,
        [smooth],
        [clean + noise],
        100,
        learning_rate=1e-2,
        generator=generator,
        callback=None,
    )
    assert 0 < len(losses) <= 100
    with torch.no_grad():
        recovered = h(smooth[None])[0]
    assert (recovered - clean).square().mean() < (smooth - clean).square().mean() / 4


def test_run_crops_learns_and_repeats():
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(64) / 9)[:, None] * np.cos(np.arange(64) / 7)
    noisy = torch.tensor(clean + rng.normal(0, 0.3, clean.shape), dtype=torch.float32)
    estimates = []
    for _ in range(2):
        networks = random_networks()
        losses = crops.run_crops(
            [noisy[None]],
            networks,
            60,
            factors=(2,),
            learning_rate=3e-3,
            detail_steps=30,
            generator=torch.Generator().manual_seed(5),
        )
        assert [len(stage) for stage in losses] == [60, 30]
        estimates.append(
            stages.TrainedStages(networks, (2,), clamp=False).estimates(
                noisy[None, None]
            )
        )
    assert torch.equal(estimates[0].stage3, estimates[1].stage3)
    errors = [
        np.mean((estimate[0, 0].numpy() - clean) ** 2)
        for estimate in (noisy[None, None], estimates[0].stage1, estimates[0].stage2)
    ]
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < errors[1]
