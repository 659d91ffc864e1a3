"""How far two tables agree on the same candidates, beyond chance: Cohen's kappa."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from emgtwitch.evaluation.matching import match_times
from emgtwitch.evaluation.scores import TOLERANCE_S, inside, times_of, union
from emgtwitch.event_table import is_twitch


@dataclass(frozen=True)
class Agreement:
    """How many candidates each of two tables accepts; several are added together with ``+``.

    Attributes
    ----------
    both, only_first, only_second, neither : int
        Candidates that are twitches in both tables, in one of them, or in none.
    """

    both: int = 0
    only_first: int = 0
    only_second: int = 0
    neither: int = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        """Pool two channels, or two recordings."""
        names = [entry.name for entry in fields(self)]
        return Agreement(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def candidates(self) -> int:
        """Number of candidates."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def kappa(self) -> float:
        """Cohen's kappa (Cohen 1960, Educ Psychol Meas 20:37).

        (p_o - p_e) / (1 - p_e), with p_o the share of candidates on which the tables agree, and
        p_e the share on which they would if each kept its own share of twitches but drew them at
        random. NaN without candidates, and where each table says the same of all of them: chance
        then explains everything.
        """
        n = self.candidates
        if not n:
            return np.nan
        first, second = (self.both + self.only_first) / n, (self.both + self.only_second) / n
        chance = first * second + (1 - first) * (1 - second)
        # Exact: with a single kind of verdict the shares are 0 or 1.
        return np.nan if chance == 1 else ((self.both + self.neither) / n - chance) / (1 - chance)


def agreement(
    first: np.ndarray, second: np.ndarray, *, tolerance_s: float = TOLERANCE_S
) -> Mapping[str, Agreement]:
    """Compare what two event tables say of the same candidates, channel by channel.

    Candidates are the rows with a peak time, accepted or rejected, and all twitches; those of the
    two tables are paired one to one (`match_times`), first the twitches, then what is left. A
    candidate that a table does not have, it does not accept. Candidates in the time that the first
    table excludes, its intervals without a peak, are left out: nothing there is counted or
    reviewed.

    Parameters
    ----------
    first, second
        Event tables (`emgtwitch.event_table`); channels are matched by name.
    tolerance_s
        Greatest distance in time of a pair, s.
    """
    return {
        str(name): _agreement(
            first[first["channel"] == name], second[second["channel"] == name], tolerance_s
        )
        for name in sorted({*first["channel"], *second["channel"]})
    }


def _agreement(first: np.ndarray, second: np.ndarray, tolerance_s: float) -> Agreement:
    excluded = union(first[~_is_candidate(first)])
    first, second = (
        table[_is_candidate(table) & ~inside(times_of(table), excluded)]
        for table in (first, second)
    )
    ours, theirs = is_twitch(first), is_twitch(second)
    i, j = match_times(times_of(first[ours]), times_of(second[theirs]), tolerance_s)
    both = len(i)
    only_first, only_second = int(ours.sum()) - both, int(theirs.sum()) - both
    rest_of_first = np.delete(times_of(first), np.flatnonzero(ours)[i])
    rest_of_second = np.delete(times_of(second), np.flatnonzero(theirs)[j])
    pairs = both + len(match_times(rest_of_first, rest_of_second, tolerance_s)[0])
    n = len(first) + len(second) - pairs
    return Agreement(both, only_first, only_second, n - both - only_first - only_second)


def _is_candidate(table: np.ndarray) -> np.ndarray:
    return np.isfinite(table["peak_time"]) | is_twitch(table)
