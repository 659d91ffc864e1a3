"""The last page: how it was measured, with every setting, version and exclusion."""

import platform
from collections.abc import Sequence

import numpy as np

from emgtwitch import __version__
from emgtwitch.comparison.recordings import CUT_FACTOR
from emgtwitch.reports.body_map import SOURCE
from emgtwitch.reports.limits import LIMITS
from emgtwitch.reports.page_answer import link
from emgtwitch.reports.pieces import Html, element, paragraph, say, shortened, table
from emgtwitch.reports.view import View
from emgtwitch.reports.words import duration, number, plain

_REASONS = (
    ("contraction", "lies in or beside sustained activity, or is one of a regular train"),
    ("motion", "rides on a slow swing, below 20 Hz, that is as large"),
    ("pop", "rises by most of its height within a millisecond: an electrode"),
    ("glitch", "is an impulse of one or two samples"),
    ("common-mode", "is seen on the other leg too, at the same moment and in the same shape"),
    ("crosstalk", "is a small copy of a much larger potential in another channel"),
    ("too long", "lasts longer than 40 ms"),
    ("noise", "does not stand out against the second around it"),
    ("converter step", "is smaller than 2.9 steps of the analogue-to-digital converter"),
    ("gap, saturation, flat line, warm-up", "lies in or beside such a stretch"),
)
_HOW = (
    (
        "Detection",
        "The signal is band-passed from 20 to 450 Hz, mains hum and impulses are removed, and the "
        "energy of the whitened signal in a bank of potential shapes is compared with a threshold "
        "for the wanted rate of false alarms. Candidates then pass gates, listed below.",
    ),
    (
        "Rates",
        "Twitches over valid minutes; the interval is that of a Poisson count with the Jeffreys "
        "prior. Twitches come in bursts and their rate drifts, so counts are first divided by how "
        "much more they scatter, as six slow cosine waves over the recording and the bursts "
        "themselves show. It holds for this recording, not for others.",
    ),
    (
        "Do twitches come evenly",
        "Scatter is the Fano factor, variance over mean of the counts in steps of valid time; step "
        "to step is the Allan factor, the mean square of their successive differences over twice "
        "the mean, which a slow drift does not raise. Both are 1 for independent twitches at a "
        "steady rate, and by chance alone in the range beside them in 95 of 100 such series. They "
        "describe; what a count is worth comes from the cosine waves and the bursts, see Rates.",
    ),
    (
        "Left and right",
        "Given both counts together, the left one is binomial (Jeffreys interval, widened in the "
        f"same way). Only twitches of at least {CUT_FACTOR:g} times the worst detection floor of "
        "all recordings count, cleared of what noise adds to their size, so that both sides count "
        "alike. At the floor a twitch is found half of the time.",
    ),
    (
        "Across recordings",
        "The session is the unit; those of one session and condition are added up. Typical: "
        "geometric mean with the t interval of the logarithms, from three sessions on; counts "
        "pooled over sessions would promise too much. Trend: straight line through the logarithms, "
        "from four weeks on. Before and after: Welch's interval of the logarithms.",
    ),
    (
        "At once on both sides",
        "Twitches with one of the other side within 25 ms, against 499 shifts in time of one side.",
    ),
)
_LITERATURE = (
    "Brown, Cai & DasGupta 2001, Stat Sci 16:101 (Jeffreys intervals).",
    "Lazarus, Lewis, Stock & Watson 2018, J Bus Econ Stat 36:541 (scatter by cosine waves).",
    "Kleine et al. 2008 and 2012 (intervals between fasciculations, F-wave partners).",
    "Sleutjes et al. 2016 (isolated: more than 250 ms to both sides).",
    "De Luca et al. 2010, J Biomech 43:1573 (movement is mostly below 20 Hz).",
    SOURCE,
)


