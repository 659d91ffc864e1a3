"""Raw capture: every byte to and from a board, with its moment, in a file that can be replayed.

An ``.emgraw`` file is a magic line and then chunks: moment of the monotonic clock in ns (i64),
length (u32), direction (u8), the bytes, and CRC-32 of all these (u32); integers little-endian.
"""

import json
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from firmware_bridge.assembly import Assembly, Begin
from firmware_bridge.decoders import BridgeError
from firmware_bridge.items import Notice

MAGIC = b"emgtwitch raw capture 1\n"
FROM_BOARD, TO_BOARD, NOTE = range(3)
_HEAD = Struct("<qIB")
_CRC = Struct("<I")
# A chunk is what one read or write of a port hands over; no port hands over more at once.
_LONGEST = 1 << 24
# Waiting for a slow disk: 10 minutes of a fast board.
_MOST_WAITING = 16 << 20


@dataclass(frozen=True)
class Chunk:
    """Bytes that arrived or were sent together.

    Attributes
    ----------
    monotonic_ns
        When, on the computer's monotonic clock.
    direction
        `FROM_BOARD`, `TO_BOARD` or `NOTE` (JSON of how the bytes that follow are decoded).
    data
        The bytes.
    """

    monotonic_ns: int
    direction: int
    data: bytes


class CaptureWriter:
    """Writes chunks to a new file from a thread of its own: who hands them over never waits.

    Parameters
    ----------
    path
        The file; must not exist.

    Attributes
    ----------
    failed
        Why writing ended early, None while all is well. The file then holds what came before.

    Raises
    ------
    BridgeError
        If the file is there already or cannot be made.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        try:
            self._file: BinaryIO = Path(path).open("xb")  # noqa: SIM115 (closed by the thread)
        except FileExistsError as error:
            raise BridgeError(f"{path} is there already; choose another name") from error
        except OSError as error:
            raise BridgeError(f"{path}: cannot be written: {error.strerror}") from error
        self.failed: str | None = None
        self._waiting: deque[bytes] = deque([MAGIC])
        self._n_waiting = 0
        self._ending = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="raw capture", daemon=True)
        self._thread.start()

    def write(self, monotonic_ns: int, direction: int, data: bytes) -> None:
        """Hand over a chunk."""
        head = _HEAD.pack(monotonic_ns, len(data), direction)
        crc = _CRC.pack(zlib.crc32(data, zlib.crc32(head)))
        with self._change:
            if self.failed or self._ending:
                return
            if self._n_waiting + len(data) > _MOST_WAITING:
                self.failed = "the disk is too slow for the raw capture, which ends here"
            else:
                self._waiting += (head, data, crc)
                self._n_waiting += len(data)
            self._change.notify()

    def note(self, monotonic_ns: int, **values: object) -> None:
        """Hand over a note, so that `replay` does the same: ``begin=``, ``end=`` or ``ping=``."""
        self.write(monotonic_ns, NOTE, json.dumps(values).encode())

    def close(self) -> None:
        """Write what waits and close the file."""
        with self._change:
            self._ending = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._file as file:
            while True:
                with self._change:
                    self._change.wait_for(lambda: self._waiting or self._ending or self.failed)
                    pieces = b"".join(self._waiting)
                    self._waiting.clear()
                    self._n_waiting = 0
                    last = self._ending or self.failed is not None
                try:
                    file.write(pieces)
                    file.flush()
                except OSError as error:
                    self.failed = f"the raw capture ends here: {error.strerror}"
                    return
                if last:
                    return


def read_capture(path: str | PathLike[str]) -> Iterator[Chunk | Notice]:
    """Yield the chunks of a file, and a `Notice` at its end if the last chunk is not whole.

    Raises
    ------
    BridgeError
        If it cannot be read or is no raw capture.
    """
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise BridgeError(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        if file.read(len(MAGIC)) != MAGIC:
            raise BridgeError(f"{path} is no raw capture of this software")
        moment = 0
        while head := file.read(_HEAD.size):
            place = file.tell() - len(head)
            chunk = _chunk(head, file)
            if chunk is None:
                n_left = Path(path).stat().st_size - place
                yield Notice(
                    moment, f"the capture is damaged: its last {n_left} bytes are left out"
                )
                return
            moment = chunk.monotonic_ns
            yield chunk


def _chunk(head: bytes, file: BinaryIO) -> Chunk | None:
    """Return the chunk that begins with `head`; None if it is torn or damaged."""
    if len(head) < _HEAD.size:
        return None
    moment, length, direction = _HEAD.unpack(head)
    if length > _LONGEST:
        return None
    data = file.read(length)
    if file.read(_CRC.size) != _CRC.pack(zlib.crc32(data, zlib.crc32(head))):
        return None
    return Chunk(moment, direction, data)


def replay(path: str | PathLike[str]) -> Iterator[object]:
    """Yield what the device handed out when the file was captured: the same blocks and marks.

    The bytes go through the same decoders and, with the moments of the file, get the same places
    on the one axis of the recording. What the port itself went through (`Lost`, `Stalled`, ...)
    is not in the file.

    Raises
    ------
    BridgeError
        If the file cannot be read or is no raw capture.
    """
    assembly = Assembly()
    for chunk in read_capture(path):
        if isinstance(chunk, Notice):
            yield chunk
        elif chunk.direction == FROM_BOARD:
            yield from assembly.feed(chunk.data, chunk.monotonic_ns)
        elif chunk.direction == NOTE:
            values = json.loads(chunk.data)
            if "ping" in values:
                assembly.ping(values["ping"], chunk.monotonic_ns)
            elif "begin" in values:
                yield from assembly.begin(Begin(**values["begin"]), chunk.monotonic_ns)
            elif "end" in values:
                yield from assembly.end()
    yield from assembly.end()
