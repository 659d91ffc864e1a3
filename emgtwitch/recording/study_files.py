"""The text files of a BIDS data set: written whole or not at all, what others put there is kept."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emgtwitch.errors import InputError
from emgtwitch.event_table import NOT_APPLICABLE, whole_file
from emgtwitch.recording.disk import sync, try_lock

BIDS_VERSION = "1.11.1"
DESCRIPTION = "dataset_description.json"
_PATIENCE_S = 10


def write_text(path: Path, text: str) -> None:
    """Write a text file and wait until it is on the disk; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(text)
        file.flush()
        sync(file)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table: tabs between the cells, ``n/a`` in those that say nothing."""
    lines = ["\t".join(map(_cell, row)) for row in (columns, *rows)]
    write_text(path, "\n".join(lines) + "\n")


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table, none if there is no such file.

    Raises
    ------
    InputError
        It is no table: a row has another number of cells than the first line.
    """
    return _read(path)[1]


def add_rows(path: Path, rows: Iterable[Mapping[str, object]], key: tuple[str, ...]) -> None:
    """Add rows to a table; a row that has the same `key` gets the new cells instead.

    Columns and rows that are there already are kept, as are the cells that are not given. New
    columns come last, and say ``n/a`` in the other rows.

    Parameters
    ----------
    path
        The table; it need not exist.
    rows
        Column → cell.
    key
        The columns that tell rows apart.

    Raises
    ------
    InputError
        There is a file that is no table.
    """
    columns, there = _read(path)
    for row in rows:
        cells = {name: _cell(value) for name, value in row.items()}
        columns += [name for name in cells if name not in columns]
        same = [old for old in there if all(old.get(name) == cells[name] for name in key)]
        for old in same:
            old.update(cells)
        if not same:
            there.append(cells)
    write_table(path, columns, ([row.get(name, "") for name in columns] for row in there))


def remove_row(path: Path, name: str, cell: str) -> None:
    """Remove the rows of a table that have this cell."""
    columns, rows = _read(path)
    kept = [row for row in rows if row.get(name) != cell]
    write_table(path, columns, ([row[name] for name in columns] for row in kept))


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, an empty one if there is no such file.

    Raises
    ------
    InputError
        There is a file that is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object")
    return content


def describe_columns(path: Path, about: Mapping[str, Any]) -> None:
    """Add descriptions of columns to a JSON file; those that are there already are kept."""
    there = read_json(path)
    if about.keys() - there.keys():
        write_json(path, {**about, **there})


@contextmanager
def locked(dataset: Path) -> Iterator[None]:
    """Let no other process that asks for it change the data set meanwhile.

    Raises
    ------
    InputError
        Another process keeps it for longer than 10 s.
    """
    with (dataset / DESCRIPTION).open("rb", buffering=0) as file:
        give_up = time.monotonic() + _PATIENCE_S
        while not try_lock(file):
            if time.monotonic() > give_up:
                raise InputError(f"{dataset}: another program keeps writing here; try again")
            time.sleep(0.02)
        yield


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        return [], []
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    rows = [line.split("\t") for line in lines if line]
    columns = rows[0] if rows else []
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise InputError(f"{path}: row {number} has {len(row)} cells, not {len(columns)}")
    return columns, [dict(zip(columns, row, strict=True)) for row in rows[1:]]


def _cell(value: object) -> str:
    return " ".join(str(value).split()) or NOT_APPLICABLE  # a tab or newline would break the table
