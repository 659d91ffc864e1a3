"""Marks that the computer asked a board to set, until the board has set them."""

from collections import deque

# A board that marks does so at once; later the computer's clock has to do.
PATIENCE_NS = 1_000_000_000


class HostMarks:
    """Marks asked for and not answered yet, the oldest first; for any thread."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, int]] = deque()

    def ask(self, code: int, now_ns: int) -> None:
        """Note that a mark with this code was asked for."""
        self._waiting.append((code, now_ns))

    def answer(self, code: int) -> None:
        """Note that the board has set one with this code."""
        for waiting in tuple(self._waiting):
            if waiting[0] == code:
                self._waiting.remove(waiting)
                return

    def overdue(self, now_ns: int) -> list[tuple[int, int]]:
        """Return, and forget, code and moment of those that the board did not set in time."""
        found = []
        while self._waiting and now_ns - self._waiting[0][1] > PATIENCE_NS:
            found.append(self._waiting.popleft())
        return found
