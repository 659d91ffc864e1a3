"""A BDF+ file while it grows: how it begins, its checksums, and how it is finished.

The header says -1 records, as EDF asks for; a hidden file beside it holds a line per record.
"""

import zlib
from io import FileIO
from pathlib import Path

from emgtwitch.errors import InputError
from emgtwitch.recording.bdf_layout import COUNT_POSITION, COUNT_WIDTH, Layout
from emgtwitch.recording.disk import sync, sync_folder, try_lock, write_all


def create_file(path: Path, first: bytes) -> tuple[FileIO, FileIO]:
    """Create a file and that of its checksums, which is locked as long as the process lives.

    Parameters
    ----------
    path
        The file, which must not exist.
    first
        Its header.

    Returns
    -------
    file, checksums
        Both opened for writing, unbuffered.

    Raises
    ------
    InputError
        It exists, or cannot be written; then nothing is left of it.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        _refuse_existing(path)
        checksums = checksum_path(path).open("ab", buffering=0)
        if not try_lock(checksums):
            raise InputError(f"{path}: is being recorded by another program")
        _refuse_existing(path)  # since the lock was taken
        checksums.truncate(0)
        with partial.open("wb", buffering=0) as file:
            write_all(file, first)
            sync(file)
        partial.replace(path)  # so that no file without a header is ever there
        sync_folder(path.parent)
        file = path.open("rb+", buffering=0)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    file.seek(len(first))
    return file, checksums


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise InputError(f"{path}: is there already; no recording is overwritten")


def checksum_path(path: Path) -> Path:
    """Return where the checksums of a growing file lie: hidden, so that BIDS does not see them."""
    return path.with_name(f".{path.name}.crc32")


def checksum_line(data: bytes) -> bytes:
    """Return the line for a record: its CRC32, eight hexadecimal digits."""
    return b"%08x\n" % zlib.crc32(data)


def finish_file(file: FileIO, layout: Layout, n_records: int) -> None:
    """Cut a file off after so many records, write their number into its header, wait for the disk.

    Raises
    ------
    OSError
        The disk does not take it.
    """
    file.truncate(layout.position(n_records))
    sync(file)  # so that the number never promises more than is there
    file.seek(COUNT_POSITION)
    write_all(file, str(n_records).ljust(COUNT_WIDTH).encode())
    sync(file)
