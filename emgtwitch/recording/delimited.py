"""Read CSV, TSV and other tables of text, with or without a header and a time column.

Also two text formats with headers of their own: the "Simple Text Format" of BioSPPy, and the CSV
that Delsys EMGworks exports from Trigno sensors.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import (
    COUNTS,
    Signals,
    Stated,
    agreed_rate,
    clean_name,
    emg_columns,
    to_uv,
    unique_names,
    uv_per_unit,
    warn,
)
from emgtwitch.recording.table import MISSING, first_lines, is_number, read_numbers
from emgtwitch.recording.timing import fill, grid_of_counter, grid_of_times

_TIME = re.compile(r"(?:time|t|zeit|elapsed)(?:[ _-]?(?:s|stamps?))?")
_TIME_UNITS = {
    "s": 1.0,
    "sec": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "millis": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "micros": 1e-6,
    "microseconds": 1e-6,
}
_COUNTER = re.compile(r"counter|count|samples?( index| number)?|index|n?seq|[ni#]|frame|unnamed: 0")
_SAME_ROWS = 5  # rows that must look alike to be the start of the table
_DELSYS = re.compile(
    r"Label: (?P<label>.*?) Sampling frequency: (?P<sfreq>\S+) Number of points: (?P<points>\d+)"
    r".*? Unit: (?P<unit>\S+)"
)


@dataclass(frozen=True)
class _Layout:
    delimiter: str | None
    decimal_comma: bool
    skip: int
    names: list[str]
    units: list[str | None]
    numeric: list[bool]


def looks_like_table(path: Path) -> bool:
    """Return whether a text file is a table with columns of numbers, and no table of events."""
    try:
        layout = _layout(path)
    except InputError:
        return False
    return layout.names[0].lower() != "onset"


def read_table(path: Path, stated: Stated) -> Signals:
    """Read EMG from a table of text.

    A column named as time gives the rate and the gaps; one named as a counter (or a first one
    without a name that counts rows) the gaps only. Units stand in the header, as ``EMG (mV)`` or
    ``EMG_uV``, or in the line below it, or are stated.

    Raises
    ------
    InputError
        No table, no rate, no unit, or what is stated contradicts the file.
    """
    if re.match(r"\W*onset\b", "".join(first_lines(path, 1))):
        raise InputError(f"{path}: this is a table of events (onset), not a recording")
    layout = _layout(path)
    columns = [index for index, numeric in enumerate(layout.numeric) if numeric]
    time_units = {
        index: factor
        for index in columns
        if (factor := _time_unit(layout.names[index], layout.units[index])) is not None
    }
    time = min(time_units, default=None)
    counter = next((i for i in columns if _COUNTER.fullmatch(layout.names[i].lower())), None)
    rest = [index for index in columns if index not in time_units and index != counter]
    emg = [
        rest[index]
        for index in emg_columns(
            [layout.names[index] for index in rest], [layout.units[index] for index in rest]
        )
    ]
    wanted = [index for index in (time, counter, *emg) if index is not None]
    values = read_numbers(
        path,
        wanted,
        delimiter=layout.delimiter,
        skip=layout.skip,
        decimal_comma=layout.decimal_comma,
    )
    column = dict(zip(wanted, values, strict=True))
    if values.shape[1] < 3:
        raise InputError(f"{path}: {values.shape[1]} rows of numbers, which is no recording")
    if emg and time is None and counter is None and _counts_rows(column[emg[0]]):
        counter = emg.pop(0)
    if emg and time is None and (np.diff(column[emg[0]]) > 0).all():
        raise InputError(
            f"{path}: its column {emg[0] + 1} only rises, as time does; if it is the time, name it "
            f"in the first line: time (in s), time_ms or time_us"
        )
    if not emg:
        listed = ", ".join(clean_name(name) for name in layout.names)
        raise InputError(f"{path}: no EMG column among: {listed}")
    own_rate, index = None, np.arange(values.shape[1])
    if time is not None:
        own_rate, index = grid_of_times(column[time] * time_units[time], path)
        if own_rate < 10:
            raise InputError(
                f"{path}: by its time column {own_rate:.3g} samples per second; if the column "
                f"is in ms or µs, name it time_ms or time_us"
            )
    elif counter is not None:
        index = _counter_grid(column[counter], path)
    unit_known = bool(stated.unit or stated.uv_per_count or all(layout.units[i] for i in emg))
    sfreq = agreed_rate(own_rate, stated, path, unit_known=unit_known)
    if stated.sfreq is not None and abs(stated.sfreq - sfreq) < 1e-4 * sfreq:
        sfreq = stated.sfreq
    names = unique_names([layout.names[i] or f"EMG {i + 1}" for i in emg], path)
    data = [
        to_uv(column[i], layout.units[i], stated, f"{path}: {name}")
        for i, name in zip(emg, names, strict=True)
    ]
    return Signals(names, fill(np.array(data), index, path), sfreq)


def _counts_rows(values: np.ndarray) -> bool:
    return bool((np.diff(values) == 1).all())


def _counter_grid(counter: np.ndarray, where: object) -> np.ndarray:
    if not np.isfinite(counter).all() or (counter % 1).any() or np.abs(counter).max() > 2**53:
        raise InputError(f"{where}: its sample counter is not a whole number everywhere")
    steps = np.diff(counter.astype(np.int64))
    if (steps == 0).any():
        raise InputError(f"{where}: its sample counter stands still")
    period = int(counter.max()) + 1 if (steps < 0).any() else None
    return grid_of_counter(counter.astype(np.int64), period)


def _layout(path: Path) -> _Layout:
    lines = first_lines(path)
    for skip in range(len(lines)):
        rows = [line for line in lines[skip : skip + _SAME_ROWS] if not line.isspace()]
        if not rows or lines[skip].isspace() or lines[skip][0] in "#%":
            continue
        delimiter = next((mark for mark in "\t;," if mark in rows[0]), None)
        decimal_comma = delimiter != "," and "," in rows[0] and "." not in rows[0]
        cells = [_cells(row.replace(",", ".") if decimal_comma else row, delimiter) for row in rows]
        widths = {len(row) for row in cells[:-1]} or {len(cells[0])}
        numeric = [_may_be_number(cell) for cell in cells[0]]
        alike = widths == {len(cells[0])} and all(
            _may_be_number(cell) == is_numeric or cell.lower() in MISSING
            for row in cells[:-1]
            for cell, is_numeric in zip(row, numeric, strict=True)
        )
        if alike and any(map(is_number, cells[0])):
            if broken := _first_break(lines[:skip], delimiter, numeric):
                raise InputError(f"{path}: line {broken} breaks the rows of numbers")
            names, units = _header(lines[:skip], delimiter, len(cells[0]))
            numeric = [
                number and (name or cell) != ""  # a delimiter at the end makes no column
                for number, name, cell in zip(numeric, names, cells[0], strict=True)
            ]
            return _Layout(delimiter, decimal_comma, skip, names, units, numeric)
    raise InputError(f"{path}: no rows of numbers in its first {len(lines)} lines")


def _first_break(before: list[str], delimiter: str | None, numeric: list[bool]) -> int | None:
    """Return the number of the line that interrupts rows of numbers, if there are such before."""
    rows = [_cells(line, delimiter) for line in before]
    whole = [len(row) == len(numeric) and all(map(is_number, row)) for row in rows]
    if True in whole:
        return [*whole, False].index(False, whole.index(True)) + 1
    half = rows and len(rows[-1]) == len(numeric) and any(map(is_number, rows[-1]))
    return len(rows) if half else None


def _may_be_number(cell: str) -> bool:
    return is_number(cell) or cell.lower() in MISSING


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    cells = next(csv.reader([line.strip("\r\n")], delimiter=delimiter), [""])
    return [cell.strip() for cell in cells]


def _header(
    before: list[str], delimiter: str | None, width: int
) -> tuple[list[str], list[str | None]]:
    """Return names and units of the columns, from the last lines before the numbers."""
    heads = [
        cells
        for line in before[-2:]
        if len(cells := _cells(line.lstrip("#% "), delimiter)) == width
    ]
    if not heads:
        return [""] * width, [None] * width
    units = None
    if len(heads) == 2 and all(_is_unit(cell) for cell in heads[-1]) and any(heads[-1]):
        units = [cell or None for cell in heads.pop()]
    split = [_name_and_unit(cell) for cell in heads[-1]]
    names = [name for name, _ in split]
    return names, units or [unit for _, unit in split]


def _is_unit(cell: str) -> bool:
    return cell == "" or cell.lower() in _TIME_UNITS or uv_per_unit(cell) is not None


def _name_and_unit(head: str) -> tuple[str, str | None]:
    if match := re.fullmatch(r"(.*?)[ _]*[\[(]([^\])]*)[\])]", head):
        return match[1], match[2]
    name, _, last = head.rpartition("_")
    if name and _is_unit(last) and last:
        return name, last
    return head, None


def _time_unit(name: str, unit: str | None) -> float | None:
    """Return the seconds in one unit of a time column, or None for another column."""
    word = name.lower()
    if unit is not None:
        return _TIME_UNITS.get(unit.lower())
    return 1.0 if _TIME.fullmatch(word) else _TIME_UNITS.get(word)


def read_simple_text(path: Path, stated: Stated) -> Signals:
    """Read the "Simple Text Format" of BioSPPy: counts of a converter of unknown range.

    Raises
    ------
    InputError
        The header is damaged, or nothing states the unit.
    """
    lines = first_lines(path)
    head = dict(
        line[1:].strip().split(":=", 1) for line in lines if line.startswith("#") and ":=" in line
    )
    skip = next((k for k, line in enumerate(lines) if not line.startswith("#")), len(lines))
    rate = head.get("Sampling Rate (Hz)", "").strip()
    names = head.get("Labels", "").strip().split("\t")
    emg = emg_columns(names, [COUNTS] * len(names))
    if not is_number(rate) or not emg:
        raise InputError(f"{path}: its header lacks a sampling rate or an EMG label")
    values = read_numbers(path, emg, delimiter=None, skip=skip)
    return Signals(
        unique_names([names[index] for index in emg], path),
        np.array([to_uv(row, COUNTS, stated, path) for row in values]),
        agreed_rate(float(rate), stated, path),
    )


def read_delsys(path: Path, stated: Stated) -> Signals:
    """Read the EMG columns of a CSV exported by Delsys EMGworks.

    Raises
    ------
    InputError
        The header is damaged, or the EMG channels differ in rate.
    """
    lines = first_lines(path)
    heads = [match.groupdict() for line in lines if (match := _DELSYS.match(line))]
    table = next((k for k, line in enumerate(lines) if line.startswith("X[")), None)
    chosen = emg_columns([head["label"] for head in heads], [head["unit"] for head in heads])
    if table is None or not chosen or not all(is_number(heads[i]["sfreq"]) for i in chosen):
        raise InputError(f"{path}: its Delsys header is damaged, or names no EMG channel")
    rates = {float(heads[index]["sfreq"]) for index in chosen}
    if len(rates) > 1:
        raise InputError(f"{path}: its EMG channels have several sampling rates: {sorted(rates)}")
    # Every channel has two columns: its own time, and its values; those of slower ones end early.
    values = read_numbers(path, [2 * index + 1 for index in chosen], delimiter=",", skip=table + 1)
    points = max(int(heads[index]["points"]) for index in chosen)
    if values.shape[1] < points:
        warn(f"{path}: cut off: {values.shape[1]} of {points} samples are there")
    names = unique_names([heads[index]["label"] for index in chosen], path)
    data = [
        to_uv(row, heads[index]["unit"], stated, f"{path}: {name}")
        for index, name, row in zip(chosen, names, values, strict=True)
    ]
    return Signals(names, np.array(data), agreed_rate(rates.pop(), stated, path))
