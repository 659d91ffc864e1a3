"""The board's clock against the computer's, fitted from below.

A scan never arrives before it was sampled, only later, by a little or by a lot. A line through the
earliest arrivals therefore tells the board's clock; least squares follows the late ones.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

# The earliest arrival of each 2 s, and a line over the last minute of them. A longer line follows
# a clock that wanders by some 30 ppm in minutes less well (tests/test_clock.py).
WINDOW_S = 2.0
N_WINDOWS = 30
# Before this much of a stream is seen, a rate is not to be relied on.
TRUSTED_AFTER_S = 10.0
_N_PONGS = 60
_ROUNDS = 3
_MIN_PAIRS = 3
_NS = 1e-9


@dataclass(frozen=True)
class ClockFit:
    """Where the scans of a recording lie on the computer's clock.

    Attributes
    ----------
    nominal_hz
        Scans per second that the board promises.
    sfreq_hz
        Scans per second of the computer's clock, over the last minute.
    mean_sfreq_hz
        The same since the first scan.
    residual_s
        Median distance of the earliest arrivals from the line: how well the fit holds.
    latency_s
        Constant part of the delay from sampling to arrival, already taken out of all times here;
        None where the board cannot be asked for it, and then all times here are later by it.
    latency_error_s
        Greatest error of `latency_s`: half of the shortest round trip. None without `latency_s`.
    trusted
        Enough is seen for `sfreq_hz` to be relied on; until then it is little more than nominal.
    start_ns, start_wall_ns
        Moment of scan 0: of the monotonic clock, and of the time of day since 1970 (UTC).
    oldest_scan, newest_scan
        Scans between which the line was fitted; before them the mean rate holds.
    newest_ns
        Moment of `newest_scan`, of the monotonic clock.
    """

    nominal_hz: float
    sfreq_hz: float
    mean_sfreq_hz: float
    residual_s: float
    latency_s: float | None
    latency_error_s: float | None
    trusted: bool
    start_ns: int
    start_wall_ns: int
    oldest_scan: float
    newest_scan: float
    newest_ns: int

    @property
    def deviation_ppm(self) -> float:
        """How much faster than nominal the board samples, in parts per million."""
        return (self.sfreq_hz / self.nominal_hz - 1) * 1e6

    def monotonic_ns_of(self, scan: float) -> int:
        """Return the moment of a scan on the monotonic clock, in ns."""
        if scan < self.oldest_scan:
            oldest_ns = self.monotonic_ns_of(self.oldest_scan) - self.start_ns
            return self.start_ns + round(scan / self.oldest_scan * oldest_ns)
        return self.newest_ns + round((scan - self.newest_scan) / self.sfreq_hz / _NS)

    def scan_at(self, monotonic_ns: int) -> float:
        """Return the scan, with its fraction, at a moment of the monotonic clock."""
        oldest_ns = self.monotonic_ns_of(self.oldest_scan)
        if monotonic_ns < oldest_ns:
            return self.oldest_scan * (monotonic_ns - self.start_ns) / (oldest_ns - self.start_ns)
        return self.newest_scan + (monotonic_ns - self.newest_ns) * _NS * self.sfreq_hz

    def wall_time_of(self, scan: float) -> datetime:
        """Return the time of day of a scan, in UTC.

        It rests on one comparison of both clocks of the computer, at the start: when the computer's
        time of day is put right later, scans do not jump.
        """
        since_start_ns = self.monotonic_ns_of(scan) - self.start_ns
        return datetime.fromtimestamp((self.start_wall_ns + since_start_ns) * _NS, UTC)


@dataclass(frozen=True)
class _Line:
    """Arrival less nominal time of the board: ``offset + slope * nominal time``, in s."""

    slope: float
    offset: float
    residual_s: float

    def at(self, nominal_s: float) -> float:
        """Return the moment, in s since the origin, when the earliest arrival is due."""
        return nominal_s + self.offset + self.slope * nominal_s


class _Window:
    """The lower hull of the delays of 2 s: the earliest arrival for any slope lies on it."""

    def __init__(self, segment: int) -> None:
        self.segment = segment
        self.hull: list[tuple[float, float]] = []

    def add(self, x: float, y: float) -> None:
        """Take in a delay `y` at `x`, later than all before."""
        hull = self.hull
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2:]
            if (x1 - x0) * (y - y0) > (y1 - y0) * (x - x0):
                break
            hull.pop()
        hull.append((x, y))

    def lowest(self, slope: float) -> tuple[float, float]:
        """Return the point of the hull that a line of this slope touches from below."""
        return min(self.hull, key=lambda point: point[1] - slope * point[0])


class ClockEstimator:
    """Fit the clock of a board while its scans arrive; memory does not grow.

    Parameters
    ----------
    nominal_hz
        Scans per second that the board promises.
    monotonic_ns, wall_ns
        One moment on both clocks of the computer.
    """

    def __init__(self, nominal_hz: float, monotonic_ns: int, wall_ns: int) -> None:
        self.nominal_hz = nominal_hz
        self._origin_ns = monotonic_ns
        self._wall_ns = wall_ns
        self._segment = 0
        self._windows: deque[_Window] = deque(maxlen=N_WINDOWS)
        self._window_index = 0
        self._newest_s = -1.0
        self._pongs: deque[tuple[float, float, float]] = deque(maxlen=_N_PONGS)
        self._latency: tuple[float, float] | None = None
        self._start_s: float | None = None

    def add(self, scan: float, arrival_ns: int) -> None:
        """Take in the last scan of a block and the moment it arrived, of the monotonic clock."""
        x = scan / self.nominal_hz
        if x <= self._newest_s:
            return
        index = int(x // WINDOW_S)
        if not self._has_started() or index != self._window_index:
            if len(self._windows) == N_WINDOWS:
                self._keep_start()
            self._windows.append(_Window(self._segment))
            self._window_index = index
        self._windows[-1].add(x, (arrival_ns - self._origin_ns) * _NS - x)
        self._newest_s = x

    def add_pong(self, scan: float, sent_ns: int, received_ns: int) -> None:
        """Take in a round trip: the board stood at `scan` when it received what we sent."""
        x = scan / self.nominal_hz
        middle_s = ((sent_ns + received_ns) // 2 - self._origin_ns) * _NS
        self._pongs.append(((received_ns - sent_ns) * _NS, x, middle_s - x))

    def restart(self) -> None:
        """Begin anew with the offset, not with the rate: the board was reset or reconnected."""
        if self._has_started():
            self._keep_start()
            self._latency = self._fitted_latency(self._line())
        self._segment += 1
        self._pongs.clear()

    def fit(self) -> ClockFit | None:
        """Return the fit so far; None before the first scan, of the stream or after a restart."""
        if not self._has_started():
            return None
        line = self._line()
        latency = self._fitted_latency(line)
        latency_s = latency[0] if latency else 0.0
        start_s = line.at(0.0) if self._start_s is None else self._start_s
        newest_s = line.at(self._newest_s)
        start_ns = self._ns(start_s - latency_s)
        first_x: dict[int, float] = {}
        for window in self._windows:
            first_x.setdefault(window.segment, window.hull[0][0])
        seen_s = max(window.hull[-1][0] - first_x[window.segment] for window in self._windows)
        return ClockFit(
            nominal_hz=self.nominal_hz,
            sfreq_hz=self.nominal_hz / (1 + line.slope),
            mean_sfreq_hz=self.nominal_hz * self._newest_s / max(newest_s - start_s, 1e-9),
            residual_s=line.residual_s,
            latency_s=latency[0] if latency else None,
            latency_error_s=latency[1] if latency else None,
            trusted=seen_s >= TRUSTED_AFTER_S,
            start_ns=start_ns,
            start_wall_ns=start_ns + self._wall_ns - self._origin_ns,
            oldest_scan=first_x[self._segment] * self.nominal_hz,
            newest_scan=self._newest_s * self.nominal_hz,
            newest_ns=self._ns(newest_s - latency_s),
        )

    def _has_started(self) -> bool:
        return bool(self._windows) and self._windows[-1].segment == self._segment

    def _ns(self, since_origin_s: float) -> int:
        return self._origin_ns + round(since_origin_s / _NS)

    def _keep_start(self) -> None:
        if self._start_s is None:
            self._start_s = self._line().at(0.0)

    def _line(self) -> _Line:
        # The last window is still open: its earliest arrival may be to come.
        windows = list(self._windows)
        if len(windows) > 1 and windows[-2].segment == windows[-1].segment:
            del windows[-1]
        segments = np.array([window.segment for window in windows])
        slope = 0.0
        for _ in range(_ROUNDS):
            x, y = np.array([window.lowest(slope) for window in windows]).T
            slope = _theil_sen(x, y, segments)
        x, y = np.array([window.lowest(slope) for window in windows]).T
        rest = (y - slope * x)[segments == self._segment]
        offset = float(np.median(rest))
        return _Line(slope, offset, float(np.median(np.abs(rest - offset))))

    def _fitted_latency(self, line: _Line) -> tuple[float, float] | None:
        """Return the constant delay and its greatest error, by the quickest round trip."""
        if not self._pongs:
            return self._latency
        round_trip_s, x, y = min(self._pongs)
        return max(0.0, line.at(x) - x - y), round_trip_s / 2


def _theil_sen(x: np.ndarray, y: np.ndarray, segments: np.ndarray) -> float:
    """Return the median slope between points of one segment, longer distances counting more.

    With few points the answer is 0: the nominal rate is better than a line through two.
    """
    i, j = np.triu_indices(x.size, 1)
    same = segments[i] == segments[j]
    i, j = i[same], j[same]
    if i.size < _MIN_PAIRS:
        return 0.0
    slopes = (y[j] - y[i]) / (x[j] - x[i])
    order = np.argsort(slopes)
    weight = np.cumsum((x[j] - x[i])[order])
    return float(slopes[order][np.searchsorted(weight, weight[-1] / 2)])
