"""Train the perceptron that reads the noise, on generated scenes alone.

    python -m n2d.pretraining.noise_reader OUTPUT.safetensors

About two hours on one core; the weights go to ``n2d/noise/weights``.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import safetensors.torch
import torch
from scipy import fft, ndimage

from n2d.datasets import training_scene
from n2d.noise.measure import first_reading
from n2d.noise.reader import transposed

_N_SCENES, _SIDE = 3000, 320

# Sides of the parts of scenes that are noisy images; small ones are a share.
_SMALL_SHARE, _SMALL = 0.33, (52, 140)
_LARGE = (128, 290)

# Shares of images of noise alone, and of such as are drowned in noise, of up to so many
# times the contrast.
_FLAT_SHARE, _DROWNED_SHARE, _DROWNING = 0.04, 0.03, 30.0

# Shares of images saved as JPEG, and of such as show nothing at all around an object.
_JPEG_SHARE, _IN_THE_DARK_SHARE = 0.05, 0.08

_SCENE_SHARES = {
    "dead leaves": 0.34,
    "fluorescence": 0.2,
    "tissue": 0.12,
    "smooth bodies": 0.08,
    "vessels": 0.08,
    "power law": 0.12,
    "line scan": 0.06,
}
_ANY_SHARE = 0.15  # of scenes as the denoiser is trained on
_WIDTHS = (256, 96)
_DROPOUT, _JITTER = 0.2, 0.3
_N_SAMPLES = 61_000
_STEPS, _BATCH = 12_000, 256

# Shares of the contrast between which the level is drawn, evenly in its logarithm.
_WEAKEST, _STRONGEST = 0.004, 0.8


def _field(shape, rng):
    """Stationary noise of deviation 1, of a kind drawn at random."""
    kind = rng.choice(7, p=[0.16, 0.24, 0.2, 0.14, 0.1, 0.06, 0.1])
    white = rng.standard_normal(shape)
    if kind == 0:
        field = white
    elif kind == 1:  # blurred, perhaps more along one axis
        blur = rng.uniform(0.3, 2.0)
        blurs = (blur, blur * rng.choice([1, 1, rng.uniform(0, 1)]))
        field = ndimage.gaussian_filter(
            white, blurs[:: rng.choice([-1, 1])], mode="wrap"
        )
    elif kind == 2:  # interpolated
        field = interpolated(white, rng)
    elif kind == 3:  # line scans
        rho = rng.uniform(0.2, 0.95)
        f = np.fft.fftfreq(shape[1])
        response = 1 / (1 - rho * np.exp(-2j * np.pi * f))
        field = np.fft.ifft(np.fft.fft(white, axis=1) * response, axis=1).real
        field = field.T[: shape[0], : shape[1]] if rng.random() < 0.3 else field
    elif kind == 4:  # back-projected
        f = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
        amplitude = (f + 0.01) ** rng.uniform(0.3, 0.7)
        amplitude *= np.exp(-2 * (np.pi * rng.uniform(0, 1.3) * f) ** 2)
        field = np.fft.ifft2(np.fft.fft2(white) * amplitude).real
    elif kind == 5:  # demosaiced
        cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
        green = np.add.outer(*map(np.arange, shape)) % 2 == 0
        field = np.where(green, white, ndimage.convolve(white, cross, mode="wrap"))
        if rng.random() < 0.5:  # red, blue
            known = np.zeros(shape)
            known[::2, ::2] = white[::2, ::2]
            field = ndimage.convolve(known, np.outer([1, 2, 1], [1, 2, 1]) / 4)
    else:  # sub-pixel shift, as after registration
        field = ndimage.shift(white, rng.uniform(0, 1, 2), order=1, mode="grid-wrap")
    if rng.random() < 0.2:  # a white floor
        field = field / field.std() + rng.uniform(0, 0.5) * rng.standard_normal(shape)
    return (field - field.mean()) / field.std()


def interpolated(white, rng):
    """Enlarge the top left of white noise to its size."""
    factor = rng.choice([1.25, 1.5, 2, 2, 2, 3, 3, 4])
    small = white[tuple(slice(0, int(n / factor) + 2) for n in white.shape)]
    large = ndimage.zoom(small, factor, order=rng.choice([1, 3]), mode="grid-wrap")
    return large[tuple(slice(0, n) for n in white.shape)]


def _noisy(scene, drowned, rng):
    """Noisy image, and its noise in units of the local deviation, and the level."""
    contrast = np.subtract(*np.quantile(scene, [0.99, 0.01]))
    ends = (_STRONGEST, _DROWNING) if drowned else (_WEAKEST, _STRONGEST)
    level = np.exp(rng.uniform(*np.log(ends))) * contrast
    local = np.ones(scene.shape)
    kind = rng.random()
    low, high = scene.min(), scene.max()
    if kind < 0.25:  # rises or falls with intensity
        bright = (scene - low) / (high - low)
        bright = bright if rng.random() < 0.7 else 1 - bright
        local = (bright + rng.uniform(0.01, 0.5)) ** rng.choice([0.5, 0.5, 1.0])
    elif kind < 0.4:  # from place to place
        y, x = (np.linspace(-1, 1, n) for n in scene.shape)
        a, b = rng.uniform(-0.6, 0.6, 2)
        local = np.exp(a * y[:, None] + b * x + rng.uniform(-0.5, 0.5) * np.outer(y, x))
    field = _field(scene.shape, rng)
    local = level * local / np.sqrt(np.mean(local**2))
    noisy = scene + local * field
    if rng.random() < 0.15:
        step = rng.uniform(0.01, 1) * level
        noisy = np.rint(noisy / step) * step
    if rng.random() < _JPEG_SHARE:
        noisy = _compressed(noisy, rng)
        field = (noisy - scene) / local
        return noisy, field, np.sqrt(np.mean((noisy - scene) ** 2))
    seen = _lit(scene.shape, rng) if rng.random() < _IN_THE_DARK_SHARE else True
    noisy = np.where(seen, noisy, noisy.min())
    return noisy, field, np.sqrt(np.mean((local * field) ** 2, where=seen))


def _lit(shape, rng):
    """Where there is an object (h, w), round or nearly so."""
    y, x = (np.linspace(-1, 1, n) + rng.uniform(-0.3, 0.3) for n in shape)
    across, along = rng.uniform(0.3, 1.1, 2)
    return np.hypot(y[:, None] / across, x / along) < 1


def _compressed(image, rng):
    """What JPEG leaves of an image: cosine transforms of 8x8 blocks, rounded."""
    shape = image.shape
    low, range_ = image.min(), np.ptp(image)
    image = np.pad(255 * (image - low) / range_, [(0, -n % 8) for n in shape], "edge")
    blocks = image.reshape(len(image) // 8, 8, -1, 8)
    steps = np.exp(rng.uniform(-2, 1)) * (10 + 5 * np.add.outer(*2 * [np.arange(8)]))
    steps = steps[:, None]  # (8, 1, 8)
    coefficients = fft.dctn(blocks, axes=(1, 3), norm="ortho")
    coefficients = np.rint(coefficients / steps) * steps
    image = fft.idctn(coefficients, axes=(1, 3), norm="ortho").reshape(image.shape)
    return low + range_ / 255 * np.rint(image)[: shape[0], : shape[1]]


def _autocorrelation(field):
    """Along y, x and both diagonals at lags 1, 2 and 3, flat."""
    power = np.abs(np.fft.fft2(field)) ** 2
    acf = np.fft.ifft2(power).real
    acf /= acf[0, 0]
    steps = ((1, 0), (0, 1), (1, 1), (1, -1))
    return [acf[d * y, d * x] for y, x in steps for d in (1, 2, 3)]


def _scene_part(scenes, rng):
    """Part of a scene, turned, perhaps sharper or with another contrast."""
    scene = scenes[rng.integers(len(scenes))].astype(float)
    if rng.random() < 0.35:
        scene = scene.reshape(_SIDE // 2, 2, _SIDE // 2, 2).mean(axis=(1, 3))
    ends = _SMALL if rng.random() < _SMALL_SHARE else _LARGE
    side = min(int(rng.integers(*ends)), min(scene.shape))
    top, left = rng.integers(0, min(scene.shape) - side + 1, 2)
    scene = scene[top : top + side, left : left + side]
    scene = np.rot90(scene, rng.integers(4))
    if rng.random() < 0.3:  # as interpolation and optics do
        scene = ndimage.gaussian_filter(scene, rng.uniform(0.3, 1.5))
    return scene


def _ramp(shape, rng):
    """What a dark or a flat frame shows."""
    (up, right), (y, x) = rng.normal(size=2), (np.linspace(-1, 1, n) for n in shape)
    return up * y[:, None] + right * x


def samples(scenes, count, seed):
    """Features (n, k) and what is to be read (n, 13): log factor and correlation."""
    rng = np.random.default_rng(seed)
    seen, wanted = [], []
    while len(seen) < count:
        scene = _scene_part(scenes, rng)
        if not np.subtract(*np.quantile(scene, [0.99, 0.01])) > 0:
            continue
        alone, drowned = rng.random(2) < (_FLAT_SHARE, _DROWNED_SHARE)
        if alone:
            scene = _ramp(scene.shape, rng)
        noisy, field, level = _noisy(scene, alone or drowned, rng)
        found = first_reading(noisy)
        if found is None or not found[0] > 0:
            continue
        fitted, features = found
        seen.append(features)
        wanted.append([np.log(level / fitted), *_autocorrelation(field)])
    return np.array(seen), np.array(wanted)


def _both_ways(seen, wanted):
    """Samples of images and of their transposes: neither axis is special."""
    turned = wanted.copy()
    turned[:, 1:4], turned[:, 4:7] = wanted[:, 4:7], wanted[:, 1:4]
    return np.concatenate([seen, transposed(seen)]), np.concatenate([wanted, turned])


def train(seen, wanted, seed=0):
    """Fit the perceptron; return its weights by name."""
    torch.manual_seed(seed)
    seen, wanted = _both_ways(seen, wanted)
    mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    x = torch.tensor(np.clip((seen - mean) / deviation, -5, 5), dtype=torch.float32)
    y = torch.tensor(wanted, dtype=torch.float32)
    sizes = (x.shape[1], *_WIDTHS, 1 + y.shape[1])
    layers = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
    network = torch.nn.Sequential(
        layers[0],
        torch.nn.ReLU(),
        torch.nn.Dropout(_DROPOUT),
        layers[1],
        torch.nn.ReLU(),
        torch.nn.Dropout(_DROPOUT),
        layers[2],
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, _STEPS)
    for _ in range(_STEPS):
        rows = torch.randint(len(x), (_BATCH,))
        noise = _JITTER * torch.randn(_BATCH, x.shape[1])
        loss = _loss(network(x[rows] + noise), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    weights = {
        f"{i}.{n}": p for i, at in enumerate(layers) for n, p in at.named_parameters()
    }
    weights = {name: p.detach().contiguous() for name, p in weights.items()}
    return weights | {
        "mean": torch.tensor(mean, dtype=torch.float32),
        "deviation": torch.tensor(deviation, dtype=torch.float32),
    }


def _loss(out, y):
    """Laplace likelihood of the level, absolute errors of the correlation."""
    log_spread = out[:, 1].clamp(-6, 3)
    level = (out[:, 0] - y[:, 0]).abs() * torch.exp(-log_spread) + log_spread
    lags = (torch.tanh(out[:, 2:]) - y[:, 1:]).abs().mean(1)
    return (level + 10 * lags).mean()


def main():
    """Draw scenes, measure, train, write."""
    rng = np.random.default_rng(1)
    scenes = []
    for seed in range(_N_SCENES):
        kind = rng.choice(list(_SCENE_SHARES), p=list(_SCENE_SHARES.values()))
        kind = None if rng.random() < _ANY_SHARE else kind
        scene = training_scene((_SIDE, _SIDE), kind=kind, rng=1000 + seed)
        scenes.append((255 * scene).astype(np.float16))
    seen, wanted = samples(np.array(scenes), _N_SAMPLES, seed=1)
    safetensors.torch.save_file(train(seen, wanted), sys.argv[1])


if __name__ == "__main__":
    main()
