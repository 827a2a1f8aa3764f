"""The file that `n2d tune` writes and `n2d denoise --config` reads.

A JSON object: "parameters" of `n2d.Noise2DetailDenoiser` or another denoiser, the
"method" they are for, the "version" of n2d and the "search" that found them. Only
"parameters" has to be there, so that it can be written by hand.
"""

import json
import math
from enum import StrEnum
from numbers import Integral, Real

from n2d import __version__

# Names in `n2d.denoiser_registry` of what `n2d denoise` can run.
N2D_METHODS = ("n2d", "n2d-random", "n2d-paper")
# Belong to a file or a machine, not into a search or its result.
NOT_TUNABLE = {"channel_axis", "device", "verbose"}
_KEYS = {"method", "parameters", "search", "version"}


class ConfigError(ValueError):
    """A file of parameters cannot be used; the message names it and says why."""


class Solver(StrEnum):
    """What `--solver` may be."""

    fast = "fast"
    paper = "paper"


class Init(StrEnum):
    """What `--init` may be."""

    auto = "auto"
    random = "random"
    synthetic = "synthetic"


def are_factors(values):
    """Whether values are downsampling factors: different whole numbers from 2 up."""
    return all(type(v) is int and v >= 2 for v in values) and (
        len(set(values)) == len(values)
    )


def _is_whole(value, least):
    return (
        isinstance(value, Integral) and not isinstance(value, bool) and value >= least
    )


def _is_positive(value):
    return (
        isinstance(value, Real)
        and not isinstance(value, bool)
        and 0 < value < math.inf  # not NaN either
    )


def _is_range(value):
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(isinstance(v, Real) and math.isfinite(v) for v in value)
        and value[0] < value[1]
    )


# Parameters of Noise2DetailDenoiser: whether a value will do, and what will do.
_PARAMETERS = {
    "solver": (lambda v: v in tuple(Solver), "fast or paper"),
    "init": (lambda v: v in tuple(Init), "auto, random or synthetic"),
    "hidden_channels": (lambda v: _is_whole(v, 1), "a whole number of 1 or more"),
    "max_iter": (
        lambda v: v == "auto" or _is_whole(v, 1),
        '"auto" or a whole number of 1 or more',
    ),
    "detail_max_iter": (
        lambda v: v == "auto" or _is_whole(v, 0),
        '"auto" or a whole number of 0 or more',
    ),
    "downsampling_factors": (
        lambda v: v == "auto" or (isinstance(v, (list, tuple)) and are_factors(v)),
        '"auto" or a list of different whole numbers of 2 or more, such as [2, 4]',
    ),
    "strength": (_is_positive, "a number above 0"),
    "learning_rate": (
        lambda v: v == "auto" or _is_positive(v),
        '"auto" or a number above 0',
    ),
    "data_range": (
        lambda v: v is None or _is_range(v),
        "null or two numbers, the lower first",
    ),
    "random_state": (
        lambda v: v is None or (_is_whole(v, 0) and v < 2**32),
        "null or a whole number from 0 to 4294967295",
    ),
}


def read_config(path):
    """Read parameters of `n2d.Noise2DetailDenoiser`, checked, as keyword arguments."""
    content = _read_object(path)
    _refuse_unknown(path, content, _KEYS, "key")
    method = content.get("method", "n2d")
    if method not in N2D_METHODS:
        raise ConfigError(
            f"{path} is for the method {method!r}, and this command runs "
            f"{', '.join(N2D_METHODS)} only; in Python, give its parameters to "
            "n2d.denoiser_registry()"
        )
    parameters = content.get("parameters")
    if not isinstance(parameters, dict):
        raise ConfigError(f'{path} has no object "parameters"')
    _refuse_unknown(path, parameters, _PARAMETERS, "parameter")
    for name, value in parameters.items():
        if complaint := complaint_about(name, value):
            raise ConfigError(f"{path}: {complaint}")
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in parameters.items()
    }


