"""Generated scenes: nothing here is a photograph of anything."""

from n2d.datasets.fluorescence import fluorescence_cells

__all__ = ["fluorescence_cells"]
