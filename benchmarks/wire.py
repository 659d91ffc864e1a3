"""EMGT/1 through a bad cable: no corrupted scan is accepted, every lost one is counted.

Run from the root of the repository: ``python -m benchmarks.wire``; ``--scans`` sets how many are
sent in each case. Frames of the test signal NOISE are damaged and given to the decoder; every scan
that it hands out is compared with the one sent. Exit status 1 if one differs or the count of lost
scans is wrong. The second table says where the damaged packets end, and from that how many can be
expected to pass unseen.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.tables import markdown
from firmware_bridge import frames
from firmware_bridge.decoders import Block
from firmware_bridge.decoders.emgt import EmgtDecoder

SEED = 1999
SCANS = 1_000_000
BITS = 10
SESSION = 1
FRAMES_AT_ONCE = 5000
# (channels, scans per frame): what the firmware sends by default, and with all its inputs.
LAYOUTS = ((2, 20), (6, 6))
# An error that changes an even number of bits, not all within 16, passes one of 2^15 CRCs: the
# polynomial has the factor x + 1, so all odd ones are found.
PASSES = 2**-15


@dataclass(frozen=True)
class Damage:
    """Probability that a byte is lost, has one bit flipped, comes twice; per bit, that it flips.

    Whole packets come twice as often as bytes do.
    """

    drop: float = 0.0
    flip: float = 0.0
    duplicate: float = 0.0
    bit: float = 0.0


CASES = {
    "bytes dropped": Damage(drop=1e-3),
    "one bit flipped": Damage(flip=1e-3),
    "dropped, flipped, doubled": Damage(1e-3, 1e-3, 1e-3),
    "each bit wrong": Damage(bit=1e-3),
}


@dataclass(frozen=True)
class Outcome:
    """What became of the scans of one case; `ends` counts the damaged packets by where they end."""

    sent: int
    accepted: int
    corrupted: int
    lost_counted: int
    ends: Counter[str]

    @property
    def right(self) -> bool:
        """No scan that was not sent, none lost without being counted."""
        return self.corrupted == 0 and self.lost_counted == self.sent - self.accepted


def damaged(wire: bytes, damage: Damage, rng: np.random.Generator) -> tuple[bytes, np.ndarray]:
    """Return what arrives of `wire`, and of each byte of it the place where it was sent."""
    sent = np.frombuffer(wire, np.uint8)
    one_bit = 1 << rng.integers(0, 8, sent.size)
    flips = np.where(rng.random(sent.size) < damage.flip, one_bit, 0).astype(np.uint8)
    if damage.bit:
        flips ^= np.packbits(rng.random((sent.size, 8)) < damage.bit, axis=1)[:, 0]
    times = 1 + (rng.random(sent.size) < damage.duplicate) - (rng.random(sent.size) < damage.drop)
    return np.repeat(sent ^ flips, times).tobytes(), np.repeat(np.arange(sent.size), times)


def end_of(packet: bytes, sent: bytes) -> str:
    """Return what an arrived packet is stopped by, or ``whole``; `sent` is the one it was."""
    try:
        data, was = frames.cobs_decode(packet), frames.cobs_decode(sent)
    except frames.FrameError:
        return "COBS"
    if data == was:
        return "whole"
    if len(data) != len(was) or data[0] != frames.Data.TYPE:
        return "length or type"
    error = int.from_bytes(data, "big") ^ int.from_bytes(was, "big")
    lowest = (error & -error).bit_length()
    if error.bit_count() % 2 or error.bit_count() < 4 or error.bit_length() - lowest < 16:
        return "CRC for certain"
    rules = max(data[10:-2:2]) < 2 ** (BITS - 8) and data[1] == was[1] and data[6] == was[6]
    return "CRC alone" if rules else "CRC or a rule"


def _sent(n_channels: int, n: int, first: int, stop: int) -> Iterator[bytes]:
    """Yield the packets of scans first … stop - 1."""
    samples = _truth(n_channels, first, stop).T.astype("<u2").tobytes()
    size = 2 * n_channels * n
    for place, scan in enumerate(range(first, stop, n)):
        part = samples[place * size : (place + 1) * size]
        yield frames.encode(frames.Data(SESSION, scan, n, frames.TEST_SIGNAL, 0, part))


def _truth(n_channels: int, first: int, stop: int) -> np.ndarray:
    return frames.test_signal(frames.NOISE, np.arange(first, stop), n_channels, BITS)


def _differing(block: Block) -> int:
    """Return how many scans of a block are not those sent."""
    truth = _truth(len(block.counts), block.first, block.first + block.counts.shape[1])
    return int((block.counts != truth).any(axis=0).sum())


def run(n_channels: int, n: int, damage: Damage, scans: int, seed: int = SEED) -> Outcome:
    """Send `scans`, rounded up to whole frames, and a last undamaged frame."""
    rng = np.random.default_rng(seed)
    decoder = EmgtDecoder(n_channels, BITS, SESSION)
    ends: Counter[str] = Counter()
    accepted = corrupted = 0
    total = -(-scans // n) * n
    for first in range(0, total, FRAMES_AT_ONCE * n):
        packets = list(_sent(n_channels, n, first, min(total, first + FRAMES_AT_ONCE * n)))
        twice = rng.random(len(packets)) < damage.duplicate
        packets = [packets[place] for place in np.repeat(np.arange(len(packets)), 1 + twice)]
        arrived, places = damaged(b"".join(packets), damage, rng)
        # An undamaged 00 ends every piece, so that the packets of a piece can be told apart here.
        blocks = decoder.feed(arrived + b"\0")
        start = 0
        owner = np.repeat(np.arange(len(packets)), [len(packet) for packet in packets])[places]
        for packet in arrived.split(b"\0"):
            if packet:
                middle = owner[start + len(packet) // 2]
                ends[end_of(packet, packets[middle][:-1])] += 1
            start += len(packet) + 1
        for block in blocks:
            assert isinstance(block, Block)
            accepted += block.counts.shape[1]
            corrupted += _differing(block)
    last = decoder.feed(next(_sent(n_channels, n, total, total + n)))
    assert len(last) == 1
    return Outcome(total, accepted, corrupted, decoder.statistics.lost_scans, ends)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scans", type=int, default=SCANS, help="scans sent in each case")
    scans = parser.parse_args().scans
    outcomes = {
        (layout, name): run(*layout, damage, scans)
        for layout in LAYOUTS
        for name, damage in CASES.items()
    }
    cases = [[f"{n_channels} channels by {n}", name] for (n_channels, n), name in outcomes]
    print(f"Rates 1e-3 of each kind, seed {SEED}\n")
    print(
        markdown(
            ["frames", "damage", "scans sent", "lost", "counted as lost", "corrupted accepted"],
            [
                case
                + [
                    f"{value:,}"
                    for value in (o.sent, o.sent - o.accepted, o.lost_counted, o.corrupted)
                ]
                for case, o in zip(cases, outcomes.values(), strict=True)
            ],
        )
    )
    print()
    stops = ["COBS", "length or type", "CRC for certain", "CRC or a rule", "CRC alone"]
    print(
        markdown(
            ["frames", "damage", *stops, "unseen of 10^7 scans, CRC only", "with the rules"],
            [
                case
                + [f"{o.ends[stop]:,}" for stop in stops]
                + [
                    f"{PASSES * open_to_it * 1e7 / o.sent:.2g}"
                    for open_to_it in (
                        o.ends["CRC or a rule"] + o.ends["CRC alone"],
                        o.ends["CRC alone"],
                    )
                ]
                for case, o in zip(cases, outcomes.values(), strict=True)
            ],
        )
    )
    return 0 if all(outcome.right for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
