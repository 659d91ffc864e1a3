"""The live page, as the commands open it: its address, who can see it, and a browser for it."""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emgtwitch.live.view import LiveView

_LOOPBACK = "127.0.0.1"
_ONLY_HERE = (_LOOPBACK, "::1", "localhost")
_BROWSER_S = 60.0
_WHO_CAN_SEE = """\
Whoever can reach this computer and has this address, with the code in it, can see the page, set
marks, start and stop. Nothing of it is encrypted: only in a network that you trust."""


def add_host_option(group: "argparse._ArgumentGroup") -> None:
    """Add from where the page can be seen."""
    group.add_argument(
        "--host",
        metavar="ADDRESS",
        help="address of this computer at which the live page can be seen, for a phone in the same "
        f"network; 0.0.0.0: at all of them (default: {_LOOPBACK}, only on this computer)",
    )


def hello_of(
    mode: str,
    title: str,
    ch_names: Sequence[str],
    sides: Sequence[str | None],
    sfreq: float,
    *,
    commands: Sequence[str] = (),
    start: datetime | None = None,
    duration_s: float | None = None,
    uv_per_count: Sequence[float] | None = None,
    bits: int | None = None,
) -> dict[str, Any]:
    """Return what the page has to know of what it is to show.

    Parameters
    ----------
    mode
        ``"record"``, ``"watch"`` or ``"playback"``.
    title
        What it is, in words.
    ch_names, sides, sfreq
        Channels, ``"left"``, ``"right"`` or None for each, and samples per second.
    commands
        What can be asked for.
    start
        Local time of the first sample, if it is known.
    duration_s
        Length of what is played back.
    uv_per_count, bits
        As for `emgtwitch.capture.quality.judge`, if they are known.
    """
    from emgtwitch.reports.limits import LIMITS

    return {
        "mode": mode,
        "title": title,
        "ch_names": list(ch_names),
        "sides": list(sides),
        "sfreq": sfreq,
        "start": start.isoformat(timespec="milliseconds") if start else None,
        "duration_s": duration_s,
        "uv_per_count": uv_per_count,
        "bits": bits,
        "commands": list(commands),
        "limits": " ".join(LIMITS.split()),
    }


@contextmanager
def opened_page(hello: dict[str, Any], arguments: argparse.Namespace) -> Iterator["LiveView"]:
    """Serve the live page, print its address, and open a browser where there is a screen.

    Parameters
    ----------
    hello
        What is shown at first.
    arguments
        With ``host`` and ``quiet``.

    Raises
    ------
    InputError
        It cannot be served; this computer does not have the address of ``--host``, for one.
    """
    from emgtwitch.live.view import LiveView

    host = arguments.host or _LOOPBACK
    view = LiveView(hello, host=host)
    try:
        print(f"live page: {view.url}", file=sys.stderr, flush=True)
        if host not in _ONLY_HERE:
            print(_WHO_CAN_SEE, file=sys.stderr, flush=True)
        is_seen = sys.stderr is not None and sys.stderr.isatty()
        if is_seen and not arguments.quiet and has_screen(sys.platform, os.environ):
            threading.Thread(target=open_browser, args=[view.once_url], daemon=True).start()
        yield view
    finally:
        view.close("emgtwitch has ended; this is the last that came.")


def has_screen(platform: str, environment: Mapping[str, str]) -> bool:
    """Return whether a browser would probably open in a window that the user sees.

    Parameters
    ----------
    platform, environment
        As `sys.platform` and `os.environ`.
    """
    if "SSH_CONNECTION" in environment:
        return False
    return platform in ("win32", "darwin") or bool(
        environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    )


def open_browser(url: str) -> None:
    """Open a browser, away from the terminal: one that runs in it could not be seen anyway."""
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [sys.executable, "-P", "-m", "webbrowser", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=_BROWSER_S,
            check=False,
        )
