"""``emgtwitch mark``: set a mark in the recording that is running."""

import argparse
from pathlib import Path

_EPILOG = """\
The mark gets the time at which this command is run. In the window of the recording itself, type
the text and press Enter.

examples:
  emgtwitch mark "cramp in the left calf"
  emgtwitch mark "stood up" --dataset my_study"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("text", metavar="TEXT", nargs="?", default="", help="what happened")
    parser.add_argument(
        "--dataset",
        metavar="DIR",
        type=Path,
        default=Path("emg"),
        help="the data set that is being recorded into (default: emg)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Leave the mark and say so."""
    from emgtwitch.capture.marks import leave_mark

    print(f"marked: {leave_mark(arguments.dataset, arguments.text).text}")
    return 0
