"""Second thoughts about a measurement of noise: texture that has passed for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from n2d._masked import unmasked
from n2d.noise.model import N_LAGS, NoiseModel

# Noise of which so small a share is removed, and that is correlated between neighbours
# by more than chance and less than blur, is texture in large part, as of water or
# pebbles. Chosen on crops of 11 photographs with noise of 2 to 25 grey levels: of
# levels that were too high and called good nearly all were so, of right ones few
# (`python benchmarks/trust.py --wrong` counts them).
_TEXTURE, _AND_BY_CORRELATION, _MOST_OF_TEXTURE = 0.74, 0.4, 0.84
_LEAST_SHARED, _MOST_SHARED = 0.08, 0.45

# Where it is, so much is believed of its level in every round.
_BELIEVED_OF_TEXTURE = 0.8

# On fewer pixels than these nothing can be measured again.
_FEWEST_PIXELS = 400
_FEWEST_PHOTONS = 2


_MOST_CORRELATED = 0.9

# Neighbours as correlated as this are so by blur: texture alone does not get there.
_SURELY_NOISE = 0.45

# Where the level of such noise is known to this share, its correlation is what is seen
# in what was taken away, but for what chance leaves: the first measurement knows short
# reaches, and back-projection's noise reaches far and is negative further on
# (`python benchmarks/ct.py --oracle`). Noise of enlarged images, more correlated than
# this, the first measurement knows better.
_CLOSELY, _BY_CHANCE, _ENLARGED = 0.1, 0.03, 0.8

# A level is beyond doubt where it is known to this share, and this share of the
# contrast: below it lie the photographs without noise, whose texture passes for it.
_SURE_SPREAD, _SURE_SHARE = 0.05, 0.03

# Second thoughts take away no more of a level than so many times what it may be off, in
# the logarithm: a denoiser that has never seen such noise, or stripes and lattices
# beside it, removes less than it is; told the less, it removes less again, down to
# nothing. Less still where the level is more than this share of the contrast.
_SPREADS, _WEAK = 3.0, 0.06

# Where so much of what is there was taken away, and no texture stays, it is noise, such
# as the correlated noise of cameras and electron microscopes: of texture at most 0.7 is
# taken, of wide-field images and line scans 0.86 to 0.98, of small slices of CT 0.84.
_ALL_TAKEN = 0.8

#: Share of the measured level that a denoiser is told to find out what it thinks.
UNDERSTATED = 0.7

# From how far what it takes away then rises towards the measured level (1: all the
# way), to the share of the level that is believed. Noise on flat ground rises by 0.4
# to 0.8, noise on rough ground by 0.15 to 0.5, texture alone by 0.1; the line is what
# cost 8 photographs with noise of 0 to 25 grey levels least.
_BELIEF, _BELIEF_PER_RISE, _LEAST_BELIEF = 0.2, 3.5, 0.4


def is_sure(noise: NoiseModel, windows) -> bool:
    """Tell whether a measurement is beyond doubt.

    Parameters
    ----------
    noise : NoiseModel
        As `estimate_noise` has measured it on `windows`.
    windows : sequence of ndarray of shape (h, w)
        The images.

    Returns
    -------
    sure : bool
        True where the level is strong for the contrast of the images and known closely.
        Second thoughts would do harm then: a denoiser that has never seen such noise,
        or stripes and lattices beside it, takes away less than there is.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import estimate_noise, is_sure
    >>> noisy = np.random.default_rng(0).normal(size=(128, 128))
    >>> is_sure(estimate_noise(noisy), [noisy])
    True
    """
    unmasked(windows, "windows")
    if noise.spread is None:
        return False
    strong = noise.level > _SURE_SHARE * _contrast(windows)
    return bool(noise.spread < _SURE_SPREAD and strong)


def least_level(noise: NoiseModel, windows) -> float:
    """Tell what second thoughts should leave of a level.

    Parameters
    ----------
    noise : NoiseModel
        As `estimate_noise` has measured it on `windows`.
    windows : sequence of ndarray of shape (h, w)
        The images.

    Returns
    -------
    level : float
        The less of the measured level, the more it may be off; 0 where nobody knows.

    Notes
    -----
    With a level l that may be off by a share s, in images of contrast c (1 to 99 %),
    ``l * exp(-3 * s * min(1, 0.06 * c / l))``: texture alone is weak.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import NoiseModel, least_level
    >>> scene = np.outer(np.arange(64.0), np.ones(64))
    >>> [round(least_level(NoiseModel(1.0, spread=s), [scene]), 2) for s in (0.1, 1)]
    [0.74, 0.05]
    """
    unmasked(windows, "windows")
    if noise.spread is None:
        return 0.0
    share = noise.level / max(_contrast(windows), noise.level)
    spreads = _SPREADS * min(1.0, _WEAK / share) if share > 0 else _SPREADS
    return float(noise.level * np.exp(-spreads * noise.spread))


def _contrast(windows):
    """Between the darkest and the brightest percent of the pixels, or some of them."""
    some = np.concatenate(
        [
            w[:: max(1, len(w) // 128), :: max(1, w.shape[1] // 128)].ravel()
            for w in windows
        ]
    )
    return np.subtract(*np.quantile(some, [0.99, 0.01]))


def discount_texture(noise: NoiseModel) -> NoiseModel:
    """Take back what the shape of a correlation says is texture, not noise.

    A detector or a resampling filter blurs noise over a pixel or so: with a Gaussian
    blur the correlation at two pixels is the fourth power of that between neighbours.
    Texture correlates over longer distances. What is longer than blur can explain is
    therefore texture, and as much again as it adds at two pixels it has added, twice,
    between neighbours.

    Parameters
    ----------
    noise : NoiseModel
        As `estimate_noise` has measured it.

    Returns
    -------
    noise : NoiseModel
        With shorter correlations and, as the finest, diagonal frequencies were
        measured best and shall keep their power, of a lower level. `noise` itself
        where neighbours are so correlated that blur it must be.

    See Also
    --------
    refine_noise : Measure again with a denoiser's help.

    Examples
    --------
    >>> from n2d.noise import NoiseModel, discount_texture
    >>> both = NoiseModel(level=10.0, correlation=[[0.2, 0.1], [0.05, 0.0]])
    >>> discount_texture(both).correlation.round(2).tolist()
    [[0.0, 0.0], [0.05, 0.0]]
    """
    told = noise.correlation
    neighbours, next_ones = told[:, 0], told[:, 1]
    if neighbours.max() >= _SURELY_NOISE:
        return noise
    texture = np.maximum(next_ones - neighbours**4, 0)
    shorter = np.where(
        neighbours > 0, np.maximum(neighbours - 2 * texture, 0), neighbours
    )
    lags = np.arange(1, told.shape[1] + 1)
    explained = np.abs(shorter)[:, None] ** lags**2
    correlation = np.where(told > 0, np.minimum(told, explained), told)
    correlation[:, 0] = shorter
    return _with_correlation(noise, correlation)


def doubt_noise(noise: NoiseModel, denoised, removed, probe, response) -> NoiseModel:
    """Believe less of a measurement that a denoiser finds no evidence for.

    Fine texture everywhere, as in grass, looks like noise to `estimate_noise`, and a
    denoiser told so takes it away. Told less, it takes away as much as it was told
    where texture is all there is, and leaves much; noise that is really there it
    recognises, and takes away more, or nearly all.

    Parameters
    ----------
    noise : NoiseModel
        As measured. The denoiser was told `UNDERSTATED` times its level.
    denoised, removed, probe, response
        What came of that, as for `refine_noise`; the images were stabilized for the
        lower level.

    Returns
    -------
    noise : NoiseModel
        Of a lower level and less correlated, or the same.

    See Also
    --------
    refine_noise : Measure again, believing the level.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import NoiseModel, doubt_noise
    >>> rng = np.random.default_rng(0)
    >>> told = NoiseModel(level=2.0)
    >>> nothing, some = np.zeros((256, 256)), rng.normal(0, 1, (256, 256))
    >>> doubted = doubt_noise(told, [nothing], [0.7 * some], [some], [0.5 * some])
    >>> sure = doubt_noise(told, [nothing], [1.2 * some], [some], [nothing])
    >>> round(doubted.level, 1), round(sure.level, 1)
    (0.8, 2.0)
    """
    power, taken = _removed_power(noise, denoised, removed, probe, response)
    if power is None or taken > _ALL_TAKEN * power > 0:
        return noise
    rise = UNDERSTATED * (np.sqrt(max(power, 0.0)) - 1) / (1 - UNDERSTATED)
    believed = float(np.clip(_BELIEF + _BELIEF_PER_RISE * rise, _LEAST_BELIEF, 1.0))
    # The less of it is noise, the less of the correlation is the noise's.
    kept = (believed - _LEAST_BELIEF) / (1 - _LEAST_BELIEF)
    return _with_correlation(noise.louder(believed), kept * noise.correlation)


def _with_correlation(noise, correlation):
    """Take correlation for texture's: shorter, and a level that is as much lower.

    The finest, diagonal frequencies, where texture is weakest, keep their power.
    """
    before, after = (
        np.clip(c[:, 0], 0, _MOST_CORRELATED) for c in (noise.correlation, correlation)
    )
    share = np.prod((1 - before) / (1 - after))
    return replace(noise.louder(np.sqrt(share)), correlation=correlation)


def refine_noise(noise: NoiseModel, denoised, removed, probe, response) -> NoiseModel:
    """Measure noise again on the difference between noisy and denoised images.

    `estimate_noise` has to tell noise from texture by itself, which is hard where an
    image is rough everywhere. A denoiser that was told the first measurement knows
    more about texture than that; what it took away shows the noise better. Repeating
    the two steps until nothing changes settles both.

    Parameters
    ----------
    noise : NoiseModel
        What the denoiser was told.
    denoised : sequence of ndarray of shape (h, w)
        Windows of denoised images, in the units of `noise`.
    removed : sequence of ndarray of shape (h, w)
        Noisy minus denoised window, both stabilized: r.
    probe : sequence of ndarray of shape (h, w)
        Noise like that of the stabilized image, drawn anew: z.
    response : sequence of ndarray of shape (h, w)
        What the denoiser lets pass of the probe: (D(y + e z) - D(y)) / e for a small
        e, that is J z.

    Returns
    -------
    noise : NoiseModel
        Of a lower level, with shorter correlations, or the same. `noise` itself where
        the images are too small to tell.

    See Also
    --------
    estimate_noise : The first measurement.

    Notes
    -----
    The difference r lacks the noise that stays in the result. For a denoiser of
    smallest squared error, and Gaussian noise n, the covariance of n at a distance k
    is E[r r_k + (J z) z_k], by Stein's lemma (C. Stein, 1981,
    :doi:`10.1214/aos/1176345632`) and the orthogonality of error and estimate.

    Where noise is correlated as texture is, and much of it stays, less is believed.

    Variance and correlations only shrink: denoisers are not perfect, and what they
    wrongly take away would be called noise, and taken away the more, in every further
    round. Only of noise that is surely blurred, and of a level that is known closely,
    the correlation is what is found.

    Examples
    --------
    >>> import numpy as np
    >>> from n2d.noise import NoiseModel, refine_noise
    >>> rng = np.random.default_rng(0)
    >>> told = NoiseModel(level=2.0, correlation=np.full((2, 4), 0.3))
    >>> nothing, half = np.zeros((256, 256)), rng.normal(0, 0.5, (256, 256))
    >>> better = refine_noise(told, [nothing], [half], [nothing], [nothing])
    >>> round(better.level, 2), better.reach()
    (1.0, (0, 0))
    """
    power, taken = _removed_power(noise, denoised, removed, probe, response)
    if power is None:
        return noise
    measured = _correlation(removed, probe, response)
    correlation, diagonals = _no_longer_than(noise.correlation, measured), None
    if may_reach_further(noise):
        correlation = _rid_of_chance(measured)
        if noise.diagonals is not None:
            across = _correlation(removed, probe, response, ((1, 1), (1, -1)))
            diagonals = _rid_of_chance(across[:, : noise.diagonals.shape[1]])
    power = min(1.0, max(0.0, power))
    refined = replace(
        noise.louder(np.sqrt(power)),
        correlation=correlation,
        diagonals=noise.diagonals if diagonals is None else diagonals,
    )
    if power > 0 and passes_for_noise(refined, np.sqrt(taken / power)):
        return refined.louder(_BELIEVED_OF_TEXTURE)
    return refined


def passes_for_noise(noise: NoiseModel, removed: float) -> bool:
    """Tell whether what was measured is more likely texture than noise.

    Parameters
    ----------
    noise : NoiseModel
        What the denoiser was told.
    removed : float
        Share of its level that the denoiser took away.

    Returns
    -------
    bool
        True where neighbours share some of it, as in texture, and the denoiser leaves
        much of it.

    Examples
    --------
    >>> from n2d.noise import NoiseModel
    >>> from n2d.noise.refine import passes_for_noise
    >>> shared = NoiseModel(2.0, correlation=[[0.2], [0.2]])
    >>> passes_for_noise(shared, 0.95), passes_for_noise(shared, 0.6)
    (False, True)
    """
    most = float(noise.correlation[:, 0].max())
    if not _LEAST_SHARED < most < _MOST_SHARED:
        return False
    limit = min(_TEXTURE + _AND_BY_CORRELATION * most, _MOST_OF_TEXTURE)
    return bool(removed < limit)


def may_reach_further(noise: NoiseModel) -> bool:
    """Tell whether `refine_noise` takes the correlation that it finds.

    Parameters
    ----------
    noise : NoiseModel
        As measured.

    Returns
    -------
    bool
        True of noise that is surely blurred, and of a level that is known closely.

    Examples
    --------
    >>> from n2d.noise import NoiseModel
    >>> from n2d.noise.refine import may_reach_further
    >>> may_reach_further(NoiseModel(2.0, correlation=[[0.6], [0.6]], spread=0.02))
    True
    """
    known = noise.spread is not None and noise.spread < _CLOSELY
    return bool(known and _SURELY_NOISE <= noise.correlation[:, 0].max() < _ENLARGED)


def _removed_power(noise, denoised, removed, probe, response):
    """Variance of the stabilized noise, 1 if it is as told, and what was taken of it.

    None for both if it is too dark.
    """
    kinds = {"denoised": denoised, "removed": removed, "probe": probe}
    for name, windows in {**kinds, "response": response}.items():
        unmasked(windows, name)
    # With fewer photons the stabilized noise is weaker than it is told to be.
    enough_light = noise.offset + _FEWEST_PHOTONS * noise.gain
    lit = [x >= enough_light for x in denoised]
    n_lit = sum(int(np.count_nonzero(where)) for where in lit)
    if n_lit < _FEWEST_PIXELS:
        return None, None
    taken = stays = 0.0
    for r, z, j, where in zip(removed, probe, response, lit, strict=True):
        taken += float((r * r)[where].sum())
        stays += float((j * z)[where].sum())
    return (taken + stays) / n_lit, taken / n_lit


def _no_longer_than(told, measured):
    """Correlation of the smaller size, with the sign of what was told."""
    size = np.minimum(np.abs(told), np.maximum(measured * np.sign(told), 0))
    return size * np.sign(told)


def _rid_of_chance(measured):
    """Correlation without what chance leaves of none."""
    return np.where(np.abs(measured) > _BY_CHANCE, measured, 0.0)


def _correlation(removed, probe, response, steps=((1, 0), (0, 1))):
    """Correlation (2, `N_LAGS`) along two directions, over all windows."""
    windows = [
        [np.asarray(x, float) for x in kinds]
        for kinds in zip(removed, probe, response, strict=True)
    ]

    def mean_product(dy, dx):
        total, number = 0.0, 0
        for window in windows:
            h, w = window[0].shape
            later = slice(dy, None), slice(max(0, dx), max(0, w + min(0, dx)))
            before = slice(max(0, h - dy)), slice(max(0, -dx), max(0, w - max(0, dx)))
            r, z, j = (x[later] for x in window)
            r_k, z_k, j_k = (x[before] for x in window)
            # (J z) z_k has no preferred direction: both are averaged.
            pairs = ((r, r_k, 1.0), (j, z_k, 0.5), (z, j_k, 0.5))
            total += sum(u * np.einsum("yx,yx->", a, b) for a, b, u in pairs)
            number += r.size
        return total / number if number else 0.0

    power = mean_product(0, 0)
    if not power > 0:
        return np.zeros((2, N_LAGS))
    correlation = [
        [mean_product(k * dy, k * dx) / power for k in range(1, N_LAGS + 1)]
        for dy, dx in steps
    ]
    return np.clip(correlation, -1, 1)
