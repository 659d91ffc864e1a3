"""Record into a BDF+ file that only grows: what was written stays, whatever ends the recording.

While it grows, the header says -1 records, as EDF asks for, and a hidden file beside it holds the
CRC32 of every record. A kill loses the second that was being filled; `recovery` does the rest.
"""

import math
import os
import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

import numpy as np

from emgtwitch.recording.bdf import (
    BAD_GAP,
    MAX_COUNT,
    UNFINISHED,
    header,
    record,
    tal,
    time_keeping_tal,
)
from emgtwitch.recording.bdf_growing import (
    checksum_line,
    checksum_path,
    create_file,
    finish_file,
)
from emgtwitch.recording.bdf_layout import Layout
from emgtwitch.recording.disk import sync, write_all

QUEUE_S = 120
_LEAST_TEXT_SAMPLES = 120
_SAMPLES_PER_TEXT_SAMPLE = 16
_MOST_WAITING_GAPS = 100
_MOST_TIME_KEEPING = 16  # bytes of the longest time-keeping text


@dataclass(frozen=True)
class Recorded:
    """What became of a recording.

    Attributes
    ----------
    n_scans
        Length in scans, lost ones included, the filling of the last second not.
    n_seconds
        Seconds in the file.
    lost_scans
        Scans that never came: jumps of `first`.
    dropped_scans
        Scans that came and are not in the file, because the disk was too slow or failed.
    masked_scans
        Good scans inside of a ``BAD_gap``: where more gaps come than there is room for, several
        become one.
    error
        What ended the writing, if not `BdfRecorder.close`.
    """

    n_scans: int
    n_seconds: int
    lost_scans: int
    dropped_scans: int
    masked_scans: int
    error: Exception | None


@dataclass(frozen=True, eq=False)
class _Run:
    """Records to write: one of new counts, or any number that hold a value."""

    first: int
    n_records: int
    counts: np.ndarray  # (n_channels, sfreq), or (n_channels, 1) if held
    texts: bytes  # those of the first record
    n_acquired: int


