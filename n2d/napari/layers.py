"""From a layer to arrays with named axes, and from results to layers like it.

Layers are looked at by their attributes only; nothing of napari is imported.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2d.files._plan import named_axes, plan_planes

# What the axes of layers are called; anything else is a series of images.
_LETTERS = {
    "t": "T time times timepoint timepoints frame frames",
    "z": "Z depth plane planes slice slices",
    "c": "C channel channels ch",
    "y": "Y row rows height",
    "x": "X column columns width",
}
_UNKNOWN = "Q"

# How a layer lies in the world and is blended: results do the same.
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_LOOK = ("blending", "gamma", "interpolation2d", "interpolation3d", "projection_mode")

# Noise is shown up to so many standard deviations.
_DEVIATIONS = 4

# Of pixels that are looked at for the contrast limits of a result.
_SAMPLE = 2**18


NOISE, ERROR = "removed noise", "standard error"


class LayerError(ValueError):
    """A layer cannot be denoised; the message says why, and what to do."""


@dataclass(frozen=True)
class Source:
    """A layer as a denoiser sees it.

    Attributes
    ----------
    data : array-like
        Its pixels; of several resolutions, those of the finest.
    axes : str
        One letter for each axis of `data`: T, C, Z, Y, X, S (colours), or Q for a
        series of which nothing is known.
    own_axes : str
        The axes as the layer itself says them, or the file that it was read from.
    name : str
        Of the layer.
    alpha : bool
        Whether the last of the samples is opacity.
    path : str or None
        The file it was read from.
    """

    data: object
    axes: str
    own_axes: str
    name: str
    alpha: bool
    path: str | None

    @property
    def dtype(self):
        """The data type of the pixels."""
        return np.dtype(self.data.dtype)

    @property
    def is_lazy(self):
        """Whether pixels are read, or computed, when they are asked for."""
        data = self.data
        return not isinstance(data, np.ndarray) or isinstance(data, np.memmap)

    def plan(self, settings, model=None):
        """Settle which planes there are, which share a fit, and what neighbours are."""
        knows = settings.takes_neighbours if model is None else model.takes_neighbours
        return plan_planes(
            self.axes,
            tuple(self.data.shape),
            alpha=self.alpha,
            channels=settings.channels,
            fit_per=settings.fit_per,
            stack=settings.stack if knows else "independent",
        )


def source_of(layer, axes=None):
    """Read from a layer what a denoiser has to know; `axes` are the user's word."""
    data = layer.data[0] if layer.multiscale else layer.data
    path = getattr(getattr(layer, "source", None), "path", None)
    own = axes_of(layer)
    if path is not None and _UNKNOWN in own and own[-1] == "X":
        own = _axes_of_file(str(path), tuple(data.shape)) or own
    kind = np.dtype(data.dtype).kind
    if kind not in "buif":
        raise LayerError(
            f"{layer.name} holds {np.dtype(data.dtype)}, and n2d denoises whole "
            "numbers and floating point; take the real part, or the magnitude"
        )
    if 0 in data.shape:
        raise LayerError(f"{layer.name} has no pixels")
    try:
        settled = named_axes(own, tuple(data.shape), axes if axes != own else None)
    except ValueError as error:
        raise LayerError(str(error).replace("--axes ", "axes ")) from error
    colours = data.shape[-1] if layer.rgb else 0
    return Source(
        data=data,
        axes=settled,
        own_axes=own,
        name=str(layer.name),
        alpha=colours in (2, 4) and settled[-1] == "S",
        path=None if path is None else str(path),
    )


