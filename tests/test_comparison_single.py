import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from n2d import GaussianDenoiser
from n2d.comparison import Case, compare_and_plot

pytest.importorskip("matplotlib", reason="Matplotlib, of the extra plot, is absent")


def scene(shape):
    rng = np.random.default_rng(0)
    clean = np.broadcast_to(np.linspace(0, 200, shape[-1]), shape)
    return clean, clean + rng.normal(0, 20, shape)


def titles(figure):
    return [ax.get_title() for ax in figure.axes if ax.get_title()]


def test_numbers_are_in_the_rows_and_in_the_titles():
    clean, noisy = scene((32, 32))
    methods = {"noisy": None, "blur": GaussianDenoiser(blur=1)}
    case = Case("ramp", noisy, clean, data_range=255)
    rows, figure = compare_and_plot(methods, case, score=True)
    assert [row["method"] for row in rows] == ["noisy", "blur"]
    title = next(t for t in titles(figure) if t.startswith("blur"))
    assert f"{rows[1]['psnr']:.2f} dB" in title
    assert f"score {rows[1]['score']:.3f}, {rows[1]['seconds']:.2f} s" in title
    assert sum(t.startswith("noisy\n") for t in titles(figure)) == 1


def test_a_method_that_fails_is_left_out_and_noted():
    clean, noisy = scene((32, 32))

    def fail(_):
        raise ValueError("no")

    methods = {"bad": FunctionTransformer(fail), "good": GaussianDenoiser(blur=1)}
    case = Case("ramp", noisy, clean, data_range=255)
    rows, figure = compare_and_plot(methods, case)
    assert rows[0]["error"] == "ValueError: no"
    assert not any(t.startswith("bad") for t in titles(figure))
    with pytest.raises(RuntimeError, match="bad: ValueError: no"):
        compare_and_plot({"bad": methods["bad"]}, case)


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 20, 24), None), ((2, 20, 24, 3), -1), ((2, 3, 20, 24), 1)]
)
def test_the_middle_of_a_stack_is_drawn(shape, axis):
    _, noisy = scene((*shape[:-1], shape[-1]))
    case = Case("stack", noisy, channel_axis=axis)
    _, figure = compare_and_plot({"blur": GaussianDenoiser(blur=1)}, case)
    rgb = (3,) if axis is not None else ()
    assert figure.axes[0].images[0].get_array().shape == (20, 24, *rgb)
