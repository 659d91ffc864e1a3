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
    try:
        file = path.open("xb", buffering=0)
    except FileExistsError as error:
        raise InputError(f"{path}: is there already; no recording is overwritten") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        checksums = checksum_path(path).open("wb", buffering=0)
        try_lock(checksums)
        write_all(file, first)
        sync(file)
        sync_folder(path.parent)
    except OSError as error:
        file.close()
        path.unlink()
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    return file, checksums


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
