"""``emgtwitch note``: note how a day or a recording was."""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgtwitch.cli import options
from emgtwitch.cli.rate_table import shown
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from emgtwitch.recording.study_notes import Notes, SubjectNotes

_EPILOG = """\
Without a value to note, it shows what is there. A day may be one without a recording, as that of a
treatment. A new value takes the place of the old one; a --note is added to those that are there;
an empty value, as --treatment "", takes away what is there. What is noted stands in sessions.tsv
and scans.tsv of the data set. Write no name of a person: the data set would carry it.

examples:
  emgtwitch note my_study
  emgtwitch note my_study --subject 01 --session 2026-05-17 --twitching-felt 6 --cramps 2
  emgtwitch note my_study --session 2026-05-20 --treatment "physiotherapy begun"
  emgtwitch note my_study --recording my_study/sub-01/ses-20260517/emg/\
sub-01_ses-20260517_task-rest_emg.bdf --posture prone --note "left electrode renewed\""""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="EMG-BIDS data set")
    which = parser.add_argument_group("which day or recording")
    which.add_argument("--subject", metavar="S", help="code of the person, if there are several")
    which.add_argument(
        "--session", metavar="DAY", help="as 2026-05-17, or the label of a session that is there"
    )
    which.add_argument("--recording", metavar="PATH", type=Path, help="one recording, not a day")
    what = parser.add_argument_group("what to note")
    add = what.add_argument
    add("--condition", metavar="rest|post-exercise", help="state of the muscles, of a recording")
    add("--posture", metavar="TEXT", help="posture, of a recording")
    add("--exercise", metavar="TEXT", help="the exercise before, as '50 heel raises'")
    add("--treatment", metavar="TEXT", help="what was tried, as 'physiotherapy begun'")
    add("--twitching-felt", metavar="0-10", help="twitching felt: 0 none, 10 the worst imaginable")
    add("--cramps", metavar="N", help="number of cramps")
    add("--back-stiffness", metavar="0-10", help="stiffness of the back: 0 none, 10 the worst")
    add("--note", metavar="TEXT", dest="notes", help="anything else")
    options.add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write what is to be noted, and show what is there."""
    from emgtwitch.recording.study_notes import COLUMNS, read_notes

    said = {name: getattr(arguments, name) for name in COLUMNS}
    said = {name: value for name, value in said.items() if value is not None}
    subjects = read_notes(arguments.dataset)
    subject, session, recording = _which(arguments, subjects)
    if said:
        replaced = _write(arguments.dataset, subject, session, recording, said)
        subjects = read_notes(arguments.dataset)
        if not (arguments.json or arguments.quiet):
            for name, old in replaced.items():
                print(f"replaced: {_words(name)}: {old}")
    parts = [_part(one, session) for one in subjects if subject in (None, one.label)]
    if arguments.json:
        found = [_as_json(one, arguments.dataset) for one in parts]
        print(json.dumps(found, indent=2, default=lambda moment: moment.isoformat()))
    elif not arguments.quiet:
        print("\n".join(line for one in parts for line in _lines(one)))
    return 0


def _which(
    arguments: argparse.Namespace, subjects: "Sequence[SubjectNotes]"
) -> tuple[str | None, str | None, Path | None]:
    """Return subject, session and recording that are meant, None where all are."""
    from emgtwitch.recording.bids import entities
    from emgtwitch.recording.study_notes import find_session

    people = {one.label: one for one in subjects}
    if arguments.recording is not None:
        if arguments.session is not None:
            raise InputError("--session and --recording: a note is of one of them, not of both")
        inside = arguments.dataset / arguments.recording
        recording = arguments.recording if arguments.recording.exists() else inside
        if not recording.is_file():
            raise InputError(f"{arguments.recording}: no such recording")
        own = entities(recording)
        return own.get("sub"), own.get("ses", ""), recording
    subject = next(iter(people)) if len(people) == 1 else None
    if arguments.subject is not None:
        subject = arguments.subject.removeprefix("sub-")
        if subject not in people:
            there = ", ".join(people) or "none yet"
            raise InputError(f"--subject {subject}: not in {arguments.dataset}; there is {there}")
    if arguments.session is None:
        return subject, None, None
    if subject is None:
        raise InputError(f"whose day? give --subject: {', '.join(people) or 'there is none yet'}")
    return subject, find_session(people[subject], arguments.session), None


def _write(
    dataset: Path,
    subject: str | None,
    session: str | None,
    recording: Path | None,
    said: dict[str, str],
) -> dict[str, str]:
    from emgtwitch.recording.write_notes import note_recording, note_session

    if recording is not None:
        return note_recording(dataset, recording, said)
    if subject is None or session is None:
        raise InputError("a note of which day? give --session 2026-05-17, or --recording PATH")
    return note_session(dataset, subject, session, said)


def _part(subject: "SubjectNotes", session: str | None) -> "SubjectNotes":
    """Return a person with this session only, or with all."""
    return dataclasses.replace(
        subject,
        sessions=tuple(one for one in subject.sessions if session in (None, one.label)),
    )


def _lines(subject: "SubjectNotes") -> Iterator[str]:
    """Yield what is noted, in words."""
    about = f": {subject.treatment}" if subject.treatment else ""
    since = f" ({subject.treatment_date})" if subject.treatment_date else ""
    yield f"sub-{subject.label}{about}{since}"
    for session in subject.sessions:
        day = session.day.isoformat() if session.day else "day not known"
        label = f" (ses-{session.label})" if session.label else ""
        yield f"  {day}{label}{_said(session.noted)}"
        for recording in session.recordings:
            time = f"{recording.start:%H:%M}  " if recording.start else ""
            yield f"    {time}{shown(recording.path)}{_said(recording.noted)}"


def _said(noted: "Notes") -> str:
    from emgtwitch.recording.study_notes import GREATEST

    parts = []
    for name, value in dataclasses.asdict(noted).items():
        if value in ("", None):
            continue
        number = f"{value:g}" if name in GREATEST else value
        parts.append(f"{_words(name)}: {number}{'/10' if GREATEST.get(name) == 10 else ''}")
    return f"\n      {'; '.join(parts)}" if parts else ""


def _words(name: str) -> str:
    return name.replace("_", " ")


def _as_json(subject: "SubjectNotes", dataset: Path) -> dict[str, Any]:
    told = dataclasses.asdict(subject)
    for session in told["sessions"]:
        for recording in session["recordings"]:
            recording["path"] = recording["path"].relative_to(dataset).as_posix()
    return told
