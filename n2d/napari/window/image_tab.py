"""The tab for one layer: preview, run, cancel, and what came of it."""

import collections
import functools
import logging
import time

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from n2d.core.progress import Cancelled
from n2d.napari.layers import (
    ERROR,
    NOISE,
    LayerError,
    placed_like,
    removed_noise,
    results_like,
    single_error,
)
from n2d.napari.lazy import is_for_lazy, lazy_results
from n2d.napari.preview import NAME as PREVIEW
from n2d.napari.preview import options_of, picture_of, view_of
from n2d.napari.window.choices import Choices
from n2d.napari.window.more import More
from n2d.napari.window.tasks import Tasks, time_left
from n2d.napari.words import error_in_words, noise_in_words, verdict_in_words
from n2d.napari.work import Fits

# A slider that moves, or a view that is moved, has come to rest after so long.
_REST_MS = 60
_RED, _GREY = "#d64545", "#888888"


def _said_in_window(slot):
    """Show what goes wrong in the window; a user never sees a traceback."""

    @functools.wraps(slot)
    def wrapped(self, *arguments):
        try:
            return slot(self)
        except Exception as error:
            self.complain(error)

    return wrapped


class ImageTab(QWidget):
    """Choices, buttons, progress and verdict for one layer."""

    def __init__(self, viewer, parent=None):
        super().__init__(parent)
        self._viewer = viewer
        self._fits = None
        self._preview = self._seen = self._shows = self._measuring = None
        self._parts = collections.deque(maxlen=1)
        self.tasks = Tasks(self)
        self._runs = None

        self.choices = Choices(viewer)
        self.preview_button = QPushButton("Preview")
        self.preview_button.setCheckable(True)
        self.preview_button.setToolTip(
            "Denoise the part that is seen, as you change it"
        )
        self.run_button = QPushButton("Denoise layer")
        self.run_button.setToolTip("Denoise all of the layer, into new layers")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.noise_check = QCheckBox("removed noise")
        self.noise_check.setToolTip("A layer of what was taken away: look for detail")
        self.noise_check.setChecked(True)
        self.error_check = QCheckBox("standard error")
        self.error_check.setToolTip("A layer of how far off each pixel may be")
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.more = More(self)

        buttons = QHBoxLayout()
        for button in (self.preview_button, self.run_button, self.cancel_button):
            buttons.addWidget(button)
        also = QHBoxLayout()
        also.addWidget(QLabel("Also"))
        also.addWidget(self.noise_check)
        also.addWidget(self.error_check)
        also.addStretch()
        also.addWidget(self.more)
        layout = QVBoxLayout(self)
        layout.addWidget(self.choices)
        layout.addLayout(also)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        layout.addWidget(self.verdict)
        layout.addStretch()

        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.timeout.connect(self._look)
        self.preview_button.toggled.connect(self._preview_toggled)
        self.run_button.clicked.connect(self.run)
        self.cancel_button.clicked.connect(self.tasks.stop)
        self.choices.settings_changed.connect(self._settings_changed)
        self.choices.layer_changed.connect(self._layer_changed)
        self.tasks.progressed.connect(self._progressed)
        self.tasks.changed.connect(self._busy_changed)
        viewer.layers.events.removed.connect(self._removed)
        for events in (
            viewer.camera.events.zoom,
            viewer.camera.events.center,
            viewer.dims.events.point,
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
        ):
            events.connect(self._view_moved)
        self._settings_changed()
        self._layer_changed()

    # -- what the user does ----------------------------------------------------------

    @_said_in_window
    def run(self):
        """Denoise all of the layer."""
        layer, fits = self.choices.layer, self._settled()
        lazy = is_for_lazy(fits.source, fits.plan) and not fits.source.alpha
        kinds = ["denoised"]
        kinds += [NOISE] if self.noise_check.isChecked() else []
        kinds += [ERROR] if self._wants_error(fits) else []
        work = functools.partial(_results, fits, kinds, lazy)
        total = fits.total(of_fits_only=lazy)
        self._runs = fits.source.name  # which may be another than is chosen by then
        self.say(f"{fits.source.name}: starting")
        start = time.monotonic()
        done = functools.partial(self._finished, layer, fits, start)
        self._start(fits, work, done, self._failed, total)

    def run_for(self, layer):
        """Denoise all of a layer, as from its menu."""
        if self.choices.choose(layer):
            self.run()
            return
        name = "what is chosen" if layer is None else layer.name
        self.complain(LayerError(f"{name} is no image: choose the layer of one"))

    def fitted_model(self):
        """The fit of the layer that is shown, as it can be saved."""
        fits = self._settled()
        found = fits.single_model()
        if found is None:
            raise LayerError("denoise the layer first: its fit is the model")
        return found

    def close_up(self):
        """Stop what runs, and take the preview away."""
        self.tasks.close()
        self.preview_button.setChecked(False)

    def say(self, text, colour=_GREY):
        """Show a line to the user."""
        self.status.setStyleSheet(f"color: {colour}")
        self.status.setText(text)

    def complain(self, error):
        """Show what went wrong."""
        logging.getLogger(__name__).debug("in the window", exc_info=error)
        self.say(error_in_words(error), _RED)

    # -- the preview -----------------------------------------------------------------

    def _preview_toggled(self, wanted):
        if wanted:
            self._timer.start()
        else:
            if not self._runs:
                self.tasks.stop()
            self._drop_preview()

    def _view_moved(self, event=None):
        if self.preview_button.isChecked():
            self._timer.start()

    @_said_in_window
    def _look(self):
        """Denoise the part of the layer that is seen, or only get ready for that."""
        if self._runs or self.choices.layer is None:
            return
        if not self.preview_button.isChecked():
            self._measure()
            return
        layer, fits = self.choices.layer, self._settled()
        seen = view_of(layer, fits, self._viewer.dims)
        wanted = (layer, fits.source.data, fits.model, fits.source.axes, fits.settings)
        wanted = *wanted, seen
        if _same(self._seen, wanted):
            return
        self._seen = wanted
        # Filled by the thread, emptied here: see `Tasks`.
        self._parts = collections.deque(maxlen=1)
        self._shows = layer, seen
        work = functools.partial(_look_at, fits, seen, self._parts)
        done = functools.partial(self._looked_at, seen)
        total = fits.total(of_fits_only=True)
        self._start(fits, work, done, self._look_failed, total)

    def _start(self, fits, work, done, failed, total):
        """Compute for the user; what is being measured for the same may end first."""
        waits = fits.shares_fits_with(self._measuring)
        if not waits:
            self._measuring = None
        self.tasks.start(work, done, failed, total=total, stops=not waits)

    def _measure(self):
        """Learn the noise of a layer before anybody asks: then a look takes no time.

        Of what is in memory only: to read, or to compute, may be dear.
        """
        try:
            fits = self._settled()
            place = view_of(self.choices.layer, fits, self._viewer.dims).place
        except ValueError:
            return  # said when somebody asks
        number = fits.fit_of(place)[0]
        if (
            not isinstance(fits.source.data, np.ndarray)
            or not fits.knows_error
            or fits.model is not None
            or fits.is_fitted(number)
            or fits.shares_fits_with(self._measuring)
        ):
            return
        self._measuring = fits
        self.tasks.start(
            functools.partial(_learn, fits, place),
            functools.partial(self._measured, fits),
            lambda error: self._measured(fits, None),
            total=fits.total(),
        )

    def _measured(self, fits, found):
        if fits.shares_fits_with(self._measuring):
            self._measuring = None
        if found is not None and fits.shares_fits_with(self._fits):
            self._tell(found)

    def _show_preview(self):
        """Show what is denoised of the preview by now."""
        if not self._parts:
            return
        picture, (layer, seen) = self._parts.pop(), self._shows
        if not self.preview_button.isChecked() or layer not in self._viewer.layers:
            return
        shown = self._preview
        if shown is not None and shown.data is picture:
            shown.refresh()
            return
        if shown is not None and _looks_like(shown, layer, picture):
            # Much sooner seen than a new layer, and it keeps what the user set.
            shown.data = picture
            shown.translate = placed_like(layer, seen.offset)["translate"]
            return
        self._drop_preview()
        options = options_of(layer, seen, f"{layer.name} ({PREVIEW})")
        chosen = set(self._viewer.layers.selection)
        self._preview = self._viewer.add_image(
            picture, metadata={PREVIEW: True}, **options
        )
        self._viewer.layers.selection = chosen & set(self._viewer.layers)

    def _looked_at(self, seen, found):
        self._show_preview()
        text = f"preview of {seen.shape[0]} x {seen.shape[1]} pixels"
        if not seen.is_all:
            text += ", the middle of what is seen: zoom in for the rest"
        self.say(text)
        self._tell(found)

    def _look_failed(self, error):
        self._seen = None
        if not isinstance(error, Cancelled):
            self.complain(error)

    def _drop_preview(self):
        shown, self._preview, seen = self._preview, None, self._seen
        if shown is not None and shown in self._viewer.layers:
            self._viewer.layers.remove(shown)
        self._seen = seen if self.preview_button.isChecked() else None

    def _removed(self, event):
        # napari gives plugins proxies of its layers, which are equal, not the same.
        if self._preview is not None and event.value == self._preview:
            self._preview = None
            self.preview_button.setChecked(False)

    # -- what happens ----------------------------------------------------------------

    def _settled(self):
        """The planes of the layer with the choices, and what was fitted before."""
        source, settings = self.choices.source(), self.choices.settings
        settings.check()
        model, known = self.choices.model, self._fits
        if known is not None and known.is_for(source, settings, model):
            self._fits = known.at(settings, source)
        else:
            self._fits = Fits(source, source.plan(settings, model), settings, model)
        return self._fits

    def _wants_error(self, fits):
        return self.error_check.isChecked() and fits.knows_error

    def _settings_changed(self):
        ours = self.choices.settings.method == "n2d"
        self.error_check.setEnabled(ours)
        self.run_button.setEnabled(self.choices.layer is not None and not self._runs)
        self.preview_button.setEnabled(self.choices.layer is not None)
        self._timer.start()

    def _layer_changed(self):
        if not self._runs:
            self.tasks.stop()
        self._drop_preview()
        self._seen = None
        self.verdict.setText("")
        if self.choices.layer is None:
            self.preview_button.setChecked(False)
            self.say("open an image first: File > Open, or drop it into the window")
        elif self.status.text().startswith("open an image"):
            self.say("")
        self._timer.start()

    @property
    def _is_quiet(self):
        """Whether nobody has asked for what is computed."""
        return self._measuring is not None and not self.tasks.waits

    def _progressed(self, share, text):
        if self._is_quiet:
            return
        self._show_preview()
        self.bar.setValue(round(1000 * share))
        if not text or not self.tasks.is_busy:
            return
        left = time_left(share, time.monotonic() - self.tasks.start_time)
        text = f"{text}, {left}" if left else text
        self.say(f"{self._runs}: {text}" if self._runs else text)

    def _busy_changed(self, busy):
        self.cancel_button.setEnabled(busy and not self._is_quiet)
        self.run_button.setEnabled(not self._runs and self.choices.layer is not None)
        if not busy:
            self.bar.setValue(0)

    def _no_longer_runs(self):
        self._runs = None
        self._busy_changed(False)

    def _finished(self, layer, fits, start, outcome):
        results, found = outcome
        self._no_longer_runs()
        self.preview_button.setChecked(False)
        try:
            self._add(layer, fits, results)
        except Exception as error:
            self.complain(error)
            return
        seconds = time.monotonic() - start
        lazily = any(not isinstance(r, np.ndarray) for r in results.values())
        text = f"{fits.source.name}: denoised in {seconds:.1f} s"
        if lazily:
            text = (
                f"{fits.source.name}: the noise is measured ({seconds:.1f} s); each "
                "plane is denoised when you look at it"
            )
        self.say(text)
        self._tell(found)

    def _add(self, layer, fits, results):
        models = fits.noise_of(fits.first_place) or ()
        level = max((model.level for model in models), default=None)
        for data, options, kind in results_like(layer, fits.source, results, level):
            self._viewer.add_layer(Layer.create(data, options, kind))

    def _failed(self, error):
        self._no_longer_runs()
        self.complain(error)
        if isinstance(error, Cancelled):
            self.say(error_in_words(error))
        self._view_moved()

    def _tell(self, found):
        """Show the noise and the verdict."""
        (text, colour), noise = found
        self.verdict.setStyleSheet(f"color: {colour}")
        self.verdict.setText(text)
        if noise is not None and self.choices.layer is not None:
            self.choices.show_noise(*noise)


