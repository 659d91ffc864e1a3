"""``emgtwitch evaluate``: judge an event table against the truth."""

import argparse
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch.cli.rate_table import aligned
from emgtwitch.errors import InputError, SignalWarning

if TYPE_CHECKING:
    from emgtwitch.evaluation import Agreement, Score, Scores

_NUMBERS = (
    "true_positives",
    "false_alarms",
    "missed",
    "ignored",
    "hours",
    "precision",
    "recall",
    "f1",
    "count_bias",
    "false_alarms_per_hour",
    "median_timing_error_s",
    "p95_timing_error_s",
    "amplitude_error",
)
_HEADER = (
    "channel",
    "true",
    "hit",
    "missed",
    "false",
    "recall",
    "precision",
    "F1",
    "bias",
    "false/h",
    "median ms",
    "95 % ms",
    "amplitude error",
)
_EPILOG = """\
A detection counts once at most, for the one true twitch it is paired with. True twitches of one
channel closer than 30 ms are one wave on the skin: only the largest is judged, and a detection of
another is neither right nor wrong.

  bias             counted over true twitches, less 1
  false/h          false alarms per hour of valid recording, which the .json beside EVENTS.tsv tells
  median, 95 % ms  absolute timing error
  amplitude error  median absolute error
  kappa            agreement beyond chance (Cohen 1960) on all candidates of either table, accepted
                   or rejected, outside of the time that EVENTS.tsv excludes; one that a table does
                   not have, it does not accept. It depends on how many rejected candidates there
                   are. n/a where each table says the same of all

A table of emgtwitch review in place of the truth tells how far the reviewer agrees.

examples:
  emgtwitch evaluate calves_events.tsv calves_truth.tsv
  emgtwitch evaluate calves_events.tsv calves_truth.tsv --min-snr 8
  emgtwitch evaluate calves_events.tsv calves_desc-reviewedAB_events.tsv
  emgtwitch evaluate other_tool.tsv calves_truth.tsv --hours 0.5
  emgtwitch evaluate calves_events.tsv calves_truth.tsv --json > scores.json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("events", metavar="EVENTS.tsv", type=Path, help="event table to judge")
    parser.add_argument("truth", metavar="TRUTH.tsv", type=Path, help="event table of the truth")
    parser.add_argument(
        "--tolerance-ms",
        metavar="MS",
        type=float,
        default=25.0,
        help="greatest time between a detection and its true twitch (default: 25)",
    )
    parser.add_argument(
        "--min-snr",
        metavar="X",
        type=float,
        help="judge clear twitches only: leave out true ones below X times the noise rms, peak to "
        "peak, and false alarms that are themselves smaller, outside of nuisances",
    )
    parser.add_argument(
        "--hours",
        metavar="H",
        type=float,
        help="hours of valid recording of each channel, instead of those beside EVENTS.tsv",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the tables")


def run(arguments: argparse.Namespace) -> int:
    """Judge, and print the scores."""
    from emgtwitch.evaluation import Agreement, agreement, evaluate
    from emgtwitch.event_table import TRIAL_TYPES, read_event_table

    detected, truth = read_event_table(arguments.events), read_event_table(arguments.truth)
    shared = np.intersect1d(detected["channel"], truth["channel"])
    if len(detected) and len(truth) and not len(shared):
        warnings.warn("the two tables have no channel name in common", SignalWarning, stacklevel=1)
    for path, table in ((arguments.events, detected), (arguments.truth, truth)):
        if unknown := sorted({*table["trial_type"].tolist()} - {*TRIAL_TYPES}):
            message = (
                f"{path}: rows of an unknown trial_type do not count: {', '.join(unknown[:5])}"
            )
            warnings.warn(message, SignalWarning, stacklevel=1)
    hours = arguments.hours
    if hours is None:
        hours = _valid_hours(arguments.events, len(detected))
    scores = evaluate(
        detected,
        truth,
        tolerance_s=arguments.tolerance_ms / 1000,
        min_snr=arguments.min_snr,
        hours=hours,
    )
    agreed = agreement(detected, truth, tolerance_s=arguments.tolerance_ms / 1000)
    if arguments.json:
        print(_as_json(scores, agreed, arguments))
    else:
        print(_as_tables(scores))
        print(f"\n{_agreement_text(sum(agreed.values(), start=Agreement()))}")
    return 0


def _valid_hours(events: Path, n_rows: int) -> dict[str, float] | None:
    """Hours of valid recording per channel, from the sidecar; None where it does not tell."""
    from emgtwitch.event_table import sidecar_path

    sidecar = sidecar_path(events)
    try:
        about = json.loads(sidecar.read_text(encoding="utf-8"))
        if about.get("rows", n_rows) != n_rows:
            raise InputError(
                f"{events} and its sidecar contradict each other: there are {n_rows} rows, not "
                f"{about['rows']}; detect again"
            )
        return {name: float(times["valid_s"]) / 3600 for name, times in about["channels"].items()}
    except (FileNotFoundError, KeyError):
        return None
    except (OSError, ValueError, RecursionError, TypeError, AttributeError) as error:
        raise InputError(f"{sidecar}: not a sidecar of an event table: {error}") from error


def _as_json(
    scores: "Scores", agreed: "Mapping[str, Agreement]", arguments: argparse.Namespace
) -> str:
    from emgtwitch.evaluation import Agreement

    def agreement_entry(agreement: "Agreement") -> dict[str, Any]:
        kappa = agreement.kappa
        return {
            "candidates": agreement.candidates,
            "both": agreement.both,
            "only_events": agreement.only_first,
            "only_truth": agreement.only_second,
            "neither": agreement.neither,
            "kappa": kappa if np.isfinite(kappa) else None,
        }

    def entry(score: "Score", agreement: "Agreement") -> dict[str, Any]:
        values = {name: getattr(score, name) for name in _NUMBERS}
        return {
            **{name: value if np.isfinite(value) else None for name, value in values.items()},
            "nuisances": {
                kind: {"seconds": seconds, "false_alarms": score.nuisance_false_alarms[kind]}
                for kind, seconds in score.nuisance_s.items()
                if seconds
            },
            "agreement": agreement_entry(agreement),
        }

    return json.dumps(
        {
            "tolerance_s": arguments.tolerance_ms / 1000,
            "min_snr": arguments.min_snr,
            "total": entry(scores.total, sum(agreed.values(), start=Agreement())),
            "channels": {
                name: entry(score, agreed.get(name, Agreement()))
                for name, score in scores.channels.items()
            },
        },
        indent=2,
    )


def _as_tables(scores: "Scores") -> str:
    total = scores.total
    rows = [*scores.channels.items(), ("all", total)]
    text = _table(
        _HEADER,
        [
            [
                name,
                str(score.true_positives + score.missed),
                str(score.true_positives),
                str(score.missed),
                str(score.false_alarms),
                _number(score.recall, ".3f"),
                _number(score.precision, ".3f"),
                _number(score.f1, ".3f"),
                _number(score.count_bias, "+.1%"),
                _number(score.false_alarms_per_hour, ".1f"),
                _number(1000 * score.median_timing_error_s, ".1f"),
                _number(1000 * score.p95_timing_error_s, ".1f"),
                _number(score.amplitude_error, ".1%"),
            ]
            for name, score in rows
        ],
    )
    if total.ignored:
        noun = "detection" if total.ignored == 1 else "detections"
        text += f"\nNeither right nor wrong: {total.ignored} {noun} (see --help)."
    nuisances = [kind for kind, seconds in total.nuisance_s.items() if seconds]
    if nuisances:
        text += "\n\n" + _table(
            ("inside", "minutes", "false", "false/min"),
            [
                [
                    kind,
                    f"{total.nuisance_s[kind] / 60:.2f}",
                    str(total.nuisance_false_alarms[kind]),
                    _number(total.false_alarms_per_minute(kind), ".2f"),
                ]
                for kind in nuisances
            ],
        )
    return text


def _agreement_text(agreement: "Agreement") -> str:
    noun = "candidate" if agreement.candidates == 1 else "candidates"
    hint = "" if agreement.neither else ", which tells nothing where none is rejected by both"
    return (
        f"{agreement.candidates} {noun}: {agreement.both} accepted by both tables, "
        f"{agreement.only_first} by the first only, {agreement.only_second} by the second only, "
        f"{agreement.neither} by none; kappa {_number(agreement.kappa, '.3f')}{hint}"
    )


def _number(value: float, spec: str) -> str:
    return format(value, spec) if np.isfinite(value) else "n/a"


def _table(header: Sequence[str], rows: list[list[str]]) -> str:
    """Align columns: the first to the left, the numbers to the right."""
    rule = ["-" * max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(aligned([header, rule, *rows], left=1, last_left=False))
