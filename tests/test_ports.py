"""Ports: guesses, what is found again, errors in words, and the command that lists them."""

import errno
import json
import os

import numpy as np
import pytest
import serial
from serial.tools.list_ports_common import ListPortInfo

from emgtwitch.cli import main
from firmware_bridge import ports
from firmware_bridge.decoders import BridgeError
from firmware_bridge.ports import (
    Identity,
    all_ports,
    cannot_open,
    find_again,
    guess_of,
    why_gone,
)
from firmware_bridge.virtual import VirtualDevice


def usb(device, vid, pid, serial_number=None, location=None, description="USB Serial"):
    info = ListPortInfo(device)
    info.vid, info.pid, info.description = vid, pid, description
    info.serial_number, info.location = serial_number, location
    return info


@pytest.fixture
def plugged(monkeypatch):
    """Let the system list these ports."""

    def plug(*infos):
        monkeypatch.setattr(ports.list_ports, "comports", lambda: list(infos))

    return plug


@pytest.mark.parametrize(
    ("vid", "pid", "guess"),
    [
        (0x2341, 0x0043, "Arduino Uno R3"),
        (0x2341, 0xFFFF, "Arduino"),
        (0x1A86, 0x7523, "CH340 serial bridge (Arduino clone)"),
        (0x2E8A, 0x000A, "Raspberry Pi Pico"),
        (0x9999, 0x0001, ""),
        (None, None, ""),
    ],
)
def test_guesses(vid, pid, guess):
    assert guess_of(vid, pid) == guess


def test_usb_ports_come_first(plugged):
    plain = ListPortInfo("/dev/ttyS0")
    plugged(plain, usb("/dev/ttyACM0", 0x2341, 0x43, "85"))
    first, second = all_ports()
    assert (first.name, first.identity) == ("/dev/ttyACM0", Identity(0x2341, 0x43, "85", None))
    assert (second.name, second.description, second.identity) == ("/dev/ttyS0", "", None)


def test_a_board_is_found_again_by_what_it_is(plugged):
    board = Identity(0x2341, 0x43, "85", "1-2")
    plugged(usb("COM3", 0x2341, 0x43, "99", "1-2"), usb("COM7", 0x2341, 0x43, "85", "1-4"))
    assert find_again("COM3", board) == "COM7"
    plugged(usb("COM3", 0x2341, 0x43, "99", "1-2"))
    assert find_again("COM3", board) is None
    clone = Identity(0x1A86, 0x7523, None, "1-2")
    plugged(usb("COM4", 0x1A86, 0x7523, None, "1-3"), usb("COM5", 0x1A86, 0x7523, None, "1-2"))
    assert find_again("COM4", clone) == "COM5"
    assert find_again("socket://x:1", None) == "socket://x:1"


def test_errors_in_words(plugged):
    plugged()
    missing = OSError(errno.ENOENT, "No such file or directory")
    assert "no serial port was found" in str(cannot_open("/dev/ttyACM0", missing))
    plugged(usb("COM3", 0x2341, 0x43))
    windows = OSError("could not open port 'COM9': FileNotFoundError(2, ...)")
    assert "there are: COM3 (Arduino Uno R3)" in str(cannot_open("COM9", windows))
    busy = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    assert "in use by another program" in str(cannot_open("COM3", busy))
    assert "no permission" in str(cannot_open("COM3", OSError(errno.EACCES, "denied")))
    assert "cannot be opened: odd" in str(cannot_open("COM3", OSError("odd")))


def test_what_is_no_port_is_told(tmp_path, capsys):
    for path in (tmp_path, __file__, os.devnull):
        assert main(["check", "--port", str(path)]) == 2
        if os.name == "posix":
            assert f"{path} is no serial port; emgtwitch ports" in capsys.readouterr().err


def test_why_a_port_has_gone_in_words():
    pulled = serial.SerialException("device reports readiness to read but returned no data")
    assert why_gone("/dev/ttyACM0", pulled).startswith("the cable was pulled, the board has no")
    assert why_gone("socket://x:1", pulled).startswith("the other end has closed it")
    assert why_gone("COM3", BridgeError("nothing came for 10 s")) == "nothing came for 10 s"


def test_the_list_and_what_to_do_if_it_is_empty(plugged, capsys):
    plugged(usb("/dev/ttyUSB7", 0x0403, 0x6001, "FT1", description="FT232R"))
    assert main(["ports"]) == 0
    printed = capsys.readouterr().out
    assert "/dev/ttyUSB7" in printed
    assert "FTDI" in printed
    plugged()
    assert main(["ports"]) == 0
    assert "simulate device" in capsys.readouterr().out
    assert main(["ports", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_ports_that_are_asked(plugged, capsys):
    plugged()
    with VirtualDevice(lambda first, n: np.zeros((2, n), int)) as virtual:
        url = virtual.serve_tcp()
        assert main(["ports", "--json", "--identify", url, "/dev/nowhere"]) == 0
        there, away = json.loads(capsys.readouterr().out)
        assert there["answer"]["format"] == "emgt"
        assert there["answer"]["sfreq_hz"] == 2000
        assert there["problem"] == ""
        assert away["answer"] is None
        assert "no such port" in away["problem"]
        assert main(["ports", "--identify", url]) == 0
        row, answer = capsys.readouterr().out.splitlines()[1:]
        assert row.split() == [url, "virtual", "–", "–"]
        assert ", 2 channels at 2000 Hz" in answer
        for names, told in (
            (["../x", "b"], "channel '../x': a name has 1 to 16"),
            (["a", "A"], "different names"),
        ):
            assert main(["check", "--port", url, "--channels", *names]) == 2
            assert told in capsys.readouterr().err
        assert main(["check", "--port", url, "--uv-per-count", "1e300"]) == 2
        assert "must be above 0 and below 1000000" in capsys.readouterr().err


def test_one_channel_is_one(capsys):
    with VirtualDevice(lambda first, n: np.zeros((1, n), int)) as virtual:
        assert main(["ports", "--identify", virtual.serve_tcp()]) == 0
    assert ", 1 channel at 2000 Hz" in capsys.readouterr().out
