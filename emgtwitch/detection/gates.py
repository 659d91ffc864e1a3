"""The gates: what a candidate must not be. Each returns the reason for a rejection.

The reasons are the words of the event table's ``reason`` column.
"""

from dataclasses import dataclass

import numpy as np

from emgtwitch.detection.candidates import MOST_SHARED, Candidate, likeness
from emgtwitch.detection.settings import Preset
from emgtwitch.detection.units import FiringUnits

# By needle, potentials last up to 37 ms (de Carvalho & Swash 2013); sampling adds to each end.
LONGEST_S, ENDS = 0.038, 2
# Swing below 20 Hz, above which it is motion: as a share of the amplitude, less if the candidate is
# smooth itself, and of the noise.
SLOW_SHARE, SMOOTH_SLOW_SHARE, SLOW_SD = 1.0, 0.5, 4.0
SMOOTH_JUMP = 0.18  # a candidate that rises by less of its amplitude within a millisecond is smooth
JUMP_SHARE = 0.62  # of the amplitude within a millisecond: an electrode pop
# Steps of the converter, peak to peak: where the noise just reaches the codes above and below, a
# flip up beside a flip down makes less, at any place of the signal between the codes
# (`benchmarks/coarse_converter.py`).
LEAST_LSB = 2.9
ALIKE, SAME = 0.7, 0.8
LEAST_TREND = 5  # intervals, from which on a steady change can be told from chance


@dataclass(frozen=True)
class Rhythm:
    """Which run of alike potentials is a regular train: a firing motor unit."""

    intervals: int
    shortest_s: float
    longest_s: float
    mean_s: tuple[float, float]
    variation: float


# Voluntary units start at 5 to 12 per second with intervals that vary by 10 to 25 %; there a few
# intervals must do, since a decision takes at most a second. At other rates, as in short chains of
# fasciculations, more are needed; and the more intervals, the less can chance make them regular.
RHYTHMS = (
    Rhythm(4, 0.08, 0.26, (0.1, 0.2), 0.22),
    Rhythm(5, 0.05, 0.26, (0.08, 0.2), 0.27),
    Rhythm(7, 0.025, 0.26, (0.03, 0.25), 0.34),
    # A unit in a cramp: 14.5 +- 5.1 per second, coefficient of variation 0.45 (Minetto 2009).
    Rhythm(9, 0.003, 0.2, (0.03, 0.115), 0.5),
)
# A unit that has fired the long rhythm fires voluntarily again as soon as it does the short one.
LONG_RHYTHM = Rhythm(7, 0.04, 0.26, (0.05, 0.22), 0.34)
SHORT_RHYTHM = Rhythm(2, 0.035, 0.28, (0.05, 0.22), 0.6)
DENSE = 11  # candidates within one second: faster than any twitching known, 300 a minute
CROSSTALK = 0.2  # 6 to 17 % of a neighbour are seen through it (PMC5643316, PubMed 2453334)
# What another channel shares with a candidate is at least so many times its noise, and what it does
# not share has at most so many times that energy.
SHARED_SD, MOST_REST = 3.5, 0.5
COMMON_LAG = 0.75  # of the best fit at any lag, that without a lag has
# The heart and the mains are far from both legs, so that neither shows them much smaller than the
# other; a twitch that the other's noise happens to resemble is.
COMMON_SHARE = 0.33
TINY = 1e-300  # instead of a division by zero


def shape_reason(candidate: Candidate, lsb_uv: float, sfreq: float) -> str:
    """Return why a candidate cannot be a motor unit potential, or an empty text."""
    if candidate.amplitude_uv < LEAST_LSB * lsb_uv:
        return "converter step"
    if candidate.offset_s - candidate.onset_s > LONGEST_S + ENDS / sfreq:
        return "too long"
    slow = SMOOTH_SLOW_SHARE if candidate.jump_share < SMOOTH_JUMP else SLOW_SHARE
    if candidate.slow_uv > max(slow * candidate.amplitude_uv, SLOW_SD * candidate.noise_sd):
        return "motion"
    if candidate.jump_share > JUMP_SHARE:
        return "pop"
    return ""


