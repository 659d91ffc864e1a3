"""``emgtwitch flash``: avrdude writes through a pty to the bootloader of an Uno in the emulator."""

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


def test_an_uno_takes_the_program(need, emulator, cable, capsys):
    need("avrdude", str(OPTIBOOT))
    emulator.install(image(OPTIBOOT), BOOTLOADER)
    cable.plug_in()
    assert main(["flash", "--port", cable.port]) == 0
    assert cable.port in capsys.readouterr().out
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
