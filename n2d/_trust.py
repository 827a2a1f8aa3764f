"""How far a result can be trusted, as an estimator tells it."""

import warnings
from collections import Counter
from dataclasses import replace

from sklearn.utils import Bunch

from n2d.noise import NoiseWarning, Verdict, worst_of
from n2d.noise.check import of_windows

_NOT_CHECKED = Verdict(
    None, ("not checked: with random weights the noise is not measured",)
)


def trust_of(verdicts, whole):
    """Lay out verdicts (none where nothing was checked) as a Bunch for users.

    `whole`: of whole images, rather than of windows of them.
    """
    verdicts = list(verdicts) or [_NOT_CHECKED]
    found = worst_of(verdicts) if whole else of_windows(verdicts)
    if whole and found.verdict is not None:
        unchecked = Counter(v.reasons[0] for v in verdicts if v.verdict is None)
        said = (f"{n} of {len(verdicts)} images: {why}" for why, n in unchecked.items())
        found = replace(found, reasons=(*found.reasons, *said))
    images = [_bunch(verdict) for verdict in verdicts]
    return Bunch(**_bunch(found), images=images, whole=bool(whole))


def worst_of_fits(trusts):
    """Sum up what `trust_of` gave for several fits, at least one; JSON can hold it.

    ``noise`` is the level over the contrast of the image, the largest, or None.
    """
    found = worst_of([Verdict(t.verdict, t.reasons, t.figures) for t in trusts])
    shares = [t.figures["contrast"] for t in trusts if "contrast" in t.figures]
    return {
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "noise": round(max(shares), 4) if shares else None,
    }


def in_one_sentence(trust):
    """Say what is wrong with a result, and what to do; None where nothing is known."""
    if trust.verdict not in ("doubtful", "bad"):
        return None
    how = "is doubtful" if trust.verdict == "doubtful" else "is not to be trusted"
    return f"the result {how}: {trust.reasons[0]}"


def warn_unless_trusted(trust):
    """Warn where a result is doubtful or bad."""
    sentence = in_one_sentence(trust)
    if sentence is not None:
        warnings.warn(sentence, NoiseWarning, stacklevel=3)


def _bunch(verdict):
    figures = {name: float(value) for name, value in verdict.figures.items()}
    return Bunch(verdict=verdict.verdict, reasons=verdict.reasons, figures=figures)
