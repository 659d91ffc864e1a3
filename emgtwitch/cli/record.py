"""``emgtwitch record``: from a device into an EMG-BIDS data set, with the detector running."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgtwitch.cli import options, rate_table
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from emgtwitch.capture.live import LiveRecording
    from emgtwitch.capture.session import Session
    from emgtwitch.capture.status_line import StatusLine
    from emgtwitch.detection.detections import Detections
    from emgtwitch.recording.bdf_recorder import Recorded
    from emgtwitch.recording.profile import Profile
    from firmware_bridge.device import Device
    from firmware_bridge.device_info import DeviceInfo

_EPILOG = f"""\
{options.SAFETY}

Every second is on the disk when the next has come: Ctrl-C, a full disk, a pulled plug or a killed
program loses nothing of what was there before (after a kill: emgtwitch recover). Press Enter to set
a mark, or type what happened and press Enter; from another terminal: emgtwitch mark. What is not
said and cannot be guessed is asked.

examples:
  emgtwitch ports                                     what is connected
  emgtwitch check --port /dev/ttyACM0                 is the signal good?
  emgtwitch record --port /dev/ttyACM0 --subject 01 --minutes 15
  emgtwitch record --port COM4 --profile calves.toml --condition post-exercise
  emgtwitch record --write-profile calves.toml        an example of a profile, to be filled in"""
_READ_S = 0.2
_MOST_MINUTES = 7 * 24 * 60


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    options.add_device_options(parser)
    group = parser.add_argument_group("what is recorded")
    add = group.add_argument
    add("--subject", metavar="S", help="code of the person, letters and digits; no name")
    add("--minutes", metavar="M", type=float, help="how long (default: until Ctrl-C)")
    add(
        "--dataset",
        metavar="DIR",
        type=Path,
        default=Path("emg"),
        help="EMG-BIDS data set to record into, made if there is none (default: emg)",
    )
    add("--profile", metavar="FILE.toml", type=Path, help="whom, how, and where electrodes sit")
    add("--write-profile", metavar="FILE.toml", type=Path, help="write an example, record nothing")
    add("--condition", metavar="rest|post-exercise", help="(default: rest)")
    add("--exercise", metavar="TEXT", help="after which exercise, and when")
    add("--posture", metavar="TEXT", help="as 'prone, feet over the edge of the bed'")
    add("--treatment", metavar="TEXT", help="what is tried at present, and since when")
    add(
        "--capture",
        metavar="FILE.emgraw",
        type=Path,
        help="also keep every byte of the line, to look for faults of board or cable",
    )
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
    if arguments.profile and arguments.channels:
        raise InputError("--channels: the profile names the channels already")
    if arguments.port and not arguments.profile:
        _ask_what_is_missing(arguments)
    known = _read_profile(arguments) if arguments.profile else None
    if not known and arguments.port:
        _told_profile(arguments, arguments.channels or ["unknown"])  # is what is told possible?
    if arguments.dataset.exists() and not arguments.dataset.is_dir():
        raise InputError(f"{arguments.dataset}: is there and is no folder; choose another name")
    if arguments.port and not arguments.quiet:
        print(f"{options.SAFETY}\n", file=sys.stderr)
    named = known.channels if known else arguments.channels
    n_channels = len(named) if named else None
    with options.opened_device(arguments, n_channels, arguments.capture) as device:
        names = arguments.channels or device.info.ch_names
        profile = known or _told_profile(arguments, names, device.info)
        scale = _scale(arguments, device.info, profile)
        with _signals() as ended:
            return _record(device, profile, scale, arguments, ended)


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
                _told_profile(arguments, ["unknown"])
            except InputError as error:
                print(error, file=sys.stderr)
                setattr(arguments, name, None)
            else:
                break


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says of a profile."""
    names = ("subject", "condition", "exercise", "posture", "treatment")
    said = {name: getattr(arguments, name) for name in names}
    said["mains_hz"] = int(arguments.mains) if arguments.mains in ("50", "60") else None
    return {name: value for name, value in said.items() if value is not None}


def _read_profile(arguments: argparse.Namespace) -> "Profile":
    from emgtwitch.recording.profile import read_profile

    return read_profile(arguments.profile, **_said(arguments))


def _told_profile(
    arguments: argparse.Namespace, names: Sequence[str], info: "DeviceInfo | None" = None
) -> "Profile":
    """Return what is recorded, as the command line and, if it is known, the board say."""
    from emgtwitch.recording.profile import Channel, Profile

    told = info.about if info else {}
    gains = info.gain if info and info.gain else (None,) * len(names)
    channels = []
    for k, (name, gain) in enumerate(zip(names, gains, strict=True)):
        sensor = [told.get(f"ch{k}.{key}") for key in ("sensor", "output")]
        channels.append(Channel(name, gain=gain, sensor=" ".join(filter(None, sensor))))
    return Profile(channels=tuple(channels), **{"subject": ""} | _said(arguments))


def _scale(
    arguments: argparse.Namespace, info: "DeviceInfo", profile: "Profile"
) -> tuple[float, ...]:
    """Return µV per count of each channel; gains of a profile come before those of the board."""
    gains = [channel.gain for channel in profile.channels]
    if arguments.uv_per_count is None and info.vref_mv and info.bits and all(gains):
        return tuple(1000 * info.vref_mv / 2**info.bits / gain for gain in gains if gain)
    return options.device_scale(arguments, info)


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
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


