"""What pytest collects: the window of the plugin only where napari is installed."""

from importlib.util import find_spec

# Its modules would be imported for their docstrings.
collect_ignore_glob = [] if find_spec("napari") else ["n2d/napari/window/*"]
