"""Generated scenes: nothing here is a photograph of anything."""

from n2d.datasets.fluorescence import fluorescence_cells
from n2d.datasets.scenes import SCENE_KINDS, training_scene

__all__ = ["SCENE_KINDS", "fluorescence_cells", "training_scene"]
