"""What a user has chosen: as a denoiser, as a file, as Python and as a command."""

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from n2d.files._plan import NEIGHBOURS
from n2d.napari.layers import file_name

# The method that takes `strength` and `noise`.
N2D = "n2d"


class SettingsError(ValueError):
    """Settings cannot be used; the message says why."""


@dataclass(frozen=True)
class Settings:
    """How images are denoised.

    Attributes
    ----------
    method : str
        A name of `n2d.denoiser_registry`.
    strength : float
        As for `n2d.Noise2DetailDenoiser`.
    noise : float or None
        The standard deviation of white noise, as told; None: it is measured.
    channels, fit_per : str
        As for `n2d.denoise_file`.
    stack : {"auto", "independent"}
        Whether planes that follow each other in time, or in depth, are denoised with
        their neighbours, or each alone.
    """

    method: str = N2D
    strength: float = 1.0
    noise: float | None = None
    channels: str = "independent"
    fit_per: str = "channel"
    stack: str = "auto"

    @property
    def takes_neighbours(self):
        """Whether the method can use the neighbours of a plane."""
        return self.method == N2D

    @property
    def parameters(self):
        """Parameters of the denoiser that differ from the defaults."""
        found = {}
        if self.method == N2D:
            if self.strength != 1:
                found["strength"] = self.strength
            if self.noise is not None:
                found["noise"] = self.noise
            if self.stack != "auto":
                found["stack"] = self.stack
        return found

    def check(self):
        """Raise where nothing can be done with them."""
        if self.method == N2D and self.noise is not None and not self.noise > 0:
            raise SettingsError(
                "noise is more than 0: say how large it is, or tick 'measure'"
            )

    def denoiser(self, channel_axis=None, stack="independent"):
        """Make the denoiser, unfitted; `stack` is what planes are to each other."""
        from n2d import denoiser_registry
        from n2d.comparison.methods import in_all_parts

        registry = denoiser_registry()
        if self.method not in registry:
            raise SettingsError(f"there is no method {self.method!r}")
        denoiser = registry[self.method](**self.parameters)
        given = {"channel_axis": channel_axis, "random_state": 0}
        given = in_all_parts(denoiser, given)
        if self.takes_neighbours:
            given["stack"] = stack
        return denoiser.set_params(**given)


# -- as a file -----------------------------------------------------------------------


def write_settings(path, settings):
    """Write settings as `n2d tune` does: ``n2d denoise --config`` reads them."""
    from n2d._config import write_config

    search = {
        "from": "napari",
        **{k: v for k, v in asdict(settings).items() if k in ("channels", "fit_per")},
    }
    write_config(
        Path(path), settings.method, settings.parameters, search, overwrite=True
    )


def read_settings(path, settings):
    """Read settings from here or from `n2d tune`; what a file does not say stays."""
    from n2d._config import ConfigError, read_config

    try:
        method, _ = read_config(Path(path))  # complains of what is no such file
    except ConfigError as error:
        raise SettingsError(str(error)) from error
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    parameters = dict(content["parameters"])
    strength, noise = 1.0, None
    if method == N2D:
        strength = float(parameters.pop("strength", 1.0))
        noise = parameters.pop("noise", None)
        noise = None if isinstance(noise, str) else noise
    parameters.pop("random_state", None)
    stack = "auto"
    if method == N2D and parameters.get("stack") == "independent":
        stack = parameters.pop("stack")
    if parameters or not isinstance(noise, (int, float, type(None))):
        names = ", ".join(parameters) or "noise (as a model)"
        raise SettingsError(
            f"{path} sets {names}, which this window does not: use "
            "`n2d denoise --config`, or a model"
        )
    search = content.get("search")
    search = search if isinstance(search, dict) else {}
    kept = {}
    if search.get("channels") in ("independent", "together"):
        kept["channels"] = search["channels"]
    if search.get("fit_per") in ("plane", "channel", "file"):
        kept["fit_per"] = search["fit_per"]
    return Settings(
        method=method,
        strength=strength,
        noise=noise,
        stack=stack,
        **{"channels": settings.channels, "fit_per": settings.fit_per, **kept},
    )


# -- as text -------------------------------------------------------------------------


def as_command(source, settings, model=None):
    """Write down the command that does the same to the layer's file.

    A layer that was not read from a file has to be saved first, under the name there.
    """
    path = file_name(source)
    words = ["n2d", "denoise", path, "-o", _result_name(path)]
    if settings.method != N2D:
        words += ["--method", settings.method]
    if source.path:
        says_axes = source.axes != source.own_axes
    else:  # what napari writes has lost the axes of the layer
        says_axes = source.axes not in ("YX", "YXS") and "Q" not in source.axes
    if says_axes:
        words += ["--axes", source.axes]
    if settings.channels != "independent":
        words += ["--channels", settings.channels]
    if model is not None:
        if settings.stack != "auto":
            words += ["--stack", settings.stack]
        return shlex.join([*words, "--model", str(model)])
    if settings.fit_per != "channel":
        words += ["--fit-per", settings.fit_per]
    for name, value in settings.parameters.items():
        text = value if isinstance(value, str) else f"{value:.12g}"
        words += [f"--{name}", text]
    return shlex.join(words)


