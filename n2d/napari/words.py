"""What was found, in plain words."""

from n2d._printable import one_line
from n2d.core.progress import Cancelled

_HEADS = {
    "good": ("\N{CHECK MARK} Good", "#2e9e5b"),
    "doubtful": ("? Doubtful", "#c98a00"),
    "bad": ("\N{BALLOT X} Not to be trusted", "#d64545"),
    None: ("Not judged", "#888888"),
}
_GOOD = "what was removed looks like noise, as much of it as was measured"


def verdict_in_words(trust):
    """Say how far a result can be trusted.

    Parameters
    ----------
    trust : dict or None
        With ``verdict`` and ``reasons``; None where the method does not judge itself.

    Returns
    -------
    text : str
        One or a few sentences, "" where there is nothing to say.
    colour : str
        For the text.

    Examples
    --------
    >>> from n2d.napari.words import verdict_in_words
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

    Parameters
    ----------
    models : tuple of NoiseModel
        One for each channel.
    values : ndarray
        Pixels of the plane.

    Returns
    -------
    level : float
        In the units of the layer, of the noisiest channel.
    text : str
        How it depends on intensity, neighbours and places.
    """
    from n2d.noise.words import rows_of

    model = max(models, key=lambda one: one.level)
    rows = dict(rows_of(model, values))
    usual = {
        "intensity": "does not change the noise",
        "correlation": "none: pixels are independent",
        "places": "the same everywhere",
    }
    said = [rows["level"].partition(", ")[2].partition("; ")[2] or ""]
    said += [f"{k}: {rows[k]}" for k, v in usual.items() if rows[k] != v]
    if not rows["beside it"].startswith("nothing"):
        said.append(f"beside it: {rows['beside it']}")
    return float(model.level), "; ".join(part for part in said if part)


def error_in_words(error):
    """Say what went wrong, in one line."""
    if isinstance(error, Cancelled):
        return "stopped: nothing was changed"
    return one_line(error).replace("--overwrite replaces it", "choose another name")
