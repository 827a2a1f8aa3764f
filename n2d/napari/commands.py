"""What napari's menus call."""


def denoise_layer(viewer):
    """Open the window, and denoise the layer that is chosen.

    Parameters
    ----------
    viewer : napari.Viewer
        napari gives it.
    """
    _, widget = viewer.window.add_plugin_dock_widget("noise2detail", "Denoise")
    widget.image_tab.run_for(viewer.layers.selection.active)
