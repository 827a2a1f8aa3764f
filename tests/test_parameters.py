"""The schema of parameters, and that the estimator keeps to it."""

import inspect
import json
import re

import numpy as np
import pytest
from pydantic import ValidationError

from n2d import Noise2DetailDenoiser
from n2d._parameters import Parameters, complaint_about

# Every parameter with values that will do, and values that will not.
VALUES = {
    "solver": (["fast", "paper"], ["slow", None, 1]),
    "init": (["auto", "random", "synthetic"], ["zeros", None]),
    "noise": (["auto", 1, 12.5], [0, -1.0, "none", None, [], {"gain": 1.0}]),
    "strength": ([1, 0.5, 3.0], [0, -1.0, "more", None]),
    "stripes": (["keep", "remove"], ["gone", None, True]),
    "stack": (["independent", "time", "depth"], ["frames", 0, None]),
    "hidden_channels": ([1, 48], [0, -1, 1.5, "48", None]),
    "max_iter": (["auto", 1, 10**6], [0, 2.0, "all", None]),
    "downsampling_factors": (
        ["auto", [], [2], [4, 3]],
        ["none", 2, [1], [2, 2], [2.5], None],
    ),
    "detail_max_iter": (["auto", 0, 5], [-1, 0.5, "none", None]),
    "learning_rate": (["auto", 1, 0.5], [0, -1.0, "fast", None]),
    "channel_axis": ([None, 0, -1], [0.5, "last"]),
    "data_range": ([None, [0, 255], [-1.5, 2]], [[1, 0], [3, 3], [0], [0, 1, 2], 5]),
    "device": (["auto", "cpu"], [0, None]),
    "precision": (["auto", "float32", "bfloat16"], ["half", None, 16]),
    "random_state": ([None, 0, 2**32 - 1], [-1, 2**32, 0.5, "lucky"]),
    "verbose": ([0, 3, True], [-1, "much"]),
}


def test_names_order_and_defaults_are_the_estimators():
    signature = inspect.signature(Noise2DetailDenoiser).parameters
    defaults = {name: field.default for name, field in Parameters.model_fields.items()}
    assert list(VALUES) == list(defaults)
    assert {name: p.default for name, p in signature.items()} == defaults
    assert set(Noise2DetailDenoiser._parameter_constraints) == set(defaults)


@pytest.mark.parametrize("name", VALUES)
def test_the_estimator_refuses_what_the_schema_refuses(name):
    good, bad = VALUES[name]
    for value in good:
        assert complaint_about(name, value) == ""
        Noise2DetailDenoiser(**{name: value})._validate_params()
    for value in bad:
        message = complaint_about(name, value)
        assert message.startswith(f"{name} must be ")
        assert message.endswith(f", not {json.dumps(value)}")
        with pytest.raises(ValueError, match=name) as refused:
            Noise2DetailDenoiser(**{name: value}).fit(np.eye(8))
        if name not in ("device", "random_state", "verbose"):  # scikit-learn's words
            assert not re.search(
                " among | instance | in the range | object ", str(refused.value)
            )


def test_numbers_that_are_none_are_refused():
    for name in ("max_iter", "strength", "learning_rate", "random_state"):
        assert complaint_about(name, True)
    for value in (np.inf, np.nan):
        assert complaint_about("learning_rate", value)
        assert complaint_about("strength", value)
        assert complaint_about("data_range", [0, value])


def test_unknown_names_are_refused():
    assert "there is no parameter sharpness" in complaint_about("sharpness", 1)
    with pytest.raises(ValidationError, match="sharpness"):
        Parameters(sharpness=1)
