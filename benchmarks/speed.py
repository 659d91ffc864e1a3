"""Speed of the detector, as ratios that hold on any machine, and its memory.

Run from the root of the repository: ``python -m benchmarks.speed``; ``--quick`` leaves NeuroKit2
out, which takes half a minute a repetition. Every comparison alternates between its two sides in
one process; medians are shown with the smallest and the largest repetition.
"""

import argparse
import time
import tracemalloc
import warnings
from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfilt

from benchmarks import ours
from benchmarks.tables import markdown
from emgtwitch import StreamingDetector
from emgtwitch.simulation import Scenario, Simulated, simulate_recording

SEED = 9001
PER_HOUR = 6.0
LIVE_BLOCK_S = 0.010
LIVE_S = 120
MEMORY_MINUTES = (10, 60)


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _alternated(
    first: Callable[[], object], second: Callable[[], object], repetitions: int
) -> np.ndarray:
    """Return the seconds of both, (repetitions, 2)."""
    return np.array([(_seconds(first), _seconds(second)) for _ in range(repetitions)])


def _spread(values: np.ndarray, spec: str) -> str:
    low, middle, high = (format(value, spec) for value in np.quantile(values, (0, 0.5, 1)))
    return f"{middle} ({low}–{high})"


def _detect(recording: Simulated) -> np.ndarray:
    names = list(recording.ch_names)
    return ours.detect(recording.signal_uv, recording.sfreq, names, recording.lsb_uv, PER_HOUR)


def against_one_filter(repetitions: int) -> list[list[str]]:
    """Compare with one pass of four second-order sections, 64 channels at 2 kHz for 60 s."""
    names = tuple(f"EMG{number:02d}" for number in range(64))
    recording = simulate_recording(Scenario(minutes=1, sfreq=2000, ch_names=names), SEED)
    sos = butter(4, (20, 450), "bandpass", fs=recording.sfreq, output="sos")
    signal_uv = np.ascontiguousarray(recording.signal_uv)
    seconds = _alternated(lambda: _detect(recording), lambda: sosfilt(sos, signal_uv), repetitions)
    nanoseconds = 1e9 * seconds / signal_uv.size
    return [
        [
            "emgtwitch, 64 channels at 2 kHz",
            "ns a channel-sample",
            _spread(nanoseconds[:, 0], ".1f"),
        ],
        ["one sosfilt pass, same data", "ns a channel-sample", _spread(nanoseconds[:, 1], ".1f")],
        ["emgtwitch over sosfilt", "ratio", _spread(seconds[:, 0] / seconds[:, 1], ".1f")],
    ]


def against_neurokit2(repetitions: int) -> list[list[str]]:
    """Compare with ``emg_process`` on 10 minutes of 2 channels at 1 kHz."""
    import neurokit2

    recording = simulate_recording(Scenario(minutes=10), SEED)

    def neurokit() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for channel_uv in recording.signal_uv:
                neurokit2.emg_process(channel_uv, sampling_rate=round(recording.sfreq))

    seconds = _alternated(lambda: _detect(recording), neurokit, repetitions)
    return [
        ["emgtwitch, 10 min of 2 channels at 1 kHz", "s", _spread(seconds[:, 0], ".3f")],
        ["NeuroKit2 emg_process, same data", "s", _spread(seconds[:, 1], ".1f")],
        ["NeuroKit2 over emgtwitch", "ratio", _spread(seconds[:, 1] / seconds[:, 0], ".0f")],
    ]


def live() -> list[list[str]]:
    """Time each push of 10 ms of 2 channels at 1 kHz."""
    recording = simulate_recording(Scenario(minutes=LIVE_S / 60), SEED)
    stream = StreamingDetector(sfreq=recording.sfreq, ch_names=list(recording.ch_names))
    n = round(LIVE_BLOCK_S * recording.sfreq)
    blocks = np.split(recording.signal_uv, recording.signal_uv.shape[1] // n, axis=1)
    microseconds = []
    for block in blocks:
        start = time.perf_counter()
        stream.push(block)
        microseconds.append(1e6 * (time.perf_counter() - start))
    half, most, worst = np.percentile(microseconds, (50, 99, 100))
    return [
        ["live, a block of 10 ms, 2 channels at 1 kHz", "µs, median", f"{half:.0f}"],
        ["", "µs, 99th percentile", f"{most:.0f}"],
        ["", "µs, largest", f"{worst:.0f}"],
    ]


def memory() -> list[list[str]]:
    """Measure how the memory of a stream grows with the length of what was pushed."""
    recording = simulate_recording(Scenario(minutes=1, ch_names=("a", "b", "c", "d")), SEED)
    rows = []
    tracemalloc.start()
    stream = StreamingDetector(sfreq=recording.sfreq, ch_names=list(recording.ch_names))
    for minute in range(1, max(MEMORY_MINUTES) + 1):
        stream.push(recording.signal_uv)
        if minute in MEMORY_MINUTES:
            peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
            rows.append([f"peak memory, 4 channels, after {minute} min", "MB", f"{peak_mb:.1f}"])
    tracemalloc.stop()
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="without NeuroKit2, 3 repetitions")
    arguments = parser.parse_args()
    rows = against_one_filter(3 if arguments.quick else 9)
    if not arguments.quick:
        rows += against_neurokit2(3)
    rows += live()
    rows += memory()
    print(markdown(["what", "unit", "measured"], rows))


if __name__ == "__main__":
    main()
