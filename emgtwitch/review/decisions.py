"""What a reviewer decides about an event table: marks on the signal, and the table they make.

A mark is a stretch of time with a label. A reviewer sees a mark on every twitch and rejected
candidate; what the marks are afterwards decides, whatever was done in between.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from emgtwitch.detection.decision import BURST_S, TRIAL_TYPE_OF
from emgtwitch.detection.detections import Detections
from emgtwitch.event_table import COLUMNS, FASCICULATION, NOT_APPLICABLE, Event, event_array

TWITCH, ADD, REJECTED_MARK = "twitch", "add", "rejected"  # first words of labels
BY_REVIEWER = "reviewer"  # the reason of a twitch that the reviewer rejected
CONFIRMED, ACCEPTED, REJECTED, ADDED, MOVED = "confirmed", "accepted", "rejected", "added", "moved"
MARK_S = 0.03  # to each side of a peak, so that the mouse can hit it
MOVED_S = 0.25  # a twitch added so near to one that was taken away is that one, moved
FURTHER_COLUMNS = {
    "automatic": {
        "Description": "What the detector decided: twitch, or the reason for which it rejected the "
        "candidate; n/a for intervals, and for what the reviewer added"
    },
    "review": {
        "Description": "What the reviewer did; n/a was not on the screen, or is no candidate",
        "Levels": {
            CONFIRMED: "was on the screen and left as the detector decided",
            ACCEPTED: "rejected by the detector, a twitch for the reviewer",
            REJECTED: "a twitch for the detector, not for the reviewer",
            ADDED: "added by the reviewer",
            MOVED: "a twitch to the detector too, moved by the reviewer",
        },
    },
}

# From channel, start and end of a stretch, and the peaks of other twitches: the twitch that is in
# it, or None.
Measure = Callable[[str, float, float, np.ndarray], Event | None]


@dataclass(frozen=True)
class Mark:
    """A stretch of time with a label, s from the start of the recording."""

    start_s: float
    stop_s: float
    label: str


@dataclass(frozen=True)
class Row:
    """A row of a table under review, with what `FURTHER_COLUMNS` describes."""

    event: Event
    automatic: str
    review: str

    @property
    def is_candidate(self) -> bool:
        """Whether it is a twitch or a rejected candidate, no interval."""
        return bool(np.isfinite(self.event.peak_time)) or self.is_twitch

    @property
    def is_twitch(self) -> bool:
        """Whether it counts as a twitch."""
        return self.event.trial_type == FASCICULATION and self.event.reason == NOT_APPLICABLE

    @property
    def peak_s(self) -> float:
        """Time of the main peak, or the onset where there is none."""
        peak = self.event.peak_time
        return float(peak if np.isfinite(peak) else self.event.onset)

    def lies_in(self, starts: np.ndarray, stops: np.ndarray) -> bool:
        """Return whether the peak lies in one of some stretches, s."""
        return bool(_covered(self.peak_s, starts, stops))


@dataclass(frozen=True, eq=False)
class Review:
    """A table under review.

    Attributes
    ----------
    found
        The detections with the reviewer's decisions.
    rows
        The rows of ``found.events``, in the same order.
    seen_s
        (n, 2) stretches of the recording that were on the screen, s, in order of time.
    reviewer
        Initials.
    table, fingerprint
        Name and SHA-256 of the automatic table.
    date
        When it was saved last.
    """

    found: Detections
    rows: tuple[Row, ...]
    seen_s: np.ndarray
    reviewer: str
    table: str
    fingerprint: str
    date: datetime | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many candidates the reviewer confirmed, accepted, rejected, added, moved.

        And under ``"n/a"`` those that were not on the screen. Candidates in excluded time are
        left out: they are not shown, since nothing there counts.
        """
        excluded = {name: _excluded(self.found, name) for name in self.found.ch_names}
        said = Counter(
            row.review
            for row in self.rows
            if row.is_candidate
            and not (row.event.channel in excluded and row.lies_in(*excluded[row.event.channel]))
        )
        return {
            name: said[name]
            for name in (CONFIRMED, ACCEPTED, REJECTED, ADDED, MOVED, NOT_APPLICABLE)
        }

    @property
    def n_reviewed(self) -> int:
        """How many candidates the reviewer saw or changed."""
        return sum(self.counts.values()) - self.counts[NOT_APPLICABLE]


