"""Every wire format through a bad cable, in lumps, and against the clock.

Run from the root of the repository: ``python -m benchmarks.decoders``; it writes
``docs/wire-formats.md``. ``--scans`` sets how many are sent in each case. No two scans of a case
are the same, so that every scan handed out is known for the one it was, or for wrong.
"""

import argparse
import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import serial

from benchmarks.tables import markdown
from benchmarks.wire import Damage, damaged
from firmware_bridge.decoders import Block, Decoder, bitalino, byb, chords, cyton, openeeg, text
from firmware_bridge.decoders.formats import FORMATS, Format

SEED = 2603
SCANS = 100_000
RATE = 1e-3
DROPS, FLIPS = Damage(drop=RATE), Damage(flip=RATE)
SCANS_AT_ONCE = 5000
# What a read returns when it is not late: 16 ms of most of the formats are less than that.
BYTES_AT_ONCE = 64
# By how many scans the count of those in one gap may be wrong.
MOST_MISPLACED = 8
REPETITIONS = 5
MORE_SEEDS = 10
# One channel leaves too few codes for scans that are all different.
N_CHANNELS = {"byb": 2}
# Lumps in which adapters deliver, ms: FTDI, the Uno's USB chip.
LUMPS_MS = (16.0, 4.096)
DOCUMENTED = (text, byb, chords, openeeg, cyton, bitalino)
PAGE = Path(__file__).parents[1] / "docs" / "wire-formats.md"


@dataclass(frozen=True)
class Outcome:
    """What became of the scans of one case.

    Attributes
    ----------
    sent, right, wrong
        Scans sent, handed out as they were sent, handed out otherwise.
    lost_counted
        Scans lost, by the statistics of the decoder.
    misplaced
        Sum, over neighbouring right scans, of the scans by which the number of scans between them
        is wrong.
    rejected
        By reason.
    """

    sent: int
    right: int
    wrong: int
    lost_counted: int
    misplaced: int
    rejected: dict[str, int]


def channels(wire: Format) -> int:
    return N_CHANNELS.get(wire.name, wire.n_channels)


def distinct_scans(wire: Format, n_scans: int, seed: int) -> np.ndarray:
    """Return codes, (n_channels, n_scans), up to 2^20 scans of which no two are the same."""
    rng = np.random.default_rng(seed)
    bits = wire.bits or 10
    low = -(2 ** (bits - 1)) if bits == 24 else 0
    codes = rng.integers(low, low + 2**bits, (channels(wire), n_scans))
    number = rng.permutation(2**20)[:n_scans]
    codes[0] += (number >> 10) - codes[0] % 1024
    codes[1] += number % 1024 - codes[1] % 1024
    return codes


def in_pieces(decoder: Decoder, data: bytes, size: int) -> Iterable[Block]:
    for at in range(0, len(data), size):
        for item in decoder.feed(data[at : at + size]):
            if isinstance(item, Block):
                yield item


def through_a_bad_cable(wire: Format, damage: Damage, n_scans: int, seed: int = SEED) -> Outcome:
    """Send so many scans and see what the decoder makes of what arrives."""
    rng = np.random.default_rng(seed)
    codes = distinct_scans(wire, n_scans, seed)
    decoder = wire.make_decoder(channels(wire))
    blocks: list[Block] = []
    for first in range(0, n_scans, SCANS_AT_ONCE):
        sent = wire.encode(codes[:, first : first + SCANS_AT_ONCE], first)
        blocks += in_pieces(decoder, damaged(sent, damage, rng)[0], BYTES_AT_ONCE)
    place = {scan.tobytes(): index for index, scan in enumerate(codes.T.astype(float))}
    claimed = np.concatenate([b.first + np.arange(b.counts.shape[1]) for b in blocks])
    arrived = np.concatenate([block.counts for block in blocks], axis=1).T.astype(float)
    true = np.full(len(arrived), -1)
    newest = ahead = -1
    for number, scan in enumerate(arrived):
        index = place.get(scan.tobytes(), -1)
        # Farther away it is by chance the same as another one.
        if index > newest and abs(index - claimed[number] - ahead) <= MOST_MISPLACED:
            true[number] = newest = index
            ahead = index - claimed[number]
    right = true >= 0
    statistics = decoder.statistics
    return Outcome(
        n_scans,
        int(right.sum()),
        int((~right).sum()),
        statistics.lost_scans,
        int(np.abs(np.diff(claimed[right]) - np.diff(true[right])).sum()),
        dict(statistics.rejected),
    )


