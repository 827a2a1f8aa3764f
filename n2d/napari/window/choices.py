"""The upper half of the window: which layer, and how it is denoised."""

from contextlib import contextmanager
from dataclasses import replace

from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from n2d.napari.layers import LayerError, source_of
from n2d.napari.preview import NAME as PREVIEW
from n2d.napari.settings import N2D, Settings

_STRENGTHS = (0.3, 3.0)

_CHANNELS = {"each on its own": "independent", "together": "together"}
_FITS = {
    "the planes of a channel": "channel",
    "nothing: every plane alone": "plane",
    "all planes": "file",
}


class Choices(QWidget):
    """Fields for what a user chooses.

    Signals
    -------
    layer_changed
        Another layer, or what its axes are.
    settings_changed
        Anything that the result depends on.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers there are.
    """

    layer_changed = Signal()
    settings_changed = Signal()

    def __init__(self, viewer, parent=None):
        super().__init__(parent)
        self._viewer = viewer
        self._layers = []
        self.model = self.model_path = None
        self.layer_box = QComboBox()
        self.layer_box.setToolTip("The layer that is denoised")
        self.axes_edit = QLineEdit()
        self.axes_edit.setToolTip(
            "One letter for each axis: T time, Z depth, C channels, Y rows, X columns, "
            "S colours, Q anything else. Read from the layer's axis labels"
        )
        self.described = _wrapping()
        self.channels_box = _combo(_CHANNELS)
        self.channels_box.setToolTip("Whether the channels (C) share one result")
        self.fit_box = _combo(_FITS)
        self.fit_box.setToolTip("Which planes have the same noise, measured once")
        self.stack_check = QCheckBox("in time, or in depth")
        self.stack_check.setChecked(True)
        self.stack_check.setToolTip(
            "Denoise each plane with its neighbours, where they agree: better, and "
            "several times as long. Of a series with both, those in time"
        )
        self.method_box = QComboBox()
        self.method_box.setToolTip("n2d, or a classical method to compare it with")
        self.strength = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(*_STRENGTHS)
        self.strength.setSingleStep(0.05)
        self.strength.setDecimals(2)
        self.strength.setValue(1.0)
        self.strength.setToolTip("Right: smoother. Left: keeps more")
        self.measured = QCheckBox("measure")
        self.measured.setChecked(True)
        self.measured.setToolTip("Measure the noise on the layer, or say what it is")
        self.noise = _Amount()
        self.noise.setEnabled(False)
        self.noise.setToolTip(
            "Standard deviation of the noise, in the units of the layer. What you say "
            "yourself is taken for white noise"
        )
        self.noise_text = _wrapping()
        noise_row = QHBoxLayout()
        noise_row.addWidget(self.noise, 1)
        noise_row.addWidget(self.measured)

        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Layer", self.layer_box)
        form.addRow("Axes", self.axes_edit)
        form.addRow(self.described)
        form.addRow("Channels", self.channels_box)
        form.addRow("Share a fit", self.fit_box)
        form.addRow("Neighbours", self.stack_check)
        form.addRow("Method", self.method_box)
        form.addRow("Strength", self.strength)
        form.addRow("Noise", noise_row)
        form.addRow(self.noise_text)
        self._form = form

        self._fill_methods()
        self.layer_box.currentIndexChanged.connect(self._other_layer)
        self.axes_edit.editingFinished.connect(self._other_axes)
        self.channels_box.currentIndexChanged.connect(self._other_axes)
        self.fit_box.currentIndexChanged.connect(self._other_axes)
        self.stack_check.toggled.connect(self._other_axes)
        self.method_box.currentIndexChanged.connect(self._other_axes)
        self.strength.valueChanged.connect(self._other_settings)
        self.measured.toggled.connect(self._other_settings)
        self.noise.valueChanged.connect(self._other_noise)
        events = viewer.layers.events
        events.inserted.connect(self.refill)
        events.removed.connect(self.refill)
        events.reordered.connect(self.refill)
        self.refill()
        if self.layer is None:
            self._other_layer()

    # -- what is chosen --------------------------------------------------------------

    @property
    def layer(self):
        """The layer, or None."""
        i = self.layer_box.currentIndex()
        return self._layers[i] if 0 <= i < len(self._layers) else None

    @property
    def settings(self):
        """How it is denoised."""
        return Settings(
            method=self.method_box.currentText(),
            strength=round(float(self.strength.value()), 4),
            noise=self._told,
            channels=_CHANNELS[self.channels_box.currentText()],
            fit_per=_FITS[self.fit_box.currentText()],
            stack="auto" if self.stack_check.isChecked() else "independent",
        )

    @property
    def _told(self):
        return None if self.measured.isChecked() else float(self.noise.value())

    def source(self):
        """What a denoiser has to know of the layer."""
        if self.layer is None:
            raise LayerError("open an image first: File > Open, or drop it here")
        return source_of(self.layer, self.axes_edit.text().strip().upper() or None)

    def choose(self, layer):
        """Choose a layer, as a user does; False where it is no image."""
        known = layer is not None and layer in self._layers
        if known:
            self.layer_box.setCurrentIndex(self._layers.index(layer))
        return known

    def put(self, settings):
        """Set all fields, as settings from a file say."""
        with self._quietly():
            self.method_box.setCurrentText(settings.method)
            self.strength.setValue(settings.strength)
            self.measured.setChecked(settings.noise is None)
            if settings.noise is not None:
                self.noise.setValue(settings.noise)
            self.channels_box.setCurrentText(_key(_CHANNELS, settings.channels))
            self.fit_box.setCurrentText(_key(_FITS, settings.fit_per))
            self.stack_check.setChecked(settings.stack == "auto")
        self._other_axes()

    def use_model(self, model, path):
        """Take a fitted model in the place of fits, or None for none again."""
        self.model, self.model_path = model, path
        self._other_axes()

    def show_noise(self, level, text, details=""):
        """Show what was measured; the details to whoever asks."""
        if self.measured.isChecked():
            with self._quietly():
                self.noise.setValue(level)
        self.noise_text.setText(text)
        self.noise_text.setToolTip(details)

    # -- what happens ----------------------------------------------------------------

    def refill(self, event=None):
        """List the images of the viewer, and stay with the one that is chosen."""
        before = self.layer
        with self._quietly():
            self._layers = [
                layer
                for layer in self._viewer.layers
                if isinstance(layer, Image) and not layer.metadata.get(PREVIEW)
            ]
            self.layer_box.clear()
            for layer in self._layers:
                self.layer_box.addItem(layer.name)
                layer.events.name.connect(self.refill)  # once, however often
            if before in self._layers:
                self.layer_box.setCurrentIndex(self._layers.index(before))
            elif self._layers:
                active = self._viewer.layers.selection.active
                latest = active if active in self._layers else self._layers[-1]
                self.layer_box.setCurrentIndex(self._layers.index(latest))
        if self.layer != before:  # napari gives proxies, equal and not the same
            self._other_layer()

    def _other_layer(self):
        layer = self.layer
        with self._quietly():
            self.axes_edit.setText("")
            self.show_noise(0.0, "")
            if layer is not None:
                try:
                    self.axes_edit.setText(source_of(layer).axes)
                except LayerError:
                    pass  # said when it is to be denoised
        self._other_axes()

    def _other_axes(self):
        try:
            source = self.source()
            plan = source.plan(self.settings, self.model)
        except ValueError as error:
            text = "" if self.layer is None else str(error)
            source = plan = None
        else:
            size = " x ".join(map(str, source.data.shape))
            how = plan.description.replace("as the file says", "as the layer says")
            text = f"{size}, {source.dtype}{_pixel_size(self.layer)}; {how}"
        self.described.setText(text)
        self._show_row(self.described, bool(text))
        self._show_row(self.channels_box, source is not None and "C" in source.axes)
        self._show_row(self.fit_box, plan is not None and plan.n_planes > 1)
        could = plan and source.plan(replace(self.settings, stack="auto"), self.model)
        self._show_row(self.stack_check, bool(could) and could.stack != "independent")
        self._other_settings()
        self.layer_changed.emit()

    def _other_noise(self):
        if not self.measured.isChecked():
            self._other_settings()

    def _other_settings(self):
        ours = self.method_box.currentText() == N2D
        free = self.model is None
        self.noise.setEnabled(ours and free and not self.measured.isChecked())
        self.measured.setEnabled(ours and free)
        self.strength.setEnabled(ours and free)
        self.method_box.setEnabled(free)
        self.fit_box.setEnabled(free)
        if not self._quiet:
            self.settings_changed.emit()

    _quiet = False

    @contextmanager
    def _quietly(self):
        """Change fields without telling that they were changed."""
        boxes = (self.layer_box, self.channels_box, self.fit_box, self.method_box)
        checks = (self.stack_check, self.measured)
        fields = (*boxes, *checks, self.strength, self.noise, self.axes_edit)
        before = [field.blockSignals(True) for field in fields]
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False
            for field, blocked in zip(fields, before, strict=True):
                field.blockSignals(blocked)

    def _fill_methods(self):
        from n2d import denoiser_registry

        self.method_box.addItems([m for m in denoiser_registry() if m != "identity"])

    def _show_row(self, field, visible):
        self._form.setRowVisible(field, visible)


