"""The event table: its columns, and reading and writing it as a BIDS ``_events.tsv``."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from emgtwitch.errors import InputError

FASCICULATION = "fasciculation"
TRIAL_TYPES = (FASCICULATION, "contraction", "cramp", "artifact", "gap", "saturation")
NOT_APPLICABLE = "n/a"

# name: (numpy type, decimals in the file, what the sidecar says)
_COLUMNS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "onset": ("f8", 6, {"Description": "Start, from the start of the recording", "Units": "s"}),
    "duration": ("f8", 6, {"Description": "Length", "Units": "s"}),
    "trial_type": (
        "U16",
        0,
        {
            "Description": "What it is; only fasciculation counts as a twitch, and only where "
            "reason is n/a",
            "Levels": {
                "fasciculation": "fasciculation-like spike",
                "contraction": "voluntary or unclear sustained activity",
                "cramp": "cramp-like involuntary sustained activity",
                "artifact": "movement, electrode or common-mode disturbance",
                "gap": "samples missing",
                "saturation": "amplifier or converter at its limit",
            },
        },
    ),
    "channel": ("U", 0, {"Description": "Channel name as in the recording"}),
    "peak_time": (
        "f8",
        6,
        {"Description": "Main peak, group delay of the filters removed", "Units": "s"},
    ),
    "amplitude_uv": (
        "f8",
        2,
        {"Description": "Peak to peak of the zero-phase band-passed waveform", "Units": "uV"},
    ),
    "snr": ("f8", 2, {"Description": "Peak to peak over the local noise rms"}),
    "unit": (
        "i4",
        0,
        {"Description": "Waveform class within channel and recording: a shape, not a motor unit"},
    ),
    "burst": (
        "i4",
        0,
        {"Description": "Number shared by the twitches of one doublet, multiplet or burst"},
    ),
    "reason": ("U24", 0, {"Description": "For a rejected row: the gate that rejected it"}),
}
COLUMNS = tuple(_COLUMNS)


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the event table.

    A float that does not apply is NaN; `unit` and `burst` are -1 where they do not apply.
    """

    onset: float
    duration: float
    trial_type: str
    channel: str
    peak_time: float = np.nan
    amplitude_uv: float = np.nan
    snr: float = np.nan
    unit: int = -1
    burst: int = -1
    reason: str = NOT_APPLICABLE
    provisional: bool = False


def event_array(events: list[Event]) -> np.ndarray:
    """Return events as a structured array, one field per column, ordered by onset."""
    width = max((len(event.channel) for event in events), default=1)
    dtype = [(name, f"U{width}" if kind == "U" else kind) for name, (kind, *_) in _COLUMNS.items()]
    ordered = sorted(events, key=lambda event: (event.onset, event.channel, event.trial_type))
    return np.array(
        [tuple(getattr(event, name) for name in COLUMNS) for event in ordered], dtype=dtype
    )


def is_twitch(table: np.ndarray) -> np.ndarray:
    """Return the mask of rows that count as twitches: accepted fasciculations."""
    return (table["trial_type"] == FASCICULATION) & (table["reason"] == NOT_APPLICABLE)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open a text file that appears under its name only once it is written completely."""
    final = Path(path)
    partial = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)


def sidecar_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of the JSON sidecar of an event table."""
    return Path(path).with_suffix(".json")


def _cell(name: str, value: Any) -> str:
    kind, decimals, _ = _COLUMNS[name]
    if kind == "f8":
        return f"{value:.{decimals}f}" if np.isfinite(value) else NOT_APPLICABLE
    if kind == "i4":
        return str(value) if value >= 0 else NOT_APPLICABLE
    return " ".join(str(value).split()) or NOT_APPLICABLE  # a tab or newline would break the table


def write_event_table(
    path: str | os.PathLike[str],
    table: np.ndarray,
    about: dict[str, Any] | None = None,
    further: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write an event table and its JSON sidecar, each whole or not at all.

    Parameters
    ----------
    path
        File to write, ending in ``.tsv``; the sidecar has the same name ending in ``.json``.
    table
        Structured array as made by `event_array`.
    about
        Further entries of the sidecar: settings, versions, seconds valid and excluded.
    further
        Further columns, name → cells, which come last; `about` describes them.
    """
    further = further or {}
    columns = {name: description for name, (_, _, description) in _COLUMNS.items()}
    # Both are on the disk before either gets its name: old settings never lie beside new events.
    with whole_file(sidecar_path(path)) as sidecar, whole_file(path) as file:
        json.dump({**columns, **(about or {})}, sidecar, indent=2, ensure_ascii=False)
        sidecar.write("\n")
        file.write("\t".join((*COLUMNS, *further)) + "\n")
        for row, *more in zip(table, *further.values(), strict=True):
            file.write("\t".join((*map(_cell, COLUMNS, row), *more)) + "\n")
        sidecar.flush()


def read_event_table(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an event table, also one by other hands: only ``onset`` must be there.

    Raises
    ------
    InputError
        The file cannot be read, or is no event table; the message names the line.
    """
    source = Path(path)
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{source}: cannot read the event table: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: not a text file, so no event table") from error
    header = lines[0].split("\t") if lines else []
    if "onset" not in header:
        raise InputError(f"{source}: no column 'onset' in the first line, so no event table")
    events = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise InputError(
                f"{source}: line {number} has {len(cells)} cells, the header {len(header)}"
            )
        row = dict(zip(header, cells, strict=True))
        try:
            events.append(_parse(row))
        except ValueError as error:
            raise InputError(f"{source}: line {number}: {error}") from error
    return event_array(events)


def _parse(row: dict[str, str]) -> Event:
    values: dict[str, Any] = {
        "duration": 0.0,
        "trial_type": FASCICULATION,
        "channel": NOT_APPLICABLE,
    }
    for name, (kind, *_) in _COLUMNS.items():
        text = row.get(name, NOT_APPLICABLE)
        if text == NOT_APPLICABLE:
            continue
        values[name] = text if kind.startswith("U") else _number(name, kind, text)
    if "onset" not in values:
        raise ValueError("onset is missing")
    return Event(**values)


def _number(name: str, kind: str, text: str) -> float:
    value = float(text) if kind == "f8" else int(text)
    if "_" in text or not np.isfinite(value) or (kind == "i4" and not 0 <= value < 2**31):
        raise ValueError(f"{name} cannot be {text!r}")
    return value
