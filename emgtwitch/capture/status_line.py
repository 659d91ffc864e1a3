"""The line that tells how a recording goes."""

import math
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from emgtwitch.capture.live import ChannelStatus

_REDRAWN_S = 0.5
_LOGGED_S = 60.0


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
        self._quiet = quiet or not self._stream  # a program without a terminal may have none
        self._terminal = not self._quiet and self._stream.isatty()
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

    def end(self) -> None:
        """Remove the text from the terminal."""
        if self._n_shown:
            self._write("\r" + " " * self._n_shown + "\r")
            self._n_shown = 0

    def _write(self, text: str) -> None:
        with suppress(OSError):  # a full disk behind a log must not end a recording
            self._stream.write(text)
            self._stream.flush()
