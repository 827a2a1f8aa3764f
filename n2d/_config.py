"""The file that `n2d tune` writes and `n2d denoise --config` reads.

A JSON object: "parameters" of `n2d.Noise2DetailDenoiser` or another denoiser, the
"method" they are for, the "version" of n2d, the "search" that found them, and what was
"seen" of the image there. Only "parameters" has to be there, so that it can be written
by hand.
"""

import json

from n2d import __version__

# Names in `n2d.denoiser_registry` of what `Noise2DetailDenoiser` itself does.
_OF_NAME = {
    "n2d": {},
    "n2d-random": {"init": "random"},
    "n2d-paper": {"solver": "paper"},
}
N2D_METHODS = tuple(_OF_NAME)
# Belong to a file or a machine, not into a search or its result.
NOT_TUNABLE = {"channel_axis", "device", "verbose"}
_KEYS = {"method", "parameters", "search", "seen", "version"}


class ConfigError(ValueError):
    """A file of parameters cannot be used; the message names it and says why."""


def read_config(path):
    """Read a method's name and its parameters, checked, as keyword arguments."""
    from n2d._parameters import Parameters, complaint_about
    from n2d.baselines import denoiser_registry

    content = _read_object(path)
    _refuse_unknown(path, content, _KEYS, "key")
    method = content.get("method", "n2d")
    registry = denoiser_registry()
    if not isinstance(method, str) or method not in registry:
        raise ConfigError(
            f"{path} is for the method {method!r}, and there are {', '.join(registry)}"
        )
    parameters = content.get("parameters")
    if not isinstance(parameters, dict):
        raise ConfigError(f'{path} has no object "parameters"')
    if method not in N2D_METHODS:
        known = registry[method]()
        known = known.get_params() if hasattr(known, "get_params") else {}
        tunable = {k for k in known if k.rpartition("__")[2] not in NOT_TUNABLE}
        _refuse_unknown(path, parameters, tunable, "parameter")
        return method, parameters
    tunable = Parameters.model_fields.keys() - NOT_TUNABLE
    _refuse_unknown(path, parameters, tunable, "parameter")
    for name, value in parameters.items():
        if complaint := complaint_about(name, value):
            raise ConfigError(f"{path}: {complaint}")
    found = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in parameters.items()
    }
    found = _OF_NAME.get(method, {}) | found
    if "noise" in parameters:
        found["noise"] = _noise_of(path, parameters["noise"])
    return method, found


def read_seen(path):
    """Read how the image looked that the parameters were chosen on, fit by fit."""
    found = _read_object(path).get("seen", [])
    try:
        return [_seen_of(path, one) for one in found]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'{path}: what it says under "seen" makes no sense; tune again, or take it '
            "out"
        ) from error


def _seen_of(path, found):
    """Return what `n2d._suits.misfit` takes, checked."""
    import numpy as np

    read = {
        "data_range": lambda pair: tuple(map(float, pair)),
        "dtype": lambda name: np.dtype(str(name)).name,
        "noise": lambda models: tuple(_noise_of(path, models)),
        "contrast": float,
        "detail": lambda pair: tuple(map(float, pair)),
        "bright_to_dark": float,
    }
    seen = {name: found[name] and to(found[name]) for name, to in read.items()}
    for name in ("data_range", "detail"):
        if seen[name] is not None and len(seen[name]) != 2:
            raise ValueError(name)
    return seen


def read_noise(path):
    """Read what is told about the noise: what `n2d noise --json` has written."""
    from n2d._parameters import complaint_about

    content = _read_json(path, "`n2d noise --json` writes one")
    found = _noise_of(path, content)
    if complaint := complaint_about("noise", content):
        raise ConfigError(f"{path}: {complaint}")
    return found


def _noise_of(path, content):
    from n2d.noise import noise_from_json

    try:
        return noise_from_json(content)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def write_config(path, method, parameters, search, seen=(), *, overwrite=False):
    """Write chosen parameters, and the search for them, whole or not at all."""
    from n2d.io import atomic_write
    from n2d.noise import noise_to_json

    content = {
        "version": __version__,
        "method": method,
        "parameters": parameters,
        "search": search,
        "seen": [one | {"noise": noise_to_json(one["noise"])} for one in seen],
    }
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _read_json(path, advice):
    """Read a file of settings: no pipe, no gigabytes, no thousands of brackets."""
    from n2d.io import read_text

    try:
        return json.loads(read_text(path).decode("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or str(error).removeprefix(f"{path}: ")
        raise ConfigError(f"{path}: {reason}") from error
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "no text"
        if isinstance(error, RecursionError):
            reason = "too deep"
        raise ConfigError(
            f"{path} is damaged or no JSON file ({reason}); {advice}"
        ) from error


def _read_object(path):
    content = _read_json(path, "`n2d tune` writes one")
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
