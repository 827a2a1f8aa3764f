"""What was found, in plain words."""

import numpy as np

from n2d._printable import one_line
from n2d.core.progress import Cancelled

_HEADS = {
    "good": ("\N{CHECK MARK} Good", "#2e9e5b"),
    "doubtful": ("? Doubtful", "#c98a00"),
    "bad": ("\N{BALLOT X} Not to be trusted", "#d64545"),
    None: ("Not judged", "#888888"),
}
_GOOD = "what is removed looks like noise, as much of it as was measured"
# Noise that changes by less of itself with intensity is nearly the same everywhere.
_WORTH_A_WORD = 0.1


def verdict_in_words(trust):
    """Say in a few sentences how far a result can be trusted, and in which colour.

    >>> verdict_in_words({"verdict": "bad", "reasons": ["too much was removed"]})[0]
    '✗ Not to be trusted: too much was removed'
    """
    if trust is None:
        return "", _HEADS[None][1]
    head, colour = _HEADS[trust["verdict"]]
    reasons = "; ".join(trust["reasons"])
    if trust["verdict"] == "good" and not reasons:
        reasons = _GOOD
    return f"{head}: {reasons}" if reasons else head, colour


def noise_in_words(models, values):
    """Say what the noise of a plane is.

    Returns the level of the noisiest channel, in the units of the layer; in words how
    it depends on intensity, neighbours and places, where it does; and all details.
    """
    from n2d.noise.words import rows_of

    model = max(models, key=lambda one: one.level)
    details = rows_of(model, values)
    rows = dict(details)
    said = [rows["level"].partition("; ")[2].replace("; ", ", ")]
    dark, bright = np.quantile(values, [0.01, 0.99])
    least, most = np.sqrt(model.variance(np.array([dark, bright])))
    if abs(most - least) > _WORTH_A_WORD * model.level:
        said.append(f"{least:.3g} in the dark, {most:.3g} in the bright")
    if not rows["correlation"].startswith("none"):
        y, x = model.correlation[:, 0]
        said.append(f"neighbours share it ({y:.2f} along y, {x:.2f} along x)")
    if model.place is not None:
        said.append(f"from place to place {rows['places']}")
    if not rows["beside it"].startswith("nothing"):
        said.append(f"besides: {rows['beside it']}")
    lines = "\n".join(f"{name}: {text}" for name, text in details)
    return float(model.level), "; ".join(filter(None, said)), lines


def error_in_words(error):
    """Say what went wrong, in one line."""
    if isinstance(error, Cancelled):
        return "stopped: nothing was changed"
    text = one_line(error).replace("--overwrite replaces it", "choose another name")
    return text.replace(", or replace the input with --overwrite", "")
