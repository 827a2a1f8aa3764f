"""Large images: memory, seams and throughput.

    python benchmarks/large.py slide [--side 20000] [--folder DIR]
    python benchmarks/large.py series [--planes 1000] [--side 512] [--folder DIR]
    python benchmarks/large.py memory
    python benchmarks/large.py throughput [--side 2048] [--precision auto]
    python benchmarks/large.py halo

- `slide`: a uint16 image on disk, larger than memory is wished to grow, fitted and
  denoised into another file; wall time, peak memory, and the difference to crops that
  are denoised on their own, across the borders of tiles.
- `series`: an OME-TIFF of a time series of uint16 planes, denoised into another one as
  `n2d denoise` does; peak memory.
- `memory`: the peak for 2048 x 2048 pixels in memory, and the curve over 300 images
  that are fitted and denoised one after the other in one process.
- `throughput`: megapixels per second of `transform` with one and two threads and on a
  cluster of two workers, in turns with the network alone, and what the steps between
  them take.
- `halo`: what a chunk of a Dask array takes at best, with the pixels around it that are
  computed along, beside the network alone on as many pixels; by the side of the chunk.

Every peak is that of a process of its own. Tables go to OUTPUT/large_*.md.
"""

import argparse
import contextlib
import math
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine

from n2d import Noise2DetailDenoiser
from n2d.applying.tiled import TileDenoiser
from n2d.core.device import computing_in, settled_precision
from n2d.core.prior import load_prior
from n2d.core.prior_network import N_DIRECTIONS, N_LAGS
from n2d.core.team import limited_threads
from n2d.core.tiling import tiles
from n2d.datasets import fluorescence_cells

BLOCK = 1000
CLUSTER = "Dask, cluster of 2 workers"


def scene(side):
    """A square of generated cells, 10 to 300 photons."""
    return 10 + 290 * fluorescence_cells((side, side))


def peak_mb():
    """The most that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_new_process(function, *arguments):
    """Call a function in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


# -- a slide on disk ---------------------------------------------------------------


def write_slide(path, side):
    """Write the image block by block, each with noise of its own."""
    clean = scene(BLOCK)
    out = np.memmap(path, np.uint16, "w+", shape=(side, side))
    for top in range(0, side, BLOCK):
        for left in range(0, side, BLOCK):
            rng = np.random.default_rng((top, left))
            height, width = min(BLOCK, side - top), min(BLOCK, side - left)
            noisy = rng.poisson(clean) + rng.normal(100, 3, clean.shape)
            out[top : top + height, left : left + width] = np.rint(
                noisy[:height, :width]
            )
        out.flush()


def denoise_slide(folder, side):
    """Fit and denoise, from file to file; seconds and peak."""
    X = np.memmap(folder / "noisy.raw", np.uint16, "r", shape=(side, side))
    out = np.memmap(folder / "denoised.raw", np.float32, "w+", shape=(side, side))
    before = peak_mb()
    start = time.perf_counter()
    denoiser = Noise2DetailDenoiser(random_state=0).fit(X)
    fitted = time.perf_counter()

    def report(progress):
        part = progress.step / progress.total
        if progress.step % 20 == 0 or part == 1:
            print(f"{part:6.1%} {peak_mb():6.0f} MB", flush=True)

    denoiser.transform(X, out=out, callback=report)
    out.flush()
    ended = time.perf_counter()
    return {
        "fit s": fitted - start,
        "transform s": ended - fitted,
        "before MB": before,
        "peak MB": peak_mb(),
        "seam": largest_seam(denoiser, X, out),
    }


