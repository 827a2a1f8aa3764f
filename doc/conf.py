"""Sphinx settings: ``nox -s docs`` builds with warnings as errors."""

import n2d

project = "n2d"
author = "the n2d developers"
copyright = "2026, the n2d developers"
version = release = n2d.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
]
exclude_patterns = ["_build"]
autosummary_generate = True
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
default_role = "py:obj"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "n2d"
html_show_sourcelink = False
