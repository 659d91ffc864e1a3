"""The files for boards that cannot run here: what a compiler alone can say of them."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SKETCH = HERE.parents[1] / "firmware_bridge" / "arduino" / "emgtwitch"
OTHERS = {
    "board_uno_r4.cpp": "ARDUINO_ARCH_RENESAS",
    "board_esp32.cpp": "ARDUINO_ARCH_ESP32",
    "board_rp2040.cpp": "ARDUINO_ARCH_RP2040",
}


@pytest.mark.parametrize(("name", "family"), OTHERS.items())
def test_other_boards_are_free_of_errors(need, name, family):
    """Syntax and types, by declarations that we wrote: no more than that."""
    need("g++")
    files = [SKETCH / file for file in (name, "board_tick.cpp", "device.cpp", "info.cpp")]
    assert "Untested on" in files[0].read_text(encoding="utf-8")
    command = ["g++", "-fsyntax-only", "-std=gnu++17", "-Wall", "-Wextra", "-Werror"]
    command += [f"-D{family}", "-I", HERE / "declared", *files]
    subprocess.run(command, check=True, timeout=300)


def test_all_boards_are_looked_at():
    boards = {path.name for path in SKETCH.glob("board_*.cpp")}
    assert boards == {*OTHERS, "board_avr.cpp", "board_tick.cpp"}


def test_the_mega_compiles(need, tmp_path):
    arduino = Path("/usr/share/arduino/hardware/arduino/avr")
    need("avr-gcc", str(arduino))
    command = ["avr-gcc", "-mmcu=atmega2560", "-DF_CPU=16000000UL", "-DARDUINO=10819"]
    command += ["-DARDUINO_ARCH_AVR", "-DARDUINO_AVR_MEGA2560", "-std=gnu++11", "-Os", "-Wall"]
    command += ["-Wextra", "-Werror", "-DDECIMAL_DIG=__DECIMAL_DIG__"]
    command += ["-I", arduino / "cores" / "arduino", "-I", arduino / "variants" / "mega"]
    command += ["-c", SKETCH / "board_avr.cpp", "-o", tmp_path / "board.o"]
    subprocess.run(command, check=True, timeout=300)
