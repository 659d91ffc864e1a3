"""Counts and errors of an event table, judged against the truth."""

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.evaluation.matching import match_times
from emgtwitch.event_table import FASCICULATION, TRIAL_TYPES, is_twitch

TOLERANCE_S = 0.025
# Potentials of one muscle last 5 to 25 ms on the skin; closer than this they are one complex wave.
RESOLVED_S = 0.03
NUISANCES = tuple(kind for kind in TRIAL_TYPES if kind != FASCICULATION)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


@dataclass(frozen=True)
class Score:
    """Counts and errors of one channel, or of several added together with ``+``.

    Attributes
    ----------
    true_positives, false_alarms, missed : int
        Detections matched to a true twitch, detections matched to none, true twitches without one.
    ignored : int
        Detections that are neither right nor wrong: matched to a true twitch that is not judged, or
        below the wanted signal-to-noise ratio themselves.
    hours : float
        Channel-hours judged; NaN if unknown.
    timing_errors_s : tuple of float
        Detected minus true time of every true positive, s.
    amplitude_ratios : tuple of float
        Detected over true amplitude of every true positive that has both.
    nuisance_s, nuisance_false_alarms : dict
        For each nuisance of the truth: its seconds, and the false alarms inside it.

    Notes
    -----
    A ratio without a denominator is NaN: precision without detections, recall without twitches.
    """

    true_positives: int = 0
    false_alarms: int = 0
    missed: int = 0
    ignored: int = 0
    hours: float = 0.0
    timing_errors_s: tuple[float, ...] = ()
    amplitude_ratios: tuple[float, ...] = ()
    nuisance_s: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(NUISANCES, 0.0))
    nuisance_false_alarms: Mapping[str, int] = field(
        default_factory=lambda: dict.fromkeys(NUISANCES, 0)
    )

    def __add__(self, other: "Score") -> "Score":
        """Pool two scores, as of two channels or two recordings."""

        def pooled(name: str) -> Any:
            ours, theirs = getattr(self, name), getattr(other, name)
            if isinstance(ours, Mapping):
                return {kind: ours[kind] + theirs[kind] for kind in NUISANCES}
            return ours + theirs

        return Score(**{entry.name: pooled(entry.name) for entry in fields(Score)})

    @property
    def precision(self) -> float:
        """Share of the detections that are twitches."""
        return _ratio(self.true_positives, self.true_positives + self.false_alarms)

    @property
    def recall(self) -> float:
        """Share of the twitches that were detected."""
        return _ratio(self.true_positives, self.true_positives + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = 2 * self.true_positives
        return _ratio(both, both + self.false_alarms + self.missed)

    @property
    def count_bias(self) -> float:
        """Counted twitches over true twitches, less 1: +0.1 counts 10 % too many."""
        return _ratio(self.false_alarms - self.missed, self.true_positives + self.missed)

    @property
    def false_alarms_per_hour(self) -> float:
        """False alarms per channel-hour."""
        return _ratio(self.false_alarms, self.hours)

    @property
    def median_timing_error_s(self) -> float:
        """Median absolute timing error, s."""
        return self._timing_error_s(50)

    @property
    def p95_timing_error_s(self) -> float:
        """95th percentile of the absolute timing error, s."""
        return self._timing_error_s(95)

    def _timing_error_s(self, percentile: float) -> float:
        errors = np.abs(self.timing_errors_s)
        return float(np.percentile(errors, percentile)) if errors.size else np.nan

    @property
    def amplitude_error(self) -> float:
        """Median absolute relative error of the amplitude: 0.1 is 10 %."""
        errors = np.abs(np.subtract(self.amplitude_ratios, 1))
        return float(np.median(errors)) if errors.size else np.nan

    def false_alarms_per_minute(self, *nuisances: str) -> float:
        """Return the false alarms per minute inside nuisances of these kinds."""
        inside = sum(self.nuisance_false_alarms[kind] for kind in nuisances)
        return _ratio(60 * inside, sum(self.nuisance_s[kind] for kind in nuisances))


@dataclass(frozen=True)
class Scores:
    """What `evaluate` returns: the score of every channel."""

    channels: Mapping[str, Score]

    @property
    def total(self) -> Score:
        """All channels together."""
        return sum(self.channels.values(), Score())


def evaluate(
    detected: np.ndarray,
    truth: np.ndarray,
    *,
    tolerance_s: float = TOLERANCE_S,
    min_snr: float | None = None,
    hours: Mapping[str, float] | float | None = None,
) -> Scores:
    """Judge detected events against the true ones, channel by channel.

    A detection is a row for which `is_twitch` holds. Detections and true twitches of one channel
    are paired one to one (`match_times`); a detection without a partner is a false alarm, inside
    a nuisance or not. Of true twitches closer than 30 ms only the largest is judged, since on the
    skin they are one wave: a detection of another of them is neither a hit nor a false alarm.

    Parameters
    ----------
    detected, truth
        Event tables (`emgtwitch.event_table`); channels are matched by name. A nuisance is a row
        of the truth of another type than fasciculation.
    tolerance_s
        Greatest distance in time of a pair, s. The default is that of the published comparison of
        peers, 25 ms.
    min_snr
        Leave out twitches of a smaller signal-to-noise ratio (or unknown, in the truth): true
        ones are neither hits nor misses, and a detection paired with one, or without a partner
        and itself smaller, is ignored; unless it lies in a nuisance, where it stays false.
    hours
        Duration judged, per channel name or the same for every channel; a channel without it has
        no rate of false alarms.

    Raises
    ------
    InputError
        The tolerance is not positive, or hours are negative or not finite.
    """
    if not 0 < tolerance_s < np.inf:
        raise InputError(f"the tolerance must be above 0 s, not {tolerance_s}")
    if min_snr is not None and np.isnan(min_snr):
        raise InputError("the least signal-to-noise ratio must be a number")
    names = set(detected["channel"]) | set(truth["channel"])
    if isinstance(hours, Mapping):
        names |= set(hours)
    channels = {
        str(name): _score(
            detected[detected["channel"] == name],
            truth[truth["channel"] == name],
            tolerance_s,
            -np.inf if min_snr is None else min_snr,
            _hours_of(str(name), hours),
        )
        for name in sorted(names)
    }
    return Scores(channels)


def _hours_of(name: str, hours: Mapping[str, float] | float | None) -> float:
    own = hours.get(name) if isinstance(hours, Mapping) else hours
    if own is None:
        return np.nan
    if not 0 <= own < np.inf:
        raise InputError(f"channel {name}: the hours must be a number from 0 up, not {own}")
    return float(own)


def _score(
    detected: np.ndarray, truth: np.ndarray, tolerance_s: float, min_snr: float, hours: float
) -> Score:
    found, twitches = detected[is_twitch(detected)], truth[is_twitch(truth)]
    found_s, true_s = times_of(found), times_of(twitches)
    judged = np.ones(len(twitches), bool) if min_snr == -np.inf else twitches["snr"] >= min_snr
    judged &= ~_beside_larger(true_s, twitches["amplitude_uv"])
    found_index, hit = match_times(found_s, true_s[judged], tolerance_s)
    true_index = np.flatnonzero(judged)[hit]
    spans = {kind: union(truth[truth["trial_type"] == kind]) for kind in NUISANCES}
    rest = np.delete(np.arange(len(found)), found_index)
    explained, _ = match_times(found_s[rest], true_s[~judged], tolerance_s)
    rest = np.delete(rest, explained)
    small = (found["snr"][rest] < min_snr) & ~np.any(
        [inside(found_s[rest], span) for span in spans.values()], axis=0
    )
    alone = found_s[rest[~small]]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = found["amplitude_uv"][found_index] / twitches["amplitude_uv"][true_index]
    return Score(
        true_positives=len(found_index),
        false_alarms=len(alone),
        missed=int(judged.sum()) - len(found_index),
        ignored=len(explained) + int(small.sum()),
        hours=hours,
        timing_errors_s=tuple((found_s[found_index] - true_s[true_index]).tolist()),
        amplitude_ratios=tuple(ratios[np.isfinite(ratios)].tolist()),
        nuisance_s={kind: float(np.sum(spans[kind] @ [-1, 1])) for kind in NUISANCES},
        nuisance_false_alarms={
            kind: int(inside(alone, span).sum()) for kind, span in spans.items()
        },
    )


def _beside_larger(times_s: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """Return which true twitches lie within `RESOLVED_S` of a larger one that counts."""
    beside = np.zeros(len(times_s), dtype=bool)
    kept: list[float] = []
    for index in np.argsort(-np.nan_to_num(amplitudes), kind="stable"):
        time = float(times_s[index])
        place = bisect(kept, time)
        near = kept[max(place - 1, 0) : place + 1]
        beside[index] = any(abs(time - other) < RESOLVED_S for other in near)
        if not beside[index]:
            kept.insert(place, time)
    return beside


def inside(times_s: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Return which times lie in one of the ``(n, 2)`` spans."""
    inside = (times_s[:, None] >= spans[:, 0]) & (times_s[:, None] < spans[:, 1])
    return np.asarray(inside.any(axis=1))


def times_of(table: np.ndarray) -> np.ndarray:
    """Return peak times, s; the onset where a table by other hands has no peak."""
    return np.where(np.isfinite(table["peak_time"]), table["peak_time"], table["onset"])


def union(intervals: np.ndarray) -> np.ndarray:
    """Return disjoint (start, stop), s, that cover the same time; shape (n, 2)."""
    merged: list[list[float]] = []
    for start, duration in sorted(zip(intervals["onset"], intervals["duration"], strict=True)):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], start + duration)
        else:
            merged.append([start, start + duration])
    return np.array(merged, dtype=float).reshape(-1, 2)
