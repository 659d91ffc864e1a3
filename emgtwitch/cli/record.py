"""``emgtwitch record``: from a device into an EMG-BIDS data set, with the detector running."""

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.cli import options
from emgtwitch.cli.board import Board, add_profile_options, opened_board, told_profile
from emgtwitch.cli.page import add_host_option, hello_of, opened_page
from emgtwitch.cli.rate_table import shown
from emgtwitch.cli.recording import (
    ending_signals,
    in_a_line,
    in_words,
    print_finished,
    run_until,
    tell,
)
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from emgtwitch.live.view import LiveView

_EPILOG = f"""\
{options.SAFETY}

Every second is on the disk when the next has come: Ctrl-C, a full disk, a pulled plug or a killed
program loses nothing of what was there before (after a kill: emgtwitch recover). Press Enter to set
a mark, or type what happened and press Enter; from another terminal: emgtwitch mark. What is not
said and cannot be guessed is asked.

With --view the signals, the twitches and buttons for marks are on a page for a browser, too. What
happens to the page or to those who look at it does not touch the recording.

examples:
  emgtwitch ports                                     what is connected
  emgtwitch check --port /dev/ttyACM0                 is the signal good?
  emgtwitch record --port /dev/ttyACM0 --subject 01 --minutes 15
  emgtwitch record --port /dev/ttyACM0 --subject 01 --view
  emgtwitch record --port COM4 --profile calves.toml --condition post-exercise
  emgtwitch record --write-profile calves.toml        an example of a profile, to be filled in"""
_MOST_MINUTES = 7 * 24 * 60


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    options.add_device_options(parser)
    group = parser.add_argument_group("what is recorded")
    add_profile_options(group)
    add = group.add_argument
    add("--minutes", metavar="M", type=float, help="how long (default: until Ctrl-C)")
    add("--write-profile", metavar="FILE.toml", type=Path, help="write an example, record nothing")
    add(
        "--capture",
        metavar="FILE.emgraw",
        type=Path,
        help="also keep every byte of the line, to look for faults of board or cable",
    )
    group = parser.add_argument_group("the live page")
    group.add_argument("--view", action="store_true", help="show it in a browser, too")
    add_host_option(group)
    options.add_detection_options(parser)
    options.add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record until the time is over, Ctrl-C, or the disk is full; then say what was recorded."""
    if arguments.write_profile:
        return _write_profile(arguments.write_profile)
    if arguments.minutes is not None and not 1 / 60 <= arguments.minutes <= _MOST_MINUTES:
        raise InputError(
            f"--minutes {arguments.minutes:g}: must be a second (0.017) to a week ({_MOST_MINUTES})"
        )
    if arguments.host and not arguments.view:
        raise InputError("--host is for the live page: give --view too")
    if arguments.port and not arguments.profile:
        _ask_what_is_missing(arguments)
    with opened_board(arguments, arguments.capture) as board, ExitStack() as stack:
        ended = stack.enter_context(ending_signals())  # first: a page is closed in peace
        view = _opened_view(board, arguments, stack) if arguments.view else None
        return _record(board, arguments, view, ended)


def _opened_view(
    board: Board, arguments: argparse.Namespace, stack: ExitStack
) -> "LiveView | None":
    """Open the live page; where nothing is wrong with what was asked for, do without."""
    hello = hello_of("record", in_words(board.profile), **board.signals)
    try:
        return stack.enter_context(opened_page(hello, arguments))
    except (InputError, OSError) as error:
        if arguments.host:
            raise
        print(f"emgtwitch: warning: no live page: {error}", file=sys.stderr)
        return None


def _write_profile(path: Path) -> int:
    from emgtwitch.recording.profile import EXAMPLE

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(EXAMPLE)
    except FileExistsError as error:
        raise InputError(f"{path}: is there already; choose another name") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    print(f"{path}: fill it in, then emgtwitch record --port PORT --profile {path}")
    return 0


def _ask_what_is_missing(arguments: argparse.Namespace) -> None:
    """Ask for subject and condition, if there is somebody to answer."""
    if arguments.quiet or arguments.json or not sys.stdin or not sys.stdin.isatty():
        if not arguments.subject:
            raise InputError("--subject is missing: a code of the person, letters and digits")
        return
    for name, question in (
        ("subject", "Code of the person (letters and digits, no name)"),
        ("condition", "Condition: rest or post-exercise [rest]"),
        ("posture", "Posture, as 'prone' [not told]"),
        ("treatment", "Treatment at present [none told]"),
    ):
        while getattr(arguments, name) is None:
            try:
                answer = input(f"{question}: ").strip()
            except EOFError as error:
                raise InputError(f"no answer; give --{name}") from error
            setattr(arguments, name, answer or None)
            try:
                told_profile(arguments, ["unknown"])
            except InputError as error:
                print(error, file=sys.stderr)
                setattr(arguments, name, None)
            else:
                break


def _record(
    board: Board,
    arguments: argparse.Namespace,
    view: "LiveView | None",
    ended: Callable[[], bool],
) -> int:
    """Record, finish the data set, and print what was recorded."""
    from emgtwitch.capture.audience import Audience
    from emgtwitch.capture.into_dataset import DatasetRecording
    from emgtwitch.capture.marks import TypedMarks
    from emgtwitch.capture.session import Marks, Session, first_items
    from emgtwitch.capture.status_line import StatusLine

    detector, audience = board.detector(arguments), Audience(view)
    line = StatusLine(quiet=arguments.quiet)
    line.say(options.device_in_words(board.device.info))
    board.device.start()
    items = first_items(board.device)
    recording = DatasetRecording(
        arguments.dataset,
        board.profile,
        device=board.device,
        first_scan=0,
        detector=detector,
        uv_per_count=board.uv_per_count,
        audience=audience,
    )
    recorder, whom = recording.recorder, in_words(board.profile)
    audience.restart(
        hello_of("record", whom, **board.signals, commands=("mark", "stop"), start=recording.start)
    )
    line.say(f"recording {whom}, into {shown(recorder.path)}")
    line.say("Enter sets a mark, Ctrl-C ends")
    marks: list[Marks] = [recording.marks, audience]
    if sys.stdin:
        marks.append(TypedMarks(sys.stdin))
    most = None if arguments.minutes is None else round(60 * arguments.minutes * board.sfreq)
    session = Session(board.device, recording.live, marks, most)

    def stopped() -> bool:
        return ended() or any(command.name == "stop" for command in audience.asked)

    try:
        session.take(items)
        run_until(
            lambda: bool(stopped() or recorder.failed or session.is_over), session, line, audience
        )
        session.finish()
        tell(session, line, audience)
        line.end()
    finally:
        recording.close()
    finished = recording.save()
    audience.said(in_a_line(finished))
    print_finished(finished, arguments)
    why = finished.recorded.error or session.trouble
    if why and not (stopped() and finished.recorded.error is None):
        print(f"emgtwitch: the recording ended early: {why}", file=sys.stderr)
        return 1
    return 0
