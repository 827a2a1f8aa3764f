"""How good a denoiser is on noisy images, judged on these images alone."""

import numpy as np

from n2d._arrays import Images
from n2d.noise import discount_texture, estimate_noise
from n2d.noise.simulate import add_correlated_noise

_PROBE = 0.3


def self_supervised_score(denoiser, X):
    """Estimate minus the mean squared error, in units of the noise (a first version).

    Parameters
    ----------
    denoiser : fitted denoiser
        Used through `transform` alone.
    X : array-like, or list of array-likes
        Noisy images.

    Returns
    -------
    float
        Higher is better.
    """
    images = Images(X, getattr(denoiser, "channel_axis", None))
    planes = [image.read(0, 0, *image.shape[1:]) for image in images]
    noise = [
        discount_texture(estimate_noise([p[c] for p in planes]))
        for c in range(images.n_channels)
    ]
    estimate = Images(denoiser.transform(X), images._channel_axis)
    probed = images.empty_like()
    deviations = []
    for i, plane in enumerate(planes):
        smooth = estimate[i].read(0, 0, *plane.shape[1:])
        deviation = np.stack(
            [np.sqrt(model.variance(s)) for model, s in zip(noise, smooth, strict=True)]
        )
        probe = deviation * add_correlated_noise(
            np.zeros_like(plane), 1.0, 0.0, rng=i, axes=(1, 2)
        )
        deviations.append((deviation, probe, smooth))
        probed[i].write(plane + _PROBE * probe, 0, 0)
    again = Images(denoiser.transform(probed.result), images._channel_axis)
    risk = variance = 0.0
    for i, (deviation, probe, smooth) in enumerate(deviations):
        change = again[i].read(0, 0, *smooth.shape[1:]) - smooth
        risk += np.sum((smooth - planes[i]) ** 2 - deviation**2)
        risk += 2 * np.sum(change * probe) / _PROBE
        variance += np.sum(deviation**2)
    return float(-risk / variance) if variance > 0 else 0.0
