"""The menu for what is needed less often: models, settings, code."""

from pathlib import Path

from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QPushButton

from n2d.napari.settings import as_command, as_python, read_settings, write_settings

_MODELS = "n2d model (*.n2d)"
_SETTINGS = "n2d settings (*.json)"


class More(QPushButton):
    """A button with a menu."""

    def __init__(self, tab):
        super().__init__(tab)
        self._tab = tab
        self.setText("More")
        menu = QMenu(self)
        for text, action in (
            ("Copy as Python", self.copy_python),
            ("Copy as command", self.copy_command),
            (None, None),
            ("Save settings…", self.save_settings),
            ("Load settings…", self.load_settings),
            (None, None),
            ("Save model…", self.save_model),
            ("Load model…", self.load_model),
            ("Use no model", self.forget_model),
        ):
            if text is None:
                menu.addSeparator()
            else:
                # A menu tells whether it is checked, which nobody asked.
                menu.addAction(text).triggered.connect(
                    lambda checked=False, action=action: self._do(action)
                )
        self.setMenu(menu)

    def _do(self, action):
        try:
            action()
        except Exception as error:
            self._tab.complain(error)

    def _ask(self, saves, title, kinds):
        """Ask for a file; "" where the user changes their mind."""
        ask = QFileDialog.getSaveFileName if saves else QFileDialog.getOpenFileName
        path = ask(self, title, "", kinds)[0]
        suffix = "." + kinds.rpartition("*.")[2].rstrip(")")
        if path and saves and not Path(path).suffix:
            path += suffix
        return path

    # -- text ------------------------------------------------------------------------

    def copy_python(self):
        """Put Python that does the same into the clipboard."""
        choices = self._tab.choices
        source, settings = choices.source(), choices.settings
        plan = source.plan(settings, choices.model)
        text = as_python(source, plan, settings, choices.model_path)
        self._copied(text, "Python for napari's console")

    def copy_command(self):
        """Put the command that does the same into the clipboard."""
        choices = self._tab.choices
        source = choices.source()
        text = as_command(source, choices.settings, choices.model_path)
        what = "the command"
        if source.path is None:
            what += f"; save the layer as {text.split()[2]} first"
        self._copied(text, what)

    def _copied(self, text, what):
        QApplication.clipboard().setText(text)
        self._tab.say(f"copied: {what}")

    # -- settings --------------------------------------------------------------------

    def save_settings(self, path=None):
        """Write the settings to a file that `n2d denoise --config` reads, too."""
        path = path or self._ask(True, "Save settings", _SETTINGS)
        if path:
            write_settings(path, self._tab.choices.settings)
            self._tab.say(f"settings are in {path}")

    def load_settings(self, path=None):
        """Read settings."""
        path = path or self._ask(False, "Load settings", _SETTINGS)
        if path:
            choices = self._tab.choices
            choices.put(read_settings(path, choices.settings))
            self._tab.say(f"settings are those of {path}")

    # -- models ----------------------------------------------------------------------

    def save_model(self, path=None):
        """Write the fit of the layer to a file."""
        model = self._tab.fitted_model()
        path = path or self._ask(True, "Save model", _MODELS)
        if path:
            model.save(path, overwrite=True)
            self._tab.say(f"the model is in {path}")

    def load_model(self, path=None):
        """Read a model, and use it instead of fits."""
        path = path or self._ask(False, "Load model", _MODELS)
        if path:
            from n2d import Noise2DetailDenoiser

            self._tab.choices.use_model(Noise2DetailDenoiser.load(path), path)
            self._tab.say(f"denoising with the model {path}, which is not fitted again")

    def forget_model(self):
        """Fit to the layer again."""
        self._tab.choices.use_model(None, None)
        self._tab.say("each layer is fitted again")
