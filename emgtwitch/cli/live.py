"""``emgtwitch live``: watch a board, and record when a button is pressed; or play a recording."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgtwitch.cli import options
from emgtwitch.cli.board import Board, add_profile_options, opened_board
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
    from emgtwitch.capture.into_dataset import DatasetRecording, Finished
    from emgtwitch.capture.live import LiveRecording
    from emgtwitch.capture.session import Marks
    from emgtwitch.live.view import LiveView

_EPILOG = f"""\
{options.SAFETY}

With --port nothing is recorded until somebody presses "start" on the page; "stop" makes the
recording whole, with its event table, and watching goes on. Ctrl-C ends all, and loses nothing.

With a RECORDING the page plays it, with the events that emgtwitch detect finds in it: pause, go to
any place, a quarter of the speed to 16 times.

examples:
  emgtwitch live --port /dev/ttyACM0                    watch
  emgtwitch live --port COM4 --subject 01 --dataset emg  watch, and record on request
  emgtwitch live --port /dev/ttyACM0 --host 192.168.1.20  also for a phone in the same network
  emgtwitch live calves.bdf                             play a recording
  emgtwitch live log.csv --sfreq 1000 --uv-per-count 24.4"""
_NOTHING_GIVEN = (
    "nothing to show: give a board, as emgtwitch live --port PORT (emgtwitch ports lists them), or "
    "a recording, as emgtwitch live calves.bdf"
)
_NOBODY = "nobody"
_TICK_S = 1 / 40
_OF_A_BOARD = (
    "baud", "subject", "profile", "condition", "exercise", "posture", "treatment",
)  # fmt: skip
_OF_A_FILE = ("unit", "stream")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "recording", metavar="RECORDING", type=Path, nargs="?", help="a recording to play"
    )
    options.add_device_options(parser)
    group = parser.add_argument_group("what is recorded, once it is started")
    add_profile_options(group)
    group = parser.add_argument_group("a recording that does not tell it itself")
    options.add_file_options(group)
    add_host_option(parser.add_argument_group("the live page"))
    options.add_detection_options(parser)
    parser.add_argument_group("printing").add_argument(
        "--quiet", action="store_true", help="print nothing but the address, warnings and errors"
    )
    parser.set_defaults(json=False)


def run(arguments: argparse.Namespace) -> int:
    """Show a board or a recording until Ctrl-C."""
    if arguments.port and arguments.recording:
        raise InputError("give a board (--port) or a recording, not both")
    if not (arguments.port or arguments.recording):
        raise InputError(_NOTHING_GIVEN)
    for name in _OF_A_FILE if arguments.port else _OF_A_BOARD:
        if getattr(arguments, name) is not None:
            what = "a recording" if arguments.port else "a board"
            raise InputError(f"--{name} is for {what}, not here")
    return _watch(arguments) if arguments.port else _play(arguments)


# A board


def _watch(arguments: argparse.Namespace) -> int:
    known = bool(arguments.subject or arguments.profile)
    arguments.subject = arguments.subject or (None if known else _NOBODY)
    with opened_board(arguments) as board:
        info = board.device.info
        about = hello_of("watch", info.board or info.title, **board.signals, commands=("start",))
        hello = about | {"subject": board.profile.subject if known else ""}
        with ending_signals() as ended, opened_page(hello, arguments) as view:
            return _Watching(board, arguments, view, ended, hello).run()


class _Watching:
    """Shows a board, and records from it between "start" and "stop"."""

    def __init__(
        self,
        board: Board,
        arguments: argparse.Namespace,
        view: "LiveView",
        ended: Callable[[], bool],
        hello: dict[str, Any],
    ) -> None:
        from emgtwitch.capture.audience import Audience
        from emgtwitch.capture.marks import TypedMarks
        from emgtwitch.capture.session import Session
        from emgtwitch.capture.status_line import StatusLine

        self._board, self._arguments, self._audience = board, arguments, Audience(view)
        self._ended, self._hello = ended, hello
        self._line = StatusLine(quiet=arguments.quiet)
        self._marks: list[Marks] = [self._audience, *([TypedMarks(sys.stdin)] if sys.stdin else [])]
        self._session = Session(board.device, self._unrecorded(), self._marks)

    def _unrecorded(self) -> "LiveRecording":
        """Return what takes in scans that are only shown."""
        from emgtwitch.capture.live import LiveRecording

        detector = self._board.detector(self._arguments)
        scale = self._board.uv_per_count
        return LiveRecording(None, detector, scale, self._audience, keep_events=False)

    def run(self) -> int:
        """Watch and record until the end; 1 if a recording ended early."""
        from emgtwitch.capture.session import first_items

        device, audience = self._board.device, self._audience
        self._line.say(options.device_in_words(device.info))
        self._line.say("nothing is recorded until the page says start; Ctrl-C ends")
        device.start()
        self._session.take(first_items(device))
        status = 0
        while not self._ended():
            run_until(
                lambda: self._ended() or bool(audience.asked), self._session, self._line, audience
            )
            starts = [command for command in audience.asked if command.name == "start"]
            if starts:
                status |= self._start(starts[0].fields)
            audience.asked.clear()  # what was asked for meanwhile was for the recording
        self._line.end()
        return status

    def _start(self, told: Mapping[str, Any]) -> int:
        """Record until "stop"; return 1 if that went wrong, 0 also if it could not begin."""
        from emgtwitch.capture.marks import one_line

        try:
            lines = {key: one_line(text) for key, text in told.items()}
            recording = self._begun({key: text for key, text in lines.items() if text})
        except InputError as error:
            self._complain(f"not recording: {error}")
            return 0
        try:
            finished = self._finished(recording)
        except (InputError, OSError) as error:
            self._complain(f"the recording could not be finished: {error}")
            return 1
        self._line.end()
        print_finished(finished, self._arguments)
        self._audience.said(in_a_line(finished))
        if finished.recorded.error:
            self._complain(f"the recording ended early: {finished.recorded.error}")
            return 1
        return 0

    def _begun(self, told: dict[str, Any]) -> "DatasetRecording":
        """Let the next scan be the first of a recording; what is told comes before the profile."""
        from emgtwitch.capture.into_dataset import DatasetRecording

        board, session = self._board, self._session
        if session.trouble:
            raise InputError(f"{session.trouble}; start when the board is back")
        if not (told.get("subject") or self._hello["subject"]):
            raise InputError("first type the code of the person, letters and digits")
        profile = replace(board.profile, **told)
        recording = DatasetRecording(
            self._arguments.dataset,
            profile,
            device=board.device,
            first_scan=session.next_scan,
            detector=board.detector(self._arguments),
            uv_per_count=board.uv_per_count,
            audience=self._audience,
        )
        session.go_on_with(recording.live, [recording.marks, *self._marks])
        whom = in_words(profile)
        self._audience.restart(
            hello_of(
                "record", whom, **board.signals, commands=("mark", "stop"), start=recording.start
            )
        )
        self._line.say(f"recording {whom}, into {shown(recording.recorder.path)}")
        self._line.say("Enter sets a mark, the page says stop")
        return recording

    def _finished(self, recording: "DatasetRecording") -> "Finished":
        """Record until "stop", Ctrl-C or the end of the disk, and go on watching."""
        session, audience = self._session, self._audience
        audience.asked.clear()

        def over() -> bool:
            stopped = any(command.name == "stop" for command in audience.asked)
            return bool(self._ended() or stopped or recording.recorder.failed)

        try:
            try:
                run_until(over, session, self._line, audience)
                session.finish(stop=False)
                tell(session, self._line, audience)
            finally:
                recording.close()
            return recording.save()
        finally:
            session.go_on_with(self._unrecorded(), self._marks)
            audience.restart(self._hello)

    def _complain(self, text: str) -> None:
        self._line.warn(text)
        self._audience.said(text)


# A recording


def _play(arguments: argparse.Namespace) -> int:
    from emgtwitch.live.playback import Playback
    from emgtwitch.recording import emg_channels, gaps, marks, reader

    path = _one_recording(arguments.recording)
    raw, found = options.detected(path, arguments)
    names, read = emg_channels(raw), reader(raw)
    rows = [names.index(name) for name in found.ch_names]
    sfreq = float(raw.info["sfreq"])
    hello = hello_of(
        "playback",
        shown(Path(path.name)),
        found.ch_names,
        found.sides,
        sfreq,
        commands=("play", "pause", "seek", "speed"),
        start=found.start,
        duration_s=raw.n_times / sfreq,
    )
    with ending_signals() as ended, opened_page(hello, arguments) as view:
        playback = Playback(
            lambda start, stop: read(start, stop)[rows],
            raw.n_times,
            sfreq,
            gaps(raw),
            marks(raw),
            found,
            view,
            hello,
        )
        if not arguments.quiet:
            print("playing; Ctrl-C ends", file=sys.stderr)
        while not ended():
            for command in view.take_commands():
                playback.obey(command.name, command.fields)
            playback.step(time.monotonic())
            for text in view.take_trouble():
                print(f"emgtwitch: warning: {text}", file=sys.stderr)
            time.sleep(_TICK_S)
    return 0


def _one_recording(path: Path) -> Path:
    from emgtwitch.recording.bids import find_recordings

    first, *others = find_recordings(path)
    if others:
        raise InputError(
            f"{path}: {len(others) + 1} recordings; choose one, as emgtwitch live {shown(first)}"
        )
    return first
