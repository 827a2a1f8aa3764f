"""What has to hold on a GPU, as plain functions: with pytest, and without.

`test_gpu.py` runs them; `benchmarks/gpu.py` does where pytest is not installed. Each
takes the name of a device and returns figures; on "cpu" it rehearses itself.
"""

import contextlib
import pickle
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from n2d import Noise2DetailDenoiser
from n2d.applying import tiled
from n2d.core import graphs, stages
from n2d.core.network import random_network
from n2d.pretraining.loop import Settings, Training
from n2d.pretraining.scenes import ScenePool

# Shares of the range: single precision without TF32; in standard deviations of the
# noise: bfloat16.
SAME, SAME_IN_BFLOAT16 = 1e-4, 0.1

KINDS = {
    "default": {},
    "random start": {"init": "random", "max_iter": 20, "detail_max_iter": 20},
    "paper": {"solver": "paper", "max_iter": 20, "detail_max_iter": 20},
}


def is_gpu(device):
    """Whether a device is one; a rehearsal is kept small."""
    return torch.device(device).type == "cuda"


def image(side, seed=0):
    """Stripes of 3 intensities with photon noise."""
    clean = 40 * (1 + np.indices((side, side)).sum(0) // 9 % 3)
    return np.random.default_rng(seed).poisson(clean).astype(np.float32)


def denoiser(device, precision="float32", **options):
    """One that is repeatable."""
    return Noise2DetailDenoiser(
        device=device, precision=precision, random_state=0, **options
    )


@contextlib.contextmanager
def single_precision():
    """Keep TF32 away, and give it back."""
    kept = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = kept


def agreement(device):
    """Every solver gives what it gives on a CPU; the default the same bits twice."""
    noisy, figures = image(96 if is_gpu(device) else 32), {}
    with single_precision():
        for name, options in KINDS.items():
            here, there, again = (
                denoiser(where, **options).fit_transform(noisy)
                for where in ("cpu", device, device)
            )
            difference = float(np.abs(here - there).max() / np.ptp(noisy))
            figures[f"difference to the CPU, {name}"] = difference
            figures[f"same bits twice, {name}"] = bool((there == again).all())
            assert difference < SAME, figures
    assert figures["same bits twice, default"]
    return figures


def bfloat16(device):
    """In bfloat16 the default differs from single precision by little of the noise."""
    noisy = image(128 if is_gpu(device) else 48)
    exact = denoiser(device).fit(noisy)
    there = denoiser(device, precision="bfloat16").fit_transform(noisy)
    difference = np.abs(there - exact.transform(noisy)).max() / exact.noise_.level
    assert difference < SAME_IN_BFLOAT16, difference
    return {"bfloat16, largest difference in noise deviations": float(difference)}


def stacks(device):
    """Neighbours, standard errors and colours are those of a CPU."""
    side = 64 if is_gpu(device) else 32
    frames = np.stack([image(side, seed) for seed in range(4)])
    colours = np.stack([image(side, seed) for seed in range(3)], axis=-1)
    figures = {}
    with single_precision():
        for name, X, options in (
            ("neighbours in time", frames, {"stack": "time"}),
            ("colours", colours, {"channel_axis": -1}),
        ):
            here, there = (
                denoiser(where, **options).fit(X).transform(X, return_std=True)
                for where in ("cpu", device)
            )
            difference = max(
                float(np.abs(a - b).max() / np.ptp(X))
                for a, b in zip(here, there, strict=True)
            )
            figures[f"difference to the CPU, {name}"] = difference
            assert difference < SAME, figures
    return figures


def travelling(device, folder=None):
    """A model that is fitted there, saved, and loaded on a CPU gives the same."""
    noisy = image(96)
    with tempfile.TemporaryDirectory() as passing, single_precision():
        path = Path(folder or passing, "model.n2d")
        fitted = denoiser(device).fit(noisy)
        fitted.save(path, overwrite=True)
        loaded = Noise2DetailDenoiser.load(path, device="cpu")
        expected = fitted.transform(noisy)
        if folder is not None:
            np.save(Path(folder, "model_expected.npy"), expected)
        difference = np.abs(loaded.transform(noisy) - expected).max() / np.ptp(noisy)
        assert difference < SAME, difference
        passed_on = pickle.loads(pickle.dumps(fitted)).networks_[0]
        assert next(passed_on.parameters()).device.type == "cpu"
    return {"difference of a model on the CPU": float(difference)}


def memory_ladder(device):
    """Where memory ends in the middle, tiles are halved, and the result is the same."""
    on_gpu = is_gpu(device)
    noisy = image(1600 if on_gpu else 160)
    kind = {} if on_gpu else KINDS["random start"]  # of a small reach
    fitted = denoiser(device, **kind).fit(noisy[:200, :200])
    halved, ladder = [], tiled._Run._make_do_with_less

    def counted(run, tile, error):
        halved.append(max(tile.window[2:]))
        return ladder(run, tile, error)

    with single_precision():
        expected = fitted.transform(noisy)
        with (
            mock.patch.object(tiled._Run, "_make_do_with_less", counted),
            _little_memory(device) if on_gpu else _forbidden(120),
        ):
            found = fitted.transform(noisy)
    difference = float(np.abs(found - expected).max() / np.ptp(noisy))
    assert halved
    assert difference < SAME, difference
    return {
        "times that memory ended": len(halved),
        "difference with little memory": difference,
    }


@contextlib.contextmanager
def _little_memory(device):
    """Let PyTorch have little more than it has; what is planned does not know of it."""
    torch.cuda.empty_cache()
    index = torch.cuda.current_device()
    total = torch.cuda.get_device_properties(index).total_memory
    allowed = torch.cuda.memory_reserved(index) + 500 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / total, index)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, index)
        torch.cuda.empty_cache()


