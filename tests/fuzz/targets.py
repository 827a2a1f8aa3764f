"""What is fuzzed: files of every reader, model files, settings, journals."""

import io
import json
import shutil
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

from n2d.io import ImageFileError, open_image, write_image

# Errors that users are told, by the kind of file; anything else is a defect.
_TOLD = (ImageFileError, ImportError, MemoryError)
SCENES = Path(__file__).parents[1] / "data" / "two_scenes.czi"


def corpus(folder):
    """Make small files of all kinds.

    Parameters
    ----------
    folder : Path
        Empty.

    Returns
    -------
    dict of str to (bytes or dict of str to bytes, callable)
        Content by name, files of a folder by theirs; and what reads it.
    """
    found = {}
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 255, (2, 2, 32, 32), np.uint8)
    kinds = {
        "imagej": {"imagej": True, "metadata": {"axes": "ZCYX", "unit": "um"}},
        "ome": {"ome": True, "metadata": {"axes": "ZCYX", "PhysicalSizeX": 0.1}},
        "zlib": {"metadata": {"axes": "ZCYX"}, "compression": "zlib"},
        "tiles": {"metadata": None, "tile": (16, 16), "bigtiff": True},
        "lzw": {"metadata": None, "compression": "lzw", "predictor": True},
    }
    for name, options in kinds.items():
        file = io.BytesIO()
        tifffile.imwrite(file, stack, photometric="minisblack", **options)
        found[f"{name}.tif"] = file.getvalue(), read
    file = io.BytesIO()
    table = rng.integers(0, 65536, (3, 256)).astype(np.uint16)
    palette = {"photometric": "palette", "colormap": table, "metadata": None}
    tifffile.imwrite(file, stack[0], compression="zlib", **palette)
    found["palette.tif"] = file.getvalue(), read
    grey = np.random.default_rng(0).integers(0, 255, (32, 24), np.uint8)
    colour = np.stack([grey] * 3, axis=-1)
    images = {
        "a.png": (grey, "YX"),
        "b.png": (grey.astype(np.uint16), "YX"),
        "c.png": (colour, "YXS"),
        "d.png": (colour.astype(np.uint16), "YXS"),
        "a.jpg": (colour, "YXS"),
        "a.bmp": (colour, "YXS"),
        "a.webp": (colour, "YXS"),
        "a.npy": (grey, "YX"),
        "a.mrc": (grey.astype(np.int16), "YX"),
        "a.nii": (grey.astype(np.int16), "YX"),
        "a.nii.gz": (grey.astype(np.int16), "YX"),
        "a.zarr": (grey.astype(np.uint16), "YX"),
    }
    for name, (pixels, axes) in images.items():
        write_image(folder / name, pixels, axes=axes)
        found[name] = content_of(folder / name), read
    found |= _read_only(folder) | _animations(grey)
    found["model.n2d"] = _model(folder), read_model
    config = {"method": "n2d", "parameters": {"max_iter": 3, "strength": 1.1}}
    found["config.json"] = json.dumps(config).encode(), read_config
    noise = {"level": 3.0, "gain": 0.5, "offset": 10.0, "read_noise": 1.0}
    found["noise.json"] = json.dumps(noise).encode(), read_noise
    line = {"output": "a.tif", "state": [1, 2], "key": "0", "content": "1"}
    found["journal.jsonl"] = (json.dumps(line) + "\n").encode() * 3, read_journal
    return found


def _animations(grey):
    """Make pictures of several frames."""
    from PIL import Image

    found = {}
    frames = [Image.fromarray(np.roll(grey, i, 0)) for i in range(3)]
    for name, kind in (("frames.gif", "GIF"), ("frames.png", "PNG")):
        file = io.BytesIO()
        options = {"save_all": True, "append_images": frames[1:], "duration": 40}
        frames[0].save(file, kind, **options)
        found[name] = file.getvalue(), read
    return found


def _read_only(folder):
    """Make files of the kinds that n2d does not write, or not without one of them."""
    import nibabel
    from pydicom.data import get_testdata_file

    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    (folder / "pair").mkdir()
    nibabel.save(nibabel.Nifti1Pair(volume, np.eye(4)), folder / "pair" / "a.img")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as members:
        for name, data in content_of(folder / "a.zarr").items():
            members.writestr(name, data)
    return {
        "a.czi": (SCENES.read_bytes(), partial(read, series=0)),
        "a.dcm": (content_of(get_testdata_file("CT_small.dcm")), read),
        "a.zarr.zip": (packed.getvalue(), read),
        "pair": (content_of(folder / "pair"), read_pair),
    }


def content_of(path):
    """Return the bytes of a file, or of all files of a folder by their names."""
    path = Path(path)
    if path.is_file():
        return path.read_bytes()
    return {
        str(one.relative_to(path)): one.read_bytes()
        for one in sorted(path.rglob("*"))
        if one.is_file()
    }


def put(content, path):
    """Write what `content_of` has returned."""
    if path.is_dir():
        shutil.rmtree(path)
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def read(path, series=None):
    """Read an image; whether it could be read."""
    try:
        with open_image(path, series) as image:
            shape = image.data.shape
            assert len(image.axes) == len(shape)
            assert image.axes.count("Y") == image.axes.count("X") == 1
            assert np.prod(shape, dtype=float) < 1e9
            values = np.asarray(image.data[...])
            assert values.dtype == image.data.dtype
    except _TOLD as error:
        if not str(error).strip():
            raise
        return False
    return True


def read_pair(path):
    """Read the image of two files in a folder."""
    return read(path / "a.hdr")


def _model(folder):
    from n2d import Noise2DetailDenoiser

    small = {"init": "random", "max_iter": 1, "hidden_channels": 1, "random_state": 0}
    noisy = np.random.default_rng(0).normal(100, 8, (16, 16))
    path = folder / "model.n2d"
    Noise2DetailDenoiser(**small, detail_max_iter=1).fit(noisy).save(path)
    return path.read_bytes()


def read_model(path):
    """Load a model file."""
    from n2d import Noise2DetailDenoiser
    from n2d.model_file import ModelFileError

    try:
        Noise2DetailDenoiser.load(path)
    except ModelFileError:
        return False
    return True


def read_config(path):
    """Read a file of settings."""
    from n2d._config import ConfigError
    from n2d._config import read_config as of_config

    try:
        of_config(path)
    except ConfigError:
        return False
    return True


def read_noise(path):
    """Read what is told of the noise."""
    from n2d._config import ConfigError
    from n2d._config import read_noise as of_noise

    try:
        of_noise(path)
    except ConfigError:
        return False
    return True


def read_journal(path):
    """Read a list of what is finished; it is never taken for more than it says."""
    from n2d.io._ledger import Ledger

    assert not any(Ledger(path, with_sums=True).read())
    found = Ledger(path).read()
    assert all(one is None or isinstance(one, dict) for one in found)
    return None not in found
