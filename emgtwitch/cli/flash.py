"""``emgtwitch flash``: put the firmware on an Arduino."""

import argparse
import shutil
import subprocess
from pathlib import Path

from emgtwitch.errors import InputError

# Others have no program ready here, and no bootloader that avrdude knows.
_OTHERS = ("nano", "mega", "uno-r4", "esp32", "pico", "other")
# The bootloader of an Uno; the protocol is called arduino by avrdude.
_UNO = ("-p", "atmega328p", "-c", "arduino", "-b", "115200", "-D")
_HINT = (
    "avrdude is needed to write to an Arduino Uno: install it (Debian, Ubuntu: apt install "
    "avrdude; macOS: brew install avrdude; Windows: it comes with MSYS2 and WinAVR), or open "
    "{sketch} in the Arduino IDE and press Upload"
)
_EPILOG = """\
This replaces the program that is on the board. It needs the program avrdude. For all boards but the
Uno R3, open the sketch in the Arduino IDE, choose board and port there, and press Upload:
  {sketch}

Do it before electrodes are attached, not while they are.

examples:
  emgtwitch flash --port /dev/ttyACM0
  emgtwitch flash --port COM3
  emgtwitch flash --board esp32                   says where the sketch is"""


def _arduino() -> Path:
    import firmware_bridge

    return Path(firmware_bridge.__file__).parent / "arduino"


def _sketch() -> Path:
    return _arduino() / "emgtwitch" / "emgtwitch.ino"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG.format(sketch=_sketch())
    parser.add_argument("--port", metavar="PORT", help="where the board is; needed for an Uno")
    parser.add_argument(
        "--board",
        choices=("uno", *_OTHERS),
        default="uno",
        help="kind of board (default: uno, which is the Uno R3)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the firmware, let avrdude compare what it wrote, and say what to do next."""
    sketch = _sketch()
    if arguments.board != "uno":
        raise InputError(
            f"there is no ready-made program for this board ({arguments.board}): open {sketch} in "
            "the Arduino IDE, choose board and port there, and press Upload"
        )
    if arguments.port is None:
        raise InputError("--port is needed: where the board is, for example /dev/ttyACM0 or COM3")
    avrdude = shutil.which("avrdude")
    if avrdude is None:
        raise InputError(_HINT.format(sketch=sketch))
    program = _arduino() / "emgtwitch-uno.hex"
    command = [avrdude, *_UNO, "-P", arguments.port, "-U", f"flash:w:{program}:i"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if "rror" in line or "annot" in line]
        reason = told[0] if told else f"it ended with {done.returncode}"
        raise InputError(
            f"the board at {arguments.port} did not take the program: {reason.strip()}; is it an "
            "Uno, is the port right, and does no other program use it?"
        )
    print(f"The firmware is on the board at {arguments.port}.")
    print(f"Next: emgtwitch check --port {arguments.port}")
    return 0
