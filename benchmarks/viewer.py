"""What a person waits for in napari, and memory: ``python benchmarks/viewer.py``.

Needs the extra ``napari`` and a screen; without one: ``xvfb-run -s "-screen 0
1500x1000x24" python benchmarks/viewer.py``. Drives the window as a person does. Seconds
on the clock mean something on an idle machine only; those of the processors, of all
threads together, on any. The table goes to OUTPUT/viewer.md.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import napari
import numpy as np
import psutil
import torch
import zarr
from machine import describe_machine
from qtpy.QtWidgets import QApplication

# 20 GB; only planes that are looked at are there.
BIG = (20, 2000, 512, 512)


def wait_for(tab):
    """Let the window live until nothing is computed."""
    while tab.tasks.is_busy or tab._timer.isActive():
        QApplication.processEvents()
        time.sleep(0.005)
    QApplication.processEvents()


def opened():
    """A viewer of a usual size."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    return viewer


def times():
    """Yield what was done, seconds on the clock and seconds of the processors."""
    viewer = opened()
    viewer.open_sample("noise2detail", "cells")
    found = []

    def timed(what, act, until):
        QApplication.processEvents()
        start, busy = time.perf_counter(), time.process_time()
        act()
        while not until():
            QApplication.processEvents()
            time.sleep(0.005)
        return what, time.perf_counter() - start, time.process_time() - busy

    yield timed(
        "first click: the window is there",
        lambda: found.append(viewer.window.add_plugin_dock_widget("noise2detail")[1]),
        lambda: found[0].isVisible(),
    )
    tab = found[0].image_tab
    yield timed("then, without a click: the noise", lambda: None, tab.verdict.text)
    yield timed(
        "second click: the preview of 512 x 512",
        tab.preview_button.click,
        lambda: tab._preview is not None,
    )
    for strength in (1.2, 1.3):
        wait_for(tab)
        before = tab._preview.data
        yield timed(
            "the slider moved: the preview follows",
            lambda strength=strength: tab.choices.strength.setValue(strength),
            lambda before=before: tab._preview.data is not before,
        )
    tab.choices.strength.setValue(1.0)
    wait_for(tab)
    yield timed(
        "third click: the layer is denoised",
        tab.run_button.click,
        lambda: not tab.tasks.is_busy,
    )
    viewer.close()


def memory():
    """Yield what was done with a Zarr of 20 GB, and the peak of memory meanwhile."""
    process, peak, ended = psutil.Process(), [0], threading.Event()

    def watch():
        while not ended.wait(0.01):
            peak[0] = max(peak[0], process.memory_info().rss)

    def told(what):
        found, peak[0] = max(peak[0], process.memory_info().rss), 0
        return what, found / 1e6

    threading.Thread(target=watch, daemon=True).start()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: BIG[2], : BIG[3]]
    scene = 300 + 100 * np.sin(x / 9) * np.sin(y / 11)
    with tempfile.TemporaryDirectory() as folder:
        store = zarr.create_array(
            Path(folder) / "a.zarr", shape=BIG, chunks=(1, 1, 256, 512), dtype="uint16"
        )
        # Those that a fit reads, and those that are seen with their neighbours.
        n = BIG[0] * BIG[1]
        places = [divmod(int(i), BIG[1]) for i in np.linspace(0, n - 1, 16).round()]
        for place in [*places, *((t, 59) for t in range(BIG[0]))]:
            store[place] = rng.normal(scene, 12)
        del scene, x, y
        viewer = opened()
        yield told("napari alone")
        _, widget = viewer.window.add_plugin_dock_widget("noise2detail")
        tab = widget.image_tab
        labels = ("t", "z", "y", "x")
        viewer.add_image(store, name="a", axis_labels=labels, contrast_limits=(0, 600))
        viewer.dims.set_point((0, 1), (10, 59))
        tab.preview_button.click()
        wait_for(tab)
        yield told("preview")
        tab.run_button.click()
        wait_for(tab)
        yield told("the layer denoised, as one looks")
        viewer.dims.set_point(0, 11)
        wait_for(tab)
        yield told("another plane looked at")
        ended.set()
        viewer.close()


def main():
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--memory", action="store_true", help="only memory, no table")
    arguments = parser.parse_args()
    if arguments.memory:
        for what, megabytes in memory():
            sys.stdout.write(f"| {what} | {megabytes:.0f} |\n")
            sys.stdout.flush()
        return
    lines = ["| in napari | s | CPU s |", "|---|---|---|"]
    lines += [f"| {what} | {s:.2f} | {busy:.2f} |" for what, s, busy in times()]
    # A process of its own: a peak is of all that was done before.
    again = [sys.executable, __file__, "--memory"]
    found = subprocess.run(again, stdout=subprocess.PIPE, text=True, check=True).stdout
    size = " x ".join(map(str, BIG))
    lines += ["", f"| a Zarr of {size} uint16, 20 GB | peak, MB |", "|---|---|"]
    lines += [*found.split("\n"), describe_machine(torch.get_num_threads()), ""]
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines)
    (arguments.output / "viewer.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