def _result_name(path):
    """Where a result goes: beside its source, with all suffixes as they are."""
    path = Path(path)
    stem, dot, suffixes = path.name.partition(".")
    return str(path.with_name(f"{stem}_denoised{dot}{suffixes}"))


def as_python(source, plan, settings, model=None):
    """Write down the Python that computes the same array from the layer's.

    It is for napari's console, where ``viewer`` is known.
    """
    axes = source.axes
    colour = "S" if "S" in axes else ""
    if settings.channels == "together" and "C" in axes:
        colour = "C"
    per_channel = settings.fit_per == "channel" and model is None
    first = "C" if "C" in axes and colour != "C" else ""
    series = first + "".join(a for a in axes if a not in ("Y", "X", colour, first))
    order = [i for a in dict.fromkeys(series) for i, b in enumerate(axes) if a == b]
    order += [axes.index(a) for a in ("Y", "X", colour) if a]
    # Two axes of no name have one letter, and keep their order.
    in_order = order == list(range(len(axes)))
    axis = None if plan.channel_axis is None else -1
    data = f"viewer.layers[{source.name!r}].data"
    lines = ["import numpy as np", *_making(settings, axis, plan.stack, model), ""]
    lines.append(f"data = np.asarray({data})  # axes {axes}")
    if not in_order:
        lines.append(f"data = data.transpose({order})")
    if source.alpha:
        part = "0" if axis is None else ":-1"
        lines.append(f"data = data[..., {part}]  # without opacity")
    along = None if plan.stack == "independent" else NEIGHBOURS[plan.stack]
    n_image = 2 if axis is None else 3
    if first and per_channel:
        lines += ["denoised = []", "for channel in data:"]
        body = _of_one_fit(series[1:], n_image, "channel", along, settings, model)
        lines += [f"    {line}" for line in body]
        lines += ["    denoised.append(clean)", "denoised = np.stack(denoised)"]
    else:
        lines += _of_one_fit(series, n_image, "data", along, settings, model)
        lines.append("denoised = clean")
    if not in_order:
        back = [order.index(i) for i in range(len(axes))]
        lines.append(f"denoised = denoised.transpose({back})")
    return "\n".join(lines) + "\n"


def _making(settings, axis, stack, model):
    """Lines that import what is needed and make the denoiser."""
    if model is not None:
        return [
            "from n2d import Noise2DetailDenoiser",
            "",
            f"denoiser = Noise2DetailDenoiser.load({str(model)!r})",
            f"denoiser.set_params(channel_axis={axis}, stack={stack!r})",
        ]
    denoiser = settings.denoiser(axis, stack)
    from n2d.comparison.runner import describe

    names = sorted({type(denoiser).__name__, *_inner_names(denoiser)})
    return [
        f"from n2d import {', '.join(names)}",
        "",
        f"denoiser = {describe(denoiser)}",
    ]


def _inner_names(denoiser):
    values = denoiser.get_params(deep=False).values()
    return {type(v).__name__ for v in values if hasattr(v, "get_params")}


def _of_one_fit(series, n_image, values, along, settings, model):
    """Lines that denoise what shares a fit: ``clean``."""
    n_series = len(series)
    call = "transform" if model is not None else "fit_transform"
    if n_series == 0:
        return [f"clean = denoiser.{call}({values})"]
    planes, lines, back = values, [], ""
    if n_series > 1:
        lines = [f"planes = {values}.reshape(-1, *{values}.shape[-{n_image}:])"]
        planes, back = "planes", f".reshape({values}.shape)"
    if n_series > 1 and along is not None:  # there are several runs of neighbours
        if model is None:
            lines.append("denoiser.fit(planes)")
        return [
            *lines,
            "clean = np.empty(planes.shape, np.result_type(planes, np.float32))",
            f"numbers = np.arange(len(planes)).reshape({values}.shape[:{n_series}])",
            f"numbers = np.moveaxis(numbers, {series.index(along)}, -1)",
            "for run in numbers.reshape(-1, numbers.shape[-1]):",
            "    clean[run] = denoiser.for_planes(run).transform(planes[run])",
            f"clean = clean{back}",
        ]
    if settings.fit_per == "plane" and model is None:
        each = f"[denoiser.{call}(plane) for plane in {planes}]"
        return [*lines, f"clean = np.stack({each}){back}"]
    return [*lines, f"clean = denoiser.{call}({planes}){back}"]
