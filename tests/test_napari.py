"""The plugin in a real viewer, driven as a person does it."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="the viewer is an extra: noise2detail[napari]")
pytest.importorskip("pytestqt", reason="windows are driven by pytest-qt")

import zarr
from qtpy.QtWidgets import QApplication

from n2d import Noise2DetailDenoiser
from n2d.io import write_image
from n2d.napari.settings import Settings

WAIT = 120_000  # ms; what is waited for takes a second


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
    """Wait until nothing is computed, or about to be."""

    def idle():
        return not tab.tasks.is_busy and not tab._timer.isActive()

    qtbot.waitUntil(idle, timeout=WAIT)


def run(qtbot, tab):
    tab.run_button.click()
    settled(qtbot, tab)


def names(viewer):
    return [layer.name for layer in viewer.layers]


# -- run -----------------------------------------------------------------------------


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


def test_the_noise_is_known_before_anybody_asks(opened, qtbot, monkeypatch):
    n_fits, fit = [], Noise2DetailDenoiser.fit
    monkeypatch.setattr(
        Noise2DetailDenoiser, "fit", lambda *a, **k: n_fits.append(1) or fit(*a, **k)
    )
    viewer, tab = opened(noisy() * 1e-9, name="faint")
    tab.preview_button.click()  # while it is being measured, or before
    settled(qtbot, tab)
    assert "faint (preview)" in names(viewer)
    assert len(n_fits) == 1
    assert tab.verdict.text()
    assert abs(float(tab.choices.noise.text()) - 1e-8) < 1e-9
    tab.choices.measured.setChecked(False)
    tab.choices.noise.lineEdit().setText("2e-8")
    tab.choices.noise.interpretText()
    assert tab.choices.settings.noise == 2e-8
    tab.choices.noise.setValue(0)
    tab.run_button.click()
    assert "more than 0" in tab.status.text()
    viewer.layers["faint"].name = "named"
    assert tab.choices.layer_box.currentText() == "named"


def test_a_layer_of_labels_is_refused_by_name(opened):
    from n2d.napari.commands import denoise_layer

    viewer, tab = opened(noisy(), name="x")
    viewer.layers.selection.active = viewer.add_labels(np.zeros((8, 8), int), name="l")
    denoise_layer(viewer)
    assert "l is no image" in tab.status.text()
    assert names(viewer) == ["x", "l"]


def test_cancel_of_what_waits_is_a_cancel(opened, qtbot):
    viewer, tab = opened(noisy((64, 64)), name="x")
    qtbot.waitUntil(lambda: tab._measuring is not None, timeout=WAIT)
    tab.run_button.click()
    assert tab.cancel_button.isEnabled()
    tab.cancel_button.click()
    settled(qtbot, tab)
    assert names(viewer) == ["x"]
    assert tab.run_button.isEnabled()
    assert not tab.cancel_button.isEnabled()


def test_no_layer_is_said_and_one_that_comes_is_taken(opened):
    viewer, tab = opened()
    assert not tab.run_button.isEnabled()
    assert "open an image" in tab.status.text()
    viewer.add_image(noisy(), name="late")
    assert tab.choices.layer.name == "late"
    assert tab.run_button.isEnabled()
    viewer.layers.clear()
    assert not tab.run_button.isEnabled()


def test_colours_stay_colours(opened, qtbot):
    image = np.stack([noisy(seed=i) for i in range(3)], axis=-1)
    image = np.clip(image, 0, 255).astype(np.uint8)
    viewer, tab = opened(image, name="rgb", rgb=True)
    assert tab.choices.axes_edit.text() == "YXS"
    tab.error_check.setChecked(True)
    tab.preview_button.click()
    settled(qtbot, tab)
    assert viewer.layers["rgb (preview)"].rgb
    run(qtbot, tab)
    layer = viewer.layers["rgb (denoised)"]
    assert layer.rgb
    assert layer.data.dtype == np.uint8
    assert layer.data.shape == image.shape
    assert viewer.layers["rgb (removed noise)"].data.shape == image.shape[:2]
    assert viewer.layers["rgb (standard error)"].data.min() > 0


def test_other_methods_and_told_noise(opened, qtbot):
    image = noisy()
    viewer, tab = opened(image, name="x")
    tab.choices.measured.setChecked(False)
    tab.choices.noise.setValue(14)
    run(qtbot, tab)
    expected = Noise2DetailDenoiser(noise=14.0, random_state=0).fit_transform(image)
    np.testing.assert_array_equal(viewer.layers["x (denoised)"].data, expected)
    tab.choices.method_box.setCurrentText("median")
    assert not tab.choices.strength.isEnabled()
    assert not tab.error_check.isEnabled()
    tab.preview_button.click()
    settled(qtbot, tab)
    assert "x (preview)" in names(viewer)
    run(qtbot, tab)
    assert "x (preview)" not in names(viewer)
    assert viewer.layers["x (denoised) [1]"].data.std() < image.std()


# -- axes ----------------------------------------------------------------------------


def test_axes_are_read_and_kept(opened, qtbot):
    stack = noisy((2, 2, 64, 64))
    viewer, tab = opened(
        stack, name="s", axis_labels=("t", "c", "y", "x"), scale=(3, 1, 0.5, 0.5)
    )
    assert tab.choices.axes_edit.text() == "TCYX"
    assert "4 planes" in tab.choices.described.text()
    run(qtbot, tab)
    layer = viewer.layers["s (denoised)"]
    for channel in range(2):
        denoiser = Noise2DetailDenoiser(stack="time", random_state=0)
        expected = denoiser.fit_transform(stack[:, channel])
        np.testing.assert_array_equal(layer.data[:, channel], expected)
    assert layer.axis_labels == ("t", "c", "y", "x")
    assert layer.scale.tolist() == [3, 1, 0.5, 0.5]


def test_axes_can_be_said(opened, qtbot):
    viewer, tab = opened(noisy((3, 64, 64)), name="s")
    assert tab.choices.axes_edit.text() == "QYX"
    tab.choices.axes_edit.setText("CYX")
    tab.choices.axes_edit.editingFinished.emit()
    assert "3 channels independently" in tab.choices.described.text()
    tab.choices.channels_box.setCurrentText("together")
    assert "3 channels together" in tab.choices.described.text()
    viewer.dims.set_point(0, 2)
    tab.preview_button.click()
    settled(qtbot, tab)
    assert viewer.layers["s (preview)"].translate.tolist()[0] == 2
    tab.choices.axes_edit.setText("ZZYX")
    tab.choices.axes_edit.editingFinished.emit()
    run(qtbot, tab)
    assert "every letter once" in tab.status.text()


# -- preview -------------------------------------------------------------------------


def test_the_preview_follows_the_slider_and_keeps_the_fit(opened, qtbot, monkeypatch):
    n_fits = 0
    fit = Noise2DetailDenoiser.fit

    def counted(self, *arguments, **options):
        nonlocal n_fits
        n_fits += 1
        return fit(self, *arguments, **options)

    monkeypatch.setattr(Noise2DetailDenoiser, "fit", counted)
    image = noisy()
    viewer, tab = opened(image, name="x", scale=(2, 2), translate=(5, 7))
    tab.preview_button.click()
    settled(qtbot, tab)
    first = viewer.layers["x (preview)"]
    assert first.scale.tolist() == [2, 2]
    assert tab.choices.layer.name == "x"
    denoiser = Noise2DetailDenoiser(random_state=0)
    fit(denoiser, image)
    for strength in (0.4, 2.5):
        tab.choices.strength.setValue(strength)
        settled(qtbot, tab)
        shown = np.asarray(viewer.layers["x (preview)"].data)
        expected = denoiser.at_strength(strength).transform(image)
        np.testing.assert_allclose(shown, expected, atol=1e-3)
    assert n_fits == 1
    assert names(viewer) == ["x", "x (preview)"]
    tab.preview_button.click()
    assert names(viewer) == ["x"]


def test_the_preview_follows_the_view(opened, qtbot):
    viewer, tab = opened(noisy((3, 64, 64)), name="s")
    tab.preview_button.click()
    settled(qtbot, tab)
    assert viewer.layers["s (preview)"].translate[0] == viewer.dims.point[0]
    viewer.dims.set_point(0, 0)
    settled(qtbot, tab)
    assert viewer.layers["s (preview)"].translate[0] == 0
    viewer.dims.ndisplay = 3
    settled(qtbot, tab)
    assert "2-D view" in tab.status.text()
    viewer.dims.ndisplay = 2
    settled(qtbot, tab)
    viewer.layers.remove("s (preview)")
    assert not tab.preview_button.isChecked()


def test_a_layer_of_20_gigabytes(opened, qtbot):
    class Series:
        shape, ndim, dtype, n_read = (40_000, 512, 512), 3, np.dtype(np.uint16), 0
        image = noisy((512, 512), np.uint16)

        def __getitem__(self, key):
            part = np.broadcast_to(self.image, self.shape)[key]
            self.n_read += part.size
            return np.array(part)

    series = Series()
    viewer, tab = opened(series, name="big", contrast_limits=(0, 300))
    viewer.camera.zoom *= 8  # a part is seen
    tab.preview_button.click()
    settled(qtbot, tab)
    assert "big (preview)" in names(viewer)
    run(qtbot, tab)
    layer = viewer.layers["big (denoised)"]
    assert layer.data.shape == series.shape
    assert "when you look at it" in tab.status.text()
    assert series.n_read < 30 * 512**2


# -- layers on disk ------------------------------------------------------------------


def test_a_zarr_of_four_axes_is_denoised_as_one_looks(opened, qtbot, tmp_path):
    array = noisy((3, 2, 64, 64), np.uint16)
    store = zarr.create_array(
        tmp_path / "x.zarr", shape=array.shape, chunks=(1, 1, 32, 64), dtype="uint16"
    )
    store[:] = array
    viewer, tab = opened(store, name="z", axis_labels=("t", "z", "y", "x"))
    tab.error_check.setChecked(True)
    assert "neighbours in time" in tab.choices.described.text()
    tab.choices.stack_check.setChecked(False)
    assert "plane by plane" in tab.choices.described.text()
    run(qtbot, tab)
    lazy = viewer.layers["z (denoised)"].data
    assert not isinstance(lazy, np.ndarray)
    denoiser = Noise2DetailDenoiser(random_state=0)
    expected, std = denoiser.fit(list(array.reshape(-1, 64, 64))).transform(
        array.reshape(-1, 64, 64), return_std=True
    )
    expected, std = expected.reshape(array.shape), std.reshape(array.shape)
    np.testing.assert_allclose(np.asarray(lazy), expected, atol=1e-3)
    np.testing.assert_allclose(lazy[1, :, ::2, 5], expected[1, :, ::2, 5], atol=1e-3)
    errors = viewer.layers["z (standard error)"].data
    np.testing.assert_allclose(errors[2, 1], std[2, 1], atol=1e-3)
    removed = viewer.layers["z (removed noise)"].data
    np.testing.assert_allclose(removed[0, 0], array[0, 0] - expected[0, 0], atol=1e-2)


def test_several_resolutions_are_denoised_at_the_finest(opened, qtbot):
    image = noisy((96, 128))
    viewer, tab = opened([image, image[::2, ::2]], name="m", multiscale=True)
    tab.preview_button.click()
    settled(qtbot, tab)
    assert "m (preview)" in names(viewer)
    run(qtbot, tab)
    assert viewer.layers["m (denoised)"].data.shape == image.shape


# -- in the middle -------------------------------------------------------------------


def busy(opened, qtbot):
    """A viewer in the middle of a run that would take a minute."""
    viewer, tab = opened(noisy((256, 256)), noisy((64, 64)), name="x")
    tab.choices.choose(viewer.layers[0])
    tab.choices.method_box.setCurrentText("n2d-paper")
    tab.run_button.click()
    qtbot.waitUntil(lambda: tab.bar.value() > 0, timeout=WAIT)
    return viewer, tab


def test_cancel_leaves_nothing(opened, qtbot):
    viewer, tab = busy(opened, qtbot)
    assert tab.cancel_button.isEnabled()
    assert not tab.run_button.isEnabled()
    tab.cancel_button.click()
    settled(qtbot, tab)
    assert "stopped" in tab.status.text()
    assert names(viewer) == ["x", "x [1]"]
    assert tab.run_button.isEnabled()
    assert not tab.cancel_button.isEnabled()


def test_another_layer_in_the_middle(opened, qtbot):
    viewer, tab = opened(noisy((300, 300)), noisy((64, 64)), name="x")
    tab.choices.choose(viewer.layers[0])
    tab.run_button.click()
    tab.choices.choose(viewer.layers[1])
    settled(qtbot, tab)
    assert viewer.layers["x (denoised)"].data.shape == (300, 300)
    assert "x [1] (denoised)" not in names(viewer)
    assert tab.choices.layer is viewer.layers[1]


def test_a_layer_that_goes_in_the_middle(opened, qtbot):
    viewer, tab = opened(noisy((300, 300)), name="x")
    tab.run_button.click()
    viewer.layers.clear()
    settled(qtbot, tab)
    assert "x (denoised)" in names(viewer)


def test_the_window_closed_in_the_middle_leaves_nothing_behind(opened, qtbot):
    viewer, tab = busy(opened, qtbot)
    tasks = tab.tasks
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(tasks.ending.idle.is_set, timeout=WAIT)
    assert names(viewer) == ["x", "x [1]"]


# -- more ----------------------------------------------------------------------------


def test_settings_and_models_come_back(opened, qtbot, tmp_path):
    image = noisy()
    viewer, tab = opened(image, name="x")
    tab.choices.strength.setValue(1.5)
    run(qtbot, tab)
    tab.more.save_settings(tmp_path / "s.json")
    tab.more.save_model(tmp_path / "m.n2d")
    tab.choices.put(Settings())
    assert tab.choices.settings.strength == 1
    tab.more.load_settings(tmp_path / "s.json")
    assert tab.choices.settings.strength == 1.5
    tab.more.load_model(tmp_path / "m.n2d")
    assert not tab.choices.strength.isEnabled()
    first = viewer.layers["x (denoised)"].data
    run(qtbot, tab)
    np.testing.assert_array_equal(viewer.layers["x (denoised) [1]"].data, first)
    tab.more.forget_model()
    assert tab.choices.strength.isEnabled()


def test_a_wrong_file_is_said_in_the_window(opened, tmp_path):
    _, tab = opened(noisy())
    (tmp_path / "bad.json").write_text("no")
    tab.more._do(lambda: tab.more.load_settings(tmp_path / "bad.json"))
    assert "no JSON file" in tab.status.text()
    tab.more._do(lambda: tab.more.load_model(tmp_path / "bad.json"))
    assert "bad.json" in tab.status.text()


def test_copied_python_computes_the_same(opened, qtbot):
    stack = noisy((2, 3, 64, 64))
    viewer, tab = opened(stack, name="s", axis_labels=("t", "c", "y", "x"))
    tab.choices.strength.setValue(0.8)
    tab.more.copy_python()
    found = {"viewer": viewer}
    exec(QApplication.clipboard().text(), found)  # as a user pastes it
    run(qtbot, tab)
    np.testing.assert_array_equal(viewer.layers["s (denoised)"].data, found["denoised"])
    tab.more.copy_command()
    command = "n2d denoise s.tif -o s_denoised.tif --axes TCYX --strength 0.8"
    assert QApplication.clipboard().text() == command
    tab.choices.stack_check.setChecked(False)
    tab.more.copy_command()
    assert QApplication.clipboard().text() == f"{command} --stack independent"
    assert "save the layer as s.tif first" in tab.status.text()


# -- menus ---------------------------------------------------------------------------


def test_sample_data_open_and_are_denoised_from_the_menu(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    (layer,) = viewer.open_sample("noise2detail", "series")
    layer.data = layer.data[:2, :, :64, :64]
    viewer.layers.selection.active = layer
    from n2d.napari.commands import denoise_layer

    denoise_layer(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("noise2detail")
    settled(qtbot, widget.image_tab)
    denoised = viewer.layers[f"{layer.name} (denoised)"]
    assert denoised.units == layer.units
    assert denoised.axis_labels == ("t", "c", "y", "x")


def test_a_folder_is_denoised_into_another(make_napari_viewer, qtbot, tmp_path):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.tif", noisy(dtype=np.uint16))
    (tmp_path / "in" / "b.tif").write_bytes(b"no image")
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("noise2detail")
    tab = widget.folder_tab
    tab.run_button.click()
    assert "choose a folder" in tab.status.text()
    tab.source_edit.setText(str(tmp_path / "in"))
    tab.target_edit.setText(str(tmp_path / "out"))
    tab.run_button.click()
    qtbot.waitUntil(lambda: not tab.tasks.is_busy, timeout=WAIT)
    assert tab.status.text() == "1 of 2 files denoised"
    assert tab.table.rowCount() == 2
    assert tab.table.item(0, 1).text().startswith("denoised. ")
    assert tab.table.item(1, 1).text().startswith("failed")
    assert (tmp_path / "out" / "a.tif").exists()
