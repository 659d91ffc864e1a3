"""What a person notes about a day or a recording: columns of ``sessions.tsv`` and ``scans.tsv``.

Columns and rows of other tools are kept. A session is a day; one without a recording, as that of
a treatment, can be noted too.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from emgtwitch.errors import InputError
from emgtwitch.event_table import NOT_APPLICABLE
from emgtwitch.recording.bids import entities, find_recordings, is_bids_recording
from emgtwitch.recording.derivatives import dataset_of
from emgtwitch.recording.profile import TASKS
from emgtwitch.recording.signals import clean_text
from emgtwitch.recording.study_files import (
    DESCRIPTION,
    add_rows,
    locked,
    read_json,
    read_table,
    write_json,
)

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
_LONGEST = 10_000


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

    Where no table tells the condition, it is that of the task in the name of the file.
    """

    path: Path
    start: datetime | None
    noted: Notes


@dataclass(frozen=True)
class SessionNotes:
    """A session: its BIDS label, its day if it is known, what is noted, and its recordings."""

    label: str
    day: date | None
    noted: Notes
    recordings: tuple[RecordingNotes, ...]


@dataclass(frozen=True)
class SubjectNotes:
    """A person: BIDS label, treatment by ``participants.tsv``, and sessions in order of time."""

    label: str
    treatment: str
    treatment_date: date | None
    sessions: tuple[SessionNotes, ...]


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
    if not (dataset / DESCRIPTION).is_file():
        raise InputError(f"{dataset}: no BIDS data set, there is no {DESCRIPTION} in it")
    recordings = _recordings(dataset)
    people = {
        row.get("participant_id", "").removeprefix("sub-"): row
        for row in read_table(dataset / "participants.tsv")
    }
    labels = {path.name.removeprefix("sub-") for path in dataset.glob("sub-*") if path.is_dir()}
    return tuple(
        _subject(dataset, label, people.get(label, {}), recordings)
        for label in sorted(labels | people.keys() - {"", NOT_APPLICABLE})
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
    return _moment(label.removeprefix("ses-"))


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


def note_session(
    dataset: Path, subject: str, session: str, said: Mapping[str, str]
) -> dict[str, str]:
    """Note something about a day.

    Parameters
    ----------
    dataset
        Folder of the data set.
    subject, session
        BIDS labels; the session need not be there.
    said
        Column of `COLUMNS` → value. A new value takes the place of the old one, but ``notes`` are
        added to those that are there; an empty value takes away what is there.

    Returns
    -------
    replaced
        Column → the value that was there and is no longer.

    Raises
    ------
    InputError
        A value is out of its range, a column is for recordings only, or a table is damaged.
    """
    for name in OF_RECORDINGS_ONLY:
        if name in said:
            raise InputError(f"{name}: is noted of a recording, not of a day; say which recording")
    return _note(dataset, sessions_table(dataset, subject), "session_id", f"ses-{session}", said)


def note_recording(dataset: Path, recording: Path, said: Mapping[str, str]) -> dict[str, str]:
    """Note something about one recording; else as `note_session`."""
    recording = recording.resolve()
    if not recording.is_file() or dataset_of(recording) != dataset.resolve():
        raise InputError(f"{recording}: no recording of the data set {dataset}")
    key = f"{recording.parent.name}/{recording.name}"
    return _note(dataset, scans_table(recording), "filename", key, said)


def _note(
    dataset: Path, table: Path, key: str, row_id: str, said: Mapping[str, str]
) -> dict[str, str]:
    cells = {name: _checked(name, value) for name, value in said.items()}
    try:
        with locked(dataset):
            rows = read_table(table)
            old: dict[str, str] = next((row for row in rows if row.get(key) == row_id), {})
            known = {name: cell for name, cell in old.items() if cell != NOT_APPLICABLE}
            if cells.get("notes") and "notes" in known:
                cells["notes"] = f"{known['notes']}; {cells['notes']}"
            # First, so that no value stands in the table that the description does not allow.
            _describe(table.with_suffix(".json"), cells)
            add_rows(table, [{key: row_id, **cells}], (key,))
    except OSError as error:
        raise InputError(f"{table}: cannot be written: {error.strerror}") from error
    return {
        name: known[name]
        for name, cell in cells.items()
        if name in known and cell != known[name] and not (name == "notes" and cell)
    }


def _checked(name: str, value: str) -> str:
    """Return a value as it stands in the table."""
    text = clean_text(value, _LONGEST)
    if text in ("", NOT_APPLICABLE):
        return ""
    if name in GREATEST:
        number = _number(name, text)
        whole = " whole" if name == "cramps" else ""
        if number is None:
            raise InputError(
                f"{name} {text[:40]!r}: must be a{whole} number from 0 to {GREATEST[name]}"
            )
        return f"{number:g}"
    levels = COLUMNS[name].get("Levels")
    if levels and text not in levels:
        raise InputError(f"{name} {text[:40]!r}: must be one of {', '.join(levels)}")
    return text


def _describe(path: Path, cells: Mapping[str, str]) -> None:
    """Describe the columns; where another tool lists the values of one, add those that are new."""
    about = read_json(path)
    before = str(about)
    for name, cell in cells.items():
        described = about.setdefault(name, COLUMNS[name])
        levels = described.get("Levels") if isinstance(described, dict) else None
        if isinstance(levels, dict) and cell and cell not in levels:
            levels[cell] = "in the person's words"
    if str(about) != before:
        write_json(path, about)


def _recordings(dataset: Path) -> list[Path]:
    try:
        found = find_recordings(dataset)
    except InputError:  # none yet
        return []
    return [path for path in found if is_bids_recording(path)]


def _subject(
    dataset: Path, label: str, person: Mapping[str, str], recordings: list[Path]
) -> SubjectNotes:
    rows = {
        row["session_id"].removeprefix("ses-"): row
        for row in read_table(sessions_table(dataset, label))
        if "session_id" in row
    }
    own: dict[str, list[Path]] = {name: [] for name in rows}
    folders = (dataset / f"sub-{label}").glob("ses-*")
    own |= {path.name.removeprefix("ses-"): [] for path in folders if path.is_dir()}
    for path in recordings:
        if entities(path)["sub"] == label:
            own.setdefault(entities(path).get("ses", ""), []).append(path)
    sessions = [_session(name, rows.get(name, {}), paths) for name, paths in own.items()]
    treated = _moment(person.get("treatment_date"))
    return SubjectNotes(
        label,
        _text(person, "treatment"),
        treated and treated.date(),
        tuple(sorted(sessions, key=lambda one: (one.day is None, one.day, one.label))),
    )


def _session(label: str, row: Mapping[str, str], paths: list[Path]) -> SessionNotes:
    tables = {scans_table(path) for path in paths}
    scans = {
        Path(scan.get("filename", "")).name: scan for table in tables for scan in read_table(table)
    }
    recordings = sorted(
        (_recording(path, scans.get(path.name, {})) for path in paths),
        key=lambda one: (one.start is None, one.start, one.path),
    )
    moments = [_moment(row.get("acq_time")), label_day(label)]
    moments += [recording.start for recording in recordings]
    moment = next(filter(None, moments), None)
    return SessionNotes(label, moment and moment.date(), _notes(row), tuple(recordings))


def _recording(path: Path, row: Mapping[str, str]) -> RecordingNotes:
    task = entities(path).get("task", "")
    of_task = next((name for name, word in TASKS.items() if word == task), task)
    noted = _notes({**row, "condition": _text(row, "condition") or of_task})
    return RecordingNotes(path, _moment(row.get("acq_time")), noted)


def _notes(row: Mapping[str, str]) -> Notes:
    said: dict[str, Any] = {}
    for column in fields(Notes):
        text = _text(row, column.name)
        said[column.name] = _number(column.name, text) if column.name in GREATEST else text
    return Notes(**said)


def _text(row: Mapping[str, str], name: str) -> str:
    text = clean_text(row.get(name, ""), _LONGEST)
    return "" if text == NOT_APPLICABLE else text


def _number(name: str, text: str) -> float | None:
    """Return a number that is within the range of its column, else None."""
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text):
        return None
    number = float(text)
    fits = number <= GREATEST[name] and (name != "cramps" or math.floor(number) == number)
    return number if fits else None


def _moment(text: str | None) -> datetime | None:
    """Return date and time as written, without its time zone; None if it is none."""
    try:
        return datetime.fromisoformat((text or "").strip()).replace(tzinfo=None)
    except ValueError:
        return None
