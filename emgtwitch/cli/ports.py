"""``emgtwitch ports``: which serial ports there are, and what is behind them."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from emgtwitch.cli.options import device_in_words
from emgtwitch.cli.rate_table import aligned

_HEADER = ("port", "probably", "system calls it", "serial number")
_NOTHING = """\
No serial port was found.
  - Is the board plugged in, and does its light shine?
  - Does the cable carry data? Many charging cables do not: try another one.
  - Boards with a CH340 or CP210x bridge need its driver on Windows and older macOS.
  - Without a board: emgtwitch simulate device prints a port to use instead."""
_EPILOG = """\
--identify opens the ports one after another, which resets an Arduino Uno, and asks in every format
known; that sends some bytes to whatever is connected there. It takes up to 10 s for a port where
nothing answers.

examples:
  emgtwitch ports                                  what is connected, guessed from USB numbers
  emgtwitch ports --identify                       asks every port
  emgtwitch ports --identify /dev/ttyACM0          asks one
  emgtwitch ports --identify socket://pi.local:4000
  emgtwitch ports --json"""


@dataclass(frozen=True)
class _Row:
    """A port; `answer` says what it is, if asked, and `problem` why it cannot be used."""

    port: str
    guess: str
    description: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    answer: dict[str, object] | None = None
    in_words: str = ""
    problem: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--identify",
        metavar="PORT",
        nargs="*",
        help="ask what is there: these ports (names or URLs of pyserial), or all",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """List the ports, and ask what is there if wanted."""
    rows = _listed(arguments.identify)
    if arguments.identify is not None:
        rows = [_identified(row) for row in rows]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    elif not rows:
        print(_NOTHING)
    else:
        print("\n".join(_table(rows)))
    return 0


def _listed(named: Sequence[str] | None) -> list[_Row]:
    """Return the ports of this computer, or those that are named."""
    from firmware_bridge.ports import all_ports, permission_problem

    found = {}
    for port in all_ports():
        usb = port.identity
        found[port.name] = _Row(
            port.name,
            port.guess,
            port.description,
            usb.vid if usb else None,
            usb.pid if usb else None,
            usb.serial_number if usb else None,
            problem=permission_problem(port.name),
        )
    if not named:
        return list(found.values())
    return [found.get(name, _Row(name, "", "", None, None, None)) for name in named]


def _identified(row: _Row) -> _Row:
    """Return the row with what answers at the port, or why nothing does."""
    from firmware_bridge.decoders import BridgeError
    from firmware_bridge.device import open_device

    try:
        with open_device(row.port) as device:
            info = device.info
    except BridgeError as error:
        return replace(row, problem=str(error))
    answer: dict[str, object] = {
        "format": info.format,
        "board": info.board,
        "serial": info.serial,
        "firmware": info.firmware,
        "baud": info.baud,
        "ch_names": list(info.ch_names),
        "sfreq_hz": float(info.sfreq),
        "bits": info.bits,
        "uv_per_count": info.uv_per_count and list(info.uv_per_count),
    }
    return replace(row, answer=answer, in_words=device_in_words(info), problem="")


def _what(row: _Row) -> str:
    """Return what is there: as can be guessed, or else as it has answered."""
    answer = row.answer or {}
    return row.guess or str(answer.get("board") or answer.get("format") or "–")


def _table(rows: Sequence[_Row]) -> list[str]:
    cells = [
        (row.port, _what(row), row.description or "–", row.serial_number or "–") for row in rows
    ]
    header, *lines = aligned([_HEADER, *cells], len(_HEADER))
    found = [header]
    for row, line in zip(rows, lines, strict=True):
        found.append(line)
        found += [f"    {text}" for text in (row.in_words, row.problem) if text]
    return found
