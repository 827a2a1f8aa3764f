"""The test files that libraries ship, denoised: right, refused with advice, or wrong.

    python benchmarks/library_files.py [--libraries pydicom nibabel] [--output FILE]

pydicom, nibabel, scikit-image, scikit-learn and Matplotlib come with files that were
chosen for being difficult. Every one goes through `n2d.denoise_file`, with a Gaussian
filter for a denoiser, because then what is right is known: the values that the library
itself reads, smoothed by SciPy, with the shape and data type of the file, read again
by the library. A file is

- right: all that holds;
- refused: an error of ours that says what to do, or that the file is damaged, before
  anything is computed;
- wrong: anything else; no file is.

Writes a table, by default to benchmarks/results/library_files.md.
"""

import argparse
import gzip
import importlib
import shutil
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import ndimage

from n2d import denoise_file
from n2d.files import _jobs
from n2d.io import ImageFileError, format_of, name_in, read_image, suffix_of

RESULTS = Path(__file__).parent / "results" / "library_files.md"
BLUR = 1.0
_ADVICE = ("; ", ": pip install", "damaged", "--nan mask")
# Folders of a library with test files, and what there is no file format of images.
PLACES = {
    "pydicom": ["data/test_files"],
    "nibabel": ["tests/data", "nicom/tests/data"],
    "skimage": ["data"],
    "sklearn": ["datasets/images"],
    "matplotlib": ["mpl-data/sample_data"],
}
NO_FILES = {".py", ".pyc", ".pyi", ".md", ".txt", ".rst", ".json", ".xml", ".csv"}


def files_of_libraries(libraries):
    """Yield (library, path below it, path), those in .gz unpacked, too."""
    for name in libraries:
        places = PLACES[name]
        root = Path(importlib.import_module(name).__file__).parent
        for place in places:
            for path in sorted((root / place).rglob("*")):
                if path.is_file() and path.suffix not in NO_FILES:
                    yield name, path.relative_to(root).as_posix(), path


def true_values(path):
    """Read a file with its library: values, and the axes of rows and columns."""
    suffix = suffix_of(path)
    if suffix == ".dcm":
        import pydicom
        from pydicom.pixels import apply_color_lut, apply_rescale

        data = pydicom.dcmread(path, force=True)
        if data.PhotometricInterpretation == "PALETTE COLOR":
            return apply_color_lut(data.pixel_array, data).astype(np.float64), (-3, -2)
        values = np.asarray(apply_rescale(data.pixel_array, data), np.float64)
        return values, (-3, -2) if int(data.SamplesPerPixel) > 1 else (-2, -1)
    if suffix in (".nii", ".nii.gz", ".hdr", ".img"):
        import nibabel

        return np.asarray(nibabel.load(path).dataobj, np.float64), (1, 0)
    if suffix in (".tif", ".tiff"):
        import tifffile

        return tifffile.imread(path).astype(np.float64), (-2, -1)
    if suffix == ".npy":
        return np.load(path).astype(np.float64), (-2, -1)
    if suffix == ".png" and Path(path).read_bytes()[24] == 16:
        import imagecodecs

        values = imagecodecs.png_decode(Path(path).read_bytes())
        return values.astype(np.float64), (0, 1)
    from PIL import Image, ImageSequence

    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) == 1:
            return np.asarray(image, np.float64), (0, 1)
        frames = [np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(image)]
        return np.stack(frames).astype(np.float64), (1, 2)


def judged(path, folder):
    """Denoise a file, and return (verdict, what is to be said)."""
    fits = []

    def counted(*args):
        fits.append(1)
        return fitted(*args)

    fitted, _jobs.fitted = _jobs.fitted, counted
    try:
        name, suffix = name_in(path)
        target = folder / f"{name}.result{format_of(path).written_as or suffix}"
        with warnings.catch_warnings(action="ignore"):
            done = denoise_file(path, target, method=f"gaussian:blur={BLUR}")
    except (ImageFileError, ImportError, ValueError) as error:
        text = str(error).replace(f"{path}: ", "")
        for place in (folder, path.parent):
            text = text.replace(f"{place}/", "")
        advice = any(word in text for word in _ADVICE)
        if fits and "NaN" not in text:
            return "wrong", f"computed in vain: {text}"
        return ("refused" if advice else "wrong"), text
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    finally:
        _jobs.fitted = fitted
    return compared(path, target, done)


