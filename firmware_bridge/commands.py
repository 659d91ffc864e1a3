"""What is said to a board, in the language of its format."""

import itertools

from firmware_bridge import frames
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.device_info import EMGT, DeviceInfo
from firmware_bridge.link import Link


class Commands:
    """Commands to the board behind a link; each raises one of PORT_ERRORS if the port has gone.

    Parameters
    ----------
    link
        The open port.
    format
        Name of the wire format.

    Attributes
    ----------
    is_emgt
        The board speaks EMGT/1: it answers, and can be asked and marked while it streams.
    can_start
        It streams only after a command, and can be told to start anew.
    """

    def __init__(self, link: Link, format: str) -> None:
        self._link = link
        self._wire = FORMATS[format]
        self.is_emgt = format == EMGT
        # Boards without a stop command stream by themselves.
        self.can_start = bool(self._wire.stop)
        self._numbers = itertools.count()

    def start(self, info: DeviceInfo, session: int, test_mode: int) -> None:
        """Start a stream; an EMGT/1 board with this session and test signal."""
        if not self.is_emgt:
            self._link.write(self._wire.start(info.n_channels))
            return
        # What another program may have left behind.
        self._say(frames.Set(self._seq(), frames.PLOTTER_LINES, 0))
        self._say(frames.Test(self._seq(), test_mode))
        mask = (1 << info.n_channels) - 1
        self._say(frames.Start(self._seq(), session, round(info.sfreq), mask, 0))

    def stop(self) -> None:
        """Stop the stream, if the board can."""
        if self.is_emgt:
            self._say(frames.Stop(self._seq()))
        else:
            self._link.write(self._wire.stop)

    def ident(self) -> None:
        """Ask an EMGT/1 board to tell of itself."""
        self._say(frames.Ident(self._seq()))

    def ping(self, token: int) -> int:
        """Ask an EMGT/1 board where on its axis it is; return the moment before, ns."""
        return self._say(frames.Ping(self._seq(), token))

    def mark(self, code: int) -> None:
        """Ask an EMGT/1 board to mark this moment."""
        self._say(frames.MarkCommand(self._seq(), code))

    def _seq(self) -> int:
        return next(self._numbers) % 256

    def _say(self, command: frames.Command) -> int:
        return self._link.write(frames.encode(command))
