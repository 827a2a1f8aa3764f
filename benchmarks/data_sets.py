"""The sets of images that the benchmarks know, as cases for `n2d.comparison`.

The images are not part of this repository; README.md says what the data folder holds.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from n2d.comparison import Case, folder_cases
from n2d.io import read_image
from n2d.noise import add_gaussian_noise, add_poisson_noise, add_rician_noise


@dataclass(frozen=True)
class DataSet:
    """How to get the cases of a set.

    Attributes
    ----------
    folder : str
        Subfolder of the data folder.
    cases : callable
        Takes that folder, and the names of noises where `noises` has any; yields cases.
    noises : tuple of str
        The noises added by default; () where the images are noisy already.
    data_range : tuple of two floats or None
        What the published schedule maps to [0, 1] and clamps to; None: the smallest and
        largest value of each image.
    """

    folder: str
    cases: Callable
    noises: tuple = ()
    data_range: tuple | None = (0, 1)


def with_noise(image, noise, seed):
    """Add noise to an image in [0, 1], unclipped.

    `noise` is a model and a number: ``gaussian25`` and ``rician25`` have a standard
    deviation of 25/255, ``poisson30`` has 30 photons where the image is 1.
    """
    model = noise.rstrip("0123456789.")
    try:
        level = float(noise[len(model) :])
        if model == "gaussian":
            return add_gaussian_noise(image, level / 255, rng=seed)
        if model == "rician":
            return add_rician_noise(image, level / 255, rng=seed)
        if model == "poisson":
            return add_poisson_noise(image, level, rng=seed)
    except ValueError as error:
        raise SystemExit(f"--noise {noise}: {error}") from None
    raise SystemExit(f"--noise {noise}: name gaussian, rician or poisson and a level")


def cropped(case, side):
    """Cut the middle out of a case, at most `side` x `side` pixels."""
    if case.noisy is None:
        return case
    channel_axis = case.channel_axis
    channel_axis = None if channel_axis is None else channel_axis % case.noisy.ndim
    window = tuple(
        slice(None)
        if axis == channel_axis
        else slice(max(0, (n - side) // 2), max(0, (n - side) // 2) + side)
        for axis, n in enumerate(case.noisy.shape)
    )
    return replace(case, noisy=case.noisy[window], clean=case.clean[window])


def _fmd(folder):
    # Wide-field noise is correlated between neighbours: a problem of its own.
    def group(name):
        kind = "wide-field" if name.startswith("WideField") else "point-scanning"
        return f"{kind}/{name.rpartition('_')[0]}"

    names = {"noisy": "raw", "clean": "gt"} if (folder / "raw").is_dir() else {}
    return folder_cases(folder, data_range=255, group=group, **names)


def _sem(folder):
    return folder_cases(folder, data_range=255)


def _ct(folder):
    return folder_cases(
        folder, data_range=1200, group=lambda name: name.rpartition("_")[0]
    )


def _simulated(folder, noises, *, channel_axis=None, grey=False):
    """Seeded noise on clean images, all scaled to [0, 1]."""
    for path in sorted((folder / "clean").iterdir()):
        clean = read_image(path).data
        if clean.dtype == np.uint8:
            clean = clean / 255
        if grey:
            clean = clean @ [0.299, 0.587, 0.114]
        for noise in noises:
            # Of its own for every image, and the same wherever the set is cut short.
            seed = zlib.crc32(f"{path.stem} {noise}".encode())
            yield Case(
                f"{path.stem}_{noise}",
                with_noise(clean, noise, seed).astype(np.float32),
                clean.astype(np.float32),
                data_range=1,
                channel_axis=channel_axis,
                group=noise,
            )


def _kodak(folder, noises):
    return _simulated(folder, noises, channel_axis=-1)


def _kodak_grey(folder, noises):
    return _simulated(folder, noises, grey=True)


def _paper_runs(folder):
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as run:
            yield Case(
                path.stem,
                run["noisy"],
                run["clean"],
                data_range=1,
                channel_axis=None if run["noisy"].ndim == 2 else -1,
            )


DATA_SETS = {
    "fmd_dev": DataSet("fmd_dev", _fmd, data_range=(0, 255)),
    # The 48 single captures of the published test mix: raw/ and gt/ as they are
    # published, or noisy/ and clean/.
    "fmd_test": DataSet("fmd_test", _fmd, data_range=(0, 255)),
    "sem_line": DataSet("sem_line", _sem, data_range=(0, 255)),
    "ct": DataSet("ct_lcd_phantom", _ct, data_range=None),
    "kodak": DataSet("kodak", _kodak, noises=("gaussian25", "poisson30")),
    "kodak_grey": DataSet("kodak", _kodak_grey, noises=("gaussian25", "poisson30")),
    "histology": DataSet("histology", _kodak, noises=("gaussian25", "poisson30")),
    "mri": DataSet("mri", _simulated, noises=("rician15",)),
    "paper_runs": DataSet("paper_runs", _paper_runs),
}


def data_set_folder(data, name):
    """Return the folder of a set, or stop with a word on what is missing."""
    if data is None:
        raise SystemExit("name the data folder: --data DIR, or set N2D_DATA")
    folder = Path(data) / DATA_SETS[name].folder
    if name == "fmd_test" and not folder.is_dir():
        # As unpacked by whoever has downloaded it.
        for place in (Path(data), Path(data) / "test_mix"):
            if (place / "raw").is_dir() or (place / "noisy").is_dir():
                return place
    if not folder.is_dir():
        raise SystemExit(f"--set {name}: there is no folder {folder}; check --data")
    return folder
