"""How well the noise of an image is measured: level and correlation, kind by kind.

    python benchmarks/noise.py --data DIR [--quick] [--small] [--oracle]

Noise of known level and correlation is put on clean images, real and generated, at five
strengths (shares of the image's contrast, 1 to 99 %); `n2d.noise.estimate_noise` is
compared with the truth. ``--small`` takes parts of 60 to 130 pixels of the images.
``--oracle`` denoises, too, once as by default and once told the simulated truth, and
gives the level that a fit has settled on, its verdict, and PSNR. Results go to
OUTPUT/noise.csv (every image) and OUTPUT/noise.md (every kind).
"""

import argparse
import csv
import io
import os
import time
import warnings
import zlib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from machine import describe_machine
from scipy import ndimage
from skimage.io import imread
from skimage.transform import iradon, resize

from n2d import Noise2DetailDenoiser
from n2d.datasets import training_scene
from n2d.metrics import psnr
from n2d.noise import Defects, NoiseModel, NoiseWarning, estimate_noise

STRENGTHS = (0.02, 0.05, 0.12, 0.25, 0.5)
SIDE = 256
FIGURES = ("removed", "correlation", "contrast", "believed")  # of the verdict

# folder of clean images, how many of them, evenly spread
REAL = (("kodak", 5), ("histology", 3), ("mri", 3), ("fmd_dev", 3), ("sem_line", 2))
GENERATED = ("dead leaves", "fluorescence", "tissue", "vessels")


@dataclass(frozen=True)
class Noisy:
    """An image with noise, and what is true of it."""

    image: np.ndarray  # (H, W)
    clean: np.ndarray  # (H, W)
    level: float
    correlation: np.ndarray  # (2, 2), lags 1 and 2 along y, then x
    known: dict = field(default_factory=dict)  # what else an oracle says
    same: np.ndarray | None = None  # (H, W), noise that is the same everywhere

    @property
    def told(self):
        """The truth, as a noise model."""
        model = dict(self.known)
        if self.same is not None:
            model["correlation"], model["diagonals"] = long_correlation(self.same)
        return NoiseModel(self.level, **model)


def long_correlation(noise):
    """Correlation (4, 4) at lags 1 to 4: along y and x, and along both diagonals."""
    noise = noise - noise.mean()
    turned, found = noise[:, ::-1], []
    for image, dy, dx in ((noise, 1, 0), (noise, 0, 1), (noise, 1, 1), (turned, 1, 1)):
        h, w = image.shape
        products = [
            image[k * dy :, k * dx :] * image[: h - k * dy, : w - k * dx]
            for k in (1, 2, 3, 4)
        ]
        found.append([p.mean() / np.mean(noise**2) for p in products])
    return found[:2], found[2:]


def correlation_of(noise):
    """Correlation (2, 2) of a field at lags 1 and 2 along y, then x."""
    noise = noise - noise.mean()
    power = np.mean(noise**2)
    if power == 0:
        return np.zeros((2, 2))
    return np.array(
        [
            [np.mean(noise[lag:] * noise[:-lag]) / power for lag in (1, 2)],
            [np.mean(noise[:, lag:] * noise[:, :-lag]) / power for lag in (1, 2)],
        ]
    )


def unit(field):
    """Scale a field to deviation 1."""
    return (field - field.mean()) / field.std()


def white(shape, rng):
    """Draw white noise of deviation 1."""
    return rng.standard_normal(shape)


def blurred(sigma):
    """Draw noise blurred by `sigma` pixels."""
    return lambda shape, rng: unit(
        ndimage.gaussian_filter(white(shape, rng), sigma, mode="wrap")
    )


def line_scan(rho):
    """Draw a first-order autoregression along rows."""

    def draw(shape, rng):
        noise = white((shape[0], shape[1] + 64), rng)
        for x in range(1, noise.shape[1]):
            noise[:, x] = rho * noise[:, x - 1] + np.sqrt(1 - rho**2) * noise[:, x]
        return noise[:, 64:]

    return draw


def back_projected(shape, rng):
    """Draw filtered back-projection's noise, without and with a soft kernel."""
    angles = np.linspace(0, 180, 240, endpoint=False)
    side = int(np.ceil(np.hypot(*shape)))
    kernel = ("ramp", "hann")[rng.integers(2)]
    field = iradon(
        rng.standard_normal((side, len(angles))),
        angles,
        filter_name=kernel,
        circle=False,
        output_size=max(shape),
    )
    return unit(field[: shape[0], : shape[1]])


