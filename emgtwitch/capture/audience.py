"""Those who look on while scans come in: nothing that happens to them reaches a recording."""

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emgtwitch.capture.marks import SetMark, cleaned
from emgtwitch.event_table import NOT_APPLICABLE, Event

if TYPE_CHECKING:
    from emgtwitch.capture.session import Session

_STATE_S = 0.25
_DISK_S = 5.0


class Command(Protocol):
    """What somebody asked for on the page, and when: seconds since the epoch of `time.time`."""

    @property
    def name(self) -> str:
        """As ``"mark"``, ``"start"``, ``"stop"``."""
        ...

    @property
    def time_s(self) -> float:
        """When the page's server received it."""
        ...

    @property
    def fields(self) -> Mapping[str, Any]:
        """What was said with it."""
        ...


class View(Protocol):
    """The live page, seen from here: `emgtwitch.live.view.LiveView`."""

    def scans(self, first: int, uv: np.ndarray) -> None:
        """Show scans, (n_channels, n_scans) in µV."""
        ...

    def events(self, events: list[Event]) -> None:
        """Show events of a detector."""
        ...

    def state(self, state: dict[str, Any]) -> None:
        """Show how it goes."""
        ...

    def mark(self, at_s: float, text: str) -> None:
        """Show a mark, at a time since scan 0."""
        ...

    def said(self, text: str) -> None:
        """Show a line for people."""
        ...

    def restart(self, hello: dict[str, Any]) -> None:
        """Begin anew at scan 0."""
        ...

    def take_commands(self) -> Sequence[Command]:
        """Return what viewers asked for since the last call."""
        ...

    def take_trouble(self) -> Sequence[str]:
        """Return what went wrong with it since the last call."""
        ...


class Audience:
    """Shows what comes to a live page, if there is one, and hears what is asked for there.

    Any error of the page ends the showing, and nothing else.

    Parameters
    ----------
    view
        The page; None: nobody looks on.

    Attributes
    ----------
    asked
        Commands that are no marks and that nobody has taken up yet.
    """

    def __init__(self, view: View | None = None) -> None:
        self._view = view
        self._trouble: list[str] = []
        self.asked: list[Command] = []
        self._state_s = self._disk_s = -math.inf
        self._free_bytes: int | None = None

    def scans(self, first: int, uv: np.ndarray) -> None:
        """Show scans: index of the first one, and (n_channels, n_scans) µV."""
        self._tell("scans", first, uv)

    def events(self, events: list[Event]) -> None:
        """Show events of a detector, provisional ones too."""
        if events:
            self._tell("events", events)

    def mark(self, at_s: float, text: str) -> None:
        """Show a mark, at a time since scan 0."""
        self._tell("mark", at_s, text)

    def said(self, text: str) -> None:
        """Show a line for people."""
        self._tell("said", text)

    def restart(self, hello: dict[str, Any]) -> None:
        """Let the page begin anew at scan 0."""
        self._state_s = -math.inf
        self._tell("restart", hello)

    def take(self) -> list[SetMark]:
        """Return the marks set on the page since the last call; the other commands are kept."""
        marks = []
        for command in self._tell("take_commands") or ():
            if command.name == "mark":
                text = cleaned(str(command.fields.get("text", "")))
                marks.append(SetMark(command.time_s, text))
            else:
                self.asked.append(command)
        return marks

    def take_trouble(self) -> list[str]:
        """Return what went wrong with the page since the last call, in lines for people."""
        self._trouble += self._tell("take_trouble") or []
        trouble, self._trouble = self._trouble, []
        return trouble

    def show(self, session: "Session") -> None:
        """Show how a session goes, a few times a second."""
        now_s = time.monotonic()
        if self._view is None or now_s - self._state_s < _STATE_S:
            return
        self._state_s = now_s
        live = session.live
        disk = None
        if live.recorder:
            path = live.recorder.path
            if now_s - self._disk_s > _DISK_S:
                self._disk_s, self._free_bytes = now_s, _free_bytes(path)
            failed = live.recorder.failed
            disk = {
                "file": path.name,
                "on_disk_s": live.recorder.written_s,
                "free_bytes": self._free_bytes,
                "failed": str(failed) if failed else None,
            }
        ongoing = {event.channel: event for event in live.detector.ongoing()}
        state = {
            "elapsed_s": live.recorded_s,
            "trouble": session.trouble,
            "lost_scans": live.lost_scans,
            "disk": disk,
            "playing": None,
            "channels": [
                {
                    "twitches": status.twitches,
                    "valid_s": status.valid_s,
                    "noise_uv": status.noise_uv,
                    "floor_uv": status.floor_uv,
                    "ongoing": _interval(ongoing.get(status.channel)),
                }
                for status in live.status()
            ],
        }
        self._tell("state", state)

    def _tell(self, name: str, *what: Any) -> Any:
        if self._view is None:
            return None
        try:
            return getattr(self._view, name)(*what)
        except Exception as error:
            self._view = None
            self._trouble.append(
                f"the live page has ended ({type(error).__name__}: {error}); all else goes on"
            )
            return None


def _interval(event: Event | None) -> dict[str, Any] | None:
    if event is None:
        return None
    return {
        "trial_type": event.trial_type,
        "onset_s": event.onset,
        "duration_s": event.duration,
        "reason": None if event.reason == NOT_APPLICABLE else event.reason,
    }


def _free_bytes(path: Path) -> int | None:
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free
    return None
