"""Generated images to try the plugin on."""

import numpy as np

# A bright pixel of the scene, 1.0, is so many photons; the camera adds its own noise.
_PHOTONS, _READ_NOISE, _GAIN, _OFFSET = 40, 2.0, 3.0, 100.0


def cells():
    """Generate noisy cells, as a camera sees them."""
    return [(_camera(_scene((512, 512), 0), 1), {"name": "noisy cells"})]


def series():
    """Generate cells in two channels, four times, with axes and a pixel size."""
    channels = [_scene((256, 256), seed) for seed in (0, 1)]
    frames = [
        [_camera(0.9**time * scene, (time, i)) for i, scene in enumerate(channels)]
        for time in range(4)
    ]
    options = {
        "name": "noisy cells, time series",
        "axis_labels": ("t", "c", "y", "x"),
        "scale": (1.0, 1.0, 0.2, 0.2),
        "units": ("second", "pixel", "micrometer", "micrometer"),
    }
    return [(np.array(frames), options)]


def _scene(shape, seed):
    from n2d.datasets import fluorescence_cells

    return fluorescence_cells(shape, rng=seed)


def _camera(scene, seed):
    """Photons, read noise and a gain, in 16 bits."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(_PHOTONS * scene) + rng.normal(0, _READ_NOISE, scene.shape)
    return np.clip(np.rint(_OFFSET + _GAIN * counts), 0, 2**16 - 1).astype(np.uint16)
