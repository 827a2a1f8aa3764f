"""Sphinx-gallery: save the figures that the comparison runner draws, and thumbnails.

`n2d.comparison.plot_comparison` makes figures that pyplot knows nothing of, so that
nothing has to be closed. Sphinx-gallery only asks pyplot; this scraper looks through
the variables of the example instead. Of many panels a thumbnail shows the first two,
before and after: of all of them one would see nothing.
"""

import re
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image
from sphinx_gallery.scrapers import figure_rst

_DPI = 110
_GALLERY = "gallery/images/thumb"
# The pictures that thumbnails are made of, by the names of the figures' files.
_before_and_after = {}


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
        _before_and_after[Path(path).name] = _first_two(value, path)
    return figure_rst(paths, gallery_conf["src_dir"])


def _first_two(figure, path):
    """Cut the first two panels, noisy and denoised, out of a saved figure."""
    with Image.open(path) as picture:
        picture.load()
    scale = picture.width / figure.bbox.width
    boxes = [axes.get_window_extent() for axes in figure.axes[:2]]
    left, bottom, right, top = scale * Bbox.union(boxes).extents
    height = picture.height
    corners = left, height - top, right, height - bottom
    return picture.convert("RGB").crop(tuple(map(round, corners)))


def show_before_and_after(app):
    """Replace thumbnails of comparisons, once sphinx-gallery has made all."""
    for example in sorted(Path(app.srcdir).parent.glob("examples/plot_*.py")):
        found = re.search(r"thumbnail_number = (\d+)", example.read_text("utf-8"))
        number = int(found[1]) if found else 1
        picture = _before_and_after.get(f"sphx_glr_{example.stem}_{number:03}.png")
        if picture is not None:
            width, _ = app.config.sphinx_gallery_conf["thumbnail_size"]
            size = width, round(width * picture.height / picture.width)
            target = Path(app.srcdir, _GALLERY, f"sphx_glr_{example.stem}_thumb.png")
            picture.resize(size, Image.Resampling.LANCZOS).save(target)


def setup(app):
    """Sphinx calls this when it loads the extension."""
    app.connect("builder-inited", show_before_and_after, priority=900)
    return {"parallel_read_safe": True}
