"""Published statistics behind our front end, noise floor and gates: the fair comparison.

Each is computed from the filtered signal over our running noise and squared where it is an
amplitude, so that it scales as a power, like our own. The threshold lets the wanted rate of
maxima through on white noise.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from benchmarks.peers import CALIBRATION_SEED, height_for
from emgtwitch import StreamingDetector
from emgtwitch.detection.candidates import maxima
from emgtwitch.event_table import event_array

SFREQ = 1000.0  # the only rate at which these are calibrated
HOURS, N_CHANNELS, BLOCK_S = 4.0, 4, 60.0
LOW = 1.0  # scores below this are not kept while calibrating


def _smoothed(values: np.ndarray, n: int) -> np.ndarray:
    """Return the centred mean over `n` samples, odd, along the last axis."""
    total = np.cumsum(np.pad(values, ((0, 0), (n // 2 + 1, n // 2))), axis=1)
    return np.asarray((total[:, n:] - total[:, :-n]) / n)


def _tkeo(z: np.ndarray) -> np.ndarray:
    energy = np.zeros_like(z)
    energy[:, 1:-1] = z[:, 1:-1] ** 2 - z[:, :-2] * z[:, 2:]
    return _smoothed(np.abs(energy), 11)


STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "MAD threshold": np.square,
    "TKEO": _tkeo,
    "modified Hodges": lambda z: np.square(_smoothed(np.abs(z), 11)),
}


class Gated(StreamingDetector):
    """Our detector with another statistic."""

    def __init__(self, name: str, ch_names: list[str], height: float, lsb_uv: float | None) -> None:
        super().__init__(SFREQ, ch_names, lsb_uv=lsb_uv)
        self._statistic = STATISTICS[name]
        self._threshold = self._decider.score_limit = height
        self.heights: list[np.ndarray] = []

    def _scores(self, seen: np.ndarray, pieces: np.ndarray) -> np.ndarray:
        values = self._statistic(seen / self._noise_sd()[:, None])
        values[np.isnan(self._matcher.whitened_s)] = 0.0  # warming up
        bank, hop = self._matcher.bank, self.grid.hop
        at = np.arange(len(bank.shapes) - 1, seen.shape[1], hop) - bank.after
        return np.asarray(np.maximum(values[:, at], values[:, at + hop - 1]))

    def _find(self) -> None:
        if self._threshold == LOW:
            channels, positions = maxima(self._score, LOW, self._reach)
            self.heights.append(self._score[channels, positions])
        else:
            super()._find()


@cache
def calibrated_height(name: str, per_hour: float) -> float:
    """Return the threshold of a statistic at which white noise gives `per_hour` maxima."""
    rng = np.random.default_rng(CALIBRATION_SEED)
    names = [f"EMG{number}" for number in range(N_CHANNELS)]
    stream = Gated(name, names, LOW, None)
    for _ in range(round(HOURS / N_CHANNELS * 3600 / BLOCK_S)):
        stream.push(rng.standard_normal((N_CHANNELS, round(BLOCK_S * SFREQ))))
    return height_for(np.concatenate(stream.heights), HOURS, per_hour)


def detect(
    name: str, signal_uv: np.ndarray, ch_names: list[str], lsb_uv: float | None, per_hour: float
) -> np.ndarray:
    """Return the event table of a recording at 1 kHz, (n_channels, n_samples) µV."""
    stream = Gated(name, ch_names, calibrated_height(name, per_hour), lsb_uv)
    events = stream.push(signal_uv) + stream.flush()
    return event_array([event for event in events if not event.provisional])