def unguarded_bits(wire: Format) -> int | None:
    """Return in how many bits of a scan a single flip passes every check; None: it depends."""
    n_channels = channels(wire)
    return {
        "emgt": 0,
        "byb": byb.BITS * n_channels,
        "chords": chords.BITS * n_channels,
        "openeeg": openeeg.BITS * n_channels,
        "cyton": cyton.BITS * n_channels,
        "bitalino": 0,
    }.get(wire.name)


def expected_wrong(wire: Format, n_scans: int) -> float | None:
    """Return how many of so many scans have a flip that nothing guards against, on average."""
    bits = unguarded_bits(wire)
    return None if bits is None else n_scans * bits / 8 * RATE


def lost_in_lumps(lump_ms: float, n_scans: int) -> int:
    """Return how many scans are lost when Chords frames of 250 Hz come through a pty in lumps.

    The lump is handed over at once and read at once, as fast as the decoder can; the time between
    lumps plays no part.
    """
    wire = FORMATS["chords"]
    codes = distinct_scans(wire, n_scans, SEED)
    sent = wire.encode(codes)
    bytes_per_ms = chords.SFREQ_HZ * 16 / 1000
    ends = np.arange(0, len(sent) + bytes_per_ms * lump_ms, bytes_per_ms * lump_ms).astype(int)
    decoder = wire.make_decoder(wire.n_channels)
    blocks: list[Block] = []
    device, board = os.openpty()
    try:
        with serial.Serial(os.ttyname(board), wire.baud, timeout=10) as port:
            for begin, end in pairwise(ends):
                lump = sent[begin:end]
                os.write(device, lump)
                blocks += in_pieces(decoder, port.read(len(lump)), len(sent))
    finally:
        os.close(device)
        os.close(board)
    arrived = np.concatenate([block.counts for block in blocks], axis=1)
    if not np.array_equal(arrived, codes[:, : arrived.shape[1]]):
        raise AssertionError("scans were not those sent, or not in order")
    return n_scans - arrived.shape[1]


def microseconds_per_scan(wire: Format, n_scans: int) -> float:
    """Return the least of some repetitions, in reads of `BYTES_AT_ONCE`."""
    sent = wire.encode(distinct_scans(wire, n_scans, SEED))
    seconds = []
    for _ in range(REPETITIONS):
        decoder = wire.make_decoder(channels(wire))
        start = time.process_time()
        for _ in in_pieces(decoder, sent, BYTES_AT_ONCE):
            pass
        seconds.append(time.process_time() - start)
    return 1e6 * min(seconds) / n_scans


def _formats_table() -> str:
    rows = []
    for wire in FORMATS.values():
        real, nominal = wire.real_sfreq_hz(wire.n_channels), wire.nominal_sfreq_hz(wire.n_channels)
        modulus = wire.sequence_modulus
        rows.append(
            [
                f"`{wire.name}`",
                wire.title,
                ", ".join(map(str, (wire.baud, *wire.other_bauds))),
                str(wire.n_channels),
                str(wire.bits or "open"),
                f"{real:.2f}" if real else "estimated",
                f"{nominal:.2f}" if nominal else "none",
                f"{wire.uv_per_count:.5f}" if wire.uv_per_count else "depends on the sensor",
                "none" if modulus is None else str(modulus) if modulus < 2**32 else "2^32",
            ]
        )
    return markdown(
        [
            "name",
            "boards",
            "baud, usual first",
            "channels",
            "bits",
            "real Hz",
            "documented Hz",
            "µV per count",
            "counter modulo",
        ],
        rows,
    )


def _resilience_table(n_scans: int) -> str:
    rows = []
    for wire in FORMATS.values():
        size = len(wire.encode(distinct_scans(wire, n_scans, SEED))) / n_scans
        row = [f"`{wire.name}`, {channels(wire)} channels", f"{size:.1f}"]
        for damage in (DROPS, FLIPS):
            outcome = through_a_bad_cable(wire, damage, n_scans)
            row += [
                f"{100 * outcome.right / outcome.sent:.2f}",
                str(outcome.wrong),
                str(outcome.sent - outcome.right - outcome.wrong),
                str(outcome.misplaced),
            ]
        expected = expected_wrong(wire, n_scans)
        rows.append([*row, "n/a" if expected is None else f"{expected:.0f}"])
    each = ["delivered %", "wrong", "lost", "misplaced"]
    return markdown(
        [
            "format",
            "bytes a scan",
            *(f"drops: {name}" for name in each),
            *(f"flips: {name}" for name in each),
            "flips that nothing guards",
        ],
        rows,
    )


