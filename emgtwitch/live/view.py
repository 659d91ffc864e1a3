"""What a running recording, or a playback, uses to show itself on the live page."""

import math
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from emgtwitch.event_table import FASCICULATION, NOT_APPLICABLE, Event
from emgtwitch.live import messages
from emgtwitch.live.backlog import Backlog
from emgtwitch.live.child import Child
from emgtwitch.live.minutes import Minutes

_TOKEN_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none is taken for another; 5 bits each
_TOKEN_LENGTH = 16
_INBOX_S, _INBOX_BYTES = messages.KEPT_S, 16_000_000
_MOST_COMMANDS = 100
_LOOK_S = 0.5  # how often it is seen whether the server lives
_RESPAWN_S, _LONGEST_PAUSE_S = 1.0, 30.0  # between two servers
_JOIN_S = 2.5


@dataclass(frozen=True)
class Command:
    """What a viewer asked for.

    Attributes
    ----------
    name
        ``mark``, ``start``, ``stop``, ``seek``, ``speed``, ``pause`` or ``play``.
    time_s
        When it was received, seconds since the epoch of `time.time`.
    fields
        What else the page sent: ``text`` of a mark, ``to_s``, ``factor``, ...
    """

    name: str
    time_s: float
    fields: dict[str, Any]


