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

from n2d.core.mixture import correlate, correlated_noise
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

# Where the level of the noise may be off by more than this share, or second thoughts
# left less than this share of it, denoisers cannot be judged: what some blur away may
# as well be texture (`python benchmarks/choosing.py --set hard`). Unless the level is
# confirmed by what was removed.
_MOST_SPREAD, _LEAST_BELIEVED = 0.1, 0.6

# The noise of images of more values is measured anew each time: 16 bytes each are held.
_MOST_KEPT = 2**22

# Of more photons it does not matter that they are counted.
_MOST_PHOTONS = 1e6

_PLAN = PriorPlan(hidden_channels=48)


def local_noise(images):
    """Measure the noise of images; of those asked for last, it is known already.

    Parameters
    ----------
    images : Images
        Noisy images of the same kind.

    Returns
    -------
    LocalNoise
    """
    planes = [image.read_whole() for image in images]
    if sum(plane.size for plane in planes) > _MOST_KEPT:
        return LocalNoise(images, planes)
    return _measured(_Seen(images, planes))


class LocalNoise:
    """The noise of images, measured once, and drawn anew as often as needed.

    Parameters
    ----------
    images : Images
        Noisy images of the same kind.
    planes : list of ndarray of shape (C, h, w)
        Their pixels.

    Attributes
    ----------
    planes : list of ndarray of shape (C, h, w)
        The images.
    deviations : list of ndarray of shape (C, h, w)
        Standard deviation of the noise at every pixel; 0 where there is none.
    variance : float
        Sum of the variance over all pixels.
    spread : float
        By what share the level may be off.
    doubt : str
        Why the noise is not known well enough to judge by; "" where it is.
    """

    def __init__(self, images, planes):
        self.planes = planes
        windows = sample_windows(
            images,
            np.random.default_rng(0),
            side=_WINDOW,
            max_pixels=_ENOUGH_PIXELS,
            multiple=_PLAN.alignment,
        )
        low = min(float(window.min()) for window in windows)
        high = max(float(window.max()) for window in windows)
        fitted = _fitted(windows, (low, high)) if low < high else None
        self.spread, self.doubt = 0.0, ""
        if fitted is None or fitted.stages is None:
            self.deviations = [np.zeros_like(plane) for plane in self.planes]
        else:
            self._prior = fitted.stages
            self._intensities = fitted.intensities
            span = fitted.intensities.span
            self._noise = [model.rescaled(span, low) for model in fitted.noise]
            correlation = np.stack([model.correlation for model in self._noise])
            self._correlation = torch.tensor(correlation, dtype=torch.float32)
            generator = torch.Generator().manual_seed(0)
            self.deviations = [
                self._deviation(image, plane, generator)
                for image, plane in zip(images, self.planes, strict=True)
            ]
            self.spread = max(model.spread or 0.0 for model in self._noise)
            self.doubt = _doubt(self.spread, fitted.verdicts)
        self.variance = sum(float(np.sum(s**2)) for s in self.deviations)

    def draw(self, strength, generator):
        """Draw noise of the measured deviation, correlation and kind for every image.

        Photons are drawn from those that a pixel has, as by thinning: so the mean of
        what is drawn is 0 for the image as it is, and rare bright pixels are drawn as
        such. Denoisers that keep them as detail would seem to remove all noise if it
        were Gaussian.

        Parameters
        ----------
        strength : float
            What the noise will be multiplied with when it is added.
        generator : torch.Generator
            Source of randomness, on the CPU.

        Returns
        -------
        list of ndarray of shape (C, h, w)
        """
        return [
            self._drawn(plane, deviation, strength, generator)
            for plane, deviation in zip(self.planes, self.deviations, strict=True)
        ]

    def _drawn(self, plane, deviation, strength, generator):
        drawn = []
        for model, channel in zip(self._noise, plane, strict=True):
            white = torch.randn(channel.shape, generator=generator)
            noise = white.double().numpy()
            if model.gain > 0:
                photons = np.clip(
                    (channel - model.offset) / model.gain, 0, _MOST_PHOTONS
                )
                noise *= model.read_noise / model.gain
                noise += _thinned(photons, strength, generator)
                spread = photons + (model.read_noise / model.gain) ** 2
                spread = np.sqrt(gaussian_filter(spread, _NEAR))
                noise = np.divide(
                    noise, spread, out=np.zeros_like(noise), where=spread > 0
                )
            drawn.append(noise)
        noise = correlate(torch.from_numpy(np.stack(drawn)), self._correlation)
        return deviation * noise.numpy()

    def _expected(self, plane):
        """Variance by intensity, which is taken from around a pixel."""
        return np.stack(
            [
                model.variance(gaussian_filter(channel, _NEAR))
                for model, channel in zip(self._noise, plane, strict=True)
            ]
        )

    def _deviation(self, image, plane, generator):
        """Deviation of the noise at every pixel of an image (C, h, w).

        The residual r of the prior network g lacks the noise that passes through it;
        for the noise b and what passes of it, J b, the variance is E[r r + b J b] by
        Stein's lemma (see `n2d.noise.refine_noise`). A mean over the neighbourhood,
        relative to that of the variance by intensity, corrects the latter.
        """
        expected = self._expected(plane)
        probe = correlated_noise(plane.shape, self._correlation, generator)
        probe = np.sqrt(expected) * probe.double().numpy()
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
        loudest = max(model.level for model in self._noise)
        ratio = np.divide(
            gaussian_filter(seen, around),
            nearby,
            out=np.ones_like(nearby),
            where=nearby > 1e-12 * max(nearby.max(), loudest**2),
        )
        return np.sqrt(expected * np.clip(ratio, 1 / _LARGEST_RATIO, _LARGEST_RATIO))

    def _denoised(self, noisy):
        """Apply stage 1 to pixel values (C, h, w)."""
        found = self._intensities
        with torch.no_grad():
            seen = torch.from_numpy(found.forward(found.with_noise(noisy)))[None]
            denoised = self._prior.partial_denoising(seen)[0].numpy()
        return found.among_all(found.backward(denoised), noisy)


