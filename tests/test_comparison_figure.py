import sys

import numpy as np
import pytest
from scipy import ndimage

from n2d.comparison import plot_comparison


@pytest.fixture
def images():
    pytest.importorskip("matplotlib", reason="Matplotlib, of the extra plot, is absent")
    rng = np.random.default_rng(0)
    clean = np.zeros((40, 60))
    clean[20:30, 30:45] = rng.uniform(0, 200, (10, 15))
    noisy = clean + rng.normal(0, 20, clean.shape)
    return clean, noisy, {"blur": ndimage.gaussian_filter(noisy, 1)}


def shown(figure):
    """Arrays on the axes, row by row, None where there is none."""
    return [ax.images[0].get_array() if ax.images else None for ax in figure.axes]


def test_all_images_share_their_limits_and_residuals_theirs(images):
    clean, noisy, estimates = images
    estimates["other"] = noisy * 0.5
    figure = plot_comparison(noisy, estimates, clean, limits=(0, 100))
    arrays = shown(figure)
    assert len(arrays) == 12
    for array, image in zip(
        arrays[:4], [noisy, *estimates.values(), clean], strict=True
    ):
        np.testing.assert_allclose(array, np.clip(image / 100, 0, 1))
    assert arrays[8] is None
    for array, image in zip(arrays[9:], [*estimates.values(), clean], strict=True):
        np.testing.assert_allclose(array, noisy - image)
    limits = {ax.images[0].get_clim() for ax in figure.axes[9:]}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high


def test_the_enlarged_part_is_the_one_asked_for_or_where_things_happen(images):
    clean, noisy, estimates = images
    arrays = shown(plot_comparison(noisy, estimates, limits=(0, 1), inset=(3, 4, 5, 6)))
    np.testing.assert_allclose(arrays[2], np.clip(noisy[3:8, 4:10], 0, 1))
    figure = plot_comparison(noisy, estimates, clean)
    corner = figure.axes[0].patches[0].get_xy()
    np.testing.assert_allclose(corner, (29.5, 19.5), atol=5)


@pytest.mark.parametrize(("channels", "axis"), [(3, 0), (3, -1), (2, 2)])
def test_channels(images, channels, axis):
    clean, noisy = (np.stack([image] * channels, axis) for image in images[:2])
    figure = plot_comparison(
        noisy, {"half": noisy / 2}, clean, data_range=255, channel_axis=axis
    )
    expected = (40, 60, 3) if channels == 3 else (40, 60)
    assert shown(figure)[0].shape == expected
    assert shown(figure)[-1].shape == (40, 60)


def test_titles_tell_the_quality(images, tmp_path):
    clean, noisy, estimates = images
    figure = plot_comparison(
        noisy, estimates, clean, data_range=255, titles={"blur": "0.1 s"}
    )
    titles = [ax.get_title() for ax in figure.axes[:3]]
    assert titles[0].startswith("noisy\n22.")
    assert titles[1].startswith("blur\n2")
    assert titles[1].endswith("\n0.1 s")
    assert titles[2] == "clean"
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_many_images_are_wrapped_and_rows_are_filled_evenly(images):
    clean, noisy, _ = images
    estimates = {f"method {i}": noisy / (i + 2) for i in range(6)}
    figure = plot_comparison(noisy, estimates, clean, columns=5)
    assert [len(block.axes) for block in figure.subfigs] == [12, 12]
    titles = [ax.get_title() for block in figure.subfigs for ax in block.axes[:4]]
    assert titles == ["noisy", *estimates, "clean"]
    width, height = figure.get_size_inches()
    assert 4 * 2 < width < 4 * 3
    assert height > 2 * 3 * width / 4 * 40 / 60


def test_long_names_are_broken_at_their_parameters(images):
    _, noisy, _ = images
    name = "n2d-random:max_iter=100,detail_max_iter=400,init=random"
    figure = plot_comparison(noisy, {name: noisy / 2})
    for title in (figure.axes[1].get_title(), figure.axes[5].get_title()):
        lines = title.split("\n")
        assert len(lines) > 1
        assert max(map(len, lines)) <= 30
        assert "".join(lines).endswith(name)


def test_the_scales_are_written_in_the_picture(images):
    clean, noisy, estimates = images
    figure = plot_comparison(noisy, estimates, clean, data_range=255, limits=(0, 100))
    (text,) = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "0 to 100" in text
    assert "255" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimates": {}}, "estimates is empty"),
        ({"estimates": {"a": np.zeros((4, 4))}}, r"'a' has shape \(4, 4\)"),
        ({"noisy": np.zeros((2, 40, 60))}, "choose one of a stack"),
        ({"channel_axis": 0}, "choose one of a stack"),
        ({"inset": (30, 0, 20, 10)}, "inset=.* is no part"),
        ({"inset": (0, 0, 0, 10)}, "inset=.* is no part"),
        ({"columns": 0}, "columns must be 1 or more"),
    ],
)
def test_bad_arguments_are_named(images, change, message):
    _, noisy, estimates = images
    arguments = {"noisy": noisy, "estimates": estimates} | change
    with pytest.raises(ValueError, match=message):
        plot_comparison(**arguments)


def test_without_matplotlib_the_extra_is_named(images, monkeypatch):
    _, noisy, estimates = images
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"noise2detail\[plot\]"):
        plot_comparison(noisy, estimates)
