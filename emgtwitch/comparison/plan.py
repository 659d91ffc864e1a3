"""How long, and how often, to record in order to see a ratio."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtr, ndtri, stdtrit

from emgtwitch.detection.rates import CONFIDENCE

POWER = 0.8
RATIOS = (1.5, 2.0, 3.0)
MINUTES = (10.0, 30.0, 60.0, 420.0)
MOST_RECORDINGS = 200
_UPPER = (1 + CONFIDENCE) / 2


@dataclass(frozen=True)
class Plan:
    """What it takes to see a ratio of two rates in four of five attempts.

    Attributes
    ----------
    ratio
        The true ratio of the higher rate to the lower one.
    twitches
        On the side with the lower rate, in one recording.
    one_recording_min
        Valid minutes of a single recording in which that many are counted, for a ratio that
        holds for this recording only; infinite at a rate of 0.
    recordings
        For each of the lengths asked for, how many such recordings show that the ratio holds
        across recordings; None if more than `MOST_RECORDINGS`.
    """

    ratio: float
    twitches: int
    one_recording_min: float
    recordings: tuple[int | None, ...]


def plan(
    per_min: float,
    *,
    dispersion: float = 1.0,
    log_sd: float,
    ratios: Sequence[float] = RATIOS,
    minutes: Sequence[float] = MINUTES,
) -> tuple[Plan, ...]:
    """Return what it takes to see each ratio with a power of 80 % at a level of 95 %.

    Parameters
    ----------
    per_min
        Rate of the side that twitches less, per minute.
    dispersion
        Variance of counts over that of Poisson counts within a recording, at least 1.
    log_sd
        Standard deviation, between recordings, of the logarithm of the true ratio.
    ratios, minutes
        True ratios, and valid minutes per recording.

    Notes
    -----
    One recording: the normal approximation for the logarithm of a ratio of counts, whose variance
    is the dispersion times 1/a + 1/b. Several: the t test of the mean logarithm, by the
    noncentral t distribution.
    """
    plans = []
    for ratio in ratios:
        effect = np.log(ratio)
        # Counting variance of the log ratio is this over the twitches on the lower side.
        spread = dispersion * (1 + 1 / ratio)
        twitches = spread * ((ndtri(_UPPER) + ndtri(POWER)) / effect) ** 2
        needed = tuple(
            _recordings(effect, np.sqrt(log_sd**2 + spread / max(per_min * length, 1e-9)))
            for length in minutes
        )
        alone = twitches / per_min if per_min > 0 else float("inf")
        plans.append(Plan(ratio, int(np.ceil(twitches)), float(alone), needed))
    return tuple(plans)


def _recordings(effect: float, sd: float) -> int | None:
    """Return the smallest number of recordings, from 3 up, whose t test has the power."""
    n = np.arange(3, MOST_RECORDINGS + 1)
    power = 1 - nctdtr(n - 1, effect / sd * np.sqrt(n), stdtrit(n - 1, _UPPER))
    enough = n[power >= POWER]
    return int(enough[0]) if len(enough) else None
