"""`n2d demo`: the bundled scene, made noisy and denoised, in numbers and a picture."""

import time
from pathlib import Path
from typing import Annotated

import typer

from n2d.cli import options
from n2d.cli.reporting import clean_ending, say, warnings_in_one_line

# A bright pixel of the scene, 1.0, is 50 photons; the camera adds its own noise.
_GAIN = 0.02
_SIGMA = 0.03

# Of the picture: pixels, and grey values.
_GAP = 12
_CAPTION = 56
_FONT_SIZE = 20
_SMALLEST_PANEL = 384
_INK = 0
_PAPER = 255


def demo(
    context: typer.Context,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where files go."),
    ] = Path("n2d-demo"),
    solver: options.SolverOption = options.Solver.fast,
    init: options.InitOption = options.Init.auto,
    strength: options.StrengthOption = None,
    max_iter: options.MaxIterOption = None,
    detail_max_iter: options.DetailMaxIterOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    overwrite: options.OverwriteOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
):
    """Denoise a generated fluorescence image and show what came of it.

    Writes noisy.tif, denoised.tif and clean.tif (float32, the clean image between 0
    and 1) and comparison.png, and prints PSNR, SSIM and the time it took.
    """
    parameters = options.estimator_parameters(context)
    with clean_ending(debug=debug), warnings_in_one_line():
        _run(output, parameters, seed=seed, overwrite=overwrite, quiet=quiet)


def _run(folder, parameters, *, seed, overwrite, quiet):
    import numpy as np

    from n2d import Noise2DetailDenoiser
    from n2d.datasets import fluorescence_cells
    from n2d.io import check_output, write_image
    from n2d.metrics import psnr, ssim
    from n2d.noise import add_poisson_gaussian_noise

    folder.mkdir(parents=True, exist_ok=True)
    names = ("noisy", "denoised", "clean")
    paths = {name: folder / f"{name}.tif" for name in names}
    picture = folder / "comparison.png"
    for path in (*paths.values(), picture):
        dtype = np.uint8 if path == picture else np.float32
        check_output(path, dtype, "YX", overwrite=overwrite)

    clean = fluorescence_cells(rng=seed)
    # A stream of its own, not the one that the scene was drawn from.
    rng = np.random.default_rng((seed, 1))
    noisy = add_poisson_gaussian_noise(clean, _GAIN, _SIGMA, rng=rng)
    images = {"noisy": noisy.astype(np.float32), "clean": clean}
    start = time.perf_counter()
    images["denoised"] = Noise2DetailDenoiser(**parameters).fit_transform(
        images["noisy"]
    )
    seconds = time.perf_counter() - start

    captions = {"clean": "clean"}
    for name in ("noisy", "denoised"):
        quality = (
            f"PSNR {psnr(clean, images[name], 1.0):.2f} dB, "
            f"SSIM {ssim(clean, images[name], 1.0):.3f}"
        )
        captions[name] = f"{name}\n{quality}"
        typer.echo(f"{name:<9} {quality}")
    typer.echo(f"denoised in {seconds:.1f} s")
    if not quiet:
        typer.echo(
            "PSNR and SSIM compare with the clean image: 3 dB more is half the squared "
            "error, and SSIM is 1 at best"
        )

    for name in names:
        write_image(paths[name], images[name], overwrite=overwrite)
    panels = [(images[name], captions[name]) for name in names]
    write_image(picture, _side_by_side(panels), overwrite=overwrite)
    if not quiet:
        say(f"images and the picture {picture.name} are in {folder}")


def _side_by_side(panels):
    """Draw grey images, from 0 to 1, in a row with captions below."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    zoom = -(-_SMALLEST_PANEL // panels[0][0].shape[1])
    height, width = (zoom * side for side in panels[0][0].shape)
    size = (_GAP + len(panels) * (width + _GAP), height + _CAPTION + 2 * _GAP)
    sheet = Image.new("L", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=_FONT_SIZE)
    for i, (image, caption) in enumerate(panels):
        grey = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        panel = Image.fromarray(grey.repeat(zoom, axis=0).repeat(zoom, axis=1))
        left = _GAP + i * (width + _GAP)
        sheet.paste(panel, (left, _GAP))
        draw.multiline_text(
            (left + width / 2, height + 2 * _GAP),
            caption,
            fill=_INK,
            font=font,
            anchor="ma",
            align="center",
        )
    return np.asarray(sheet)
