"""Judge a detector: match its events to the true ones, and count."""

from emgtwitch.evaluation.matching import match_times
from emgtwitch.evaluation.scores import Score, Scores, evaluate

__all__ = ["Score", "Scores", "evaluate", "match_times"]
