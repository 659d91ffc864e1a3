"""Accuracy of the detector: scenarios, noise alone, and sensitivity, against peers and the limit.

Run from the root of the repository, with the peers of benchmarks/requirements.txt installed::

    python -m benchmarks.detection                 everything; writes docs/benchmark-detection.md
    python -m benchmarks.detection --quick         a short form, printed only
    python -m benchmarks.detection --only cramp    one scenario, printed only
"""

import argparse
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from benchmarks import (
    calibration,
    coarse_converter,
    nuisance_alarms,
    scenario_scores,
    sensitivity,
)
from benchmarks.tables import run_all
from emgtwitch.detection.gates import LEAST_LSB
from emgtwitch.simulation import SCENARIOS

PAGE = Path(__file__).parents[1] / "docs" / "benchmark-detection.md"
QUICK_MINUTES = 10.0

INTRODUCTION = """\
# How well the detector detects

This page is written by `python -m benchmarks.detection`; the numbers are of that run, with
{versions}.

**All signals are simulated** (`emgtwitch.simulation`), so the truth is known, and by the same
project that wrote the detector, which flatters it. The seeds {seeds} were never used for tuning.
A detection counts if it lies within 25 ms of a true twitch, and each is paired with one at most,
so two detections of one twitch are one hit and one false alarm. Detections inside contractions,
cramps and artefacts are false alarms for every method.

- **snr**: amplitude, peak to peak, over the rms of the noise. "snr ≥ 8" leaves smaller twitches
  out, neither hit nor miss, and also the false alarms that are themselves smaller and lie outside
  of every nuisance; their size is measured in the recording, alike for every method. It asks how
  clear twitches fare, and so is the kinder column; "F1" without a limit forgives nothing small.
- Potentials of one channel closer than 30 ms are one wave on the skin: only the largest is judged,
  and a detection of another is neither right nor wrong.
- **false/h**: false alarms per channel-hour of recording. **in activity**: per minute of true
  contraction or cramp. **timing**: median absolute error.
- MAD threshold, TKEO and modified Hodges are written here as published. Their thresholds are set to
  {per_hour:g} false alarms per channel-hour on white noise, as ours is: kinder than their customary
  ones.
- "gated": the same three statistics behind our front end, noise floor and gates, at 1 kHz, their
  thresholds set on white noise in the same way: what is left is the statistic itself.
- NeuroKit2 and BioSPPy run as shipped, with their defaults; BioSPPy's silva detector has no default
  and gets 8 ms, 50 ms and 12 µV. Intervals count as found at their largest sample, and
  events closer than 30 ms are thinned to the larger one.
- NeuroKit2 takes some 10 µs a sample, so it runs on {n_common} scenarios and one seed only.
"""

COARSE = """\
Up to steps of the converter of twice the noise rms in the band (8 µV with the white noise here;
pink noise has most of its own below the band) the rate asked for holds. Where steps are larger,
nothing below {steps:g} of them peak to peak counts, and noise then gives fewer false alarms than
the {per_hour:g} an hour asked for, down to none. The last columns tell why no threshold could give
just that rate: they count what passes the same threshold and is smaller. Behind such a converter
noise is a flicker between codes, and how it flickers depends on where between two codes the signal
rests, which a drift of a few µV changes. Without the limit one and the same noise of 4 µV would
give anything from none to many times what was asked for."""

NUISANCES = """\
Ours only, all twitches, {n} recordings of each scenario, with the exact 95 % interval of the count:
the table of all numbers has half an hour of each, where one false alarm is 2 an hour. By chance
alone, noise gives the 6 an hour asked for, less what is excluded."""

FAULTS = """\
## What stands in the peers' way

They are made for bursts of voluntary activity, not for twitches, and none of them rejects
anything. Beyond that, each of these can be reproduced with the versions above:

- NeuroKit2: the default threshold is a tenth of the standard deviation of the whole amplitude. The
  envelope of plain noise lies above it throughout, and an activation without rest before it is
  dropped. The minimum duration is documented in seconds and used in samples. A Python loop
  visits every sample.
- BioSPPy: `emg.emg` sets its threshold from mean and standard deviation of the whole recording, so
  that one contraction hides every twitch. It high-passes at 100 Hz, where much of a calf potential
  is lost, and fails at sampling rates up to 200 Hz (counted as finding nothing). `peakutils` is
  needed and not declared.
- MAD threshold: where the converter's step exceeds the noise, the median absolute deviation says
  nothing about the noise any more.
- TKEO weighs high frequencies, of which a calf potential has few.
"""


