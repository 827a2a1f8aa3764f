"""The dock widget: a tab for a layer, a tab for folders."""

import threading
import weakref
from importlib import import_module

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from n2d.napari.window.folder_tab import FolderTab
from n2d.napari.window.image_tab import ImageTab


class DenoiseWidget(QWidget):
    """Denoise layers, and folders of files."""

    def __init__(self, napari_viewer):
        super().__init__()
        self.setObjectName("noise2detail")
        self.image_tab = ImageTab(napari_viewer)
        self.folder_tab = FolderTab(self.image_tab.choices)
        tabs = QTabWidget()
        tabs.addTab(self.image_tab, "Image")
        tabs.addTab(self.folder_tab, "Folder")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(tabs)
        # With the viewer all goes without a word, by Qt or by Python: computations end.
        ends = weakref.finalize(
            self, _close, self.image_tab.tasks.ending, self.folder_tab.tasks.ending
        )
        self.destroyed.connect(ends)
        threading.Thread(target=_warm_up, name="n2d imports", daemon=True).start()

    def event(self, event):
        """Leave nothing behind when the window is taken away; Qt calls this."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.image_tab.close_up()
            self.folder_tab.tasks.close()
        return super().event(event)


def _close(*endings):
    for ending in endings:
        ending.close()


def _warm_up():
    """Import what takes a few seconds while the user looks at the window."""
    for name in ("n2d.denoiser", "n2d.files.denoising"):
        import_module(name)
