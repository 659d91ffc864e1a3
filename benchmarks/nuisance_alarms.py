"""How often nuisances pass for twitches, over more recordings than the comparison has."""

from collections.abc import Sequence

from benchmarks.calibration import poisson_interval
from benchmarks.scenario_scores import OURS, Results, judge
from benchmarks.tables import Task, markdown, number

SEEDS = tuple(range(9001, 9049))  # from 9000 up no seed is used for tuning
SCENARIOS = (
    "isolated",
    "voluntary_single_unit",
    "voluntary_few_units",
    "voluntary_interference",
    "starts_contracted",
    "cramp",
    "motion",
    "pops",
    "glitches",
    "mains_50",
    "mains_60_drifting",
    "ecg",
    "vibration",
    "noise_steps",
    "lift_off",
    "gaps",
    "saturation",
    "all_nuisances",
)


def tasks(seeds: Sequence[int] = SEEDS) -> list[Task]:
    """Return the measurements to make."""
    return [(judge, (name, seed, [OURS])) for name in SCENARIOS for seed in seeds]


def _rate(count: int, exposure: float, spec: str) -> str:
    if not exposure:
        return "n/a"
    low, high = (number(bound / exposure, spec) for bound in poisson_interval(count))
    return f"{number(count / exposure, spec)} ({low}–{high})"


def table(results: Results) -> str:
    """Return false alarms per hour and per minute of activity, with their exact intervals."""
    rows = []
    for name, methods in results.items():
        score = methods[OURS].all
        kinds = ("contraction", "cramp")
        active_min = sum(score.nuisance_s[kind] for kind in kinds) / 60
        in_activity = sum(score.nuisance_false_alarms[kind] for kind in kinds)
        rows.append(
            [
                name,
                f"{score.hours:.3g}",
                str(score.false_alarms),
                _rate(score.false_alarms, score.hours, ".1f"),
                number(active_min, ".1f"),
                str(in_activity),
                _rate(in_activity, active_min, ".2f"),
            ]
        )
    header = ["scenario", "channel-hours", "false alarms", "per hour (95 %)"]
    return markdown([*header, "min of activity", "false in it", "per min (95 %)"], rows)
