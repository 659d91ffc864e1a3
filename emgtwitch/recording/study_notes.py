"""What a person notes about a day or a recording: columns of ``sessions.tsv`` and ``scans.tsv``.

Columns and rows of other tools are kept. A session is a day; one without a recording, as that of
a treatment, can be noted too.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from emgtwitch.errors import InputError
from emgtwitch.event_table import NOT_APPLICABLE
from emgtwitch.recording.bids import entities, find_recordings, is_bids_recording
from emgtwitch.recording.profile import TASKS
from emgtwitch.recording.signals import clean_text
from emgtwitch.recording.study_files import DESCRIPTION, read_table

# Greatest value of a number; all begin at 0.
GREATEST = {"twitching_felt": 10, "cramps": 1000, "back_stiffness": 10}
# Column → what its sidecar says.
COLUMNS: dict[str, dict[str, Any]] = {
    "condition": {
        "Description": "State of the muscles",
        "Levels": {"rest": "rested", "post-exercise": "after exercise"},
    },
    "posture": {"Description": "Posture, in the person's words"},
    "exercise": {"Description": "The exercise before, in the person's words"},
    "treatment": {"Description": "What was tried at that time, in the person's words"},
    "twitching_felt": {
        "Description": "Twitching felt by the person, from 0, none, to 10, the worst imaginable",
        "Minimum": 0,
        "Maximum": 10,
    },
    "cramps": {"Description": "Number of cramps", "Minimum": 0, "Maximum": GREATEST["cramps"]},
    "back_stiffness": {
        "Description": "Stiffness of the back felt, from 0, none, to 10, the worst imaginable",
        "Minimum": 0,
        "Maximum": 10,
    },
    "notes": {"Description": "Anything else, in the person's words"},
}
OF_RECORDINGS_ONLY = ("condition", "posture")  # they may differ within a day
LONGEST = 10_000  # characters of a text
# Columns that tell nothing further about how it was.
_OF_THE_TABLE = ("filename", "session_id", "acq_time", "minutes", "lost_s")


@dataclass(frozen=True)
class Notes:
    """What is noted about a day or a recording; empty or None where nothing is.

    Attributes
    ----------
    condition
        ``rest`` or ``post-exercise``, or another word if another tool wrote it.
    posture, exercise, treatment, notes
        In the person's words.
    twitching_felt, back_stiffness
        From 0 to 10.
    cramps
        Number of cramps.
    """

    condition: str = ""
    posture: str = ""
    exercise: str = ""
    treatment: str = ""
    twitching_felt: float | None = None
    cramps: float | None = None
    back_stiffness: float | None = None
    notes: str = ""

    def __bool__(self) -> bool:
        """Return whether anything is noted."""
        return self != Notes()


@dataclass(frozen=True)
class RecordingNotes:
    """A recording, when it began if a table tells, and what is noted about it.

    Where no table tells the condition, it is that of the task in the name of the file. `more` are
    further columns as they stand in the table.
    """

    path: Path
    start: datetime | None
    noted: Notes
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SessionNotes:
    """A session: its BIDS label, its day if it is known, what is noted, and its recordings.

    `start` is what the table says, `more` are further columns as they stand in it.
    """

    label: str
    day: date | None
    noted: Notes
    recordings: tuple[RecordingNotes, ...]
    start: datetime | None = None
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SubjectNotes:
    """A person: BIDS label, treatment by ``participants.tsv``, and sessions in order of time.

    `unreadable` are cells that should be a date and are none, in words.
    """

    label: str
    treatment: str
    treatment_date: date | None
    sessions: tuple[SessionNotes, ...]
    unreadable: tuple[str, ...] = ()


def read_notes(dataset: Path) -> tuple[SubjectNotes, ...]:
    """Read what is noted about the persons, days and recordings of a data set.

    Files, columns and dates that are missing, and cells that are no date or no number in its
    range, give None or an empty text.

    Parameters
    ----------
    dataset
        Folder of an EMG-BIDS data set.

    Returns
    -------
    subjects
        In order of their labels; sessions and recordings in order of time, those without a date
        last.

    Raises
    ------
    InputError
        It is no data set, or a table has a row of another length than its first line.
    """
    if not dataset.exists():
        raise InputError(f"{dataset}: there is no such folder")
    if not (dataset / DESCRIPTION).is_file():
        raise InputError(f"{dataset}: no BIDS data set, there is no {DESCRIPTION} in it")
    recordings = _recordings(dataset)
    labels = {path.name.removeprefix("sub-") for path in dataset.glob("sub-*") if path.is_dir()}
    labels |= {
        row.get("participant_id", "").removeprefix("sub-")
        for row in read_table(dataset / "participants.tsv")
    }
    return tuple(
        read_subject(dataset, label, [p for p in recordings if entities(p)["sub"] == label])
        for label in sorted(labels - {"", NOT_APPLICABLE})
    )


def read_subject(dataset: Path, label: str, recordings: Iterable[Path]) -> SubjectNotes:
    """Read what is noted about one person, and about these recordings.

    Parameters
    ----------
    dataset, label
        Folder of the data set, and BIDS label of the person.
    recordings
        Where recordings of this person lie or lay; all others are left out.

    Raises
    ------
    InputError
        A table has a row of another length than its first line.
    """
    people, table = dataset / "participants.tsv", sessions_table(dataset, label)
    person = next(
        (row for row in read_table(people) if row.get("participant_id") == f"sub-{label}"), {}
    )
    rows = {
        row["session_id"].removeprefix("ses-"): row
        for row in read_table(table)
        if "session_id" in row
    }
    own: dict[str, list[Path]] = {name: [] for name in rows}
    folders = (dataset / f"sub-{label}").glob("ses-*")
    own |= {path.name.removeprefix("ses-"): [] for path in folders if path.is_dir()}
    for path in recordings:
        own.setdefault(entities(path).get("ses", ""), []).append(path)
    unreadable: list[str] = []
    sessions = [
        _session(name, table, rows.get(name, {}), paths, unreadable) for name, paths in own.items()
    ]
    treated = _moment(people, person, "treatment_date", unreadable)
    return SubjectNotes(
        label,
        _text(person, "treatment"),
        treated and treated.date(),
        tuple(sorted(sessions, key=lambda one: (one.day is None, one.day, one.label))),
        tuple(unreadable),
    )


def sessions_table(dataset: Path, subject: str) -> Path:
    """Return the path of the table of a person's sessions."""
    return dataset / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"


