"""Dask arrays in, lazy Dask arrays out; a real cluster, and a worker that dies."""

import os
import pickle
import signal
import subprocess
import sys
import time

import cloudpickle
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import n2d.applying.cluster
from n2d import Noise2DetailDenoiser
from n2d.applying import dask_arrays, tiled
from n2d.applying.cluster import Cluster
from n2d.cli import app

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

EXACT = {"precision": "float32", "random_state": 0}


def noisy_image(*shape, seed=0):
    rng = np.random.default_rng(seed)
    clean = 40 * (1 + np.indices(shape[-2:]).sum(0) // 9 % 3)
    return rng.poisson(np.broadcast_to(clean, shape)).astype(np.uint16)


@pytest.fixture(scope="module")
def fitted():
    # What is promised to the bit, or nearly, is promised in float32.
    return Noise2DetailDenoiser(**EXACT).fit(noisy_image(96, 96))


@pytest.fixture
def small_chunks(monkeypatch):
    """Let chunks be as small as the halo allows."""
    monkeypatch.setattr(dask_arrays, "_SMALLEST_CHUNK", 1)


def assert_same(found, expected, X):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.ptp(X))


def test_nothing_is_computed_before_it_is_asked_for(fitted):
    def fail(block):
        raise AssertionError("computed")

    X = da.zeros((3000, 2000), np.int16, chunks=(600, 999)).map_blocks(
        fail, dtype=np.int16, meta=np.empty((0, 0), np.int16)
    )
    denoised = fitted.transform(X)
    assert isinstance(denoised, da.Array)
    assert denoised.shape == X.shape
    assert denoised.chunks == X.chunks
    assert denoised.dtype == denoised._meta.dtype == np.float32
    assert fitted.transform(X.astype(np.float64)).dtype == np.float64
    with pytest.raises(AssertionError, match="computed"):
        denoised[:10, :10].compute()


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((150, 131), (50, 131)),
        ((150, 131), (47, 49)),
        ((150, 131), (7, 200)),
        ((3, 60, 70), (2, 30, 33)),
        ((30, 300), (30, 64)),
    ],
)
def test_chunks_change_nothing(fitted, small_chunks, shape, chunks):
    X = noisy_image(*shape)
    denoised = fitted.transform(da.from_array(X, chunks=chunks))
    assert_same(denoised.compute(), fitted.transform(X), X)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_chunks_change_nothing(fitted, data):
    X = noisy_image(120, 90)
    sides = [
        tuple(np.diff([0, *sorted(cuts), n]).tolist())
        for n in X.shape
        for cuts in [data.draw(st.sets(st.integers(1, n - 1), max_size=3))]
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_arrays, "_SMALLEST_CHUNK", 1)
        denoised = fitted.transform(da.from_array(X, chunks=tuple(sides)))
    assert denoised.chunks == tuple(sides)
    assert_same(denoised.compute(), fitted.transform(X), X)


@pytest.mark.parametrize("channel_axis", [-1, 1])
def test_channels_are_denoised_together(small_chunks, channel_axis):
    X = np.stack([noisy_image(100, 90, seed=c) for c in range(3)], axis=channel_axis)
    denoiser = Noise2DetailDenoiser(channel_axis=channel_axis, **EXACT)
    expected = denoiser.fit_transform(X)
    lazy = da.from_array(X, chunks=[1 if n == 3 else 50 for n in X.shape])
    denoised = denoiser.transform(lazy)
    assert denoised.chunks == lazy.chunks
    assert_same(denoised.compute(), expected, X)


@pytest.mark.parametrize(
    "parameters",
    [
        {"init": "random", "max_iter": 2, "detail_max_iter": 2},
        {"solver": "paper", "max_iter": 1, "detail_max_iter": 1},
        {"downsampling_factors": (3,), "detail_max_iter": 2},
    ],
    ids=str,
)
def test_every_solver(small_chunks, parameters):
    X = noisy_image(110, 90, seed=1)
    denoiser = Noise2DetailDenoiser(**EXACT, **parameters).fit(X)
    denoised = denoiser.transform(da.from_array(X, chunks=(37, 41)))
    assert_same(denoised.compute(), denoiser.transform(X), X)


