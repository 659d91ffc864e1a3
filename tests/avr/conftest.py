"""The firmware, compiled, in the emulator simavr, stepped by the clock of the board."""

import contextlib
import ctypes
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge import frames

HERE = Path(__file__).parent
ARDUINO = HERE.parents[1] / "firmware_bridge" / "arduino"
CLOCK_HZ = 16_000_000
FLASH_BYTES = 32_768
BOOT_S = 0.2  # until all INFO is sent
RUNNING, SLEEPING = 2, 3  # states that simavr tells
AVR_LIBC = "/usr/lib/avr/include/avr/io.h"
ARDUINO_CORE = "/usr/share/arduino/hardware/arduino/avr/cores/arduino/Arduino.h"
SIMAVR = "/usr/include/simavr/sim_avr.h"
LIBELF = "/usr/include/libelf.h"
REQUIRED = os.environ.get("EMGTWITCH_REQUIRE_EMULATOR") == "1"


def missing(what: str) -> None:
    """Skip a test, except where everything has to be there."""
    (pytest.fail if REQUIRED else pytest.skip)(f"{what} is missing; .ci/run installs it")


@pytest.fixture(scope="session")
def need() -> Callable[..., None]:
    """Skip a test if a program or file is missing; fail where all has to be there."""

    def need(*things: str) -> None:
        for thing in things:
            if shutil.which(thing) is None and not Path(thing).exists():
                lack = pytest.fail if REQUIRED else pytest.skip
                lack(f"{thing} is missing; .ci/run installs it")

    return need


@pytest.fixture(scope="session")
def build(need, tmp_path_factory) -> Callable[[Path], Path]:
    """Build a sketch by the documented command into a folder with emgtwitch.elf and .hex."""

    def build(arduino: Path) -> Path:
        need("bash", "avr-gcc", AVR_LIBC, ARDUINO_CORE)
        folder = tmp_path_factory.mktemp("firmware")
        command = [arduino / "build.sh", folder]
        done = subprocess.run(command, check=True, capture_output=True, timeout=300)
        assert b"warning" not in done.stderr
        return folder

    return build


@pytest.fixture(scope="session")
def built(build) -> Path:
    """Build the firmware as it is."""
    return build(ARDUINO)


@pytest.fixture(scope="session")
def compile_here(need, tmp_path_factory) -> Callable[..., ctypes.CDLL]:
    """Compile sources of this folder into a library of this computer, with more arguments."""

    def compile_here(compiler: str, source: str, *arguments: object) -> ctypes.CDLL:
        need(compiler)
        path = tmp_path_factory.mktemp("library") / f"{source}.so"
        command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        subprocess.run(
            [*command, HERE / source, *map(str, arguments), "-o", path], check=True, timeout=300
        )
        return ctypes.CDLL(str(path))

    return compile_here


@pytest.fixture(scope="session")
def shim(need, compile_here) -> ctypes.CDLL:
    """Compile the emulator with our shim around it."""
    need(SIMAVR, LIBELF)
    library = compile_here("gcc", "shim.c", "-lsimavr", "-lelf")
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    for name, result, arguments in (
        ("sim_new", pointer, [ctypes.c_char_p]),
        ("sim_free", None, [pointer]),
        ("sim_voltages", None, [pointer, pointer, ctypes.c_uint]),
        ("sim_run", ctypes.c_int, [pointer, number]),
        ("sim_read", ctypes.c_uint, [pointer, pointer, pointer, ctypes.c_uint]),
        ("sim_write", None, [pointer, ctypes.c_char_p, ctypes.c_uint]),
        ("sim_starts", ctypes.c_uint, [pointer, pointer, pointer]),
        ("sim_pin", None, [pointer, ctypes.c_char, ctypes.c_int, ctypes.c_int]),
        ("sim_cycle", number, [pointer]),
        ("sim_memory", pointer, [pointer]),
        ("sim_flash", pointer, [pointer]),
        ("sim_begin_at", None, [pointer, ctypes.c_uint]),
        ("sim_reset", None, [pointer]),
    ):
        getattr(library, name).restype = result
        getattr(library, name).argtypes = arguments
    return library


