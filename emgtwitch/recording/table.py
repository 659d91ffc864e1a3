"""Read columns of numbers from text, block by block, with the line number of what is wrong."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import clean_name, warn

MISSING = {"", "nan", "n/a", "na", "null", "none", "-"}
LONGEST_LINE = 100_000
_BLOCK_BYTES = 8_000_000


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file in UTF-8, or UTF-16 if it begins with its mark; odd bytes are replaced."""
    with path.open("rb") as file:
        mark = file.read(2)
    encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with path.open(encoding=encoding, errors="replace") as text:
        yield text


def first_lines(path: Path, most: int = 200) -> list[str]:
    """Return the first lines of a text file.

    Raises
    ------
    InputError
        A line is longer than `LONGEST_LINE` characters, so that this is no table.
    """
    lines: list[str] = []
    with open_text(path) as file:
        while len(lines) < most and (line := file.readline(LONGEST_LINE)):
            if len(line) == LONGEST_LINE:
                raise InputError(f"{path}: line {len(lines) + 1} never ends; not a text table")
            lines.append(line)
    return lines


def read_numbers(
    path: Path,
    columns: Sequence[int],
    *,
    delimiter: str | None,
    skip: int,
    decimal_comma: bool = False,
) -> np.ndarray:
    """Return columns of a text table as numbers.

    Parameters
    ----------
    path
        Text file.
    columns
        Which columns to take, from 0.
    delimiter
        What separates the cells; None for white space.
    skip
        Lines before the first row.
    decimal_comma
        Whether a comma is the decimal point.

    Returns
    -------
    values
        float64, shape (n_columns, n_rows); a missing cell (empty, ``n/a``, ``nan``) is NaN.

    Raises
    ------
    InputError
        A cell is no number or a row is too short; the message names the line. A last row that
        is cut off is dropped with a warning instead.
    """
    parts = []
    line_number = skip
    with open_text(path) as file:
        for _ in range(skip):
            file.readline()
        while lines := file.readlines(_BLOCK_BYTES):
            line_number += len(lines)
            if decimal_comma:
                lines = [line.replace(",", ".") for line in lines]
            try:
                parts.append(_quick(lines, columns, delimiter))
            except ValueError:
                first = line_number - len(lines) + 1
                parts.append(_careful(path, lines, columns, delimiter, first))
    values = np.concatenate(parts, axis=1) if parts else np.empty((len(columns), 0))
    if np.isinf(values).any():
        raise InputError(f"{path}: a value is infinite")
    return values


def _quick(lines: list[str], columns: Sequence[int], delimiter: str | None) -> np.ndarray:
    if not any(not line.isspace() for line in lines):
        return np.empty((len(columns), 0))
    return np.loadtxt(
        lines, delimiter=delimiter, usecols=columns, ndmin=2, comments=None, quotechar='"'
    ).T


def _careful(
    path: Path, lines: list[str], columns: Sequence[int], delimiter: str | None, first: int
) -> np.ndarray:
    rows = []
    for number, line in enumerate(lines, start=first):
        if line.isspace():
            continue
        cells = line.strip("\r\n").split(delimiter)
        try:
            rows.append([_number(cells[column]) for column in columns])
        except (IndexError, ValueError) as error:
            if number == first + len(lines) - 1 and not line.endswith("\n"):
                warn(f"{path}: the last line is cut off, and left out")
                break
            what = "has too few cells" if isinstance(error, IndexError) else str(error)
            raise InputError(f"{path}: line {number} {what}") from error
    return np.array(rows, dtype=float).reshape(-1, len(columns)).T


def _number(cell: str) -> float:
    text = cell.strip().strip('"')
    if text.lower() in MISSING:
        return np.nan
    if not is_number(text):
        raise ValueError(f"has {clean_name(text)!r} where a number should be")
    return float(text)


def is_number(text: str) -> bool:
    """Return whether a cell is a plain number (which ``1_0`` and ``infinity`` are not)."""
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is not None