def test_lists_come_back_as_lists(fitted):
    X = [da.from_array(noisy_image(60, 70)), noisy_image(31, 47)]
    denoised = fitted.transform(X)
    assert isinstance(denoised, list)
    for found, x in zip(denoised, X, strict=True):
        np.testing.assert_array_equal(found, fitted.transform(np.asarray(x)))


@pytest.mark.slow
def test_fit_reads_dask_arrays():
    X = noisy_image(530, 500)
    expected = Noise2DetailDenoiser(**EXACT).fit(X)
    lazy = da.from_array(X, chunks=100)
    denoiser = Noise2DetailDenoiser(**EXACT)
    denoised = denoiser.fit_transform(lazy)
    assert denoiser.noise_.level == expected.noise_.level
    assert isinstance(denoised, da.Array)
    assert_same(
        denoised[:64, :64].compute(), expected.transform(X[:200, :200])[:64, :64], X
    )


def test_images_without_noise_come_back(small_chunks):
    X = np.full((100, 120), 7, np.uint8)
    lazy = da.from_array(X, chunks=33)
    denoised = Noise2DetailDenoiser().fit_transform(lazy)
    np.testing.assert_array_equal(denoised, X)


def test_bad_input_says_what_is_wrong(fitted):
    X = noisy_image(60, 70).astype(float)
    X[10, 20] = np.nan
    with pytest.raises(ValueError, match=r"block \(0, 0\) of X contains NaN"):
        fitted.transform(da.from_array(X)).compute()
    unknown = da.from_array(X)[da.from_array(X[:, 0]) > 0]
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        fitted.transform(unknown)
    with pytest.raises(TypeError, match="out must not be a Dask array"):
        fitted.transform(np.zeros((60, 70)), out=da.zeros((60, 70)))
    with pytest.raises(ValueError, match="3 channel"):
        Noise2DetailDenoiser(channel_axis=0).fit(noisy_image(2, 32, 32)).transform(
            da.zeros((3, 64, 64))
        )


def test_weights_are_in_the_graph_once(fitted, small_chunks):
    X = da.zeros((400, 400), np.uint16, chunks=100)
    graph = dict(fitted.transform(X).__dask_graph__())
    sizes = sorted(len(cloudpickle.dumps(task)) for task in graph.values())
    weights = len(pickle.dumps(fitted._stages))
    assert weights > 300_000
    assert sizes[-1] > 0.9 * weights
    assert sizes[-2] < 0.1 * weights


def test_chunks_of_large_arrays_are_put_together_further(fitted):
    def n_blocks(*shape):
        lazy = fitted.transform(da.zeros(shape, np.uint16, chunks=256))
        keys = lazy.__dask_graph__().keys()
        return sum(str(key[0]).startswith("_denoised_block") for key in keys)

    # Around smaller ones more is computed twice; of few there are not enough to share.
    assert (n_blocks(2048, 2048), n_blocks(4096, 4096)) == (16, 16)


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator of Linux")
def test_workers_keep_freed_memory_while_they_compute():
    code = """if True:
        import contextlib, ctypes, resource
        import numpy as np
        from n2d._memory import freed_memory_kept

        def faults(kept):
            with kept:
                np.ones(2**19)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
                for _ in range(20):
                    np.ones(2**19)  # of 1,024 pages
                return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        is_glibc = hasattr(ctypes.CDLL(None), "mallopt")
        found = [faults(k()) for k in 2 * [contextlib.nullcontext, freed_memory_kept]]
        assert found[0] > 5000 and found[2] > 5000 or not is_glibc, found
        assert max(found[1], found[3]) < 3000 or not is_glibc, found
    """
    environment = {
        **os.environ,
        "MALLOC_TRIM_THRESHOLD_": "65536",  # as Dask sets it
        # Pages of 2 MiB, which there are or are not, would be counted as one each.
        "NUMPY_MADVISE_HUGEPAGE": "0",
    }
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_the_same_computation_has_the_same_name(fitted):
    X = da.zeros((400, 400), np.uint16, chunks=100)
    assert fitted.transform(X).name == fitted.transform(X).name
    other = Noise2DetailDenoiser(random_state=0).fit(noisy_image(96, 96, seed=1))
    assert other.transform(X).name != fitted.transform(X).name


