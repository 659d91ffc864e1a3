"""Find out what is behind an open port: ask in every language known, and listen."""

import contextlib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from firmware_bridge import frames
from firmware_bridge.decoders import Block, BridgeError, chords
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.decoders.text import TextDecoder
from firmware_bridge.device_info import EMGT, DeviceInfo, emgt_info, foreign_info
from firmware_bridge.link import Link

# An Uno is reset when its port is opened, and deaf for up to 2 s.
BOOT_S = 3.0
_ASK_AGAIN_S = 0.4
_LISTEN_S = 0.8
_MEASURE_S = 3.0
# A stream is recognised if so many scans were decoded and so much of it belongs to them.
_LEAST_SCANS = 8
_LEAST_SHARE = 0.8
_ENOUGH = 8192
_MOST_CHANNELS = 16
_TEXT = "text"
# Speeds to try, in the order of how likely somebody wants to record from such a board.
_BAUDS = (frames.BAUD, frames.FALLBACK_BAUD, 230_400, 57_600, 9_600)
_NEAR = 0.04  # a line may be off by this much and still be understood

# What boards answer when they are asked, and how long they may take: Chords boards wait 1 s for
# the end of a command.
_ANSWERS: dict[str, tuple[re.Pattern[bytes], float]] = {
    "chords": (re.compile(b"|".join(re.escape(name.encode()) for name in chords.BOARDS)), 1.5),
    "byb": (re.compile(rb"HWT:([A-Z0-9_]+);"), 0.7),
    "cyton": (re.compile(rb"OpenBCI[^\r\n$]*(?=.*\$\$\$)", re.DOTALL), 1.2),
    "bitalino": (re.compile(rb"BITalino_v[\d.]+"), 0.7),
}
# Boards with one format that differ in rate, channels or bits: worth asking in any case.
_VARIED = ("chords", "byb")
_FOURTEEN_BITS = (b"HUMANSB", b"UNIBOX")


def identify(
    link: Link,
    ending: threading.Event,
    format: str = "auto",
    n_channels: int | None = None,
    sfreq: float | None = None,
    baud: int | None = None,
) -> DeviceInfo:
    """Stop whatever the board behind a port is sending and return what it is.

    Parameters
    ----------
    link
        The open port.
    ending
        Set by another thread to give up.
    format
        Name of the wire format, or ``auto``.
    n_channels, sfreq, baud
        What the user wants; None leaves it to the board or the format.

    Raises
    ------
    BridgeError
        If nothing answers, or not what was asked for; the message says what was tried.
    """
    if format == "auto":
        return _found_out(link, ending, n_channels, sfreq, baud)
    if format == EMGT:
        speeds = (baud,) if baud else (frames.BAUD, frames.FALLBACK_BAUD)
        for speed in _each_baud(link, speeds):
            found = ask_emgt(link, ending, BOOT_S, bytearray())
            if found:
                return emgt_info(*found, speed, n_channels, sfreq)
        raise _silence(link, "the emgtwitch firmware does not answer", speeds)
    if format not in FORMATS:
        raise BridgeError(f"format {format} is unknown: auto, {', '.join(FORMATS)}")
    wire = FORMATS[format]
    speed = baud or wire.baud
    if link.has_baud:
        link.set_baud(speed)
    if format == _TEXT:
        return _text_info(link, ending, speed, n_channels, sfreq)
    return _kind_of(link, ending, format, speed, n_channels, sfreq)


