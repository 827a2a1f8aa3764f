"""Sphinx settings: ``nox -s docs`` builds with warnings as errors, offline."""

import configparser
import sys
from pathlib import Path

from sphinx_gallery.sorting import FileNameSortKey

import n2d

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from gallery_figures import scrape

project = "n2d"
author = "the n2d developers"
copyright = "2026, the n2d developers"
version = release = n2d.__version__

# The project's addresses are in one place; until they are filled in there are no links.
_setup = configparser.ConfigParser()
_setup.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
_urls = dict(
    map(str.strip, line.split("=", 1))
    for line in _setup["metadata"].get("project_urls", "").splitlines()
    if "=" in line
)

# No intersphinx: it would have to download the inventories of other projects, and the
# build is to be the same without a network. Names of theirs are shown without a link.
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.viewcode",
    "myst_parser",  # CHANGELOG.md, CONTRIBUTING.md, benchmarks/README.md
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "benchmark_tables",
    "command_help",
    "gallery_figures",
    "native_maths",
]
exclude_patterns = ["_build", "_ext", "_templates", "gallery/*.ipynb"]
templates_path = ["_templates"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
# The included Markdown files begin where their page has a title already.
suppress_warnings = ["myst.header", "config.cache"]
autosummary_generate = True
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
default_role = "py:obj"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
html_math_renderer = "mathml"

# Names of this package must lead somewhere; there are no inventories of others.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!n2d\.).*")]

html_theme = "pydata_sphinx_theme"
html_title = f"n2d {version}"
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader has it
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["n2d.css"]
html_theme_options = {
    "logo": {"text": f"n2d {version}"},
    "show_prev_next": True,
    "icon_links": [
        {"name": name, "url": url, "icon": f"fa-solid fa-{icon}"}
        for name, icon in (("Source", "code"), ("Issues", "bug"))
        if (url := _urls.get(name))
    ],
    "show_toc_level": 2,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
}
# Pages that stand alone need no list of their neighbours.
_ALONE = (
    *("index", "install", "quickstart", "examples", "benchmarks", "changelog"),
    "citing",
)
html_sidebars = {page: [] for page in _ALONE}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "generated/backreferences",
    "filename_pattern": r"plot_",
    # Scripts without a picture are for the command line.
    "ignore_pattern": r"(?:^|[/\\])(?!plot_)[^/\\]*\.py$",
    "within_subsection_order": FileNameSortKey,
    "image_scrapers": (scrape, "matplotlib"),
    # The last line of a cell shows a figure in a notebook; here the scraper does.
    "capture_repr": (),
    "abort_on_example_error": True,
    "first_notebook_cell": "%matplotlib inline",
    "remove_config_comments": True,
    "download_all_examples": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 0,
    "thumbnail_size": (320, 224),
}
