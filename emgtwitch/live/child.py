"""The server of the live page as a process of its own: start it, feed it, hear it, end it."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from emgtwitch.errors import InputError

_START_S = 20.0
_END_S = 2.5
_PACKAGES = Path(__file__).parents[2]  # the user's folder may have modules of any name


class Child:
    """One server process.

    It is out of reach of Ctrl-C in the terminal, and ends when its input does, so also when this
    process dies.

    Parameters
    ----------
    config
        What the server must know: host, port (0: any), token and, if wanted, once. It goes through
        the pipe, since other users can see command lines.
    heard
        Called, from a thread, with each command of a viewer.

    Raises
    ------
    OSError
        The process cannot be started.
    """

    def __init__(self, config: dict[str, Any], heard: Callable[[dict[str, Any]], object]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "emgtwitch.live.server"],
            cwd=_PACKAGES,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._heard = heard
        self._answer: dict[str, Any] = {}
        self._answered = threading.Event()
        threading.Thread(target=self._read, name="live page's server", daemon=True).start()
        with suppress(OSError):  # it died; that is seen later
            self.write(json.dumps(config).encode() + b"\n")

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                said = json.loads(line)
                if self._answered.is_set():
                    self._heard(said)
                else:
                    self._answer = said
                    self._answered.set()
        self._answered.set()

    def address(self) -> tuple[str, int]:
        """Wait until the server listens, and return where: the address in numbers, and the port.

        Raises
        ------
        InputError
            It cannot.
        """
        self._answered.wait(_START_S)
        if not self.has_listened:
            raise InputError(self._answer.get("error", "the server of the live page did not start"))
        return str(self._answer["address"]), int(self._answer["port"])

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    @property
    def has_listened(self) -> bool:
        """Whether it could listen."""
        return "port" in self._answer

    def write(self, lines: bytes) -> None:
        """Send lines; waits until there is room.

        Raises
        ------
        OSError
            The process is gone.
        """
        assert self._process.stdin
        self._process.stdin.write(lines)
        self._process.stdin.flush()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def end(self) -> None:
        """End the process: it says goodbye when its input ends, or is killed after a while."""
        assert self._process.stdin
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