def ask_emgt(
    link: Link, ending: threading.Event, seconds: float, heard: bytearray
) -> tuple[dict[str, str], int] | None:
    """Ask an EMGT/1 board to stop and to tell of itself; return INFO and the number of its start.

    Everything that comes is added to `heard`. None if nothing answers in time.
    """
    reader = frames.PacketReader()
    infos: list[frames.Info] = []
    stopped = False
    ask_at = 0.0
    link.write(b"\0")
    for data in link.listen(seconds, ending):
        heard += data
        for body in reader.feed(data):
            with contextlib.suppress(frames.FrameError):
                match frames.decode(body):
                    case frames.Info() as info:
                        infos.append(info)
                    case frames.Ack(cmd=frames.Stop.TYPE):
                        stopped = True
        values = frames.info_values(infos) if infos else None
        if values is not None and stopped:
            return values, infos[-1].boot_id
        if time.monotonic() >= ask_at:
            link.write(frames.encode(frames.Stop(0)) + frames.encode(frames.Ident(1)))
            ask_at = time.monotonic() + _ASK_AGAIN_S
    return None


def recognise(heard: bytes, n_channels: int | None = None) -> tuple[str, int] | None:
    """Return format and number of channels of a piece of a stream, None if it is none we know."""
    best: tuple[float, str, int] | None = None
    for name, wire in FORMATS.items():
        if name in (_TEXT, EMGT):
            continue
        every = range(1, _MOST_CHANNELS + 1)
        sizes: Sequence[int] = (wire.n_channels,) if wire.fixed_channels else every
        for n in sizes if n_channels is None or wire.fixed_channels else {n_channels}:
            try:
                length = len(wire.encode(np.zeros((n, 1), int)))
                decoder = wire.make_decoder(n)
            except (BridgeError, ValueError, IndexError):  # not so many channels
                continue
            decoder.feed(heard)
            n_scans = decoder.statistics.n_scans
            share = n_scans * length / max(len(heard), 1)
            enough = n_scans >= _LEAST_SCANS and share >= _LEAST_SHARE
            if enough and (best is None or share > best[0]):
                best = share, name, n
    if best:
        return best[1:]
    text = TextDecoder(n_channels)
    text.feed(heard)
    n_scans, n_rejected = text.statistics.n_scans, text.statistics.rejected.total()
    if n_scans >= _LEAST_SCANS and n_scans >= _LEAST_SHARE * (n_scans + n_rejected):
        return _TEXT, text.n_channels or 0
    return None


def _found_out(
    link: Link,
    ending: threading.Event,
    n_channels: int | None,
    sfreq: float | None,
    baud: int | None,
) -> DeviceInfo:
    n_heard = 0
    speeds = (baud,) if baud else _BAUDS
    for number, speed in enumerate(_each_baud(link, speeds)):
        # The board may be booting when the port was just opened.
        until = time.monotonic() + (BOOT_S if number == 0 else 0)
        known = None
        while known is None:
            heard = bytearray()
            if speed in (frames.BAUD, frames.FALLBACK_BAUD):
                found = ask_emgt(link, ending, _LISTEN_S, heard)
                if found:
                    return emgt_info(*found, speed, n_channels, sfreq)
            else:
                for data in link.listen(_LISTEN_S, ending):
                    heard += data
            n_heard += len(heard)
            known = recognise(bytes(heard[-_ENOUGH:]), n_channels)
            if ending.is_set() or time.monotonic() > until:
                break
        if known and known[0] == _TEXT:
            return _text_info(link, ending, speed, n_channels, sfreq, bytes(heard))
        if known:
            return _kind_of(link, ending, known[0], speed, n_channels or known[1], sfreq)
        names = [name for name in _ANSWERS if not link.has_baud or _speaks_at(name, speed)]
        info = _asked(link, ending, names, speed, n_channels, sfreq)
        if info:
            return info
    if n_heard:
        raise BridgeError(
            f"{link.port}: {n_heard} bytes came, but in none of the formats known; give the format "
            f"and the speed yourself ({', '.join(FORMATS)})"
        )
    raise _silence(link, "nothing answers", speeds)