class LiveView:
    """The live page of one source. No call waits for viewers, or for the server of the page.

    The server is another process; if it dies it is started again, with what the page showed.

    Parameters
    ----------
    hello
        What is shown: the fields of the ``hello`` message (docs/live.md).
    host
        Address to listen at; ``"0.0.0.0"`` for all of this computer.

    Attributes
    ----------
    url
        Where the page is; who knows it can watch and give commands.
    once_url
        Leads there once, in the first minute: for a browser, whose command line others can see.

    Raises
    ------
    InputError
        It is not possible to listen at this address.
    """

    def __init__(self, hello: Mapping[str, Any], host: str = "127.0.0.1") -> None:
        token, once = _code(), _code()
        self._config = {"host": host, "port": 0, "token": token}
        self._commands: deque[Command] = deque(maxlen=_MOST_COMMANDS)
        self._trouble: deque[str] = deque(maxlen=_MOST_COMMANDS)
        self._child = Child({**self._config, "once": once}, self._hear)
        try:
            address, self._config["port"] = self._child.address()
        except BaseException:
            self._child.end()
            raise
        at = f"http://{_reachable(address)}:{self._config['port']}"
        self.url, self.once_url = f"{at}/{token}/", f"{at}/{once}"
        self._kept: Backlog[bytes] = Backlog(messages.KEPT_S, messages.KEPT_BYTES)
        self._inbox: Backlog[tuple[str, Any, float]] = Backlog(_INBOX_S, _INBOX_BYTES)
        self._changed = threading.Condition()
        self._closed = False
        self.restart(hello)
        self._feeder = threading.Thread(target=self._feed, name="live page", daemon=True)
        self._feeder.start()

    def restart(self, hello: Mapping[str, Any]) -> None:
        """Begin anew at scan 0, with another ``hello``: viewers forget the trace."""
        self._ch_names, self._sfreq = list(hello["ch_names"]), float(hello["sfreq"])
        self._minutes = Minutes(len(self._ch_names))
        self._put("hello", dict(hello))

    def scans(self, first: int, uv: np.ndarray) -> None:
        """Show scans.

        Parameters
        ----------
        first
            Index of the first one.
        uv
            (n_channels, n_scans), µV; NaN where lost.

        Raises
        ------
        ValueError
            Another number of channels.
        """
        copied = np.array(uv, dtype=np.float32)
        if copied.ndim != 2 or len(copied) != len(self._ch_names):
            raise ValueError(f"{len(self._ch_names)} channels are shown, not {copied.shape}")
        if copied.shape[1]:
            seconds = copied.shape[1] / self._sfreq
            self._put("scans", (first, copied, time.time()), seconds, copied.nbytes)

    def events(self, events: Iterable[Event]) -> None:
        """Show events of the detector, provisional and decided, accepted and rejected."""
        for event in events:
            channel = self._ch_names.index(event.channel)
            is_twitch = event.trial_type == FASCICULATION and event.reason == NOT_APPLICABLE
            if is_twitch and not event.provisional:
                self._minutes.count(channel, event.peak_time)
            self._put("event", messages.event_fields(event, channel))

    def state(self, state: Mapping[str, Any]) -> None:
        """Show how things are; a few times a second, the fields of the ``state`` message."""
        valid_s = np.array([channel["valid_s"] for channel in state["channels"]], dtype=float)
        self._minutes.tell(state["elapsed_s"], valid_s)
        recent = self._minutes.last_minute().tolist()
        channels = [
            {"last_minute_per_min": rate, **channel}
            for channel, rate in zip(state["channels"], recent, strict=True)
        ]
        self._put("state", {"rates": self._minutes.fields(), **state, "channels": channels})

    def mark(self, at_s: float, text: str) -> None:
        """Show a mark that somebody set, at a time of the trace."""
        self._put("mark", {"at_s": at_s, "text": text})

    def said(self, text: str) -> None:
        """Show a line for people."""
        self._put("said", {"at": f"{datetime.now():%H:%M:%S}", "text": text})

    def take_commands(self) -> list[Command]:
        """Return what viewers asked for since the last call."""
        return [self._commands.popleft() for _ in range(len(self._commands))]

    def take_trouble(self) -> list[str]:
        """Return lines for the terminal on what happened to the server since the last call."""
        return [self._trouble.popleft() for _ in range(len(self._trouble))]

    def close(self, text: str = "It is over.") -> None:
        """Tell the viewers that it is over, and end the server."""
        if self._closed:
            return
        self._put("over", {"text": text})
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._feeder.join(_JOIN_S)
        if self._feeder.is_alive():  # the server takes nothing
            self._child.kill()
            self._feeder.join()

    def _put(self, kind: str, item: Any, seconds: float = 0.0, n_bytes: int = 0) -> None:
        with self._changed:
            self._inbox.put(kind, (kind, item, seconds), seconds, n_bytes)
            self._changed.notify()

    def _hear(self, said: dict[str, Any]) -> None:
        self._commands.append(Command(said["name"], said["time_s"], said["fields"]))

    def _feed(self) -> None:
        """Pass on what comes, and keep the server alive."""
        again_s, pause_s = -math.inf, _RESPAWN_S
        while not self._closed or self._inbox:
            with self._changed:
                if not self._inbox and not self._closed:
                    self._changed.wait(_LOOK_S)
                inbox, self._inbox = self._inbox, Backlog(_INBOX_S, _INBOX_BYTES)
            lines = [self._kept_line(*item) for item in inbox.items()]
            if self._child.has_ended and not self._closed:
                if time.monotonic() < again_s:
                    continue
                if self._child.has_listened:
                    pause_s = _RESPAWN_S
                    self._trouble.append("the server of the live page ended; it is started again")
                else:
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                again_s = time.monotonic() + pause_s
                self._child.end()
                with suppress(OSError):
                    self._child = Child(self._config, self._hear)
                lines = self._kept.items()
            with suppress(OSError, ValueError):  # it died; the next turn sees it
                self._child.write(b"".join(lines))
        self._child.end()

    def _kept_line(self, kind: str, item: Any, seconds: float) -> bytes:
        """Return an item as a line, kept for another server."""
        fields = messages.scans_fields(*item) if kind == "scans" else item
        line = messages.line(kind, fields)
        self._kept.put(kind, line, seconds, len(line))
        return line


def _code() -> str:
    return "".join(secrets.choice(_TOKEN_LETTERS) for _ in range(_TOKEN_LENGTH))


def _reachable(host: str) -> str:
    """Return the address to write in a URL; for one that means all, that of the way out."""
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way_out:
            way_out.connect(("192.0.2.1", 9))  # sends nothing; an address of RFC 5737
            host = way_out.getsockname()[0]
    return f"[{host}]" if ":" in host else host
