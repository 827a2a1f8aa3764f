"""The table of results on disk: one line per run, added as soon as it is known."""

import csv
import io
import os
from pathlib import Path

from n2d.io import atomic_write

TEXTS = ("group", "case", "method")
NUMBERS = (
    "psnr_noisy",  # dB, before denoising
    "psnr",  # dB
    "ssim",
    "psnr_stage1",  # dB, where a denoiser has stages
    "psnr_stage2",
    "psnr_stage3",
    "score",  # self-supervised, of the fitted denoiser; higher is better
    "score_error",  # standard error of its difference to that of the first method
    "seconds",  # of fit_transform, on the wall clock
    "cpu_seconds",  # of fit_transform, of all threads together
    "peak_mib",  # largest resident memory of the process until fit_transform is done
    "base_mib",  # the same just before fit_transform
    "data_range",  # that PSNR and SSIM are for
)
ORIGIN = ("error", "parameters", "version", "input")
COLUMNS = (*TEXTS, *NUMBERS, *ORIGIN)
# Tables of earlier versions go without these, and can be read and added to.
_LATER = {"score", "score_error", "data_range"}


class ResultsFile:
    """A CSV file that survives an interruption at any moment.

    Parameters
    ----------
    path : path-like
        Created by the first `append` where missing; brought to today's columns by it
        where written by an earlier version.

    Raises
    ------
    ValueError
        If the file is not such a table.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.rows = read_results(self.path) if self.path.exists() else []
        self._is_old = bool(self.rows) and _header(self.path) != COLUMNS

    def append(self, row):
        """Add a row and see it through to the disk.

        Parameters
        ----------
        row : dict
            Values by column; what is missing stays empty.
        """
        if self._is_old:
            self._rewrite()
        lines = io.StringIO()
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        with open(self.path, "a+b") as file:
            kept = _complete_length(file)
            if file.seek(0, os.SEEK_END) > kept:
                file.truncate(kept)  # what an interrupted run left of its last line
            if kept == 0:
                writer.writeheader()
            writer.writerow({k: _to_text(k, row.get(k)) for k in COLUMNS})
            file.write(lines.getvalue().encode(errors="surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
        self.rows.append({k: _plain(k, row.get(k)) for k in COLUMNS})

    def _rewrite(self):
        """Write the whole table anew, with today's columns, or not at all."""
        with (
            atomic_write(self.path, overwrite=True) as path,
            open(
                path, "w", encoding="utf-8", errors="surrogateescape", newline=""
            ) as file,
        ):
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row in self.rows:
                writer.writerow({k: _to_text(k, row[k]) for k in COLUMNS})
        self._is_old = False


def read_results(path):
    """Read a table of results.

    Parameters
    ----------
    path : path-like
        A ``results.csv`` that `n2d.comparison.compare` wrote.

    Returns
    -------
    list of dict
        One per run, in the order in which they finished; values by column, None where
        there is none, also where an earlier version had no such column. Numbers are
        floats.

    Raises
    ------
    ValueError
        If the file is not such a table.
    """
    with open(path, "rb") as file:
        text = file.read(_complete_length(file)).decode(errors="surrogateescape")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    expected = [k for k in COLUMNS if k not in _LATER or k in (reader.fieldnames or ())]
    if text and reader.fieldnames != expected:
        raise ValueError(
            f"{path} has other columns than this version writes; choose another output "
            "folder or remove the file"
        )
    return [{k: _from_text(k, row.get(k, "")) for k in COLUMNS} for row in reader]


def _header(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return tuple(next(csv.reader(file), ()))


def _complete_length(file):
    """Length of the file up to the end of its last complete line."""
    file.seek(0)
    length = file.read().rfind(b"\n") + 1
    file.seek(0)
    return length


def _to_text(column, value):
    if value is None:
        return ""
    return f"{value:.6g}" if column in NUMBERS else _plain(column, value)


def _plain(column, value):
    """Put texts into one line, as a row of the table is; numbers stay as they are."""
    return value if column in NUMBERS else " ".join(str(value or "").split())


def _from_text(column, text):
    if text == "":
        return None if column in NUMBERS else ""
    return float(text) if column in NUMBERS else text
