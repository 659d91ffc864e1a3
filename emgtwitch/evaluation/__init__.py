"""Judge a detector: match its events to the true ones, and count."""

from emgtwitch.evaluation.agreement import Agreement, agreement
from emgtwitch.evaluation.matching import match_times
from emgtwitch.evaluation.scores import Score, Scores, evaluate

__all__ = ["Agreement", "Score", "Scores", "agreement", "evaluate", "match_times"]