def _thinned(photons, strength, generator):
    """How counts change, over `strength`, if a part of the photons is set aside."""
    share = strength**2 / (1 + strength**2)
    photons = torch.from_numpy(photons)
    kind = {"generator": generator, "dtype": torch.float64}
    counts = torch.floor(photons + torch.rand(photons.shape, **kind))
    shares = torch.full_like(counts, share)
    aside = torch.binomial(counts, shares, generator=generator)
    return ((share * counts - aside) / ((1 - share) * strength)).numpy()


def _doubt(spread, verdicts):
    """Say why the noise is not known well enough to judge by, or nothing."""
    figures = [verdict.figures for verdict in verdicts]
    confirmed = figures and all(found.get("confirmed") for found in figures)
    believed = min((found.get("believed", 1.0) for found in figures), default=1.0)
    if (spread > _MOST_SPREAD and not confirmed) or believed < _LEAST_BELIEVED:
        return "its noise and its fine texture cannot be told apart well enough"
    return ""


def _fitted(windows, data_range):
    """Measure the noise of windows with the prior network's help."""
    resources = Resources(torch.device("cpu"), seed=0)
    with torch.inference_mode(False), torch.no_grad():
        return fit_from_prior(windows, data_range, _PLAN, resources)


class _Seen:
    """Images that compare by their pixels: a search asks for the same ones often."""

    def __init__(self, images, planes):
        self.images, self.planes = images, planes
        pixels = hashlib.blake2b()
        for plane in planes:
            pixels.update(np.ascontiguousarray(plane))
        self._key = tuple(p.shape for p in planes), pixels.digest()

    def __eq__(self, other):
        return self._key == other._key

    def __hash__(self):
        return hash(self._key)


# The folds of a cross-validation take turns.
@lru_cache(maxsize=4)
def _measured(seen):
    """The noise of images, with what is asked of them later."""
    noise = LocalNoise(seen.images, seen.planes)
    seen.images = seen.planes = None  # only the key is kept on
    return noise
