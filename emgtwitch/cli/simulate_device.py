"""``emgtwitch simulate device``: simulated calves behind a virtual board."""

import argparse
import contextlib
import errno
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from emgtwitch.simulation import Scenario, Simulated
    from emgtwitch.simulation.front_end import FrontEnd
    from firmware_bridge.virtual import About, Stream, VirtualDevice

# Those of `firmware_bridge.decoders.formats.FORMATS`, so that help need not load them.
FORMAT_NAMES = ("emgt", "text", "byb", "chords", "openeeg", "cyton", "bitalino")
CH_NAMES = ("calf_L", "calf_R", "TA_L", "TA_R", "SOL_L", "SOL_R", "GM_L", "GM_R")
VREF_V = {10: 5.0, 12: 3.3, 14: 5.0}  # of boards with such converters
_DEFAULT_SFREQ_HZ = {"emgt": 2000, "text": 500}
_EPILOG = """\
The first line printed is the port, for any program that opens serial ports; with --tcp also its
URL, for programs that use pyserial. Systems without pseudo-terminals (Windows) have the URL only.
Ctrl-C ends it and prints what was sent.

The channels of the truth are calf_L, calf_R, TA_L, TA_R, SOL_L, SOL_R, GM_L, GM_R, as many as there
are. Of the boards only emgt tells these names: record others with --channels calf_L calf_R.
The truth is that of recordings from boards that wait to be started (emgt, chords, cyton, bitalino).
The others (text, byb, openeeg) send unasked: a recording of them begins later than their scan 0.

Every stream begins with the beginning of the simulation. After --minutes the same comes again,
without a seam. The truth is that of the longest stream so far, in seconds from its scan 0, written
when the stream ends, with what came again; before any, that of --minutes. Streams that a fault
ended and the next one count as one.

Moments of faults, T, are seconds from scan 0 of the first stream, D is how long they last; each
can be given several times.

examples:
  emgtwitch simulate device
  emgtwitch simulate device --link my_device --truth truth.tsv
  emgtwitch simulate device --format chords --tcp 7000
  emgtwitch simulate device --drop 0.0001 --stall 20:0.5 --unplug 60:10 --rate-error-ppm -2000"""


def _span(text: str) -> tuple[float, float]:
    at, _, length = text.partition(":")
    try:
        return float(at), float(length)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be T:D, as 20:0.5 for half a second from second 20 on"
        ) from error


