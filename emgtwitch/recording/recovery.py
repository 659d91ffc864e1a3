"""Make whole what is left of a recording that was killed, or whose disk or power failed.

A record is kept if it says its own number, where a whole second must begin, and if its checksum,
which `BdfRecorder` wrote beside it, is right. Only what comes after the last such record is cut
off; a damaged one before it becomes a gap.
"""

import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.bdf import BAD_GAP, record, tal, time_keeping_tal
from emgtwitch.recording.bdf_growing import checksum_path, finish_file
from emgtwitch.recording.bdf_layout import Layout, read_layout, read_record
from emgtwitch.recording.disk import sync, try_lock, write_all
from emgtwitch.recording.study_writer import finish_recording, is_unfinished

_CHECKSUM_BYTES = 9
_ROOM_LEFT = bytes(64)  # more than a text of a gap needs


@dataclass(frozen=True)
class Recovered:
    """What was found, and what is lost.

    Attributes
    ----------
    path
        The file that is whole now.
    was_whole
        Nothing had to be done.
    n_seconds
        Seconds in the file now.
    damaged
        The seconds of it (0 is the first) that could not be read, or not be trusted, and are
        marked ``BAD_gap``.
    cut_bytes
        Bytes cut off at the end: a second that was not written completely, or damage.
    missing_s
        Seconds before the end that once were on the disk and are gone.
    n_checked
        Seconds whose checksum was right; the others have only their number.
    """

    path: Path
    was_whole: bool
    n_seconds: int
    damaged: tuple[int, ...] = ()
    cut_bytes: int = 0
    missing_s: int = 0
    n_checked: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether no second could be kept: a gap stands for them."""
        return len(self.damaged) == self.n_seconds


def recover(
    path: str | os.PathLike[str], output: str | os.PathLike[str] | None = None
) -> Recovered:
    """Make an interrupted recording whole; a whole one is left as it is.

    In an EMG-BIDS data set its length, losses and events are written beside it, as
    `finish_recording` does.

    Parameters
    ----------
    path
        The recording, a ``.bdf`` of `BdfRecorder`.
    output
        File to write instead; it must not exist. `path` is not touched then.

    Raises
    ------
    InputError
        It is no such file, is just being recorded, or cannot be read or written.
    """
    source = Path(path)
    try:
        with _checksums(source) as checksums:
            layout = read_layout(source)
            size = source.stat().st_size
            whole = layout.n_records > 0 and size == layout.position(layout.n_records)
            if whole and checksums is None:
                recovered = Recovered(source, True, layout.n_records)
            elif output is not None:
                return _mended_copy(source, Path(output), layout, checksums)
            else:
                recovered = _mended(source, source, layout, checksums)
        checksum_path(source).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{error.filename or source}: {error.strerror}") from error
    if not recovered.was_whole or is_unfinished(source):
        finish_recording(source)
    return recovered


@contextmanager
def _checksums(path: Path) -> Iterator[list[int | None] | None]:
    """Open the checksums of a recording; None if there are none, or for one that is damaged."""
    try:
        file = checksum_path(path).open("rb+", buffering=0)
    except FileNotFoundError:
        yield None
        return
    with file:
        if not try_lock(file):
            raise InputError(f"{path}: is being recorded right now; stop the recording first")
        lines = file.read() or b""
        yield [
            _checksum(lines[start : start + _CHECKSUM_BYTES])
            for start in range(0, len(lines), _CHECKSUM_BYTES)
        ]


def _checksum(line: bytes) -> int | None:
    try:
        return int(line, 16) if len(line) == _CHECKSUM_BYTES else None
    except ValueError:
        return None


def _mended_copy(
    source: Path, output: Path, layout: Layout, checksums: list[int | None] | None
) -> Recovered:
    if output.exists():
        raise InputError(f"{output}: is there already; choose another name")
    partial = output.with_name(f".{output.name}.part")
    try:
        shutil.copyfile(source, partial)
        recovered = _mended(partial, output, layout, checksums)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return recovered


def _mended(
    path: Path, name: Path, layout: Layout, checksums: list[int | None] | None
) -> Recovered:
    """Mend a file in place; `name` is how it is called afterwards."""
    with path.open("rb+", buffering=0) as file:
        size = path.stat().st_size
        n_whole = (size - layout.data_start) // layout.record_bytes
        good, n_checked = [], 0
        for index in range(n_whole):
            data = read_record(file, layout, index)
            expected = (checksums or [])[index : index + 1] or [None]
            if expected[0] is not None:
                proven = zlib.crc32(data) == expected[0]
                n_checked += proven
            else:
                # The last one may have been on its way to the disk when the power failed.
                proven = checksums is None or index < n_whole - 1
            if proven and layout.is_record(data, index):
                good.append(index)
        if n_whole and not good and checksums is None:
            raise InputError(f"{name}: not recorded by emgtwitch: its records have no number")
        n_seconds = good[-1] + 1 if good else 1
        damaged = sorted(set(range(n_seconds)) - set(good))
        for index in damaged:
            _write_gap(file, layout, index, n_seconds)
        sync(file)
        finish_file(file, layout, n_seconds)
    return Recovered(
        name,
        False,
        n_seconds,
        tuple(damaged),
        max(size - layout.position(n_seconds), 0),
        max(len(checksums or []) - n_seconds, 0),
        n_checked,
    )


def _write_gap(file: FileIO, layout: Layout, index: int, n_seconds: int) -> None:
    """Replace a damaged record by one that holds the last count before it, and mark it.

    With the record its texts are gone, which may have marked lost scans in its neighbours: those
    of earlier records that had no room for them, and those of the next ones. So the records
    before it that have no room left are marked as well, and the scans after it that are alike.
    """
    counts = np.zeros((layout.n_channels, layout.sfreq), np.int32)
    start_s = index
    if index:
        before = read_record(file, layout, index - 1)
        counts[:] = layout.counts(before)[:, -1:]
        while start_s and not read_record(file, layout, start_s - 1).endswith(_ROOM_LEFT):
            start_s -= 1
    duration_s = index + 1 - start_s + _n_alike(file, layout, index + 1, n_seconds) / layout.sfreq
    texts = time_keeping_tal(index) + tal(start_s, duration_s, BAD_GAP)
    file.seek(layout.position(index))
    write_all(file, record(counts, texts, layout.text_samples))


def _n_alike(file: FileIO, layout: Layout, index: int, n_seconds: int) -> int:
    """Return how many scans from the start of a record on are the same, as those of a gap are."""
    first = layout.counts(read_record(file, layout, index))[:, :1] if index < n_seconds else None
    n_alike = 0
    for later in range(index, n_seconds):
        differ = (layout.counts(read_record(file, layout, later)) != first).any(axis=0)
        if differ.any():
            return n_alike + int(differ.argmax())
        n_alike += layout.sfreq
    return n_alike