class _Amount(QDoubleSpinBox):
    """A field for a number of any size, in as many digits as mean something."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setDecimals(30)  # it rounds to so many
        self.setRange(0.0, 1e30)

    def textFromValue(self, value):
        return f"{value:.4g}"

    def valueFromText(self, text):
        return float(text.replace(",", "."))

    def validate(self, text, position):
        try:
            fits = self.valueFromText(text) >= 0
        except ValueError:
            fits = False
        state = QValidator.State.Acceptable if fits else QValidator.State.Intermediate
        return state, text, position

    def stepBy(self, steps):
        self.setValue(self.value() * 1.1**steps)


def _combo(names):
    box = QComboBox()
    box.addItems(list(names))
    return box


def _key(names, value):
    return next(name for name, known in names.items() if known == value)


def _wrapping():
    """A label of as many lines as it takes."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _pixel_size(layer):
    """The size of a pixel in words, where it is known."""
    scale = [float(s) for s in layer.scale[-2:]]
    if scale == [1.0, 1.0]:
        return ""
    units = [str(unit) for unit in (getattr(layer, "units", None) or ())[-2:]]
    unit = f" {units[-1]}" if units and units[-1] != "pixel" else ""
    return f", pixel {scale[0]:.4g} x {scale[1]:.4g}{unit}"
