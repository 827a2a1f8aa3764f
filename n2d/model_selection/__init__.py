"""Choosing among denoisers and their parameters, with or without clean images."""

from n2d.model_selection.score import Judgement, judge, self_supervised_score
from n2d.model_selection.scorers import (
    DenoisingScorer,
    get_scorer,
    get_scorer_names,
)
from n2d.model_selection.split import SingleImageSplit

__all__ = [
    "DenoisingScorer",
    "Judgement",
    "SingleImageSplit",
    "get_scorer",
    "get_scorer_names",
    "judge",
    "self_supervised_score",
]
