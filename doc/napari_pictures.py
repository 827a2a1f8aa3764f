"""Pictures of the plugin for the guide: ``python doc/napari_pictures.py``.

Needs the extra ``napari`` and a screen; without one: ``xvfb-run -s "-screen 0
1600x1000x24" python doc/napari_pictures.py``. Drives the window as a person does, and
says how long a person would have waited.
"""

import sys
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


class Stopwatch:
    """Seconds that a person waits, and that the processors were busy for it."""

    def __init__(self):
        self.lines = []

    def time(self, what, act, until):
        """Do something, and wait until it is seen."""
        QApplication.processEvents()
        start, busy = time.perf_counter(), time.process_time()
        act()
        while not until():
            QApplication.processEvents()
            time.sleep(0.005)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        self.lines.append(f"{what}: {seconds:.2f} s, {busy:.2f} s of processor time")


def main():
    """Open sample data, look, denoise, and take the pictures."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("noise2detail", "cells")
    watch, found = Stopwatch(), []
    watch.time(
        "the window, after the first click",
        lambda: found.append(viewer.window.add_plugin_dock_widget("noise2detail")[1]),
        lambda: found[0].isVisible(),
    )
    tab = found[0].image_tab

    def is_idle():
        return not tab.tasks.is_busy and not tab._timer.isActive()

    watch.time("the noise, without a click", lambda: None, tab.verdict.text)
    watch.time(
        "the preview of 512 x 512, after the second",
        tab.preview_button.click,
        lambda: tab._preview is not None,
    )
    wait_for(tab)
    for strength in (1.2, 1.3):
        before = tab._preview.data
        watch.time(
            "the preview, after the slider",
            lambda strength=strength: tab.choices.strength.setValue(strength),
            lambda before=before: tab._preview.data is not before,
        )
        wait_for(tab)
    viewer.camera.zoom *= 2
    wait_for(tab)
    take(viewer, "preview")
    tab.choices.strength.setValue(1.0)
    wait_for(tab)
    watch.time("the layer, after the third", tab.run_button.click, is_idle)
    viewer.layers[0].visible = False
    take(viewer, "result")
    sys.stdout.write("\n".join([*watch.lines, ""]))
    viewer.close()


if __name__ == "__main__":
    main()
