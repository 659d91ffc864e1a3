"""The twitches of one channel, or of a whole leg, and the time in which they were looked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike

from emgtwitch.detection.detections import Detections

MOST_STEPS = 120
# What noise adds to the square of a potential's peak to peak, in squares of the noise rms: measured
# with simulated potentials at 1 kHz, and the same from 6 to 20 times the noise.
NOISE_SQUARES = 21.5


@dataclass(frozen=True, eq=False)
class Train:
    """Twitches and valid time of one channel, or of several added up.

    Attributes
    ----------
    times_s, amplitudes_uv
        (n,) float64 each, in order of time: main peaks, s, and sizes peak to peak, µV.
    clean_uv
        (n,) the sizes less what noise adds to them, µV.
    spans_s
        (k, 2) float64, start and stop of the valid stretches in order of time, s.
    valid_s
        Valid time, s, by the account of the recording.
    floor_uv, noise_uv
        Detection floor, µV peak to peak, and noise rms, µV; NaN without valid time.
    """

    times_s: np.ndarray
    amplitudes_uv: np.ndarray
    clean_uv: np.ndarray
    spans_s: np.ndarray
    valid_s: float
    floor_uv: float
    noise_uv: float

    @property
    def count(self) -> int:
        """How many twitches."""
        return len(self.times_s)

    @property
    def valid_min(self) -> float:
        """Valid time, min."""
        return self.valid_s / 60

    def above(self, cut_uv: float) -> "Train":
        """Return the train of the twitches whose clean size is at least this.

        A twitch of unknown size counts, and a cut that is NaN takes none away.
        """
        return self._of(np.flatnonzero(~(self.clean_uv < cut_uv)))

    def _of(self, index: np.ndarray) -> "Train":
        return replace(
            self,
            times_s=self.times_s[index],
            amplitudes_uv=self.amplitudes_uv[index],
            clean_uv=self.clean_uv[index],
        )

    def clock(self, times_s: ArrayLike) -> np.ndarray:
        """Return the valid seconds before each of these times."""
        edges, elapsed = self._clock
        return np.interp(np.asarray(times_s), edges, elapsed)

    def time_at(self, valid_s: ArrayLike) -> np.ndarray:
        """Return the times at which so many valid seconds have passed: `clock` the other way."""
        edges, elapsed = self._clock
        return np.interp(np.asarray(valid_s), elapsed, edges)

    @property
    def _clock(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the edges of the valid stretches, and the valid seconds at each of them."""
        edges = self.spans_s.ravel()
        lengths = np.diff(edges, prepend=edges[:1])
        lengths[::2] = 0.0
        elapsed = np.cumsum(lengths)
        # The account is exact to the sample, the rows of the table to the block.
        return edges, elapsed * (self.valid_s / elapsed[-1])


@dataclass(frozen=True, eq=False)
class Course:
    """The rate over a recording, in steps.

    Attributes
    ----------
    start_s, stop_s
        (m,) ends of the steps, s from the start of the recording; the last may be shorter.
    count, valid_min
        (m,) twitches, and valid minutes.
    per_min
        (m,) twitches per valid minute; NaN where less than a sixth of a step is valid.
    """

    start_s: np.ndarray
    stop_s: np.ndarray
    count: np.ndarray
    valid_min: np.ndarray
    per_min: np.ndarray


def course_of(train: Train, recorded_s: float) -> Course:
    """Return the rate in steps of 1 min, or of so many whole minutes that there are 120 at most."""
    step_s = 60.0 * max(1, int(np.ceil(recorded_s / 60 / MOST_STEPS)))
    edges = np.append(np.arange(0, recorded_s, step_s), recorded_s)  # just one without a recording
    count, _ = np.histogram(train.times_s, edges)
    valid_s = np.diff(train.clock(edges)) if train.valid_s > 0 else np.zeros(len(count))
    enough = valid_s >= step_s / 6
    per_min = np.where(enough, 60 * count / np.where(enough, valid_s, 1), np.nan)
    return Course(edges[:-1], edges[1:], count, valid_s / 60, per_min)


