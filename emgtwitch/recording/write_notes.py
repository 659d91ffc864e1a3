"""Note something about a day or a recording, beside what others wrote into the same tables."""

from collections.abc import Mapping
from pathlib import Path

from emgtwitch.errors import InputError
from emgtwitch.event_table import NOT_APPLICABLE
from emgtwitch.recording.derivatives import dataset_of
from emgtwitch.recording.signals import clean_text
from emgtwitch.recording.study_files import add_rows, locked, read_json, read_table, write_json
from emgtwitch.recording.study_notes import (
    COLUMNS,
    GREATEST,
    LONGEST,
    OF_RECORDINGS_ONLY,
    number_of,
    scans_table,
    sessions_table,
)


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
    text = clean_text(value, LONGEST)
    if text in ("", NOT_APPLICABLE):
        return ""
    if name in GREATEST:
        number = number_of(name, text)
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
