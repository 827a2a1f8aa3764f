"""Pieces of scikit-learn that are private there: the one place that takes them.

The estimator protocol has no public ones for validating parameters and for the context
of `fit`. They are the same in all versions from 1.6; where one moves, this module is
what has to change.
"""

from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_feature_names as check_feature_names

from n2d._parameters import HasInPython, InScikitLearn

__all__ = [
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_feature_names",
    "constraints_of",
    "estimator_constraints",
    "fit_context",
]


def estimator_constraints(schema):
    """Generate what scikit-learn's own checks ask of each parameter.

    >>> from n2d._parameters import Parameters
    >>> [str(c) for c in estimator_constraints(Parameters)["max_iter"]]
    ["a str among {'auto'}", 'an int in the range [1, inf)']
    """
    hints = get_type_hints(schema, include_extras=True)
    return {name: constraints_of(hints[name]) for name in schema.model_fields}


def constraints_of(hint):
    """Turn the annotation of a parameter into scikit-learn's constraints.

    >>> [str(constraint) for constraint in constraints_of(str | None)]
    ["<class 'str'>", 'None']
    """
    if get_origin(hint) in (Union, UnionType):
        return [found for part in get_args(hint) for found in constraints_of(part)]
    kind, notes = hint, ()
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        if get_origin(kind) in (Union, UnionType):
            marks = [note for note in notes if isinstance(note, InScikitLearn)]
            return [marks[0].name] if marks else constraints_of(kind)
        methods = [list(note) for note in notes if isinstance(note, HasInPython)]
        if methods:
            return [HasMethods(methods[0])]
    if get_origin(kind) is Literal:
        return [StrOptions(set(get_args(kind)))]
    if get_origin(kind) is tuple:
        return [tuple, list]
    if kind is NoneType:
        return [None]
    if kind in (int, float):
        number = Integral if kind is int else Real
        # Bounds are bare, or within what pydantic calls a field.
        bounds = [b for note in notes for b in getattr(note, "metadata", [note])]
        found = {
            name: getattr(bound, name)
            for bound in bounds
            for name in ("ge", "gt", "le")
            if hasattr(bound, name)
        }
        if not found:
            return [number]
        closed = {(True, True): "both", (True, False): "left", (False, True): "right"}
        closed = closed.get(("ge" in found, "le" in found), "neither")
        low = found.get("ge", found.get("gt"))
        return [Interval(number, low, found.get("le"), closed=closed)]
    return [kind]
