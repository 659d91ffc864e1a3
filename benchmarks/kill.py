"""Recordings that are killed, and files that are damaged besides: what is left of them.

Run from the root of the repository: ``python -m benchmarks.kill`` (200 kills, some minutes);
``--kills N`` for fewer. Each time a process of its own records blocks that can be computed from
the index of their scans, one recording after the other, and is killed (SIGKILL, on Windows
TerminateProcess) at a random moment, the start, the end and the work between included. Then all
its files are recovered and compared with what they must hold. A kill is no loss of power: that is
imitated by cut, zeroed and prolonged copies of the same files.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import edfio
import numpy as np

from benchmarks.tables import markdown
from emgtwitch.recording.bdf_growing import checksum_path
from emgtwitch.recording.bdf_layout import Layout, read_layout
from emgtwitch.recording.profile import Channel, Profile
from emgtwitch.recording.recovery import Recovered, recover
from emgtwitch.recording.study_files import read_json, read_table
from emgtwitch.recording.study_writer import finish_recording, start_recording

SEED = 4100
SFREQ = 500
LONGEST_S = 12
LATEST_KILL_S = 0.8
PROFILE = Profile("kill", (Channel("calf_L"), Channel("calf_R")))
START = datetime(2026, 5, 17, 22, 0)


def counts_at(first: int, n_scans: int) -> np.ndarray:
    """Return the counts of scans, int32 of shape (2, n_scans): a hash of index and channel."""
    scans = np.arange(first, first + n_scans, dtype=np.uint64)
    channels = np.arange(1, 3, dtype=np.uint64)[:, np.newaxis]
    mixed = (scans * np.uint64(0x9E3779B1) + channels * np.uint64(0x85EBCA6B)) % np.uint64(2**32)
    return (mixed >> np.uint64(9)).astype(np.int32) - 2**22


def record_until_killed(dataset: Path, seed: int) -> None:
    """Record again and again, faster than a board would, and say on stdout what happens."""
    random = np.random.default_rng(seed)
    print("ready", flush=True)
    while True:
        start = START + timedelta(minutes=int(random.integers(10**6)))
        recorder = start_recording(dataset, PROFILE, start=start, sfreq=SFREQ, uv_per_count=1.0)
        print(f"path {recorder.path}", flush=True)
        n_scans, at = int(random.integers(1, LONGEST_S * SFREQ)), 0
        while at < n_scans:
            to_second = SFREQ - at % SFREQ
            stop = at + min(int(random.integers(1, 200)), to_second, n_scans - at)
            print(f"scan {stop}", flush=True)
            if random.random() > 0.1 or stop % SFREQ == 0:  # else they are lost on the way
                recorder.append(at, counts_at(at, stop - at))
                recorder.annotate(at / SFREQ, 0, f"mark {at}")
            at = stop
            while recorder.written_s < recorder.queued_s:
                time.sleep(0.0005)
            time.sleep(0.003)  # as long as the disk needs, so that seconds that fill are met too
            print(f"safe {recorder.written_s}", flush=True)
        finish_recording(recorder.path, recorder.close())
        print("finished", flush=True)


@dataclass
class Killed:
    """What a process had said about its last recording when it was killed."""

    path: Path | None = None
    scans: int = 0
    safe_s: int = 0
    finished: bool = False
    n_recordings: int = 0


def kill_one(dataset: Path, seed: int) -> Killed:
    """Let a process record and kill it at a random moment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.kill", "--record", str(dataset), "--seed", str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(np.random.default_rng(seed).uniform(0, LATEST_KILL_S))
    process.kill()
    lines = process.stdout.read().splitlines()
    process.wait()
    process.stdout.close()
    said = Killed()
    for line in lines:
        word, _, value = line.partition(" ")
        if word == "path":
            said = Killed(Path(value), n_recordings=said.n_recordings + 1)
        elif word == "scan" and value.isdecimal():
            said.scans = int(value)
        elif word == "safe" and value.isdecimal():
            said.safe_s = int(value)
        elif word == "finished":
            said.finished = True
    return said


@dataclass
class Tally:
    """What became of the files of one kind of damage."""

    files: int = 0
    seconds: int = 0
    most_lost_s: float = 0.0
    wrong_samples: int = 0
    notes: Counter[str] = field(default_factory=Counter)


def wrong_samples(path: Path) -> int:
    """Count the samples outside of gaps that are not those of `counts_at`, as edfio reads them."""
    read = edfio.read_bdf(path)
    counts = np.array([signal.digital for signal in read.signals])
    wrong = counts != counts_at(0, counts.shape[1])
    for mark in read.annotations:
        if mark.text == "BAD_gap":
            start = round(mark.onset * SFREQ)
            wrong[:, start : start + round((mark.duration or 0) * SFREQ)] = False
    return int(wrong.sum())


def good_seconds(path: Path, recovered: Recovered) -> int:
    """Return the seconds of a recovered file that are not marked as damaged."""
    return recovered.n_seconds - len(recovered.damaged)


