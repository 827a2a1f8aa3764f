"""The directives ``benchmark`` and ``results``: ``benchmarks/results`` as tables.

.. code-block:: rst

    .. benchmark:: fast/fmd_dev classical/fmd_dev
       :methods: noisy, fast as n2d, vst-bm3d
       :groups: point-scanning, wide-field

    .. results:: cost.md large_*.md

``benchmark`` has a line of origin below its table: the numbers are averaged from the
CSV files when the documentation is built, by the same code that writes the summaries;
the machine and the command come from the summaries. ``results`` shows Markdown files of
tables and paragraphs, those that there are, as they are.
"""

import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive, directives

from n2d.comparison import read_results
from n2d.comparison.summary import tabulate

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"

# Which numbers, and what their columns are called where there is little room.
_SHOWN = {
    "PSNR (dB)": "PSNR, dB",
    "SSIM": "SSIM",
    "CPU seconds": "CPU s",
    "peak memory (MiB)": "MiB",
}


class BenchmarkTable(Directive):
    """Means of measurements, as a table with a line of origin below."""

    required_arguments = 1
    optional_arguments = 8
    option_spec = {  # noqa: RUF012
        "methods": directives.unchanged,
        "groups": directives.unchanged,
    }

    def run(self):
        """Make the table.

        Returns
        -------
        list of docutils nodes
            The table and where it comes from.
        """
        rows, origins = [], []
        for name in self.arguments:
            path = RESULTS / name / "results.csv"
            self.state.document.settings.record_dependencies.add(str(path))
            rows += read_results(path)
            origins.append(_origin(name))
        header, *lines = tabulate(rows)
        wanted = _names(self.options.get("methods"))
        groups = _names(self.options.get("groups"))
        lines = [
            [(groups or {}).get(line[0], line[0]), wanted[line[1]], *line[2:]]
            if wanted
            else line
            for line in lines
            if (not wanted or line[1] in wanted) and (not groups or line[0] in groups)
        ]
        if not lines:
            raise self.error(f"nothing of {self.arguments} is left to show")
        kept = [
            i
            for i, heading in enumerate(header)
            if (i < 3 or heading in _SHOWN) and any(line[i] for line in lines)
        ]
        header = [_SHOWN.get(header[i], header[i]) for i in kept]
        lines = [[line[i] for i in kept] for line in lines]
        return [table_node(header, lines), *(_paragraph(text) for text in origins)]


class ResultsFiles(Directive):
    """The tables and paragraphs of Markdown files, without their titles."""

    required_arguments = 1
    optional_arguments = 8

    def run(self):
        """Read the files.

        Returns
        -------
        list of docutils nodes
            Tables and paragraphs.
        """
        found = []
        for pattern in self.arguments:
            for path in sorted(RESULTS.glob(pattern)):
                self.state.document.settings.record_dependencies.add(str(path))
                found += _blocks(path.read_text(encoding="utf-8"))
        return found


def _blocks(text):
    for block in re.split(r"\n{2,}", text.strip()):
        lines = block.splitlines()
        if lines[0].startswith("#"):
            continue
        if lines[0].startswith("|"):
            rows = [[c.strip() for c in line.strip("| ").split("|")] for line in lines]
            yield table_node(rows[0], rows[2:])
        else:
            yield _with_code(" ".join(lines))


def _with_code(text):
    """Make a paragraph, with what is between backticks as code."""
    paragraph = nodes.paragraph(classes=["origin"])
    for i, part in enumerate(text.split("`")):
        if part:
            paragraph += nodes.literal("", part) if i % 2 else nodes.Text(part)
    return paragraph


def _names(text):
    """Read ``a, b as shown`` as {"a": "a", "b": "shown"}, None where there is none."""
    if not text:
        return None
    pairs = (part.strip().partition(" as ") for part in text.split(","))
    return {name.strip(): (shown or name).strip() for name, _, shown in pairs}


def _origin(name):
    """Say which command and which machine made a table."""
    summary = (RESULTS / name / "summary.md").read_text(encoding="utf-8")
    made = re.search(r"^Made with `(.+?)`.*?, on: (.+)$", summary, re.M)
    return name, made[1], made[2]


def _paragraph(origin):
    name, command, machine = origin
    paragraph = nodes.paragraph(classes=["origin"])
    paragraph += nodes.literal("", f"benchmarks/results/{name}")
    paragraph += nodes.Text(": ")
    paragraph += nodes.literal("", f"python {command}")
    paragraph += nodes.Text(f", on {machine}")
    return paragraph


def table_node(header, lines):
    """Make a table.

    Parameters
    ----------
    header : list of str
        The headings.
    lines : list of list of str
        The cells of every line.

    Returns
    -------
    docutils.nodes.table
        The table.
    """
    table = nodes.table(classes=["benchmark"])
    group = nodes.tgroup(cols=len(header))
    table += group
    for _ in header:
        group += nodes.colspec(colwidth=1)
    head, body = nodes.thead(), nodes.tbody()
    group += head
    group += body
    for part, cells in [(head, header), *((body, line) for line in lines)]:
        row = nodes.row()
        for cell in cells:
            entry = nodes.entry()
            entry += nodes.paragraph("", cell.replace("`", ""))
            row += entry
        part += row
    return table


def setup(app):
    """Tell Sphinx of the directives.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The build.

    Returns
    -------
    dict
        What Sphinx wants to know of an extension.
    """
    app.add_directive("benchmark", BenchmarkTable)
    app.add_directive("results", ResultsFiles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