def largest_seam(denoiser, X, out):
    """Largest difference to crops denoised untiled, as a share of X's range."""
    import n2d.applying.tiled

    n2d.applying.tiled._LARGEST_TILE = 2048
    side = len(X)
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(4):
        # Crops that begin where windows may, and lie across several borders of tiles.
        top, left = rng.integers(0, (side - 1200) // 4, 2) * 4
        crop = denoiser.transform(np.asarray(X[top : top + 1200, left : left + 1200]))
        inner = slice(48, -48)
        tiled = out[top : top + 1200, left : left + 1200][inner, inner]
        differences.append(np.abs(crop[inner, inner] - tiled).max())
    return float(max(differences) / np.ptp(X[:BLOCK, :BLOCK]))


def slide(arguments):
    """Measure one large image."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        folder, side = Path(folder), arguments.side or 20_000
        in_new_process(write_slide, folder / "noisy.raw", side)
        found = in_new_process(denoise_slide, folder, side)
    rate = side**2 / 1e6 / found["transform s"]
    return [
        f"{side:,} x {side:,} pixels, uint16, memory map to memory map (float32): fit "
        f"{found['fit s']:.1f} s, transform {found['transform s']:,.0f} s "
        f"({rate:.2f} megapixels per second).",
        f"Peak memory {found['peak MB']:,.0f} MB, {found['before MB']:,.0f} MB of it "
        "before: Python and the libraries.",
        "Largest difference to four crops of 1,200 x 1,200 pixels that are denoised "
        f"on their own, without tiles: {found['seam']:.1e} of the range.",
    ]


# -- a time series in a file -------------------------------------------------------


def write_series(path, n_planes, side):
    """Write planes one after the other: cells that drift, and noise of their own."""
    import tifffile

    clean = scene(side + 64)
    rng = np.random.default_rng(0)

    def planes():
        for t in range(n_planes):
            step = t // 2 % 64
            yield rng.poisson(clean[:side, step : step + side]).astype(np.uint16)

    tifffile.imwrite(
        path,
        planes(),
        shape=(n_planes, side, side),
        dtype=np.uint16,
        ome=True,
        metadata={"axes": "TYX"},
    )


def denoise_series(folder):
    """Denoise from file to file; peak before and after."""
    from n2d import denoise_file

    before, told = peak_mb(), 0.0

    def report(progress):
        nonlocal told
        if (part := progress.step / progress.total) >= told + 0.02:
            told = part
            print(f"{progress.stage} {part:6.1%} {peak_mb():6.0f} MB", flush=True)

    denoised = denoise_file(
        folder / "noisy.ome.tif",
        folder / "denoised.ome.tif",
        random_state=0,
        callback=report,
    )
    return before, peak_mb(), denoised.notes


def series(arguments):
    """Measure one file of many planes."""
    n_planes, side = arguments.planes, arguments.side or 512
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        folder = Path(folder)
        in_new_process(write_series, folder / "noisy.ome.tif", n_planes, side)
        before, peak, notes = in_new_process(denoise_series, folder)
    return [
        f"{n_planes:,} planes of {side} x {side} pixels, uint16, OME-TIFF to "
        f"OME-TIFF: peak {peak:,.0f} MB, {before:,.0f} MB of it before: Python and the "
        "libraries.",
        *notes,
    ]


# -- memory ------------------------------------------------------------------------


def denoise_in_memory(side):
    """Peak before and after an image in memory."""
    rng = np.random.default_rng(0)
    X = rng.poisson(np.tile(scene(512), (side // 512,) * 2)).astype(np.uint16)
    before = peak_mb()
    Noise2DetailDenoiser(random_state=0).fit_transform(X)
    return before, peak_mb()


def denoise_many(n_images):
    """Peak after each of many images of 256 x 256 pixels."""
    clean = scene(256)
    rng = np.random.default_rng(0)
    peaks = []
    for _ in range(n_images):
        X = rng.poisson(clean).astype(np.uint16)
        Noise2DetailDenoiser(random_state=0).fit_transform(X)
        peaks.append(peak_mb())
    return peaks


def memory(arguments):
    """Measure peaks."""
    del arguments
    before, peak = in_new_process(denoise_in_memory, 2048)
    peaks = in_new_process(denoise_many, 300)
    shown = [1, 10, 50, 100, 200, 300]
    lines = ["| images | peak MB |", "| ---: | ---: |"]
    lines += [f"| {n} | {peaks[n - 1]:.0f} |" for n in shown]
    return [
        f"2048 x 2048 pixels, uint16, in memory: peak {peak:.0f} MB, {before:.0f} MB "
        "before `fit_transform`.",
        "One image of 256 x 256 pixels after the other, each fitted and denoised:",
        "\n".join(lines),
    ]


# -- throughput --------------------------------------------------------------------


def bare_network(network, side, precision):
    """An action: the network over one tile, and nothing else."""
    tile = torch.randn(1, 1, side, side)
    white = torch.zeros(N_DIRECTIONS, N_LAGS)

    def action():
        with torch.no_grad(), computing_in(tile.device, precision):
            network(tile, 1.0, white)

    return action


def spread(action, n_times, n_threads):
    """Run an action several times, spread over threads."""

    def one(_):
        action()

    with ThreadPoolExecutor(n_threads, initializer=limited_threads) as p:
        list(p.map(one, range(n_times)))


def throughput(arguments):
    """Measure megapixels per second, in turns."""
    import dask.array as da
    from distributed import Client, LocalCluster

    side, tile = arguments.side or 2048, 512
    n_tiles = max(1, (side // tile) ** 2)
    side = tile * math.isqrt(n_tiles)
    rng = np.random.default_rng(0)
    X = rng.poisson(np.tile(scene(tile), (side // tile,) * 2)).astype(np.uint16)
    denoiser = Noise2DetailDenoiser(precision=arguments.precision, random_state=0)
    denoiser.fit(X)
    network = load_prior().requires_grad_(False).to(memory_format=torch.channels_last)
    bare = bare_network(network, tile, arguments.precision)
    lazy = denoiser.transform(da.from_array(X, chunks=tile))

    def transform(n_threads):
        torch.set_num_threads(n_threads)
        denoiser.transform(X)

    actions = {
        "bare network, 1 thread": lambda: spread(bare, n_tiles, 1),
        "transform, 1 thread": lambda: transform(1),
        "bare network, 2 threads": lambda: spread(bare, n_tiles, 2),
        "transform, 2 threads": lambda: transform(2),
    }
    times = {name: [] for name in (*actions, CLUSTER)}
    with contextlib.ExitStack() as stack:
        cluster = LocalCluster(2, threads_per_worker=1, dashboard_address=None)
        client = stack.enter_context(Client(stack.enter_context(cluster)))
        actions[CLUSTER] = lambda: client.compute(lazy).result()
        for action in actions.values():  # once for nothing
            action()

        def processor_seconds():
            return time.process_time() + sum(client.run(time.process_time).values())

        for _ in range(arguments.rounds):
            for name, action in actions.items():
                spent, start = processor_seconds(), time.perf_counter()
                action()
                wall = time.perf_counter() - start
                times[name].append((wall, processor_seconds() - spent))
    lines = [
        "| what | megapixels per second | of the bare network "
        "| processor seconds | of the bare network |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, found in times.items():
        threads = "1 thread" if name.endswith("1 thread") else "2 threads"
        floor = times[f"bare network, {threads}"]
        # Ratios of runs that followed each other: a machine's mood cancels.
        shares = np.median(np.array(floor) / np.array(found), axis=0)
        wall, spent = np.median(found, axis=0)
        shares = ["" if found is floor else f"{share:.0%}" for share in shares]
        rate = side**2 / 1e6 / wall
        lines.append(
            f"| {name} | {rate:.3f} | {shares[0]} | {spent:.2f} | {shares[1]} |"
        )
    one, two = (np.array(times[f"transform, {n}"]) for n in ("1 thread", "2 threads"))
    return [
        f"`transform` of {side} x {side} pixels, uint16; medians of "
        f"{arguments.rounds} runs in turns, shares of the bare network's run of the "
        "same turn. Bare: the same network alone "
        f"over {n_tiles} tiles of {tile} x {tile}, without halo. All in "
        f"{settled_precision(torch.device('cpu'), arguments.precision)}. Dask has "
        f"chunks of {tile}. Processor seconds are those of all threads and processes.",
        "\n".join(lines),
        f"Two threads are {np.median(one / two, axis=0)[0]:.2f} times as fast as one.",
        "With one thread, one tile inside the image, in turns:",
        where_it_goes(denoiser, bare, X, tile, arguments.rounds),
    ]


def where_it_goes(denoiser, bare, X, side, rounds):
    """What a tile's steps take, one thread."""
    torch.set_num_threads(1)
    fitted = TileDenoiser(
        denoiser._stages, denoiser._intensities, precision=denoiser.precision
    )
    found = list(tiles(*X.shape, side=side, **fitted.geometry))
    inner = found[len(found) // 3]
    values = X[inner.window[0] :, inner.window[1] :][None].astype(float)
    values = values[:, : inner.window[2], : inner.window[3]]
    seen = torch.from_numpy(fitted.intensities.forward(values))[None]
    plain = seen[..., :side, :side].contiguous()
    cropped = inner.crop(seen[0]).numpy()
    cpu = torch.device("cpu")
    steps = {
        "the bare network": bare,
        "the network on the tile without halo": lambda: fitted.stages.estimates(plain),
        "the network on the tile with its halo": lambda: fitted.stages.estimates(
            seen, inner.halo
        ),
        "intensities there and back": lambda: (
            fitted.intensities.forward(values),
            fitted.intensities.backward(cropped),
        ),
        "all of it": lambda: fitted.estimates(values, inner, cpu),
    }
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.process_time()
            with computing_in(cpu, denoiser.precision):
                step()
            times[name].append(time.process_time() - start)
    medians = {name: statistics.median(found) for name, found in times.items()}
    whole = medians["all of it"]
    lines = ["| step | processor seconds | of all |", "| --- | ---: | ---: |"]
    lines += [f"| {n} | {s:.3f} | {s / whole:.0%} |" for n, s in medians.items()]
    return "\n".join(lines)


def halo(arguments):
    """Measure chunks inside an image, one thread."""
    torch.set_num_threads(1)
    X = np.random.default_rng(0).poisson(scene(512)).astype(np.uint16)
    denoiser = Noise2DetailDenoiser(precision=arguments.precision, random_state=0)
    denoiser.fit(X)
    network = load_prior().requires_grad_(False).to(memory_format=torch.channels_last)
    fitted = TileDenoiser(
        denoiser._stages, denoiser._intensities, precision=arguments.precision
    )
    cpu = torch.device("cpu")
    lines = [
        "| side of the chunk | network alone | whole chunk | of it the network alone |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for side in (512, 1024, 2048):
        around = np.tile(X, (3 * side // 512,) * 2)[None]
        inner = list(tiles(*around.shape[1:], side=side, **fitted.geometry))[4]
        top, left, height, width = inner.window
        values = around[:, top : top + height, left : left + width].astype(float)
        bare = bare_network(network, side, arguments.precision)
        times = []
        for _ in range(arguments.rounds + 1):
            start = time.process_time()
            bare()
            between = time.process_time()
            fitted.estimates(values, inner, cpu)
            times.append((between - start, time.process_time() - between))
        alone, whole = np.median(times[1:], axis=0)
        share = np.median([a / b for a, b in times[1:]])
        lines.append(f"| {side} | {alone:.2f} | {whole:.2f} | {share:.0%} |")
    return [
        f"Processor seconds, one thread, medians of {arguments.rounds} runs in turns, "
        f"in {settled_precision(cpu, arguments.precision)}. Around the chunk "
        f"{inner.halo[0]} pixels are read along, of which every layer computes what "
        "the layers after it still see.",
        "\n".join(lines),
    ]


MEASURES = {
    "slide": slide,
    "series": series,
    "memory": memory,
    "throughput": throughput,
    "halo": halo,
}


def main():
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument(
        "--side", type=int, help="default: slide 20,000, series 512, throughput 2048"
    )
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto"
    )
    parser.add_argument("--planes", type=int, default=1000, help="of a series")
    parser.add_argument("--folder", type=Path, help="where files are written")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    found = MEASURES[arguments.what](arguments)
    machine = describe_machine(torch.get_num_threads())
    text = [
        f"# Large images: {arguments.what}",
        f"Made with `benchmarks/large.py {' '.join(sys.argv[1:])}`, on: {machine}.",
        *found,
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / f"large_{arguments.what}.md"
    path.write_text("\n\n".join(text) + "\n")
    print("\n\n".join(text))


if __name__ == "__main__":
    main()