def _section(title: str, text: str, table: str) -> str:
    return f"## {title}\n\n{text}\n\n{table}\n"


def main() -> None:
    """Run the benchmark and print it; a full run also writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, few scenarios: a minute")
    parser.add_argument("--only", metavar="SCENARIO", choices=SCENARIOS, help="one scenario only")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args()

    full = not (arguments.quick or arguments.only)
    names = [arguments.only] if arguments.only else list(SCENARIOS)
    seeds: tuple[int, ...] = scenario_scores.SEEDS
    conditions: tuple[calibration.Condition, ...] = calibration.CONDITIONS
    minutes = sensitivity.MINUTES
    if arguments.quick:
        names = names if arguments.only else list(scenario_scores.QUICK)
        seeds, conditions, minutes = seeds[:1], calibration.QUICK, QUICK_MINUTES

    on_scenarios = scenario_scores.tasks(names, seeds, slow_peers=not arguments.quick)
    on_noise = [] if arguments.only else calibration.tasks(conditions)
    on_size = [] if arguments.only else sensitivity.tasks(minutes)
    on_nuisances = nuisance_alarms.tasks() if full else []
    on_steps = coarse_converter.tasks() if full else []
    parts = [on_scenarios, on_noise, on_size, on_nuisances, on_steps]
    everything = iter(run_all([task for part in parts for task in part], arguments.jobs))
    found, noise, size, nuisances, steps = (list(islice(everything, len(part))) for part in parts)
    scores = scenario_scores.pooled(on_scenarios, found)

    sections = []
    if not arguments.only:
        sections = [
            _section(
                "Summary",
                f"Mean F1 over scenarios that have twitches. {_seeds_told(seeds)}",
                scenario_scores.summary_table(scores),
            ),
            _section(
                "F1 by scenario, snr ≥ 8",
                "Twitches clear of the noise.",
                scenario_scores.f1_table(scores, clear=True),
            ),
            _section(
                "F1 by scenario, all twitches",
                "Also those that no detector could see.",
                scenario_scores.f1_table(scores, clear=False),
            ),
            _section(
                "Noise alone",
                "Detections in stationary noise without a twitch, against the rate asked for, "
                "with the exact 95 % interval of the count.",
                calibration.table(conditions, noise),
            ),
        ]
    if full:
        sections += [
            _section(
                "Coarse converters",
                COARSE.format(steps=LEAST_LSB, per_hour=coarse_converter.PER_HOUR),
                coarse_converter.table(steps),
            ),
            _section(
                "False alarms under nuisances",
                NUISANCES.format(n=len(nuisance_alarms.SEEDS)),
                nuisance_alarms.table(scenario_scores.pooled(on_nuisances, nuisances)),
            ),
        ]
    if not arguments.only:
        sections += [
            _section(
                "Sensitivity",
                "Amplitude, peak to peak over noise rms, at which a twitch is detected with a "
                "chance of 50 and 90 %, at one false alarm a minute and 1 kHz (± standard "
                "error). The ideal observer knows the true potentials of the channel and the true "
                "noise spectrum; nothing can be more sensitive. NeuroKit2 and BioSPPy have no "
                "setting for a rate of false alarms.",
                sensitivity.table(size),
            ),
        ]
    sections.append(
        _section(
            "All numbers",
            f"{_seeds_told(seeds)} NeuroKit2 runs on the first only. Scenarios are described in "
            "`emgtwitch.simulation.scenarios`.",
            scenario_scores.full_table(scores),
        )
    )
    print("\n" + "\n".join(sections))
    if full:
        packages = ("neurokit2", "biosppy", "numpy", "scipy")
        introduction = INTRODUCTION.format(
            versions=", ".join(f"{name} {version(name)}" for name in packages),
            seeds=", ".join(map(str, seeds)),
            per_hour=scenario_scores.PER_HOUR,
            n_common=len(scenario_scores.COMMON),
        )
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text("\n".join([introduction, *sections[:-1], FAULTS, sections[-1]]))
        print(f"written: {PAGE}")


def _seeds_told(seeds: tuple[int, ...]) -> str:
    return f"{len(seeds)} recordings of each." if len(seeds) > 1 else "One recording of each."


if __name__ == "__main__":
    main()
