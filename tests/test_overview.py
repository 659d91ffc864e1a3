"""The picture of a recording, also of unusual ones."""

from dataclasses import replace

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose

from emgtwitch import detect
from emgtwitch.reports.envelope import envelope
from emgtwitch.reports.overview import overview, save_overview


def raw_of(signal_uv, ch_names):
    info = mne.create_info(ch_names, 1000.0, "emg")
    return mne.io.RawArray(signal_uv * 1e-6, info, verbose=False)


def signal_with_twitches(seconds, channels):
    """White noise of 4 µV with a biphasic potential of 100 µV each second."""
    signal = np.random.default_rng(6).normal(scale=4.0, size=(channels, seconds * 1000))
    u = np.arange(-15, 16) / 2.4
    potential = -u * np.exp(-(u**2) / 2) * 82
    for second in range(3, seconds):
        signal[:, second * 1000 : second * 1000 + 31] += (
            potential * (1 + np.arange(channels) % 3)[:, None]
        )
    return signal


def drawn(signal_uv, ch_names):
    raw = raw_of(signal_uv, ch_names)
    found = detect(raw)
    figure = overview(raw, found, title="12 January 2026, 21:00 · rest")
    figure.canvas.draw()
    return found, figure


def test_left_above_right_and_the_rate_below():
    signal = signal_with_twitches(12, 2)
    signal[1] = np.random.default_rng(7).normal(scale=4.0, size=signal.shape[1])
    signal[1, 6000:7000] = np.nan
    found, figure = drawn(signal[::-1], ["calf_R", "calf_L"])
    above, middle, below = figure.axes
    assert above.get_title(loc="left").startswith("Left · calf_L: ")
    assert middle.get_title(loc="left").startswith("Right · calf_R: ")
    assert below.get_xlim() == (0, 12)
    assert above.get_ylim() == middle.get_ylim()  # one scale
    marks = above.lines[0].get_xdata()
    assert_allclose(marks, found.twitches("calf_L")["peak_time"])
    assert len(marks) >= 6
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    searched_not = ["not searched: warm-up", "samples missing"]
    assert legend == ["twitch, left", "twitch, right", *searched_not]
    assert any("hum and glitches included" in text.get_text() for text in figure.texts)
    assert [axis.get_ylabel() for axis in figure.axes] == ["µV", "µV", "per minute"]
    assert "min:s" in below.get_xlabel()
    assert figure.get_suptitle() == "12 January 2026, 21:00 · rest"


@pytest.mark.parametrize("seconds", [1, 20])
def test_a_single_channel_of_unknown_side_without_twitches(seconds):
    signal = np.random.default_rng(8).normal(scale=4.0, size=(1, seconds * 1000))
    _, figure = drawn(signal, ["EMG1"])
    trace, _ = figure.axes
    assert trace.get_title(loc="left").startswith("EMG1: ")


def test_a_rejected_candidate_is_marked_unless_its_time_is_shaded():
    signal = signal_with_twitches(12, 1)
    signal[0, 7500:] += 400  # the step of an electrode
    signal[0, 9500:9900] = np.nan
    found, figure = drawn(signal, ["calf_L"])
    rejected = found.events[np.isin(found.events["reason"], ["pop", "motion"])]
    assert "pop" in rejected["reason"]
    assert_allclose(figure.axes[0].lines[1].get_xdata(), rejected["peak_time"])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "rejected (artefact)" in legend
    row = found.events[found.events["reason"] == "pop"][:1].copy()
    row["peak_time"] = 9.7  # in the gap
    contraction = row.copy()
    contraction["peak_time"], contraction["reason"] = 6.5, "contraction"
    more = replace(found, events=np.concatenate([found.events, row, contraction]))
    figure = overview(raw_of(signal, ["calf_L"]), more, title="")
    assert_allclose(figure.axes[0].lines[1].get_xdata(), rejected["peak_time"])


def test_the_legend_fits_with_all_that_can_be_in_it():
    signal = np.random.default_rng(3).normal(0, 4, (2, 60_000))
    signal += signal_with_twitches(60, 2)
    signal[0, 20_000:30_000] *= 30
    signal[0, 40_000:42_000] = np.nan
    signal[0, 45_000:45_500] = 3000
    signal[1, 20_000:25_000] = 0
    signal[1, 9500:] += 400
    _, figure = drawn(signal, ["calf_L", "calf_R"])
    figure.draw_without_rendering()
    legend = figure.legends[0]
    assert len(legend.get_texts()) == 8
    box = legend.get_window_extent()
    assert box.x1 <= figure.bbox.x1
    time = figure.axes[-1].xaxis.label.get_window_extent()
    assert 0 <= box.y0 < box.y1 < time.y0


def test_many_channels_show_the_busiest():
    names = [f"GM{i}_{side}" for i in range(8) for side in "LR"]
    found, figure = drawn(signal_with_twitches(8, 16), names)
    assert len(figure.axes) == 12 + 1
    assert any("12 of 16 channels" in text.get_text() for text in figure.texts)
    shown = [axis.get_title(loc="left").split()[2].rstrip(":") for axis in figure.axes[:-1]]
    assert shown == sorted(shown, key=lambda name: name[-1])  # left above right
    counts = {rate.channel: rate.count for rate in found.rates()}
    hidden = set(names) - set(shown)
    assert max(counts[name] for name in hidden) <= min(counts[name] for name in shown)


def test_nothing_but_gaps():
    signal = np.full((2, 9000), np.nan)
    _, figure = drawn(signal, ["calf_L", "calf_R"])
    assert "no valid time" in figure.axes[0].get_title(loc="left")


def test_the_envelope_is_that_of_the_signal():
    signal = np.random.default_rng(9).normal(scale=4.0, size=(2, 25_003)) + 300.0
    signal[0, 100:9_000] = np.nan
    signal[1, 12_345] += 200
    raw = raw_of(signal, ["a", "b"])
    time_s, low, high = envelope(raw, ["b", "a"], 250)
    assert low.shape == high.shape == (2, len(time_s)) == (2, 248)
    assert (low[np.isfinite(low)] <= high[np.isfinite(high)]).all()
    assert np.isnan(low[1]).sum() == 88  # columns of 101 samples that lie wholly in the gap
    assert np.abs(np.nanmedian(high + low)) < 2  # the offset is gone
    assert time_s[np.argmax(high[0])] == pytest.approx(12.345, abs=0.06)
    assert high[0].max() > 150
    assert_allclose(envelope(raw, ["b"], 100_000)[1].shape, (1, 25_003))


def test_a_picture_is_written_whole(tmp_path, monkeypatch):
    raw = raw_of(signal_with_twitches(6, 1), ["calf_L"])
    found = detect(raw)
    save_overview(tmp_path / "calf.png", raw, found, title="calf")
    assert (tmp_path / "calf.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(FileNotFoundError):
        save_overview(tmp_path / "nowhere" / "calf.png", raw, found, title="calf")
    assert [path.name for path in tmp_path.iterdir()] == ["calf.png"]