class Emulator:
    """An Uno with the firmware, just switched on.

    Attributes
    ----------
    sent, cycles
        All bytes on the wire so far, and the clock of the board when each had left it.
    told
        What the board said when it was switched on.
    reader
        What made packets of them.
    """

    def __init__(self, shim: ctypes.CDLL, elf: Path) -> None:
        self._shim = shim
        self._board = shim.sim_new(str(elf).encode())
        self._held: np.ndarray | None = None
        self.reader = frames.PacketReader()
        self.sent = b""
        self.cycles = np.empty(0, np.uint64)
        self.press(False)
        self.told = self.run(BOOT_S)

    def close(self) -> None:
        self._shim.sim_free(self._board)

    def voltages(self, millivolts: np.ndarray) -> np.ndarray:
        """Give the inputs these voltages, (n_scans, up to 8), one scan after the other.

        Returns the codes that the emulated converter makes of them, (n_channels, n_scans).
        """
        held = np.zeros((len(millivolts), 8), np.uint16)
        held[:, : millivolts.shape[1]] = millivolts
        self._held = held
        self._shim.sim_voltages(self._board, held.ctypes.data, len(held))
        return (millivolts.astype(np.int64) * 1023 // 5000).T

    def run(self, seconds: float) -> list[frames.Message]:
        """Let time pass for the board and return what it sent in it."""
        sent = b"".join(self._run(slice_s) for slice_s in _slices(seconds))
        self.sent += sent
        return [frames.decode(body) for body in self.reader.feed(sent)]

    def _run(self, seconds: float) -> bytes:
        state = self._shim.sim_run(self._board, round(seconds * CLOCK_HZ))
        assert state in {RUNNING, SLEEPING}
        data, cycles = np.empty(1 << 16, np.uint8), np.empty(1 << 16, np.uint64)
        n = self._shim.sim_read(self._board, data.ctypes.data, cycles.ctypes.data, len(data))
        self.cycles = np.append(self.cycles, cycles[:n])
        return data[:n].tobytes()

    def write(self, data: bytes) -> None:
        """Send bytes to the board; it gets them as fast as the link is."""
        self._shim.sim_write(self._board, data, len(data))

    def send(self, *commands: frames.Command) -> None:
        """Send commands to the board."""
        self.write(b"".join(map(frames.encode, commands)))

    def starts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return when conversions started since the last call (clocks), and of which input."""
        cycles, inputs = np.empty(1 << 16, np.uint64), np.empty(1 << 16, np.uint8)
        n = self._shim.sim_starts(self._board, cycles.ctypes.data, inputs.ctypes.data)
        return cycles[:n].astype(np.int64), inputs[:n]

    def press(self, down: bool) -> None:
        """Press or release the button."""
        self._shim.sim_pin(self._board, b"D", 2, not down)

    def reset(self) -> None:
        """Start the board anew, as opening the port of an Uno does."""
        self._shim.sim_reset(self._board)
        self.press(False)

    def install(self, program: bytes, begin: int) -> None:
        """Put this into the program space and start it at an address."""
        ctypes.memmove(self._shim.sim_flash(self._board), program, FLASH_BYTES)
        self._shim.sim_begin_at(self._board, begin)
        self.reset()

    @property
    def program(self) -> bytes:
        """All of the program space."""
        return ctypes.string_at(self._shim.sim_flash(self._board), FLASH_BYTES)

    @property
    def cycle(self) -> int:
        """Clocks of the board since it was made."""
        return int(self._shim.sim_cycle(self._board))

    @property
    def memory(self) -> np.ndarray:
        """The data space of the board: registers, ports, RAM from 0x100 to 0x8FF."""
        place = self._shim.sim_memory(self._board)
        return np.ctypeslib.as_array((ctypes.c_uint8 * 0x900).from_address(place))


def _slices(seconds: float) -> list[float]:
    edges = [*np.arange(0, seconds, 0.5), seconds]  # the shim holds 1.3 s of bytes
    return [end - start for start, end in pairwise(edges)]


@pytest.fixture(scope="session")
def switch_on(shim, built) -> Iterator[Callable[..., Emulator]]:
    """Switch on an Uno, with another program than the usual one if told so."""
    boards = []

    def switch_on(elf: Path = built / "emgtwitch.elf") -> Emulator:
        boards.append(Emulator(shim, elf))
        return boards[-1]

    yield switch_on
    for board in boards:
        board.close()


@pytest.fixture
def emulator(switch_on) -> Emulator:
    """An Uno, switched on."""
    return switch_on()


class Cable:
    """Between an emulated board and a pty: time goes on for the board as it does for us.

    It begins with the first byte for the board, as opening the port of an Uno starts it anew.

    Attributes
    ----------
    port
        Name of the pty.
    held
        While set, time stands still for the board.
    """

    def __init__(self, board: Emulator) -> None:
        import tty  # there is none on Windows

        self._board = board
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self._board_in_use = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._pump)
        self.port = os.ttyname(self._theirs)
        self.held = threading.Event()

    def plug_in(self) -> None:
        self._thread.start()

    def reset_board(self) -> None:
        """Start the board anew, while the cable is plugged in."""
        with self._board_in_use:
            self._board.reset()

    def unplug(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def _pump(self) -> None:
        passed_on = len(self._board.sent)
        begun = False
        now_s = time.monotonic()
        while not self._ending.wait(0.001):
            before_s, now_s = now_s, time.monotonic()
            if self.held.is_set():
                continue
            with contextlib.suppress(BlockingIOError):
                self._board.write(os.read(self._ours, 4096))
                begun = True
            if not begun:
                continue
            with self._board_in_use:
                # On a busy machine the board falls behind; it must not try to catch up for ever.
                self._board.run(min(now_s - before_s, 0.01))
            with contextlib.suppress(BlockingIOError):
                passed_on += os.write(self._ours, self._board.sent[passed_on:])


@pytest.fixture
def cable(emulator) -> Iterator[Cable]:
    """Lead from the emulated board to a pty, when plugged in."""
    cable = Cable(emulator)
    yield cable
    cable.unplug()
