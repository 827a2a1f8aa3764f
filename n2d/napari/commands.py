"""What napari's menus call."""


def denoise_layer(viewer):
    """Open the window, and denoise the layer that is chosen."""
    _, widget = viewer.window.add_plugin_dock_widget("noise2detail", "Denoise")
    widget.image_tab.run_for(viewer.layers.selection.active)
