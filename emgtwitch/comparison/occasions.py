"""When and under which conditions recordings were made, and what was found in them.

Read from an EMG-BIDS data set: ``participants.tsv``, ``sessions.tsv`` and ``scans.tsv``, and the
event tables under ``derivatives/emgtwitch``.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

from emgtwitch.channels import muscle_of
from emgtwitch.detection.detections import Detections
from emgtwitch.errors import InputError
from emgtwitch.event_table import NOT_APPLICABLE
from emgtwitch.recording.bids import channel_facts, entities, find_recordings
from emgtwitch.recording.derivatives import dataset_of, derivative_path
from emgtwitch.recording.study_files import read_table
from emgtwitch.recording.study_notes import label_day, scans_table, sessions_table

REST, AFTER_EXERCISE = "rest", "post-exercise"
_OF_TASK = {"rest": REST, "postexercise": AFTER_EXERCISE}
BEFORE, AFTER = "before", "after"  # the words of a treatment column that only tell on which side
_EVENTS = "_events.tsv"
_DERIVATIVE = ("derivatives", "emgtwitch")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# Columns of the tables that have a field of their own, or tell nothing about the recording.
_KNOWN = {
    "filename", "session_id", "acq_time", "condition", "exercise", "posture", "treatment", "notes",
    "minutes", "lost_s",
}  # fmt: skip


@dataclass(frozen=True, order=True)
class Treatment:
    """What was tried from which day on."""

    day: date
    text: str


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
    more
        Further columns of the tables, as symptoms.
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
    table = cache(read_table)
    return [_occasion(recording.absolute(), table) for recording in recordings]


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


def _occasion(recording: Path, table: Callable[[Path], list[dict[str, str]]]) -> Occasion:
    dataset, own = dataset_of(recording), entities(recording)
    subject, session = own.get("sub", ""), own.get("ses", "")
    if dataset is None:
        return Occasion(subject, session, condition=_OF_TASK.get(own.get("task", ""), ""))
    of_subject, of_session = sessions_table(dataset, subject), scans_table(recording)
    people, sessions, scans = (
        [
            {name: cell for name, cell in row.items() if cell != NOT_APPLICABLE}
            for row in table(file)
        ]
        for file in (dataset / "participants.tsv", of_subject, of_session)
    )
    person = _row(people, "participant_id", f"sub-{subject}")
    day = _row(sessions, "session_id", f"ses-{session}")
    scan = next((row for row in scans if Path(row.get("filename", "")).stem == recording.stem), {})
    told = {**day, **scan}
    start = _moment(of_session, scan) or _moment(of_subject, day)
    task = own.get("task", "")
    return Occasion(
        subject,
        session,
        start,
        told.get("condition", _OF_TASK.get(task, task)),
        told.get("exercise", ""),
        told.get("posture", ""),
        told.get("treatment", ""),
        "; ".join(row["notes"] for row in (day, scan) if "notes" in row),
        _treatments(dataset / "participants.tsv", person, of_subject, sessions),
        {name: cell for name, cell in told.items() if name not in _KNOWN},
    )


def _row(rows: list[dict[str, str]], column: str, cell: str) -> dict[str, str]:
    return next((row for row in rows if row.get(column) == cell), {})


def _moment(file: Path, row: dict[str, str], column: str = "acq_time") -> datetime | None:
    if column not in row:
        return None
    try:
        return datetime.fromisoformat(row[column]).replace(tzinfo=None)
    except ValueError as error:
        raise InputError(f"{file}: {column} is no date (year-month-day): {row[column]}") from error


def _treatments(
    of_people: Path, person: dict[str, str], of_subject: Path, sessions: list[dict[str, str]]
) -> tuple[Treatment, ...]:
    """Return the treatments with their first day: as told, else that of the first such session."""
    first: dict[str, date] = {}
    dated = _moment(of_people, person, "treatment_date")
    if dated and "treatment" in person:
        first[person["treatment"]] = dated.date()
    for row in sessions:
        start = _moment(of_subject, row) or label_day(row.get("session_id", ""))
        for words in row.get("treatment", "").split(";"):
            day = _DAY.search(words)
            text = re.sub(r"\s+(since|from|on)$", "", _DAY.sub("", words).strip())
            when = _moment(of_subject, {"treatment": day[0]}, "treatment") if day else start
            if text and text not in (BEFORE, AFTER) and when is not None:
                first[text] = min(when.date(), first.get(text, date.max))
    return tuple(sorted(Treatment(day, text) for text, day in first.items()))
