"""A recording on the live page, as if its samples came just now."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from emgtwitch.capture.audience import View
from emgtwitch.detection.detections import Detections
from emgtwitch.event_table import COLUMNS, Event

SLOWEST, FASTEST = 0.25, 16.0
SHOWN_S = (
    30.0  # before the new position, sent again when it was moved: the longest span of the page
)
_AT_ONCE_S = 4.0  # at most; the server keeps no more than a few seconds for a page that is slow
_LONGEST_STEP_S = 0.5  # a computer that slept does not jump
_STATE_S = 0.2
_RATE_S = 60.0
_MOST_BINS = 60


class Progress:
    """How far what was found had come at any moment of the recording.

    Parameters
    ----------
    found
        The events, and the account of the time.
    """

    def __init__(self, found: Detections) -> None:
        self._found = found
        self._peaks_s = [np.sort(found.twitches(name)["peak_time"]) for name in found.ch_names]
        tables = [found.rates_over_time(name, 1.0) for name in found.ch_names]
        self._edges_s = np.append(0.0, tables[0]["stop_s"])
        self._valid_s = [np.append(0.0, np.cumsum(table["valid_s"])) for table in tables]

    def counts(self, until_s: float) -> np.ndarray:
        """Return twitches so far, (n_channels,)."""
        return np.array([np.searchsorted(peaks, until_s, "right") for peaks in self._peaks_s])

    def valid_s(self, until_s: float) -> np.ndarray:
        """Return seconds searched so far, (n_channels,)."""
        return np.array([np.interp(until_s, self._edges_s, valid) for valid in self._valid_s])

    def _between(self, from_s: float, to_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Return twitches per valid minute, NaN without valid time, and valid seconds."""
        valid_s = self.valid_s(to_s) - self.valid_s(from_s)
        counts = self.counts(to_s) - self.counts(from_s)
        return 60 * counts / np.where(valid_s > 0, valid_s, np.nan), valid_s

    def channels(self, position_s: float) -> list[dict[str, Any]]:
        """Return ``channels`` of the state of the page."""
        recent, _ = self._between(max(0.0, position_s - _RATE_S), position_s)
        told = zip(
            self.counts(position_s).tolist(),
            self.valid_s(position_s).tolist(),
            recent.tolist(),
            self._found.accounts,
            strict=True,
        )
        return [
            {
                "twitches": count,
                "valid_s": valid_s,
                "last_minute_per_min": per_min,
                "noise_uv": account.noise_uv,
                "floor_uv": account.floor_uv,
            }
            for count, valid_s, per_min, account in told
        ]

    def rates(self, position_s: float) -> dict[str, Any]:
        """Return ``rates`` of the state of the page."""
        n_bins = math.ceil(position_s / _RATE_S)
        starts_s = [_RATE_S * k for k in range(max(0, n_bins - _MOST_BINS), n_bins)]
        bins = [self._between(start, min(start + _RATE_S, position_s)) for start in starts_s]
        return {
            "minute_s": starts_s,
            "per_min": [per_min.tolist() for per_min, _ in bins],
            "valid": [(valid_s / _RATE_S).tolist() for _, valid_s in bins],
        }


