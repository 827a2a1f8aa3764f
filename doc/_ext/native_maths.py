"""Formulas as MathML, which browsers draw themselves: no JavaScript, no fonts."""

from docutils.nodes import SkipNode
from docutils.utils.math import latex2mathml
from sphinx.util.math import get_node_equation_number


def _inline(translator, node):
    translator.body.append(latex2mathml.tex2mathml(node.astext(), as_block=False))
    _skip()


def _block(translator, node):
    number = get_node_equation_number(translator, node) if node.get("number") else ""
    translator.body.append('<div class="math">')
    translator.body.append(latex2mathml.tex2mathml(node.astext(), as_block=True))
    translator.body.append(f"{number}</div>")
    _skip()


def _skip():
    raise SkipNode


def setup(app):
    """Tell Sphinx of the renderer.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The build.

    Returns
    -------
    dict
        What Sphinx wants to know of an extension.
    """
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
