"""Make the picture and the table of the README from an example of the gallery.

``python doc/readme_picture.py`` runs ``examples/plot_03_methods.py`` and writes
``doc/images/methods.png``: the scene of that page, three of its methods, tuned by its
rule. The table that goes with it is printed.
"""

import runpy
from pathlib import Path

from n2d.comparison import summarize

DOC = Path(__file__).resolve().parent

if __name__ == "__main__":
    example = runpy.run_path(str(DOC.parent / "examples" / "plot_03_methods.py"))
    example["figure"].savefig(DOC / "images" / "methods.png", dpi=100)
    print(summarize(example["rows"]))
