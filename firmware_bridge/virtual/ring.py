"""The bounded ring between a virtual board and the wire."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.virtual.board import Stream

_CHUNK = 4096


@dataclass(frozen=True)
class _Piece:
    """Bytes, when they may leave, and the scans of a stream in them."""

    wire: bytes
    leave_ns: int
    stream: Stream | None
    n_scans: int


class Ring:
    """Keeps bytes until they are taken; what does not fit is refused whole.

    Attributes
    ----------
    n_bytes
        Bytes taken so far.
    """

    def __init__(self, size: int, lump_ns: int) -> None:
        self._size = size
        self._lump_ns = lump_ns
        self._pieces: deque[_Piece] = deque()
        self._used = 0
        self._begun = 0  # bytes of the first piece that are taken already
        self.n_bytes = 0

    def fits(self, n_bytes: int) -> bool:
        """Return whether there is room for so many more."""
        return self._used + n_bytes <= self._size

    def put(self, wire: bytes, ready_ns: int, stream: Stream | None, n_scans: int) -> None:
        """Append bytes, with so many scans of a stream in them."""
        leave_ns = ready_ns
        if self._lump_ns:
            leave_ns = -(-ready_ns // self._lump_ns) * self._lump_ns
        self._pieces.append(_Piece(wire, leave_ns, stream, n_scans))
        self._used += len(wire)

    def leave_ns(self) -> int | None:
        """Return when the first bytes may leave, None if there are none."""
        return self._pieces[0].leave_ns if self._pieces else None

    def clear(self) -> None:
        """Forget everything that was not taken."""
        self._pieces.clear()
        self._used = self._begun = 0

    def drain(self, now_ns: int, write: Callable[[bytes], int]) -> None:
        """Hand over what may leave by now, as far as it is taken."""
        while self._pieces and self._pieces[0].leave_ns <= now_ns:
            chunk = b""
            for piece in self._pieces:
                if piece.leave_ns > now_ns or len(chunk) >= _CHUNK:
                    break
                chunk += piece.wire
            chunk = chunk[self._begun :]
            taken = write(chunk)
            self.n_bytes += taken
            self._begun += taken
            while self._pieces and self._begun >= len(self._pieces[0].wire):
                piece = self._pieces.popleft()
                self._begun -= len(piece.wire)
                self._used -= len(piece.wire)
                if piece.stream:
                    piece.stream.handed_over += piece.n_scans
            if taken < len(chunk):
                return