def axes_of(layer):
    """Return the axes of a layer's pixels as letters; nothing is guessed from shapes.

    "Q" stands for an axis that has no known name. The last two are rows and columns
    where they have none.

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> stack = np.zeros((5, 2, 8, 8))
    >>> labels = ("time", "channel", "-2", "-1")
    >>> axes_of(SimpleNamespace(data=stack, axis_labels=labels, rgb=False, ndim=4))
    'TCYX'
    >>> axes_of(SimpleNamespace(data=stack, axis_labels=(), rgb=False, ndim=4))
    'QQYX'
    """
    known = {
        word.lower(): letter.upper()
        for letter, words in _LETTERS.items()
        for word in words.split()
    }
    labels = tuple(getattr(layer, "axis_labels", ()) or ())
    labels = labels if len(labels) == layer.ndim else [""] * layer.ndim
    letters = [known.get(str(label).strip().lower(), _UNKNOWN) for label in labels]
    repeated = {x for x in letters if letters.count(x) > 1}
    letters = [_UNKNOWN if x in repeated else x for x in letters]
    if not {"Y", "X"} <= set(letters):
        letters = [_UNKNOWN if x in "YX" else x for x in letters]
        letters[-2:] = "Y", "X"
    return "".join(letters) + ("S" if layer.rgb else "")


@functools.lru_cache
def _axes_of_file(path, shape):
    """The axes as a file says them, where its pixels are those of the layer, or ""."""
    from n2d.io import open_image

    try:
        with open_image(path) as image:
            axes = str(image.axes)
            same = tuple(image.data.shape) == shape and axes.endswith("YX")
    except Exception:  # the layer is there, whatever its file is
        return ""
    return axes if same else ""


def placed_like(layer, offset=None):
    """Return keyword arguments that place another layer in the world like this one.

    It begins with the pixel `offset` of it.
    """
    found = {name: getattr(layer, name) for name in _PLACE if hasattr(layer, name)}
    if offset is not None:
        from napari.utils.transforms import Affine

        parts = {k: found[k] for k in ("scale", "translate", "rotate", "shear")}
        found["translate"] = Affine(**parts)(np.asarray(offset, float))
    return found


def results_like(layer, source, results, level=None):
    """Lay out what was computed as layers like their source.

    `results` are by "denoised", "removed noise" and "standard error"; without a `level`
    of the noise they are looked at for their limits. The tuples are for
    ``napari.layers.Layer.create``; the denoised image is the last, so that it is on
    top.
    """
    place = placed_like(layer)
    look = {name: getattr(layer, name) for name in _LOOK if hasattr(layer, name)}
    found = []
    for kind in (ERROR, NOISE, "denoised"):
        if kind not in results:
            continue
        data = results[kind]
        options = {**place, "name": f"{source.name} ({kind})"}
        if kind == "denoised":
            options |= look
            if layer.rgb:
                options["rgb"] = True
            else:
                options["colormap"] = layer.colormap
                options["contrast_limits"] = _limits_of(layer, data)
        else:
            options |= _shown(kind, data, level)
        found.append((data, options, "image"))
    return found


def _limits_of(layer, data):
    """The contrast limits of the source, which must not be of no width."""
    low, high = layer.contrast_limits
    return (float(low), float(high)) if high > low else _range_of(data)


def _shown(kind, data, level):
    """How noise that was removed, or an error, is shown: hidden at first."""
    signed = kind == NOISE
    if level:
        high = _DEVIATIONS * level if signed else level
    else:
        high = max(map(abs, _range_of(data))) or 1.0
    return {
        "colormap": "gray" if signed else "magma",
        "contrast_limits": (-high if signed else 0.0, high),
        "visible": False,
    }


def _range_of(data):
    """Smallest and largest value of the middle plane, without the outermost."""
    middle = tuple(n // 2 for n in data.shape[:-2])
    values = np.asarray(data[middle])
    step = max(1, values.size // _SAMPLE)
    values = values.ravel()[::step]
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (0.1, 99.9)) if values.size else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def file_name(source):
    """Return the file of a layer, or how it might be called once it is saved."""
    if source.path:
        return source.path
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in source.name)
    return f"{Path(name).stem or 'image'}.tif"


def removed_noise(noisy, denoised, axes):
    """What was taken away; of colours the mean."""
    dtype = np.result_type(noisy.dtype, np.float32)
    found = np.subtract(noisy, denoised, dtype=dtype)
    return found.mean(axis=-1, dtype=dtype) if axes[-1] == "S" else found


def single_error(std, axes):
    """The standard error as one image; of colours the root of the mean square."""
    if axes[-1] != "S":
        return std
    return np.sqrt(np.square(std).mean(axis=-1))
