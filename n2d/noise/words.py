"""What is measured about the noise, in words."""

import numpy as np

# Correlations, and shares of stripes in the level, below this are not worth a word.
_SMALL = 0.02
# Noise that changes by less of itself with intensity is nearly the same everywhere.
_WORTH_A_WORD = 0.1
# What a level is, as a share of the contrast, to the eye.
_LOOKS = (
    (0.02, "hardly to be seen"),
    (0.1, "seen in even places"),
    (0.5, "plain to see"),
    (np.inf, "little else is to be seen"),
)


def rows_of(model, values):
    """Say what a noise model says of pixel values.

    Parameters
    ----------
    model : NoiseModel
        Of one channel.
    values : ndarray
        Its pixels, best without their noise, which adds to their contrast.

    Returns
    -------
    list of tuple of two str
        A name and a text each.
    """
    low, middle, high = np.quantile(values, [0.01, 0.5, 0.99])
    level = f"{model.level:.4g}, a standard deviation in units of the image"
    if high > low:
        share = model.level / (high - low)
        level += f"; {in_percent(share)} of its contrast: {_how_plain(share)}"
    if model.spread is not None:
        known = f"known to about {model.spread:.0%}" if model.spread < 1 else "unsure"
        level += f"; {known}"
    off = float(np.sqrt(model.variance(np.array([middle]))[0]))
    means = (
        f"a pixel that should be {middle:.4g} reads between {middle - off:.4g} and "
        f"{middle + off:.4g}, two times out of three"
    )
    rows = [
        ("level", level),
        ("that is", means),
        ("brightness", _dependence(model, low, middle, high)),
    ]
    if model.curve is None and rows[-1][1].startswith("bright"):
        rows.append(("detector", detector_in_words(model)))
    y, x = model.correlation[:, 0]
    if max(abs(y), abs(x)) < _SMALL:
        text = "none: pixels are independent"
    else:
        reach = max(model.reach())
        text = f"neighbours share their noise: {y:.2f} along y and {x:.2f} along x"
        text += ", where 0 is none and 1 all"
        if reach > 1:
            text += f"; it reaches over {reach} pixels, like grain"
    rows.append(("correlation", text))
    if model.place is None:
        text = "the same everywhere"
    else:
        text = f"{model.place.min():.2f} to {model.place.max():.2f} times the level"
    rows.append(("places", text))
    rows.append(("beside it", _beside(model)))
    return rows


def in_percent(share):
    """Write down a share; of less than a tenth with a digit more."""
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"


def _how_plain(share):
    """Say how noise of a share of the contrast looks."""
    return next(text for most, text in _LOOKS if share < most)


def _dependence(model, low, middle, high):
    """Say how the noise depends on intensity."""
    at = np.array([low, middle, high])
    found = np.sqrt(model.variance(at))
    if model.curve is None and not model.gain:
        return "the same in dark and bright places"
    text = "hardly matters"
    if abs(found[2] - found[0]) > _WORTH_A_WORD * model.level:
        more = "bright" if found[2] > found[0] else "dark"
        text = f"{more} places are noisier"
    each = zip(found, at, strict=True)
    return f"{text}: " + ", ".join(f"{d:.3g} where it is {x:.4g}" for d, x in each)


def detector_in_words(*models):
    """Say what models of channels take the detector for, one that counts photons."""

    def each(name):
        return ", ".join(f"{getattr(model, name):.4g}" for model in models)

    return (
        f"gain {each('gain')} (units for a photon, if it counts photons), offset "
        f"{each('offset')} (in the dark), read noise {each('read_noise')} (there)"
    )


def _beside(model):
    """Say what was found that is no random noise."""
    defects, parts = model.defects, []
    if defects is not None:
        if defects.hot:
            parts.append(f"{defects.hot:.2%} of the pixels stand alone (hot or dead)")
        if model.stuck:
            share = sum(share for _, _, share in model.stuck)
            values = " and ".join(f"{value:.4g}" for value, *_ in model.stuck)
            parts.append(f"{share:.2%} of the pixels are stuck at {values}")
        for name in ("rows", "columns"):
            size = getattr(defects, name)
            if size > _SMALL * model.level:
                parts.append(f"stripes of {name}, {size:.4g}")
        if n := len(defects.periods):
            parts.append(f"{n} periodic pattern{'s' * (n > 1)}")
    return "; ".join(parts) or "nothing: no stripes, hot pixels or patterns"
