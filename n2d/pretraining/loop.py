"""The training: steps, schedule, checkpoints, log."""

from __future__ import annotations

import csv
import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from n2d.core.graphs import gradients_of
from n2d.core.prior import save_prior
from n2d.core.prior_network import PriorNetwork
from n2d.pretraining.batches import Batch, draw_batch

# On a GPU, starting its many small computations takes longer than they do.
_DRAWN_AT_ONCE = 4

# One in so many draws has noise whose level varies from place to place.
_LEVEL_MAPS_EVERY = 4


@dataclass(frozen=True)
class Settings:
    """All that decides the weights.

    Attributes
    ----------
    seed : int
        Of the scenes, the batches and the initial weights.
    steps : int, optional
        Optimizer steps; None: as many as fit into `duration`.
    duration : float
        Seconds, where `steps` is None. What the weights become then depends on the
        machine.
    batch, patch : int
        Patches per step and their side in pixels.
    n_scenes, scene_size : int
        Scenes kept at once, and their side in pixels.
    learning_rate : float
        Highest learning rate: reached after `warmup` steps, held, then lowered to
        zero over the last `decay` of the training.
    warmup : int
        Steps until the learning rate is reached.
    decay : float
        Part of the training over which the learning rate falls.
    averaging : int
        Steps over which the shipped weights are averaged.
    error_weight : float
        Weight of the likelihood that trains the expected error.
    half_precision : bool
        Run the convolutions in bfloat16.
    network : dict
        Arguments of `PriorNetwork`.
    """

    seed: int = 0
    steps: int | None = None
    duration: float = 300.0
    batch: int = 64
    patch: int = 192
    n_scenes: int = 4096
    scene_size: int = 384
    learning_rate: float = 1.5e-3
    warmup: int = 300
    decay: float = 0.6
    averaging: int = 500
    error_weight: float = 0.1
    half_precision: bool = True
    network: dict = field(default_factory=dict)


def losses_of(network, batch):
    """Two losses: of the denoised patches, and of the errors expected in them.

    The fourth root of a patch's mean squared error lies between the error itself, in
    which the noisiest patches rule, and its logarithm, in which a flat patch counts as
    much as a busy one although whole images have both. The expected error is judged by
    the Gaussian likelihood of the true one.
    """
    estimate, expected = network(
        batch.noisy, batch.level, batch.correlation, return_error=True
    )
    squared = (estimate.float() - batch.clean).square()
    mean = (batch.weight * squared).mean((1, 2, 3))
    denoising = 4 * (mean + 0.02).pow(0.25).mean()
    variance = expected.float().square()
    likelihood = (variance.log() + squared.detach() / variance) / 2
    return denoising, likelihood.mean()


def learning_rate_at(progress, step, settings):
    """Learning rate: warm up by steps; hold, and fall to zero, by the part that is
    done.
    """
    rise = (step + 1) / settings.warmup
    fall = max(0.0, 1 - progress) / settings.decay
    return settings.learning_rate * min(1.0, rise, fall)


