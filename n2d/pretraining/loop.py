"""The training: scenes, steps, checkpoints, log."""

from __future__ import annotations

import csv
import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from n2d.core.prior import PriorNetwork, save_prior
from n2d.datasets import training_scene
from n2d.pretraining.batches import draw_batch


@dataclass(frozen=True)
class Settings:
    """All that decides the weights.

    Attributes
    ----------
    seed : int
        Of the scenes, the batches and the initial weights.
    steps : int
        Optimizer steps.
    batch, patch : int
        Patches per step and their side in pixels.
    n_scenes, scene_size : int
        Size of the library of scenes and their side in pixels.
    learning_rate : float
        Highest learning rate: reached after `warmup` steps, held, then lowered to
        zero over the last `decay` of the steps.
    warmup : int
        Steps until the learning rate is reached.
    decay : float
        Part of the steps over which the learning rate falls.
    averaging : int
        Steps over which the shipped weights are averaged.
    half_precision : bool
        Run the convolutions in bfloat16 ...
    full_precision_end : float
        ... but for this last part of the steps.
    network : dict
        Arguments of `PriorNetwork`.
    """

    seed: int = 0
    steps: int = 56_000
    batch: int = 12
    patch: int = 96
    n_scenes: int = 700
    scene_size: int = 320
    learning_rate: float = 2e-3
    warmup: int = 300
    decay: float = 0.4
    averaging: int = 500
    half_precision: bool = True
    full_precision_end: float = 0.02
    network: dict = field(default_factory=dict)


def build_library(settings, path=None):
    """Draw the scenes of a training, or read them back.

    Parameters
    ----------
    settings : Settings
        Seed, number and size of the scenes.
    path : pathlib.Path, optional
        Where the scenes are kept between runs.

    Returns
    -------
    library : ndarray of float16, shape (n_scenes, scene_size, scene_size)
        Scene number i comes from the seed (seed, i) alone.
    """
    size = settings.scene_size
    wanted = (settings.n_scenes, size, size)
    if path is not None and path.exists():
        library = np.load(path)
        if library.shape == wanted:
            return library
    library = np.empty(wanted, np.float16)
    for i in range(settings.n_scenes):
        rng = np.random.default_rng([settings.seed, i])
        library[i] = training_scene((size, size), rng=rng)
    if path is not None:
        np.save(path, library)
    return library


def loss_of(network, batch):
    """Logarithm of each patch's mean squared error, averaged.

    The logarithm makes a decibel worth the same in a flat patch and in a busy one,
    as the mean PSNR over images does; the constant keeps the nearly perfect patches
    from ruling.

    Parameters
    ----------
    network : PriorNetwork
        The network.
    batch : n2d.pretraining.batches.Batch
        Patches at noise level 1.

    Returns
    -------
    Tensor of shape ()
        The loss.
    """
    estimate = network(batch.noisy, 1.0, batch.correlation)
    error = batch.weight * (estimate.float() - batch.clean).square()
    return torch.log(error.mean((1, 2, 3)) + 0.05).mean()


def learning_rate_at(step, settings):
    """Learning rate of a step: warm up, hold, fall to zero.

    Parameters
    ----------
    step : int
        Number of the step, from 0.
    settings : Settings
        The schedule.

    Returns
    -------
    float
        The learning rate.
    """
    rise = (step + 1) / settings.warmup
    fall = (settings.steps - step) / (settings.decay * settings.steps)
    return settings.learning_rate * min(1.0, rise, fall)


