"""The page of one recording: what it shows, every twitch, how they come, examples."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from emgtwitch.comparison.coincidence import NEAR_S
from emgtwitch.comparison.patterns import AMPLITUDE_EDGES_UV, INTERVAL_EDGES_S
from emgtwitch.comparison.recordings import ChannelSummary, RecordingSummary
from emgtwitch.reports.answer import of_recording
from emgtwitch.reports.bands import bands_of
from emgtwitch.reports.figures_recording import histograms, raster, side_sums
from emgtwitch.reports.figures_study import SYMPTOMS
from emgtwitch.reports.figures_waveforms import waveform_figure
from emgtwitch.reports.pieces import (
    Html,
    data_table,
    element,
    facts,
    figure,
    paragraph,
    say,
    shortened,
    table,
)
from emgtwitch.reports.view import Source, View
from emgtwitch.reports.words import (
    NOTHING,
    estimated,
    excluded,
    muscle,
    number,
    plain,
    plural,
)


def page_recording(view: View, index: int) -> Html:
    """Return the page of a recording, given which of the study it is."""
    recording, source = view.recordings[index], view.sources[index]
    title = view.label(recording)
    return element(
        "div",
        element("h2", say(title), id=f"recording-{index + 1}"),
        paragraph(of_recording(view, recording), class_="more"),
        _facts(recording, source),
        _channels(recording),
        paragraph(" ".join(_further(recording)), class_="about"),
        _raster(recording, source),
        _histograms(recording),
        _scatter(recording),
        _waveforms(source),
        class_="sheet",
    )


def _facts(recording: RecordingSummary, source: Source) -> Html:
    occasion = recording.occasion
    felt = [(SYMPTOMS[name][0], f"{value:g}") for name, value in occasion.felt.items()]
    others = [(shortened(name, 30), told) for name, told in occasion.more.items()]
    return facts(
        [
            ("recording", recording.name),
            ("reviewed by", source.reviewed),
            ("posture", occasion.posture),
            ("exercise", occasion.exercise),
            ("treatment", occasion.treatment),
            *felt,
            *others[:6],
            ("notes", occasion.notes),
        ]
    )


def _channels(recording: RecordingSummary) -> Html:
    header = (
        "Channel", "twitches", "valid min", "per min (95 %)", "alone", "in twos", "in bursts",
        "median µV", "noise µV", "floor µV",
    )  # fmt: skip
    rows = [
        [
            _name(channel),
            channel.rate.count if channel.rate else 0,
            number(channel.valid_min),
            estimated(channel.rate.per_min if channel.rate else None),
            *map(_percent, _shares(channel)),
            number(float(channel.patterns.amplitude_quantiles_uv[1])),
            number(channel.noise_uv),
            number(channel.floor_uv),
        ]
        for channel in recording.channels
    ]
    caption = (
        "All twitches, whatever their size. In twos and in bursts: within 250 ms of each other."
    )
    return table(header, rows, caption=caption, stacked=True)


def _name(channel: ChannelSummary) -> str:
    about = " ".join(filter(None, (channel.side, muscle(channel.muscle))))
    name = shortened(channel.channel, 40)
    return f"{name} ({about})" if about else name


def _shares(channel: ChannelSummary) -> tuple[float, float, float]:
    patterns = channel.patterns
    return patterns.isolated_share, patterns.doublet_share, patterns.burst_share


def _percent(share: float) -> str:
    return f"{share:.0%}" if np.isfinite(share) else NOTHING


def _raster(recording: RecordingSummary, source: Source) -> Html:
    channels = [channel for band in bands_of(recording.channels) for channel in band.channels]
    counts = ", ".join(
        f"{shortened(c.channel, 30)} {plural(c.rate.count if c.rate else 0, 'twitch')}"
        for c in channels
    )
    rows = [
        [
            shortened(channel.channel, 40),
            f"{plain(start / 60, 4)} to {plain(stop / 60, 4)}",
            count,
            number(minutes),
            number(rate),
        ]
        for channel in channels
        for start, stop, count, minutes, rate in zip(
            channel.course.start_s,
            channel.course.stop_s,
            channel.course.count.tolist(),
            channel.course.valid_min,
            channel.course.per_min,
            strict=True,
        )
    ]
    header = ("Channel", "min", "twitches", "valid min", "per min")
    caption = (
        "Left upwards, right downwards. Shaded: not searched; hatched: samples missing or "
        "amplifier at its limit."
    )
    if len(channels) < len(recording.channels):
        caption += (
            f" {len(channels)} of {len(recording.channels)} channels, those that twitch most."
        )
    finding = f"Twitches over the recording: {counts}"
    return figure(
        raster(recording, source.entry.found), finding, caption, data_table(header, rows, left=2)
    )


def _histograms(recording: RecordingSummary) -> Html:
    if not any(channel.rate and channel.rate.count for channel in recording.channels):
        return paragraph("Without a twitch there are no intervals and no sizes.", class_="about")
    zones = recording.channels[0].patterns.zones
    told = ", ".join(
        f"{k} {zone.reading}{'' if zone.resolved else ' (too near to be seen here)'}"
        for k, zone in enumerate(zones, start=1)
    )
    shares = "; ".join(
        f"{shortened(c.channel, 30)}: {', '.join(map(_percent, _shares(c)))}"
        for c in recording.channels[:6]
    )
    finding = f"How twitches come, shares alone, in twos and in bursts: {shares}"
    caption = (
        f"Left upwards, right downwards. Zones by what such intervals may come from, which is no "
        f"proof: {told}. Dashed: detection floor, below which twitches are missed."
    )
    intervals = side_sums(recording.channels, lambda c: c.patterns.intervals)
    sizes = side_sums(recording.channels, lambda c: c.patterns.amplitudes)
    rows = [
        *_bins("interval, ms", 1000 * INTERVAL_EDGES_S, intervals),
        *_bins("size, µV", AMPLITUDE_EDGES_UV, sizes),
    ]
    header = ("Of", "from", "to", *(side or "no side" for side in intervals))
    return figure(histograms(recording), finding, caption, data_table(header, rows))


def _bins(
    name: str, edges: np.ndarray, counts: dict[str | None, np.ndarray]
) -> Iterator[Sequence[object]]:
    """Yield the bins in which something was counted."""
    for k, (low, high) in enumerate(pairwise(edges)):
        mine = [int(values[k]) for values in counts.values()]
        if any(mine):
            yield [name, plain(low), plain(high), *mine]


def _scatter(recording: RecordingSummary) -> Html:
    """Return how unevenly twitches came, and what that makes of the intervals."""
    counted = [(c, c.rate) for c in recording.channels if c.rate and c.rate.count > 1]
    lengths = [set(c.dispersion.bin_s.tolist()) for c, _ in counted]
    common = sorted(set.intersection(*lengths)) if lengths else []
    if not common:
        return Html("")
    step = common[-1]
    rows = []
    for channel, rate in counted:
        told = channel.dispersion
        at = told.bin_s.tolist().index(step)
        rows.append(
            [
                shortened(channel.channel, 40),
                number(told.fano[at]),
                f"{number(told.fano_low[at])} to {number(told.fano_high[at])}",
                number(told.allan[at]),
                f"{number(told.allan_low[at])} to {number(told.allan_high[at])}",
                f"{rate.count / rate.widening:.0f} of {rate.count}",
                f"{number(rate.exact_low)} to {number(rate.exact_high)}",
            ]
        )
    caption = (
        "Do they come evenly? Twitches in bursts, or more often at times, count as fewer in the "
        f"interval of the rate. Scatter of counts in {step} s: 1 if they come independently and "
        "steadily, but for chance."
    )
    header = (
        "Channel", "scatter", "chance alone", "step to step", "chance alone",
        "count as", "per min if independent",
    )  # fmt: skip
    return table(header, rows, caption=caption, stacked=True)


def _waveforms(source: Source) -> Html:
    waveforms = source.waveforms
    if waveforms is None:
        return paragraph(
            "Mean shapes and examples need the recording itself; only its event table was at hand.",
            class_="about",
        )
    found = source.entry.found
    if not (waveforms.shapes or waveforms.counted or waveforms.rejected):
        return paragraph("There is no event to show an example of.", class_="about")
    sides = dict(zip(found.ch_names, found.sides, strict=True))
    rows: list[Sequence[object]] = [
        [
            "mean shape",
            shortened(name, 40),
            f"class {shape.unit}, {shape.count} twitches",
            number(float(np.ptp(shape.mean_uv))),
        ]
        for name, shapes in waveforms.shapes.items()
        for shape in shapes
    ]
    rows += [
        [
            "not counted" if example.reason else "counted",
            shortened(example.channel, 40),
            f"at {example.peak_s:.2f} s{f', {example.reason}' if example.reason else ''}",
            number(float(np.ptp(example.signal_uv))),
        ]
        for example in (*waveforms.counted, *waveforms.rejected)
    ]
    reasons = ", ".join(dict.fromkeys(example.reason for example in waveforms.rejected))
    finding = (
        f"Examples: {len(waveforms.counted)} counted, {len(waveforms.rejected)} not counted"
        + (f" because of {reasons}" if reasons else "")
    )
    caption = (
        "Left: mean shapes of the most frequent classes with their standard deviation; a class is "
        "no motor unit. Right: 100 ms around events, above 20 Hz, each with its own scale (bar); "
        "reasons: see Methods."
    )
    header = ("What", "channel", "which", "µV peak to peak")
    return figure(
        waveform_figure(waveforms, sides), finding, caption, data_table(header, rows, left=3)
    )


def _further(recording: RecordingSummary) -> Iterator[str]:
    """Yield what was left out, and how often both sides twitched at once."""
    out = {
        shortened(channel.channel, 30): told
        for channel in recording.channels
        if (told := excluded(channel.excluded_s))
    }
    if out:
        yield f"Left out: {'; '.join(f'{name} {told}' for name, told in out.items())}."
    for both in recording.both_at_once:
        found = both.coincidence
        yield (
            f"At once on both sides ({muscle(both.muscle)}, within {1000 * NEAR_S:.0f} ms): "
            f"{found.observed} of {found.left} on the left and {found.right} on the right; chance "
            f"alone brings {plain(found.low)} to {plain(found.high)}."
        )
