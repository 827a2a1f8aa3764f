"""The losses of the paper on random crops: a cost that no image's size changes."""

import math

import torch

from n2d.core.losses import detail_loss, partial_denoising_loss
from n2d.core.sampling import random_crops
from n2d.core.stages import DETAIL_RECOVERY, PARTIAL_DENOISING, smooth_estimates
from n2d.core.training import train

# Small crops, few of them: what a step costs, and no less is learned from them.
_CROP_SIDE = 48
_CROPS_PER_STEP = 2

# What is held out to judge by: this part of the images, and so many crops of it.
_HELD_OUT = 4
_CROPS_HELD_OUT = 8


def run_crops(
    windows,
    networks,
    n_steps,
    *,
    factors,
    learning_rate,
    detail_steps,
    generator,
    callback=None,
):
    """Train both networks on random crops: a cost that no image's size changes.

    Parameters
    ----------
    windows : sequence of torch.Tensor of shape (C, h, w)
        Parts of the noisy images, with sides that 2 and the factors divide.
    networks : sequence of one or two torch.nn.Module
        f and h, trained in place; without h there is no stage 3.
    n_steps, detail_steps : int
        Steps of stage 1 and of stage 3.
    factors : sequence of int
        Downsampling factors of stage 2.
    learning_rate : float
        The highest learning rate.
    generator : torch.Generator
        Draws the crops.
    callback : callable, optional
        See `n2d.core.training.train`.

    Returns
    -------
    losses : tuple of two lists of float
        The losses of stages 1 and 3 before each step; fewer where a stage ended early,
        because its loss on a held-out part of the windows did not fall any more.
    """
    f, *detail = networks
    schedule = {
        "learning_rate": learning_rate,
        "generator": generator,
        "callback": callback,
    }
    losses1 = _train_on_crops(
        f,
        windows,
        lambda noisy: partial_denoising_loss(f, noisy),
        n_steps,
        stage=PARTIAL_DENOISING,
        **schedule,
    )
    losses3 = []
    if detail:
        smooth = [smooth_estimates(f, w[None], factors, False)[-1][0] for w in windows]
        losses3 = recover_detail(detail[0], smooth, windows, detail_steps, **schedule)
    return losses1, losses3


def recover_detail(h, smooth, noisy, n_steps, *, judge=None, **schedule):
    """Train the network of stage 3 on random crops.

    Parameters
    ----------
    h : torch.nn.Module
        Trained in place.
    smooth, noisy : sequence of torch.Tensor of shape (C, h, w)
        d2 and y, window by window; even sides.
    n_steps : int
        Number of steps, at most.
    judge : callable, optional
        See `n2d.core.training.train`; by default the loss on held-out crops.
    **schedule
        ``learning_rate``, ``generator`` and ``callback`` of `run_crops`.

    Returns
    -------
    list of float
        The loss before each step.
    """
    # (2 C, h, w): what is cropped together.
    pairs = [torch.cat(pair) for pair in zip(smooth, noisy, strict=True)]
    return _train_on_crops(
        h,
        pairs,
        lambda pair: detail_loss(h, *pair.chunk(2, dim=1)),
        n_steps,
        stage=DETAIL_RECOVERY,
        judge=judge,
        **schedule,
    )


def _train_on_crops(
    network,
    windows,
    loss,
    n_steps,
    *,
    stage,
    learning_rate,
    generator,
    callback,
    judge=None,
):
    """Adam with a learning rate that rises linearly and falls like a cosine."""
    if judge is None:
        windows, held_out = _held_out(windows)
        if held_out:
            side = _crop_side(held_out)
            crops = random_crops(held_out, side, _CROPS_HELD_OUT, generator)

            def judge():
                return loss(crops)

    side = _crop_side(windows)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _one_cycle(step, n_steps)
    )
    return train(
        lambda: loss(random_crops(windows, side, _CROPS_PER_STEP, generator)),
        optimizer,
        n_steps,
        stage=stage,
        schedule=schedule,
        callback=callback,
        judge=judge,
    )


def _crop_side(windows):
    side = min(_CROP_SIDE, *(n for window in windows for n in window.shape[-2:]))
    return side - side % 2


def _held_out(windows):
    """Split windows (C, h, w) in a part to train on and one to judge by.

    The latter is a strip of each window, its lower or right end; it is empty where
    windows are too small to be cut.
    """
    trained, held_out = [], []
    for window in windows:
        axis = -2 if window.shape[-2] >= window.shape[-1] else -1
        length = window.shape[axis]
        kept = length - length // _HELD_OUT
        if length // _HELD_OUT < _CROP_SIDE // 2:
            return windows, []
        trained.append(window.narrow(axis, 0, kept))
        held_out.append(window.narrow(axis, kept, length - kept))
    return trained, held_out


def _one_cycle(step, n_steps):
    """Share of the highest learning rate at a step, from 0."""
    position, warmup = (step + 1) / (n_steps + 1), 0.2
    if position < warmup:
        return position / warmup
    return (1 + math.cos(math.pi * (position - warmup) / (1 - warmup))) / 2
