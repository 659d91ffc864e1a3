"""``emgtwitch simulate``: recordings, a whole study, or a device, with known truth."""

import argparse
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.cli import simulate_device
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from emgtwitch.simulation import Scenario, Simulated

_INDENT = "    "
_MAX_SAMPLES = 20_000_000  # about 2 GB of memory
# The names of `emgtwitch.simulation.SCENARIOS`, here so that help need not load the simulation.
SCENARIO_GROUPS = {
    "twitches only, in various numbers, patterns and sizes": (
        "isolated sparse busy non_stop doublets f_waves neuronal drifting_rate grouped small"
    ),
    "twitches and voluntary contractions or cramps": (
        "voluntary_single_unit voluntary_few_units voluntary_interference starts_contracted cramp"
    ),
    "twitches and one disturbance, or all of them": (
        "motion pops glitches mains_50 mains_60_drifting ecg vibration crosstalk noise_steps "
        "lift_off gaps saturation all_nuisances"
    ),
    "other recorders, sampling rates and numbers of channels": (
        "myoware_12bit myoware_14bit_2khz uno_10bit openbci_200hz fs_500 fs_4000 eight_channels"
    ),
    "the same without a twitch, to count false alarms": (
        "noise_isolated noise_mains_50 noise_noise_steps noise_myoware_12bit noise_uno_10bit "
        "noise_all_nuisances"
    ),
}
_EPILOG = """\
examples:
  emgtwitch simulate recording calves.bdf         5 minutes, 12 twitches a minute on each side
  emgtwitch simulate study my_study               an EMG-BIDS study of 8 recordings
  emgtwitch simulate device --link my_device      an Arduino with two sensors, to record from"""
_RECORDING_EPILOG = """\
The truth, every twitch and every disturbance, is written beside OUT.bdf as <name>_truth.tsv.
The same arguments and seed give the same files.

scenarios, 5 minutes of calf_L and calf_R at 1000 Hz with 12 twitches a minute unless that is the
point of them:
{scenarios}

examples:
  emgtwitch simulate recording calves.bdf
  emgtwitch simulate recording hard.bdf --scenario all_nuisances --seed 7
  emgtwitch simulate recording quiet.bdf --rate 0 --minutes 30
  emgtwitch simulate recording leg.bdf --channels GM_L SOL_L TA_L --sfreq 2000"""
_STUDY_EPILOG = """\
One simulated person, left and right calf, 8 recordings of 3 minutes over four months, with a
treatment in between: an EMG-BIDS data set, the truth under derivatives/truth. DIR must be new,
empty, or an earlier simulated study, which is then written anew.

examples:
  emgtwitch simulate study my_study
  emgtwitch simulate study sample_data --seed 2026     the study that comes with emgtwitch"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    names = " ".join(SCENARIO_GROUPS.values()).split()
    listed = [
        f"  {about}:\n{textwrap.fill(some, 96, initial_indent=_INDENT, subsequent_indent=_INDENT)}"
        for about, some in SCENARIO_GROUPS.items()
    ]
    recording = kinds.add_parser(
        "recording",
        help="one recording as BDF+ and its truth",
        description="Simulate one recording with known truth.",
        epilog=_RECORDING_EPILOG.format(scenarios="\n".join(listed)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    recording.add_argument("output", metavar="OUT.bdf", type=Path, help="file to write")
    recording.add_argument(
        "--scenario",
        metavar="NAME",
        choices=names,
        default="isolated",
        help="what to simulate (default: isolated); the names are listed below",
    )
    recording.add_argument("--minutes", metavar="M", type=float, help="length (default: 5)")
    recording.add_argument(
        "--sfreq", metavar="HZ", type=float, help="samples per second (default: 1000)"
    )
    recording.add_argument(
        "--channels",
        metavar="NAME",
        nargs="+",
        help="names of the channels (default: calf_L calf_R)",
    )
    recording.add_argument(
        "--rate",
        metavar="PER_MIN",
        type=float,
        help="twitches per minute and channel; 0: none (default: 12)",
    )
    study = kinds.add_parser(
        "study",
        help="a study of one person over four months, as EMG-BIDS",
        description="Simulate a study with known truth.",
        epilog=_STUDY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    study.add_argument("output", metavar="DIR", type=Path, help="folder to write")
    device = simulate_device.add_to(kinds, names)
    for kind, default in ((recording, 1), (study, 2026), (device, 1)):
        kind.add_argument(
            "--seed", metavar="N", type=int, default=default, help=f"(default: {default})"
        )
        kind.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


def run(arguments: argparse.Namespace) -> int:
    """Simulate, write, and say what was written."""
    if arguments.seed < 0:
        raise InputError(f"--seed {arguments.seed}: must not be negative")
    kinds = {"recording": _recording, "study": _study, "device": simulate_device.run}
    return kinds[arguments.kind](arguments)


@contextmanager
def refusing_what_cannot_be_written(output: Path) -> Iterator[None]:
    """Turn what the system says against writing a file into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from error


def simulate(scenario: "Scenario", seed: int) -> "Simulated":
    """Simulate a recording, with a bar where it takes long; InputError if it is too long."""
    from tqdm import tqdm

    from emgtwitch.simulation import simulate_recording
    from emgtwitch.simulation.recording import steps

    n_samples = scenario.minutes * 60 * scenario.sfreq * len(scenario.ch_names)
    if n_samples > _MAX_SAMPLES:
        longest = scenario.minutes * _MAX_SAMPLES / n_samples
        raise InputError(f"{scenario.minutes:g} minutes do not fit: at most {longest:.0f}")
    with tqdm(total=steps(scenario), desc="simulating", delay=2, disable=None, leave=False) as bar:
        return simulate_recording(scenario, seed, on_step=bar.update)


def _recording(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from emgtwitch.event_table import is_twitch
    from emgtwitch.simulation import SCENARIOS
    from emgtwitch.simulation.files import truth_path, write_simulated, write_truth

    output, truth = arguments.output, truth_path(arguments.output)
    if output.suffix != ".bdf":
        raise InputError(f"{output}: the name must end in .bdf")
    with refusing_what_cannot_be_written(output):
        if not output.absolute().parent.is_dir():
            raise InputError(f"{output}: there is no folder {output.parent}")
        if output.exists() and not truth.exists():
            raise InputError(f"{output} is there and was not simulated; choose another name")
    given = {
        "minutes": arguments.minutes,
        "sfreq": arguments.sfreq,
        "ch_names": arguments.channels and tuple(arguments.channels),
        "rate_per_min": arguments.rate,
    }
    scenario = replace(
        SCENARIOS[arguments.scenario],
        **{name: value for name, value in given.items() if value is not None},
    )
    simulated = simulate(scenario, arguments.seed)
    with refusing_what_cannot_be_written(output):
        write_simulated(output, simulated)
        write_truth(truth, simulated, scenario, arguments.seed)
    twitches = int(is_twitch(simulated.truth).sum())
    print(
        f"{output}: {scenario.minutes:g} min of {', '.join(scenario.ch_names)} at "
        f"{scenario.sfreq:g} Hz, {twitches} twitches, truth in {truth}"
    )
    return 0


def _study(arguments: argparse.Namespace) -> int:
    from emgtwitch.simulation.study import write_study

    with refusing_what_cannot_be_written(arguments.output):
        recordings = write_study(arguments.output, arguments.seed)
    print(f"{arguments.output}: {len(recordings)} recordings, truth in derivatives/truth")
    return 0