class Playback:
    """Plays, pauses, moves to another place, at a speed that can be changed.

    Parameters
    ----------
    read
        Returns the samples from one to before another, (n_channels, n) µV, NaN where missing.
    n_samples
        Length of the recording.
    sfreq
        Samples per second.
    gaps_s
        Where samples are missing: start and end of each gap, s, in order.
    marks
        What people noted meanwhile: when, s, and what, in order.
    found
        What was detected in it, of the same channels.
    view
        Where it is shown.
    hello
        What the page has to know of it.

    Attributes
    ----------
    position_s
        Where it is.
    speed, paused
        As they were last asked for; paused at the end.
    """

    def __init__(
        self,
        read: Callable[[int, int], np.ndarray],
        n_samples: int,
        sfreq: float,
        gaps_s: list[tuple[float, float]],
        marks: list[tuple[float, str]],
        found: Detections,
        view: View,
        hello: dict[str, Any],
    ) -> None:
        self._read, self._n_samples, self._sfreq = read, n_samples, sfreq
        self._gaps_s, self._marks = gaps_s, marks
        self._view, self._hello = view, hello
        rows = [{name: row[name].item() for name in COLUMNS} for row in found.events]
        self._events = [Event(**row) for row in rows]
        self._onsets_s = found.events["onset"]
        self._progress = Progress(found)
        self.position_s, self.speed, self.paused = 0.0, 1.0, False
        self._now_s: float | None = None
        self._state_s = -math.inf
        self._next_sample = self._next_event = self._next_mark = 0
        self._at(0.0)

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return self._n_samples / self._sfreq

    def obey(self, name: str, fields: Mapping[str, Any]) -> None:
        """Do what was asked for on the page.

        Parameters
        ----------
        name, fields
            ``play``, ``pause``, ``seek`` with ``to_s``, or ``speed`` with ``factor``, which may be
            any finite numbers.
        """
        self._state_s = -math.inf  # told at once
        match name:
            case "play":
                if self.position_s >= self.duration_s:
                    self._at(0.0)
                self.paused = False
            case "pause":
                self.paused = True
            case "seek":
                self._at(min(max(fields["to_s"], 0.0), self.duration_s))
            case "speed":
                self.speed = min(max(fields["factor"], SLOWEST), FASTEST)

    def step(self, now_s: float) -> None:
        """Show what is due.

        Parameters
        ----------
        now_s
            Of a clock that never goes back, such as `time.monotonic`.
        """
        passed_s = 0.0 if self._now_s is None else min(now_s - self._now_s, _LONGEST_STEP_S)
        self._now_s = now_s
        if not self.paused:
            self.position_s = min(self.position_s + self.speed * passed_s, self.duration_s)
            self.paused = self.position_s >= self.duration_s
        due = min(round(self.position_s * self._sfreq), self._n_samples)
        due = min(due, self._next_sample + round(_AT_ONCE_S * self._sfreq))
        if due > self._next_sample:
            self._view.scans(self._next_sample, self._read(self._next_sample, due))
            self._next_sample = due
        self._show_events()
        if now_s - self._state_s >= _STATE_S:
            self._state_s = now_s
            self._view.state(self._state())

    def _at(self, position_s: float) -> None:
        """Go to a place, and begin to show what was before it."""
        self.position_s = position_s
        shown_s = max(0.0, position_s - SHOWN_S)
        self._view.restart(self._hello)
        self._next_mark = 0  # the rates over time show the earlier ones too
        self._next_sample = round(shown_s * self._sfreq)
        self._next_event = int(np.searchsorted(self._onsets_s, shown_s))
        earlier = self._events[: self._next_event]
        self._view.events([row for row in earlier if row.onset + row.duration > shown_s])

    def _show_events(self) -> None:
        now_s = self._next_sample / self._sfreq
        for at_s, text in self._marks[self._next_mark :]:
            if at_s > now_s:
                break
            self._view.mark(at_s, text)
            self._next_mark += 1
        until = int(np.searchsorted(self._onsets_s, now_s, "right"))
        if until > self._next_event:
            self._view.events(self._events[self._next_event : until])
            self._next_event = until

    def _state(self) -> dict[str, Any]:
        lost_s = sum(max(0.0, min(stop, self.position_s) - start) for start, stop in self._gaps_s)
        return {
            "elapsed_s": self.position_s,
            "trouble": "",
            "lost_scans": round(lost_s * self._sfreq),
            "disk": None,
            "playing": {
                "position_s": self.position_s,
                "speed": self.speed,
                "paused": self.paused,
            },
            "channels": self._progress.channels(self.position_s),
            "rates": self._progress.rates(self.position_s),
        }
