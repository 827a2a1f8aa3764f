"""The file that `n2d tune` writes and `n2d denoise --config` reads.

A JSON object: "parameters" of `n2d.Noise2DetailDenoiser` or another denoiser, the
"method" they are for, the "version" of n2d and the "search" that found them. Only
"parameters" has to be there, so that it can be written by hand.
"""

import json
import math
from numbers import Integral, Real

from n2d import __version__
from n2d.cli.options import Init, Solver, are_factors

# Names in `n2d.denoiser_registry` of what `n2d denoise` can run.
N2D_METHODS = ("n2d", "n2d-random", "n2d-paper")
# Belong to a file or a machine, not into a search or its result.
NOT_TUNABLE = {"channel_axis", "device", "verbose"}
_KEYS = {"method", "parameters", "search", "version"}


class ConfigError(ValueError):
    """A file of parameters cannot be used; the message names it and says why."""


def _is_whole(value, least):
    return (
        isinstance(value, Integral) and not isinstance(value, bool) and value >= least
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
    "learning_rate": (
        lambda v: (
            v == "auto"
            or (
                isinstance(v, Real)
                and not isinstance(v, bool)
                and 0 < v < math.inf  # not NaN either
            )
        ),
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
    """Read parameters of `n2d.Noise2DetailDenoiser`.

    Parameters
    ----------
    path : Path
        A file that `write_config` wrote, or one like it.

    Returns
    -------
    dict
        Keyword arguments, checked.

    Raises
    ------
    ConfigError
        If the file is missing, is no such file, is for another denoiser, or has keys
        or values that make no sense.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from n2d.cli.config import read_config
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "config.json")
    ...     _ = path.write_text('{"parameters": {"downsampling_factors": [2]}}')
    ...     read_config(path)
    {'downsampling_factors': (2,)}
    """
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
    """Say why a value of a parameter of `n2d.Noise2DetailDenoiser` will not do.

    Parameters
    ----------
    name : str
        The parameter.
    value : object
        What it shall be.

    Returns
    -------
    str
        "" where it will do.

    Examples
    --------
    >>> from n2d.cli.config import complaint_about
    >>> complaint_about("max_iter", 0)
    'max_iter must be "auto" or a whole number of 1 or more, not 0'
    """
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
    """Write parameters that were chosen, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    method : str
        Name of the denoiser in `n2d.denoiser_registry`.
    parameters : dict
        What was chosen: numbers, texts, None, and tuples of them.
    search : dict
        What was searched, and what came out of it.
    overwrite : bool, default=False
        Whether the file may exist.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    OSError
        If it cannot be written.
    """
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
