"""The dock widget: a tab for a layer, a tab for folders."""

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from n2d.napari.window.folder_tab import FolderTab
from n2d.napari.window.image_tab import ImageTab


class DenoiseWidget(QWidget):
    """Denoise layers, and folders of files.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer that it is docked to; napari gives it.
    """

    def __init__(self, napari_viewer):
        super().__init__()
        self.setObjectName("noise2detail")
        self.image_tab = ImageTab(napari_viewer)
        self.folder_tab = FolderTab()
        tabs = QTabWidget()
        tabs.addTab(self.image_tab, "Image")
        tabs.addTab(self.folder_tab, "Folder")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(tabs)
        # With the viewer, all goes without a word; computations end first.
        running = (self.image_tab.tasks, self.folder_tab.tasks)
        self.destroyed.connect(lambda: [tasks.close() for tasks in running])

    def event(self, event):
        """Leave nothing behind when the window is taken away; Qt calls this."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.image_tab.close_up()
            self.folder_tab.tasks.close()
        return super().event(event)