def train_span(
    candidate: Candidate, around: list[Candidate], preset: Preset, firing: FiringUnits
) -> tuple[float, float] | None:
    """Return start and end of the regular train that a candidate belongs to, or None.

    Voluntary motor units fire regularly (coefficient of variation of the intervals 0.1 to 0.25),
    fasciculations do not. A train is a run of potentials alike in shape and size; one of a unit
    that is known to fire so may be short.
    """
    if len(around) <= SHORT_RHYTHM.intervals:
        return None
    alike = likeness(candidate.shape, np.array([other.shape for other in around]))
    alike[[other is candidate for other in around]] = 1.0  # which a shift may hide
    times = np.array([other.centre_s for other in around])
    same = times[alike > SAME]
    if _regular_span(candidate, same, LONG_RHYTHM, preset):
        firing.learn(candidate.shape)
    if firing.knows(candidate.shape):
        span = _regular_span(candidate, same, SHORT_RHYTHM, preset)
        if span:
            return span
    spans = [_regular_span(candidate, times[alike > ALIKE], rhythm, preset) for rhythm in RHYTHMS]
    return next((span for span in spans if span), None)


def _regular_span(
    candidate: Candidate, times: np.ndarray, rhythm: Rhythm, preset: Preset
) -> tuple[float, float] | None:
    """Return start and end of the first run of a rhythm that holds the candidate, or None."""
    me = int(np.argmin(np.abs(times - candidate.centre_s)))
    intervals = np.diff(times)
    n = rhythm.intervals
    for first in range(max(0, me - n), min(me, len(intervals) - n) + 1):
        part = intervals[first : first + n]
        mean = part.mean()
        if (
            part.min() > rhythm.shortest_s
            and part.max() < rhythm.longest_s
            and rhythm.mean_s[0] < mean < rhythm.mean_s[1]
            and _scatter(part) < preset.regularity * rhythm.variation * mean
        ):
            return float(times[first]), float(times[first + n])
    return None


def _scatter(intervals: np.ndarray) -> float:
    """Return the standard deviation about a straight line: effort quickens a unit steadily."""
    n = len(intervals)
    if n < LEAST_TREND:
        return float(intervals.std(ddof=1))
    steps = np.arange(n) - (n - 1) / 2
    spread = float(np.square(intervals - intervals.mean()).sum())
    trend = float(steps @ intervals) ** 2 / float(steps @ steps)
    return float(np.sqrt(max(spread - trend, 0) / (n - 2)))


def shared_reason(
    candidate: Candidate,
    waves: np.ndarray,
    noise_sd: np.ndarray,
    other_leg: np.ndarray,
    n_other_leg: int,
    score_limit: float,
) -> str:
    """Return why a candidate that other channels show at the same time is rejected.

    Parameters
    ----------
    candidate
        The one to judge.
    waves
        ``(n_others, n_shape + 2 * n)`` what the other channels have at the same time, and some
        samples before and after: a wave that fits better then is another one.
    noise_sd
        ``(n_others,)`` their noise.
    other_leg
        ``(n_others,)`` bool: known to be on the other leg.
    n_other_leg
        Channels there are on the other leg: at least half of them must show a common-mode wave.
    score_limit
        Threshold of the statistic.
    """
    size = float(np.linalg.norm(candidate.shape))
    n = len(candidate.shape)
    lags = np.arange(waves.shape[1] - n + 1)
    shared = np.stack([np.abs(waves[:, lag : lag + n] @ candidate.shape) for lag in lags], axis=1)
    middle = len(lags) // 2
    together = shared[:, middle] >= COMMON_LAG * shared.max(axis=1)
    shared = shared[:, middle] / size
    energy = np.square(waves[:, middle : middle + n]).sum(axis=1)
    rest = energy - shared**2
    seen = together & (shared > SHARED_SD * noise_sd)
    seen &= rest < 1.5 * n * noise_sd**2 + MOST_REST * shared**2
    # What the others cannot explain must be enough for a candidate of its own.
    most = np.where(other_leg, MOST_SHARED, CROSSTALK) / size
    seen_through = np.minimum(shared / np.maximum(energy, TINY), most)
    own = 1 - seen_through * (2 * shared - seen_through * energy)
    explained = candidate.score * own < score_limit
    if (~other_leg & (explained | seen & (size < CROSSTALK * shared))).any():
        return "crosstalk"
    seen |= explained & (shared > SHARED_SD * noise_sd)
    common = seen & other_leg & (shared > COMMON_SHARE * size)
    if common.any() and common.sum() >= n_other_leg / 2:
        return "common-mode"
    return ""
