"""A recording while it grows: scans on their way to the disk and through the detector."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from emgtwitch.capture.audience import Audience
from emgtwitch.channels import side_of
from emgtwitch.detection.detections import Detections
from emgtwitch.detection.files import detections_of
from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.errors import InputError
from emgtwitch.event_table import FASCICULATION, NOT_APPLICABLE, Event
from emgtwitch.recording.bdf import MAX_COUNT
from emgtwitch.recording.bdf_recorder import BdfRecorder

RECENT_S = 60.0
_MOST_MISSING_S = 10.0  # that are pushed into the detector at once


@dataclass(frozen=True)
class ChannelStatus:
    """What is known of a channel by now.

    Attributes
    ----------
    channel, side
        Name, and ``"left"``, ``"right"`` or None.
    twitches
        Decided ones since the start.
    recent_per_min
        Twitches in the last minute, or, before that, since the start, per minute.
    noise_uv, floor_uv
        Noise rms and detection floor (peak to peak), µV; NaN before they are known.
    valid_s
        Searched for twitches so far, s.
    """

    channel: str
    side: str | None
    twitches: int
    recent_per_min: float
    noise_uv: float
    floor_uv: float
    valid_s: float


class LiveRecording:
    """Takes in the scans of a device, and hands them to the recorder and to the detector.

    Parameters
    ----------
    recorder
        Where the scans go; None to detect only.
    detector
        With one channel for each of the device.
    uv_per_count
        µV per count of each channel.
    audience
        Who looks on.
    keep_events
        Keep what is decided, for `finish`; memory then grows with it.

    Attributes
    ----------
    events
        Decided rows of the event table so far, if they are kept.
    n_scans
        Length of the recording so far, lost scans included.
    lost_scans
        How many of them were lost.
    """

    def __init__(
        self,
        recorder: BdfRecorder | None,
        detector: StreamingDetector,
        uv_per_count: Sequence[float],
        audience: Audience | None = None,
        *,
        keep_events: bool = True,
    ) -> None:
        self.recorder, self.detector = recorder, detector
        self._audience = audience or Audience()
        self._keep_events = keep_events
        self._uv_per_count = np.asarray(uv_per_count, dtype=float)[:, None]
        self.events: list[Event] = []
        self.n_scans = self.lost_scans = 0
        self._counted = dict.fromkeys(detector.ch_names, 0)
        self._recent: dict[str, deque[float]] = {name: deque() for name in detector.ch_names}

    @property
    def recorded_s(self) -> float:
        """Length of the recording so far, s of the file."""
        return self.n_scans / self.detector.sfreq

    def take(self, first: int, counts: np.ndarray) -> list[Event]:
        """Take in consecutive scans.

        Parameters
        ----------
        first
            Index of the first one since the start, lost ones counted.
        counts
            Codes of the converter, (n_channels, n_scans). Of what is recorded, scans with one of
            more than 24 bits are lost.

        Returns
        -------
        list of Event
            As of `StreamingDetector.push`.

        Raises
        ------
        InputError
            The counts are decimals.
        """
        if self.recorder:
            if counts.dtype.kind not in "iu":
                raise InputError(
                    "the board sends decimals, a recording holds whole counts of the converter: "
                    "let the sketch print what analogRead returns"
                )
            # Two lines of text that ran together are a number that no converter sends.
            is_count = (np.abs(counts.astype(np.int64)) <= MAX_COUNT).all(axis=0)
            edges = np.flatnonzero(np.diff(is_count, prepend=False, append=False)).tolist()
            new: list[Event] = []
            for start, stop in zip(edges[::2], edges[1::2], strict=True):
                new += self._take(first + start, counts[:, start:stop])
            return new
        return self._take(first, counts)

    def _take(self, first: int, counts: np.ndarray) -> list[Event]:
        if self.recorder:
            self.recorder.append(first, counts)
        return self._push_missing(first) + self._push(counts * self._uv_per_count)

    def annotate(self, onset_s: float, text: str) -> None:
        """Keep a mark, and show it; only with a recorder."""
        assert self.recorder
        self.recorder.annotate(onset_s, 0.0, text)
        self._audience.mark(onset_s, text)

    def skip(self, first: int) -> list[Event]:
        """Account for all scans before `first` that have not come as lost; return as `take`."""
        if self.recorder:
            self.recorder.skip(first)
        return self._push_missing(first)

    def _push_missing(self, first: int) -> list[Event]:
        new: list[Event] = []
        self.lost_scans += max(0, first - self.n_scans)
        while self.n_scans < first:
            n_missing = min(first - self.n_scans, round(_MOST_MISSING_S * self.detector.sfreq))
            new += self._push(np.full((len(self._uv_per_count), n_missing), np.nan))
        return new

    def _push(self, block_uv: np.ndarray) -> list[Event]:
        self._audience.scans(self.n_scans, block_uv)  # first, as detecting takes some time
        self.n_scans += block_uv.shape[1]
        return self._keep(self.detector.push(block_uv))

    def _keep(self, new: list[Event]) -> list[Event]:
        """Keep what is decided, count the twitches, and show all."""
        self._audience.events(new)
        for event in new:
            if event.provisional:
                continue
            if self._keep_events:
                self.events.append(event)
            if event.trial_type == FASCICULATION and event.reason == NOT_APPLICABLE:
                self._counted[event.channel] += 1
                self._recent[event.channel].append(event.peak_time)
        return new

    def status(self) -> list[ChannelStatus]:
        """Return what is known of each channel by now."""
        found = []
        for account in self.detector.account():
            recent = self._recent[account.channel]
            while recent and recent[0] < self.recorded_s - RECENT_S:
                recent.popleft()
            minutes = min(max(self.recorded_s, 1.0), RECENT_S) / 60
            found.append(
                ChannelStatus(
                    account.channel,
                    side_of(account.channel),
                    self._counted[account.channel],
                    len(recent) / minutes,
                    account.noise_uv,
                    account.floor_uv,
                    account.valid_s,
                )
            )
        return found

    def finish(self, source: str, start: datetime) -> Detections:
        """Decide the rest and return everything; nothing can be taken in afterwards.

        Parameters
        ----------
        source, start
            Name of the recording's file, and when it began.
        """
        self._keep(self.detector.flush())
        return detections_of(
            self.detector,
            self.events,
            sides=[side_of(name) for name in self.detector.ch_names],
            steps_uv=self._uv_per_count[:, 0],
            source=source,
            start=start,
        )
