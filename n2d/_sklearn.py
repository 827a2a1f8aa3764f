"""Pieces of scikit-learn that are private there: the one place that takes them.

The estimator protocol has no public ones for validating parameters and for the context
of `fit`. They are the same in all versions from 1.6; where one moves, this module is
what has to change.
"""

from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from sklearn.base import _fit_context as fit_context
from sklearn.utils import _param_validation as validation
from sklearn.utils.validation import _check_feature_names as check_feature_names

from n2d._parameters import HasInPython, InScikitLearn, InWords

__all__ = [
    "WHOLE_NUMBER",
    "HasMethods",
    "Hidden",
    "Interval",
    "SequenceOf",
    "StrOptions",
    "check_feature_names",
    "check_parameters",
    "constraints_of",
    "estimator_constraints",
    "fit_context",
]


Hidden = validation.Hidden

# The constraints of scikit-learn, which say in a user's words what they ask for.


class Interval(validation.Interval):
    """Numbers of a kind, between bounds."""

    def __str__(self):
        """Complete "must be".

        >>> str(Interval(Integral, 1, None, closed="left"))
        'a whole number of 1 or more'
        """
        text = "a whole number" if self.type is Integral else "a number"
        low, high = self.left, self.right
        if low is not None and high is not None and self.closed == "both":
            return f"{text} from {low} to {high}"
        if low is not None:
            over = self.closed in ("right", "neither")
            text += f" above {low}" if over else f" of {low} or more"
        if high is not None:
            under = self.closed in ("left", "neither")
            text += f", {'below' if under else 'at most'} {high:g}"
        return text


# Of either sign, such as the number of an axis.
WHOLE_NUMBER = Interval(Integral, None, None, closed="neither")


class StrOptions(validation.StrOptions):
    """Some texts."""

    def __str__(self):
        """Complete "must be".

        >>> str(StrOptions({"time", "depth", "independent"}))
        "'depth', 'independent' or 'time'"
        """
        *most, last = map(repr, sorted(self.options))
        return " or ".join(filter(None, (", ".join(most), last)))


class HasMethods(validation.HasMethods):
    """Objects with some methods, called by another name."""

    def __init__(self, methods, words):
        super().__init__(methods)
        self._words = words

    def __str__(self):
        """Complete "must be"."""
        return self._words


class SequenceOf(HasMethods):
    """Tuples and lists of what the name says."""

    def __init__(self, words):
        super().__init__(["__len__"], words)

    def is_satisfied_by(self, val):
        """Whether a value is one."""
        return isinstance(val, (tuple, list))


def check_parameters(estimator):
    """Complain of parameters now, as `fit` would."""
    if hasattr(estimator, "_validate_params"):  # not of a user's own denoiser, perhaps
        estimator._validate_params()


def estimator_constraints(schema):
    """Generate what scikit-learn's own checks ask of each parameter.

    >>> from n2d._parameters import Parameters
    >>> [str(c) for c in estimator_constraints(Parameters)["max_iter"]]
    ["'auto'", 'a whole number of 1 or more']
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
        words = [note.text for note in notes if isinstance(note, InWords)]
        methods = [list(note) for note in notes if isinstance(note, HasInPython)]
        if methods:
            return [HasMethods(methods[0], words[0])]
        if words:
            return [SequenceOf(words[0])]
    if get_origin(kind) is Literal:
        return [StrOptions(set(get_args(kind)))]
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
        closed = {(True, True): "both", (True, False): "left", (False, True): "right"}
        closed = closed.get(("ge" in found, "le" in found), "neither")
        low = found.get("ge", found.get("gt"))
        return [Interval(number, low, found.get("le"), closed=closed)]
    return [kind]
