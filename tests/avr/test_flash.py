"""``emgtwitch flash``: avrdude writes through a pty to the bootloader of an Uno in the emulator."""

import os
import threading
from pathlib import Path

import pytest

from emgtwitch.cli import main

ARDUINO = Path(__file__).parents[2] / "firmware_bridge" / "arduino"
OPTIBOOT = Path(
    "/usr/share/arduino/hardware/arduino/avr/bootloaders/optiboot/optiboot_atmega328.hex"
)
BOOTLOADER = 0x7E00


def image(hex_file):
    """Return what a program in Intel HEX makes of an empty program space."""
    space = bytearray(b"\xff" * 32_768)
    for line in hex_file.read_text(encoding="ascii").split():
        record = bytes.fromhex(line[1:])
        address = int.from_bytes(record[1:3], "big")
        if record[3] == 0:  # data
            space[address : address + record[0]] = record[4:-1]
    return bytes(space[:32_768])  # Debian's bootloader is some bytes too long


@pytest.fixture
def connected(emulator):
    """Connect the emulator to a pty; time goes on for the board while it is asked to."""
    import tty

    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    ending = threading.Event()

    def pump():
        passed_on = len(emulator.sent)
        while not ending.is_set():
            try:
                emulator.write(os.read(ours, 4096))
            except BlockingIOError:
                ending.wait(0.0005)
            emulator.run(0.001)
            os.write(ours, emulator.sent[passed_on:])
            passed_on = len(emulator.sent)

    thread = threading.Thread(target=pump)
    yield os.ttyname(theirs), thread
    ending.set()
    thread.join()
    os.close(ours)
    os.close(theirs)


def test_an_uno_takes_the_program(need, emulator, connected, capsys):
    need("avrdude", str(OPTIBOOT))
    port, thread = connected
    emulator.install(image(OPTIBOOT), BOOTLOADER)
    thread.start()
    assert main(["flash", "--port", port]) == 0
    assert port in capsys.readouterr().out
    expected = image(ARDUINO / "emgtwitch-uno.hex")
    assert emulator.program[:BOOTLOADER] == expected[:BOOTLOADER]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--port is needed"),
        (["--board", "esp32"], "emgtwitch.ino in the Arduino IDE"),
        (["--port", "/no/such/port"], "No such file or directory; is it an Uno"),
    ],
)
def test_what_is_missing_is_told(need, words, message, capsys):
    need("avrdude")
    assert main(["flash", *words]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_without_avrdude_it_is_told_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["flash", "--port", "/dev/ttyACM0"]) == 2
    assert "avrdude is needed" in capsys.readouterr().err