def check_killed(said: Killed, dataset: Path, tally: Tally) -> None:
    """Recover all recordings of a data set and compare them with what must be in them."""
    for path in sorted(dataset.rglob("*_emg.bdf")):
        recovered = recover(path)
        tally.files += 1
        tally.seconds += good_seconds(path, recovered)
        tally.wrong_samples += wrong_samples(path)
        tally.notes["whole" if recovered.was_whole else "recovered"] += 1
        assert not checksum_path(path).exists()
        assert read_json(path.with_suffix(".json"))["RecordingDuration"] == recovered.n_seconds
        rows = read_table(next(path.parents[1].glob("*_scans.tsv")))
        assert f"{recovered.n_seconds / 60:.2f}" in {row["minutes"] for row in rows}
        if path == said.path:
            kept = good_seconds(path, recovered)
            assert kept >= said.safe_s, f"{said}: only {recovered}"
            tally.most_lost_s = max(tally.most_lost_s, said.scans / SFREQ - kept)


Damage = Callable[[Path, Layout, np.random.Generator], None]


def _cut(path: Path, layout: Layout, random: np.random.Generator) -> None:
    with path.open("rb+") as file:
        size = path.stat().st_size
        file.truncate(
            max(layout.data_start, size - int(random.integers(1, 3 * layout.record_bytes)))
        )


def _zero_tail(path: Path, layout: Layout, random: np.random.Generator) -> None:
    _overwrite(path, max(layout.data_start, path.stat().st_size - 8192), bytes(8192))


def _zero_middle(path: Path, layout: Layout, random: np.random.Generator) -> None:
    size = path.stat().st_size
    n_bytes = int(random.integers(512, 4096))
    _overwrite(path, int(random.integers(layout.data_start, size)), bytes(n_bytes))


def _flip(path: Path, layout: Layout, random: np.random.Generator) -> None:
    at = int(random.integers(layout.data_start, path.stat().st_size))
    byte = path.read_bytes()[at] ^ (1 << int(random.integers(8)))
    _overwrite(path, at, bytes([byte]))


def _garbage(path: Path, layout: Layout, random: np.random.Generator) -> None:
    with path.open("ab") as file:
        file.write(random.bytes(int(random.integers(1, 100_000))))


def _zeros(path: Path, layout: Layout, random: np.random.Generator) -> None:
    with path.open("ab") as file:
        file.write(bytes(1_000_000))


def _overwrite(path: Path, at: int, data: bytes) -> None:
    data = data[: path.stat().st_size - at]
    with path.open("rb+") as file:
        file.seek(at)
        file.write(data)


DAMAGES: dict[str, Damage] = {
    "end cut off, up to 3 s": _cut,
    "last 8 KiB zeroed": _zero_tail,
    "zeroed somewhere, 0.5 to 4 KiB": _zero_middle,
    "one bit flipped": _flip,
    "garbage appended": _garbage,
    "1 MB of zeros appended": _zeros,
}


def check_damaged(
    path: Path, folder: Path, random: np.random.Generator, tallies: dict[str, Tally]
) -> None:
    """Damage copies of an interrupted recording in each way, and recover them."""
    layout = read_layout(path)
    if path.stat().st_size < layout.position(1):
        return
    before_s = (path.stat().st_size - layout.data_start) // layout.record_bytes
    for name, damage in DAMAGES.items():
        copy = folder / "copy.bdf"
        shutil.copyfile(path, copy)
        shutil.copyfile(checksum_path(path), checksum_path(copy))
        damage(copy, layout, random)
        recovered = recover(copy)
        tally = tallies.setdefault(name, Tally())
        tally.files += 1
        tally.seconds += good_seconds(copy, recovered)
        tally.most_lost_s = max(tally.most_lost_s, before_s - good_seconds(copy, recovered))
        tally.wrong_samples += wrong_samples(copy)


def campaign(n_kills: int, folder: Path, seed: int = SEED) -> dict[str, Tally]:
    """Kill so many processes, and damage what they leave besides.

    Returns
    -------
    tallies
        One for the kills, ``"killed"``, and one for each of `DAMAGES`.
    """
    tallies = {"killed": Tally()}
    random = np.random.default_rng(seed)
    for index in range(n_kills):
        dataset = folder / f"Wade links ü {index}"
        said = kill_one(dataset, seed + index)
        for path in sorted(dataset.rglob("*_emg.bdf")):
            if checksum_path(path).exists():
                check_damaged(path, folder, random, tallies)
        check_killed(said, dataset, tallies["killed"])
    return tallies


def main() -> None:
    """Run the campaign and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=SEED, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.record is not None:
        record_until_killed(arguments.record, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        tallies = campaign(arguments.kills, Path(folder), arguments.seed)
    rows = [
        [name, *map(str, (tally.files, tally.seconds)), f"{tally.most_lost_s:.2f}",
         str(tally.wrong_samples)]
        for name, tally in tallies.items()
    ]  # fmt: skip
    print(markdown(["what", "files", "good seconds", "most lost, s", "wrong samples"], rows))
    print(f"\n{arguments.kills} kills: {dict(tallies['killed'].notes)}")


if __name__ == "__main__":
    main()
