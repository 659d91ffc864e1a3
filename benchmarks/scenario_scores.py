"""Scores of every method on the simulated scenarios."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.signal import butter, sosfiltfilt

from benchmarks import gated, ours, peers
from benchmarks.tables import Task, markdown, number
from emgtwitch.evaluation import Score, evaluate
from emgtwitch.event_table import is_twitch
from emgtwitch.simulation import SCENARIOS, Simulated, simulate_recording

SEEDS = (9001, 9002, 9003)  # from 9000 up no seed is used for tuning
CLEAR_SNR = 8.0
PER_HOUR = 6.0  # false alarms per channel-hour of noise, for every method that can be set
QUICK = ("isolated", "small", "voluntary_interference", "all_nuisances")
COMMON = (*QUICK, "busy", "motion")  # where the slow peers run too, with the first seed only
SLOW_PEERS = [name for name, package in peers.PACKAGES.items() if package.slow]

OURS = "**emgtwitch**"


def _ours(recording: Simulated) -> np.ndarray:
    names = list(recording.ch_names)
    return ours.detect(recording.signal_uv, recording.sfreq, names, recording.lsb_uv, PER_HOUR)


def _peer(name: str, recording: Simulated) -> np.ndarray:
    names = list(recording.ch_names)
    return peers.detect(name, recording.signal_uv, recording.sfreq, names, PER_HOUR)


def _gated(name: str, recording: Simulated) -> np.ndarray:
    names = list(recording.ch_names)
    return gated.detect(name, recording.signal_uv, names, recording.lsb_uv, PER_HOUR)


# Everything that is compared: name -> recording -> event table.
METHODS: dict[str, Callable[[Simulated], np.ndarray]] = {
    OURS: _ours,
    **{f"{name}, gated": partial(_gated, name) for name in gated.STATISTICS},
    **{name: partial(_peer, name) for name in (*peers.STATISTICS, *peers.PACKAGES)},
}
GATED = [name for name in METHODS if name.endswith(", gated")]


@dataclass(frozen=True)
class Judged:
    """The scores of a method: of twitches clearly above the noise, and of all."""

    clear: Score
    all: Score

    def __add__(self, other: "Judged") -> "Judged":
        """Pool the scores of two recordings."""
        return Judged(self.clear + other.clear, self.all + other.all)


NOTHING = Judged(Score(), Score())


def judge(scenario: str, seed: int, methods: Iterable[str]) -> dict[str, Judged]:
    """Return the scores of some methods on one recording."""
    recording = simulate_recording(SCENARIOS[scenario], seed)
    hours = recording.signal_uv.shape[1] / recording.sfreq / 3600
    if recording.sfreq != gated.SFREQ:
        methods = [method for method in methods if method not in GATED]
    found = {method: _measured(METHODS[method](recording), recording) for method in methods}
    return {
        method: Judged(
            evaluate(table, recording.truth, hours=hours, min_snr=CLEAR_SNR).total,
            evaluate(table, recording.truth, hours=hours).total,
        )
        for method, table in found.items()
    }


def _measured(table: np.ndarray, recording: Simulated) -> np.ndarray:
    """Return the twitches of an event table, their snr measured by one ruler for all methods.

    Peak to peak within 15 ms of the detection in the zero-phase band-passed recording, over the
    true noise.
    """
    high = min(450.0, 0.45 * recording.sfreq)
    sos = butter(2, [20, high], "bandpass", fs=recording.sfreq, output="sos")
    filtered = sosfiltfilt(sos, np.nan_to_num(recording.signal_uv), axis=1)
    near = round(0.015 * recording.sfreq)
    measured = table[is_twitch(table)]
    for row in measured:
        channel = recording.ch_names.index(row["channel"])
        middle = round(row["peak_time"] * recording.sfreq)
        around = filtered[channel, max(middle - near, 0) : middle + near + 1]
        row["snr"] = np.ptp(around) / recording.noise_rms_uv[channel]
    return measured


def tasks(scenarios: Sequence[str], seeds: Sequence[int], *, slow_peers: bool) -> list[Task]:
    """Return the measurements to make; a slow peer is one of its own."""
    fast = [name for name in METHODS if name not in SLOW_PEERS]
    parts: list[Task] = [(judge, (name, seed, fast)) for name in scenarios for seed in seeds]
    if slow_peers:
        common = [name for name in scenarios if name in COMMON]
        parts += [(judge, (name, seeds[0], [peer])) for name in common for peer in SLOW_PEERS]
    return parts


Results = dict[str, dict[str, Judged]]


def pooled(parts: Sequence[Task], results: Sequence[Mapping[str, Judged]]) -> Results:
    """Add up the seeds: scenario -> method -> scores."""
    scores: Results = {}
    for (_, (scenario, *_)), result in zip(parts, results, strict=True):
        methods = scores.setdefault(scenario, {})
        for method, judged in result.items():
            methods[method] = methods.get(method, NOTHING) + judged
    return scores


def _found(results: Results) -> list[str]:
    """Return the methods that ran, in the order of `METHODS`."""
    ran = {method for methods in results.values() for method in methods}
    return [method for method in METHODS if method in ran]


def full_table(results: Results) -> str:
    """Return every number: a row for each scenario and method."""
    header = [
        "scenario",
        "method",
        f"recall, snr ≥ {CLEAR_SNR:g}",
        "recall",
        "precision",
        f"F1, snr ≥ {CLEAR_SNR:g}",
        "F1",
        "false/h",
        "false/min in activity",
        "timing ms",
    ]
    return markdown(
        header,
        [
            [
                scenario,
                method,
                number(judged.clear.recall, ".3f"),
                number(judged.all.recall, ".3f"),
                number(judged.all.precision, ".3f"),
                number(judged.clear.f1, ".3f"),
                number(judged.all.f1, ".3f"),
                number(judged.all.false_alarms_per_hour, ".1f"),
                number(judged.all.false_alarms_per_minute("contraction", "cramp"), ".2f"),
                number(1000 * judged.all.median_timing_error_s, ".1f"),
            ]
            for scenario in results
            for method, judged in (
                (method, results[scenario][method])
                for method in METHODS
                if method in results[scenario]
            )
        ],
    )


def _has_twitches(judged: Judged) -> bool:
    return judged.all.true_positives + judged.all.missed > 0


def f1_table(results: Results, *, clear: bool) -> str:
    """Return F1, of clear twitches or of all: scenarios down, methods across."""
    methods = _found(results)
    rows = [
        [
            scenario,
            *(
                number((judged[method].clear if clear else judged[method].all).f1, ".3f")
                if method in judged
                else "–"
                for method in methods
            ),
        ]
        for scenario, judged in results.items()
        if _has_twitches(judged[OURS])
    ]
    return markdown(["scenario", *methods], rows)


def summary_table(results: Results) -> str:
    """Return the mean of each method over the scenarios with twitches."""

    def mean(method: str, scenarios: Iterable[str], clear: bool) -> float:
        judged = [
            results[name][method]
            for name in scenarios
            if name in results and _has_twitches(results[name][OURS])
        ]
        return float(np.mean([(part.clear if clear else part.all).f1 for part in judged]))

    sets = [list(results)]
    if not set(results) <= set(COMMON):
        sets.append([name for name in COMMON if name in results])
    header = ["method"]
    for names in sets:
        n = sum(_has_twitches(results[name][OURS]) for name in names)
        header += [f"F1, snr ≥ {CLEAR_SNR:g}, {n} scenarios", f"F1, all, {n} scenarios"]
    rows = []
    for method in _found(results):
        row = [method]
        for names in sets:
            ran = all(method in results[name] for name in names)
            row += [
                number(mean(method, names, clear) if ran else np.nan, ".3f")
                for clear in (True, False)
            ]
        rows.append(row)
    return markdown(header, rows)
