"""The gates: what a candidate must not be. Each returns the reason for a rejection.

The reasons are the words of the event table's ``reason`` column.
"""

import numpy as np

from emgtwitch.detection.candidates import Candidate, likeness
from emgtwitch.detection.settings import Preset

LONGEST_S = 0.035  # surface potentials last 5-25 ms (detection by needle: up to 37 ms)
SLOW_SHARE = 1.5  # swing below 20 Hz over the amplitude, above which it is motion
SLOW_SD = 4.0  # swing that noise alone may have
JUMP_SHARE = 0.75  # of the amplitude from one sample to the next (per millisecond)
LEAST_LSB = 1.6  # steps of the converter, peak to peak
ALIKE = 0.7
TRAIN_INTERVALS_S = (0.028, 0.26)  # 4 to 35 per second
TRAIN_S = 0.4  # a train lasts at least so long
TRAIN_LEAST = 3  # and has so many intervals
DENSE = 11  # candidates within one second: faster than any twitching known, 300 a minute
BOTH_S = 0.002  # candidates of two channels at most this far apart are one event
CROSSTALK = 0.2  # 6 to 17 % of a neighbour are seen through it (PMC5643316, PubMed 2453334)
COMMON_ALIKE = 0.8


def shape_reason(candidate: Candidate, preset: Preset, lsb_uv: float) -> str:
    """Return why a candidate cannot be a motor unit potential, or an empty text."""
    if candidate.amplitude_uv < LEAST_LSB * lsb_uv:
        return "converter step"
    if candidate.offset_s - candidate.onset_s > LONGEST_S:
        return "too long"
    if candidate.slow_uv > SLOW_SHARE * candidate.amplitude_uv + SLOW_SD * candidate.noise_sd:
        return "motion"
    if candidate.jump_share > JUMP_SHARE:
        return "pop"
    return ""


def train_span(
    candidate: Candidate, around: list[Candidate], preset: Preset
) -> tuple[float, float] | None:
    """Return start and end of the regular train that a candidate belongs to, or None.

    Voluntary motor units fire regularly (coefficient of variation of the intervals 0.1 to 0.25),
    fasciculations do not. A train is a run of potentials alike in shape and size.
    """
    alike = likeness(candidate.shape, np.array([other.shape for other in around])) > ALIKE
    times = np.array([other.peak_s for other, a in zip(around, alike, strict=True) if a])
    if len(times) <= TRAIN_LEAST:
        return None
    me = int(np.argmin(np.abs(times - candidate.peak_s)))
    intervals = np.diff(times)
    low, high = TRAIN_INTERVALS_S
    fits = (intervals > low) & (intervals < high)
    for count in range(TRAIN_LEAST, 9):
        for first in range(max(0, me - count), min(me, len(intervals) - count) + 1):
            run = slice(first, first + count)
            part = intervals[run]
            if (
                fits[run].all()
                and part.sum() >= TRAIN_S
                and part.std(ddof=1) < preset.rhythm_cv * part.mean()
            ):
                return float(times[first]), float(times[first + count])
    return None


def shared_reason(
    candidate: Candidate, others: list[Candidate], sides: list[str | None]
) -> str:
    """Return why a candidate that other channels show at the same time is rejected.

    Parameters
    ----------
    candidate
        The one to judge.
    others
        Those of other channels within `BOTH_S` of it.
    sides
        Side of the body of each channel, None where unknown.
    """
    if not others:
        return ""
    alike = np.abs(likeness(candidate.shape, np.array([other.shape for other in others]), sized=False))
    for other, a in zip(others, alike, strict=True):
        if a < COMMON_ALIKE:
            continue
        if candidate.amplitude_uv < CROSSTALK * other.amplitude_uv:
            return "crosstalk"
        both_legs = {sides[candidate.channel], sides[other.channel]} == {"left", "right"}
        if both_legs and other.amplitude_uv > CROSSTALK * candidate.amplitude_uv:
            return "common-mode"
    return ""
