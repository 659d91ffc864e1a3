"""``emgtwitch check``: whether the signal is good enough to record."""

import argparse
import json
import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from emgtwitch.cli import options
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from emgtwitch.capture.quality import ChannelQuality
    from firmware_bridge.device import Device

_EPILOG = f"""\
{options.SAFETY}

Lie as for the recording, with the leg relaxed. The exit status is 0 if all channels are ready, and
1 if something is to be mended.

examples:
  emgtwitch check --port /dev/ttyACM0
  emgtwitch check --port COM4 --seconds 20 --channels calf_L calf_R"""
_DEFAULT_S = 8.0
_SETTLE_S = 1.0  # after the start, while amplifiers and filters swing in; not judged
_READ_S = 0.2


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    options.add_device_options(parser)
    parser.add_argument(
        "--seconds",
        metavar="S",
        type=float,
        default=_DEFAULT_S,
        help=f"how long to listen, 3 to 300 (default: {_DEFAULT_S:g})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of words")


def run(arguments: argparse.Namespace) -> int:
    """Listen, judge each channel, and say what to mend."""
    from emgtwitch.capture.quality import judge
    from emgtwitch.recording.profile import Channel, Profile

    if not 3 <= arguments.seconds <= 300:
        raise InputError(f"--seconds {arguments.seconds:g}: must be 3 to 300")
    named = arguments.channels
    with options.opened_device(arguments, len(named) if named else None) as device:
        info = device.info
        scale = options.device_scale(arguments, info)
        names = named or info.ch_names
        if len(names) != info.n_channels:
            raise InputError(f"{len(names)} names for {info.n_channels} channels of the board")
        Profile("check", tuple(Channel(name) for name in names))  # refuses what record refuses
        counts = _listen(device, arguments.seconds)
        statistics = device.statistics
    found = judge(
        counts, ch_names=names, sfreq=round(info.sfreq), uv_per_count=scale, bits=info.bits
    )
    lost = statistics.lost_scans
    if arguments.json:
        print(json.dumps(_as_json(found, lost), indent=2))
    else:
        print(options.device_in_words(info))
        for quality in found:
            print(_in_words(quality))
        print(_verdict(found, lost, counts.shape[1]))
    return 0 if all(quality.ready for quality in found) else 1


def _listen(device: "Device", seconds: float) -> "np.ndarray":
    """Return the counts of so many seconds, (n_channels, n_scans), NaN where lost."""
    import numpy as np
    from tqdm import tqdm

    from firmware_bridge.decoders import Block

    sfreq = float(device.info.sfreq)
    settle, wanted = round(_SETTLE_S * sfreq), round((_SETTLE_S + seconds) * sfreq)
    counts = np.full((device.info.n_channels, wanted), np.nan)
    device.start()
    until_s = time.monotonic() + 2 * (_SETTLE_S + seconds)
    end = 0
    with tqdm(
        total=round(_SETTLE_S + seconds), desc="listening", unit="s", disable=None, leave=False
    ) as bar:
        while end < wanted and time.monotonic() < until_s:
            for item in device.read(_READ_S):
                if isinstance(item, Block):
                    part = item.counts[:, : max(0, wanted - item.first)]
                    counts[:, item.first : item.first + part.shape[1]] = part
                    end = item.first + item.counts.shape[1]
            bar.update(round(min(end, wanted) / sfreq) - bar.n)
    device.stop()
    return counts[:, settle : max(settle, min(end, wanted))]


def _as_json(found: "list[ChannelQuality]", lost: int) -> dict[str, Any]:
    def number(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    channels = [
        {name: number(value) for name, value in asdict(quality).items()} | {"ready": quality.ready}
        for quality in found
    ]
    return {
        "ready": all(quality.ready for quality in found),
        "lost_scans": lost,
        "channels": channels,
    }


def _in_words(quality: "ChannelQuality") -> str:
    facts = {
        "noise": f"{quality.noise_uv:.1f} µV" if math.isfinite(quality.noise_uv) else "unknown",
        "mains": f"{quality.mains_uv:.1f} µV" if math.isfinite(quality.mains_uv) else "unknown",
        "converter step": f"{quality.lsb_uv:.3g} µV",
    }
    if math.isfinite(quality.baseline):
        facts["baseline"] = f"{100 * quality.baseline:.0f} % of the range"
    lines = [f"{quality.channel}: {'ready' if quality.ready else 'NOT READY'}"]
    lines += [f"  to mend: {problem}" for problem in quality.problems]
    lines += [f"  {note}" for note in quality.notes]
    return "\n".join([*lines, "  " + ", ".join(f"{name} {fact}" for name, fact in facts.items())])


def _verdict(found: "list[ChannelQuality]", lost: int, n_scans: int) -> str:
    losses = f"; {lost} of {n_scans + lost} scans were lost on the way" if lost else ""
    bad = [quality.channel for quality in found if not quality.ready]
    return f"Not ready: {', '.join(bad)}{losses}" if bad else f"Ready{losses}"
