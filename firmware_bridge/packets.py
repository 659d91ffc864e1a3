"""The packets of EMGT/1: ``COBS(body, CRC-16) 00``, whatever the body says.

`pack` makes one, `PacketReader` finds the bodies in a stream of bytes.
"""

import binascii
from collections import Counter

LONGEST_BODY = 250
# Body, two bytes of CRC and the one that COBS adds.
LONGEST_PACKET = LONGEST_BODY + 3


class FrameError(ValueError):
    """Bytes that are no packet or no message; the text is one of a few fixed reasons."""


def crc16(body: bytes) -> int:
    """Return CRC-16/CCITT-FALSE: polynomial 1021 hex, start FFFF hex, not reflected."""
    return binascii.crc_hqx(body, 0xFFFF)


def cobs_encode(data: bytes) -> bytes:
    """Return at most 252 bytes without zeros in them, one byte longer.

    Every run of bytes up to a zero (or the end) gets its length + 1 in front, the zero goes
    (Cheshire and Baker, IEEE/ACM Trans. Networking 7:159, 1999). Longer data could need their
    code FF, for a run of 254 bytes; no packet of EMGT/1 does.
    """
    if len(data) >= LONGEST_PACKET:
        raise FrameError("too long")
    return b"".join(bytes([len(run) + 1]) + run for run in data.split(b"\0"))


def cobs_decode(packet: bytes) -> bytes:
    """Return what `cobs_encode` was given.

    Each code byte leads to the next one and stands for a zero, the first for nothing.

    Raises
    ------
    FrameError
        If it is too long, has a zero inside or runs that do not end where the packet ends.
    """
    if len(packet) > LONGEST_PACKET:
        raise FrameError("too long")
    if not packet or 0 in packet:
        raise FrameError("bad COBS")
    data = bytearray(packet)
    place = 0
    while place < len(data):
        run = data[place]
        data[place] = 0
        place += run
    if place != len(data):
        raise FrameError("bad COBS")
    return bytes(data[1:])


def pack(body: bytes) -> bytes:
    """Return the packet of a body: CRC appended, COBS, 00."""
    if not 1 <= len(body) <= LONGEST_BODY:
        raise FrameError("wrong length")
    return cobs_encode(body + crc16(body).to_bytes(2, "little")) + b"\0"


def unpack(packet: bytes) -> bytes:
    """Return the body of a packet given without its 00.

    Raises
    ------
    FrameError
        If it is too long, no COBS, or its CRC is wrong.
    """
    data = cobs_decode(packet)
    body = data[:-2]
    if not body or crc16(body) != int.from_bytes(data[-2:], "little"):
        raise FrameError("bad CRC")
    return body


class PacketReader:
    """Finds the bodies of packets in bytes cut in any way; keeps at most one packet.

    Attributes
    ----------
    n_bytes, n_packets
        Bytes fed, bodies returned.
    rejected
        Packets dropped, by reason: ``too long``, ``bad COBS``, ``bad CRC``.
    """

    def __init__(self) -> None:
        self.n_bytes = 0
        self.n_packets = 0
        self.rejected: Counter[str] = Counter()
        self._begun = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take in bytes and return the bodies that they complete. Nothing raises."""
        self.n_bytes += len(data)
        if self._skipping:
            _, end, data = data.partition(b"\0")
            self._skipping = not end
        *packets, self._begun = (self._begun + data).split(b"\0")
        if len(self._begun) > LONGEST_PACKET:
            self._begun = b""
            self._skipping = True
            self.rejected["too long"] += 1
        bodies = []
        for packet in filter(None, packets):
            try:
                bodies.append(unpack(packet))
            except FrameError as error:
                self.rejected[str(error)] += 1
        self.n_packets += len(bodies)
        return bodies
