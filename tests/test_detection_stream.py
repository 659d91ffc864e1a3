"""The streaming detector: the same result however it is fed, and in time."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.errors import InputError
from emgtwitch.event_table import event_array, is_twitch
from emgtwitch.simulation import SCENARIOS, Scenario, simulate_recording

SHORT = Scenario(
    minutes=0.25, rate_per_min=60, contractions_per_min=4, contraction="few_units", mains_uv=10
)


@pytest.fixture(scope="module")
def short():
    return simulate_recording(SHORT, seed=3)


def feed(signal_uv, cuts, sfreq=1000.0, names=("calf_L", "calf_R"), **kwargs):
    detector = StreamingDetector(sfreq, list(names), **kwargs)
    events = []
    for block in np.split(signal_uv, cuts, axis=1):
        events += detector.push(block)
    events += detector.flush()
    return detector, events


def final(events):
    return event_array([event for event in events if not event.provisional])


def same(a, b):
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_same_call_twice_gives_the_same_bytes(short):
    first, second = (final(feed(short.signal_uv, [])[1]) for _ in range(2))
    assert len(first) > 10
    assert same(first, second)


@pytest.mark.parametrize("size", [7, 64, 1000])
def test_blocks_of_any_size_give_the_same_events(short, size):
    whole = final(feed(short.signal_uv, [])[1])
    cut = final(feed(short.signal_uv, range(size, short.signal_uv.shape[1], size))[1])
    assert same(whole, cut)


def test_single_samples_give_the_same_events(short):
    signal_uv = short.signal_uv[:, :4000]
    assert same(final(feed(signal_uv, [])[1]), final(feed(signal_uv, range(1, 4000))[1]))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(0, 8000), max_size=30).map(sorted), gap=st.integers(0, 7000))
def test_random_blocks_and_gaps_give_the_same_events(short, cuts, gap):
    signal_uv = short.signal_uv[:, :8000].copy()
    signal_uv[1, gap : gap + 300] = np.nan
    for near in (*cuts, gap):  # short gaps, at the ends of blocks too
        signal_uv[0, max(near - 1, 0) : near + near % 3] = np.nan
    assert same(final(feed(signal_uv, [])[1]), final(feed(signal_uv, cuts)[1]))


def test_a_channel_alone_gives_what_it_gives_among_others():
    recording = simulate_recording(
        Scenario(minutes=0.5, ch_names=tuple(f"EMG{i}" for i in range(5)), rate_per_min=40), seed=4
    )
    # Names without a side: no gate looks at the other channels here, except for crosstalk.
    together = final(feed(recording.signal_uv, [], names=recording.ch_names)[1])
    together = together[together["reason"] != "crosstalk"]
    for i, name in enumerate(recording.ch_names):
        alone = final(feed(recording.signal_uv[i : i + 1], [], names=[name])[1])
        among = together[together["channel"] == name]
        assert same(alone.astype(among.dtype), among)


@pytest.mark.parametrize("seed", [4, 6])
def test_what_one_channel_learns_of_the_converter_is_its_own(seed):
    rng = np.random.default_rng(seed)
    hum = 50 * np.sin(np.pi / 2 * np.arange(4000) * 1.0003)
    signal_uv = rng.normal(0, 4, (2, hum.size)) + hum
    for row in signal_uv:  # impulses and gaps, so that the two learn at different times
        row[rng.integers(0, 3900, 60)] += 200
        for start in rng.integers(0, 3900, 40):
            row[start : start + 4] = np.nan
    together = final(feed(signal_uv, [], sfreq=200.0, names=["a", "b"])[1])
    for i, name in enumerate("ab"):
        alone = final(feed(signal_uv[i : i + 1], [], sfreq=200.0, names=[name])[1])
        assert same(alone, together[together["channel"] == name])


@pytest.mark.parametrize("factor", [0.001, -1.0, 1000.0])
def test_gain_and_polarity_change_only_amplitudes(short, factor):
    plain = final(feed(short.signal_uv, [])[1])
    scaled = final(feed(factor * short.signal_uv, [])[1])
    for name in ("trial_type", "channel", "reason", "unit", "burst"):
        assert (plain[name] == scaled[name]).all(), name
    for name in ("onset", "duration", "peak_time", "snr"):
        np.testing.assert_allclose(plain[name], scaled[name], atol=1e-6, err_msg=name)
    np.testing.assert_allclose(abs(factor) * plain["amplitude_uv"], scaled["amplitude_uv"])


@pytest.mark.parametrize("sfreq", [200.0, 250.0, 500.0, 1000.0, 2000.0])
def test_provisional_within_60_ms_and_final_within_1_s(sfreq):
    recording = simulate_recording(Scenario(minutes=0.5, sfreq=sfreq, rate_per_min=40), seed=5)
    detector = StreamingDetector(sfreq, recording.ch_names)
    block = round(0.01 * sfreq) if sfreq > 500 else 1
    early, late = [], []
    for start in range(0, recording.signal_uv.shape[1], block):
        now = (start + block) / sfreq
        for event in detector.push(recording.signal_uv[:, start : start + block]):
            (early if event.provisional else late).append((now, event))
    twitches = [(now, event) for now, event in late if event.trial_type == "fasciculation"]
    assert len(twitches) > 10
    assert max(now - event.peak_time for now, event in twitches) <= 1.0
    announced = 0
    for _, event in twitches:
        delays = [
            now - event.peak_time
            for now, first in early
            if first.channel == event.channel and abs(first.peak_time - event.peak_time) < 0.015
        ]
        assert len(delays) <= 1
        announced += len(delays) == 1 and delays[0] <= 0.06
    assert announced >= 0.95 * len(twitches)


def test_what_goes_on_is_known_before_it_ends():
    uv = np.random.default_rng(4).normal(0, 1.0, (2, 12_000))
    uv[0, 5000:10_000] *= 30
    detector = StreamingDetector(1000.0, ["calf_L", "calf_R"])
    told = []
    for start in range(0, 12_000, 100):
        detector.push(uv[:, start : start + 100])
        told.append(detector.ongoing())
    [event] = told[80]  # after 8.1 s
    assert (event.channel, event.trial_type, event.provisional) == ("calf_L", "contraction", True)
    assert event.onset == pytest.approx(5.0, abs=0.6)
    assert event.onset + event.duration == pytest.approx(8.1, abs=1.1)
    assert told[45] == told[-1] == []


def test_memory_does_not_grow_with_length():
    rng = np.random.default_rng(6)
    block = rng.standard_normal((2, 5000))
    detector = StreamingDetector(1000.0, ["a", "b"])
    held = []
    tracemalloc.start()
    for n in range(40):
        detector.push(block)
        if n % 20 == 19:
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 20_000


def test_account_adds_up(short):
    detector, _ = feed(short.signal_uv, [])
    for account in detector.account():
        assert account.recorded_s == pytest.approx(short.signal_uv.shape[1] / 1000)
        assert account.valid_s + sum(account.excluded_s.values()) == pytest.approx(
            account.recorded_s
        )
    assert max(account.excluded_s["contraction"] for account in detector.account()) > 1


@pytest.mark.parametrize(
    ("scenario", "least_f1"),
    [
        ("isolated", 0.97),
        ("voluntary_few_units", 0.96),
        ("starts_contracted", 0.97),
        ("vibration", 0.93),
        ("all_nuisances", 0.94),
        ("non_stop", 0.96),
    ],
)
def test_accuracy_does_not_get_worse(scenario, least_f1):
    from emgtwitch.evaluation import evaluate

    recording = simulate_recording(SCENARIOS[scenario], seed=2)
    _, events = feed(recording.signal_uv, [], names=recording.ch_names)
    score = evaluate(final(events), recording.truth, min_snr=8).total
    assert score.f1 >= least_f1
    assert score.median_timing_error_s <= 0.002


@pytest.mark.parametrize("wander", [0.0, 0.2, 0.5])
def test_ten_bits_with_the_baseline_on_one_code_give_no_flood(wander):
    rng = np.random.default_rng(7)
    lsb_uv = 24.4
    noise = rng.standard_normal((2, 60_000)) * 3 / lsb_uv
    signal_uv = lsb_uv * np.rint(noise + wander)
    for known in (lsb_uv, None):
        detector, events = feed(signal_uv, [], lsb_uv=known)
        table = final(events)
        assert np.isfinite(table["onset"]).all()
        assert is_twitch(table).sum() <= 2
        assert all(np.isfinite(account.valid_s) for account in detector.account())


@pytest.mark.parametrize("start_s", [0.9, 1.1, 1.3, 1.6])
def test_an_overload_while_mains_is_being_found_leaves_no_false_mains(start_s):
    """Nothing bounds the canceller before the noise is known; then no hum must be left of it."""
    rng = np.random.default_rng(41)
    times_s = np.arange(20_000) / 1000
    signal_uv = 4 * rng.standard_normal((1, len(times_s)))
    signal_uv += 10 * np.sin(2 * np.pi * 50.03 * times_s)
    signal_uv[:, (start_s < times_s) & (times_s < start_s + 1.5)] = 9000.0
    detector, events = feed(signal_uv, [], names=["calf_L"])
    assert detector.account()[0].noise_uv < 6
    assert is_twitch(final(events)).sum() <= 1


@pytest.mark.parametrize("flat_s", [0.7, 3.0, 12.0])
@pytest.mark.parametrize("lsb_uv", [None, 0.05, 4.0])
def test_a_flat_start_is_no_noise(flat_s, lsb_uv):
    """As where an amplifier is switched on, or starts at its rail."""
    rng = np.random.default_rng(2)
    signal_uv = 4 * rng.standard_normal((1, 30_000))
    signal_uv[:, : round(1000 * flat_s)] = 900.0
    if lsb_uv:
        signal_uv = lsb_uv * np.rint(signal_uv / lsb_uv)
    detector, events = feed(signal_uv, [], names=["calf_L"], lsb_uv=lsb_uv)
    (account,) = detector.account()
    assert account.valid_s > 30 - flat_s - 4
    assert 3 < account.noise_uv < 5
    assert is_twitch(final(events)).sum() <= 1


@pytest.mark.parametrize("value", [0.0, 123.0, np.nan])
def test_a_dead_channel_is_excluded_and_disturbs_no_other(short, value):
    dead = short.signal_uv.copy()
    dead[1] = value
    detector, events = feed(dead, [])
    table = final(events)
    assert not (is_twitch(table) & (table["channel"] == "calf_R")).any()
    assert (is_twitch(table) & (table["channel"] == "calf_L")).any()
    assert detector.account()[1].valid_s < 11  # ten seconds of silence are not yet a dead line


@pytest.mark.parametrize("n", [0, 1, 5, 143, 144, 500])
def test_short_and_empty_recordings(n):
    _, events = feed(np.zeros((1, n)), [], names=["a"])
    assert not is_twitch(final(events)).any()


@pytest.mark.parametrize(
    ("sfreq", "names", "message"),
    [
        (199.0, ["a"], "200 Hz"),
        (np.nan, ["a"], "200 Hz"),
        (1000.0, [], "channel names"),
        (1000.0, ["a", "a"], "channel names"),
        (1000.0, ["a\tb"], "rename"),
        (1000.0, [""], "rename"),
    ],
)
def test_wrong_set_up_is_refused(sfreq, names, message):
    with pytest.raises(InputError, match=message):
        StreamingDetector(sfreq, names)


def test_wrong_blocks_and_settings_are_refused():
    with pytest.raises(InputError, match="2 channels"):
        StreamingDetector(1000.0, ["a", "b"]).push(np.zeros((3, 10)))
    for wrong in (
        {"preset": "best"},
        {"mains": "55"},
        {"false_alarms_per_hour": 0.0},
        {"lsb_uv": 0.0},
        {"lsb_uv": [1.0, 2.0]},
    ):
        with pytest.raises(InputError):
            StreamingDetector(1000.0, ["a"], **wrong)


def test_a_flushed_detector_takes_no_more():
    detector = StreamingDetector(1000.0, ["a"])
    detector.flush()
    for again in (lambda: detector.push(np.zeros((1, 10))), detector.flush):
        with pytest.raises(InputError, match="flushed"):
            again()


def test_impossible_values_are_missing(short):
    wild = short.signal_uv.copy()
    wild[0, 5000:5010] = [1e300, -1e300, np.inf, -np.inf, 1e160] * 2
    gap = short.signal_uv.copy()
    gap[0, 5000:5010] = np.nan
    assert same(final(feed(wild, [])[1]), final(feed(gap, [])[1]))
