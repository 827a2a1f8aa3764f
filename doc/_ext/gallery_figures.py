"""Sphinx-gallery: save the figures that the comparison runner draws.

`n2d.comparison.plot_comparison` makes figures that pyplot knows nothing of, so that
nothing has to be closed. Sphinx-gallery only asks pyplot; this scraper looks through
the variables of the example instead.
"""

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

_DPI = 110


def scrape(block, block_vars, gallery_conf, **kwargs):
    """Save the figures that a block of an example has made.

    Parameters
    ----------
    block : tuple
        Of the example; not used.
    block_vars : dict
        With the variables of the example and where its pictures go.
    gallery_conf : dict
        The settings of sphinx-gallery.
    **kwargs : object
        Not used.

    Returns
    -------
    str
        The lines of reStructuredText that show the pictures.
    """
    paths = []
    for value in list(block_vars["example_globals"].values()):
        if not isinstance(value, Figure) or getattr(value, "_seen_by_gallery", False):
            continue
        value._seen_by_gallery = True
        # Those of pyplot have a manager, until another scraper saves and closes them.
        if value.canvas.manager is not None:
            continue
        path = next(block_vars["image_path_iterator"])
        value.savefig(path, dpi=_DPI)
        paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"])
