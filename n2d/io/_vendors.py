"""Files of microscopes' makers, with the readers that are maintained: read only.

CZI (Zeiss) with czifile, ND2 (Nikon) with nd2, LIF and LOF (Leica) with liffile, OIB
and OIF (Olympus) with oiffile: all in Python and free for every use.
"""

import contextlib
import math
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from n2d.io._image import ImageFile, ImageFileError
from n2d.io._limits import check_size, check_stream, which_of
from n2d.io._packages import imported
from n2d.io._units import unit_name

_PACKAGES = {
    ".czi": "czifile",
    ".nd2": "nd2",
    ".lif": "liffile",
    ".lof": "liffile",
    ".oib": "oiffile",
    ".oif": "oiffile",
}


@dataclass(frozen=True)
class _Found:
    """One image of a file, not yet read."""

    shape: tuple
    dtype: np.dtype
    axes: str
    load: Callable
    name: str = ""
    pixel_size: dict = field(default_factory=dict)
    channel_names: tuple = ()


def read(path, series=None):
    """Read a file of a microscope's maker; see `n2d.io.open_image`."""
    suffix = Path(path).suffix
    package = _PACKAGES[suffix.lower()]
    reader = imported(package, "vendors", f"{path}: {suffix} files")
    with _IMAGES[package](reader, path) as found:
        if not found:
            raise ImageFileError(f"{path}: has no image in it")
        number = 0 if series is None and len(found) == 1 else series
        if number is None or not 0 <= number < len(found):
            listed = [(one.name, one.shape, one.dtype, one.axes) for one in found]
            raise ImageFileError(f"{path}: {which_of(listed, series)}")
        one = found[number]
        axes = _letters(path, one.axes, one.shape, named=bool(one.channel_names))
        dtype = np.dtype(one.dtype).newbyteorder("=")
        if dtype.kind not in "uif":
            raise ImageFileError(f"{path}: holds {dtype}, which are no intensities")
        check_size(path, one.shape, dtype, stored=_stored_bytes(path))
        data = _loaded(path, one)
    kept = [axis for axis, a in enumerate(axes) if a != "_"]
    data = data.reshape([data.shape[axis] for axis in kept]).astype(dtype, copy=False)
    axes = axes.replace("_", "")
    n_channels = data.shape[axes.index("C")] if "C" in axes else 0
    notes = () if len(found) == 1 else ("its other images are not kept",)
    return ImageFile(
        data,
        axes,
        suffix.lower().lstrip("."),
        metadata={"read_only": True},
        notes=notes,
        pixel_size={k: v for k, v in one.pixel_size.items() if k in axes},
        channel_names=one.channel_names if len(one.channel_names) == n_channels else (),
    )


def _stored_bytes(path):
    """Bytes of a file; of .oif those of the folder beside it, which has the pixels."""
    folder = Path(f"{path}.files")
    return sum(p.stat().st_size for p in [Path(path), *folder.glob("*")])


def _loaded(path, one):
    try:
        return np.asarray(one.load())
    except (KeyError, NotImplementedError, ImportError, ValueError) as error:
        raise ImageFileError(
            f"{path}: its pixels cannot be decoded ({type(error).__name__}: {error}); "
            "save it without compression or as OME-TIFF, with the microscope's program "
            "or Bio-Formats' bfconvert"
        ) from error


def _letters(path, axes, shape, *, named):
    """Return a letter we know for each axis, "_" for those of length 1 to leave out."""
    letters, left = [], iter("IQ")
    for axis, n in zip(axes, shape, strict=True):
        if n == 1 and axis not in "YX" and not (axis == "C" and named):
            letters.append("_")
        elif axis in "TCZYXS":
            letters.append(axis)
        else:
            letters.append(next(left, ""))
    found = "".join(letters)
    if not {"Y", "X"} <= set(found):
        raise ImageFileError(
            f"{path}: has the axes {axes}, and no rows and columns (Y and X); save it "
            "as TIFF, with the microscope's program"
        )
    if len(found) != len(shape):
        raise ImageFileError(
            f"{path}: has the axes {axes}, more than can be denoised at once; save a "
            "part of it as OME-TIFF"
        )
    return found


def _positive(sizes):
    """Return lengths and times without those that are none."""
    return {k: (float(v), u) for k, (v, u) in sizes.items() if v and 0 < v < np.inf}


# -- Zeiss ----------------------------------------------------------------------------

_CZI_LZW = 2


@contextlib.contextmanager
def _czi(czifile, path):
    with czifile.CziFile(os.fspath(path)) as file:
        sizes, names = _described_czi(file.metadata())
        scenes = getattr(file, "scenes", None)
        if scenes is not None:  # of 2026 and later, for Python 3.12 and later
            yield [
                _Found(
                    tuple(image.shape),
                    image.dtype,
                    "".join(image.dims),
                    image.asarray,
                    f"scene {key}",
                    sizes,
                    names,
                )
                for key, image in scenes.items()
            ]
            return
        # Earlier versions put all scenes into one picture.
        axes, entries = file.axes, list(file.filtered_subblock_directory)
        scene = axes.find("S")
        numbers = sorted({e.start[scene] for e in entries}) if scene >= 0 else [None]
        scenes = [
            [e for e in entries if s is None or e.start[scene] == s] for s in numbers
        ]
        yield [_czi_scene(path, file, found, sizes, names) for found in scenes]


