"""The plugin in a real viewer, driven as a person does it."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="the viewer is an extra: noise2detail[napari]")
pytest.importorskip("pytestqt", reason="windows are driven by pytest-qt")

from n2d import Noise2DetailDenoiser

# The viewer's own libraries warn of one another.
pytestmark = pytest.mark.filterwarnings("default")

WAIT = 60_000  # ms; what is waited for takes a second


def noisy(shape=(96, 96), dtype=np.float32, seed=0, level=10.0):
    """A ramp with white noise."""
    rng = np.random.default_rng(seed)
    scene = np.linspace(50, 200, shape[-1]) * np.ones(shape)
    return (scene + rng.normal(0, level, shape)).astype(dtype)


@pytest.fixture
def opened(make_napari_viewer):
    """Open a viewer with layers, and the window from the menu."""

    def open_with(*images, **options):
        viewer = make_napari_viewer()
        for image in images:
            viewer.add_image(image, **options)
        _, widget = viewer.window.add_plugin_dock_widget("noise2detail")
        return viewer, widget.image_tab

    return open_with


def settled(qtbot, tab):
    qtbot.waitUntil(
        lambda: not tab.tasks.is_busy and not tab._timer.isActive(), timeout=WAIT
    )


def run(qtbot, tab):
    tab.run_button.click()
    settled(qtbot, tab)


def test_three_clicks_to_a_denoised_layer(opened, qtbot):
    image = noisy()
    viewer, tab = opened(image, name="ramp", scale=(2, 0.5), colormap="green")
    run(qtbot, tab)
    layer = viewer.layers["ramp (denoised)"]
    expected = Noise2DetailDenoiser(random_state=0).fit_transform(image)
    np.testing.assert_array_equal(layer.data, expected)
    assert layer.scale.tolist() == [2, 0.5]
    assert layer.colormap.name == "green"
    source = viewer.layers["ramp"]
    assert list(layer.contrast_limits) == list(source.contrast_limits)
    removed = viewer.layers["ramp (removed noise)"]
    np.testing.assert_allclose(removed.data, image - expected, atol=1e-4)
    assert viewer.layers[-1] is layer
    assert "denoised in" in tab.status.text()
    assert abs(tab.choices.noise.value() - 10) < 1
    assert tab.verdict.text()
    assert tab.choices.layer is source
