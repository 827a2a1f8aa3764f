"""A plain float64 transcription of the published schedule, and the fixture it makes.

Written from the formulas of arXiv 2510.15611 and independent of `n2d.core`; run it to
regenerate ``paper_run.npz``, which `tests/test_stages.py` compares with.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import conv2d, leaky_relu

N_STEPS = 25
HIDDEN = 6


def apply(weights, x):
    """Conv 3x3 - LeakyReLU - conv 3x3 - LeakyReLU - conv 1x1."""
    w1, b1, w2, b2, w3, b3 = weights
    x = leaky_relu(conv2d(x, w1, b1, padding=1), 0.2)
    x = leaky_relu(conv2d(x, w2, b2, padding=1), 0.2)
    return conv2d(x, w3, b3)


def halves(y):
    """D1 and D2, as a convolution with two diagonal kernels and stride 2."""
    channels = y.shape[1]
    kernels = y.new_tensor([[[0.5, 0.0], [0.0, 0.5]], [[0.0, 0.5], [0.5, 0.0]]])
    return [
        conv2d(y, k.expand(channels, 1, 2, 2), stride=2, groups=channels)
        for k in kernels
    ]


def mse(a, b):
    """Mean squared difference."""
    return ((a - b) ** 2).mean()


def loss(predict, source, target):
    """Residual and consistency term, for either stage."""
    (s1, s2), (t1, t2) = halves(source), halves(target)
    p1, p2 = predict(s1), predict(s2)
    w1, w2 = halves(predict(source))
    return (mse(t1, p2) + mse(t2, p1)) / 2 + (mse(p1, w1) + mse(p2, w2)) / 2


def train(weights, predict, source, target):
    """Adam by hand, learning rate 1e-3; returns the loss before each step."""
    moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    losses = []
    for step in range(1, N_STEPS + 1):
        value = loss(lambda x: predict(weights, x), source, target)
        gradients = torch.autograd.grad(value, weights)
        losses.append(value.item())
        with torch.no_grad():
            for w, g, (m, v) in zip(weights, gradients, moments, strict=True):
                m.mul_(0.9).add_(0.1 * g)
                v.mul_(0.999).add_(0.001 * g * g)
                root = (v / (1 - 0.999**step)).sqrt() + 1e-8
                w.sub_(1e-3 * m / (1 - 0.9**step) / root)
    return losses


def run(noisy, weights1, weights3):
    """Return losses and estimates, all float64 (N, C, H, W)."""

    def g(weights, x):
        return x - apply(weights, x)

    results = {"losses1": train(weights1, g, noisy, noisy)}
    with torch.no_grad():
        results["stage1"] = g(weights1, noisy).clamp(0, 1)
        estimates = [results["stage1"]]
        for r in (2, 4):
            apart = torch.zeros_like(noisy)
            for i in range(r):
                for j in range(r):
                    phase = noisy[..., i::r, j::r]
                    apart[..., i::r, j::r] = g(weights1, phase).clamp(0, 1)
            estimates.append(g(weights1, apart).clamp(0, 1))
            results[f"factor{r}"] = estimates[-1]
        smooth = results["stage2"] = sum(estimates) / 3
    results["losses3"] = train(weights3, apply, smooth, noisy)
    with torch.no_grad():
        results["stage3"] = apply(weights3, smooth).clamp(0, 1)
    return results


def main():
    """Write ``paper_run.npz`` beside this file."""
    rng = np.random.default_rng(20251015)
    contents = {"n_steps": N_STEPS, "hidden_channels": HIDDEN}
    for name, channels in (("grey", 1), ("rgb", 3)):
        rows, columns = np.mgrid[:24, :32] / 8
        clean = 0.5 + 0.4 * np.sin(rows + np.arange(channels)[:, None, None])
        clean = clean * np.cos(columns) ** 2
        noisy = np.clip(clean + rng.normal(0, 0.1, clean.shape), 0, 1)
        noisy = noisy.astype(np.float32)[None]
        shapes = [
            (HIDDEN, channels, 3, 3),
            (HIDDEN,),
            (HIDDEN, HIDDEN, 3, 3),
            (HIDDEN,),
            (channels, HIDDEN, 1, 1),
            (channels,),
        ]
        both = [
            [rng.uniform(-0.2, 0.2, shape).astype(np.float32) for shape in shapes]
            for _ in range(2)
        ]
        contents[f"{name}_noisy"] = noisy
        for stage, weights in zip((1, 3), both, strict=True):
            for i, w in enumerate(weights):
                contents[f"{name}_weights{stage}_{i}"] = w
        trained = [
            [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]
            for weights in both
        ]
        results = run(torch.tensor(noisy, dtype=torch.float64), *trained)
        for key, value in results.items():
            contents[f"{name}_{key}"] = np.asarray(value)
    np.savez_compressed(Path(__file__).with_name("paper_run.npz"), **contents)


if __name__ == "__main__":
    main()
