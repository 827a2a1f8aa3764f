"""Generated scenes: nothing here is a photograph of anything."""

from n2d.datasets.fluorescence import fluorescence_cells
from n2d.datasets.movies import Movie, calcium_movie, cell_movie, moved_frames
from n2d.datasets.scenes import SCENE_KINDS, training_scene
from n2d.datasets.volume import cell_volume

__all__ = [
    "SCENE_KINDS",
    "Movie",
    "calcium_movie",
    "cell_movie",
    "cell_volume",
    "fluorescence_cells",
    "moved_frames",
    "training_scene",
]