def compared(path, target, done):
    """Compare a result with what the libraries make of source and result."""
    with warnings.catch_warnings(action="ignore"):
        try:
            values, image_axes = true_values(path)
        except Exception as error:  # the library cannot, and n2d can
            return "right", f"{done.axes}; not read by its library: {error}"[:120]
        found, _ = true_values(target)
    if found.shape != values.shape:
        return "wrong", f"shape {found.shape}, not {values.shape}"
    n = values.ndim
    smoothed = {axis % n for axis in image_axes}
    sigma = [BLUR if axis in smoothed else 0 for axis in range(n)]
    expected = ndimage.gaussian_filter(values, sigma, mode="reflect")
    opaque = values.shape[-1] == 4 and "S" in done.axes
    if opaque:
        expected[..., 3] = values[..., 3]
    step = 1.0 if np.array_equal(values, np.rint(values)) else 1e-3 * np.ptp(values)
    # What is padding stays, and is no neighbour of anything.
    far = np.ones(values.shape, bool)
    with read_image(path) as source:
        if source.gaps is not None:
            far = ~ndimage.binary_dilation(source.gaps, iterations=6)
    error = np.abs(found - expected)[far].max()
    if target.suffix in (".jpg", ".jpeg"):  # written with loss
        error, step = np.abs(found - expected).mean(), 2.0
    if error > step:
        return "wrong", f"values differ by up to {error:.3g}"
    return "right", f"{done.axes}, {done.dtype}"


def main():
    """Judge all files, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--libraries", nargs="+", choices=PLACES, default=[*PLACES])
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (library, name, path) in enumerate(
            files_of_libraries(options.libraries)
        ):
            place = Path(folder, str(number))
            place.mkdir()
            if path.suffix == ".gz" and not path.name.endswith(".nii.gz"):
                whole = place / path.stem
                with gzip.open(path) as packed, open(whole, "wb") as file:
                    shutil.copyfileobj(packed, file)
                name, path = f"{name}, unpacked", whole
            verdict, text = judged(path, place)
            rows.append((library, name, verdict, " ".join(text.split())))
            if verdict == "wrong":
                print(*rows[-1], sep=": ")
    write(rows, options.libraries, options.output)


def write(rows, libraries, output):
    """Write the table, files of one kind and verdict in a line."""
    counts = Counter((library, verdict) for library, _, verdict, _ in rows)
    lines = [
        "# Test files that libraries ship",
        "",
        "By `python benchmarks/library_files.py`, which says what the verdicts mean.",
        "",
        "| library | right | refused with advice | wrong |",
        "|---|---|---|---|",
    ]
    for library in libraries:
        found = [counts[library, v] for v in ("right", "refused", "wrong")]
        lines.append(f"| {library} | {' | '.join(map(str, found))} |")
    total = [sum(r[2] == v for r in rows) for v in ("right", "refused", "wrong")]
    lines.append(f"| all | {' | '.join(map(str, total))} |")
    lines += ["", "| library | files | verdict | what is said |", "|---|---|---|---|"]
    alike = {}
    for library, name, verdict, text in rows:
        alike.setdefault((library, verdict, text), []).append(name)
    for (library, verdict, text), names in alike.items():
        shown = ", ".join(names[:3])
        shown += f" and {len(names) - 3} more" if len(names) > 3 else ""
        text = text.replace("|", "/")[:300]
        lines.append(f"| {library} | {shown} | {verdict} | {text} |")
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("right, refused, wrong:", *total)


if __name__ == "__main__":
    main()
