"""The live page: how late it is, how smooth, whether anything grows, and whether a scan is lost.

    python -m benchmarks.live [--minutes 2] [--channels 2 6]

A virtual board (2 kHz), ``emgtwitch record --view`` and headless Chromium, each a process of its
own. Besides Chromium, eight viewers read all, and one reads nothing. One run for each number of
channels. Needs Chromium; Linux: memory is read from ``/proc``.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.tables import markdown, number

SFREQ = 2000
READERS = 8
WARM_UP_S = 10.0
LOOK_S = 5.0
_TESTS = Path(__file__).parents[1] / "tests"
_LATEST = """(() => {
  const m = window.emgtwitchMeasured;
  const told = {latency: m.latencies.values, mark: m.marks.values, frame: m.frames.values};
  for (const kind of [m.latencies, m.marks, m.frames]) { kind.values = []; kind.next = 0; }
  return told;
})()"""


@dataclass
class Run:
    """What was measured with so many channels."""

    n_channels: int
    latency_ms: list[float] = field(default_factory=list)
    mark_ms: list[float] = field(default_factory=list)
    frame_ms: list[float] = field(default_factory=list)
    arrival_ms: list[float] = field(default_factory=list)
    source_mb: list[float] = field(default_factory=list)
    server_mb: list[float] = field(default_factory=list)
    heap_mb: list[float] = field(default_factory=list)
    n_scans: int = 0
    lost_scans: int = 0
    complaints: list[Any] = field(default_factory=list)


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds, MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in told.split()]


@contextmanager
def program(*words: str, **kwargs: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command of emgtwitch, end it as Ctrl-C does."""
    process = subprocess.Popen([sys.executable, "-m", "emgtwitch", *words], text=True, **kwargs)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def connected(url: str) -> socket.socket:
    """Return a connection that has asked for the stream."""
    address = urlsplit(url)
    assert address.hostname and address.port
    connection = socket.create_connection((address.hostname, address.port))
    asked = f"GET {address.path}stream HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
    connection.sendall(asked.encode())
    return connection


def read_all(connection: socket.socket) -> None:
    """Read until the end, as a viewer who looks at nothing."""
    while connection.recv(1 << 16):
        pass


def arrivals_ms(url: str, seconds: float) -> list[float]:
    """Return how long after they were sampled scans were at the source, ms: the newest of each."""
    found, start_s, sfreq = [], 0.0, 1.0
    until = time.monotonic() + seconds
    with connected(url) as connection, connection.makefile("rb") as lines:
        for line in lines:
            if line.startswith(b"data: "):
                message = json.loads(line[6:])
                if message["type"] == "hello" and message["start"]:
                    start_s = datetime.fromisoformat(message["start"]).timestamp()
                    sfreq = message["sfreq"]
                elif message["type"] == "scans":
                    sampled_s = start_s + (message["first"] + message["n"] - 1) / sfreq
                    found.append(message["came_ms"] - 1000 * sampled_s)
            if time.monotonic() > until:
                return found
    return found


def measure(n_channels: int, seconds: float, folder: Path) -> Run:
    """Record with viewers, and measure."""
    if str(_TESTS) not in sys.path:
        sys.path.append(str(_TESTS))
    from chromium import chromium  # type: ignore[import-not-found]

    run = Run(n_channels)
    port = str(folder / f"board{n_channels}")
    board = ("simulate", "device", "--channels", str(n_channels), "--sfreq", str(SFREQ))
    record = ("record", "--port", port, "--format", "emgt", "--subject", "1", "--view", "--json")
    with (
        program(
            *board, "--minutes", "2", "--link", port,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as device,
        chromium() as page,
    ):  # fmt: skip
        assert device.stdout
        device.stdout.readline()  # it is there
        dataset = str(folder / f"emg{n_channels}")
        with program(
            *record, "--quiet", "--dataset", dataset,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as source:  # fmt: skip
            assert source.stderr and source.stdout
            url = source.stderr.readline().split()[-1]
            stalled = connected(url)
            readers = [connected(url) for _ in range(READERS)]
            for reader in readers:
                threading.Thread(target=read_all, args=[reader], daemon=True).start()
            page.open(url)
            time.sleep(WARM_UP_S)
            run.arrival_ms = arrivals_ms(url, 2.0)
            page.evaluate(_LATEST)
            (server,) = children(source.pid)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(LOOK_S)
                told = page.evaluate(_LATEST)
                run.latency_ms += told["latency"]
                run.mark_ms += told["mark"]
                run.frame_ms += told["frame"]
                page.send("HeapProfiler.collectGarbage")
                heap = page.send("Runtime.getHeapUsage")
                run.heap_mb.append((heap["usedSize"] + heap["backingStorageSize"]) / 1e6)
                run.source_mb.append(resident_mb(source.pid))
                run.server_mb.append(resident_mb(server))
            run.complaints = page.complaints
            source.send_signal(signal.SIGTERM)
            said = json.loads(source.stdout.read())
            run.n_scans = round(said["recorded_s"] * SFREQ)
            run.lost_scans = said["lost_scans"]
            for connection in (stalled, *readers):
                connection.close()
    return run


def row(run: Run) -> list[str]:
    """Return a row of the table."""

    def median_and_95(values: list[float]) -> str:
        return " / ".join(number(np.percentile(values or [np.nan], q), ".0f") for q in (50, 95))

    def growth(values: list[float]) -> str:
        quarter = values[len(values) // 4 :]
        return f"{quarter[-1]:.0f} ({quarter[-1] - quarter[0]:+.1f})"

    return [
        str(run.n_channels),
        median_and_95(run.arrival_ms),
        median_and_95(run.latency_ms),
        f"{median_and_95(run.mark_ms)} (n = {len(run.mark_ms)})",
        number(1000 / float(np.median(run.frame_ms)), ".0f"),
        number(float(np.percentile(run.frame_ms, 99)), ".0f"),
        growth(run.source_mb),
        growth(run.server_mb),
        growth(run.heap_mb),
        f"{run.lost_scans} of {run.n_scans}",
        str(len(run.complaints)),
    ]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of each run (default: 2)")
    parser.add_argument("--channels", type=int, nargs="+", default=[2, 6], metavar="N")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [measure(n, 60 * arguments.minutes, Path(folder)) for n in arguments.channels]
    header = (
        "channels", "newest sample to source, ms", "source to screen, ms", "peak to mark, ms",
        "frames/s", "99 % of frames within, ms", "source, MB", "server, MB", "page, MB",
        "scans lost", "complaints of the browser",
    )  # fmt: skip
    print(markdown(header, map(row, runs)))
    print(
        "\nms: median / 95th percentile. MB: at the end (growth after the first quarter); of the "
        "page its heap and arrays. The board sends 10 ms at once."
    )
    for run in runs:
        for complaint in run.complaints:
            print(complaint)


if __name__ == "__main__":
    main()