def train_of(found: Detections, channel: str) -> Train:
    """Return twitches and valid time of a channel."""
    account = found.accounts[found.ch_names.index(channel)]
    twitches = np.sort(found.twitches(channel), order="peak_time")
    excluded = found.excluded(channel)
    gaps = np.column_stack((excluded["onset"], excluded["onset"] + excluded["duration"]))
    recorded_s = account.recorded_s if np.isfinite(account.recorded_s) else 0.0
    spans = _outside(gaps, recorded_s)
    valid_s = account.valid_s if account.valid_s > 0 else 0.0
    if valid_s > 0 and len(spans) == 0:  # the table and its account contradict each other
        spans = np.array([[0.0, max(recorded_s, valid_s)]])
    return Train(
        np.asarray(twitches["peak_time"], dtype=float),
        np.asarray(twitches["amplitude_uv"], dtype=float),
        clean_size(twitches["amplitude_uv"], twitches["snr"]),
        spans if valid_s > 0 else np.zeros((0, 2)),
        valid_s,
        account.floor_uv,
        account.noise_uv,
    )


def leg_train(muscles: Sequence[Train]) -> Train:
    """Return the twitches of several muscles of a leg, within the time that is valid in all.

    The floor and the noise are the worst of them.
    """
    if len(muscles) == 1:
        return muscles[0]
    spans = reduce(_common, (muscle.spans_s for muscle in muscles))
    together = Train(
        np.concatenate([muscle.times_s for muscle in muscles]),
        np.concatenate([muscle.amplitudes_uv for muscle in muscles]),
        np.concatenate([muscle.clean_uv for muscle in muscles]),
        spans,
        float(np.diff(spans).sum()),
        worst(muscle.floor_uv for muscle in muscles),
        worst(muscle.noise_uv for muscle in muscles),
    )
    order = np.argsort(together.times_s, kind="stable")
    return together._of(order[inside(spans, together.times_s[order])])


def clean_size(amplitude_uv: np.ndarray, snr: np.ndarray) -> np.ndarray:
    """Return peak to peak amplitudes less what noise adds to them, µV.

    Noise makes a potential look larger, most of all on the noisier side: the square of the peak to
    peak grows by `NOISE_SQUARES` times that of the noise rms.

    Parameters
    ----------
    amplitude_uv, snr
        (n,) as in the event table. Where the signal-to-noise ratio is not known, the amplitude
        stays as it is.
    """
    share = 1 - NOISE_SQUARES / np.where(np.isfinite(snr), snr, np.inf) ** 2
    return np.asarray(amplitude_uv * np.sqrt(np.maximum(share, 0)), dtype=float)


def both_valid(one: Train, other: Train) -> np.ndarray:
    """Return the stretches, (k, 2) s, that are valid in both trains."""
    return _common(one.spans_s, other.spans_s)


def inside(spans_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Return which times lie within one of the stretches."""
    if len(spans_s) == 0:
        return np.zeros(len(times_s), dtype=bool)
    index = np.searchsorted(spans_s[:, 0], times_s, side="right") - 1
    return np.asarray((index >= 0) & (times_s <= spans_s[np.maximum(index, 0), 1]))


def worst(values: Iterable[float]) -> float:
    """Return the greatest of several floors, NaN if none is known."""
    return max((value for value in values if np.isfinite(value)), default=float("nan"))


def _outside(gaps: np.ndarray, end_s: float) -> np.ndarray:
    """Return the stretches from 0 to `end_s` that lie in no gap."""
    spans, start = [], 0.0
    for first, last in sorted(gaps.tolist()):
        if first > start:
            spans.append((start, min(first, end_s)))
        start = max(start, last)
    if start < end_s:
        spans.append((start, end_s))
    return np.array(spans).reshape(-1, 2)


def _common(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return where two sets of stretches overlap."""
    edges = np.unique(np.concatenate((one.ravel(), other.ravel())))
    middles = (edges[1:] + edges[:-1]) / 2
    both = inside(one, middles) & inside(other, middles)
    return np.column_stack((edges[:-1][both], edges[1:][both]))
