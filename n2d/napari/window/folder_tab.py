"""The tab for folders: files in, files out, a table of how that went."""

import functools

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from n2d.core.progress import Cancelled
from n2d.napari.folders import denoise_folder, pairs_of
from n2d.napari.window.tasks import Tasks
from n2d.napari.words import error_in_words

_COLUMNS = ("file", "outcome", "s")


class FolderTab(QWidget):
    """A folder of images, a folder for results, and a table.

    Files are denoised as is chosen in the tab for a layer.
    """

    def __init__(self, choices, parent=None):
        super().__init__(parent)
        self._choices = choices
        self._rows, self._n_shown = [], 0
        self.tasks = Tasks(self)
        self.source_edit, self.target_edit = QLineEdit(), QLineEdit()
        self.overwrite_check = QCheckBox("replace results that are there")
        self.run_button = QPushButton("Denoise folder")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.status = QLabel("Method, strength and noise are those of the tab 'Image'.")
        self.status.setWordWrap(True)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.verticalHeader().hide()
        header, modes = self.table.horizontalHeader(), QHeaderView.ResizeMode
        header.setSectionResizeMode(1, modes.Stretch)
        header.setSectionResizeMode(2, modes.ResizeToContents)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)

        form = QFormLayout()
        form.addRow("Images in", self._with_button(self.source_edit))
        form.addRow("Results to", self._with_button(self.target_edit))
        form.addRow("", self.overwrite_check)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        layout.addWidget(self.table, 1)

        self.run_button.clicked.connect(self.run)
        self.cancel_button.clicked.connect(self.tasks.stop)
        self.tasks.progressed.connect(self._progressed)
        self.tasks.changed.connect(self._busy_changed)

    def run(self):
        """Denoise the files of the folder."""
        try:
            self._choices.settings.check()
            pairs = pairs_of(self.source_edit.text(), self.target_edit.text())
        except Exception as error:
            self.status.setText(error_in_words(error))
            return
        self.table.setRowCount(0)
        self._rows, self._n_shown = [], 0
        work = functools.partial(
            denoise_folder,
            pairs,
            self._choices.settings,
            self._rows,
            overwrite=self.overwrite_check.isChecked(),
        )
        done = functools.partial(self._finished, len(pairs))
        self.tasks.start(work, done, self._failed, total=len(pairs))

    def _progressed(self, share, text):
        self.bar.setValue(round(1000 * share))
        self.status.setText(text)
        self._show_rows()

    def _show_rows(self):
        for row in self._rows[self._n_shown :]:
            seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
            outcome = f"{row.outcome}. {row.verdict}" if row.verdict else row.outcome
            cells = (row.name, outcome, seconds)
            self.table.insertRow(self._n_shown)
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(self._n_shown, column, item)
            self.table.resizeRowToContents(self._n_shown)
            self._n_shown += 1

    def _finished(self, n_files, n_done):
        self._show_rows()
        self.status.setText(f"{n_done} of {n_files} files denoised")

    def _failed(self, error):
        self._show_rows()
        if isinstance(error, Cancelled):
            self.status.setText("stopped; what is in the table as denoised is whole")
        else:
            self.status.setText(error_in_words(error))

    def _busy_changed(self, busy):
        self.run_button.setEnabled(not busy)
        self.cancel_button.setEnabled(busy)
        if not busy:
            self.bar.setValue(0)

    def _with_button(self, edit):
        """A field with a button that asks for a folder."""
        row = QHBoxLayout()
        button = QPushButton("…")
        button.clicked.connect(lambda: self._ask(edit))
        row.addWidget(edit, 1)
        row.addWidget(button)
        return row

    def _ask(self, edit):
        path = QFileDialog.getExistingDirectory(self, "Choose a folder", edit.text())
        if path:
            edit.setText(path)
