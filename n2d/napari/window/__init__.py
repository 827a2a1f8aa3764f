"""What is seen of the plugin: the only part that needs Qt and napari."""
