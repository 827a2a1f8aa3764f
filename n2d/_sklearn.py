"""Pieces of scikit-learn that are private there: the one place that takes them.

The estimator protocol has no public ones for validating parameters, for the context of
`fit` and for the container that `set_output` asks for. They are the same in all
versions from 1.6; where one moves, this module is what has to change.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._set_output import _get_output_config as get_output_config
from sklearn.utils.validation import _check_feature_names as check_feature_names

__all__ = [
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_feature_names",
    "fit_context",
    "get_output_config",
]
