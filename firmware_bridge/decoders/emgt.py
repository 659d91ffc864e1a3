"""EMGT/1, the format of this project's firmware: `PROTOCOL.md` says what a host accepts."""

from dataclasses import dataclass, replace
from struct import Struct

from firmware_bridge.decoders import Block, BridgeError, Mark, Statistics
from firmware_bridge.frames import (
    MOST_CHANNELS,
    SOURCES,
    TEST_SIGNAL,
    Ack,
    Data,
    FrameError,
    FromDevice,
    Info,
    Log,
    MarkEvent,
    PacketReader,
    Pong,
    Status,
    counts_of,
    decode,
)

_DATA = Struct("<B" + Data.LAYOUT)
# A scan less than this far ahead is ahead; the rest of the circle of 2^32 lies behind.
_HALF = 2**31


@dataclass
class _Run:
    """Frames without a gap between them; `kind` is what `Block` says of all their scans."""

    first: int
    end: int
    n_channels: int
    kind: tuple[int, int, bool]
    samples: list[bytes]

    def continued_by(self, other: "_Run") -> bool:
        same = (self.end, self.n_channels, self.kind)
        return same == (other.first, other.n_channels, other.kind)

    def block(self) -> Block:
        counts = counts_of(b"".join(self.samples), self.n_channels)
        return Block(self.first, counts, *self.kind)


class EmgtDecoder:
    """Bytes of EMGT/1 become blocks of scans, marks and the other messages of the board.

    Blocks and marks are on one axis per session, the index of the scan since START, which does
    not wrap at 2^32; so are `Pong.scan` and `Status.scan` of the session.

    Parameters
    ----------
    n_channels, bits, session
        What a frame must have to be accepted; None accepts any. With a session given, its scan 0
        is expected first. Without, the first frame sets the axis, whatever its scan; a session
        that follows another starts at scan 0.

    Attributes
    ----------
    statistics
        Reasons of rejection: those of `frames.PacketReader` and `frames.decode` and
        ``other session``, ``code out of range``, ``scans seen before``, ``bad value``.
    """

    def __init__(
        self, n_channels: int | None = None, bits: int | None = None, session: int | None = None
    ) -> None:
        self._reader = PacketReader()
        self.statistics = Statistics(rejected=self._reader.rejected)
        self.expect(session, n_channels, bits)

    def expect(
        self, session: int | None, n_channels: int | None = None, bits: int | None = None
    ) -> None:
        """Accept this session only, from its scan 0 on; to be called before START is sent.

        Raises
        ------
        BridgeError
            If the samples could not be sent in 16 bits or there are too many channels.
        """
        if bits is not None and not 8 <= bits <= 16:
            raise BridgeError(f"EMGT/1 carries samples of 8 to 16 bits, not {bits}")
        if n_channels is not None and not 1 <= n_channels <= MOST_CHANNELS:
            raise BridgeError(f"EMGT/1 carries 1 to {MOST_CHANNELS} channels, not {n_channels}")
        self._any_session = session is None
        self._session = session
        self._n_channels = n_channels
        self._highest = 0xFF if bits is None else (1 << (bits - 8)) - 1
        self._next: int | None = None if session is None else 0

    def feed(self, data: bytes) -> list[object]:
        """Take in bytes and return what they complete, in order.

        Returns
        -------
        `Block` (frames of one call that follow each other are joined), `Mark` and the messages
        `Info`, `Status`, `Ack`, `Pong` and `Log` of `firmware_bridge.frames`.
        """
        self.statistics.n_bytes += len(data)
        found: list[object] = []
        for body in self._reader.feed(data):
            try:
                item = self._scans(body) if body[0] == Data.TYPE else self._message(decode(body))
            except FrameError as error:
                self.statistics.rejected[str(error)] += 1
                continue
            self.statistics.n_frames += 1
            last = found[-1] if found else None
            if isinstance(item, _Run) and isinstance(last, _Run) and last.continued_by(item):
                last.end = item.end
                last.samples += item.samples
            else:
                found.append(item)
        return [item.block() if isinstance(item, _Run) else item for item in found]

    def _scans(self, body: bytes) -> _Run:
        """Return the scans of a DATA body, or raise FrameError if it is not acceptable."""
        if len(body) <= _DATA.size:
            raise FrameError("wrong length")
        _, session, scan0, n, flags, clip = _DATA.unpack_from(body)
        n_channels = self._n_channels or (len(body) - _DATA.size) // (2 * max(n, 1))
        if n < 1 or len(body) != _DATA.size + 2 * n * n_channels or n_channels > MOST_CHANNELS:
            raise FrameError("wrong length")
        # The high bytes tell whether a code has more bits than the converter.
        if max(body[_DATA.size + 1 :: 2]) > self._highest:
            raise FrameError("code out of range")
        if session != self._session:
            if not self._any_session:
                raise FrameError("other session")
            self._next = None if self._session is None else 0
            self._session = session
        expected = scan0 if self._next is None else self._next
        lost = (scan0 - expected) % (2 * _HALF)
        if lost >= _HALF:
            raise FrameError("scans seen before")
        first = expected + lost
        self._next = first + n
        self.statistics.lost_scans += lost
        self.statistics.n_scans += n
        kind = (session, clip, bool(flags & TEST_SIGNAL))
        return _Run(first, self._next, n_channels, kind, [body[_DATA.size :]])

    def _message(self, message: object) -> Mark | FromDevice:
        """Return what a message other than DATA means on the axis of the scans."""
        match message:
            case MarkEvent(session, scan, sub, source, code):
                if session != self._session:
                    raise FrameError("other session")
                if source >= len(SOURCES):
                    raise FrameError("bad value")
                return Mark(self._unwrapped(scan) + sub / 65536, code, SOURCES[source], session)
            case Pong() | Status() if message.session == self._session:
                return replace(message, scan=self._unwrapped(message.scan))
            case Info() | Status() | Ack() | Pong() | Log():
                return message
        raise FrameError("unknown type")

    def _unwrapped(self, scan: int) -> int:
        """Return the index nearest to the next scan that is `scan` modulo 2^32."""
        near = self._next or 0
        return near + (scan - near + _HALF) % (2 * _HALF) - _HALF
