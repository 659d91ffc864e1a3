"""What the report is about: the recordings, and which muscle, state and twitches come first."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from emgtwitch.comparison.across import NOT_TOLD, Across, Contrast, Quantity
from emgtwitch.comparison.occasions import REST, RecordingEntry
from emgtwitch.comparison.recordings import (
    ABOVE_BOTH,
    ABOVE_STUDY,
    ALL,
    LeftRight,
    RecordingSummary,
)
from emgtwitch.comparison.summary import StudySummary, summarise
from emgtwitch.reports.waveforms import Waveforms
from emgtwitch.reports.words import ending, recorded

LEAST_COUNTED = 10  # twitches above the floor of all recordings, for them to come first
LEAST_NAME = 13  # characters for the name of a recording whose date is that of another
LEAST_DAYS = 28  # between the first recording and the last, for a trend


@dataclass(frozen=True, eq=False)
class Source:
    """What was found in a recording, and what else of it is at hand.

    Attributes
    ----------
    entry
        The detections, when the recording was made and under which conditions.
    waveforms
        Stretches of the recording; None if only the event table is at hand.
    reviewed
        Who decided on the twitches and how many of them, in words; empty if nobody did.
    """

    entry: RecordingEntry
    waveforms: Waveforms | None = None
    reviewed: str = ""


@dataclass(frozen=True, eq=False)
class View:
    """A study, and what of it comes first in the report.

    Attributes
    ----------
    study, sources
        The comparison, and the recordings in the same order as in it.
    muscle, condition, counted
        What page 1 is about; the muscle is empty if no channel tells its side.
    title
        Of the data set, or empty.
    """

    study: StudySummary
    sources: tuple[Source, ...]
    muscle: str
    condition: str
    counted: str
    title: str = ""

    @property
    def recordings(self) -> tuple[RecordingSummary, ...]:
        """The recordings in order of time."""
        return self.study.recordings

    def label(self, recording: RecordingSummary, longest: int = 70) -> str:
        """Return when and under which condition, and the name too where that is not unique."""
        occasion, name = recording.occasion, recording.name
        if self._alike[recorded(occasion, name)] == 1 or occasion.start is None:
            return recorded(occasion, name, longest)
        told = recorded(occasion, name, longest - LEAST_NAME)
        return f"{told}, {ending(name, longest - len(told) - 2)}"

    @cached_property
    def _alike(self) -> Counter[str]:
        return Counter(recorded(r.occasion, r.name) for r in self.recordings)

    def row(self, recording: RecordingSummary, counted: str = "") -> LeftRight | None:
        """Return left against right of the muscle in a recording."""
        return recording.left_right(self.muscle, counted or self.counted)

    def across(self, condition: str = "", counted: str = "", muscle: str = "") -> Across | None:
        """Return the recordings of a state together, without what they cannot tell.

        That is a typical rate of a side on which no twitch was counted, or a ratio to it, and a
        trend from less than four weeks.
        """
        wanted = (muscle or self.muscle, condition or self.condition, counted or self.counted)
        found = next(
            (a for a in self.study.across if (a.muscle, a.condition, a.counted) == wanted), None
        )
        if found is None:
            return None
        silent = self._silent(*wanted)
        days = [r.occasion.start for r in self.recordings if _state(r) == wanted[1]]
        known = [start for start in days if start]
        long = bool(known) and (max(known) - min(known)).days >= LEAST_DAYS

        def told(name: str, quantity: Quantity) -> Quantity:
            if name in silent or (silent and name == "ratio"):
                return Quantity(quantity.n, None, None, None)
            return replace(quantity, trend=quantity.trend if long else None)

        found = replace(
            found,
            ratio=told("ratio", found.ratio),
            left=told("left", found.left),
            right=told("right", found.right),
        )
        if silent:
            found = replace(found, asymmetry=None, check=None)
        return found

    def _silent(self, muscle: str, condition: str, counted: str) -> list[str]:
        """Return the sides that were searched in a state, but without any twitch."""
        rows = [
            row
            for recording in self.recordings
            if not condition or _state(recording) == condition
            if (row := recording.left_right(muscle, counted))
        ]
        return [
            side
            for side in ("left", "right")
            if (rates := [rate for row in rows if (rate := getattr(row, side))])
            and not any(rate.count for rate in rates)
        ]

    @property
    def conditions(self) -> list[str]:
        """States in which the muscle was recorded, the one of page 1 first."""
        found = dict.fromkeys(a.condition for a in self.study.across if a.muscle == self.muscle)
        return sorted(found, key=lambda name: (name != self.condition, name))

    @property
    def contrasts(self) -> list[Contrast]:
        """What changed in the muscle, of the twitches that count."""
        silent = self._silent(self.muscle, "", self.counted)
        hidden = dict.fromkeys(side + of for side in silent for of in ("", "_later", "_earlier"))
        if silent:
            hidden |= dict.fromkeys(("left_over_right", "ratio_later", "ratio_earlier"))
        return [
            replace(contrast, **hidden)  # type: ignore[arg-type]
            for contrast in self.study.contrasts
            if (contrast.muscle, contrast.counted) == (self.muscle, self.counted)
        ]

    def divided(self, condition: str = "") -> Contrast | None:
        """Return before against after the last treatment that lies between sessions of a state."""
        state = condition or self.condition
        begun = {f"after {treatment.text}" for treatment in self.study.treatments}
        mine = [c for c in self.contrasts if c.condition == state and c.later in begun]
        return mine[-1] if mine else None

    @property
    def cut_uv(self) -> float:
        """The size from which on twitches count, µV; that of the recording with the highest."""
        rows = [self.row(recording) for recording in self.recordings]
        return max((row.cut_uv for row in rows if row and row.cut_uv >= 0), default=0.0)


def view_of(sources: Sequence[Source], title: str = "") -> View:
    """Compare recordings, and choose what comes first.

    The muscle that is recorded on both sides, at rest if that was recorded, and the twitches that
    both sides of all recordings could show unless hardly any is left of them.

    Raises
    ------
    InputError
        There are no recordings, or they are of several people.
    """
    study = summarise([source.entry for source in sources])
    ordered = tuple(sorted(sources, key=lambda source: source.entry.occasion.when))
    both = {
        row.muscle
        for recording in study.recordings
        for row in recording.sides
        if not row.why.startswith("not recorded")
    }
    muscle = max(study.muscles, key=lambda name: name in both, default="")
    sessions = {
        a.condition: max(a.left.n, a.right.n)
        for a in study.across
        if (a.muscle, a.counted) == (muscle, ALL)
    }
    rested = sessions.get(REST, 0) > 0
    condition = REST if rested else max(sessions, key=lambda name: sessions[name], default="")
    view = View(study, ordered, muscle, condition, ALL, title)
    counts = {how: _count(view, how) for how in (ABOVE_STUDY, ABOVE_BOTH, ALL)}
    enough = min(LEAST_COUNTED, counts[ALL])
    counted = next(how for how, count in counts.items() if count >= enough)
    return View(study, ordered, muscle, condition, counted, title)


def _state(recording: RecordingSummary) -> str:
    return recording.occasion.condition or NOT_TOLD


def _count(view: View, counted: str) -> int:
    rows = [view.row(recording, counted) for recording in view.recordings]
    return sum(side.count for row in rows if row for side in (row.left, row.right) if side)