def test_blocks_do_not_fight_for_threads(fitted, small_chunks, monkeypatch):
    seen = []
    estimates = tiled.TileDenoiser.estimates

    def watched(*arguments):
        seen.append(torch.get_num_threads())
        return estimates(*arguments)

    monkeypatch.setattr(tiled.TileDenoiser, "estimates", watched)
    n_threads = torch.get_num_threads()
    # Four blocks: those smaller than the reach are put together.
    X = noisy_image(400, 400)
    fitted.transform(da.from_array(X, chunks=(50, 50))).compute(scheduler="threads")
    assert set(seen) == {1}
    assert torch.get_num_threads() == n_threads


def count_blocks(dask_scheduler):
    """How many denoised blocks are done (runs on the scheduler)."""
    return sum(
        task.state == "memory" and "denoised_block" in str(task.key)
        for task in dask_scheduler.tasks.values()
    )


@pytest.mark.slow
def test_a_cluster_gives_the_same_even_if_a_worker_dies(fitted, small_chunks):
    X = noisy_image(880, 600)
    lazy = fitted.transform(da.from_array(X, chunks=(110, 100)))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster.scheduler_address) as client,
    ):
        future = client.compute(lazy)
        victim = next(iter(client.run(os.getpid).values()))
        while client.run_on_scheduler(count_blocks) < 2:
            assert not future.done()
            time.sleep(0.02)
        assert client.run_on_scheduler(count_blocks) < 48
        os.kill(victim, signal.SIGKILL)
        denoised = future.result(timeout=120)
        assert victim not in client.run(os.getpid).values()
    assert_same(denoised, fitted.transform(X), X)


@pytest.fixture
def small_cluster(monkeypatch):
    monkeypatch.setattr(tiled, "_LARGEST_TILE", 96)
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        dashboard_address=":0",
        silence_logs=50,
    ) as cluster:
        yield cluster.scheduler_address


def test_tiles_of_files_are_denoised_by_a_cluster(
    fitted, small_cluster, tmp_path, monkeypatch
):
    X, n_sent = np.stack([noisy_image(100, 99, seed=s) for s in range(2)]), []
    submit = Cluster.submit
    monkeypatch.setattr(
        Cluster, "submit", lambda *given: n_sent.append(1) or submit(*given)
    )
    fitted.save(tmp_path / "a.n2d")
    tifffile.imwrite(tmp_path / "a.tif", X, photometric="minisblack")
    found = []
    for options in ((), ("--cluster", small_cluster)):
        target = tmp_path / f"out{len(options)}.tif"
        arguments = ["denoise", tmp_path / "a.tif", "-o", target, *options]
        arguments += ["--model", tmp_path / "a.n2d", "--axes", "TYX"]
        run = CliRunner().invoke(app, [*map(str, arguments), "--dtype", "float32"])
        assert run.exit_code == 0, run.output
        found.append(tifffile.imread(target))
    assert n_sent
    assert_same(found[1], found[0], X)


def test_a_cluster_that_is_not_there_is_said_before_anything_is_done(
    small_cluster, tmp_path, monkeypatch
):
    monkeypatch.setattr(n2d.applying.cluster, "_PATIENCE", 0.2)
    arguments = ["denoise", str(tmp_path / "a.tif"), "-o", str(tmp_path / "b.tif")]
    np.save(tmp_path / "a.npy", noisy_image(32, 32))
    tifffile.imwrite(tmp_path / "a.tif", noisy_image(32, 32))
    run = CliRunner().invoke(app, [*arguments, "--cluster", "tcp://127.0.0.1:9"])
    assert run.exit_code == 2
    assert "there is no Dask scheduler at" in " ".join(run.output.split())
    monkeypatch.setattr(n2d.applying.cluster, "__version__", "9", raising=True)
    with distributed.Client(small_cluster, set_as_default=False) as client:
        monkeypatch.setattr(client, "run", lambda function: {"worker": "8"})
        with pytest.raises(ValueError, match="have n2d 8, and here is 9"):
            Cluster(client).check()
    assert not (tmp_path / "b.tif").exists()