@contextlib.contextmanager
def _forbidden(side):
    """Refuse windows of more pixels a side, as a GPU does."""
    estimates = tiled.TileDenoiser.estimates

    def limited(self, values, tile, *rest):
        if max(tile.window[2:]) > side:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return estimates(self, values, tile, *rest)

    with mock.patch.object(tiled.TileDenoiser, "estimates", limited):
        yield


def tile_sizes(device):
    """Tiles are as large as the memory that is free allows, and not larger."""
    on_gpu = is_gpu(device)
    noisy = image(3000 if on_gpu else 160)
    # As it is by default there: in single precision, libraries take what is free. On a
    # CPU of a small reach.
    kind = {"precision": "auto"} if on_gpu else KINDS["random start"]
    fitted = denoiser(device, **kind).fit(noisy[:200, :200])
    same = SAME_IN_BFLOAT16 * fitted.noise_.level if on_gpu else SAME * np.ptp(noisy)
    windows, estimates = [], tiled.TileDenoiser.estimates

    def seen(self, values, tile, *rest):
        windows.append(tile.window[2] * tile.window[3])
        return estimates(self, values, tile, *rest)

    n_bytes = fitted._tile_denoiser().bytes_per_pixel(1)
    reach = fitted._tile_denoiser().geometry["reach"]
    # Room for tiles of so many pixels, on a GPU two at once.
    free = int(4.1 * n_bytes * (2 * reach + (512 if on_gpu else 64)) ** 2)
    with single_precision():
        expected = fitted.transform(noisy)
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            told = mock.patch.object(
                torch.cuda, "mem_get_info", return_value=(free, free)
            )
        else:
            told = mock.patch.object(tiled, "available_memory", return_value=free)
        with told, mock.patch.object(tiled.TileDenoiser, "estimates", seen):
            found = fitted.transform(noisy)
    figures = {
        "largest window with little memory, pixels": max(windows),
        "of what may be filled": max(windows) * n_bytes / (tiled._SHARE * free),
    }
    assert len(windows) > 1
    assert max(windows) * n_bytes <= tiled._SHARE * free
    assert np.abs(found - expected).max() < same
    if on_gpu:
        took = torch.cuda.max_memory_allocated() - before
        figures["peak memory as a share of what was free"] = took / free
        assert took < free, figures
    return figures


