"""From pixel values to what the networks see, and back. NumPy only."""

from dataclasses import dataclass, replace

import numpy as np

from n2d.noise import (
    DEFECTS_REACH,
    channel_correlation,
    hot_pixels,
    stabilize,
    stuck_pixels,
    undo_correlation,
    unstabilize,
    without_hot_pixels,
)

# Channels that are less correlated than this are left alone.
_LEAST_CORRELATION = 0.3

# Noise that channels share is undone where its level is known to this share, where they
# are as good as copies of each other, and where they share as much as this, as in JPEG
# files, of a level known fairly well. Texture, which is shared, too, stays below: with
# the second pair in place of the first, histology lost 0.3 dB at Gaussian 5.
_MOST_SPREAD, _COPIES = 0.03, 0.98
_SHARED, _SHARED_SPREAD = 0.6, 0.12

# Scaled values that are the same differ by no more.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Intensities:
    """One map for all pixels of all images, settled in `fit`.

    Values are scaled to [0, 1]; then, where the noise is known, its variance is made 1
    everywhere, hot and dead pixels, if the noise has such defects, are replaced by what
    is around them, and the channels are rotated to decorrelated ones, which keeps the
    noise white across channels. What becomes of a pixel depends on those around it, no
    farther than `reach`.

    Parameters
    ----------
    data_range : tuple of two floats
        The (low, high) values that are mapped to 0 and 1.
    noise : tuple of NoiseModel, optional
        The noise of every channel, in units of the scaled image.
    rotation : ndarray of shape (C, C), optional
        Its rows are the channels that the network sees; orthonormal where the noise of
        the channels is independent.
    shift : ndarray of shape (C,), optional
        Added to the pixel values on the way back.
    places : tuple of Places, optional
        What is known of the places of one image, for every channel, in units of the
        scaled image: stripes and waves, which come back as they are where they are no
        noise, and how much noise there is where.
    channels : tuple of int, optional
        Numbers of the channels of the image that have noise, where others have none.
        All that is said of channels is of these, and only they are mapped: the others
        stay as they are.
    """

    data_range: tuple
    noise: tuple | None = None
    rotation: np.ndarray | None = None
    shift: np.ndarray | None = None
    places: tuple | None = None
    channels: tuple | None = None

    @property
    def span(self):
        """Length of `data_range`, 1 where all pixels are equal."""
        low, high = self.data_range
        return (high - low) or 1.0

    @property
    def reach(self):
        """How far away a pixel can change what becomes of another."""
        return DEFECTS_REACH if any(self._have_defects()) else 0

    def _have_defects(self):
        """For every channel, whether some of its pixels say nothing."""
        defects = [model.defects for model in self.noise or ()]
        return [found is not None and found.replaced for found in defects]

    def of_shape(self, shape, top=0, left=0):
        """Intensities for an image of a shape (h, w): places are of one shape only.

        `top` and `left` say where in it that begins which `forward` is given.
        """
        if self.places is None or self.places[0].shape != tuple(shape):
            return replace(self, places=None)
        return replace(self, places=tuple(p.from_there(top, left) for p in self.places))

    def with_noise(self, values):
        """Choose of channels (C, h, w) of an image those that have noise."""
        return values if self.channels is None else values[list(self.channels)]

    def among_all(self, found, values):
        """Put channels that have noise in their place among all (C, h, w) of an image.

        `values` has the others; it stays as it is.
        """
        if self.channels is None:
            return found
        values = values.astype(found.dtype)
        values[list(self.channels)] = found
        return values

    def forward(self, values, top=0, left=0):
        """Map pixel values (C, h, w) to what the networks see, as float32.

        `top` and `left` say where in the image they are.
        """
        given, values = values, self._even(values, top, left)
        for c in np.flatnonzero(self._have_defects()):
            values[c] = self._without_defects(given[c], values[c], c)[0]
        if self.rotation is not None:
            values = np.tensordot(self.rotation, values, axes=1)
        return values.astype(np.float32)

    def known(self, values, denoised, top=0, left=0):
        """Pixel values (C, h, w) of an image, denoised where they say nothing."""
        have = self._have_defects()
        if not any(have):
            return values
        even, values = self._even(values, top, left), values.copy()
        for c in np.flatnonzero(have):
            nothing = self._without_defects(values[c], even[c], c)[1]
            values[c][nothing] = denoised[c][nothing]
        return values

    def _without_defects(self, values, even, c):
        """An even channel (h, w) with pixels that say nothing replaced; which ones."""
        scaled = (values - self.data_range[0]) / self.span
        nothing = stuck_pixels(scaled, even, self.noise[c].stuck, rounding=_ROUNDING)
        even = without_hot_pixels(even, nothing)
        share = self.noise[c].defects.hot
        if share:
            hot = hot_pixels(even, share)
            even, nothing = without_hot_pixels(even, hot), nothing | hot
        return even, nothing

    def _even(self, values, top, left):
        """Pixel values (C, h, w) with noise of deviation 1 everywhere."""
        values = (values - self.data_range[0]) / self.span
        if self.places is not None:
            part = (top, left, *values.shape[1:])
            values = values - np.stack([p.pattern(*part) for p in self.places])
        if self.noise is not None:
            values = np.stack(
                [
                    stabilize(x, noise)
                    for x, noise in zip(values, self.noise, strict=True)
                ]
            )
        if self.places is not None:
            values = values / np.stack([p.levels(*part) for p in self.places])
        return values

    def backward(self, values, top=0, left=0):
        """Map denoised values (C, h, w) back to pixel values, as float64.

        Stabilized values are taken for expectations, so that the mean intensity is
        kept (the exact unbiased inverse).
        """
        values = self.unrotate(values.astype(np.float64))
        values = self._scaled(values, top, left)
        if self.places is not None:
            part = (top, left, *values.shape[1:])
            values = values + np.stack([p.scene(*part) for p in self.places])
        values = self.data_range[0] + self.span * values
        return values if self.shift is None else values + self.shift[:, None, None]

    def _scaled(self, values, top, left):
        """Stabilised channels (C, h, w) of the image to values in the scaled one."""
        if self.places is not None:
            part = (top, left, *values.shape[1:])
            values = values * np.stack([p.levels(*part) for p in self.places])
        if self.noise is None:
            return values
        channels = zip(values, self.noise, strict=True)
        return np.stack([unstabilize(x, noise) for x, noise in channels])

    def unrotate(self, values):
        """Turn decorrelated channels (C, h, w) back to those of the image."""
        if self.rotation is None:
            return values
        return np.tensordot(self.back, values, axes=1)

    @property
    def back(self):
        """The inverse of the rotation."""
        back = self.rotation.T
        if not np.allclose(back @ self.rotation, np.eye(len(back))):
            back = np.linalg.inv(self.rotation)
        return back


