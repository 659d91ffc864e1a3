"""Record for hours, faster than real time: nothing lost, memory flat.

    python -m benchmarks.soak [--hours 2] [--channels 6] [--sfreq 2000] [--speed 10]

A virtual board sends so many times faster than a real one; its bytes are decoded, recorded and
searched for twitches by what ``emgtwitch record`` uses. Every sample on the disk is compared with
what the board was to send. Linux: memory is read from ``/proc``.
"""

import argparse
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np

from emgtwitch.capture.live import LiveRecording
from emgtwitch.capture.session import Session
from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.recording.bdf_layout import read_layout
from emgtwitch.recording.bdf_recorder import BdfRecorder, Recorded
from emgtwitch.simulation import simulate_recording
from emgtwitch.simulation.front_end import myoware
from emgtwitch.simulation.scenario import Scenario
from firmware_bridge.device import open_device
from firmware_bridge.virtual import VirtualDevice

CH_NAMES = ("GM_L", "GM_R", "SOL_L", "SOL_R", "TA_L", "TA_R")
SIMULATED_S = 60
STEPS = 12
MOST_GROWTH_MB = 20.0  # from a quarter of the time to its end


def resident_mb() -> float:
    """Return the memory that this process holds, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def simulated_counts(n_channels: int, sfreq: int) -> np.ndarray:
    """Return a minute of codes of a 10-bit converter, (n_channels, n_scans)."""
    front_end = myoware(10, 5.0)
    scenario = Scenario(
        minutes=SIMULATED_S / 60,
        sfreq=sfreq,
        ch_names=CH_NAMES[:n_channels],
        amplitude_uv=200.0,
        front_end=front_end,
    )
    return np.rint(simulate_recording(scenario, 1).signal_uv / myoware(10, 5.0).lsb_uv) + 512


def wrong_samples(path: Path, counts: np.ndarray) -> int:
    """Return how many samples on the disk are not what the board was to send."""
    layout = read_layout(path)
    n_channels, sfreq = counts.shape[0], layout.sfreq
    wrong = 0
    with path.open("rb") as file:
        for index in range(layout.n_records):
            file.seek(layout.position(index))
            data = np.frombuffer(file.read(3 * n_channels * sfreq), np.uint8)
            low, middle, high = (
                data.reshape(n_channels, sfreq, 3).astype(np.int32).transpose(2, 0, 1)
            )
            codes = low + (middle << 8) + ((high ^ 128) - 128 << 16)
            scans = np.arange(index * sfreq, (index + 1) * sfreq) % counts.shape[1]
            wrong += int((codes != counts[:, scans]).sum())
    return wrong


def soak(
    hours: float, n_channels: int, sfreq: int, speed: float, folder: Path
) -> tuple[Recorded, int, float]:
    """Record, print how it goes; return what was recorded, wrong samples and growth in MB."""
    counts = simulated_counts(n_channels, sfreq).astype(np.int32)

    def source(first: int, n: int) -> np.ndarray:
        return counts[:, np.arange(first, first + n) % counts.shape[1]]

    n_scans = round(hours * 3600) * sfreq
    path = folder / "soak.bdf"
    board = VirtualDevice(source, speed=speed)
    memory: list[float] = []
    try:
        with open_device(board.serve_tcp(), "emgt", n_channels=n_channels, sfreq=sfreq) as device:
            scale = device.info.uv_per_count or (1.0,) * n_channels
            names = CH_NAMES[:n_channels]
            recorder = BdfRecorder(
                path, sfreq=sfreq, ch_names=names, uv_per_count=scale, start=datetime.now()
            )
            live = LiveRecording(recorder, StreamingDetector(sfreq, names, lsb_uv=scale), scale)
            session = Session(device, live, most_scans=n_scans)
            device.start()
            begun_s = time.perf_counter()
            while not session.is_over:
                session.step(1.0)
                while live.n_scans >= n_scans * (len(memory) + 1) / STEPS:
                    memory.append(resident_mb())
                    took_s = time.perf_counter() - begun_s
                    print(
                        f"{live.recorded_s / 60:6.1f} min in {took_s:6.1f} s, "
                        f"{live.recorded_s / took_s:5.1f} x real time, {memory[-1]:6.1f} MB, "
                        f"{live.lost_scans} scans lost, {len(live.events)} events, at most "
                        f"{device.statistics.queue_high_water} scans waited",
                        flush=True,
                    )
            device.stop()
            recorded = recorder.close()
    finally:
        board.close()
    return recorded, wrong_samples(path, counts), memory[-1] - memory[STEPS // 4]


def main() -> int:
    """Soak, and say whether anything was lost, wrong or grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--channels", type=int, default=6)
    parser.add_argument("--sfreq", type=int, default=2000)
    parser.add_argument("--speed", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recorded, wrong, growth_mb = soak(
            arguments.hours,
            arguments.channels,
            arguments.sfreq,
            arguments.speed,
            Path(folder),
        )
    lost = recorded.lost_scans + recorded.dropped_scans
    print(
        f"{recorded.n_scans} scans of {arguments.channels} channels: {lost} lost, {wrong} wrong "
        f"samples on the disk, memory grew by {growth_mb:.1f} MB after the first quarter"
    )
    return int(bool(lost or wrong or growth_mb > MOST_GROWTH_MB))


if __name__ == "__main__":
    sys.exit(main())
