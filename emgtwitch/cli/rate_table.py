"""Rates of twitches as text for people, and as JSON for programs."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emgtwitch.detection.detections import Detections
    from emgtwitch.detection.rates import ChannelRate

HEADER = ("twitches", "valid min", "per min", "95 %", "noise µV", "floor µV", "excluded")
LEGEND = (
    "per min: twitches per valid minute; 95 %: exact interval of a count of twitches that come\n"
    "independently (Poisson), too narrow for those in bursts, for which the report widens it.\n"
    "noise: rms; floor: peak to peak of a twitch that is found half of the time."
)
_SHORTEST_S = 0.5
_SHORTEST_VALID_S = 30.0  # of valid time for a rate
_MOST_NOISE_UV = 1000.0  # rms; on skin it is 1-20 µV (Huigen 2002)
_LEAST_NOISE_UV = 0.4  # rms, from 20 to 450 Hz: what the heat of 20 kohm makes (Johnson 1928)


def cells(rate: "ChannelRate") -> list[str]:
    """Return the cells of `HEADER` for one channel."""
    return [
        str(rate.count),
        f"{rate.valid_min:.2f}",
        number(rate.rate_per_min),
        f"{number(rate.low_per_min)}–{number(rate.high_per_min)}",
        number(rate.noise_uv),
        number(rate.floor_uv),
        excluded(rate.excluded_s) or "–",
    ]


def number(value: float) -> str:
    """Return a number with one decimal, or n/a."""
    return f"{value:.1f}" if math.isfinite(value) else "n/a"


def excluded(seconds: dict[str, float]) -> str:
    """Return the excluded time by reason, the longest first."""
    longest_first = sorted(seconds.items(), key=lambda entry: -entry[1])
    return ", ".join(
        f"{reason} {time:.0f} s" if time < 120 else f"{reason} {time / 60:.1f} min"
        for reason, time in longest_first
        if time >= _SHORTEST_S
    )


def aligned(rows: Sequence[Sequence[str]], left: int, *, last_left: bool = True) -> list[str]:
    """Return rows as lines: the first `left` columns, and the last if asked, left, others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lefts = {*range(left), *((len(widths) - 1,) if last_left else ())}
    return [
        "  ".join(
            cell.ljust(width) if index in lefts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def as_json(rate: "ChannelRate") -> dict[str, Any]:
    """Return a rate for JSON, None where there is no number."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(rate).items()
    }


def detected_json(recording: Path, table: Path, found: "Detections") -> dict[str, Any]:
    """Return what was found in a recording for JSON."""
    return {
        "recording": str(recording),
        "events": str(table),
        "start": found.start and found.start.isoformat(),
        "recorded_s": found.accounts[0].recorded_s,
        "channels": [as_json(rate) for rate in found.rates()],
    }


def detected_text(recording: Path, table: Path, found: "Detections") -> str:
    """Return what was found in a recording for people."""
    rows = [["channel", "side", *HEADER]]
    rows += [[rate.channel, rate.side or "–", *cells(rate)] for rate in found.rates()]
    about = [f"{found.accounts[0].recorded_s / 60:.1f} min"]
    if found.start:
        about.insert(0, f"{found.start:%Y-%m-%d %H:%M}")
    lines = [f"{shown(recording)} ({', '.join(about)})"]
    lines += [f"  {line}" for line in aligned(rows, left=2)]
    return "\n".join([*lines, f"  → {shown(table)}", ""])


def shown(path: Path) -> str:
    """Return a path as short as it can be told, and printable."""
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return os.fsencode(shown).decode("utf-8", "replace")


def doubts(found: "Detections") -> Iterator[str]:
    """Yield what speaks against the rate of a channel."""
    for rate in found.rates():
        if rate.valid_min == 0:
            reason = max(rate.excluded_s, key=lambda reason: rate.excluded_s[reason])
            why = "no quiet stretch to learn the noise from" if reason == "warm-up" else reason
            yield f"{rate.channel}: no valid time: {why}"
        elif 60 * rate.valid_min < _SHORTEST_VALID_S:
            yield f"{rate.channel}: {60 * rate.valid_min:.0f} valid s are too short for a rate"
        if rate.noise_uv > _MOST_NOISE_UV:
            yield f"{rate.channel}: noise of {rate.noise_uv:.0f} µV: the unit is probably wrong"
        elif rate.noise_uv < _LEAST_NOISE_UV:
            yield (
                f"{rate.channel}: noise of {rate.noise_uv:.2g} µV, less than skin makes: the unit "
                "is probably wrong, or this is no raw signal but a smoothed envelope"
            )