def complaint_about(name, value):
    """Say why a value of the estimator's parameter will not do, or return ""."""
    will_do, description = _PARAMETERS[name]
    return (
        "" if will_do(value) else f"{name} must be {description}, not {_shown(value)}"
    )


def _shown(value):
    try:
        return json.dumps(value)
    except TypeError:
        return repr(value)


def write_config(path, method, parameters, search, *, overwrite=False):
    """Write chosen parameters, and the search for them, whole or not at all."""
    from n2d.io import atomic_write

    content = {
        "version": __version__,
        "method": method,
        "parameters": parameters,
        "search": search,
    }
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _read_object(path):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "no text"
        raise ConfigError(
            f"{path} is damaged or no JSON file ({reason}); `n2d tune` writes one"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no JSON object; `n2d tune` writes one")
    return content


def _refuse_unknown(path, found, known, kind):
    unknown = sorted(found.keys() - set(known))
    if unknown:
        raise ConfigError(
            f"{path}: there is no {kind} {', '.join(map(repr, unknown))}; there are "
            f"{', '.join(sorted(known))}"
        )


# -- what `n2d tune` searches ---------------------------------------------------------

# Up to a dozen settings, which take a minute for 512 x 512 pixels. Where the parameters
# of a denoiser are in the units of the image (sigma of BM3D) there is no default.
_DEFAULTS = {
    # The learned start settles its few rounds (max_iter) by itself.
    "n2d": {
        "downsampling_factors": [(), (2, 4)],
        "detail_max_iter": [0, 100, 400],
    },
    "n2d-random": {
        "max_iter": [100, 400],
        "downsampling_factors": [(), (2, 4)],
        "detail_max_iter": [0, 200],
    },
    "nlm": {"strength": [0.6, 0.8, 1.0, 1.2], "patch_size": [5, 7]},
    "wavelet": {"wavelet": ["db2", "sym4"], "method": ["BayesShrink", "VisuShrink"]},
    "tv": {"strength": [0.5, 0.7, 1.0, 1.4, 2.0]},
    "bilateral": {"strength": [1.0, 2.0, 3.0], "blur": [1.0, 1.8, 3.0]},
    "gaussian": {"blur": [0.5, 0.7, 1.0, 1.4, 2.0, 2.8]},
    "median": {"size": [3, 5, 7]},
    "zs-n2n": {"max_iter": [100, 200, 400]},
}


def default_grid(method):
    """Return what is searched for a denoiser where the user does not say."""
    inner = method.removeprefix("vst-")
    if inner not in _DEFAULTS:
        raise ValueError(
            f"{method} has no default grid; say what to search, such as --grid "
            "sigma=5,10,20"
        )
    prefix = "denoiser__" if inner != method else ""
    return {f"{prefix}{name}": values for name, values in _DEFAULTS[inner].items()}


def parse_grid(texts, method, known):
    """Read a grid from texts such as ``detail_max_iter=0,100``, a parameter each."""
    from n2d.comparison.methods import parse_value, split_outside_brackets

    grid = {}
    allowed = sorted(
        name
        for name in known
        if name.rpartition("__")[2] not in NOT_TUNABLE and name != "denoiser"
    )
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals:
            raise ValueError(f"write PARAMETER=VALUE,VALUE,..., got {text!r}")
        if name not in allowed:
            raise ValueError(
                f"{method} has no parameter {name!r} to search; there are "
                f"{', '.join(allowed)}"
            )
        if name in grid:
            raise ValueError(f"{name} is given twice; give all its values at once")
        grid[name] = [parse_value(value) for value in split_outside_brackets(values)]
        if not grid[name]:
            raise ValueError(f"{name} has no values: write {name}=VALUE,VALUE,...")
        for value in grid[name]:
            _check(name, value, method)
    return grid


def _check(name, value, method):
    """Raise now what would be raised in the middle, or at the end, of the search."""
    complaint = complaint_about(name, value) if method in N2D_METHODS else ""
    if not complaint:
        try:
            json.dumps(value)
        except TypeError:
            complaint = f"{name}={value!r} cannot be written to a file"
    if complaint:
        raise ValueError(complaint)
