"""The tab for folders: files in, files out, a table of how that went."""

from qtpy.QtWidgets import QWidget

from n2d.napari.window.tasks import Tasks


class FolderTab(QWidget):
    """x."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.tasks = Tasks(self)