def memory_kept(device):
    """One image after the other: what is kept does not grow (nothing on a CPU)."""
    if not is_gpu(device):
        return {}
    noisy, kept = image(256), []
    for _ in range(20):
        denoiser(device, precision="auto").fit_transform(noisy)
        kept.append(torch.cuda.memory_allocated() / 2**20)
    assert kept[-1] < kept[4] + 1, kept
    return {"memory kept after 5 and after 20 images, MiB": f"{kept[4]}, {kept[-1]}"}


def captured(device):
    """The steps of the published schedule come out the same when they are replayed."""
    noisy = torch.from_numpy(image(64 if is_gpu(device) else 16)[None, None] / 250).to(
        device
    )
    plain, replayed, made = [], [], []
    capture = graphs._captured

    def watched(compute, where):
        function = capture(compute, where)
        made.append(function)
        return function

    for losses, is_cuda in ((plain, lambda _: None), (replayed, None)):
        generator = torch.Generator().manual_seed(0)
        networks = [
            random_network(1, 48, "zeros", generator).to(device) for _ in range(2)
        ]
        with contextlib.ExitStack() as stack:
            stack.enter_context(single_precision())
            stack.enter_context(mock.patch.object(graphs, "_captured", watched))
            if is_cuda is not None:
                stack.enter_context(
                    mock.patch.object(graphs, "_cuda_device_of", is_cuda)
                )
            run = stages.run_paper(noisy, networks, 30 if is_gpu(device) else 12)
        losses += [*run.losses[0], *run.losses[1]]
    difference = float(np.abs(np.divide(replayed, plain) - 1).max())
    assert len(made) == (2 if is_gpu(device) else 0), "was not captured"
    assert difference < 1e-3, difference
    return {"graphs captured": len(made), "difference of replayed losses": difference}


def streams(device):
    """While a tile is computed, others are copied (nothing to see on a CPU)."""
    if not is_gpu(device):
        return {}
    noisy = image(3000)
    fitted = denoiser(device, precision="auto").fit(noisy[:200, :200])
    with mock.patch.object(tiled, "_LARGEST_TILE", 512):
        fitted.transform(noisy)
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CUDA]
        ) as profile:
            fitted.transform(noisy)
            torch.cuda.synchronize()
    copies, kernels = [], []
    for event in profile.events():
        span = event.time_range.start, event.time_range.end
        name = event.name.lower()
        if "memcpy" in name and ("htod" in name or "dtoh" in name):
            copies.append(span)
        elif "mem" not in name and "sync" not in name:
            kernels.append(span)
    share = overlap(copies, kernels)
    assert share > 0.1, share
    return {"share of the copying that other work overlaps": share}


def overlap(some, others):
    """Which share of the length of some intervals is covered by others."""
    some, total, covered = sorted(some), 0.0, 0.0
    merged = []
    for start, end in sorted(others):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    for start, end in some:
        total += end - start
        covered += sum(max(0.0, min(end, e) - max(start, s)) for s, e in merged)
    return covered / total if total else 0.0


def pretraining(device):
    """The weights that ship can be trained on there; replayed steps are the same."""
    settings = Settings(
        # Draws with and without maps of the level, and without them again.
        steps=10,
        batch=2,
        patch=32,
        n_scenes=3,
        scene_size=64,
        half_precision=False,
        network={
            "widths": (8, 8),
            "encoder_blocks": (1,),
            "coarsest_dilations": (1,),
            "decoder_blocks": (1,),
        },
    )
    pool = ScenePool(settings.n_scenes, settings.scene_size, 0, torch.device(device))
    losses = []
    with contextlib.closing(pool), single_precision():
        for patched in (
            contextlib.nullcontext(),
            mock.patch.object(graphs, "_cuda_device_of", return_value=None),
        ):
            with patched:
                training = Training(settings, pool)
                steps = [training.take_step(i / 10) for i in range(settings.steps)]
            losses.append(torch.stack(steps).cpu())
    weights = list(training.network.parameters())
    assert {w.device.type for w in weights} == {torch.device(device).type}
    difference = float((losses[0] / losses[1] - 1).abs().max())
    assert difference < 1e-2, losses
    return {"difference of replayed losses, pretraining": difference}


CHECKS = (
    *(agreement, bfloat16, stacks, travelling, memory_ladder, tile_sizes, memory_kept),
    *(captured, streams, pretraining),
)
