"""The line that tells how a recording goes."""

import math
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from emgtwitch.capture.live import ChannelStatus

_REDRAWN_S = 0.5
_LOGGED_S = 60.0
_PATIENCE_S = 0.2  # with a terminal that takes nothing
_MOST_TEXTS = 1000


def status_text(
    recorded_s: float,
    channels: Sequence[ChannelStatus],
    lost_scans: int,
    trouble: str = "",
    width: int = 1000,
) -> str:
    """Return the line: time, what is wrong, losses, twitches of each channel, and noise.

    What does not fit is left out: the noise, then the names of the channels for their sides.

    Parameters
    ----------
    recorded_s
        Length of the recording so far.
    channels
        What is known of each channel.
    lost_scans
        Scans lost so far.
    trouble
        What is wrong at the moment, if anything.
    width
        Characters there is room for.
    """
    minutes, seconds = divmod(int(recorded_s), 60)
    hours, minutes = divmod(minutes, 60)
    first = [f"{hours}:{minutes:02d}:{seconds:02d}", trouble.upper(), f"lost {lost_scans}"]
    lines = [
        " | ".join(filter(None, [*first, *(words(channel) for channel in channels)]))
        for words in (_with_noise, _without_noise, _by_side)
    ]
    return next((line for line in lines if len(line) <= width), lines[-1])


def _with_noise(channel: ChannelStatus) -> str:
    noise = f"{channel.noise_uv:.1f} µV" if math.isfinite(channel.noise_uv) else "unknown yet"
    return f"{_without_noise(channel)}, noise {noise}"


def _without_noise(channel: ChannelStatus) -> str:
    return f"{channel.channel} {channel.recent_per_min:.0f}/min ({channel.twitches})"


def _by_side(channel: ChannelStatus) -> str:
    return f"{(channel.side or channel.channel)[:1].upper()} {channel.recent_per_min:.0f}/min"


class _Typist:
    """Writes texts in a thread of its own: a terminal may stand still, and nobody waits for it.

    It does after Ctrl-S, and on Windows while text in it is marked.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._texts: deque[str] = deque(maxlen=_MOST_TEXTS)
        self._changed = threading.Condition()
        self._writing = False
        self.stands_still = False
        threading.Thread(target=self._write, name="terminal", daemon=True).start()

    def put(self, text: str) -> None:
        """Write a text; return when it is written, or when that takes too long."""
        with self._changed:
            self._texts.append(text)
            self._changed.notify_all()
            if not self.stands_still:
                is_done = self._changed.wait_for(
                    lambda: not (self._texts or self._writing), _PATIENCE_S
                )
                self.stands_still = not is_done

    def _write(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self.stands_still = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._texts)
                self._writing = True
                text = "".join(self._texts)
                self._texts.clear()
            with suppress(OSError, ValueError):  # the disk behind a log is full; it was closed
                self._stream.write(text)
                self._stream.flush()


class StatusLine:
    """Shows the newest text: over the last one on a terminal, each minute anew elsewhere.

    Nothing here waits for a terminal that stands still.

    Parameters
    ----------
    stream
        Where to print; ``sys.stderr`` if not given.
    quiet
        Print nothing but warnings.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        stream = stream or sys.stderr  # a program without a terminal may have none
        self._typist = _Typist(stream) if stream else None
        self._quiet = quiet or not stream
        self._terminal = not self._quiet and stream.isatty()
        self._shown_s = -math.inf
        self._n_shown = 0

    @property
    def due(self) -> bool:
        """Whether it is time for a new text."""
        wait_s = _REDRAWN_S if self._terminal else _LOGGED_S
        return not self._quiet and time.monotonic() - self._shown_s >= wait_s

    @property
    def width(self) -> int:
        """Characters there is room for."""
        return shutil.get_terminal_size().columns - 1 if self._terminal else 1000

    def show(self, text: str) -> None:
        """Show a text in place of the last one."""
        self._shown_s = time.monotonic()
        if self._typist and self._typist.stands_still:
            return
        if self._terminal:
            text = text[: self.width]
            self._write("\r" + text.ljust(self._n_shown))
            self._n_shown = len(text)
        else:
            self._write(text + "\n")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if not self._quiet:
            self.end()
            self._write(text + "\n")

    def warn(self, text: str) -> None:
        """Print a warning, also where all else is quiet."""
        self.end()
        self._write(f"emgtwitch: warning: {text}\n")

    def end(self) -> None:
        """Remove the text from the terminal."""
        if self._n_shown:
            self._write("\r" + " " * self._n_shown + "\r")
            self._n_shown = 0

    def _write(self, text: str) -> None:
        if self._typist:
            self._typist.put(text)
