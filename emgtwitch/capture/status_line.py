"""The line that tells how a recording goes."""

import math
import shutil
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from emgtwitch.capture.live import ChannelStatus

_REDRAWN_S = 0.5
_LOGGED_S = 60.0


def status_text(
    recorded_s: float, channels: Sequence[ChannelStatus], lost_scans: int, trouble: str = ""
) -> str:
    """Return the line: time, twitches of each channel, noise, losses, and what is wrong.

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
    """
    minutes, seconds = divmod(int(recorded_s), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}:{minutes:02d}:{seconds:02d}"]
    if trouble:
        parts.append(trouble.upper())
    for channel in channels:
        noise = f"{channel.noise_uv:.1f} µV" if math.isfinite(channel.noise_uv) else "unknown yet"
        rate = f"{channel.recent_per_min:.0f}/min ({channel.twitches})"
        parts.append(f"{channel.channel} {rate}, noise {noise}")
    parts.append(f"lost {lost_scans}")
    return " | ".join(parts)


class StatusLine:
    """Shows the newest text: over the last one on a terminal, each minute anew elsewhere.

    Parameters
    ----------
    stream
        Where to print; ``sys.stderr`` if not given.
    quiet
        Print nothing.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._terminal = self._stream.isatty()
        self._shown_s = -math.inf
        self._width = 0

    @property
    def due(self) -> bool:
        """Whether it is time for a new text."""
        wait_s = _REDRAWN_S if self._terminal else _LOGGED_S
        return not self._quiet and time.monotonic() - self._shown_s >= wait_s

    def show(self, text: str) -> None:
        """Show a text in place of the last one."""
        self._shown_s = time.monotonic()
        if self._terminal:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self._quiet:
            return
        self.end()
        self._stream.write(text + "\n")
        self._stream.flush()

    def end(self) -> None:
        """Remove the text from the terminal."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0
