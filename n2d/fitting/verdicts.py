"""What a fit says of its own result, from what was removed of the windows it read."""

import numpy as np

from n2d.fitting.plan import are_flat
from n2d.fitting.windows import repeats_along
from n2d.noise import Verdict, check_result, worst_of
from n2d.noise.check import middle_half

# Colours are of a table where there are no more of them than these, in so many pixels,
# with so many values in one channel, and they lie on no straight line: noise of
# channels that no table binds makes nearly every pixel a colour of its own. What of
# them is beside the line is this share of what is along it.
_MOST_COLOURS, _FEWEST_PIXELS, _FEWEST_VALUES, _BENT = 256, 4096, 32, 0.05
_SOME = 20_000  # pixels, in which this is seen

# Hum has no more waves than these, with its overtones.
_FEW_WAVES = 3

# Pixels may have been repeated up to so many times along an axis.
_MOST_REPEATED = 16

#: Of an image that says nothing of its noise.
CONSTANT = Verdict(None, ("all pixels are the same, and stay so",))

#: Of an image that nothing is removed from, since what would be cannot be noise.
NONSENSE = Verdict(
    "bad",
    (
        "what was measured is no noise that could be removed: the image comes back as "
        "it is; give the noise, if you know it",
    ),
)

#: Of an image with values beside which no noise of the others could be seen.
DROWNED_OUT = Verdict(
    "doubtful",
    (
        "some values are so far beyond most others that no noise can be seen beside "
        "them, and the image comes back as it is; cut them off (numpy.clip), or make "
        "them NaN in the file and denoise it with nan='mask' (--nan mask)",
    ),
)

# Of all values the middle half of most pixels differs by less than this share there.
_DROWNED = 1e-5

# So many deviations of the noise most pixels never change by: of patterns computed
# without any noise, what is measured is left of rounding, and may be like nothing.
_NEVER = 10.0


def is_nonsense(parts, denoised, intensities, noise):
    """Tell whether most pixels would change by much more than the noise.

    Parameters
    ----------
    parts, denoised, intensities, noise
        As for `verdicts_on`; the intensities keep the mean.

    Returns
    -------
    bool
    """
    shift = 0.0 if intensities.shift is None else intensities.shift[:, None, None]
    changes = [
        np.abs(estimate + shift - values).reshape(len(noise), -1)
        for (values, *_), estimate in zip(parts, denoised, strict=True)
    ]
    level = intensities.span * max(model.level for model in noise)
    typical = np.median(np.concatenate(changes, axis=1), axis=1)
    return bool(typical.max() > _NEVER * level)


def verdicts_on(parts, denoised, intensities, noise, measured, plan):
    """Judge by what was removed: all windows of one image at once, else each.

    Parameters
    ----------
    parts : list of tuple
        Of the windows: pixel values (C, h, w), top, left, and the window's number.
    denoised : list of ndarray of shape (C, h, w)
        The same pixels after.
    intensities : Intensities
        How they were mapped.
    noise, measured : sequence of NoiseModel
        Of every channel in units of the scaled image: as it was believed, and as it
        was measured at first.
    plan : PriorPlan
        Whether all windows are of one image, and the strength.

    Returns
    -------
    tuple of Verdict
        One, or one for every window.
    """
    low, span = intensities.data_range[0], intensities.span
    groups = {}
    for (noisy, top, left, window), estimate in zip(parts, denoised, strict=True):
        noisy = intensities.known(noisy, estimate, top, left)
        pair = [(values - low) / span for values in (noisy, estimate)]
        # What stays in its place is no noise, and has no contrast either.
        for places, before, after in zip(intensities.places or (), *pair, strict=False):
            part = (top, left, *before.shape)
            before -= places.pattern(*part)
            after -= places.scene(*part)
        groups.setdefault(0 if plan.one_image else window, []).append(pair)
    values = [values for values, *_ in parts]
    seen = [*_coloured(values), *_repeated(values), *_hum(intensities.places, noise)]
    return tuple(
        worst_of(
            [
                *seen,
                *(
                    check_result(
                        [noisy[c] for noisy, _ in group],
                        [estimate[c] for _, estimate in group],
                        noise[c],
                        strength=plan.strength,
                        measured=measured[c] if plan.noise is None else None,
                        stripes_go=_stripes_go(intensities.places, c),
                    )
                    for c in range(len(noise))
                ),
            ]
        )
        for group in groups.values()
    )


def _coloured(windows):
    """Verdicts on windows (C, h, w) in which a table has coloured intensities."""
    if len(windows[0]) == 1:
        return []
    colours = np.concatenate([w.reshape(len(w), -1).T for w in windows])
    colours = colours[:: max(1, len(colours) // _SOME)]
    different = np.unique(colours, axis=0)
    values = max(len(np.unique(channel)) for channel in different.T)
    if (
        len(colours) < _FEWEST_PIXELS
        or len(different) > _MOST_COLOURS
        or values < _FEWEST_VALUES
    ):
        return []
    along, beside = np.linalg.svd(
        colours - colours.mean(axis=0), compute_uv=False, full_matrices=False
    )[:2]
    if beside < _BENT * along:
        return []
    return [
        Verdict(
            "doubtful",
            (
                f"there are {len(different)} colours only, as of a colour table: noise "
                "that went through it is not what it was; denoise the intensities, "
                "before they are coloured",
            ),
        )
    ]


def _repeated(windows):
    """Verdicts on windows (C, h, w) whose pixels come in blocks of one value."""
    times = [repeats_along(windows, axis) for axis in (1, 2)]
    if max(times) < 2 or max(times) > _MOST_REPEATED:
        return []
    rows, columns = times
    return [
        Verdict(
            "doubtful",
            (
                f"pixels come in blocks of {rows} x {columns} of one value, as of an "
                f"enlarged image: denoise one of each, image[::{rows}, ::{columns}], "
                "and enlarge the result",
            ),
        )
    ]


def _hum(places, noise):
    """Verdicts on a wave that stays and may be hum: along lines, and by itself."""
    strength = max(
        (
            np.hypot(*one.waves[:, 2:].T).max(initial=0.0) / max(model.level, 1e-300)
            for one, model in zip(places or (), noise, strict=False)
            if not one.hum and len(one.waves) <= _FEW_WAVES and one.along().all()
        ),
        default=0.0,
    )
    if strength < 1:
        return []
    # Next to no noise a figure says nothing.
    much = f"{strength:.1f}" if strength < 100 else "many"
    return [
        Verdict(
            "doubtful",
            (
                f"a wave along rows or columns, {much} times as "
                "strong as the noise, stays; if it is hum and no scene, try "
                "stripes='remove' on one image of up to 512 x 512 pixels",
            ),
        )
    ]


def _stripes_go(places, channel):
    """Whether offsets of rows, and of columns, are taken out of a channel."""
    return (False, False) if places is None else places[channel].stripes


def verdict_on_nothing_removed(windows):
    """What can be said of images that come back as they are.

    Parameters
    ----------
    windows : list of ndarray of shape (C, h, w)
        Their pixel values.

    Returns
    -------
    Verdict
    """
    if are_flat(windows):
        return CONSTANT
    for values in zip(*(w.reshape(len(w), -1) for w in windows), strict=True):
        values = np.concatenate(values)
        low, high = middle_half(values)
        if 0 < high - low < _DROWNED * np.ptp(values):
            return DROWNED_OUT
    return Verdict(None, ("no noise was found: the image comes back as it is",))