class Training:
    """A training that can be stopped and taken up again.

    Log, checkpoint and averaged weights are kept in `folder`, if there is one, and a
    checkpoint there is taken up; `provenance` is written beside the weights. `start`
    has weights to go on from; by default they are random.
    """

    def __init__(self, settings, pool, folder=None, provenance=None, start=None):
        self.settings = settings
        self.pool = pool
        self.device = pool.scenes.device
        self.folder = None if folder is None else Path(folder)
        self.provenance = dict(provenance or {})
        self.step = 0
        self.seconds = 0.0
        self.network, self.average = (self._initial_network(start) for _ in range(2))
        self.average.eval()
        self.optimizer = torch.optim.Adam(
            self.network.parameters(),
            betas=(0.9, 0.99),
            fused=self.device.type == "cuda",
        )
        # Noise of its own, so that the log can be compared from line to line.
        generator = self._generator(1)
        self.check = [self._draw(generator, maps) for maps in (False, False, True)]
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            if (self.folder / "checkpoint.pt").exists():
                self._resume()
        self._drawn = None
        self._gradients = {}

    def _generator(self, number):
        seed = np.random.SeedSequence([self.settings.seed, number])
        generator = torch.Generator(self.device)
        return generator.manual_seed(int(seed.generate_state(1)[0]))

    def _draw(self, generator, level_maps, n_samples=None):
        n_samples = n_samples or self.settings.batch
        size, scenes = self.settings.patch, self.pool.scenes
        return draw_batch(scenes, n_samples, size, generator, level_maps=level_maps)

    def _next_batch(self):
        """A batch; several are drawn at once, since that costs no more than one."""
        draw, number = divmod(self.step, _DRAWN_AT_ONCE)
        if number == 0 or self._drawn is None:
            n_samples = _DRAWN_AT_ONCE * self.settings.batch
            # From the number of the draw alone: a training that is taken up again
            # goes on as if it had never stopped.
            generator = self._generator(2 + draw)
            self._drawn = self._draw(
                generator, draw % _LEVEL_MAPS_EVERY == 1, n_samples
            )
        # Every n-th sample: each batch has its share of all kinds.
        return Batch(
            **{
                name: tensor[number::_DRAWN_AT_ONCE]
                for name, tensor in vars(self._drawn).items()
            }
        )

    def _initial_network(self, start):
        # PyTorch's initializers know only the global generator: it is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            network = PriorNetwork(**self.settings.network)
        with torch.no_grad():
            # Blocks start near the identity, the network at "no noise", the expected
            # error at the noise.
            network.last.weight.mul_(0.1)
            network.condition[-1].weight.mul_(0.3)
            network.condition[-1].bias.mul_(0.3)
            network.error_outer.bias.fill_(0.5)
            for block in network._blocks():
                block.outer.weight.mul_(0.3)
        if start is not None:
            network.load_state_dict(start.state_dict())
        return network.to(self.device, memory_format=torch.channels_last)

    def take_step(self, progress):
        """Train on one batch; return the losses before the step."""
        settings = self.settings
        rate = learning_rate_at(progress, self.step, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        denoising, likelihood = self._leave_gradients(self._next_batch())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        keep = min(1 - 1 / settings.averaging, self.step / (self.step + 9))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()),
                list(self.network.parameters()),
                1 - keep,
            )
        return torch.stack([denoising, likelihood / settings.error_weight]).detach()

    def _leave_gradients(self, batch):
        """Compute the parts of the loss of a batch, and their gradients."""
        # Graphs know the batch by where it lies, and one for each shape of it.
        shape = batch.level.shape
        if shape not in self._gradients:
            kept = Batch(**{name: part.clone() for name, part in vars(batch).items()})
            gradients = gradients_of(
                lambda: self._parts_of_loss(kept), self.optimizer, replay=True
            )
            self._gradients[shape] = kept, gradients
        kept, gradients = self._gradients[shape]
        for name, part in vars(batch).items():
            getattr(kept, name).copy_(part)
        return gradients()

    def _parts_of_loss(self, batch):
        """What is minimised: the two losses of a batch with their weights."""
        half = self.settings.half_precision
        # Weights that are rounded once for many steps would not be those of each.
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=half, cache_enabled=False
        ):
            denoising, likelihood = losses_of(self.network, batch)
        return torch.stack([denoising, self.settings.error_weight * likelihood])

    def check_average(self):
        """Losses of the averaged weights, in full precision, on batches kept aside."""
        with torch.inference_mode():
            losses = [torch.stack(losses_of(self.average, b)) for b in self.check]
        return torch.stack(losses).mean(0).tolist()

    def run(self, *, log_every=500, save_every=60.0, report=None):
        """Train up to the end; log by steps, which is reported, and save by seconds."""
        start = time.monotonic() - self.seconds
        saved, recent, progress = self.seconds, [], self._progress()
        while progress < 1:
            recent.append(self.take_step(progress))
            self.seconds = time.monotonic() - start
            progress = self._progress()
            if self.step % log_every and progress < 1:
                continue
            self.pool.renew()
            losses = torch.stack(recent).mean(0).tolist()
            if not all(map(math.isfinite, losses)):
                raise RuntimeError(
                    f"the losses became {losses} at step {self.step}; start again "
                    "from the checkpoint with a lower learning rate"
                )
            names = ("loss", "error_loss", "check", "check_error")
            figures = zip(names, losses + self.check_average(), strict=True)
            line = {
                "step": self.step,
                "seconds": round(self.seconds, 1),
                "scenes": self.pool.n_drawn,
                "learning_rate": learning_rate_at(progress, self.step, self.settings),
                **{name: round(figure, 6) for name, figure in figures},
            }
            recent = []
            if progress >= 1 or self.seconds - saved > save_every:
                saved = self.seconds
                self._save()
            self._log(line)
            if report is not None:
                report(line)

    def _progress(self):
        if self.settings.steps is None:
            return self.seconds / self.settings.duration
        return self.step / self.settings.steps

    def _log(self, line):
        if self.folder is None:
            return
        log = self.folder / "log.csv"
        fresh = not log.exists()
        with log.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(line))
            if fresh:
                writer.writeheader()
            writer.writerow(line)

    def _save(self):
        if self.folder is None:
            return
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
            "scenes": self.pool.n_drawn,
        }
        unfinished = self.folder / "average.unfinished"
        save_prior(self.average, unfinished, provenance)
        unfinished.replace(self.folder / "average.safetensors")
        (self.folder / "provenance.json").write_text(json.dumps(provenance, indent=1))

    def _resume(self):
        state = torch.load(
            self.folder / "checkpoint.pt", map_location=self.device, weights_only=True
        )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
