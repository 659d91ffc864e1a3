"""Marks that people set while a recording grows: typed lines, and ``emgtwitch mark``.

Both are stamped with the time they were set, not with that at which they are taken up.
"""

import json
import math
import os
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from emgtwitch.errors import InputError

DEFAULT_TEXT = "mark"
MOST_CHARACTERS = 200
# One file per recording that runs; hidden: validators and readers of data sets pass over it.
_SPOOL = ".emgtwitch_marks"
_ALIVE_S = 5.0
_BEAT_S = 1.0
_LARGEST_SPOOL = 1_000_000


@dataclass(frozen=True)
class SetMark:
    """A mark, and when it was set: seconds since the epoch of `time.time`."""

    time_s: float
    text: str


class TypedMarks:
    """Each line that is typed becomes a mark; the rest of the program never waits for it.

    Parameters
    ----------
    lines
        Where lines are typed, such as ``sys.stdin``.

    Attributes
    ----------
    ended
        Nothing more can be typed: Ctrl-D, or the end of a pipe.
    """

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self.ended = False
        self._marks: queue.SimpleQueue[SetMark] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="typed marks", daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):  # closed under our hands at the end of the program
            while line := self._lines.readline(MOST_CHARACTERS + 1):
                self._marks.put(SetMark(time.time(), cleaned(line)))
        self.ended = True

    def take(self) -> list[SetMark]:
        """Return the marks set since the last call."""
        return [self._marks.get() for _ in range(self._marks.qsize())]


class SpooledMarks:
    """Marks that other programs leave in the data set by `leave_mark`.

    Parameters
    ----------
    dataset
        Folder of the data set; a small hidden file in it tells that a recording is running.
    """

    def __init__(self, dataset: Path) -> None:
        self._spool = dataset / f"{_SPOOL}_{os.getpid()}"
        with suppress(OSError):  # then other programs can set none
            self._spool.write_bytes(b"")
        self._read_to = 0
        self._beaten_s = time.monotonic()

    def take(self) -> list[SetMark]:
        """Return the marks left since the last call, and show that the recording is running."""
        if time.monotonic() - self._beaten_s > _BEAT_S:
            self._beaten_s = time.monotonic()
            with suppress(OSError):  # a full disk must not end a recording here
                self._spool.touch()
        try:
            with self._spool.open("rb") as file:
                file.seek(self._read_to)
                left = file.read(_LARGEST_SPOOL)
        except OSError:
            return []
        whole = left[: left.rfind(b"\n") + 1]
        self._read_to += len(whole)
        return [mark for line in whole.splitlines() if (mark := _parsed(line))]

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._spool.unlink(missing_ok=True)


def leave_mark(dataset: Path, text: str) -> SetMark:
    """Leave a mark for the recording that runs in a data set, or for all that do.

    Raises
    ------
    InputError
        No recording is running there.
    """
    mark = SetMark(time.time(), cleaned(text))
    running = [spool for spool in dataset.glob(f"{_SPOOL}_*") if _is_alive(spool, mark.time_s)]
    if not running:
        raise InputError(f"{dataset}: no recording is running here; see emgtwitch record --help")
    for spool in running:
        with spool.open("ab") as file:
            file.write(json.dumps({"time_s": mark.time_s, "text": mark.text}).encode() + b"\n")
    return mark


def remove_stale(dataset: Path) -> None:
    """Remove what recordings that were killed left behind."""
    for spool in dataset.glob(f"{_SPOOL}_*"):
        if not _is_alive(spool, time.time()):
            spool.unlink(missing_ok=True)


def _is_alive(spool: Path, now_s: float) -> bool:
    try:
        return now_s - spool.stat().st_mtime < _ALIVE_S
    except OSError:
        return False


def _parsed(line: bytes) -> SetMark | None:
    with suppress(ArithmeticError, ValueError, LookupError, TypeError, RecursionError):
        said = json.loads(line)
        mark = SetMark(float(said["time_s"]), cleaned(str(said["text"])))
        return mark if math.isfinite(mark.time_s) else None
    return None


def one_line(text: str) -> str:
    """Return a text in one line, not too long, without what only a terminal understands."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:MOST_CHARACTERS]


def cleaned(text: str) -> str:
    """Return the text of a mark as `one_line`, never empty."""
    return one_line(text) or DEFAULT_TEXT
