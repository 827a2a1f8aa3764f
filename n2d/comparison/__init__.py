"""Run denoisers over images and tabulate how good, fast and frugal they are.

The one runner behind ``n2d compare``, ``benchmarks/`` and every other comparison of the
package.
"""

from n2d.comparison.cases import Case, folder_cases
from n2d.comparison.figure import plot_comparison
from n2d.comparison.methods import parse_methods
from n2d.comparison.results import read_results
from n2d.comparison.runner import compare
from n2d.comparison.single import compare_and_plot
from n2d.comparison.summary import summarize

__all__ = [
    "Case",
    "compare",
    "compare_and_plot",
    "folder_cases",
    "parse_methods",
    "plot_comparison",
    "read_results",
    "summarize",
]
