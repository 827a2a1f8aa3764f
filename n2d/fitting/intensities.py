"""From pixel values to what the networks see, and back. NumPy only."""

from dataclasses import dataclass

import numpy as np

from n2d.noise import stabilize, unstabilize

# Channels that are less correlated than this are left alone.
_LEAST_CORRELATION = 0.3


@dataclass(frozen=True)
class Intensities:
    """One map for all pixels of all images, settled in `fit`.

    Values are scaled to [0, 1]; then, where the noise is known, its variance is made 1
    everywhere and the channels are rotated to decorrelated ones, which keeps the noise
    white across channels.

    Parameters
    ----------
    data_range : tuple of two floats
        The (low, high) values that are mapped to 0 and 1.
    noise : tuple of NoiseModel, optional
        The noise of every channel, in units of the scaled image.
    rotation : ndarray of shape (C, C), optional
        Orthonormal; its rows are the channels that the network sees.
    shift : ndarray of shape (C,), optional
        Added to the pixel values on the way back.
    """

    data_range: tuple
    noise: tuple | None = None
    rotation: np.ndarray | None = None
    shift: np.ndarray | None = None

    @property
    def span(self):
        """Length of `data_range`, 1 where all pixels are equal."""
        low, high = self.data_range
        return (high - low) or 1.0

    def forward(self, values):
        """Map pixel values (C, h, w) to what the networks see, as float32."""
        values = (values - self.data_range[0]) / self.span
        if self.noise is not None:
            values = np.stack(
                [
                    stabilize(x, noise)
                    for x, noise in zip(values, self.noise, strict=True)
                ]
            )
        if self.rotation is not None:
            values = np.tensordot(self.rotation, values, axes=1)
        return values.astype(np.float32)

    def backward(self, values):
        """Map denoised values (C, h, w) back to pixel values, as float64.

        Stabilized values are taken for expectations, so that the mean intensity is
        kept (the exact unbiased inverse).
        """
        values = self.unrotate(values.astype(np.float64))
        if self.noise is not None:
            values = np.stack(
                [
                    unstabilize(x, noise)
                    for x, noise in zip(values, self.noise, strict=True)
                ]
            )
        values = self.data_range[0] + self.span * values
        return values if self.shift is None else values + self.shift[:, None, None]

    def backward_error(self, error, values):
        """Map standard errors of denoised values (C, h, w) to those of pixel values.

        The errors of decorrelated channels are taken as independent. Where the way
        back bends, it is half of what lies between one standard error below and above.
        """
        values, error = values.astype(np.float64), error.astype(np.float64)
        if self.rotation is not None:
            error = np.sqrt(np.tensordot(self.rotation.T**2, error**2, axes=1))
            values = self.unrotate(values)
        if self.noise is not None:
            channels = zip(values, error, self.noise, strict=True)
            error = np.stack(
                [
                    (unstabilize(x + e, n) - unstabilize(x - e, n)) / 2
                    for x, e, n in channels
                ]
            )
        return self.span * error

    def unrotate(self, values):
        """Turn decorrelated channels (C, h, w) back to those of the image."""
        if self.rotation is None:
            return values
        return np.tensordot(self.rotation.T, values, axes=1)


def decorrelating_rotation(windows):
    """Find the rotation of the channels to their principal components.

    Parameters
    ----------
    windows : sequence of ndarray of shape (C, h, w)
        Images with noise of deviation 1 in every channel.

    Returns
    -------
    ndarray of shape (C, C), or None
        Orthonormal, its rows by falling variance; None where there is one channel or
        the channels show different things.
    """
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
