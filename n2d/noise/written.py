"""Noise models as what JSON can hold, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from numbers import Real

import numpy as np

from n2d.noise.defects import Defects

_NUMBERS = ("level", "gain", "offset", "read_noise", "spread")
_ARRAYS = ("correlation", "diagonals", "place", "shared", "curve")
_SIZES = ("hot", "rows", "columns")


def fields_of(model):
    """Give the fields of a model that are not as by default, as JSON can hold them."""
    kind = type(model)
    default = kind(model.level, gain=model.gain)
    found = {"level": model.level}
    for name in _NUMBERS[1:]:
        value = getattr(model, name)
        if value != getattr(kind(0.0) if name == "gain" else default, name):
            found[name] = float(value)
    for name in _ARRAYS:
        array = getattr(model, name)
        if array is not None and not np.array_equal(array, getattr(default, name)):
            found[name] = array.tolist()
    if model.defects is not None:
        found["defects"] = {
            **{name: float(getattr(model.defects, name)) for name in _SIZES},
            "periods": [[float(f) for f in pair] for pair in model.defects.periods],
        }
        if model.defects.stuck:
            found["defects"]["stuck"] = [
                [float(x) for x in each] for each in model.defects.stuck
            ]
    return found


def model_of_fields(kind, value):
    """Make a model of its kind of what `fields_of` gives, checked field by field."""
    if not isinstance(value, Mapping):
        raise ValueError(
            f'a noise model must be an object, such as {{"level": 7}}, not {value!r}'
        )
    _refuse_unknown("noise model", value, [field.name for field in fields(kind)])
    if value.get("level") is None:
        raise ValueError("a noise model needs its level")
    given = {}
    for name, found in value.items():
        if found is None:
            continue
        if name in _NUMBERS:
            given[name] = _number(name, found)
        elif name in _ARRAYS:
            given[name] = _array(name, found)
        else:
            given[name] = _defects(found)
    return kind(**given)


def is_number(value):
    """Whether a value is a number, and not a truth."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _number(name, value):
    try:
        found = float(value) if is_number(value) else np.nan
    except OverflowError:  # a whole number of many digits
        found = np.inf
    if not np.isfinite(found):
        raise ValueError(f"{name} must be a finite number, not {value!r}")
    return found


def _array(name, value):
    try:
        array = np.array(value)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "iuf" or array.ndim != 2:
        raise ValueError(f"{name} must be a list of lists of numbers, of one length")
    return array


def _defects(value):
    if not isinstance(value, Mapping):
        raise ValueError(f"defects must be an object, not {value!r}")
    _refuse_unknown("defects", value, [*_SIZES, "periods", "stuck"])
    sizes = {name: _number(name, value[name]) for name in _SIZES if name in value}
    lists = {}
    for name, length in (("periods", 2), ("stuck", 3)):
        each = value.get(name, [])
        each = _array(name, each).tolist() if each else []
        if not all(len(numbers) == length for numbers in each):
            raise ValueError(f"{name} must be lists of {length} numbers")
        lists[name] = [tuple(map(float, numbers)) for numbers in each]
    return Defects(**sizes, **lists)


def _refuse_unknown(what, found, known):
    unknown = sorted(str(name) for name in found if name not in known)
    if unknown:
        raise ValueError(
            f"{what}: there is no field {', '.join(unknown)}; there are "
            f"{', '.join(known)}"
        )
