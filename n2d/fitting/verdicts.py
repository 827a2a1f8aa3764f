"""What a fit says of its own result, from what was removed of the windows it read."""

from n2d.fitting.plan import are_flat
from n2d.noise import Verdict, check_result, worst_of


def verdicts_on(windows, denoised, intensities, noise, measured, plan):
    """Judge by what was removed: all windows of one image at once, else each.

    Parameters
    ----------
    windows, denoised : list of ndarray of shape (C, h, w)
        Pixel values before and after.
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
    pairs = []
    for noisy, estimate in zip(windows, denoised, strict=True):
        noisy = intensities.known(noisy, estimate)
        pair = [(values - low) / span for values in (noisy, estimate)]
        # What stays in its place is no noise, and has no contrast either.
        for places, before, after in zip(intensities.places or (), *pair, strict=False):
            part = (0, 0, *before.shape)
            before -= places.pattern(*part)
            after -= places.scene(*part)
        pairs.append(pair)
    groups = [pairs] if plan.one_image else [[pair] for pair in pairs]
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
        for group in groups
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
        return Verdict()
    return Verdict(None, ("no noise was found: the image comes back as it is",))
