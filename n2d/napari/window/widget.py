"""The dock widget: a tab for a layer, a tab for folders."""

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
        # Whoever closes the window in the middle leaves nothing behind.
        running = (self.image_tab.tasks, self.folder_tab.tasks)
        self.destroyed.connect(lambda: [tasks.close() for tasks in running])

    def closeEvent(self, event):
        """Stop what runs; Qt calls this."""
        self.image_tab.tasks.close()
        self.folder_tab.tasks.close()
        super().closeEvent(event)