def _same(before, wanted):
    """Whether a preview would be the one that is there: the same part of the same."""
    return before is not None and all(
        a is b or (i not in (1, 2) and a == b)  # neither of arrays nor of models
        for i, (a, b) in enumerate(zip(before, wanted, strict=True))
    )


def _looks_like(shown, layer, picture):
    """Whether a layer can show another picture of the same source."""
    return (
        shown.rgb == layer.rgb
        and shown.ndim == layer.ndim
        and shown.data.dtype == picture.dtype
        and np.array_equal(shown.scale, layer.scale)
    )


def _found(fits, place):
    """The verdict, and the noise of a plane, in words."""
    models = fits.noise_of(place)
    noise = None
    if models is not None:
        noise = noise_in_words(models, np.asarray(fits.sample_of(place)))
    return verdict_in_words(fits.trust()), noise


def _learn(fits, place, watch):
    """Fit to what a plane belongs to; in a thread."""
    fits.fitted(fits.fit_of(place)[0], watch)
    return _found(fits, place)


def _look_at(fits, seen, parts, watch):
    """Denoise what is seen, tile by tile; in a thread."""
    picture, write = picture_of(seen, fits)
    for rows, columns in seen.tiles():
        clean, _ = fits.part(seen.place, rows, columns, watch)
        watch.check()
        write(rows, columns, clean)
        parts.append(picture)
    return _found(fits, seen.place)


def _results(fits, kinds, lazy, watch):
    """Denoise all of a layer; in a thread."""
    if lazy:
        fits.fit_all(watch)
        return lazy_results(fits.kept(), kinds), _found(fits, fits.first_place)
    denoised, std, _ = fits.run(watch, return_std=ERROR in kinds)
    axes = fits.source.axes
    results = {"denoised": denoised}
    if NOISE in kinds:
        noisy = np.asarray(fits.source.data)
        if fits.source.alpha:
            results[NOISE] = removed_noise(noisy[..., :-1], denoised[..., :-1], axes)
        else:
            results[NOISE] = removed_noise(noisy, denoised, axes)
    if std is not None:
        std = std[..., :-1] if fits.source.alpha else std
        results[ERROR] = single_error(std, axes)
    return results, _found(fits, fits.first_place)