def page_methods(view: View) -> Html:
    """Return the page."""
    how = [element("p", element("strong", f"{name}."), say(f" {told}")) for name, told in _HOW]
    literature = [element("li", say(line)) for line in _LITERATURE]
    return element(
        "div",
        element("h2", "Methods, settings and limits"),
        paragraph(" ".join(LIMITS.split()), class_="limits"),
        *how,
        element("h3", "Settings of the detector"),
        _settings(view),
        element("h3", "Time left out"),
        _exclusions(view),
        element("h3", "Candidates not counted"),
        _rejected(view),
        element("h3", "Software"),
        paragraph(versions()),
        element("h3", "Literature"),
        element("ul", *literature),
        class_="sheet",
    )


def versions() -> str:
    """Return the versions of what made the report."""
    import matplotlib
    import mne
    import scipy

    parts = (
        ("emgtwitch", __version__),
        ("Python", platform.python_version()),
        ("NumPy", np.__version__),
        ("SciPy", scipy.__version__),
        ("MNE-Python", mne.__version__),
        ("Matplotlib", matplotlib.__version__),
    )
    return ", ".join(f"{name} {version}" for name, version in parts) + "."


def _settings(view: View) -> Html:
    """Return a table with a row for each set of settings that was used."""
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for k, source in enumerate(view.sources):
        found = source.entry.found
        told = {"version": found.version, **_flat(found.settings)}
        groups.setdefault(tuple(told.items()), []).append(k)
    names = list(dict.fromkeys(name for group in groups for name, _ in group))
    columns = [dict(group) for group in groups]
    header = ["Setting", *(_which(view, mine) for mine in groups.values())]
    rows = [[name, *(column.get(name, "n/a") for column in columns)] for name in names]
    if len(columns) <= 4:
        return table(header, rows, left=len(header))
    rows = [[_which(view, mine), *map("; ".join, [[f"{n} {v}" for n, v in g]])]
            for g, mine in groups.items()]  # fmt: skip
    return table(("Recordings", "settings"), rows, left=2)


def _flat(settings: object) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in dict(settings).items():  # type: ignore[call-overload]
        if isinstance(value, dict):
            parts = (f"{shortened(key, 30)} {_number(part)}" for key, part in value.items())
            flat[_words(name)] = shortened(", ".join(parts))
        else:
            flat[_words(name)] = _number(value)
    return flat


def _words(name: str) -> str:
    """Return the name of a setting in words, its unit in brackets."""
    words = shortened(name, 40).replace("_", " ")
    return words.replace(" uv", " (µV)").replace(" hz", " (Hz)")


def _number(value: object) -> str:
    return plain(value, 4) if isinstance(value, float) else shortened(value, 60)


def _which(view: View, mine: Sequence[int]) -> str:
    if len(mine) == len(view.recordings):
        return "all recordings"
    names = ", ".join(str(k + 1) for k in mine[:12])
    return f"recording {names}{', …' if len(mine) > 12 else ''}"


def _exclusions(view: View) -> Html:
    reasons = list(
        dict.fromkeys(why for r in view.recordings for c in r.channels for why in c.excluded_s)
    )
    rows = [
        [
            "" if row else Html(f"{k + 1}. {link(view, k)}"),
            shortened(channel.channel, 40),
            number(channel.recorded_min),
            number(channel.valid_min),
            *(duration(channel.excluded_s.get(why, 0.0)) for why in reasons),
        ]
        for k, recording in enumerate(view.recordings)
        for row, channel in enumerate(recording.channels)
    ]
    header = ("Recording", "channel", "recorded min", "valid min", *reasons)
    return table(header, rows, left=2)


def _rejected(view: View) -> Html:
    counts: dict[str, int] = {}
    for recording in view.recordings:
        for channel in recording.channels:
            for why, n in channel.rejected.items():
                counts[why] = counts.get(why, 0) + n
    rows = []
    for names, told in _REASONS:
        n = sum(counts.get(name, 0) for name in names.split(", "))
        rows.append([names, told, n])
    return table(("Reason", "The candidate …", "candidates"), rows, left=2)