def start_review(found: Detections, reviewer: str, table: str, fingerprint: str) -> Review:
    """Return an automatic table, of which nothing is reviewed yet."""
    rows = []
    for values in found.events:
        event = Event(**{name: values[name].item() for name in COLUMNS})
        row = Row(event, NOT_APPLICABLE, NOT_APPLICABLE)
        if row.is_twitch:
            row = replace(row, automatic=TWITCH)
        elif row.is_candidate:
            told = event.reason != NOT_APPLICABLE
            row = replace(row, automatic=event.reason if told else event.trial_type)
        rows.append(row)
    return Review(found, tuple(rows), np.empty((0, 2)), reviewer, table, fingerprint)


def marks_of(review: Review) -> list[Mark]:
    """Return the marks that a reviewer is shown: twitches, rejected candidates, excluded time.

    Candidates in excluded time have none, since nothing there counts.
    """
    marks = []
    ends = {account.channel: account.recorded_s for account in review.found.accounts}
    for channel in review.found.ch_names:
        excluded = _excluded(review.found, channel)
        own = [row for row in review.rows if row.event.channel == channel]
        for row in own:
            peak_s, reason = row.peak_s, row.event.reason
            if row.is_twitch:
                label = f"{TWITCH} {channel}"
            elif row.is_candidate and not row.lies_in(*excluded):
                label = f"{REJECTED_MARK} {channel}: {reason}"
            else:
                continue
            marks.append(Mark(max(peak_s - MARK_S, 0), min(peak_s + MARK_S, ends[channel]), label))
        for row in own:
            if not row.is_candidate:
                event = row.event
                kind = event.trial_type if event.reason == NOT_APPLICABLE else event.reason
                marks.append(Mark(event.onset, event.onset + event.duration, f"{kind} {channel}"))
    return sorted(marks, key=lambda mark: (mark.start_s, mark.label))


def decide(
    review: Review, marks: Iterable[Mark], seen_s: Sequence[tuple[float, float]], measure: Measure
) -> tuple[Review, list[Mark]]:
    """Return the table that a reviewer's marks make.

    A twitch without a mark ``twitch`` on its peak is rejected. A mark ``add`` accepts the rejected
    candidates with their peak in it; where there is none, it adds the twitch that `measure` finds.
    A mark ``twitch`` on no twitch does the same. Other marks do nothing.

    Parameters
    ----------
    review
        What was shown.
    marks
        All marks as they are now.
    seen_s
        Stretches that were on the screen, s.
    measure
        Finds and measures the twitch in a stretch.

    Returns
    -------
    review
        With the decisions, and `seen_s` added.
    unused
        Marks ``add`` that changed nothing: in excluded time, or with no twitch to be found.
    """
    seen = _union([*((start, stop) for start, stop in review.seen_s.tolist()), *seen_s])
    by_label: dict[str, list[Mark]] = {}
    for mark in marks:
        by_label.setdefault(mark.label, []).append(mark)
    rows = [row for row in review.rows if row.event.channel not in review.found.ch_names]
    unused: list[Mark] = []
    for channel in review.found.ch_names:
        own = [row for row in review.rows if row.event.channel == channel]
        twitch_marks = by_label.get(f"{TWITCH} {channel}", [])
        adding = by_label.get(f"{ADD} {channel}", [])
        excluded = _excluded(review.found, channel)
        decided, left = _decide_channel(own, twitch_marks, adding, excluded, measure, channel)
        rows += [_told(row, row.lies_in(*seen.T) and not row.lies_in(*excluded)) for row in decided]
        unused += left
    rows.sort(key=lambda row: (row.event.onset, row.event.channel, row.event.trial_type))
    found = replace(review.found, events=event_array([row.event for row in rows]))
    return replace(review, found=found, rows=tuple(rows), seen_s=seen), unused


