"""The ``emgtwitch`` command: one module per sub-command, imported only when it runs."""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from emgtwitch import __version__
from emgtwitch.errors import InputError

# Each is a module of this package with `configure(parser)` and `run(arguments) -> exit status`.
COMMANDS = {
    "check": "is the signal good enough to record? in plain words",
    "demo": "analyse the bundled sample study, end to end",
    "detect": "find the twitches of recordings and write an event table for each",
    "evaluate": "judge an event table against the truth",
    "flash": "put the firmware on an Arduino Uno",
    "live": "look at the signals of a board or of a recording, twitch by twitch, in a browser",
    "mark": "set a mark in the recording that is running",
    "note": "note treatments, symptoms and conditions of a day or a recording, and show them",
    "ports": "list the serial ports and what is probably behind them",
    "record": "record from a board into an EMG-BIDS data set, twitches counted meanwhile",
    "recover": "make interrupted recordings whole, and say what was lost",
    "review": "look at the twitches of a recording, and accept, reject or add some by hand",
    "report": "which side twitches more, what changed, how sure: a report to read and to print",
    "simulate": "make recordings, a whole study or a virtual device, with known truth",
}
EPILOG = """\
examples:
  emgtwitch demo                                  the bundled sample study
  emgtwitch simulate recording simulated.bdf      a recording with known twitches
  emgtwitch detect simulated.bdf --pictures       writes simulated_events.tsv and a picture
  emgtwitch evaluate simulated_events.tsv simulated_truth.tsv

  emgtwitch ports                                 where is the board?
  emgtwitch check --port PORT                     is its signal good enough?
  emgtwitch live --port PORT                      watch it in a browser
  emgtwitch record --port PORT --subject 01 --minutes 15     into the data set emg
  emgtwitch report emg                            which side twitches more, what changed

emgtwitch measures, it does not diagnose. Not a medical device."""


def _parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emgtwitch",
        description="Detect, count and compare muscle twitches (fasciculations) in surface EMG.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"emgtwitch {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = subparsers.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name == command:
            import_module(f"emgtwitch.cli.{name}").configure(sub)
    return parser


def _complain(message: object, debug: bool) -> None:
    if debug:
        raise
    print(f"emgtwitch: {' '.join(str(message).split())}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 for a failure, 2 for bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), None)
    arguments = _parser(command).parse_args(words)
    warnings.showwarning = lambda message, *_, **__: print(
        f"emgtwitch: warning: {message}", file=sys.stderr
    )
    run = import_module(f"emgtwitch.cli.{arguments.command}").run
    try:
        return int(run(arguments))
    except InputError as error:
        _complain(error, arguments.debug)
        return 2
    except KeyboardInterrupt:
        _complain("interrupted; no file is half-written", arguments.debug)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        _complain(f"{type(error).__name__}: {error} (use --debug to see where)", arguments.debug)
        return 1