def scans_table(recording: Path) -> Path:
    """Return the path of the table that a recording of a data set stands in."""
    own = entities(recording)
    whose = "_".join(f"{name}-{own[name]}" for name in ("sub", "ses") if name in own)
    return recording.parents[1] / f"{whose}_scans.tsv"


def label_day(label: str) -> datetime | None:
    """Return the day that the label of a session tells, as ``ses-20260517``; None if it does not.

    It is the only date of a day without a recording.
    """
    try:
        return datetime.fromisoformat(label.removeprefix("ses-"))
    except ValueError:
        return None


def condition_of(recording: Path) -> str:
    """Return the condition that the task in the name of a recording tells, else that task."""
    task = entities(recording).get("task", "")
    return next((name for name, word in TASKS.items() if word == task), task)


def find_session(subject: SubjectNotes, told: str) -> str:
    """Return the label of the session that a person means.

    Parameters
    ----------
    subject
        Whose session.
    told
        A day as ``2026-05-17``, which may be new, or the label of a session that is there.

    Raises
    ------
    InputError
        There is no such session, two on that day, or it is no day.
    """
    told = told.strip().removeprefix("ses-")
    labels = [session.label for session in subject.sessions]
    if told in labels and told:
        return told
    try:
        day = date.fromisoformat(told)
    except ValueError:
        there = f"; there are {', '.join(labels)}" if any(labels) else ""
        raise InputError(
            f"session {clean_text(told, 40)!r}: neither a day, as 2026-05-17, nor the label of a "
            f"session of sub-{subject.label}{there}"
        ) from None
    same = [session.label for session in subject.sessions if session.label and session.day == day]
    if len(same) > 1:
        raise InputError(f"{day} has several sessions; give the label of one: {', '.join(same)}")
    return same[0] if same else f"{day:%Y%m%d}"


def _recordings(dataset: Path) -> list[Path]:
    try:
        found = find_recordings(dataset)
    except InputError:  # none yet
        return []
    return [path for path in found if is_bids_recording(path)]


def _session(
    label: str, table: Path, row: Mapping[str, str], paths: list[Path], unreadable: list[str]
) -> SessionNotes:
    scans = {
        Path(scan.get("filename", "")).stem: (file, scan)
        for file in {scans_table(path) for path in paths}
        for scan in read_table(file)
    }
    recordings = sorted(
        (_recording(path, *scans.get(path.stem, (path, {})), row, unreadable) for path in paths),
        key=lambda one: (one.start is None, one.start, one.path),
    )
    start = _moment(table, row, "acq_time", unreadable)
    moments = (start, label_day(label), *(recording.start for recording in recordings))
    moment = next(filter(None, moments), None)
    day = moment and moment.date()
    return SessionNotes(label, day, _notes(row), tuple(recordings), start, _more(row))


def _recording(
    path: Path, table: Path, row: Mapping[str, str], day: Mapping[str, str], unreadable: list[str]
) -> RecordingNotes:
    told = _text(row, "condition") or _text(day, "condition")
    noted = _notes({**row, "condition": told or condition_of(path)})
    return RecordingNotes(path, _moment(table, row, "acq_time", unreadable), noted, _more(row))


def _notes(row: Mapping[str, str]) -> Notes:
    said: dict[str, Any] = {}
    for column in fields(Notes):
        text = _text(row, column.name)
        said[column.name] = number_of(column.name, text) if column.name in GREATEST else text
    return Notes(**said)


def _text(row: Mapping[str, str], name: str) -> str:
    text = clean_text(row.get(name, ""), LONGEST)
    return "" if text == NOT_APPLICABLE else text


def number_of(name: str, text: str) -> float | None:
    """Return a number that is within the range of its column, else None."""
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text):
        return None
    number = float(text)
    fits = number <= GREATEST[name] and (name != "cramps" or math.floor(number) == number)
    return number if fits else None


def _more(row: Mapping[str, str]) -> dict[str, str]:
    """Return the further columns that say something."""
    known = {*COLUMNS, *_OF_THE_TABLE}
    return {name: text for name in row if name not in known and (text := _text(row, name))}


def _moment(
    table: Path, row: Mapping[str, str], column: str, unreadable: list[str]
) -> datetime | None:
    """Return date and time as written, without time zone; None if there is none or it is none."""
    text = _text(row, column)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        unreadable.append(f"{table}: {column} is no date (year-month-day): {text[:40]}")
        return None