def _kind_of(
    link: Link,
    ending: threading.Event,
    name: str,
    speed: int,
    n_channels: int | None,
    sfreq: float | None,
) -> DeviceInfo:
    """Stop a board whose format is known, and ask which kind it is."""
    _stop(link, ending, FORMATS[name].stop)
    tries = 2 if link.has_baud else 1  # the first one may meet a board that boots
    for _ in range(tries if name in _VARIED else 0):
        info = _asked(link, ending, (name,), speed, n_channels, sfreq)
        if info:
            return info
    return foreign_info(name, speed, n_channels, sfreq)


def _stop(link: Link, ending: threading.Event, command: bytes) -> None:
    """Stop a stream and let what is still under way run out."""
    if command:
        link.write(command)
        for data in link.listen(_LISTEN_S, ending):
            if not data:
                break


def _asked(
    link: Link,
    ending: threading.Event,
    names: Iterable[str],
    speed: int,
    n_channels: int | None,
    sfreq: float | None,
) -> DeviceInfo | None:
    """Ask for boards with these formats; None if none answers."""
    for name in names:
        answer, seconds = _ANSWERS[name]
        link.write(FORMATS[name].identify)
        heard = bytearray()
        for data in link.listen(seconds, ending):
            heard += data
            found = answer.search(heard)
            if not found:
                continue
            board = found.group(found.lastindex or 0).decode("ascii", "replace").strip()
            bits = None
            if name == "chords":
                rate, channels, bits = chords.BOARDS[board]
                n_channels, sfreq = n_channels or channels, sfreq or float(rate)
            if name == "byb" and board.encode() in _FOURTEEN_BITS:
                bits = 14
            return foreign_info(name, speed, n_channels, sfreq, board=board, bits=bits)
    return None


def _speaks_at(name: str, speed: int) -> bool:
    """Tell whether boards with a format may speak at this speed."""
    wire = FORMATS[name]
    return any(abs(speed / each - 1) < _NEAR for each in (wire.baud, *wire.other_bauds))


def _text_info(
    link: Link,
    ending: threading.Event,
    speed: int,
    n_channels: int | None,
    sfreq: float | None,
    heard: bytes = b"",
) -> DeviceInfo:
    """Listen to lines of numbers until their columns and, if need be, their rate are known.

    Their names may be in the bytes heard already.
    """
    decoder = TextDecoder(n_channels)
    decoder.feed(heard)
    n_scans, first_s, last_s = 0, 0.0, 0.0
    for data in link.listen(BOOT_S + _MEASURE_S, ending):
        now_s = time.monotonic()
        new = sum(item.counts.shape[1] for item in decoder.feed(data) if isinstance(item, Block))
        if new:
            # The first delivery only starts the watch: its scans were sampled before.
            n_scans, first_s = (n_scans + new, first_s) if first_s else (0, now_s)
            last_s = now_s
        if first_s and (sfreq or now_s - first_s > _MEASURE_S):
            break
    if decoder.n_channels is None:
        raise BridgeError(
            f"{link.port}: no lines of numbers come at {speed} baud; does the sketch print, and at "
            "this speed?"
        )
    if sfreq is None and n_scans:
        rate = float(max(1, round(n_scans / (last_s - first_s))))
    else:
        rate = sfreq or 0.0
    return foreign_info(
        _TEXT,
        speed,
        decoder.n_channels,
        rate,
        measured=sfreq is None,
        ch_names=decoder.ch_names,
        time_column=decoder.time_column,
    )


def _each_baud(link: Link, speeds: Sequence[int]) -> Iterator[int]:
    """Set each speed in turn and yield it; only the first one where the port has no speed."""
    for speed in speeds if link.has_baud else speeds[:1]:
        if link.has_baud:
            link.set_baud(speed)
        yield speed


def _silence(link: Link, what: str, speeds: Sequence[int]) -> BridgeError:
    tried = f" at {', '.join(map(str, speeds))} baud" if link.has_baud else ""
    return BridgeError(
        f"{link.port}: {what}{tried}. Is it the right port (`emgtwitch ports`), is the firmware on "
        "the board (`emgtwitch flash`), does any other program use the port?"
    )