def _record(
    device: "Device",
    profile: "Profile",
    scale: tuple[float, ...],
    arguments: argparse.Namespace,
    ended: Callable[[], bool],
) -> int:
    """Record, finish the data set, and print what was recorded."""
    from emgtwitch.capture.live import LiveRecording
    from emgtwitch.capture.marks import SpooledMarks, TypedMarks
    from emgtwitch.capture.session import Marks, Session, first_items
    from emgtwitch.capture.status_line import StatusLine
    from emgtwitch.detection.stream import StreamingDetector
    from emgtwitch.recording.study_writer import finish_recording, start_recording

    sfreq = round(device.info.sfreq)
    detector = StreamingDetector(
        sfreq,
        [channel.name for channel in profile.channels],
        lsb_uv=scale,
        **options.detection_options(arguments),
    )
    line = StatusLine(quiet=arguments.quiet)
    line.say(options.device_in_words(device.info))
    device.start()
    items, start = first_items(device)
    recorder = start_recording(
        arguments.dataset,
        profile,
        start=start,
        sfreq=sfreq,
        uv_per_count=scale,
        about=_about_board(device.info),
    )
    line.say(f"recording {_in_words(profile)} into {rate_table.shown(recorder.path)}")
    line.say("Enter sets a mark, Ctrl-C ends")
    spooled = SpooledMarks(arguments.dataset)
    marks: list[Marks] = [spooled]
    if sys.stdin:
        marks.append(TypedMarks(sys.stdin))
    live = LiveRecording(recorder, detector, scale)
    most = None if arguments.minutes is None else round(60 * arguments.minutes * sfreq)
    session = Session(device, live, marks, most)
    try:
        session.take(items)
        _run(session, line, ended)
    finally:
        spooled.close()
        recorded = recorder.close()
        finish_recording(recorder.path, recorded, _about_clock(device))
    found, table = _save(live, recorder.path, start)
    _print(recorder.path, recorded, found, table, arguments)
    why = recorded.error or session.trouble
    if why and not (ended() and recorded.error is None):
        print(f"emgtwitch: the recording ended early: {why}", file=sys.stderr)
        return 1
    return 0


def _run(session: "Session", line: "StatusLine", ended: Callable[[], bool]) -> None:
    """Record until the end, telling how it goes; on the disk is then all that came."""
    from emgtwitch.capture.status_line import status_text

    live = session.live
    assert live.recorder
    typing = sys.stdin is not None and sys.stdin.isatty()
    while not (ended() or live.recorder.failed or session.is_over):
        session.step(_READ_S)
        for text in session.take_said():
            line.say(text)
        if line.due:
            state = live.recorded_s, live.status(), live.lost_scans, session.trouble
            line.show(status_text(*state, width=line.width))
        if typing and session.nothing_can_be_typed:
            typing = False
            line.say("nothing can be typed any more; marks by: emgtwitch mark")
    session.finish()
    for text in session.take_said():
        line.say(text)
    line.end()


def _in_words(profile: "Profile") -> str:
    """Return whom and what is recorded, to be seen before it is too late."""
    told = (profile.condition, profile.exercise, profile.posture, profile.treatment)
    return f"{profile.subject}, {', '.join(filter(None, told))},"


def _about_board(info: "DeviceInfo") -> dict[str, Any]:
    """Return what ``_emg.json`` says of the board."""
    told = {
        "ManufacturersModelName": info.board,
        "DeviceSerialNumber": info.serial,
    }
    ours = {
        "WireFormat": info.format,
        "Firmware": info.firmware,
        "ConverterBits": info.bits,
        "ConverterReferenceMillivolts": info.vref_mv,
        "PromisedSamplingFrequency": float(info.sfreq),
    }
    known = {key: value for key, value in ours.items() if value}
    return {key: value for key, value in told.items() if value} | {"emgtwitch": known}


def _about_clock(device: "Device") -> dict[str, Any]:
    """Return what ``_emg.json`` says of the true rate, and of what was lost on the line."""
    clock = device.clock
    ours: dict[str, Any] = {"Line": vars(device.statistics)}
    if clock:
        ours |= {
            "MeasuredSamplingFrequency": clock.mean_sfreq_hz,
            "MeasuredSamplingFrequencyIsReliable": clock.trusted,
            "FirstScan": clock.wall_time_of(0).isoformat(timespec="milliseconds"),
        }
    return {"emgtwitch": ours}


def _save(live: "LiveRecording", recording: Path, start: datetime) -> tuple["Detections", Path]:
    """Write the event table of what was detected while recording; return both."""
    from emgtwitch.recording.derivatives import (
        dataset_of,
        derivative_path,
        make_derivative_folder,
    )

    found = live.finish(recording.name, start)
    dataset = dataset_of(recording)
    assert dataset
    table = derivative_path(dataset, recording, "events.tsv")
    make_derivative_folder(dataset, table)
    found.save(table)
    return found, table


def _print(
    recording: Path,
    recorded: "Recorded",
    found: "Detections",
    table: Path,
    arguments: argparse.Namespace,
) -> None:
    lost = recorded.lost_scans + recorded.dropped_scans
    if arguments.json:
        told = rate_table.detected_json(recording, table, found)
        print(json.dumps(told | {"lost_scans": lost}, indent=2))
    elif not arguments.quiet:
        print(rate_table.detected_text(recording, table, found))
        print(rate_table.LEGEND)
        for doubt in rate_table.doubts(found):
            print(f"emgtwitch: warning: {doubt}", file=sys.stderr)
        print(f"{recorded.n_scans} scans, {lost} of them lost")
