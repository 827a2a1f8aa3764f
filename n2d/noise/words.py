"""What is measured about the noise, in words."""

import numpy as np

# Correlations, and shares of stripes in the level, below this are not worth a word.
_SMALL = 0.02


def rows_of(model, values):
    """Say what a noise model says of pixel values.

    Parameters
    ----------
    model : NoiseModel
        Of one channel.
    values : ndarray
        Its pixels.

    Returns
    -------
    list of tuple of two str
        A name and a text each.
    """
    low, high = np.quantile(values, [0.01, 0.99])
    level = f"{model.level:.4g}, a standard deviation in units of the image"
    if high > low:
        level += f"; {model.level / (high - low):.1%} of its contrast"
    if model.spread is not None:
        known = f"known to about {model.spread:.0%}" if model.spread < 1 else "unsure"
        level += f"; {known}"
    rows = [("level", level), ("intensity", _dependence(model, low, high))]
    y, x = model.correlation[:, 0]
    if max(abs(y), abs(x)) < _SMALL:
        text = "none: pixels are independent"
    else:
        reach = max(model.reach())
        text = f"of neighbours {y:.2f} along y and {x:.2f} along x"
        if reach > 1:
            text += f"; it reaches over {reach} pixels"
    rows.append(("correlation", text))
    if model.place is None:
        text = "the same everywhere"
    else:
        text = f"{model.place.min():.2f} to {model.place.max():.2f} times the level"
    rows.append(("places", text))
    rows.append(("beside it", _beside(model)))
    return rows


def _dependence(model, low, high):
    """Say how the noise depends on intensity."""
    if model.curve is None and not model.gain:
        return "does not change the noise"
    at = np.linspace(low, high, 3)
    deviations = np.sqrt(model.variance(at))
    text = ", ".join(f"{d:.4g} at {x:.4g}" for d, x in zip(deviations, at, strict=True))
    if model.curve is not None:
        return f"the deviation is {text}"
    return (
        f"the deviation is {text}; gain {model.gain:.4g}, offset {model.offset:.4g}, "
        f"read noise {model.read_noise:.4g}"
    )


def _beside(model):
    """Say what was found that is no random noise."""
    defects, parts = model.defects, []
    if defects is not None:
        if defects.hot:
            parts.append(f"{defects.hot:.2%} of the pixels stand alone (hot or dead)")
        for name in ("rows", "columns"):
            size = getattr(defects, name)
            if size > _SMALL * model.level:
                parts.append(f"stripes of {name}, {size:.4g}")
        if n := len(defects.periods):
            parts.append(f"{n} periodic pattern{'s' * (n > 1)}")
    return "; ".join(parts) or "nothing: no stripes, hot pixels or patterns"
