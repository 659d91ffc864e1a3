"""What detection returns: accounts of time, rates, tables, and detection in files."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose

import emgtwitch
from emgtwitch import Detections, StreamingDetector, detect
from emgtwitch.detection.rates import poisson_interval, rate_interval
from emgtwitch.errors import InputError
from emgtwitch.event_table import COLUMNS, event_array, is_twitch, read_event_table
from emgtwitch.simulation import SCENARIOS, simulate_recording
from emgtwitch.simulation.files import write_simulated

EXACT = 1e-9


def test_an_array_is_refused_with_what_to_use():
    with pytest.raises(InputError, match=r"ndarray.*StreamingDetector"):
        detect(np.zeros((2, 1000)))


@pytest.fixture(scope="module")
def simulated():
    return simulate_recording(replace(SCENARIOS["isolated"], minutes=0.75), seed=5)


@pytest.fixture(scope="module")
def recording(simulated, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "calves.bdf"
    write_simulated(path, simulated, subject="sub-01")
    return path


@pytest.fixture(scope="module")
def found(recording) -> Detections:
    return detect(recording)


def raw_of(signal_uv, ch_names, sfreq=1000.0, kind="emg"):
    return mne.io.RawArray(signal_uv * 1e-6, mne.create_info(ch_names, sfreq, kind), verbose=False)


def noise_uv(seconds, channels=2, seed=1):
    return np.random.default_rng(seed).normal(scale=4.0, size=(channels, round(seconds * 1000)))


def assert_same_tables(one, other):
    for name in COLUMNS:
        np.testing.assert_array_equal(one[name], other[name])


# The account of time


@pytest.mark.parametrize("n_samples", [1, 100, 1000, 1990, 2040, 2100, 5003, 20_011])
def test_recorded_time_is_valid_and_excluded_time(n_samples):
    detector = StreamingDetector(1000.0, ["calf_L", "calf_R"])
    signal = noise_uv(n_samples / 1000)
    signal[0, 9000:9500] = np.nan
    detector.push(signal)
    detector.flush()
    for account in detector.account():
        excluded = account.excluded_s.values()
        assert account.recorded_s == pytest.approx(n_samples / 1000, abs=EXACT)
        assert account.valid_s + sum(excluded) == pytest.approx(account.recorded_s, abs=EXACT)
        assert min([account.valid_s, *excluded]) >= 0


def test_excluded_time_has_its_reason():
    signal = noise_uv(20)
    signal[0, 9000:10_000] = np.nan
    left, right = detect(raw_of(signal, ["calf_L", "calf_R"])).accounts
    assert 1.0 <= left.excluded_s["gap"] < 1.3
    assert right.excluded_s["gap"] < 0.03  # at most the end, which fills no block
    assert right.valid_s > 17


def test_an_account_before_the_end_covers_what_is_decided():
    detector = StreamingDetector(1000.0, ["calf_L"])
    detector.push(noise_uv(10, channels=1))
    (account,) = detector.account()
    assert 8.5 < account.recorded_s <= 10
    assert account.noise_uv == pytest.approx(4.0, rel=0.15)


def test_a_quieter_recording_has_a_lower_floor():
    quiet, loud = (
        detect(raw_of(scale * noise_uv(20), ["calf_L", "calf_R"])).accounts[0]
        for scale in (1.0, 3.0)
    )
    assert loud.noise_uv == pytest.approx(3 * quiet.noise_uv, rel=0.01)
    assert loud.floor_uv == pytest.approx(3 * quiet.floor_uv, rel=0.01)
    assert quiet.floor_uv > 2 * quiet.noise_uv


def test_a_few_loud_seconds_do_not_move_the_floor():
    quiet = noise_uv(180)
    loud = quiet.copy()
    loud[:, 60_000:64_000] *= 30
    floors = [
        np.array([account.floor_uv for account in detect(raw_of(signal, ["L", "R"])).accounts])
        for signal in (quiet, loud)
    ]
    assert_allclose(floors[1], floors[0], rtol=0.1)


def test_a_coarse_converter_has_no_floor_below_its_steps():
    """Two flips of the last bit are no twitch, however little noise is seen between them."""
    steps = 24.4 * np.round(noise_uv(20) / 24.4)
    (account, _) = detect(raw_of(steps, ["calf_L", "calf_R"])).accounts
    assert account.floor_uv > 2 * 24.4


# Rates


def test_the_interval_is_the_exact_one():
    # Garwood's limits: for 0, 3.6889; the others as tabulated for a Poisson mean.
    low, high = poisson_interval([0, 1, 5, 100])
    assert_allclose(low, [0, 0.0253, 1.6235, 81.364], atol=6e-4)
    assert_allclose(high, [3.6889, 5.5716, 11.6683, 121.627], atol=6e-4)


def test_no_valid_time_no_rate():
    rate, low, high = rate_interval([3, 3], [0.0, 2.0])
    assert np.isnan([rate[0], low[0], high[0]]).all()
    assert rate[1] == 1.5
    assert low[1] < 1.5 < high[1]


def test_rates_count_twitches_over_valid_minutes(found):
    for rate, account in zip(found.rates(), found.accounts, strict=True):
        assert rate.count == np.sum(
            is_twitch(found.events) & (found.events["channel"] == rate.channel)
        )
        assert rate.valid_min == account.valid_s / 60
        assert rate.rate_per_min == rate.count / rate.valid_min
        assert rate.low_per_min < rate.rate_per_min < rate.high_per_min
    assert [rate.side for rate in found.rates()] == ["left", "right"]


def test_rates_over_time_add_up_to_the_whole(found):
    for name, account in zip(found.ch_names, found.accounts, strict=True):
        steps = found.rates_over_time(name, step_s=20.0)
        assert steps["stop_s"].tolist() == [20.0, 40.0, 45.0]
        assert steps["count"].sum() == len(found.twitches(name))
        assert steps["valid_s"].sum() == pytest.approx(account.valid_s)
        assert np.isfinite(steps["rate_per_min"]).all()


def test_a_step_in_a_gap_has_no_rate():
    signal = noise_uv(40, channels=1)
    signal[:, 10_000:30_000] = np.nan
    steps = detect(raw_of(signal, ["calf_L"])).rates_over_time("calf_L", step_s=10.0)
    assert np.isfinite(steps["rate_per_min"]).tolist() == [True, False, False, True]


def test_a_dead_recording_has_no_rate():
    found = detect(raw_of(np.full((1, 9000), np.nan), ["calf_L"]))
    (rate,) = found.rates()
    assert rate.count == 0
    assert np.isnan([rate.rate_per_min, rate.noise_uv, rate.floor_uv]).all()
    assert rate.excluded_s and rate.valid_min == 0


# Files


def test_the_twitches_are_found(found, simulated):
    rows = simulated.truth
    clear = is_twitch(rows) & (rows["snr"] > 10) & (rows["peak_time"] > 3)  # warm-up is over
    hits = [
        np.abs(found.twitches(row["channel"])["peak_time"] - row["peak_time"]).min() < 0.025
        for row in rows[clear]
    ]
    assert len(hits) > 5
    assert np.mean(hits) > 0.8


def test_a_raw_and_its_file_give_the_same(found, recording):
    raw = emgtwitch.read_recording(recording)
    again = detect(raw)
    assert_same_tables(again.events, found.events)
    assert again.rates() == found.rates()
    assert again.source == found.source == "calves.bdf"
    assert not raw.preload


def test_a_file_and_a_stream_give_the_same(found, recording):
    raw = emgtwitch.read_recording(recording)
    steps_uv = list(found.settings["converter_step_uv"].values())
    stream = StreamingDetector(raw.info["sfreq"], raw.ch_names, lsb_uv=steps_uv)
    signal = raw.get_data() * 1e6
    events = [
        event
        for start in range(0, signal.shape[1], 997)
        for event in stream.push(signal[:, start : start + 997])
    ]
    events = [event for event in events + stream.flush() if not event.provisional]
    assert_same_tables(event_array(events), found.events)
    assert stream.account() == found.accounts


def test_channels_are_chosen_by_name(recording):
    found = detect(recording, channels=["calf_R"])
    assert found.ch_names == ("calf_R",)
    assert found.sides == ("right",)
    assert set(found.events["channel"]) <= {"calf_R"}
    with pytest.raises(
        InputError, match=r"no channel 'GM_L'; the EMG channels are: calf_L, calf_R"
    ):
        detect(recording, channels=["GM_L"])


def test_only_emg_is_searched():
    raw = raw_of(noise_uv(6), ["calf_L", "ACC"])
    raw.set_channel_types({"ACC": "misc"}, on_unit_change="ignore")
    assert detect(raw).ch_names == ("calf_L",)
    raw.set_channel_types({"calf_L": "misc"}, on_unit_change="ignore")
    with pytest.raises(InputError, match="no channel of type emg"):
        detect(raw)


def test_a_gap_marked_in_a_raw_is_not_searched():
    raw = raw_of(noise_uv(20), ["calf_L", "calf_R"])
    raw.set_annotations(mne.Annotations([5.0], [2.0], ["BAD_gap"]))
    found = detect(raw)
    assert all(2.0 <= account.excluded_s["gap"] < 2.4 for account in found.accounts)
    (gap,) = (row for row in found.excluded("calf_L") if row["reason"] != "warm-up")
    assert gap["trial_type"] == "gap"
    assert gap["onset"] == pytest.approx(5.0, abs=0.05)


def test_settings_are_told():
    raw = raw_of(noise_uv(3), ["calf_L", "calf_R"])
    found = detect(raw, preset="specific", mains="50", false_alarms_per_hour=2.0)
    assert found.settings["preset"] == "specific"
    assert found.settings["mains"] == "50"
    assert found.settings["false_alarms_per_hour"] == 2.0
    assert found.settings["sampling_frequency_hz"] == 1000.0
    assert detect(raw, preset="specific").settings["false_alarms_per_hour"] == 1.0
    with pytest.raises(InputError, match="unknown preset"):
        detect(raw, preset="strict")


# Tables


def test_saved_and_loaded_again(found, tmp_path):
    path = tmp_path / "calves_events.tsv"
    found.save(path)
    again = Detections.load(path)
    assert (again.source, again.start, again.version) == (found.source, found.start, found.version)
    steps_uv = found.settings["converter_step_uv"]
    assert again.settings["converter_step_uv"] == pytest.approx(steps_uv, abs=1e-6)
    assert {**again.settings, "converter_step_uv": steps_uv} == found.settings
    for ours, theirs in zip(found.rates(), again.rates(), strict=True):
        assert theirs.count == ours.count
        assert theirs.side == ours.side
        assert theirs.rate_per_min == pytest.approx(ours.rate_per_min, rel=1e-6)
        assert theirs.excluded_s == pytest.approx(ours.excluded_s, abs=1e-6)
    assert_allclose(again.events["peak_time"], found.events["peak_time"], atol=1e-6)
    again.save(tmp_path / "again.tsv")
    assert (tmp_path / "again.json").read_bytes() == path.with_suffix(".json").read_bytes()


def test_the_sidecar_tells_everything_but_folders(found, tmp_path):
    found.save(tmp_path / "calves_events.tsv")
    text = (tmp_path / "calves_events.json").read_text(encoding="utf-8")
    about = json.loads(text)
    assert about["software"] == {"name": "emgtwitch", "version": emgtwitch.__version__}
    assert about["source"] == "calves.bdf"
    assert about["start"] == "2026-01-01T12:00:00"
    assert list(about["channels"]) == ["calf_L", "calf_R"]
    for channel in about["channels"].values():
        assert {"recorded_s", "valid_s", "excluded_s", "noise_uv", "detection_floor_uv"} < set(
            channel
        )
        excluded = sum(channel["excluded_s"].values())
        assert channel["valid_s"] + excluded == pytest.approx(channel["recorded_s"], abs=1e-5)
    assert str(tmp_path) not in text
    assert "onset" in about


def test_what_is_no_number_is_null_in_the_sidecar(tmp_path):
    found = detect(raw_of(np.full((1, 9000), np.nan), ["calf_L"]))
    found.save(tmp_path / "dead.tsv")
    assert "NaN" not in (tmp_path / "dead.json").read_text(encoding="utf-8")
    assert np.isnan(Detections.load(tmp_path / "dead.tsv").accounts[0].noise_uv)


@pytest.mark.parametrize(
    ("name", "message"),
    [("calves.csv", "must end in .tsv"), ("nowhere/calves.tsv", "cannot be written")],
)
def test_a_table_that_cannot_be_written(found, tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        found.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_only_own_tables_are_loaded(found, tmp_path):
    path = tmp_path / "calves_events.tsv"
    with pytest.raises(InputError, match="cannot read"):
        Detections.load(path)
    found.save(path)
    sidecar = path.with_suffix(".json")
    for damage in ("{}", "[]", '{"channels": {"calf_L": {}}}', "no json"):
        sidecar.write_text(damage, encoding="utf-8")
        with pytest.raises(InputError, match="no sidecar by emgtwitch detect"):
            Detections.load(path)
    sidecar.unlink()
    with pytest.raises(InputError, match="tells no valid time"):
        Detections.load(path)
    assert len(read_event_table(path)) == len(found.events)


# Other forms


def edited(found, **changes):
    first, *others = found.accounts
    return replace(found, accounts=(replace(first, **changes), *others))


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda found: replace(found, sides=("middle", None)), "is on the side 'middle'"),
        (lambda found: replace(found, accounts=(), sides=()), "there is no channel"),
        (lambda found: edited(found, channel="other"), "there is no channel"),
        (lambda found: edited(found, valid_s=900.0), "of 45 s of .*, 900 are valid"),
        (lambda found: edited(found, valid_s=-5.0), "-5 are valid"),
        (lambda found: replace(found, start=datetime(1, 1, 1)), "of the year 1"),
        (lambda found: edited(found, recorded_s=1e12), "is 1e.12 s long"),
        (lambda found: edited(found, recorded_s=np.nan), "is nan s long"),
    ],
)
def test_a_sidecar_that_contradicts_its_table_is_refused(found, tmp_path, edit, told):
    path = tmp_path / "calves_events.tsv"
    edit(found).save(path)
    with pytest.raises(InputError, match=f"contradict each other: .*{told}"):
        Detections.load(path)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("peak_time", np.nan, "a twitch has no peak_time"),
        ("peak_time", 9999.0, "peak_time of 9999 s lies outside"),
        ("onset", -5.0, "onset of -5 s lies outside"),
    ],
)
def test_a_time_that_cannot_be_is_refused(found, tmp_path, column, value, told):
    path = tmp_path / "calves_events.tsv"
    events = found.events.copy()
    events[column][is_twitch(events).argmax()] = value
    replace(found, events=events).save(path)
    with pytest.raises(InputError, match=told):
        Detections.load(path)


def test_a_table_that_was_cut_off_is_refused(found, tmp_path):
    path = tmp_path / "calves_events.tsv"
    found.save(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))
    with pytest.raises(InputError, match=f"rows, not {len(found.events)}; detect again"):
        Detections.load(path)


def test_a_dataframe_has_the_columns_and_na(found):
    frame = found.to_dataframe()
    assert len(frame) == len(found.events)
    assert frame["unit"].isna().sum() == np.sum(found.events["unit"] < 0)
    assert frame["reason"].isna().sum() == np.sum(found.events["reason"] == "n/a")
    assert frame.loc[is_twitch(found.events), "trial_type"].eq("fasciculation").all()


def test_annotations_fit_the_recording(found, recording):
    raw = emgtwitch.read_recording(recording)
    annotations = found.annotations()
    raw.set_annotations(annotations)
    twitches = raw.annotations[raw.annotations.description == "fasciculation"]
    assert len(twitches) == sum(rate.count for rate in found.rates())
    assert set(twitches.ch_names) <= {("calf_L",), ("calf_R",)}
    expected = found.events[is_twitch(found.events)]["onset"]
    assert_allclose(np.sort(twitches.onset), np.sort(expected), atol=1e-6)


# Imports


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("emgtwitch", {"numpy", "scipy", "mne", "matplotlib"}),
        ("emgtwitch.detection.detections", {"scipy", "mne", "matplotlib", "pandas"}),
        ("emgtwitch.detection.stream", {"mne", "matplotlib", "pandas"}),
    ],
)
def test_what_a_module_imports(module, unwanted):
    code = f"import sys, {module}; print(*{unwanted!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
