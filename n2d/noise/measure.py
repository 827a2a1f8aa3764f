"""The noise of an image, measured on the image itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from n2d._numpy_errors import with_usual_errors
from n2d.noise import reader
from n2d.noise.blocks import as_windows, sample_blocks, weighted_sum
from n2d.noise.counts import gain_of_counts
from n2d.noise.defects import Defects, without_defects
from n2d.noise.flat import Fit, fit_power
from n2d.noise.hot_pixels import hot_pixels, share_of_hot_pixels, without_hot_pixels
from n2d.noise.model import N_LAGS, NoiseModel
from n2d.noise.painted import painted_over
from n2d.noise.spectrum import REACH, block_basis, cosine_power
from n2d.noise.stabilize import stabilize
from n2d.noise.stuck import find_stuck, without_stuck_pixels
from n2d.noise.two_tone import noise_of_tones
from n2d.noise.variance import fit_curve, is_square
from n2d.noise.visible import NOTHING, blocks_with_noise

_MEDIAN = 0.45494  # of squared standard normal numbers

# Noise blurred by a Gaussian of one pixel has ten times this share of its variance in
# a high-frequency cell; images of nothing but gradients have less.
_LEAST_FINE = 1e-3

# What white noise there would be is read off so many blocks, or a few more.
_FINE_BLOCKS = 400

# Real photon noise, fitted, vanishes within 0.1 photons of the darkest intensity.
_DARKEST_PHOTONS = 1.0

# The perceptron's word counts where it differs from the fit by more than this, in the
# logarithm of the level or in the correlation at one or two pixels: closer than that
# the fit is as good. It is sure of itself where it expects to be off by less than
# `_SURE_SPREAD`.
_NO_SURPRISE, _NO_SURPRISE_LAG = 0.1, 0.15
_SURE_SPREAD = 0.3

# Where it speaks of less, or of as much more as this, in the logarithm of the level, or
# the noise is next to nothing at high frequencies, it is believed if it expects to be
# off by less than this: JPEG and interpolation leave nothing there for the fit. Not
# believed, it is heard where it speaks of that much more.
_FAR, _SEEN_SPREAD, _APART = 1.2, 0.6, 0.5

# Where the variance differs by so many times its mean from block to block the fit knows
# better.
_STEEP = 1.2

# A second fit is believed where it expects to be off by less than this share of what
# it expects of the first, and by no more than leaves no doubt: where the scene is dense
# and not smooth it is off as well, and second thoughts know better what to make of the
# first.
_SURER, _NO_DOUBT = 0.85, 0.05

# It is believed less than sure where it sees neighbours as correlated as this, which
# the fit cannot.
_BLURRED = 0.5

# Where it speaks of a level below this share of the contrast, and is not sure or sees
# no blur, it has most likely seen texture.
_WEAK_SHARE = 0.02

# More noise than so many times what values are away from the nearer of two tones is
# their picture; how far they are away is known to this share.
_MORE_THAN_TONES, _TONES_SPREAD = 1.3, 0.02
# Quanta that were counted tell their noise themselves.
_COUNTS_SPREAD = 0.01

# How often, at most, hot pixels are looked for anew in what is left.
_PASSES = 3

# A line gives way to a curve only where the perceptron expects to be off by less than
# this, and the level is this share of the contrast: texture differs by intensity too.
# The same for a square, which few scenes follow, but texture that grows with the light.
_SURE_CURVE, _CURVE_SHARE = 0.12, 0.03
_SURE_SQUARE, _SQUARE_SHARE = 0.3, 0.06


@with_usual_errors
def estimate_noise(image) -> NoiseModel:
    """Measure level, signal dependence and correlation of the noise of an image.

    Nothing but the image is needed: neither a flat region nor a second capture.

    Parameters
    ----------
    image : array_like of real numbers, shape (H, W) or (k, h, w), or list of (h, w)
        One noisy image, or windows of one or several images with the same noise, such
        as parts read from an image too large for memory. Not several channels:
        measure each on its own.

    Returns
    -------
    noise : NoiseModel
        In the units of `image`. `level` is the root of the noise variance averaged
        over the image; `gain` is 0 where the noise does not grow with intensity.
        Correlations are measured up to lag 2 and taken for 0 beyond.
        Constant images have level 0.

    Raises
    ------
    TypeError
        If `image` does not hold real numbers.
    ValueError
        If `image` is empty, has neither two nor three axes, or is not finite.

    See Also
    --------
    stabilize : Give noise of this model the same standard deviation everywhere.

    Notes
    -----
    Blocks of 16x16 pixels (2,400 at most, so that the cost does not grow with the
    image) are taken to their cosine transforms. Noise has the same
    power spectrum in every block, up to a factor affine in the block's mean; texture
    only adds to it, most at low frequencies, and differs from block to block.

    - The flattest blocks of every intensity are chosen by one half of the
      frequencies (a checkerboard) and measured on the other half: independent in
      noise, so that choosing low values does not lower the result, as it does where
      the quietest blocks are chosen by their own variance.
    - The power in these blocks is fitted by an autocovariance that reaches two
      pixels, plus shares of the spectrum that rougher blocks have in excess and of
      that of smooth images: both rise too steeply towards low frequencies for an
      autocovariance that short.
    - Gain and offset are a robust affine fit to the powers of the flat blocks, at
      the frequencies where texture is weakest.

    Blocks with clipped pixels (many equal to the smallest or largest value) are left
    out of the fit. Texture as fine as the pixels, everywhere in an image, cannot be
    told from noise and counts as noise.

    Images of less than about 30x30 pixels are measured by the median difference of
    neighbours: level only.

    Examples
    --------
    >>> from n2d.datasets import fluorescence_cells
    >>> from n2d.noise import add_poisson_gaussian_noise, estimate_noise
    >>> clean = 200.0 * fluorescence_cells((512, 512), rng=0)
    >>> noise = estimate_noise(add_poisson_gaussian_noise(clean, 2.0, 5.0, rng=0))
    >>> bool(abs(noise.gain - 2) < 0.3)
    True
    >>> noise.reach()
    (0, 0)
    """
    windows = as_windows(image)
    low, high = _extremes(windows)
    if not np.isfinite([low, high]).all():
        raise ValueError(
            "image has NaN or infinite values; replace them before measuring its noise"
        )
    if low == high:
        return NoiseModel(level=0.0, offset=low)
    stuck = find_stuck(windows)
    if not stuck:
        return _of_light(windows)
    salted = NoiseModel(0.0, defects=Defects(stuck=stuck))
    noise = _of_light(without_stuck_pixels(windows, salted))
    defects = replace(noise.defects or Defects(), stuck=stuck)
    return replace(noise, defects=defects)


def _extremes(windows):
    return min(float(w.min()) for w in windows), max(float(w.max()) for w in windows)


def _of_light(windows, passes=_PASSES) -> NoiseModel:
    """Measure the noise of windows none of whose pixels is stuck."""
    low, high = _extremes(windows)
    if low == high:
        return NoiseModel(level=0.0, offset=low)
    gain = gain_of_counts(windows)
    if gain is not None:
        return _of_counts(windows, gain, low)
    blocks = sample_blocks(windows)
    painted = None if blocks is None else painted_over(blocks)
    areas = painted is not None and painted.any()
    cleaned, defects = without_defects(windows, patterns=not areas)
    if any(new is not old for new, old in zip(cleaned, windows, strict=True)):
        low, high = _extremes(cleaned)
        if low == high:
            return NoiseModel(level=0.0, offset=low, defects=defects)
        blocks = sample_blocks(cleaned)
        painted = None if blocks is None else painted_over(blocks)
    if blocks is None:
        return NoiseModel(level=_level_of_differences(cleaned), offset=low)
    # The fit works on an image of unit range around zero: no unit is special.
    scale = high - low
    noise = _measure((blocks - low) / scale, painted).rescaled(scale, low)
    tones = noise_of_tones(windows)
    if tones is not None and noise.level > _MORE_THAN_TONES * tones:
        return NoiseModel(level=tones, offset=low, spread=_TONES_SPREAD)
    if not noise.level > 0:
        return replace(noise, defects=replace(defects, hot=0.0))
    stabilized = [stabilize(window, noise) for window in windows]
    hot = share_of_hot_pixels(stabilized)
    if hot and passes:
        # Some were not seen before the noise was known, and it is less without them.
        masks = [hot_pixels(window, hot) for window in stabilized]
        known = list(map(without_hot_pixels, windows, masks))
        rest = _of_light(known, passes - 1)
        hot = max(hot, (rest.defects or Defects()).hot)
        return replace(rest, defects=replace(defects, hot=hot))
    return replace(noise, defects=replace(defects, hot=hot))


def _of_counts(windows, gain, low) -> NoiseModel:
    """The noise of windows that count quanta, but for pixels that count nothing."""
    told = {"gain": gain, "offset": low, "spread": _COUNTS_SPREAD}
    stabilized = [stabilize(window, NoiseModel(gain, **told)) for window in windows]
    hot = share_of_hot_pixels(stabilized)
    if hot:
        masks = [hot_pixels(window, hot) for window in stabilized]
        windows = list(map(without_hot_pixels, windows, masks))
    mean = sum(w.sum(dtype=float) for w in windows) / sum(w.size for w in windows)
    level = np.sqrt(gain * (mean - low))
    return NoiseModel(level, **told, defects=Defects(hot=hot))


def _level_of_differences(windows: list[np.ndarray]) -> float:
    """Level of white noise in windows too small for blocks; robust to edges."""
    differences = [
        np.diff(window.astype(np.float64), axis=axis).ravel()
        for window in windows
        for axis in (0, 1)
    ]
    differences = np.abs(np.concatenate(differences))
    if not differences.size:  # single pixels, which tell nothing
        return 0.0
    return float(np.median(differences) / np.sqrt(2 * _MEDIAN))


def _measure(blocks: np.ndarray, painted: np.ndarray) -> NoiseModel:
    """Measure the noise of blocks (n, size, size) with values from 0 to 1.

    `painted` (n,) tells which of them have been painted over.
    """
    basis = block_basis(blocks.shape[-1])
    mean = blocks.mean(axis=(1, 2))
    power = cosine_power(blocks - mean[:, None, None])
    visible = blocks_with_noise(blocks, painted, mean, power, basis)
    if visible is None:
        return NoiseModel(level=0.0)
    shown = power if visible.all() else power[visible]

    fit, weights = fit_power(shown, mean[visible], basis)
    reading = _read(fit, shown, mean[visible])
    smooth = _smooth_fit(fit, reading, shown, mean[visible], basis)
    if smooth is not None:
        fit, weights, reading = smooth
    fit, reading = _second_reading(fit, reading, shown, mean[visible])
    weights = np.exp(2 * reading.log_factor) * weights
    if fit.curve is None:
        variance = np.maximum(fit.slope * mean + fit.intercept, 0)
    else:
        variance = fit.variance(mean)
    # Noise that is next to nothing at high frequencies is smooth texture, not noise,
    # unless it is surely seen at low ones.
    some = shown[:: max(1, len(shown) // _FINE_BLOCKS)]
    white = np.median(some[:, basis.fine]) / _MEDIAN
    seen = reading.spread < _SURE_SPREAD or (
        reading.surprising and reading.spread < _SEEN_SPREAD
    )
    if variance.mean() > white / _LEAST_FINE and not seen:
        # Or so it seems: the other level is the one that there may be.
        spread = None
        if white > NOTHING:
            spread = np.log(variance.mean() / white) / 2
        level, offset = np.sqrt(white), _dark_end(fit, blocks, visible)[1]
        return NoiseModel(level=level, offset=offset, spread=spread)
    # Clipping takes noise away: there the model says what it would have been.
    hidden = weighted_sum(power[~visible], weights)
    variance[~visible] = np.minimum(variance[~visible], hidden)
    correlation = np.zeros((2, N_LAGS))
    if reading.surprising:
        correlation[:, : reader.N_LAGS] = reading.autocorrelation[:2]
    else:
        lags = np.clip(fit.covariance.reshape(REACH + 1, REACH + 1), -1, 1)
        correlation[:, :REACH] = lags[1:, 0], lags[0, 1:]
    gain, offset, floor = _dark_end(fit, blocks, visible)
    if fit.curve is not None:
        gain, floor = 0.0, variance.mean()
    return NoiseModel(
        curve=fit.curve,
        level=np.sqrt(variance.mean()),
        gain=gain,
        offset=offset,
        read_noise=np.sqrt(floor),
        correlation=correlation,
        diagonals=reading.autocorrelation[2:],
        spread=reading.spread,
    )


def _smooth_fit(fit, reading, power, mean, basis):
    """Fit anew where no block is flat, as the perceptron sees; None: the fit stands.

    That it sees less noise than was fitted may be for texture. Here the other fit,
    in which what smooth images have does not count, agrees, and it is surer of that.
    """
    if reading.log_factor > -_NO_SURPRISE:
        return None
    found = fit_power(power, mean, basis, smooth=True)
    another = _read(found[0], power, mean)
    lower = np.log(found[0].variance(mean).mean() / fit.variance(mean).mean()) / 2
    apart = abs(lower + another.log_factor - reading.log_factor)
    surer = another.spread < min(_SURER * reading.spread, _NO_DOUBT)
    agree = lower < -_NO_SURPRISE / 2 and apart < _SURE_SPREAD
    return (*found, another) if surer and agree else None


def _second_reading(fit, reading, power, mean) -> tuple[Fit, reader.Reading]:
    """Hear the perceptron, and give up the line where it surely is none.

    Returns
    -------
    fit : Fit
        Of the level that the perceptron says, where that is surprising.
    reading : Reading
        What it says.
    """
    curve = fit_curve(*fit.flat, line=fit.variance(fit.flat[0]))
    if curve is not None:
        bent = fit._replace(curve=curve)
        another = _read(bent, power, mean)
        contrast = np.subtract(*np.quantile(mean, [0.99, 0.01]))
        level = np.exp(another.log_factor) * np.sqrt(bent.variance(mean).mean())
        most, share = _SURE_CURVE, _CURVE_SHARE
        if is_square(curve):
            most, share = _SURE_SQUARE, _SQUARE_SHARE
        if another.spread < most and level > share * contrast:
            fit, reading = bent, another
    lags = fit.covariance.reshape(REACH + 1, REACH + 1)
    fitted = np.stack([lags[1:, 0], lags[0, 1:]])
    apart = np.abs(reading.autocorrelation[:2, :REACH] - fitted).max()
    blurred = reading.autocorrelation[:2, 0].max() > _BLURRED
    more = reading.log_factor > max(_NO_SURPRISE, 2 * reading.spread)
    less = -reading.log_factor > max(_NO_SURPRISE, reading.spread)
    # What follows a square has long tails, which it has not seen.
    less &= not is_square(fit.curve)
    far = not 0 <= reading.log_factor <= _FAR
    surprising = (more or less or apart > _NO_SURPRISE_LAG) and (
        reading.spread < _SURE_SPREAD / 2
        or blurred
        or (far and reading.spread < _SEEN_SPREAD)
    )
    # Noise that is next to nothing in the dark is for the fit: it looks by intensity.
    steep = fit.slope * mean.std() > _STEEP * fit.variance(mean).mean()
    surprising &= blurred or not steep
    told = np.exp(reading.log_factor) * np.sqrt(fit.variance(mean).mean())
    contrast = np.subtract(*np.quantile(mean, [0.99, 0.01]))
    nothing = (
        reading.log_factor > 0
        and told < _WEAK_SHARE * contrast
        and (reading.spread > _SURE_SPREAD or not blurred)
    )
    if not surprising or nothing:
        spread = reading.spread
        if reading.log_factor > _APART:
            spread = max(spread, reading.log_factor)
        return fit, reading._replace(log_factor=0.0, spread=spread)
    if reading.log_factor < 0:
        # As much as there may be: second thoughts come down, and not up again.
        most = min(0.0, reading.log_factor + min(reading.spread, _SURE_SPREAD))
        reading = reading._replace(log_factor=most)
    factor = np.exp(2 * reading.log_factor)
    if fit.curve is not None:
        curve = np.stack([fit.curve[0], factor * fit.curve[1]])
        fit = fit._replace(curve=curve)
    fit = fit._replace(slope=factor * fit.slope, intercept=factor * fit.intercept)
    return fit, reading._replace(surprising=True)


def _read(fit, power, mean) -> reader.Reading:
    """What the perceptron says of blocks of these powers and means."""
    return reader.read(_described(fit, power, mean))


def _described(fit, power, mean) -> np.ndarray:
    """What the perceptron sees."""
    variance = fit.variance(mean)
    means = mean / np.sqrt(variance.mean())
    return reader.describe(power / variance[:, None], fit.covariance, means)


def first_reading(image) -> tuple[float, np.ndarray] | None:
    """What the perceptron of `n2d.noise.reader` is trained on.

    Parameters
    ----------
    image : ndarray, shape (H, W)
        Noisy image.

    Returns
    -------
    level : float
        As fitted, before the perceptron has its say, in the units of `image`.
    features : ndarray
        What it sees; None instead of both where the blocks say nothing.
    """
    blocks = sample_blocks(as_windows(image))
    low, scale = blocks.min(), np.ptp(blocks)
    blocks = (blocks - low) / scale
    basis = block_basis(blocks.shape[-1])
    mean = blocks.mean(axis=(1, 2))
    power = cosine_power(blocks - mean[:, None, None])
    visible = blocks_with_noise(blocks, painted_over(blocks), mean, power, basis)
    if visible is None:
        return None
    fit, _ = fit_power(power[visible], mean[visible], basis)
    features = _described(fit, power[visible], mean[visible])
    return scale * float(np.sqrt(fit.variance(mean[visible]).mean())), features


def _dark_end(
    fit: Fit, blocks: np.ndarray, visible: np.ndarray
) -> tuple[float, float, float]:
    """Split the affine variance at the darkest intensity of the image.

    Returns
    -------
    gain : float
        Slope of the variance; lower than fitted where the line says that pixels much
        darker than others have no noise at all: that is texture, rougher in the light.
    offset : float
        The darkest intensity, or where the variance is 0, if that is above.
    floor : float
        Variance there.
    """
    n, size, _ = blocks.shape
    smooth = blocks.reshape(n, size // 4, 4, size // 4, 4).mean(axis=4).mean(axis=2)
    darkest = float(np.quantile(smooth, 0.001))
    if fit.slope == 0:
        return 0.0, darkest, max(fit.intercept, 0.0)
    silent = -fit.intercept / fit.slope
    dimmest = float(np.quantile(smooth[visible], 0.001))
    if silent - dimmest > _DARKEST_PHOTONS * fit.slope:
        # Through 0 at the darkest pixel, with the same variance on the whole.
        dimmest = float(blocks[visible].min())
        mean = blocks.mean(axis=(1, 2))
        variance = np.maximum(fit.slope * mean + fit.intercept, 0).mean()
        light = np.maximum(mean - dimmest, 0).mean()
        return float(variance / light), dimmest, 0.0
    offset = max(darkest, silent)
    return fit.slope, offset, max(fit.slope * offset + fit.intercept, 0.0)
