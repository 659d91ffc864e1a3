"""The detector at work: what each of its stages makes of a signal, kept to be looked at.

The detector itself keeps a second of signal; this keeps all, so it is for stretches of minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import sosfilt

from emgtwitch.detection.candidates import Candidate
from emgtwitch.detection.decision import Decider
from emgtwitch.detection.front_end import band_pass
from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.event_table import Event, event_array


@dataclass(frozen=True, eq=False)
class Stages:
    """What each stage made of a signal of n samples, n_blocks blocks and m scores.

    Attributes
    ----------
    clean_uv
        (n_channels, n) gaps bridged, impulses and mains removed, µV.
    filtered_uv
        (n_channels, n) band-passed too, with the delay of the causal filter, µV.
    block_s
        Length of a block, s.
    noise_uv
        (n_channels, n_blocks) noise rms that a block was judged by, µV; NaN while unknown.
    activity
        (n_channels, n_blocks) power of the filtered signal over that of the noise; 0 while that
        is unknown.
    score_s
        (m,) what time each score is about, s.
    score
        (n_channels, m) the statistic; 0 during the warm-up.
    threshold
        What the statistic must reach.
    candidates
        Maxima of the statistic, measured, each with the reason why it does not count; the reason
        is empty for twitches.
    events
        The event table, as `emgtwitch.detect` gives it.
    """

    clean_uv: np.ndarray
    filtered_uv: np.ndarray
    block_s: float
    noise_uv: np.ndarray
    activity: np.ndarray
    score_s: np.ndarray
    score: np.ndarray
    threshold: float
    candidates: tuple[Candidate, ...]
    events: np.ndarray


class _WatchedDecider(Decider):
    """The decider, which keeps what it is told."""

    def __init__(self, detector: StreamingDetector, score_limit: float) -> None:
        super().__init__(detector.ch_names, detector.settings.gates, detector.grid, score_limit)
        self.powers: list[np.ndarray] = []
        self.levels: list[np.ndarray] = []
        self.candidates: list[Candidate] = []

    def next_tile(
        self,
        codes: np.ndarray,
        power: np.ndarray,
        score: np.ndarray,
        level: np.ndarray,
        candidates: list[Candidate],
    ) -> list[Event]:
        self.powers.append(power)
        self.levels.append(np.repeat(level[:, None], power.shape[1], axis=1))
        self.candidates += candidates
        return super().next_tile(codes, power, score, level, candidates)


class _WatchedDetector(StreamingDetector):
    """The detector, which keeps the signal and the scores in which it looks for candidates."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._decider = self.decider = _WatchedDecider(self, self._threshold)
        self.clean: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        self.first_score_s = self._time_of(2 * self._reach)

    def _find(self) -> None:
        self.clean.append(self._clean[-1])
        self.scores.append(self._score[:, 2 * self._reach :])
        super()._find()


def watch(
    signal_uv: np.ndarray,
    sfreq: float,
    ch_names: Sequence[str],
    *,
    lsb_uv: float | Sequence[float] | np.ndarray | None = None,
    preset: str = "default",
    mains: str = "auto",
    false_alarms_per_hour: float | None = None,
) -> Stages:
    """Detect, and return what each stage made of the signal.

    Parameters
    ----------
    signal_uv
        (n_channels, n) µV; NaN for missing samples.
    sfreq, ch_names, lsb_uv, preset, mains, false_alarms_per_hour
        As `emgtwitch.StreamingDetector` takes them.

    Raises
    ------
    InputError
        As `emgtwitch.StreamingDetector` does.
    """
    detector = _WatchedDetector(
        sfreq,
        ch_names,
        lsb_uv=lsb_uv,
        preset=preset,
        mains=mains,
        false_alarms_per_hour=false_alarms_per_hour,
    )
    events = detector.push(signal_uv) + detector.flush()
    grid, n = detector.grid, np.shape(signal_uv)[1]
    n_blocks = -(-n // (grid.n_block * grid.step))
    score = np.concatenate(detector.scores, axis=1)
    score_s = detector.first_score_s + np.arange(score.shape[1]) * (grid.hop * grid.step / sfreq)
    known = (score_s >= 0) & (score_s < n / sfreq)
    clean_uv = np.concatenate(detector.clean, axis=1)[:, :n]
    told = detector.decider
    return Stages(
        clean_uv,
        sosfilt(band_pass(sfreq), clean_uv, axis=1),
        grid.block_s,
        np.sqrt(np.concatenate(told.levels, axis=1)[:, :n_blocks]),
        np.concatenate(told.powers, axis=1)[:, :n_blocks],
        score_s[known],
        score[:, known],
        told.score_limit,
        tuple(candidate for candidate in told.candidates if candidate.peak_s < n / sfreq),
        event_array([event for event in events if not event.provisional]),
    )