def decorrelating_rotation(windows, spread=0.0, shared=None):
    """Find the rotation of the channels to their principal components.

    Noise that the channels share is undone first: the network sees channels whose
    noise is independent.

    Parameters
    ----------
    windows : sequence of ndarray of shape (C, h, w)
        Images with noise of deviation 1 in every channel.
    spread : float, default=0.0
        By what share that deviation may be off: where it may be much, what the channels
        share is texture.
    shared : ndarray of shape (C, C), optional
        Correlation of the noise between the channels, where it is known.

    Returns
    -------
    ndarray of shape (C, C), or None
        Invertible, its rows by falling variance, orthonormal where the noise of the
        channels is independent; None where there is one channel or the channels show
        different things.
    """
    if shared is None:
        shared = channel_correlation(windows)
        if shared is not None and not _is_noise(np.abs(shared).min(), spread):
            shared = None
    if shared is None:
        return _principal_components(windows)
    apart = undo_correlation(shared)
    rotation = _principal_components([np.tensordot(apart, w, axes=1) for w in windows])
    return apart if rotation is None else np.ascontiguousarray(rotation @ apart)


def _is_noise(share, spread):
    """Whether it is noise, not texture, that channels share so much of."""
    if spread <= _MOST_SPREAD or share >= _COPIES:
        return True
    return share >= _SHARED and spread <= _SHARED_SPREAD


def _principal_components(windows):
    """Orthonormal rotation of channels (C, h, w) with independent noise, or None."""
    pixels = np.concatenate([w.reshape(len(w), -1) for w in windows], axis=1)
    if len(pixels) == 1:
        return None
    covariance = np.cov(pixels)
    # The noise is independent between channels; what is left is the scene's.
    scene = np.maximum(np.diag(covariance) - 1, 1e-12)
    correlation = covariance / np.sqrt(np.outer(scene, scene))
    np.fill_diagonal(correlation, 0)
    if np.abs(correlation).max() < _LEAST_CORRELATION:
        return None
    rotation = np.linalg.eigh(covariance)[1].T[::-1]
    # Eigenvectors come with either sign; let the largest entry be positive.
    largest = np.take_along_axis(
        rotation, np.abs(rotation).argmax(axis=1, keepdims=True), axis=1
    )
    return np.ascontiguousarray(rotation * np.sign(largest))