def _by_chance(n_scans: int) -> str:
    found = []
    for name in ("byb", "chords", "openeeg", "cyton", "bitalino"):
        seeds = range(SEED + 1, SEED + 1 + MORE_SEEDS)
        runs = [through_a_bad_cable(FORMATS[name], DROPS, n_scans, seed) for seed in seeds]
        found.append(f"`{name}` {sum(run.wrong for run in runs)}")
    return f"{', '.join(found)}, of {MORE_SEEDS * n_scans:,} each"


def _speed_table(n_scans: int) -> str:
    rows = []
    for wire in FORMATS.values():
        cost = microseconds_per_scan(wire, n_scans)
        sfreq = wire.real_sfreq_hz(channels(wire)) or 2000.0
        rows.append(
            [
                f"`{wire.name}`, {channels(wire)} channels",
                f"{cost:.1f}",
                f"{sfreq:.0f}",
                f"{cost * sfreq / 1e4:.1f}",
            ]
        )
    return markdown(["format", "µs a scan", "scans a second", "% of one core"], rows)


def _lumps() -> str:
    lost = [f"{lost_in_lumps(each, 5000)} at {each:g} ms" for each in LUMPS_MS]
    return f"Lost of 5,000 scans of 6 channels, `chords` at 250 Hz: {', '.join(lost)}."


def page(n_scans: int) -> str:
    """Return the page in Markdown."""
    layouts = "\n\n".join(
        f"### {(module.__doc__ or '').strip()}".replace("``", "`") for module in DOCUMENTED
    )
    return f"""# Wire formats

This page is written by `python -m benchmarks.decoders`; the numbers are of that run, with Python
{platform.python_version()} and numpy {np.__version__}. All bytes are made by this repository from
the layouts below; no board was there. EMGT/1 is described in `firmware_bridge/PROTOCOL.md`.

{_formats_table()}

- **real** and **documented** rates are for the channels given. "real" follows from the timer of the
  board with an exact clock; ceramic resonators, as on the Uno, are off by up to 0.5 %, so the rate
  is measured by the computer's clock in any case.
- **counter modulo** N: N scans lost at once, with nothing left of them, look like none. The
  computer's clock has to tell. Without a counter only remains of damaged scans show a loss.
- `chords`: rate, channels and bits are those of the Uno; other boards say their name.
- `bitalino`: its µV per count are as remembered from the data sheet of the EMG sensor, at 3.3 V;
  not verified.

## Through a bad cable

{n_scans:,} scans, no two the same; every byte is dropped, or has one of its bits flipped, with
probability {RATE:g}. That is far worse than any working cable. Seed {SEED}.

{_resilience_table(n_scans)}

- **wrong**: handed out with a value that was not sent. **lost**: neither delivered nor wrong.
- **misplaced**: scans by which the decoder's count of those between two delivered ones is off.
- **flips that nothing guards**: how many scans have, on average, a flip in a bit that no check of
  the layout covers; no decoder can tell. `emgt` and `bitalino` find every single flip.
  In `text` it depends on the digits.
- What the checks are: `emgt` CRC of 16 bits, length, session, range and index. `text` numbers and
  columns, and the clock if it prints one. `byb` bit 7, length, range and the next scan's bit 7.
  `chords` and `openeeg` header, range, last byte and counter. `cyton` header, last byte and
  counter. `bitalino` CRC of 4 bits and counter, and those of the next frame.
- After a damaged frame the next one is believed only if another follows where it should, with the
  next number: that costs good frames between damaged ones, and keeps samples that look like a
  header out.
- Dropped bytes shift those that follow, and only chance lets a shifted frame pass. With
  {MORE_SEEDS} other seeds, wrong scans after drops: {_by_chance(n_scans)}.

## How late

`emgt`: when the packet is complete. `text`: with the end of the line, or with the next line if
its clock is not plausible. `chords` and `openeeg`: when the frame is complete. `byb` and `cyton`:
with the first byte after it. `bitalino`: with the frame after it. At the beginning, and after
damage, the frame after it (`bitalino`: two of them) must have come in any format with a counter
of its own but `emgt`, and the next line in `text`. So the last scan of a stream is not handed out
in `byb`, `cyton` and `bitalino`.

## In lumps

USB adapters hand bytes over in lumps: FTDI every 16 ms, the Uno's own chip every 4.096 ms. Through
a pseudo-terminal in lumps of that size nothing may be lost.

{_lumps()}

## Speed

On {platform.machine()}, in reads of {BYTES_AT_ONCE} bytes, the least processor time of
{REPETITIONS} runs. `text` has no rate of its own; 2 kHz is taken.

{_speed_table(20_000)}

## Layouts

{layouts}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scans", type=int, default=SCANS, help="scans sent in each case")
    PAGE.write_text(page(parser.parse_args().scans), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
