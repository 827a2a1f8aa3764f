"""Pictures of the plugin for the guide: ``python doc/napari_pictures.py``.

Needs the extra ``napari`` and a screen; without one: ``xvfb-run -s "-screen 0
1600x1000x24" python doc/napari_pictures.py``. Drives the window as a person does;
how long that takes: ``python benchmarks/viewer.py``.
"""

import time
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

FOLDER = Path(__file__).parent / "images"
SIZE = 1400, 900


def wait_for(tab):
    """Let the window live until nothing is computed."""
    while tab.tasks.is_busy or tab._timer.isActive():
        QApplication.processEvents()
        time.sleep(0.01)
    for _ in range(5):
        QApplication.processEvents()


def take(viewer, name):
    """Save what the screen shows."""
    viewer.screenshot(
        str(FOLDER / f"napari_{name}.png"), canvas_only=False, flash=False
    )


def main():
    """Open sample data, look, denoise, and take the pictures."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("noise2detail", "cells")
    _, widget = viewer.window.add_plugin_dock_widget("noise2detail")
    tab = widget.image_tab
    wait_for(tab)
    tab.preview_button.click()
    wait_for(tab)
    tab.choices.strength.setValue(1.3)
    wait_for(tab)
    viewer.camera.zoom *= 2
    wait_for(tab)
    take(viewer, "preview")
    tab.choices.strength.setValue(1.0)
    wait_for(tab)
    tab.run_button.click()
    wait_for(tab)
    viewer.layers[0].visible = False
    take(viewer, "result")
    viewer.close()


if __name__ == "__main__":
    main()