class Training:
    """A training that can be stopped and taken up again.

    Parameters
    ----------
    settings : Settings
        What to train.
    folder : str or os.PathLike, optional
        Where scenes, log, checkpoint and averaged weights are kept; nothing is written
        without one. A checkpoint found there is taken up.
    provenance : dict, optional
        Written beside the weights.
    """

    def __init__(self, settings, folder=None, provenance=None):
        self.settings = settings
        self.folder = None if folder is None else Path(folder)
        self.provenance = dict(provenance or {})
        self.step = 0
        self.seconds = 0.0
        scenes = None
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            scenes = self.folder / "scenes.npy"
        self.library = build_library(settings, scenes)
        self.network = self._initial_network()
        self.average = self._initial_network().eval()
        self.optimizer = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99))
        # Patches of the same scenes that are never trained on in this form.
        rng = np.random.default_rng([settings.seed, 1, 0])
        self.check = [
            draw_batch(self.library, settings.batch, settings.patch, rng)
            for _ in range(4)
        ]
        if self.folder is not None and (self.folder / "checkpoint.pt").exists():
            self._resume()

    def _initial_network(self):
        # PyTorch's initializers know only the global generator: it is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            network = PriorNetwork(**self.settings.network)
        with torch.no_grad():
            # Blocks start near the identity, the network at "no noise".
            network.last.weight.mul_(0.1)
            for layer in network.middle[1::2]:
                layer.weight.mul_(0.3)
        return network.to(memory_format=torch.channels_last)

    def take_step(self):
        """Train on one batch.

        Returns
        -------
        float
            The loss before the step.
        """
        settings = self.settings
        rng = np.random.default_rng([settings.seed, 2, self.step])
        batch = draw_batch(self.library, settings.batch, settings.patch, rng)
        full_from = (1 - settings.full_precision_end) * settings.steps
        half = settings.half_precision and self.step < full_from
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.step, settings)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = loss_of(self.network, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        keep = min(1 - 1 / settings.averaging, self.step / (self.step + 9))
        with torch.no_grad():
            for mean, now in zip(
                self.average.parameters(), self.network.parameters(), strict=True
            ):
                mean.lerp_(now, 1 - keep)
        return loss.item()

    def check_average(self):
        """Loss of the averaged weights on the patches kept aside.

        Returns
        -------
        float
            The loss, in full precision.
        """
        with torch.inference_mode():
            losses = [loss_of(self.average, batch) for batch in self.check]
        return float(sum(losses) / len(losses))

    def run(self, *, save_every=500, report=None):
        """Train up to the last step, saving now and then.

        Parameters
        ----------
        save_every : int, default=500
            Steps between two checkpoints and lines of the log.
        report : callable, optional
            Called with each line of the log, a dict.
        """
        recent = []
        start = time.monotonic() - self.seconds
        while self.step < self.settings.steps:
            recent.append(self.take_step())
            if not math.isfinite(recent[-1]):
                raise RuntimeError(
                    f"the loss became {recent[-1]} at step {self.step}; "
                    "start again from the checkpoint with a lower learning rate"
                )
            if self.step % save_every == 0 or self.step == self.settings.steps:
                self.seconds = time.monotonic() - start
                line = {
                    "step": self.step,
                    "seconds": round(self.seconds, 1),
                    "learning_rate": learning_rate_at(self.step - 1, self.settings),
                    "loss": round(float(np.mean(recent)), 6),
                    "check": round(self.check_average(), 6),
                }
                recent = []
                self._save(line)
                if report is not None:
                    report(line)

    def _save(self, line):
        if self.folder is None:
            return
        log = self.folder / "log.csv"
        fresh = not log.exists()
        with log.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(line))
            if fresh:
                writer.writeheader()
            writer.writerow(line)
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        unfinished = self.folder / "checkpoint.unfinished"
        torch.save(state, unfinished)
        unfinished.replace(self.folder / "checkpoint.pt")
        provenance = {
            **self.provenance,
            "settings": asdict(self.settings),
            "step": self.step,
            "seconds": round(self.seconds, 1),
        }
        unfinished = self.folder / "average.unfinished"
        save_prior(self.average, unfinished, provenance)
        unfinished.replace(self.folder / "average.safetensors")
        (self.folder / "provenance.json").write_text(json.dumps(provenance, indent=1))

    def _resume(self):
        state = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
