"""Serial ports: which there are, what is probably behind them, and why one cannot be used."""

import errno
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from firmware_bridge.decoders import BridgeError

# USB vendors, and products where a vendor makes bridges and boards alike.
_VENDORS = {
    0x2341: "Arduino",
    0x2A03: "Arduino",
    0x1A86: "CH340 serial bridge (Arduino clone)",
    0x0403: "FTDI serial bridge (older Arduino, OpenBCI)",
    0x10C4: "CP210x serial bridge (ESP32 board)",
    0x067B: "PL2303 serial bridge",
    0x303A: "Espressif ESP32",
    0x2E8A: "Raspberry Pi RP2040",
    0x16C0: "Teensy or other small USB board",
    0x239A: "Adafruit board",
    0x0483: "STM32 board",
}
_PRODUCTS = {
    (0x2341, 0x0043): "Arduino Uno R3",
    (0x2341, 0x0001): "Arduino Uno",
    (0x2341, 0x0010): "Arduino Mega 2560",
    (0x2341, 0x0042): "Arduino Mega 2560",
    (0x2341, 0x8036): "Arduino Leonardo",
    (0x2341, 0x0069): "Arduino Uno R4 Minima",
    (0x2341, 0x1002): "Arduino Uno R4 WiFi",
    (0x2A03, 0x0043): "Arduino Uno R3",
    (0x303A, 0x1001): "Espressif ESP32-S3 or C3",
    (0x2E8A, 0x000A): "Raspberry Pi Pico",
}
_NO_PERMISSION = "no permission to open it"
if sys.platform.startswith("linux"):
    _NO_PERMISSION += (
        "; add yourself to the group that owns serial ports, 'sudo usermod -aG dialout $USER' "
        "(on Arch 'uucp'), then log out and in again"
    )


@dataclass(frozen=True)
class Identity:
    """What a USB device keeps when it is plugged in again, perhaps as another port."""

    vid: int
    pid: int
    serial_number: str | None
    location: str | None


@dataclass(frozen=True)
class Port:
    """A serial port.

    Attributes
    ----------
    name
        What to give as ``--port``.
    description
        What the system calls it.
    guess
        What is probably behind it, in words; empty where nothing tells.
    identity
        Of the USB device; None where it is none.
    """

    name: str
    description: str
    guess: str
    identity: Identity | None


def all_ports() -> list[Port]:
    """Return the serial ports of this computer, those of USB devices first."""
    found = []
    for info in list_ports.comports():
        identity = None
        if info.vid is not None:
            identity = Identity(info.vid, info.pid, info.serial_number, info.location)
        guess = guess_of(info.vid, info.pid, info.description or "")
        description = "" if info.description in (None, "n/a") else info.description
        found.append(Port(info.device, description, guess, identity))
    return sorted(found, key=lambda port: (port.identity is None, port.name))


def guess_of(vid: int | None, pid: int | None, description: str = "") -> str:
    """Return what the numbers of a USB device, or its description, let one guess."""
    if vid is not None and pid is not None:
        return _PRODUCTS.get((vid, pid)) or _VENDORS.get(vid, "")
    return "Bluetooth" if "bluetooth" in description.lower() else ""


def identity_of(name: str) -> Identity | None:
    """Return the USB identity behind a port, None where there is none."""
    real = os.path.realpath(name)
    return next((port.identity for port in all_ports() if port.name in (name, real)), None)


def find_again(name: str, identity: Identity | None) -> str | None:
    """Return the port where a device is now that was at `name`; None while it is away.

    By serial number; boards that have none, as clones, by the socket they are plugged into. What
    is no USB device is looked for at the same name.
    """
    if identity is None:
        return name
    same = [
        port
        for port in all_ports()
        if port.identity and (port.identity.vid, port.identity.pid) == (identity.vid, identity.pid)
    ]
    for port in same:
        if identity.serial_number and port.identity:
            if port.identity.serial_number == identity.serial_number:
                return port.name
        elif port.identity and port.identity.location == identity.location:
            return port.name
    return None


def baud_matters(name: str) -> bool:
    """Tell whether a port has a line speed: pseudo-terminals and network sockets have none."""
    if name.startswith(("socket://", "loop://")):
        return False
    return not os.path.realpath(name).startswith(("/dev/pts/", "/dev/ttys"))


def cannot_open(name: str, error: BaseException) -> BridgeError:
    """Return the error to raise when a port cannot be opened: what is wrong and what to do."""
    number = getattr(error, "errno", None)
    text = str(error)
    windows = sys.platform == "win32"
    if "://" in name:
        if name.startswith("socket:") and not re.fullmatch(r"socket://[^/]+:\d+(\?.*)?", name):
            return BridgeError(f"{name}: a socket is given as socket://HOST:PORT")
        return BridgeError(f"{name} cannot be reached: {text.rpartition('] ')[2]}")
    if _is_file(name) or f"({errno.ENOTTY}, " in text:  # pyserial keeps this number in its text
        return BridgeError(f"{name} is no serial port; emgtwitch ports lists those that there are")
    if number == errno.ENOENT or "FileNotFoundError" in text:
        return BridgeError(f"{name}: there is no such port; {_ports_in_words()}")
    if number in (errno.EAGAIN, errno.EBUSY) or (windows and "PermissionError" in text):
        return BridgeError(
            f"{name} is in use by another program: close it there (Arduino IDE, serial plotter, "
            "another recording; ModemManager looks at boards just plugged in) and try again"
        )
    if number in (errno.EACCES, errno.EPERM):
        return BridgeError(f"{name}: {_NO_PERMISSION}")
    return BridgeError(f"{name} cannot be opened: {text}")


def why_gone(name: str, error: BaseException) -> str:
    """Return in words why a port that was open cannot be read or written any more."""
    if isinstance(error, BridgeError):
        return str(error)
    if "://" in name:
        return "the other end has closed it, or the network is down"
    return "the cable was pulled, the board has no power, or another program reads the port"


def permission_problem(name: str) -> str:
    """Return why a port cannot be opened by this user, in words; empty if it can."""
    if os.name != "posix" or not Path(name).exists() or os.access(name, os.R_OK | os.W_OK):
        return ""
    return _NO_PERMISSION


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file() or Path(name).is_dir()
    except OSError:  # in a folder that is not ours to look into
        return False


def _ports_in_words() -> str:
    names = [f"{port.name} ({port.guess})" if port.guess else port.name for port in all_ports()]
    if not names:
        return "no serial port was found: is the board plugged in, with a cable that carries data?"
    return f"there are: {', '.join(names)}"
