"""Generated scenes: the bundled demonstration image and the training scenes.

Everything here is drawn by a program from a seed; no real image is involved.
"""

from n2d.datasets.fluorescence import fluorescence_cells

__all__ = ["fluorescence_cells"]