def _decide_channel(
    rows: list[Row],
    twitch_marks: list[Mark],
    adding: list[Mark],
    excluded: tuple[np.ndarray, np.ndarray],
    measure: Measure,
    channel: str,
) -> tuple[list[Row], list[Mark]]:
    """Return the rows of a channel after the decisions, and the marks without effect."""
    shown = np.array([row.is_twitch for row in rows], dtype=bool)
    candidate = np.array([row.is_candidate for row in rows], dtype=bool)
    peaks = np.array([row.peak_s for row in rows], dtype=float)
    kept = shown & _covered(peaks, *_edges(twitch_marks))
    countable = candidate & ~_covered(peaks, *excluded)
    adding = adding + [mark for mark in twitch_marks if not _inside(mark, peaks[shown]).any()]
    added: list[Row] = []
    gone = np.zeros(len(rows), dtype=bool)
    unused = []
    for mark in sorted(adding, key=lambda mark: mark.start_s):
        within = _inside(mark, peaks) & countable & ~kept & ~gone
        if within.any():
            kept |= within & (shown if (within & shown).any() else True)
            continue
        others = np.append(peaks[kept], [row.peak_s for row in added])
        event = measure(channel, mark.start_s, mark.stop_s, others)
        if event is None or _covered(event.peak_time, *excluded):
            unused.append(mark)
            continue
        near = np.where(shown & ~kept & ~gone, np.abs(peaks - event.peak_time), np.inf)
        if len(near) and near.min() <= MOVED_S:
            gone[near.argmin()] = True
            added.append(Row(event, rows[near.argmin()].automatic, MOVED))
        else:
            added.append(Row(event, NOT_APPLICABLE, ADDED))
    result = [
        _judged(row, bool(now)) if row.is_candidate else row
        for row, now, is_gone in zip(rows, kept, gone, strict=True)
        if not is_gone and (now or row.automatic != NOT_APPLICABLE or not row.is_candidate)
    ]
    changed = bool((kept != shown).any()) or bool(added)
    return (_numbered([*result, *added]) if changed else result), unused


def _judged(row: Row, is_twitch: bool) -> Row:
    """Return a candidate as a twitch or as rejected."""
    if is_twitch == row.is_twitch:
        return row
    if is_twitch:
        event = replace(row.event, trial_type=FASCICULATION, reason=NOT_APPLICABLE)
    elif row.automatic in (TWITCH, NOT_APPLICABLE):
        event = replace(row.event, reason=BY_REVIEWER, burst=-1)
    else:
        kind = TRIAL_TYPE_OF.get(row.automatic, "artifact")
        event = replace(row.event, trial_type=kind, reason=row.automatic, burst=-1)
    return replace(row, event=event)


def _told(row: Row, seen: bool) -> Row:
    """Return a row with what the reviewer did about it."""
    if not row.is_candidate or (row.is_twitch and row.review in (ADDED, MOVED)):
        return row
    if row.is_twitch != (row.automatic == TWITCH):
        return replace(row, review=ACCEPTED if row.is_twitch else REJECTED)
    known = seen or row.review != NOT_APPLICABLE
    return replace(row, review=CONFIRMED if known else NOT_APPLICABLE)


def _numbered(rows: list[Row]) -> list[Row]:
    """Return the rows of a channel with the bursts numbered anew."""
    twitches = sorted((row for row in rows if row.is_twitch), key=lambda row: row.peak_s)
    times = np.array([row.peak_s for row in twitches])
    close = np.diff(times, prepend=-np.inf, append=np.inf) <= BURST_S
    number = np.cumsum(~close[:-1] & close[1:])
    bursts = np.where(close[:-1] | close[1:], number, -1)
    renumbered = [
        replace(row, event=replace(row.event, burst=int(burst)))
        for row, burst in zip(twitches, bursts, strict=True)
    ]
    return [row for row in rows if not row.is_twitch] + renumbered


def _excluded(found: Detections, channel: str) -> tuple[np.ndarray, np.ndarray]:
    spans = found.excluded(channel)
    return spans["onset"], spans["onset"] + spans["duration"]


def _edges(marks: list[Mark]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([mark.start_s for mark in marks]), np.array([mark.stop_s for mark in marks])


def _inside(mark: Mark, times_s: np.ndarray) -> np.ndarray:
    return (times_s >= mark.start_s) & (times_s <= mark.stop_s)


def _covered(times_s: float | np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Return which times lie in any of some stretches, their ends included."""
    begun = np.searchsorted(np.sort(starts), times_s, side="right")
    return np.asarray(begun > np.searchsorted(np.sort(stops), times_s, side="left"))


def _union(spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return stretches that cover the same time and do not touch, (n, 2)."""
    merged: list[list[float]] = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop)
        else:
            merged.append([start, stop])
    return np.array(merged, dtype=float).reshape(-1, 2)
