"""Find a board again after its port has gone."""

import threading
from collections.abc import Callable

from firmware_bridge.bytelog import CaptureWriter
from firmware_bridge.decoders import BridgeError
from firmware_bridge.device_info import EMGT, DeviceInfo
from firmware_bridge.identify import identify
from firmware_bridge.link import PORT_ERRORS, Link
from firmware_bridge.ports import Identity, find_again

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.1, 2.0


def find_board(
    name: str,
    identity: Identity | None,
    info: DeviceInfo,
    capture: CaptureWriter | None,
    ending: threading.Event,
    tell: Callable[[str], None],
) -> tuple[Link, DeviceInfo] | None:
    """Try again and again, more and more rarely, until the board answers.

    Parameters
    ----------
    name, identity
        Where it was, and what it is as a USB device.
    info
        What it was.
    capture
        Raw capture, if wanted.
    ending
        Set by another thread to give up.
    tell
        Called with what is wrong when the port is back but not the board.

    Returns
    -------
    The open port and what the board is now; None if `ending` was set.
    """
    delay_s = _FIRST_DELAY_S
    told = ""
    sfreq = None if info.format == EMGT else float(info.sfreq)
    while not ending.wait(delay_s):
        delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
        port = find_again(name, identity)
        if port is None:
            continue
        try:
            link = Link(port, info.baud, capture)
        except BridgeError:  # not yet back
            continue
        try:
            return link, identify(link, ending, info.format, info.n_channels, sfreq, info.baud)
        except (*PORT_ERRORS, BridgeError) as error:
            link.close()
            if str(error) != told and not ending.is_set():
                told = str(error)
                tell(told)
    return None
