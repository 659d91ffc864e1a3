"""Every dataclass of the comparison as JSON or as the rows of a table."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np


def as_json(value: Any) -> Any:
    """Return dataclasses, arrays, dates and numbers as `json.dumps` takes them.

    What is no number, and a bound that does not exist, becomes None.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: as_json(getattr(value, entry.name)) for entry in _fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return as_json(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


def as_table(rows: Iterable[Any]) -> tuple[list[str], list[list[str]]]:
    """Return dataclasses of one kind as a table: column names, and cells of text.

    Dataclasses and mappings inside become columns ``outer.inner``; a tuple of dataclasses,
    which is a table of its own, and an array are left out. ``n/a`` stands for what is not there.

    Parameters
    ----------
    rows
        Dataclasses, or mappings in which some are put beside each other.
    """
    flat = [dict(_flat("", row)) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    outer = {name.rpartition(".")[0] for name in names}  # None in some rows, columns in others
    columns = [name for name in names if name not in outer]
    return columns, [[_cell(row.get(name)) for name in columns] for row in flat]


def _fields(value: Any) -> Iterable[Any]:
    return dataclasses.fields(value)


def _flat(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {entry.name: getattr(value, entry.name) for entry in _fields(value)}
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), entry)
    elif isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        yield name, value


def _cell(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "n/a"
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(as_json(value)).split())
