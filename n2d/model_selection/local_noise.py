"""Where in an image there is how much noise: what a score has to know.

A model that knows the noise by intensity alone is not enough to tell denoisers apart:
one that leaves the noise in where there is more of it would seem to remove it. In CT,
where the noise varies over the image, non-local means then seems best, which is 4.6 dB
worse than the best.
"""

import hashlib
from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from n2d.core.mixture import correlated_noise
from n2d.core.tiling import tiles
from n2d.fitting.plan import Resources
from n2d.fitting.prior_start import PriorPlan, fit_from_prior
from n2d.fitting.windows import sample_windows

# The noise is measured on so many pixels at most.
_ENOUGH_PIXELS = 2**17
_WINDOW = 96
_TILE = 512

# Variance by intensity is taken at the mean intensity around a pixel; how much more or
# less there really is, as a mean over a wider neighbourhood. Deviations, in pixels.
_NEAR = 2.0
_AROUND = 16.0

# By so much the local variance may differ from the one by intensity, both ways.
_LARGEST_RATIO = 4.0

_PROBE = 0.3

_PLAN = PriorPlan(hidden_channels=48)


class LocalNoise:
    """The noise of images, measured once, and drawn anew as often as needed.

    Parameters
    ----------
    images : Images
        Noisy images of the same kind.

    Attributes
    ----------
    planes : list of ndarray of shape (C, h, w)
        The images.
    deviations : list of ndarray of shape (C, h, w)
        Standard deviation of the noise at every pixel; 0 where there is none.
    variance : float
        Sum of the variance over all pixels.
    """

    def __init__(self, images):
        self.planes = [image.read(0, 0, *image.shape[1:]) for image in images]
        self._generator = torch.Generator().manual_seed(0)
        windows = sample_windows(
            images,
            np.random.default_rng(0),
            side=_WINDOW,
            max_pixels=_ENOUGH_PIXELS,
            multiple=_PLAN.alignment,
        )
        low = min(float(window.min()) for window in windows)
        high = max(float(window.max()) for window in windows)
        fitted = _Windows(windows).fitted((low, high)) if low < high else None
        if fitted is None or fitted.stages is None:
            self.deviations = [np.zeros_like(plane) for plane in self.planes]
        else:
            self._prior = fitted.stages
            self._intensities = fitted.intensities
            span = fitted.intensities.span
            self._noise = [model.rescaled(span, low) for model in fitted.noise]
            correlation = np.stack([model.correlation for model in self._noise])
            self._correlation = torch.tensor(correlation, dtype=torch.float32)
            self.deviations = [
                self._deviation(image, plane)
                for image, plane in zip(images, self.planes, strict=True)
            ]
        self.variance = sum(float(np.sum(s**2)) for s in self.deviations)

    def draw(self):
        """Draw noise of the measured deviation and correlation for every image."""
        return [self._drawn(s) for s in self.deviations]

    def _drawn(self, deviation):
        noise = correlated_noise(deviation.shape, self._correlation, self._generator)
        return deviation * noise.double().numpy()

    def _deviation(self, image, plane):
        """Deviation of the noise at every pixel of an image (C, h, w).

        The residual r of the prior network g lacks the noise that passes through it;
        for the noise b and what passes of it, J b, the variance is E[r r + b J b] by
        Stein's lemma (see `n2d.noise.refine_noise`). A mean over the neighbourhood,
        relative to that of the variance by intensity, corrects the latter.
        """
        expected = np.stack(
            [
                model.variance(gaussian_filter(channel, _NEAR))
                for model, channel in zip(self._noise, plane, strict=True)
            ]
        )
        probe = self._drawn(np.sqrt(expected))
        residual, passed = np.empty_like(plane), np.empty_like(plane)
        geometry = {"reach": self._prior.reach, "multiple": self._prior.alignment}
        for tile in tiles(*image.shape[1:], side=_TILE, **geometry):
            top, left, height, width = tile.window
            missing = [
                (0, 0),
                (0, max(0, top + height - plane.shape[1])),
                (0, max(0, left + width - plane.shape[2])),
            ]
            noise = probe[:, top : top + height, left : left + width]
            noise = _PROBE * np.pad(noise, missing, "reflect")
            noisy = image.read(*tile.window)
            denoised, probed = self._denoised(noisy), self._denoised(noisy + noise)
            for result, values in (
                (residual, noisy - denoised),
                (passed, (probed - denoised) / _PROBE),
            ):
                values = tile.crop(values)
                _, rows, columns = values.shape
                here = (slice(None), slice(tile.top, tile.top + rows))
                result[(*here, slice(tile.left, tile.left + columns))] = values
        seen = residual**2 + probe * passed
        around = (0, _AROUND, _AROUND)
        nearby = gaussian_filter(expected, around)
        # A dead frame has no noise by intensity: nothing to correct.
        ratio = np.divide(
            gaussian_filter(seen, around),
            nearby,
            out=np.ones_like(nearby),
            where=nearby > 1e-12 * max(nearby.max(), self._variance_scale()),
        )
        return np.sqrt(expected * np.clip(ratio, 1 / _LARGEST_RATIO, _LARGEST_RATIO))

    def _variance_scale(self):
        return max(model.level**2 for model in self._noise)

    def _denoised(self, noisy):
        """Apply stage 1 to pixel values (C, h, w)."""
        with torch.no_grad():
            seen = torch.from_numpy(self._intensities.forward(noisy))[None]
            denoised = self._prior.partial_denoising(seen)[0].numpy()
        return self._intensities.backward(denoised)


class _Windows:
    """Windows of images that compare by their pixels: a search asks for them often."""

    def __init__(self, windows):
        self._windows = windows
        pixels = hashlib.blake2b()
        for window in windows:
            pixels.update(np.ascontiguousarray(window))
        self._key = tuple(w.shape for w in windows), pixels.digest()

    def __eq__(self, other):
        return self._key == other._key

    def __hash__(self):
        return hash(self._key)

    @lru_cache(maxsize=8)  # noqa: B019 - a few megabytes, and as many folds
    def fitted(self, data_range):
        """Measure the noise of the windows with the prior network's help."""
        resources = Resources(torch.device("cpu"), seed=0)
        with torch.inference_mode(False), torch.no_grad():
            return fit_from_prior(self._windows, data_range, _PLAN, resources)
