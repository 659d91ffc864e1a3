"""What waits between the thread that reads a device and whoever wants it."""

import threading
from collections import deque

from firmware_bridge.decoders import Block


class Inbox:
    """A queue with a limit, whose losses are counted.

    Parameters
    ----------
    most_scans
        So many scans may wait; a block beyond is dropped. Anything else counts as one scan.

    Attributes
    ----------
    high_water
        Most scans that have waited.
    lost_scans, lost_others
        Scans and other items that were dropped.
    """

    def __init__(self, most_scans: int) -> None:
        self._most = most_scans
        self._items: deque[object] = deque()
        self._n_scans = 0
        self._change = threading.Condition()
        self.high_water = self.lost_scans = self.lost_others = 0
        self._error: Exception | None = None
        self._ended = False

    def put(self, item: object) -> bool:
        """Add an item; False if it was dropped."""
        n_scans = item.counts.shape[1] if isinstance(item, Block) else 1
        with self._change:
            if self._n_scans + n_scans > self._most:
                if isinstance(item, Block):
                    self.lost_scans += n_scans
                else:
                    self.lost_others += 1
                return False
            self._items.append(item)
            self._n_scans += n_scans
            self.high_water = max(self.high_water, self._n_scans)
            self._change.notify_all()
        return True

    def end(self, error: Exception | None = None) -> None:
        """Say that nothing more comes, and why if that is an error."""
        with self._change:
            self._ended, self._error = True, error
            self._change.notify_all()

    def take(self, timeout_s: float) -> list[object]:
        """Return all that waits, as soon as there is something; nothing after the timeout.

        Raises
        ------
        Exception
            What `end` was told, once everything before is taken.
        """
        with self._change:
            self._change.wait_for(lambda: self._items or self._ended, timeout_s)
            items = list(self._items)
            self._items.clear()
            self._n_scans = 0
            if not items and self._error:
                raise self._error
        return items
