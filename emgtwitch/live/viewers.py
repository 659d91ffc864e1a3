"""One open page: what waits for it, and how it is sent."""

import asyncio
from collections.abc import Iterable

from emgtwitch.live.backlog import Backlog

# How late a viewer who is slower than the signal may be; a playback may send much at once.
_LATE_S, _LATE_BYTES = 5.0, 8_000_000
_STALLED_S = 5.0  # without taking anything
_AT_ONCE_BYTES = 65_536


class Viewer:
    """Sends messages to one page, which may be slow: it then misses the oldest scans.

    Parameters
    ----------
    first
        What it gets first.
    """

    def __init__(self, first: Iterable[bytes]) -> None:
        self._first = list(first)[::-1]
        self._backlog: Backlog[bytes] = Backlog(_LATE_S, _LATE_BYTES)
        self._changed = asyncio.Event()
        self._changed.set()
        self._is_over = False

    def offer(self, kind: str, frame: bytes, seconds: float) -> None:
        """Add a message; never waits.

        Parameters
        ----------
        kind, frame
            Type of the message, and how it is sent.
        seconds
            That passed since the scans before, by the clock of this computer.
        """
        self._backlog.put(kind, frame, seconds, len(frame))
        self._is_over |= kind == "over"
        self._changed.set()

    def _some(self) -> bytes:
        some: list[bytes] = []
        n_bytes = 0
        while n_bytes < _AT_ONCE_BYTES and (self._first or self._backlog):
            some.append(self._first.pop() if self._first else self._backlog.take())
            n_bytes += len(some[-1])
        return b"".join(some)

    async def send_all(self, writer: asyncio.StreamWriter) -> None:
        """Send until it is over.

        Raises
        ------
        OSError, TimeoutError
            The viewer is gone, or takes nothing any more.
        """
        while True:
            self._changed.clear()
            while some := self._some():
                writer.write(some)
                async with asyncio.timeout(_STALLED_S):
                    await writer.drain()
            if self._is_over:
                return
            await self._changed.wait()