def add_to(
    kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", scenarios: Sequence[str]
) -> argparse.ArgumentParser:
    """Declare the arguments; the seed is declared with that of the other kinds."""
    parser = kinds.add_parser(
        "device",
        help="a virtual board on a port of this computer, with faults on demand",
        description="Simulate calves behind a virtual board, to record from as from a real one.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--format", choices=FORMAT_NAMES, default="emgt", help="what it speaks (default: emgt)")
    add(
        "--scenario",
        metavar="NAME",
        choices=scenarios,
        default="uno_10bit",
        help="what to simulate, see `emgtwitch simulate recording --help` (default: uno_10bit, "
        "12 twitches a minute of 150 µV in each calf)",
    )
    add("--channels", metavar="N", type=int, help="sensors (default: 2, or 6 for chords)")
    add("--sfreq", metavar="HZ", type=int, help="rate of emgt (default: 2000) or text (500)")
    add("--bits", type=int, choices=tuple(VREF_V), help="converter of emgt or text (default: 10)")
    add("--minutes", metavar="M", type=float, default=10.0, help="until it repeats (default: 10)")
    add("--truth", metavar="FILE.tsv", type=Path, help="write the truth, see below")
    add("--link", metavar="PATH", type=Path, help="make a link to the port, that stays the same")
    add(
        "--tcp",
        metavar="PORT",
        type=int,
        nargs="?",
        const=0,
        help="serve on a TCP port of this computer too (default: any that is free)",
    )
    add(
        "--speed",
        metavar="X",
        type=float,
        default=1.0,
        help="times real time (default: 1); inf: as fast as it is read",
    )
    faults = parser.add_argument_group("faults")
    add = faults.add_argument
    for name, what in (
        ("drop", "a byte is lost"),
        ("flip", "a bit of a byte is inverted"),
        ("duplicate", "a byte comes twice"),
    ):
        add(f"--{name}", metavar="P", type=float, default=0.0, help=f"probability that {what}")
    add("--coalesce-ms", metavar="MS", type=float, default=0.0, help="deliver in lumps this often")
    for name, what in (
        ("stall", "the board hangs and loses scans"),
        ("unplug", "the cable is out; the port may change its name, a link does not"),
        ("wrong-baud", "random bytes arrive"),
    ):
        add(f"--{name}", metavar="T:D", type=_span, action="append", default=[], help=what)
    add("--reset", metavar="T", type=float, action="append", default=[], help="the board restarts")
    add(
        "--rate-error-ppm",
        metavar="X",
        type=float,
        default=0.0,
        help="how much faster than it says the clock of the board runs",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Simulate, serve until Ctrl-C, and say what was sent."""
    from firmware_bridge.decoders import BridgeError

    try:
        return _run(arguments)
    except BridgeError as error:
        raise InputError(str(error)) from error


def _run(arguments: argparse.Namespace) -> int:
    from emgtwitch.simulation.looping import looped_codes
    from firmware_bridge.faults import Faults
    from firmware_bridge.virtual import VirtualDevice

    faults = Faults(
        seed=arguments.seed,
        drop=arguments.drop,
        flip=arguments.flip,
        duplicate=arguments.duplicate,
        coalesce_ms=arguments.coalesce_ms,
        stalls=tuple(arguments.stall),
        resets=tuple(arguments.reset),
        unplugs=tuple(arguments.unplug),
        wrong_baud=tuple(arguments.wrong_baud),
        rate_error_ppm=arguments.rate_error_ppm,
    )
    _refuse_early(arguments)
    if not arguments.speed > 0:
        raise InputError(f"--speed {arguments.speed:g}: must be above 0")
    board = _board(arguments)
    simulated = _simulated(arguments, board)
    counts = looped_codes(simulated, board.front_end, board.sfreq, signed=board.signed)
    truth = _Truth(arguments, board, simulated)

    def source(first: int, n: int) -> "np.ndarray":
        return counts.take(range(first, first + n), axis=1, mode="wrap")

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    device = VirtualDevice(
        source, arguments.format, faults, about=board.about, speed=arguments.speed
    )
    with device, contextlib.suppress(KeyboardInterrupt):
        ports = [device.serve_pty(arguments.link)] if hasattr(os, "openpty") else []
        if arguments.tcp is not None or not ports:
            ports.append(device.serve_tcp(arguments.tcp or 0))
        print(*ports, sep="\n", flush=True)
        print(
            f"{arguments.format}: {', '.join(board.about.ch_names)} at {board.sfreq:g} Hz, "
            f"{arguments.minutes:g} min of {arguments.scenario}, again and again; Ctrl-C ends",
            file=sys.stderr,
        )
        while not device.failed:
            truth.update(device.streams)
            if sys.stderr.isatty():
                print(f"\r{_account(device)} ", end="", file=sys.stderr, flush=True)
            time.sleep(0.2)
    truth.update(device.streams, ended=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(_account(device))
    done = device.byte_faults
    if done.dropped or done.flipped or done.duplicated:
        print(f"{done.dropped} bytes dropped, {done.flipped} flipped, {done.duplicated} doubled")
    return 0


def _refuse_early(arguments: argparse.Namespace) -> None:
    """Refuse before the simulation, which takes seconds, what cannot be served or written."""
    from emgtwitch.cli.simulate import refusing_what_cannot_be_written
    from emgtwitch.event_table import sidecar_path

    link, truth = arguments.link, arguments.truth
    if arguments.tcp is not None and not 0 <= arguments.tcp < 2**16:
        raise InputError(f"--tcp {arguments.tcp}: a port is a number, 0 to 65535")
    for path in filter(None, (link, truth)):
        with refusing_what_cannot_be_written(path):
            folder = path.absolute().parent
            if not folder.is_dir():
                raise InputError(f"{path}: there is no folder {path.parent}")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if link and link.exists() and not link.is_symlink():
        raise InputError(f"{link} is there and is no link; choose another name")
    if truth and truth.suffix != ".tsv":
        raise InputError(f"{truth}: the name must end in .tsv")
    if truth and truth.exists() and not sidecar_path(truth).exists():
        raise InputError(f"{truth} is there and was not simulated; choose another name")


def _account(device: "VirtualDevice") -> str:
    """Return what was sent so far."""
    due, sent, lost = (
        sum(getattr(stream, name) for stream in device.streams)
        for name in ("due", "handed_over", "lost")
    )
    return (
        f"streams {len(device.streams)}, scans due {due}, sent {sent}, lost {lost}, "
        f"bytes {device.n_bytes}"
    )


@dataclass(frozen=True)
class _Board:
    """What kind of board it is.

    Attributes
    ----------
    about
        What it tells of itself, names of the channels included.
    sfreq
        Scans per second, exactly.
    front_end
        What makes codes of the signal at the skin.
    signed
        Codes are around 0, not around the middle code.
    """

    about: "About"
    sfreq: float
    front_end: "FrontEnd"
    signed: bool


def _board(arguments: argparse.Namespace) -> _Board:
    import secrets

    from emgtwitch.simulation.front_end import FrontEnd, myoware
    from firmware_bridge.decoders.formats import FORMATS
    from firmware_bridge.virtual import About
    from firmware_bridge.virtual.emgt import exact_rate
    from firmware_bridge.virtual.foreign import rate_and_bits

    name = arguments.format
    format_ = None if name == "emgt" else FORMATS[name]
    usual = 6 if name == "chords" else 2
    n_channels = usual if arguments.channels is None else arguments.channels
    if not 1 <= n_channels <= len(CH_NAMES):
        raise InputError(f"--channels {n_channels}: must be 1 to {len(CH_NAMES)}")
    if name == "bitalino" and n_channels > 4:
        raise InputError("bitalino: at most 4 channels; inputs 5 and 6 of the board have 6 bits")
    fixed_sfreq, fixed_bits = rate_and_bits(format_, n_channels) if format_ else (None, None)
    if fixed_sfreq and not arguments.sfreq is arguments.bits is None:
        raise InputError(f"{name} boards are as they are: leave out --sfreq and --bits")
    asked_hz = _DEFAULT_SFREQ_HZ.get(name, 0) if arguments.sfreq is None else arguments.sfreq
    if not (fixed_sfreq or 0 < asked_hz < 2**16):
        raise InputError(f"--sfreq {asked_hz}: must be 1 to 65535")
    bits = fixed_bits or arguments.bits or 10
    uv_per_count = format_.uv_per_count if format_ else None
    if uv_per_count:
        front_end = FrontEnd(bits=bits, vref_v=uv_per_count * 2**bits / 1e6, gain=1)
    else:
        front_end = myoware(bits, VREF_V.get(bits, 5.0))
    about = About(
        CH_NAMES[:n_channels],
        sfreq=asked_hz,
        bits=bits,
        vref_mv=round(1000 * front_end.vref_v),
        gain=front_end.gain,
        serial=f"simulated{arguments.seed}",
        boot_id=secrets.randbits(32),
        only_sfreq=True,
    )
    sfreq = fixed_sfreq or float(exact_rate(asked_hz) if name == "emgt" else asked_hz)
    return _Board(about, sfreq, front_end, signed=name == "cyton")


def _scenario(arguments: argparse.Namespace, board: _Board) -> "Scenario":
    from emgtwitch.simulation import SCENARIOS
    from emgtwitch.simulation.scenario import SFREQ_RANGE_HZ

    return replace(
        SCENARIOS[arguments.scenario],
        ch_names=board.about.ch_names,
        minutes=arguments.minutes,
        sfreq=board.sfreq / math.ceil(board.sfreq / SFREQ_RANGE_HZ[1]),
        front_end=board.front_end,
        clock_error_ppm=0.0,  # the virtual board has a clock of its own
    )


def _simulated(arguments: argparse.Namespace, board: _Board) -> "Simulated":
    """Return the simulation, longer by the seam than it is to be."""
    from emgtwitch.cli.simulate import simulate
    from emgtwitch.simulation.looping import SEAM_S

    scenario = _scenario(arguments, board)
    longer = replace(scenario, minutes=scenario.minutes + SEAM_S / 60)
    return simulate(longer, arguments.seed)


# (begin, end) of streams, s from the begin of the first.
_Run = list[tuple[float, float]]


def _runs(streams: "Sequence[Stream]") -> list[_Run]:
    """Return streams that only faults separate, together."""
    runs: list[_Run] = []
    first_ns, goes_on = 0, False
    for stream in streams:
        if not goes_on:
            first_ns = stream.start_ns
            runs.append([])
        begin_s = (stream.start_ns - first_ns) / 1e9
        runs[-1].append((begin_s, begin_s + float(stream.due / stream.sfreq)))
        goes_on = not stream.finished
    return runs


class _Truth:
    """The file of the truth, if one is wanted: of the longest run of streams so far."""

    def __init__(
        self, arguments: argparse.Namespace, board: _Board, simulated: "Simulated"
    ) -> None:
        self._path = arguments.truth
        self._scenario = _scenario(arguments, board)
        self._simulated = simulated
        self._seed = arguments.seed
        self._seen: _Run = []
        self._written: _Run = []
        self._write([(0.0, 60 * self._scenario.minutes)])

    def update(self, streams: "Sequence[Stream]", ended: bool = False) -> None:
        """Write it anew if there is a longest run of streams that does not grow any more."""
        longest = max(_runs(streams), key=lambda run: run[-1][1], default=[])
        if longest and longest != self._written and (ended or longest == self._seen):
            self._write(longest)
            self._written = longest
        self._seen = longest

    def _write(self, run: "_Run") -> None:
        import numpy as np

        from emgtwitch.cli.simulate import refusing_what_cannot_be_written
        from emgtwitch.simulation.files import write_truth
        from emgtwitch.simulation.looping import repeated_truth

        if not self._path:
            return
        truths = []
        for begin_s, end_s in run:
            truth = repeated_truth(
                self._simulated.truth, 60 * self._scenario.minutes, end_s - begin_s
            )
            truth["onset"] += begin_s
            truth["peak_time"] += begin_s
            truths.append(truth)
        of_it = replace(self._simulated, truth=np.concatenate(truths))
        with refusing_what_cannot_be_written(self._path):
            write_truth(self._path, of_it, self._scenario, self._seed)