class BdfRecorder:
    """A BDF+ file of records of one second that grows while scans come.

    A thread of its own writes every second and waits until it is on the disk; `append` and
    `annotate` never do. Seconds for which there is no room in the queue, because the disk is too
    slow, become gaps and are counted in `dropped_scans`.

    Lost scans hold the last count before them and are annotated ``BAD_gap``. Annotations go into
    the record of the moment they come; those that do not fit go into the next ones.

    Parameters
    ----------
    path
        File to write; it must not exist.
    sfreq, ch_names, uv_per_count, start, subject, about
        As for `emgtwitch.recording.bdf.write_bdf`.

    Attributes
    ----------
    path
        The file.
    written_s
        Seconds that are safe on the disk.
    failed
        The error that ended the writing, or None. The file was finished as far as it went.
    lost_scans, dropped_scans, masked_scans
        As in `Recorded`, so far.

    Raises
    ------
    InputError
        The file exists or cannot be written, or what is given does not fit into its header.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        sfreq: int,
        ch_names: Sequence[str],
        uv_per_count: float | Sequence[float] | np.ndarray,
        start: datetime,
        subject: str = "X",
        about: str = "",
    ) -> None:
        self.path = Path(path)
        n_channels = len(ch_names)
        text_samples = max(_LEAST_TEXT_SAMPLES, n_channels * int(sfreq) // _SAMPLES_PER_TEXT_SAMPLE)
        first = header(
            UNFINISHED,
            sfreq=sfreq,
            ch_names=ch_names,
            uv_per_count=uv_per_count,
            start=start,
            text_samples=text_samples,
            subject=subject,
            about=about,
        )
        self._layout = Layout(UNFINISHED, n_channels, int(sfreq), text_samples)
        self._room = 3 * text_samples
        self._file, self._checksums = create_file(self.path, first)

        # Of the thread that appends
        self.lost_scans = self.dropped_scans = self.masked_scans = 0
        self._next = 0  # scan that should come
        self._buffer = np.zeros((n_channels, self._layout.sfreq), np.int32)
        self._filled = self._fresh = 0  # scans in the buffer; those of them that came
        self._last: np.ndarray | None = None  # last scan that came, (n_channels, 1)
        self._sealed = 0  # records handed over
        self._unqueued = 0  # the last of them, for which the queue had no room
        self._held = np.zeros((n_channels, 1), np.int32)  # last scan handed over
        self._gaps: list[tuple[int, int]] = []  # not yet in a record
        self._gaps_noted = 0  # scan until which gaps are in a record
        self._recorded: Recorded | None = None

        # Of both threads
        self._texts: deque[bytes] = deque()
        self._queue: queue.Queue[_Run | None] = queue.Queue(QUEUE_S)

        # Of the thread that writes
        self.written_s = 0
        self.failed: Exception | None = None
        self._n_stored = 0
        self._thread = threading.Thread(target=self._write, name="bdf-writer", daemon=True)
        self._thread.start()

    def __enter__(self) -> "BdfRecorder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def waiting_s(self) -> int:
        """Seconds that wait for the disk, of `QUEUE_S` for which there is room."""
        return self._queue.qsize()

    @property
    def queued_s(self) -> int:
        """Seconds that are complete: written, waiting, or without room in the queue."""
        return self._sealed

    def append(self, first: int, counts: np.ndarray) -> None:
        """Add consecutive scans; never waits for the disk.

        Parameters
        ----------
        first
            Index of the first one, counted from the start of the recording with the lost ones.
        counts
            Integers of shape (n_channels, n_scans), each of at most 24 bits, signed.

        Raises
        ------
        ValueError
            Scans that were there already, another number of channels, no integers, or a count
            that does not fit; nothing of the block is stored then.
        """
        counts = np.asarray(counts)
        if self._recorded is not None:
            raise ValueError(f"{self.path}: the recording is closed")
        if counts.ndim != 2 or len(counts) != len(self._buffer) or counts.dtype.kind not in "iu":
            raise ValueError(f"{counts.dtype} of shape {counts.shape} are no scans of integers")
        if first < self._next:
            raise ValueError(f"scan {first} comes after scan {self._next - 1}")
        n_scans = counts.shape[1]
        if n_scans == 0:
            return
        if counts.min() < -MAX_COUNT - 1 or counts.max() > MAX_COUNT:
            raise ValueError("a count needs more than the 24 bits of BDF")
        if self._last is None:
            self._last = counts[:, :1].astype(np.int32)
        self.skip(first)
        self._next = first + n_scans
        self._last = counts[:, -1:].astype(np.int32)
        while counts.shape[1]:
            part = counts[:, : self._layout.sfreq - self._filled]
            self._fresh += part.shape[1]
            self._fill(part, part.shape[1])
            counts = counts[:, part.shape[1] :]

    def skip(self, first: int) -> None:
        """Account for all scans before `first` that have not come as lost."""
        if first > self._next:
            self.lost_scans += first - self._next
            self._add_gap(self._next, first)
            self._hold(first - self._next)
            self._next = first

    def annotate(self, onset_s: float, duration_s: float, text: str) -> None:
        """Add an annotation, from any thread; one that is too long for a record becomes several.

        Parameters
        ----------
        onset_s, duration_s
            Seconds, from the first scan.
        text
            What happened then.

        Raises
        ------
        ValueError
            The onset is no number, or the duration no positive one.
        """
        if not (math.isfinite(onset_s) and 0 <= duration_s < math.inf):
            raise ValueError(f"{text!r} at {onset_s} s for {duration_s} s")
        longest = self._room - _MOST_TIME_KEEPING - len(tal(onset_s, duration_s, ""))
        rest = text.encode("utf-8", "replace")
        while len(rest) > longest:
            piece = rest[:longest].decode("utf-8", "ignore")  # no character is cut
            self._texts.append(tal(onset_s, duration_s, piece))
            rest = rest[len(piece.encode()) :]
        self._texts.append(tal(onset_s, duration_s, rest.decode()))

    def close(self) -> Recorded:
        """Write what is left, finish the file, and say what became of the recording.

        A last, partial second is filled with the last count, and the filling is annotated
        ``BAD_gap``. An empty recording becomes one second of it. Waits for the disk.
        """
        if self._recorded is None:
            self._queue_held(wait=True)
            if self._filled:
                self._buffer[:, self._filled :] = self._buffer[:, self._filled - 1, np.newaxis]
            more = bool(self._filled or self._texts or self._gaps or not self._sealed)
            while more:  # until all texts have found room; the last record notes the filling
                texts = self._texts_for(self._sealed)
                end = (self._sealed + 1) * self._layout.sfreq
                filling = self._gap_text(self._next, end) if end > self._next else b""
                more = bool(self._texts or self._gaps or len(texts + filling) > self._room)
                self._queue.put(
                    _Run(
                        self._sealed,
                        1,
                        self._buffer.copy() if self._filled else self._held,
                        texts if more else texts + filling,
                        self._fresh,
                    )
                )
                self._held = self._buffer[:, -1:].copy() if self._filled else self._held
                self._sealed += 1
                self._filled = self._fresh = 0
            self._queue.put(None)
            self._thread.join()
            self.dropped_scans = self._next - self.lost_scans - self._n_stored
            self._recorded = Recorded(
                self._next,
                self.written_s,
                self.lost_scans,
                self.dropped_scans,
                self.masked_scans,
                self.failed,
            )
        return self._recorded

    def _hold(self, n_scans: int) -> None:
        """Add scans that hold the last one."""
        last = self._held if self._last is None else self._last
        if self._filled:
            part = min(n_scans, self._layout.sfreq - self._filled)
            self._fill(last, part)
            n_scans -= part
        whole, rest = divmod(n_scans, self._layout.sfreq)
        if whole:
            self._hand_over(whole, last)
        if rest:
            self._fill(last, rest)

    def _fill(self, counts: np.ndarray, n_scans: int) -> None:
        self._buffer[:, self._filled : self._filled + n_scans] = counts
        self._filled += n_scans
        if self._filled == self._layout.sfreq:
            self._hand_over(1, self._buffer.copy())
            self._filled = self._fresh = 0

    def _hand_over(self, n_records: int, counts: np.ndarray) -> None:
        """Queue records; if there is no room they become a gap, to be queued later."""
        self._queue_held()
        first, self._sealed = self._sealed, self._sealed + n_records
        if self._unqueued or self._queue.full():
            self._unqueued += n_records
            self.dropped_scans += self._fresh
            self._add_gap(first * self._layout.sfreq, self._sealed * self._layout.sfreq)
        else:
            texts = self._texts_for(first)
            self._queue.put(_Run(first, n_records, counts, texts, self._fresh))
            self._held = counts[:, -1:]

    def _queue_held(self, *, wait: bool = False) -> None:
        """Queue the records for which there was no room before."""
        if self._unqueued and (wait or not self._queue.full()):
            first = self._sealed - self._unqueued
            self._queue.put(_Run(first, self._unqueued, self._held, self._texts_for(first), 0))
            self._unqueued = 0

    def _add_gap(self, start: int, stop: int) -> None:
        """Note scans that are missing, once each; many gaps that wait become one."""
        start = max(start, self._gaps_noted)
        while self._gaps and self._gaps[-1][1] >= start:
            before = self._gaps.pop()
            start, stop = min(start, before[0]), max(stop, before[1])
        if start >= stop:
            return
        if len(self._gaps) >= _MOST_WAITING_GAPS:
            before = self._gaps.pop()
            self.masked_scans += start - before[1]
            start = before[0]
        self._gaps.append((start, stop))

    def _gap_text(self, start: int, stop: int) -> bytes:
        return tal(start / self._layout.sfreq, (stop - start) / self._layout.sfreq, BAD_GAP)

    def _texts_for(self, index: int) -> bytes:
        """Return the texts that a record has room for, and forget them."""
        texts = time_keeping_tal(index)
        while self._texts and len(texts + self._texts[0]) <= self._room:
            texts += self._texts.popleft()
        while self._gaps and len(texts + (text := self._gap_text(*self._gaps[0]))) <= self._room:
            texts += text
            self._gaps_noted = self._gaps.pop(0)[1]
        return texts

    def _write(self) -> None:
        """Write what is queued until the recording is closed: the thread that waits."""
        while (run := self._queue.get()) is not None:
            if self.failed is None:
                try:
                    self._write_run(run)
                except Exception as error:
                    self.failed = error
                    self._finish()
        if self.failed is None:
            self._finish()
        self._checksums.close()
        self._file.close()

    def _write_run(self, run: _Run) -> None:
        shape = (self._layout.n_channels, self._layout.sfreq)
        for index in range(run.first, run.first + run.n_records):
            texts = run.texts if index == run.first else time_keeping_tal(index)
            data = record(np.broadcast_to(run.counts, shape), texts, self._layout.text_samples)
            write_all(self._file, data)
            write_all(self._checksums, checksum_line(data))
        sync(self._file)
        sync(self._checksums)
        self.written_s = run.first + run.n_records
        self._n_stored += run.n_acquired

    def _finish(self) -> None:
        """Make the file whole; if that fails too it stays as it is, to be recovered."""
        try:
            finish_file(self._file, self._layout, self.written_s)
            self._checksums.close()  # Windows removes no open file
            checksum_path(self.path).unlink()
        except OSError as error:
            self.failed = self.failed or error
