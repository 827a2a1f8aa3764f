"""The scenes of a training: drawn by many processes while it goes on."""

from __future__ import annotations

import multiprocessing
import queue
import threading

import numpy as np
import torch

from n2d.datasets import training_scene


def draw_scenes(numbers, size, seed):
    """Draw scenes (n, size, size), float16, from 0 to 1; each from (seed, number)
    alone.
    """
    scenes = [
        training_scene((size, size), rng=np.random.default_rng([seed, i]))
        for i in numbers
    ]
    return np.nan_to_num(np.stack(scenes).astype(np.float16))


class ScenePool:
    """So many scenes on the device that trains, the oldest replaced by new ones.

    Processes draw them. Without any the first ones are drawn by this one, and stay, so
    that what follows depends on the seed alone. `first` is how many to wait for before
    the training starts, all by default; `n_drawn` how many there have been.
    """

    def __init__(self, n_scenes, size, seed, device, *, n_workers=0, first=None):
        self._scenes = torch.empty(
            n_scenes, size, size, dtype=torch.float16, device=device
        )
        self.n_drawn = 0
        self._processes = []
        if not n_workers:
            self._take(draw_scenes(range(n_scenes), size, seed))
            return
        context = multiprocessing.get_context("spawn")
        self._made = context.Queue(maxsize=4 * n_workers)
        for worker in range(n_workers):
            arguments = (self._made, worker, n_workers, size, seed)
            process = context.Process(target=_keep_drawing, args=arguments, daemon=True)
            process.start()
            self._processes.append(process)
        # A thread takes them over all along: the processes would wait for it.
        self._arrived = queue.SimpleQueue()
        threading.Thread(target=self._receive, daemon=True).start()
        while self.n_drawn < (n_scenes if first is None else first):
            self._take(self._arrived.get(timeout=300))

    @property
    def scenes(self):
        """Tensor (n, size, size) of the scenes there are."""
        return self._scenes[: min(self.n_drawn, len(self._scenes))]

    def renew(self):
        """Take over what has been drawn since."""
        while self._processes and not self._arrived.empty():
            self._take(self._arrived.get())

    def close(self):
        """Stop drawing."""
        for process in self._processes:
            process.terminate()
        self._processes = []

    def _receive(self):
        while True:
            self._arrived.put(self._made.get())

    def _take(self, drawn):
        index = (self.n_drawn + torch.arange(len(drawn))) % len(self._scenes)
        self._scenes[index.to(self._scenes.device)] = torch.from_numpy(drawn).to(
            self._scenes.device
        )
        self.n_drawn += len(drawn)


def _keep_drawing(made, worker, n_workers, size, seed):
    """Draw every n-th scene for ever: what a process does."""
    torch.set_num_threads(1)
    number = worker
    while True:
        made.put(draw_scenes([number], size, seed))
        number += n_workers
