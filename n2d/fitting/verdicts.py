"""What a fit says of its own result, from what was removed of the windows it read."""

from n2d.fitting.plan import are_flat
from n2d.noise import Verdict, check_result, worst_of

#: Of an image that says nothing of its noise.
CONSTANT = Verdict(None, ("all pixels are the same, and stay so",))


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
    return tuple(
        worst_of(
            [
                check_result(
                    [noisy[c] for noisy, _ in group],
                    [estimate[c] for _, estimate in group],
                    noise[c],
                    strength=plan.strength,
                    measured=measured[c],
                    stripes_go=_stripes_go(intensities.places, c),
                )
                for c in range(len(noise))
            ]
        )
        for group in groups.values()
    )


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
    return Verdict(None, ("no noise was found: the image comes back as it is",))
