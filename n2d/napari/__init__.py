"""The plugin of napari: one dock widget, sample data, and a command for layers.

Nothing is imported until napari asks for it. Only `n2d.napari.window` needs Qt and
napari; the rest is arrays and texts, tested without them.
"""
