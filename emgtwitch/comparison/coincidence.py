"""Twitches on both sides at once, against what chance alone would bring."""

from dataclasses import dataclass

import numpy as np

from emgtwitch.comparison.trains import Train, both_valid, inside

NEAR_S = 0.025  # as near as detections and true twitches must be to be taken for the same
LEAST_SHIFT_S = 1.0
SHIFTS = 499


@dataclass(frozen=True)
class Coincidence:
    """Twitches of one side with one of the other within 25 ms.

    Attributes
    ----------
    observed
        How many of the left have a partner on the right.
    expected, low, high
        Mean and middle 95 % of that number when the right side is shifted in time.
    p
        Share of the shifts, the true place included, with at least as many.
    left, right
        Twitches within the time that is valid on both sides.
    valid_min
        That time, min.
    """

    observed: int
    expected: float
    low: float
    high: float
    p: float
    left: int
    right: int
    valid_min: float


def coincidence(left: Train, right: Train) -> Coincidence | None:
    """Return how often both sides twitch at once.

    More than chance brings points to an artefact that both channels saw, or to a common cause.
    The right side is shifted along the time that is valid on both sides, and around its end, by
    `SHIFTS` steps that cover it evenly from 1 s on: each side keeps its bursts and its rhythm,
    only the relation between the sides is broken.

    Returns
    -------
    Coincidence or None
        None where less than a minute is valid on both sides, or one side has no twitch in it.
    """
    spans = both_valid(left, right)
    total_s = float(np.diff(spans).sum())
    times = [train.times_s[inside(spans, train.times_s)] for train in (left, right)]
    if total_s < 60 or not all(len(side) for side in times):
        return None
    edges = spans.ravel()
    lengths = np.diff(edges, prepend=edges[0])
    lengths[::2] = 0
    ours, theirs = (np.interp(side, edges, np.cumsum(lengths)) for side in times)
    shifts = np.linspace(LEAST_SHIFT_S, total_s - LEAST_SHIFT_S, SHIFTS)[:, None]
    by_chance = _partners((ours - shifts) % total_s, theirs, total_s)
    observed = int(_partners(ours, theirs, total_s))
    low, high = np.quantile(by_chance, (0.025, 0.975))
    return Coincidence(
        observed,
        float(by_chance.mean()),
        float(low),
        float(high),
        float((1 + (by_chance >= observed).sum()) / (1 + SHIFTS)),
        len(ours),
        len(theirs),
        total_s / 60,
    )


def _partners(ours: np.ndarray, theirs: np.ndarray, total_s: float) -> np.ndarray:
    """Return how many of ours, along the last axis, have one of theirs within `NEAR_S`.

    The time is a circle: its end is near to its beginning.
    """
    around = np.concatenate((theirs - total_s, theirs, theirs + total_s))
    first = np.searchsorted(around, ours - NEAR_S)
    last = np.searchsorted(around, ours + NEAR_S, side="right")
    return np.asarray((last > first).sum(axis=-1))
