"""How long a report takes, and how large it is: ``python -m benchmarks.report``.

Two studies: the sample study with its recordings (8 of 3 min), once with detection and once from
saved event tables; and 100 recordings of 30 min of which only the event tables are there.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.tables import markdown
from emgtwitch.detection.account import ChannelAccount
from emgtwitch.detection.detections import Detections
from emgtwitch.event_table import Event, event_array
from emgtwitch.sample_study import sample_folder

RECORDINGS, MINUTES = 100, 30.0
PER_MIN = {"calf_L": 4.0, "calf_R": 12.0}
SETTINGS = {"preset": "default", "mains": "auto", "false_alarms_per_hour": 6.0}


def main() -> None:
    """Print the table."""
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(sample_folder(), folder / "sample")
        many = make_tables(folder / "many")
        for what, path in (
            ("8 recordings of 3 min, with detection", folder / "sample"),
            ("the same, from saved event tables", folder / "sample"),
            (f"{RECORDINGS} event tables of {MINUTES:g} min", many),
        ):
            report = folder / "report.html"
            seconds = timed(
                [sys.executable, "-m", "emgtwitch", "report", str(path), "--output", str(report)]
            )
            megabytes = report.stat().st_size / 1e6
            rows.append([what, f"{seconds:.1f}", f"{megabytes:.1f}"])
    print(markdown(["study", "seconds", "MB of HTML"], rows))


def timed(command: Sequence[str]) -> float:
    """Return how long a command takes, s."""
    start = time.perf_counter()
    subprocess.run([*command, "--quiet"], check=True)
    return time.perf_counter() - start


def make_tables(folder: Path) -> Path:
    """Write event tables of recordings on successive evenings, at rates that wander."""
    folder.mkdir()
    rng = np.random.default_rng(20260112)
    for k in range(RECORDINGS):
        start = datetime(2026, 1, 12, 21) + timedelta(days=k)
        events, accounts = [], []
        for channel, per_min in PER_MIN.items():
            count = rng.poisson(MINUTES * per_min * rng.gamma(8, 1 / 8))
            peaks = np.sort(rng.uniform(0, 60 * MINUTES, count))
            sizes = 80 * np.exp(rng.normal(0, 0.5, count))
            events += [
                Event(peak - 0.005, 0.01, "fasciculation", channel, peak, size, size / 4, n % 4)
                for n, (peak, size) in enumerate(zip(peaks, sizes, strict=True))
            ]
            excluded = {"contraction": 0.0}
            accounts.append(
                ChannelAccount(channel, 60 * MINUTES, 60 * MINUTES, excluded, 4.0, 20.0)
            )
        found = Detections(
            event_array(events), tuple(accounts), ("left", "right"), SETTINGS, None, start
        )
        found.save(folder / f"night{k:03d}_events.tsv")
    return folder


if __name__ == "__main__":
    main()
