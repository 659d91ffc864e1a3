"""The quality lights: what the last seconds of each channel tell, in words."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch.live.messages import scans_of

if TYPE_CHECKING:
    from emgtwitch.capture.quality import ChannelQuality

JUDGED_S = 8.0
LEAST_S = 3.0  # below, nothing is said; mains and noise need 2 s
BAD_LOSSES = 0.01  # share; below it is a poor line, above a broken one (our choice)
_POOR_SHARE = 0.5  # of what is too much already
_NAMES = ("contact", "mains", "clipping", "losses", "noise")
# By what a problem begins with in `emgtwitch.capture.quality`.
_LIGHT_OF = {
    "no sample arrived": "losses",
    "saturation": "clipping",
    "no signal": "contact",
    "baseline off centre": "contact",
    "mains": "mains",
    "contact": "contact",
    "restless": "noise",
}

Lights = dict[str, dict[str, str]]


def _light(light: str, words: str) -> dict[str, str]:
    return {"light": light, "words": words}


UNKNOWN: Lights = {name: _light("unknown", "listening") for name in _NAMES}


def joined(scans: Sequence[Mapping[str, Any]], n_channels: int, most: int) -> np.ndarray:
    """Return the last scans of some messages in a row: (n_channels, n), µV, NaN where missing.

    Parameters
    ----------
    scans
        ``scans`` messages, the latest last.
    n_channels, most
        Channels, and how many scans at most.
    """
    end = scans[-1]["first"] + scans[-1]["n"]
    begin = max(scans[0]["first"], end - most)
    uv = np.full((n_channels, end - begin), np.nan)
    for message in scans:
        start, stop = message["first"] - begin, message["first"] - begin + message["n"]
        if stop > 0:
            uv[:, max(start, 0) : stop] = scans_of(message, n_channels)[:, max(-start, 0) :]
    return uv


def lights_of(hello: Mapping[str, Any], scans: Sequence[Mapping[str, Any]]) -> list[Lights]:
    """Judge the last seconds of each channel.

    Parameters
    ----------
    hello
        Of the source. If it has ``uv_per_count`` (of each channel) and ``bits``, clipping is
        judged; without, only the converter's steps are estimated.
    scans
        The last ``scans`` messages.

    Returns
    -------
    list of dict
        Light and words of contact, mains, clipping, losses and noise, for each channel.
    """
    names, sfreq = hello["ch_names"], hello["sfreq"]
    if not scans or sum(message["n"] for message in scans) < LEAST_S * sfreq:
        return [UNKNOWN for _ in names]
    # Not at the top: the first judgement loads SciPy, the page need not wait for that.
    from emgtwitch.capture.quality import judge

    uv = joined(scans, len(names), round(JUDGED_S * sfreq))
    told = hello.get("uv_per_count")
    scale = np.array(told or [_step(channel) for channel in uv])
    counts = uv / scale[:, None]
    found = judge(
        np.rint(counts) if told else counts,
        ch_names=names,
        sfreq=sfreq,
        uv_per_count=scale.tolist(),
        bits=hello.get("bits") if told else None,
    )
    lost = np.isnan(uv).mean(axis=1)
    return [_in_words(quality, share) for quality, share in zip(found, lost.tolist(), strict=True)]


def _step(uv: np.ndarray) -> float:
    """Return the least difference between two values, the step of the converter, in µV."""
    values = np.unique(uv[np.isfinite(uv)])
    return float(np.diff(values).min()) if len(values) > 1 else 1.0


def _in_words(quality: "ChannelQuality", lost: float) -> Lights:
    """Return the lights of a channel; `lost` is the share of its samples that are missing."""
    from emgtwitch.capture.quality import LEAST_CODES, MOST_MAINS_UV, MOST_SKIN_NOISE_UV

    lights = dict(UNKNOWN)
    notes = "; ".join(quality.notes)
    if quality.n_codes < LEAST_CODES:
        lights["contact"] = lights["noise"] = _light("unknown", notes or "the signal does not move")
    else:
        lights["contact"] = _light("good", "the signal moves, with no more noise than skin has")
    if math.isfinite(quality.mains_uv):
        words = f"{quality.mains_uv:.0f} µV of {quality.mains_hz:.0f} Hz hum"
        lights["mains"] = _light(_half(quality.mains_uv, MOST_MAINS_UV), words)
    if math.isfinite(quality.at_limit):
        words = f"{100 * quality.at_limit:.2g} % of the samples at the converter's limit"
        lights["clipping"] = _light("poor" if quality.at_limit else "good", words)
    else:
        lights["clipping"] = _light("unknown", "the converter's range is not known")
    if math.isfinite(quality.noise_uv) and quality.n_codes >= LEAST_CODES:
        words = f"{quality.noise_uv:.1f} µV; {notes}"
        lights["noise"] = _light(_half(quality.noise_uv, MOST_SKIN_NOISE_UV), words)
    words = f"{100 * lost:.2g} % of the last {JUDGED_S:.0f} s is missing"
    lights["losses"] = _light("bad" if lost > BAD_LOSSES else "poor", words)
    if not lost:
        lights["losses"] = _light("good", f"nothing of the last {JUDGED_S:.0f} s is missing")
    for problem in quality.problems:
        kind, _, words = problem.partition(": ")
        name = _LIGHT_OF[kind]
        if lights[name]["light"] == "bad":  # for another reason already
            words = f"{lights[name]['words']}; {words}"
        lights[name] = _light("poor" if kind == "restless" else "bad", words)
    return lights


def _half(value: float, most: float) -> str:
    """Return the light of what is not too much, but may be more than half of it."""
    return "poor" if value > _POOR_SHARE * most else "good"