def demosaiced(shape, rng):
    """Draw the noise of a green channel filled in between."""
    noise = white(shape, rng)
    green = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 2 == 0
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
    return unit(np.where(green, noise, ndimage.convolve(noise, cross, mode="wrap")))


STATIONARY = {
    "white": white,
    "blur 0.7": blurred(0.7),
    "blur 1.5": blurred(1.5),
    "AR 0.5": line_scan(0.5),
    "AR 0.9": line_scan(0.9),
    "back-projection": back_projected,
    "demosaiced": demosaiced,
}


def of_field(clean, field, sigma):
    """Add a field times `sigma`; both are stationary."""
    noise = sigma * field
    level = float(noise.std())
    return Noisy(clean + noise, clean, level, correlation_of(field), same=field)


def zoomed(factor):
    """Noise on a smaller image, then both enlarged by interpolation."""

    def add(clean, sigma, rng):
        side = -(-len(clean) // factor)
        small = resize(clean, (side, side), anti_aliasing=True)
        order = (1, 3)[rng.integers(2)]
        size = (side * factor, side * factor)
        large = [
            resize(x, size, order=order)[: len(clean), : len(clean)]
            for x in (small, small + sigma * white(small.shape, rng))
        ]
        noise = large[1] - large[0]
        return Noisy(large[1], large[0], noise.std(), correlation_of(noise), same=noise)

    return add


def jpeg(clean, sigma, rng):
    """White noise, saved as JPEG of quality 80."""
    from PIL import Image

    noisy = clean + sigma * white(clean.shape, rng)
    low, high = noisy.min(), noisy.max()
    buffer = io.BytesIO()
    Image.fromarray(np.uint8(np.rint(255 * (noisy - low) / (high - low)))).save(
        buffer, "jpeg", quality=80
    )
    saved = low + (high - low) * np.asarray(Image.open(buffer), float) / 255
    noise = saved - clean
    return Noisy(saved, clean, noise.std(), correlation_of(noise), same=noise)


def photons(peak):
    """Counts, `peak` at the brightest; the strength is the share of background."""

    def add(clean, sigma, rng):
        background = sigma / np.ptp(clean)
        rate = peak * (background + np.clip(unit_range(clean), 0, None))
        counts = rng.poisson(rate).astype(float)
        noise = counts - rate
        level = np.sqrt(rate.mean())
        known = {"gain": 1.0}
        return Noisy(counts, rate, level, correlation_of(noise) * 0, known)

    return add


def unit_range(clean):
    """Scale to 0 at the darkest and 1 at 99.9 %."""
    low, high = np.quantile(clean, [0, 0.999])
    return (clean - low) / (high - low)


def inverted_photons(clean, sigma, rng):
    """Counts of which the strongest are black: noise that falls with intensity."""
    # As strong at mid-grey as the strength says.
    peak = 0.5 * (np.ptp(clean) / sigma) ** 2
    found = photons(peak)(clean, 0.02 * np.ptp(clean), rng)
    light = np.linspace(found.clean.min(), found.clean.max(), 64)
    curve = [peak - light[::-1], np.maximum(light[::-1], 1e-3)]
    return Noisy(
        peak - found.image,
        peak - found.clean,
        found.level,
        found.correlation,
        {"curve": curve},
    )


def ramp(clean, sigma, rng):
    """White noise three times as strong at the right as at the left."""
    local = np.linspace(0.5, 1.5, clean.shape[1])
    noise = sigma * local * white(clean.shape, rng)
    known = {"place": np.interp(np.arange(16), [-0.5, 15.5], [0.5, 1.5])[None]}
    return Noisy(clean + noise, clean, noise.std(), np.zeros((2, 2)), known)


def striped(clean, sigma, rng):
    """White noise, and row offsets as strong."""
    field = white(clean.shape, rng)
    found = of_field(clean, field, sigma)
    offsets = sigma * white((len(clean), 1), rng)
    known = {"defects": Defects(rows=sigma)}
    # Stripes may stay: what counts is the rest.
    clean = clean + offsets
    return Noisy(found.image + offsets, clean, found.level, found.correlation, known)


def hot(clean, sigma, rng):
    """White noise, and 1 % of the pixels that mean nothing."""
    found = of_field(clean, white(clean.shape, rng), sigma)
    dead = rng.random(clean.shape) < 0.01
    jump = np.ptp(clean) * rng.uniform(0.5, 2, clean.shape)
    return Noisy(
        np.where(dead, found.image + jump, found.image),
        clean,
        found.level,
        found.correlation,
        {"defects": Defects(hot=0.01)},
    )


OTHERS = {
    "zoom x2": zoomed(2),
    "zoom x3": zoomed(3),
    "JPEG 80": jpeg,
    "Poisson 2": photons(2),
    "Poisson 20": photons(20),
    "Poisson inverted": inverted_photons,
    "ramp x3": ramp,
    "row stripes": striped,
    "hot pixels": hot,
}

KINDS = (*STATIONARY, *OTHERS)


def make_noisy(clean, kind, strength, seed):
    """Put noise of a kind on a clean image; `strength` is a share of its contrast."""
    rng = np.random.default_rng(seed)
    sigma = strength * np.subtract(*np.quantile(clean, [0.99, 0.01]))
    if kind in STATIONARY:
        return of_field(clean, STATIONARY[kind](clean.shape, rng), sigma)
    return OTHERS[kind](clean, sigma, rng)


def clean_images(data):
    """Yield (name, image) of 256x256 pixels, grey."""
    for folder, count in REAL:
        paths = sorted((data / folder / "clean").iterdir())
        for path in paths[:: max(1, len(paths) // count)][:count]:
            image = imread(path).astype(float)
            if image.ndim == 3:
                image = image[..., :3] @ [0.299, 0.587, 0.114]
            top, left = ((n - SIDE) // 2 if n > SIDE else 0 for n in image.shape)
            crop = image[top : top + SIDE, left : left + SIDE]
            side = min(crop.shape)
            yield f"{folder}/{path.stem}", crop[:side, :side]
    for seed, kind in enumerate(GENERATED):
        scene = training_scene((SIDE, SIDE), kind=kind, rng=seed)
        yield f"generated/{kind}", scene.astype(float)


def parts_of(images):
    """Yield (name, part) of 60 to 130 pixels of images."""
    rng = np.random.default_rng(0)
    for name, image in images:
        side = int(rng.integers(60, 131))
        top, left = (int(rng.integers(n - side + 1)) for n in image.shape)
        part = image[top : top + side, left : left + side]
        if part.std() > 0:
            yield f"{name}, {side} pixels", part


def denoised(noisy, noise):
    """PSNR over the range of the clean image, and the default denoiser, told or not."""
    denoiser = Noise2DetailDenoiser(noise=noise, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        result = denoiser.fit_transform(noisy.image)
    return psnr(noisy.clean, result, np.ptp(noisy.clean)), denoiser


def measure_all(images, kinds, strengths, oracle):
    """Yield a row (a dict) for every image, kind and strength."""
    for name, clean in images:
        for kind in kinds:
            for strength in strengths:
                seed = zlib.crc32(f"{name} {kind} {strength}".encode())
                noisy = make_noisy(clean, kind, strength, seed)
                noise = estimate_noise(noisy.image)
                told = np.asarray(noise.correlation)[:, :2]
                row = {
                    "image": name,
                    "kind": kind,
                    "strength": strength,
                    "true": noisy.level,
                    "measured": noise.level,
                    "ratio": noise.level / noisy.level,
                    "spread": -1.0 if noise.spread is None else noise.spread,
                    "correlation_error": np.abs(told - noisy.correlation)[:, 0].max(),
                    "lag2_error": np.abs(told - noisy.correlation)[:, 1].max(),
                }
                if oracle:
                    row["psnr"], denoiser = denoised(noisy, "auto")
                    row["oracle"], _ = denoised(noisy, noisy.told)
                    row["settled"] = denoiser.noise_.level / noisy.level
                    row["trust"] = denoiser.trust_.verdict
                    found = denoiser.trust_.figures
                    row |= {name: found.get(name, np.nan) for name in FIGURES}
                yield row


def groups(rows):
    """Yield (name, rows): of every kind, of every strength, and all."""
    for kind in KINDS:
        yield kind, [r for r in rows if r["kind"] == kind]
    for strength in STRENGTHS:
        some = [r for r in rows if r["strength"] == strength]
        yield f"all of {strength:.0%}", some
    yield "all of 5% and more", [r for r in rows if r["strength"] >= 0.05]
    yield "all", rows


def is_off(ratio):
    """Whether a level is off by more than a factor of 2."""
    return not 0.5 < ratio < 2


def table(rows, columns):
    """Lay out a Markdown table of the groups; `columns`: (title, text of rows)."""
    titles = ["noise", *(title for title, _ in columns)]
    lines = [titles, ["---"] * len(titles)]
    lines += [
        [name, *(text(some) for _, text in columns)]
        for name, some in groups(rows)
        if some
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measured_columns():
    """Columns about what `estimate_noise` says."""

    def error(rows):
        return np.abs(np.array([r["ratio"] for r in rows]) - 1)

    return [
        ("median error of level", lambda rows: f"{np.median(error(rows)):.1%}"),
        ("9 in 10 within", lambda rows: f"{np.quantile(error(rows), 0.9):.0%}"),
        ("bias", lambda rows: f"{np.median([r['ratio'] for r in rows]):.2f}"),
        ("off by more than 2", lambda rows: _share(rows, "ratio")),
        (
            "median error of neighbours",
            lambda rows: f"{np.median([r['correlation_error'] for r in rows]):.2f}",
        ),
        ("of lag 2", lambda rows: f"{np.median([r['lag2_error'] for r in rows]):.2f}"),
    ]


def _share(rows, name):
    return f"{np.mean([is_off(r[name]) for r in rows]):.1%}"


def settled_columns():
    """Columns about what a fit settles on, and what comes of it."""

    def loss(rows):
        return np.array([r["oracle"] - r["psnr"] for r in rows])

    def off(rows):
        return [r for r in rows if is_off(r["settled"])]

    return [
        ("off by more than 2", lambda rows: f"{len(off(rows))} of {len(rows)}"),
        (
            "of these good",
            lambda rows: str(sum(r["trust"] == "good" for r in off(rows))),
        ),
        (
            "not good",
            lambda rows: f"{np.mean([r['trust'] != 'good' for r in rows]):.0%}",
        ),
        ("PSNR (dB)", lambda rows: f"{np.mean([r['psnr'] for r in rows]):.2f}"),
        ("lost to the oracle", lambda rows: f"{loss(rows).mean():.2f}"),
        ("median", lambda rows: f"{np.median(loss(rows)):.2f}"),
        ("worst", lambda rows: f"{loss(rows).max():.2f}"),
    ]


def main():
    """Measure, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("N2D_DATA"), required=False
    )
    parser.add_argument("--quick", action="store_true", help="three strengths, half")
    parser.add_argument("--small", action="store_true", help="parts of the images")
    parser.add_argument("--oracle", action="store_true", help="fits and PSNR, too")
    parser.add_argument("--only", nargs="+", help="names of images, with * and ?")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results"
    )
    parser.add_argument("--name", default="noise", help="of the files written")
    arguments = parser.parse_args()
    if arguments.data is None:
        raise SystemExit("name the data folder: --data DIR, or set N2D_DATA")
    images = list(clean_images(Path(arguments.data)))
    strengths = STRENGTHS
    if arguments.quick:
        images, strengths = images[::2], STRENGTHS[::2]
    if arguments.small:
        images = list(parts_of(images))
    if arguments.only:
        names = [name for name, _ in images]
        images = [
            (name, image)
            for name, image in images
            if any(fnmatch(name, pattern) for pattern in arguments.only)
        ]
        if not images:
            raise SystemExit(f"--only: no such image; there are {', '.join(names)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    start, rows = time.process_time(), []
    with open(arguments.output / f"{arguments.name}.csv", "w", newline="") as file:
        for row in measure_all(images, arguments.kinds, strengths, arguments.oracle):
            if not rows:
                writer = csv.DictWriter(file, row, lineterminator="\n")
                writer.writeheader()
            rows.append(row)
            writer.writerow(
                {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()}
            )
            file.flush()
    minutes = (time.process_time() - start) / 60
    text = (
        "# How well the noise is measured\n\n"
        f"`python benchmarks/noise.py{' --quick' * arguments.quick}"
        f"{' --small' * arguments.small}{' --oracle' * arguments.oracle}`, "
        f"{len(images)} images, {len(strengths)} strengths, {describe_machine(1)}; "
        f"{minutes:.0f} minutes of processor time.\n\n"
        f"## What `estimate_noise` says\n\n{table(rows, measured_columns())}\n"
    )
    if arguments.oracle:
        text += (
            "\n## What the default settles on, against being told the truth\n\n"
            f"{table(rows, settled_columns())}\n"
        )
    (arguments.output / f"{arguments.name}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
