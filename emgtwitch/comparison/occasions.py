"""When and under which conditions recordings were made, and what was found in them.

Read from an EMG-BIDS data set: what `emgtwitch.recording.study_notes` tells, and the event tables
under ``derivatives/emgtwitch``.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

from emgtwitch.channels import muscle_of
from emgtwitch.detection.detections import Detections
from emgtwitch.errors import InputError
from emgtwitch.recording.bids import channel_facts, entities, find_recordings
from emgtwitch.recording.derivatives import dataset_of, derivative_path
from emgtwitch.recording.study_notes import (
    GREATEST,
    Notes,
    SubjectNotes,
    condition_of,
    read_subject,
)

REST, AFTER_EXERCISE = "rest", "post-exercise"
BEFORE, AFTER = "before", "after"  # the words of a treatment column that only tell on which side
_EVENTS = "_events.tsv"
_DERIVATIVE = ("derivatives", "emgtwitch")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, order=True)
class Treatment:
    """What was tried from which day on."""

    day: date
    text: str


@dataclass(frozen=True)
class FeltDay:
    """What was felt on a day: name → number, those of `Occasion.felt`."""

    day: date
    felt: Mapping[str, float]


@dataclass(frozen=True)
class Occasion:
    """When and under which conditions a recording was made; empty where nothing is told.

    Attributes
    ----------
    subject, session
        BIDS labels without ``sub-`` and ``ses-``.
    start
        Date and time of the first sample, or None.
    condition
        ``rest``, ``post-exercise``, or as the table has it.
    exercise, posture, notes
        In the person's words.
    treatment
        What the table of sessions says about the time of the recording.
    treatments
        All dated treatments of the person, in order of time.
    felt
        What was felt, of the recording or else of its day, as far as it is noted:
        ``twitching_felt`` and ``back_stiffness`` from 0 to 10, ``cramps`` as a number.
    days
        All days of the person for which something felt is noted, in order of time.
    more
        Further columns of the tables, as they are.
    """

    subject: str = ""
    session: str = ""
    start: datetime | None = None
    condition: str = ""
    exercise: str = ""
    posture: str = ""
    treatment: str = ""
    notes: str = ""
    treatments: tuple[Treatment, ...] = ()
    felt: Mapping[str, float] = field(default_factory=dict)
    days: tuple[FeltDay, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def when(self) -> tuple[bool, datetime]:
        """What to order by: the start, and last what has none."""
        return self.start is None, self.start or datetime.min


@dataclass(frozen=True, eq=False)
class RecordingEntry:
    """What was found in a recording, and when and under which conditions it was made.

    Attributes
    ----------
    found
        Events and account of time.
    name
        What to call the recording, as its file without ending.
    occasion
        When and under which conditions.
    muscles
        Channel → muscle, as far as it is known.
    """

    found: Detections
    name: str = ""
    occasion: Occasion = Occasion()
    muscles: Mapping[str, str] = field(default_factory=dict)


def read_study(paths: Iterable[str | os.PathLike[str]]) -> list[RecordingEntry]:
    """Read what ``emgtwitch detect`` found, and what the tables of the data set say about it.

    Parameters
    ----------
    paths
        Recordings, EMG-BIDS data sets or folders of recordings, or event tables.

    Returns
    -------
    entries
        Each once, in order of subject and time; those without a date last.

    Raises
    ------
    InputError
        A recording has no event table yet, or a table is damaged.
    """
    tables: dict[Path, Path | None] = {}
    for path in paths:
        tables |= _tables(Path(path))
    missing = [recording for table, recording in tables.items() if not table.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{missing[0]}{more}: no event table yet; first run emgtwitch detect on it"
        )
    entries = [_entry(table, recording) for table, recording in tables.items()]
    return sorted(entries, key=_place)


def table_of(recording: Path) -> Path:
    """Return the path of the event table that ``emgtwitch detect`` writes for a recording."""
    recording = recording.absolute()
    dataset = dataset_of(recording)
    if dataset:
        return derivative_path(dataset, recording, "events.tsv").resolve()
    return recording.with_name(f"{recording.stem}{_EVENTS}").resolve()


def occasions_of(recordings: Sequence[Path]) -> list[Occasion]:
    """Return what the tables of their data sets say about recordings, in the same order.

    Raises
    ------
    InputError
        A table is damaged, or has a date that is none.
    """
    of_person: dict[tuple[Path | None, str], list[Path]] = {}
    for recording in map(Path.absolute, recordings):
        person = dataset_of(recording), entities(recording).get("sub", "")
        of_person.setdefault(person, []).append(recording)
    found: dict[Path, Occasion] = {}
    for (dataset, subject), mine in of_person.items():
        if dataset is None:
            found |= {recording: _by_name(recording) for recording in mine}
        else:
            found |= _occasions(read_subject(dataset, subject, mine))
    return [found[recording.absolute()] for recording in recordings]


def _entry(table: Path, recording: Path | None) -> RecordingEntry:
    recording = recording or _recording_of(table)
    found = Detections.load(table)
    occasion = occasions_of([recording])[0]
    if occasion.start is None and found.start is not None:
        occasion = replace(occasion, start=found.start.replace(tzinfo=None))
    facts = channel_facts(recording, list(found.ch_names))
    muscles = {name: facts[name]["muscle"] or muscle_of(name) for name in found.ch_names}
    return RecordingEntry(
        found,
        recording.stem.removesuffix("_emg"),
        occasion,
        {name: muscle for name, muscle in muscles.items() if muscle},
    )


def _tables(path: Path) -> dict[Path, Path | None]:
    """Return the event tables that a path stands for, each with its recording if that is there."""
    if path.name.endswith(_EVENTS) and path.is_file():
        return {path.resolve(): None}
    try:
        return {table_of(recording): recording for recording in find_recordings(path)}
    except InputError:
        if not path.is_dir():
            raise
        below = path.resolve().rglob(f"*{_EVENTS}")
        tables = sorted(
            table
            for table in below
            if _inside_derivative(table) is not None and "_desc-" not in table.name
        )
        if not tables:
            raise
        return dict.fromkeys(tables)


def _recording_of(table: Path) -> Path:
    """Return where the recording of an event table would lie; it may be gone."""
    at = _inside_derivative(table)
    stem = re.sub("_desc-[^_]*", "", table.name.removesuffix(_EVENTS))  # as of a reviewed table
    if at is None:
        return table.with_name(stem)
    return Path(*table.parts[:at], *table.parts[at + 2 : -1], f"{stem}_emg.bdf")


def _inside_derivative(table: Path) -> int | None:
    """Return where ``derivatives/emgtwitch`` begins among the parts of a path, None if nowhere."""
    pairs = list(pairwise(table.parts))
    return pairs.index(_DERIVATIVE) if _DERIVATIVE in pairs else None


def _place(entry: RecordingEntry) -> tuple[str, tuple[bool, datetime], str]:
    return entry.occasion.subject, entry.occasion.when, entry.name


def _by_name(recording: Path) -> Occasion:
    own = entities(recording)
    return Occasion(own.get("sub", ""), own.get("ses", ""), condition=condition_of(recording))


def _occasions(person: SubjectNotes) -> dict[Path, Occasion]:
    """Return what is told about the recordings of a person."""
    for problem in person.unreadable:
        raise InputError(problem)
    treatments, days = _treatments(person), _days(person)
    found = {}
    for session in person.sessions:
        day = session.noted
        for recording in session.recordings:
            own = recording.noted
            found[recording.path] = occasion = Occasion(
                person.label,
                session.label,
                recording.start or session.start,
                own.condition,
                own.exercise or day.exercise,
                own.posture or day.posture,
                own.treatment or day.treatment,
                "; ".join(filter(None, (day.notes, own.notes))),
                treatments,
                {**_felt(day), **_felt(own)},
                days,
                {**session.more, **recording.more},
            )
            _check_side(occasion)
    return found


def _check_side(occasion: Occasion) -> None:
    """Raise if a recording is said to be on the other side of a treatment than its date."""
    if occasion.start is None or len(occasion.treatments) != 1:
        return
    (treatment,), recorded = occasion.treatments, occasion.start.date()
    if (occasion.treatment == AFTER and recorded < treatment.day) or (
        occasion.treatment == BEFORE and recorded > treatment.day
    ):
        raise InputError(
            f"sub-{occasion.subject}: a recording of {recorded} is told to be "
            f"{occasion.treatment} {treatment.text}, which began on {treatment.day}: one of the "
            "two is wrong, in participants.tsv or in the table of sessions"
        )


def _felt(noted: Notes) -> dict[str, float]:
    values = {name: getattr(noted, name) for name in GREATEST}
    return {name: value for name, value in values.items() if value is not None}


def _days(person: SubjectNotes) -> tuple[FeltDay, ...]:
    return tuple(
        FeltDay(session.day, felt)
        for session in person.sessions
        if session.day and (felt := _felt(session.noted))
    )


def _treatments(person: SubjectNotes) -> tuple[Treatment, ...]:
    """Return the treatments with their first day: as told, else that of the first such session."""
    first: dict[str, date] = {}
    if person.treatment_date and person.treatment:
        first[person.treatment] = person.treatment_date
    for session in person.sessions:
        for words in session.noted.treatment.split(";"):
            told = _DAY.search(words)
            text = re.sub(r"\s+(since|from|on)$", "", _DAY.sub("", words).strip())
            day = _day(told[0], person.label) if told else session.day
            if text and text not in (BEFORE, AFTER) and day is not None:
                first[text] = min(day, first.get(text, date.max))
    return tuple(sorted(Treatment(day, text) for text, day in first.items()))


def _day(text: str, subject: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"sub-{subject}: treatment: {text} is no date (year-month-day)") from error
