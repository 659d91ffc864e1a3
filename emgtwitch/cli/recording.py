"""What record and live share: until when scans are taken in, what is told meanwhile and after."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from emgtwitch.cli import rate_table

if TYPE_CHECKING:
    from emgtwitch.capture.audience import Audience
    from emgtwitch.capture.into_dataset import Finished
    from emgtwitch.capture.session import Session
    from emgtwitch.capture.status_line import StatusLine
    from emgtwitch.recording.profile import Profile

_READ_S = 0.1  # at most; what comes is taken at once


@contextmanager
def ending_signals() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether Ctrl-C, or the end of the terminal, asked for the end."""
    asked: list[int] = []
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # What is ignored stays so: nohup, or the background of a shell.
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = [signal.signal(number, lambda number, _: asked.append(number)) for number in numbers]
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def run_until(
    over: Callable[[], bool], session: "Session", line: "StatusLine", audience: "Audience"
) -> None:
    """Take in what comes until it is over, telling how it goes in the terminal and on the page."""
    from emgtwitch.capture.status_line import status_text

    typing = sys.stdin is not None and sys.stdin.isatty()
    while not over():
        session.step(_READ_S)
        audience.show(session)
        tell(session, line, audience)
        live = session.live
        if line.due:
            state = live.recorded_s, live.status(), live.lost_scans, session.trouble
            line.show(status_text(*state, width=line.width))
        if typing and session.nothing_can_be_typed:
            typing = False
            line.say("nothing can be typed any more; marks by: emgtwitch mark")


def tell(session: "Session", line: "StatusLine", audience: "Audience") -> None:
    """Tell people what happened."""
    said, troubles = session.take_said(), audience.take_trouble()
    for text in [*said, *troubles]:
        line.say(f"{datetime.now():%H:%M:%S} {text}")
    for text in said:
        audience.said(text)


def in_words(profile: "Profile") -> str:
    """Return whom and what is recorded, to be seen before it is too late."""
    told = (profile.condition, profile.exercise, profile.posture, profile.treatment)
    return f"{profile.subject}, {', '.join(filter(None, told))}"


def in_a_line(finished: "Finished") -> str:
    """Return what was recorded and detected, for the page."""
    rates = finished.found.rates()
    twitches = ", ".join(f"{rate.channel} {rate.count}" for rate in rates)
    minutes = finished.found.accounts[0].recorded_s / 60
    return (
        f"recorded {minutes:.1f} min, {finished.lost_scans} scans lost, into {finished.path.name}; "
        f"twitches: {twitches}"
    )


def print_finished(finished: "Finished", arguments: argparse.Namespace) -> None:
    """Print what was recorded and detected."""
    recording, found, table = finished.path, finished.found, finished.table
    if arguments.json:
        told = rate_table.detected_json(recording, table, found)
        print(json.dumps(told | {"lost_scans": finished.lost_scans}, indent=2), flush=True)
    elif not arguments.quiet:
        print(rate_table.detected_text(recording, table, found))
        print(rate_table.LEGEND)
        for doubt in rate_table.doubts(found):
            print(f"emgtwitch: warning: {doubt}", file=sys.stderr)
        print(f"{finished.recorded.n_scans} scans, {finished.lost_scans} of them lost", flush=True)
