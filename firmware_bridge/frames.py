"""EMGT/1: the messages between board and computer, as `PROTOCOL.md` describes them.

`encode` makes a packet of a message, `PacketReader` finds the bodies of packets in a stream of
bytes, `decode` makes messages of them; both directions are covered.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Any, ClassVar

import numpy as np

from firmware_bridge.packets import LONGEST_BODY as LONGEST_BODY
from firmware_bridge.packets import LONGEST_PACKET as LONGEST_PACKET
from firmware_bridge.packets import FrameError as FrameError
from firmware_bridge.packets import PacketReader as PacketReader
from firmware_bridge.packets import cobs_decode as cobs_decode
from firmware_bridge.packets import cobs_encode as cobs_encode
from firmware_bridge.packets import crc16 as crc16
from firmware_bridge.packets import pack as pack
from firmware_bridge.signals import NO_TEST as NO_TEST
from firmware_bridge.signals import NOISE as NOISE
from firmware_bridge.signals import RAMP as RAMP
from firmware_bridge.signals import SINE as SINE
from firmware_bridge.signals import test_signal as test_signal

PROTOCOL = 1
BAUD = 500_000
FALLBACK_BAUD = 115_200
MOST_CHANNELS = 8

# Flags of DATA; those of INFO and STATUS know only STREAMING.
OVERRUN, RING_FULL, TEST_SIGNAL = 0x01, 0x02, 0x80
STREAMING = 0x01
# Status of ACK.
OK, BAD_LENGTH, UNKNOWN_COMMAND, BAD_ARGUMENT, BUSY = range(5)
# Source of EVENT, its number being the place in here.
SOURCES = ("host", "button", "pin")
# Keys of SET.
SILENCE_S, PLOTTER_LINES = 1, 2


@dataclass(frozen=True)
class Info:
    """One part of what the board tells of itself; `info_values` joins the parts."""

    TYPE: ClassVar[int] = 0x01
    LAYOUT: ClassVar[str] = "BBIBB"
    proto: int
    flags: int
    boot_id: int
    part: int
    parts: int
    text: str


@dataclass(frozen=True)
class Data:
    """Consecutive scans; `samples` are their codes as sent: u16, scan by scan."""

    TYPE: ClassVar[int] = 0x02
    LAYOUT: ClassVar[str] = "BIBBB"
    session: int
    scan0: int
    n: int
    flags: int
    clip: int
    samples: bytes

    @classmethod
    def of(
        cls, session: int, scan0: int, counts: np.ndarray, flags: int = 0, clip: int = 0
    ) -> "Data":
        """Return the message for codes of shape (n_channels, n_scans); scan0 is taken mod 2^32."""
        samples = np.asarray(counts).T.astype("<u2").tobytes()
        return cls(session, scan0 % 2**32, np.shape(counts)[1], flags, clip, samples)

    @property
    def counts(self) -> np.ndarray:
        """The codes, int32 of shape (n_channels, n_scans)."""
        return counts_of(self.samples, len(self.samples) // (2 * self.n))


@dataclass(frozen=True)
class MarkEvent:
    """EVENT: a moment marked on the scan axis, `sub` in 1/65536 of a scan period."""

    TYPE: ClassVar[int] = 0x03
    LAYOUT: ClassVar[str] = "BIHBH"
    session: int
    scan: int
    sub: int
    source: int
    code: int


@dataclass(frozen=True)
class Status:
    """Counters of the board, once a second."""

    TYPE: ClassVar[int] = 0x04
    LAYOUT: ClassVar[str] = "BIIIHHHHBB"
    session: int
    uptime_ms: int
    scan: int
    lost_scans: int
    tx_overruns: int
    rx_crc_errors: int
    rx_overruns: int
    vcc_mv: int
    reset_cause: int
    flags: int


@dataclass(frozen=True)
class Ack:
    """Answer to command `cmd` number `seq`; the last four are sent with START and `OK` only."""

    TYPE: ClassVar[int] = 0x05
    LAYOUT: ClassVar[str] = "BBB"
    seq: int
    cmd: int
    status: int
    fs_num: int = 0
    fs_den: int = 0
    n_channels: int = 0
    n: int = 0


@dataclass(frozen=True)
class Pong:
    """Answer to PING: when the board received it, on its scan axis and its own clock."""

    TYPE: ClassVar[int] = 0x06
    LAYOUT: ClassVar[str] = "IBIHI"
    token: int
    session: int
    scan: int
    sub: int
    uptime_us: int


@dataclass(frozen=True)
class Log:
    """A line of text for people."""

    TYPE: ClassVar[int] = 0x07
    LAYOUT: ClassVar[str] = ""
    text: str


@dataclass(frozen=True)
class Ident:
    """Ask for INFO."""

    TYPE: ClassVar[int] = 0x40
    LAYOUT: ClassVar[str] = "B"
    seq: int


@dataclass(frozen=True)
class Start:
    """Start a stream at scan 0: rate in Hz, bit k of chmask for channel k, n scans per frame."""

    TYPE: ClassVar[int] = 0x41
    LAYOUT: ClassVar[str] = "BBHBB"
    seq: int
    session: int
    fs: int
    chmask: int
    n: int


@dataclass(frozen=True)
class Stop:
    """Stop the stream, if there is one."""

    TYPE: ClassVar[int] = 0x42
    LAYOUT: ClassVar[str] = "B"
    seq: int


@dataclass(frozen=True)
class Ping:
    """Ask for PONG with the same token."""

    TYPE: ClassVar[int] = 0x43
    LAYOUT: ClassVar[str] = "BI"
    seq: int
    token: int


@dataclass(frozen=True)
class MarkCommand:
    """MARK: ask for an EVENT with this code now."""

    TYPE: ClassVar[int] = 0x44
    LAYOUT: ClassVar[str] = "BH"
    seq: int
    code: int


@dataclass(frozen=True)
class Set:
    """Set what `key` names (`SILENCE_S`, `PLOTTER_LINES`) to a value."""

    TYPE: ClassVar[int] = 0x45
    LAYOUT: ClassVar[str] = "BBI"
    seq: int
    key: int
    value: int


@dataclass(frozen=True)
class Test:
    """Send a test signal in place of the inputs (`NO_TEST`, `RAMP`, `SINE`, `NOISE`)."""

    TYPE: ClassVar[int] = 0x46
    LAYOUT: ClassVar[str] = "BB"
    seq: int
    mode: int


@dataclass(frozen=True)
class Reset:
    """Restart the board."""

    TYPE: ClassVar[int] = 0x47
    LAYOUT: ClassVar[str] = "B"
    seq: int


FromDevice = Info | Data | MarkEvent | Status | Ack | Pong | Log
Command = Ident | Start | Stop | Ping | MarkCommand | Set | Test | Reset
Message = FromDevice | Command

_KINDS: dict[int, type[Message]] = {
    kind.TYPE: kind for kind in (*FromDevice.__args__, *Command.__args__)
}
_HEADS = {number: Struct("<B" + kind.LAYOUT) for number, kind in _KINDS.items()}
_STARTED = Struct("<IIBB")


def encode(message: Message) -> bytes:
    """Return the packet of a message, with the final 00.

    Raises
    ------
    FrameError
        If a value does not fit its field or the body would be longer than 250 bytes.
    """
    return pack(encode_body(message))


def encode_body(message: Message) -> bytes:
    """Return the body of a message: type, fields, samples or text."""
    values = list(vars(message).values())
    tail = b""
    try:
        if isinstance(message, Data):
            tail = values.pop()
        elif isinstance(message, Info | Log):
            tail = values.pop().encode("ascii" if isinstance(message, Info) else "utf-8")
        elif isinstance(message, Ack):
            values, started = values[:3], values[3:]
            if message.cmd == Start.TYPE and message.status == OK:
                tail = _STARTED.pack(*started)
        return _HEADS[message.TYPE].pack(message.TYPE, *values) + tail
    except (struct.error, UnicodeEncodeError) as error:
        raise FrameError("bad value") from error


def decode(body: bytes) -> Message:
    """Return the message of a body.

    Raises
    ------
    FrameError
        ``unknown type``, ``wrong length`` (for its type) or ``bad text``.
    """
    if not body or body[0] not in _KINDS:
        raise FrameError("unknown type")
    kind: Any = _KINDS[body[0]]
    head = _HEADS[body[0]]
    if len(body) < head.size:
        raise FrameError("wrong length")
    values: tuple[Any, ...] = head.unpack_from(body)[1:]
    tail = body[head.size :]
    if body[0] == Data.TYPE:
        n_channels, rest = divmod(len(tail), 2 * max(values[2], 1))
        if values[2] < 1 or rest or not 1 <= n_channels <= MOST_CHANNELS:
            raise FrameError("wrong length")
        return kind(*values, tail)
    if body[0] == Info.TYPE:
        if not tail.isascii():
            raise FrameError("bad text")
        return kind(*values, tail.decode("ascii"))
    if body[0] == Log.TYPE:
        return kind(tail.decode("utf-8", "replace"))
    if body[0] == Ack.TYPE and values[1:] == (Start.TYPE, OK):
        if len(tail) != _STARTED.size:
            raise FrameError("wrong length")
        return kind(*values, *_STARTED.unpack(tail))
    if tail:
        raise FrameError("wrong length")
    return kind(*values)


def counts_of(samples: bytes, n_channels: int) -> np.ndarray:
    """Return the codes in the samples of DATA, int32 of shape (n_channels, n_scans)."""
    return np.frombuffer(samples, "<u2").reshape(-1, n_channels).T.astype(np.int32, order="C")


def info_values(messages: Iterable[Info]) -> dict[str, str] | None:
    """Return the keys and values of INFO, or None as long as a part is missing.

    Parts of an earlier start of the board than the last one are left out.
    """
    messages = list(messages)
    same = {m.part: m for m in messages if m.boot_id == messages[-1].boot_id}
    if not same or not set(range(messages[-1].parts)) <= set(same):
        return None
    text = "".join(same[part].text for part in range(messages[-1].parts))
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
