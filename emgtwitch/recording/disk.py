"""What is really on the disk, and who writes it: the few calls that differ between systems."""

import os
import sys
from io import FileIO
from pathlib import Path
from typing import IO, Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Far beyond any content: Windows would keep others from reading the bytes that are locked.
_LOCKED_BYTE = 2**40


def write_all(file: FileIO, data: bytes) -> None:
    """Write all bytes; an unbuffered file may take fewer at a time, as when a disk gets full.

    Raises
    ------
    OSError
        They could not be written; some of them may have been.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def sync(file: IO[Any]) -> None:
    """Return once the content of the file is on the disk, not only on its way there.

    On macOS ``fsync`` leaves the bytes in the memory of the drive, so that ``F_FULLFSYNC`` is
    asked for first (manual page of fsync(2), macOS); not every file system there has it.
    """
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)
        except OSError:
            pass
        else:
            return
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk; Windows has no such call."""
    if sys.platform != "win32":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def try_lock(file: FileIO) -> bool:
    """Take the file for this process until it is closed or the process ends, however it ends.

    Returns
    -------
    taken
        False if another process has it. Where the file system knows no locks nobody has.
    """
    try:
        if sys.platform == "win32":
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