def _czi_scene(path, file, entries, sizes, names):
    """Put the parts of a scene together; what no part covers is 0, as there."""
    axes = file.axes.replace("S", "B").replace("0", "S")
    starts = np.array([e.start for e in entries])
    start = starts.min(0)
    stop = (starts + np.array([e.shape for e in entries])).max(0)

    def load():
        values = np.zeros(stop - start, file.dtype)
        for entry in entries:
            tile = _czi_tile(path, entry)
            place = np.array(entry.start) - start
            values[
                tuple(slice(a, a + n) for a, n in zip(place, tile.shape, strict=True))
            ] = tile
        return values

    shape = tuple(int(n) for n in stop - start)
    return _Found(shape, file.dtype, axes, load, "", sizes, names)


def _czi_tile(path, entry):
    """Decode a part, of which no more than it should be is taken."""
    segment, shape = entry.data_segment(), tuple(map(int, entry.stored_shape))
    if not entry.compression:
        return segment.data(resize=False)
    data, dtype = segment.data(raw=True), np.dtype(entry.dtype)
    if entry.compression != _CZI_LZW:
        check_stream(path, data, math.prod(shape))
        return segment.data(resize=False)
    import imagecodecs

    n_bytes = math.prod(shape) * dtype.itemsize
    values = imagecodecs.lzw_decode(data, out=n_bytes)
    values = np.frombuffer(values, dtype).reshape(shape)
    return values[..., ::-1] if shape[-1] == 3 else values  # blue comes first


def _described_czi(xml):
    root = ElementTree.fromstring(xml)
    sizes = {}
    for item in root.iterfind(".//Scaling/Items/Distance"):
        with contextlib.suppress(TypeError, ValueError):
            meters = float(item.findtext("Value"))
            sizes[item.get("Id")] = (meters * 1e6, "micrometer")
    channels = root.iterfind(".//Information/Image/Dimensions/Channels/Channel")
    names = tuple(channel.get("Name") or "" for channel in channels)
    return _positive(sizes), names if any(names) else ()


# -- Nikon ----------------------------------------------------------------------------


@contextlib.contextmanager
def _nd2(nd2, path):
    with nd2.ND2File(os.fspath(path)) as file:
        sizes, names = {}, ()
        # What a file says of itself differs from one version of its program to another.
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            voxel = file.voxel_size()
            sizes = {a.upper(): (getattr(voxel, a), "micrometer") for a in "xyz"}
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            for loop in file.experiment:
                if loop.type == "TimeLoop":
                    sizes["T"] = (loop.parameters.periodMs, "millisecond")
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            names = tuple(one.channel.name for one in file.metadata.channels)
        axes = "".join(file.sizes).replace("P", "I")
        shape = tuple(file.sizes.values())
        load = file.asarray
        yield [_Found(shape, file.dtype, axes, load, "", _positive(sizes), names)]


# -- Leica ----------------------------------------------------------------------------


@contextlib.contextmanager
def _lif(liffile, path):
    with liffile.LifFile(os.fspath(path)) as file:
        yield [_lif_image(image) for image in file.images]


def _lif_image(image):
    sizes = {}
    for axis, place in image.coords.items():
        if axis in "XYZT" and len(place) > 1:
            step = abs(float(place[-1] - place[0])) / (len(place) - 1)
            of_length = (step * 1e6, "micrometer")
            sizes[axis] = (step, "second") if axis == "T" else of_length
    described = image.xml_element.iterfind(
        "./Data/Image/ImageDescription/Channels/ChannelDescription"
    )
    names = tuple(channel.get("LUTName") or "" for channel in described)
    return _Found(
        tuple(image.shape),
        image.dtype,
        "".join(image.dims),
        image.asarray,
        image.name,
        _positive(sizes),
        names if any(names) else (),
    )


# -- Olympus --------------------------------------------------------------------------


@contextlib.contextmanager
def _oif(oiffile, path):
    with oiffile.OifFile(os.fspath(path)) as file:
        sizes, names = {}, []
        for number in range(8):
            axis = file.mainfile.get(f"Axis {number} Parameters Common", {})
            with contextlib.suppress(KeyError, TypeError, ValueError):
                n = int(axis["MaxSize"])
                length = abs(float(axis["EndPosition"]) - float(axis["StartPosition"]))
                unit = unit_name(axis.get("UnitName") or axis["PixUnit"])
                steps = n if axis["AxisCode"] in "XY" else n - 1
                sizes[axis["AxisCode"]] = (length / steps if steps else 0, unit)
            channel = file.mainfile.get(f"Channel {number + 1} Parameters", {})
            if channel.get("DyeName"):
                names.append(str(channel["DyeName"]))
        series = file.series
        if not series:
            yield []
            return
        first = series[0]  # the others are pictures beside it
        names_of_files = getattr(first, "files", None) or list(first)
        page = file.asarray(names_of_files[0])
        yield [
            _Found(
                (*first.shape, *page.shape),
                page.dtype,
                f"{first.axes}YX",
                first.asarray,
                "",
                _positive(sizes),
                tuple(names),
            )
        ]


_IMAGES = {"czifile": _czi, "nd2": _nd2, "liffile": _lif, "oiffile": _oif}
