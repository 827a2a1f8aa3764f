"""Channels without noise, which stay as they are: no network sees them."""

from dataclasses import replace

import numpy as np

from n2d.noise import NoiseModel

# Noise below this share of the intensity range is none.
NO_NOISE = 1e-6


def is_noisy(noise):
    """Whether there is any noise at any intensity."""
    return noise.curve is not None or noise.gain > 0 or noise.read_noise >= NO_NOISE


def at_least_a_little(noise):
    """Keep noise that is none from being divided by."""
    if is_noisy(noise):
        return noise
    white = np.zeros_like(noise.correlation)
    return NoiseModel(level=NO_NOISE, offset=noise.offset, correlation=white)


def some_noisy(noise, told=False):
    """Number the channels that have noise, or pixels to be replaced, if not all do.

    Parameters
    ----------
    noise : sequence of NoiseModel
        Of every channel, in units of the scaled image.
    told : bool, default=False
        Whether it is believed, whatever its level; else it was measured.

    Returns
    -------
    list of int
        Empty where all channels have noise, or none has.
    """
    noisy = [
        c
        for c, model in enumerate(noise)
        if (is_noisy(model) and (told or model.level >= NO_NOISE))
        or (model.defects is not None and model.defects.replaced)
    ]
    return noisy if len(noisy) < len(noise) else []


def fitted_to(channels, noise, windows, fit, *arguments):
    """Fit to some channels, and leave the others as they are.

    Parameters
    ----------
    channels : list of int
        Those that have noise.
    noise : sequence of NoiseModel
        Of every channel, as far as it is known.
    windows : list of ndarray of shape (C, h, w)
        What was read of the images.
    fit : callable
        Fits to such windows, of these channels, and is given their noise last.
    *arguments : object
        What it is given in between.

    Returns
    -------
    Fitted
        Whose noise is that of every channel.
    """
    some = [_sharing(noise[c], channels) for c in channels]
    fitted = fit([window[channels] for window in windows], *arguments, some)
    every = list(noise)
    for c, model in zip(channels, fitted.noise, strict=True):
        every[c] = replace(model, shared=noise[c].shared)
    fitted = replace(fitted, noise=tuple(every))
    if fitted.stages is None:  # then all of them stay
        return fitted
    # Of some of these, too, no noise may have been left.
    seen = fitted.intensities.channels
    channels = channels if seen is None else [channels[i] for i in seen]
    intensities = replace(fitted.intensities, channels=tuple(channels))
    return replace(fitted, intensities=intensities)


def _sharing(noise, channels):
    """The noise of a channel, and what of it is shared with some channels."""
    if noise.shared is None:
        return noise
    return replace(noise, shared=noise.shared[np.ix_(channels, channels)])
