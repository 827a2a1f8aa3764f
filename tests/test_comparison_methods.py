import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from n2d.baselines import denoiser_registry
from n2d.comparison import parse_methods
from n2d.comparison.methods import parse_value, split_outside_brackets


def parse(*texts, **settings):
    return parse_methods(texts, denoiser_registry(), **settings)


def test_names_with_and_without_parameters_in_the_order_given():
    methods = parse(
        "median,gaussian:blur=3", "n2d:max_iter=2,downsampling_factors=(2, 4),identity"
    )
    assert list(methods) == [
        "median",
        "gaussian:blur=3",
        "n2d:max_iter=2,downsampling_factors=(2, 4)",
        "identity",
    ]
    _, blur, n2d, _ = methods.values()
    assert blur.blur == 3
    assert n2d.get_params()["max_iter"] == 2
    assert n2d.downsampling_factors == (2, 4)


def test_a_part_of_another_denoiser_has_parameters_too():
    (method,) = parse("vst-tv:denoiser__strength=0.5").values()
    assert method.get_params()["denoiser__strength"] == 0.5


def test_settings_reach_whoever_has_them_and_parameters_go_before_them():
    n2d, own, median = parse(
        "n2d", "n2d:random_state=7", "median", random_state=3, device="cpu"
    ).values()
    assert (n2d.random_state, n2d.device) == (3, "cpu")
    assert own.random_state == 7
    assert "random_state" not in median.get_params()


def test_a_data_range_is_for_the_published_schedules_alone():
    methods = parse("n2d", "n2d-paper", "zs-n2n-paper", data_range=(0.0, 255.0))
    ranges = [method.data_range for method in methods.values()]
    assert ranges == [None, (0.0, 255.0), (0.0, 255.0)]


def test_a_denoiser_of_the_user_s_own_joins():
    class Half:
        def fit_transform(self, X):
            return X / 2

    registry = {
        "half": Half,
        "third": lambda: FunctionTransformer(lambda x: x / 3),
    }
    methods = parse_methods(["half", "third"], registry, random_state=0)
    results = [m.fit_transform(np.ones((2, 2)))[0, 0] for m in methods.values()]
    assert results == [1 / 2, 1 / 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("magic", "no method 'magic'; there are n2d, .*identity"),
        ("gaussian:blur", "write NAME:PARAMETER=VALUE"),
        ("gaussian:width=3", "no parameter 'width'; there are blur, "),
        ("gaussian:blur=wide", "'blur'.* must be 'auto' or a number of 0 or more. Got"),
        ("gaussian:blur=3+", "'3\\+' is no value"),
        ("n2d:downsampling_factors=(2,4", "bracket or a quote"),
        (" , ", "no method is named; there are n2d"),
    ],
)
def test_what_makes_no_sense_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-1e-3", -0.001),
        ("None", None),
        ("auto", "auto"),
        ("cuda:1", "cuda:1"),
        ("'a b'", "a b"),
        ("()", ()),
    ],
)
def test_values(text, value):
    assert parse_value(text) == value


def test_splitting_leaves_brackets_and_quotes_whole():
    assert split_outside_brackets("[1,(2,3)],'x,(y', z") == ["[1,(2,3)]", "'x,(y'", "z"]
