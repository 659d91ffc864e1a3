"""Messages that wait: few enough, whoever is slow, and the least important are lost first."""

from collections import deque
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")
SCANS = "scans"
# How many of a kind may wait, the oldest go first; scans are bounded by time and size instead.
_MOST = {"hello": 1, SCANS: None, "event": 5000, "mark": 1000, "state": 1, "said": 100, "over": 1}
_OF_ONE_TRACE = (SCANS, "event", "mark", "state")  # what a new hello makes void


class Backlog(Generic[Item]):
    """A queue of messages of all kinds, bounded for each kind.

    Parameters
    ----------
    most_s, most_bytes
        Of scans; the newest ones always stay.
    """

    def __init__(self, most_s: float, most_bytes: int) -> None:
        self._most_s, self._most_bytes = most_s, most_bytes
        self._numbers = count()
        self._kinds: dict[str, deque[tuple[int, Item]]] = {
            kind: deque(maxlen=most) for kind, most in _MOST.items()
        }
        self._sizes: deque[tuple[float, int]] = deque()
        self._s, self._bytes = 0.0, 0

    def put(self, kind: str, item: Item, seconds: float = 0.0, n_bytes: int = 0) -> None:
        """Add a message, and drop what there is no room for.

        Parameters
        ----------
        kind
            The type of the message; a ``hello`` drops the trace before it.
        item
            The message.
        seconds, n_bytes
            What it takes of the limits, if it has scans.
        """
        if kind == "hello":
            for void in _OF_ONE_TRACE:
                self._kinds[void].clear()
            self._sizes.clear()
            self._s, self._bytes = 0.0, 0
        number = -1 if kind == "hello" else next(self._numbers)  # it comes first
        self._kinds[kind].append((number, item))
        if kind == SCANS:
            self._sizes.append((seconds, n_bytes))
            self._s, self._bytes = self._s + seconds, self._bytes + n_bytes
            while len(self._sizes) > 1 and self._is_full():
                self._pop(SCANS)

    def _is_full(self) -> bool:
        return self._s > self._most_s or self._bytes > self._most_bytes

    def _pop(self, kind: str) -> Item:
        if kind == SCANS:
            seconds, n_bytes = self._sizes.popleft()
            self._s, self._bytes = self._s - seconds, self._bytes - n_bytes
        return self._kinds[kind].popleft()[1]

    def take(self) -> Item:
        """Remove and return the oldest message.

        Raises
        ------
        IndexError
            There is none.
        """
        waiting = [(lines[0][0], kind) for kind, lines in self._kinds.items() if lines]
        if not waiting:
            raise IndexError("nothing waits")
        return self._pop(min(waiting)[1])

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def items(self) -> list[Item]:
        """Return all that waits, the oldest first."""
        return [item for _, item in sorted(pair for kind in self._kinds.values() for pair in kind)]
