"""Any size in bounded memory: tiles, threads, outputs, and what if there is no room."""

import signal
import subprocess
import sys
import textwrap
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from n2d import Noise2DetailDenoiser, _memory
from n2d._memory import available_memory, check_room, is_out_of_memory
from n2d.applying import tiled
from n2d.applying.tiled import TileDenoiser, denoised_tiles
from n2d.core.prior_network import PriorNetwork
from n2d.core.progress import Cancelled
from n2d.images import Images

da = pytest.importorskip("dask.array")
zarr = pytest.importorskip("zarr")


def noisy_image(*shape, seed=0):
    rng = np.random.default_rng(seed)
    clean = 40 * (1 + np.indices(shape[-2:]).sum(0) // 9 % 3)
    return rng.poisson(np.broadcast_to(clean, shape)).astype(np.uint16)


@pytest.fixture(scope="module")
def shipped():
    # What is promised to the bit, or nearly, is promised in float32.
    denoiser = Noise2DetailDenoiser(precision="float32", random_state=0)
    return denoiser.fit(noisy_image(96, 96))


@pytest.fixture(scope="module")
def fitted(shipped):
    """Fitted, with a network that sees less far than small images are wide."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PriorNetwork((8, 8), (1,), (1,), (1,)).requires_grad_(False).eval()
    network.last.weight *= 0.3
    fitted = copy(shipped)
    fitted._stages = replace(shipped._stages, networks=(network,))
    return fitted


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiled, "_LARGEST_TILE", 64)


def assert_same(found, expected, X):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.ptp(X))


# -- tiles and threads -------------------------------------------------------------


@pytest.mark.parametrize("shape", [(150, 131), (64, 64), (3, 70, 40), (1, 300)])
@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_neither_tiles_nor_threads_change_anything(
    fitted, monkeypatch, shape, n_threads
):
    X = noisy_image(*shape)
    whole = fitted.transform(X)
    monkeypatch.setattr(tiled, "_LARGEST_TILE", 64)
    images = Images(X)
    outputs = images.empty_like()
    tiles = denoised_tiles(
        TileDenoiser(fitted._stages, fitted._intensities, precision="float32"),
        images,
        torch.device("cpu"),
        n_threads=n_threads,
    )
    for i, tile, (estimate,) in tiles:
        outputs[i].write(estimate, tile.top, tile.left)
    assert_same(outputs.result, whole, X)


def test_tiles_of_the_shipped_network_fit_together(shipped, monkeypatch):
    X = noisy_image(40, 400)
    whole = shipped.transform(X)
    monkeypatch.setattr(tiled, "_LARGEST_TILE", 128)
    assert shipped._stages.reach < 128
    assert_same(shipped.transform(X), whole, X)


def test_tiles_in_half_precision_fit_together_as_well(shipped, monkeypatch):
    X = noisy_image(40, 400)
    half = copy(shipped).set_params(precision="bfloat16")
    whole = half.transform(X)
    level = shipped.noise_.level
    off = np.abs(whole - shipped.transform(X)) / level
    assert 0 < np.sqrt(np.mean(off**2)) < 0.02
    monkeypatch.setattr(tiled, "_LARGEST_TILE", 128)
    assert np.abs(half.transform(X) - whole).max() < 0.05 * level


def test_a_region_is_that_part_of_the_whole(fitted, small_tiles):
    X = noisy_image(200, 170)
    whole = fitted.transform(X)
    region = (37, 50, 101, 99)
    covered = np.zeros(X.shape, int)
    tiles = denoised_tiles(
        TileDenoiser(fitted._stages, fitted._intensities, precision="float32"),
        Images(X),
        torch.device("cpu"),
        n_threads=1,
        regions=[region],
    )
    for _, tile, (estimate,) in tiles:
        here = np.s_[tile.top : tile.top + tile.height, tile.left :][0]
        columns = slice(tile.left, tile.left + tile.width)
        assert_same(estimate[0], whole[here, columns], X)
        covered[here, columns] += 1
    inside = np.zeros(X.shape, int)
    inside[37:138, 50:149] = 1
    np.testing.assert_array_equal(covered, inside)


def test_threads_of_the_caller_are_left_alone(fitted, small_tiles):
    before = torch.get_num_threads()
    seen = []
    fitted.transform(
        noisy_image(200, 200),
        callback=lambda progress: seen.append(torch.get_num_threads()),
    )
    assert set(seen) == {before}
    assert torch.get_num_threads() == before


def test_progress_counts_pixels_and_cancels(fitted, small_tiles):
    X = noisy_image(130, 140)
    seen = []
    fitted.transform(X, callback=seen.append)
    assert [p.total for p in seen] == [X.size] * len(seen)
    assert seen[-1].step == X.size
    assert np.all(np.diff([p.step for p in seen]) > 0)
    out = np.zeros(X.shape, np.float32)
    with pytest.raises(Cancelled, match=r"after \d+ of 18200 pixels"):
        fitted.transform(X, out=out, callback=lambda progress: True)
    assert out[0, 0]  # one tile is done, and nothing else
    assert np.count_nonzero(out) == seen[0].step


def test_an_error_while_reading_comes_out_as_it_is(fitted, small_tiles):
    X = noisy_image(200, 200).astype(float)
    X[150, 150] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fitted.transform(X)


@pytest.mark.parametrize("parameters", [{"init": "random"}, {"solver": "paper"}, {}])
def test_images_without_noise_have_every_estimate(parameters):
    X = np.full((40, 50), 7, np.uint8)
    denoiser = Noise2DetailDenoiser(random_state=0, **parameters).fit(X)
    stages = denoiser.transform_stages(X)
    factors = stages.pop("stage2_factors")
    assert tuple(factors) == denoiser.downsampling_factors_
    for estimate in (*stages.values(), *factors.values()):
        np.testing.assert_array_equal(estimate, X)


@pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")  # channels of one scene, turned
@pytest.mark.slow
@pytest.mark.parametrize("shape", [(150, 131), (2, 90, 80)])
def test_a_region_of_transform_is_that_part_of_the_result(fitted, small_tiles, shape):
    X = noisy_image(*shape)
    whole = fitted.transform(X)
    for region in (np.s_[33:71, 5:], np.s_[-20:, :13], np.s_[:, :]):
        here = (..., *region)
        found = fitted.transform(X, region=region)
        assert found.shape == whole[here].shape
        assert_same(found, whole[here], X)
        out = np.zeros_like(whole)
        fitted.transform(X, region=region, out=out[here])
        assert_same(out[here], whole[here], X)
    colour = np.stack([X, X[::-1], X], axis=-1)[..., :90, :80, :]
    exact = {"precision": "float32", "random_state": 0}
    denoiser = Noise2DetailDenoiser(channel_axis=-1, **exact).fit(colour)
    found = denoiser.transform(colour, region=np.s_[10:60, 40:])
    assert_same(found, denoiser.transform(colour)[..., 10:60, 40:, :], X)
    lazily = fitted.transform(da.from_array(X, chunks=64), region=np.s_[10:60, 40:])
    assert_same(lazily.compute(), whole[..., 10:60, 40:], X)


@pytest.mark.parametrize("region", [np.s_[3:3, :], np.s_[::2, :], np.s_[3:], (1, 2), 5])
def test_a_region_must_be_one(fitted, region):
    with pytest.raises(ValueError, match="region"):
        fitted.transform(noisy_image(60, 70), region=region)


# -- outputs -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ndarray", "memmap", "zarr"])
def test_results_are_written_as_they_come(fitted, small_tiles, tmp_path, kind):
    X = noisy_image(2, 150, 131)
    expected = fitted.transform(X)
    shape, dtype = X.shape, np.float32
    if kind == "ndarray":
        out = np.empty(shape, dtype)
    elif kind == "memmap":
        out = np.memmap(tmp_path / "out.raw", dtype, "w+", shape=shape)
    else:
        out = zarr.create_array(
            tmp_path / "out.zarr", shape=shape, dtype=dtype, chunks=(1, 50, 60)
        )
    assert fitted.transform(X, out=out) is out
    assert_same(np.asarray(out), expected, X)


@pytest.mark.slow
def test_memory_maps_and_zarr_are_read_like_arrays(tmp_path):
    X = noisy_image(530, 500)
    X.tofile(tmp_path / "X.raw")
    mapped = np.memmap(tmp_path / "X.raw", X.dtype, "r", shape=X.shape)
    stored = zarr.create_array(tmp_path / "X.zarr", data=X, chunks=(256, 256))
    part = {"region": np.s_[200:300, 180:300]}
    expected = Noise2DetailDenoiser(random_state=0).fit(X).transform(X, **part)
    for lazily in (mapped, stored):
        denoiser = Noise2DetailDenoiser(random_state=0).fit(lazily)
        np.testing.assert_array_equal(denoiser.transform(lazily, **part), expected)


def test_integers_are_rounded_and_clipped(fitted):
    X = noisy_image(60, 70)
    expected = fitted.transform(X)
    out = np.empty(X.shape, np.uint16)
    fitted.transform(X, out=out)
    np.testing.assert_array_equal(out, np.rint(expected))
    out = np.empty(X.shape, np.int8)
    fitted.transform(X, out=out)
    np.testing.assert_array_equal(out, np.clip(np.rint(expected), -128, 127))


def test_lists_have_lists_of_outputs(fitted):
    X = [noisy_image(60, 70), noisy_image(31, 47, seed=1)]
    out = [np.empty(x.shape, np.float32) for x in X]
    assert fitted.transform(X, out=out) is out
    for found, expected in zip(out, fitted.transform(X), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="out must be a list"):
        fitted.transform(X, out=out[0])
    with pytest.raises(ValueError, match="out has 1 arrays, but X has 2"):
        fitted.transform(X, out=out[:1])


def test_unsuitable_outputs_are_refused(fitted, tmp_path):
    X = noisy_image(60, 70)
    untouched = X.copy()
    with pytest.raises(ValueError, match=r"out has shape \(60, 71\)"):
        fitted.transform(X, out=np.empty((60, 71)))
    with pytest.raises(ValueError, match="out must not be X itself"):
        fitted.transform(X, out=X)
    with pytest.raises(ValueError, match="or share memory"):
        fitted.transform(X, out=X[::-1])
    with pytest.raises(TypeError, match="got list"):
        fitted.transform(X, out=X.tolist())
    with pytest.raises(TypeError, match="dtype complex64"):
        fitted.transform(X, out=np.empty(X.shape, np.complex64))
    frozen = np.empty(X.shape)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        fitted.transform(X, out=frozen)
    X.tofile(tmp_path / "X.raw")
    maps = [
        np.memmap(tmp_path / "X.raw", X.dtype, "r+", shape=X.shape) for _ in range(2)
    ]
    with pytest.raises(ValueError, match="out must not be X itself"):
        fitted.transform(maps[0], out=maps[1])
    np.testing.assert_array_equal(X, untouched)
    np.testing.assert_array_equal(maps[0], untouched)


def test_a_copy_on_write_map_keeps_what_was_written_to_it(fitted, tmp_path):
    X = noisy_image(60, 70)
    X.tofile(tmp_path / "X.raw")
    mapped = np.memmap(tmp_path / "X.raw", X.dtype, "c", shape=X.shape)
    mapped[:] = X[::-1]
    np.testing.assert_array_equal(fitted.transform(mapped), fitted.transform(X[::-1]))
    np.testing.assert_array_equal(mapped, X[::-1])


# -- memory ------------------------------------------------------------------------


class Hungry:
    """Stages that have memory for windows of some side only."""

    def __init__(self, stages, largest, error):
        self.largest, self.error = largest, error
        self.stages, self.windows = stages, []
        self.reach, self.alignment = stages.reach, stages.alignment
        self.bytes_per_pixel = stages.bytes_per_pixel

    def estimates(self, noisy, halo):
        self.windows.append(noisy.shape[-2:])
        if max(noisy.shape[-2:]) > self.largest:
            raise self.error
        return self.stages.estimates(noisy, halo)


class TileDenoiserOfHungry(TileDenoiser):
    def to(self, device):
        return self


ERRORS = [
    MemoryError("Unable to allocate 1 TiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."),
    RuntimeError("could not create a primitive"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("[enforce fail a"),
]


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS, ids=str)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_without_memory_tiles_are_halved(fitted, error, n_threads):
    X = noisy_image(2, 300, 260)
    # Enough for small tiles and what is around them, too little for the image.
    largest = 2 * fitted._stages.reach + 48
    hungry = Hungry(fitted._stages, largest, error)
    images = Images(X)
    outputs = images.empty_like()
    tiles = denoised_tiles(
        TileDenoiserOfHungry(hungry, fitted._intensities, precision="float32"),
        images,
        torch.device("cpu"),
        n_threads=n_threads,
    )
    covered = np.zeros(X.shape, int)
    for i, tile, (estimate,) in tiles:
        outputs[i].write(estimate, tile.top, tile.left)
        rows = slice(tile.top, tile.top + tile.height)
        covered[i, rows, tile.left : tile.left + tile.width] += 1
    assert (covered == 1).all()
    assert_same(outputs.result, fitted.transform(X), X)
    assert max(map(max, hungry.windows)) > largest


def test_without_any_memory_the_error_says_what_to_do(fitted):
    hungry = Hungry(fitted._stages, 0, MemoryError())
    tiles = denoised_tiles(
        TileDenoiserOfHungry(hungry, fitted._intensities, precision="float32"),
        Images(noisy_image(300, 260)),
        torch.device("cpu"),
        n_threads=1,
    )
    with pytest.raises(MemoryError, match=r"tile of \d+ x \d+ .* Close other programs"):
        list(tiles)


def test_other_errors_are_not_taken_for_want_of_memory(fitted):
    hungry = Hungry(fitted._stages, 0, RuntimeError("shapes do not fit"))
    tiles = denoised_tiles(
        TileDenoiserOfHungry(hungry, fitted._intensities, precision="float32"),
        Images(noisy_image(300, 260)),
        torch.device("cpu"),
        n_threads=2,
    )
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        list(tiles)


def test_less_memory_makes_smaller_tiles(shipped):
    denoiser = TileDenoiser(shipped._stages, shipped._intensities)
    sides = [denoiser.tile_side(1, memory) for memory in (0, 3e7, 6e7, 1e12)]
    assert sides == sorted(sides)
    assert sides[0] == tiled._SMALLEST_TILE
    assert sides[-1] == tiled._LARGEST_TILE
    assert sides[0] < sides[1] < sides[2]


def test_a_result_that_cannot_fit_is_refused_before_anything_is_done(
    fitted, monkeypatch
):
    monkeypatch.setattr(_memory, "available_memory", lambda: 10_000)
    with pytest.raises(MemoryError, match=r"result would take 14.4 kB .* pass out="):
        fitted.transform(noisy_image(60, 60))
    with pytest.raises(MemoryError, match="10 kB are available"):
        check_room(10_001, "this", "do that")


def test_there_is_some_memory():
    assert 1e6 < available_memory() < 1e15
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("[enforce fail at file.cc:1] no file"))


@pytest.mark.parametrize(
    ("line", "limit", "used"),
    [
        ("0::/jobs/mine\n", "memory.max", "anon"),
        ("4:memory:/jobs/mine\n0::/\n", "memory.limit_in_bytes", "total_rss"),
    ],
)
def test_the_control_group_of_the_process_counts_and_those_above(
    tmp_path, monkeypatch, line, limit, used
):
    def group(place, n_limit, n_used):
        folder = tmp_path / "groups" / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / limit).write_text(f"{n_limit}\n")
        (folder / "memory.stat").write_text(f"{used} {n_used}\nfile 9\n")

    (tmp_path / "own").write_text(line)
    kinds = [(k[0], str(tmp_path / "groups"), *k[2:]) for k in _memory._GROUPS]
    monkeypatch.setattr(_memory, "_OWN_GROUPS", str(tmp_path / "own"))
    monkeypatch.setattr(_memory, "_GROUPS", kinds)
    before = available_memory()
    group(".", "max", 0)  # the root of all has no limit
    assert available_memory() == pytest.approx(before, rel=0.2)
    group("jobs/mine", 5000, 1000)
    assert available_memory() == 4000
    group("jobs", 7000, 6500)
    assert available_memory() == 500
    group("jobs/others", 100, 100)
    assert available_memory() == 500


CAPPED = """
    import resource
    import numpy as np, psutil, torch
    from n2d import Noise2DetailDenoiser
    from n2d.applying import tiled

    torch.set_num_threads(1)
    X = np.random.default_rng(0).poisson(50, (800, 700)).astype(np.uint16)
    small = X[:128, :128]
    denoiser = Noise2DetailDenoiser(random_state=0).fit(small)
    denoiser.transform(small)
    halved = []
    make_do = tiled._Run._make_do_with_less

    def watched(run, tile, error):
        halved.append(tile.height)
        make_do(run, tile, error)

    tiled._Run._make_do_with_less = watched
    # The plan does not know of the limit, as of another program that takes memory.
    tiled.available_memory = lambda: 10**12
    tiled._LARGEST_TILE = 2048
    out = np.empty(X.shape, np.float32)
    limit = psutil.Process().memory_info().vms + {extra} * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    denoiser.transform(X, out=out)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    assert halved, "memory did not run out"
    np.testing.assert_allclose(out, denoiser.transform(X), rtol=0, atol=1e-4)
    print("halved", halved)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_process_that_runs_out_of_memory_goes_on():
    # How much is left of a limit depends on the machine: look for one between what a
    # tile of the first size takes and what the smallest one does.
    too_little, enough = 30, 250
    for _ in range(8):
        extra = (too_little + enough) // 2
        code = textwrap.dedent(CAPPED).replace("{extra}", str(extra))
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True
        )
        if run.stdout.startswith("halved"):
            return
        # Then it says so, and nothing else goes wrong. With next to nothing left a
        # library may end the process before it can, as it likes.
        last = run.stderr.strip().splitlines()[-1]
        of_library = run.returncode == -signal.SIGSEGV or (
            run.returncode == -signal.SIGABRT
            and ("bad_alloc" in run.stderr or "out of memory" in run.stderr)
        )
        if "did not run" in last:
            enough = extra
        else:
            assert last.startswith("MemoryError: not even") or of_library, run.stderr
            too_little = extra
    pytest.fail(run.stderr)
