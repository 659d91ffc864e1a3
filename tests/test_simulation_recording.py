"""A whole simulated recording: its truth against its signal, nuisance by nuisance."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import signal as sps

from emgtwitch.errors import InputError
from emgtwitch.event_table import TRIAL_TYPES, is_twitch
from emgtwitch.simulation import SCENARIOS, Scenario, Simulated, simulate_recording
from emgtwitch.simulation.background import band_rms
from emgtwitch.simulation.front_end import FrontEnd, myoware
from emgtwitch.simulation.potentials import band_gain
from emgtwitch.simulation.recording import steps

SILENT = Scenario(minutes=2, noise_uv=0)
SUSTAINED = ("contraction", "cramp", "gap", "saturation")


def banded(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    spectrum = np.fft.rfft(signal_uv) * band_gain(
        np.fft.rfftfreq(signal_uv.shape[-1], 1 / sfreq), sfreq
    )
    return np.fft.irfft(spectrum, signal_uv.shape[-1])


def rows(simulated: Simulated, name: str) -> np.ndarray:
    """Rows of a trial type or of a reason."""
    truth = simulated.truth
    return truth[(truth["trial_type"] == name) | (truth["reason"] == name)]


def inside(simulated: Simulated, found: np.ndarray, channel: str) -> np.ndarray:
    """Which samples lie in the intervals of this channel."""
    mask = np.zeros(simulated.signal_uv.shape[1], dtype=bool)
    for row in found[found["channel"] == channel]:
        first, last = np.rint(
            np.array([0, row["duration"]]) * simulated.sfreq + row["onset"] * simulated.sfreq
        )
        mask[int(first) : int(last)] = True
    return mask


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_what_it_says(name: str) -> None:
    scenario = replace(SCENARIOS[name], minutes=1.0)
    simulated = simulate_recording(scenario, seed=3)
    shape = (len(scenario.ch_names), round(60 * scenario.sfreq))
    assert simulated.signal_uv.shape == simulated.background_uv.shape == shape
    assert simulated.signal_uv.dtype == np.float64
    assert np.isfinite(simulated.background_uv).all()
    truth = simulated.truth
    assert set(truth["trial_type"]) <= set(TRIAL_TYPES)
    assert set(truth["channel"]) <= set(scenario.ch_names)
    assert (truth["onset"] >= 0).all()
    assert (truth["onset"] + truth["duration"] <= 60.2).all()
    np.testing.assert_array_equal(truth["onset"], np.sort(truth["onset"]))
    twitches = truth[is_twitch(truth)]
    assert (scenario.rate_per_min == 0) == (twitches.size == 0)
    for column in ("peak_time", "amplitude_uv", "snr"):
        assert np.isfinite(twitches[column]).all()
    assert (twitches["unit"] >= 0).all()
    for template in simulated.templates:
        assert template.shape[0] == scenario.units
        main = np.abs(template[:, simulated.template_peak])
        assert (main > 0.8 * np.abs(template).max(axis=1)).all()


def test_the_same_seed_gives_the_same_bytes() -> None:
    scenario = replace(SCENARIOS["all_nuisances"], minutes=1.0)
    once, again, other = (simulate_recording(scenario, seed) for seed in (1, 1, 2))
    assert once.signal_uv.tobytes() == again.signal_uv.tobytes()
    assert once.truth.tobytes() == again.truth.tobytes()
    assert once.signal_uv.tobytes() != other.signal_uv.tobytes()


def test_a_nuisance_takes_twitches_away_but_moves_none() -> None:
    quiet = simulate_recording(SCENARIOS["isolated"], 1)
    loud = simulate_recording(SCENARIOS["voluntary_interference"], 1)
    before, after = (set(rows(each, "fasciculation")["peak_time"]) for each in (quiet, loud))
    assert after < before
    both = simulate_recording(replace(SCENARIOS["isolated"], ecg_uv=100, mains_uv=20), 1)
    np.testing.assert_array_equal(both.truth, quiet.truth)


def test_a_channel_more_does_not_change_the_others() -> None:
    two = simulate_recording(SILENT, 1)
    three = simulate_recording(replace(SILENT, ch_names=("calf_L", "calf_R", "TA_R")), 1)
    np.testing.assert_array_equal(three.signal_uv[:2], two.signal_uv)


@pytest.mark.parametrize(
    "scenario",
    [
        replace(SILENT, rate_per_min=20),
        replace(SILENT, rate_per_min=20, sfreq=2000.0, front_end=myoware(24, 5.0, 0.0)),
        replace(SILENT, rate_per_min=20, sfreq=1000.0, clock_error_ppm=5000),
    ],
)
def test_the_truth_is_what_the_signal_shows(scenario: Scenario) -> None:
    simulated = simulate_recording(scenario, 1)
    sfreq = simulated.sfreq
    signal = banded(simulated.signal_uv, sfreq)
    twitches = rows(simulated, "fasciculation")
    edges = []
    for channel, name in enumerate(simulated.ch_names):
        own = twitches[twitches["channel"] == name]
        gaps = np.diff(own["peak_time"], prepend=-1, append=1e9)
        for row in own[(gaps[:-1] > 0.2) & (gaps[1:] > 0.2)]:
            first = round((row["peak_time"] - 0.06) * sfreq)
            fine = sps.resample(signal[channel, first : first + round(0.12 * sfreq)], 4096)
            times = first / sfreq + np.arange(4096) * 0.12 / 4096
            assert np.ptp(fine) == pytest.approx(row["amplitude_uv"], rel=0.02)
            assert times[np.abs(fine).argmax()] == pytest.approx(row["peak_time"], abs=2e-4)
            beyond = times[np.abs(fine) > 0.15 * np.abs(fine).max()]
            edges.append((beyond[0] - row["onset"], beyond[-1] - row["onset"] - row["duration"]))
    assert len(edges) > 30
    # a wave that just reaches 15 % may or may not count
    assert np.mean(np.abs(edges) < 5e-4) > 0.9


def test_templates_rebuild_the_signal() -> None:
    simulated = simulate_recording(SILENT, 1)
    rebuilt = np.zeros_like(simulated.signal_uv)
    for row in rows(simulated, "fasciculation"):
        channel = simulated.ch_names.index(str(row["channel"]))
        template = simulated.templates[channel][row["unit"]]
        first = round(row["peak_time"] * simulated.sfreq) - simulated.template_peak
        rebuilt[channel, first : first + template.size] += template
    error = simulated.signal_uv - rebuilt  # of rounding to whole samples
    assert np.sum(error**2) < 0.03 * np.sum(simulated.signal_uv**2)
    np.testing.assert_array_equal(simulated.background_uv, 0)


def test_rates_amplitudes_and_noise_are_those_asked_for() -> None:
    scenario = Scenario(
        minutes=20, rate_per_min=(6, 30), amplitude_uv=(40, 90), noise_uv=(3, 6), units=9
    )
    simulated = simulate_recording(scenario, 1)
    np.testing.assert_allclose(simulated.noise_rms_uv, (3, 6), rtol=0.02)
    np.testing.assert_allclose(
        band_rms(simulated.background_uv, 1000), simulated.noise_rms_uv, rtol=1e-9
    )
    for channel, name in enumerate(simulated.ch_names):
        twitches = simulated.truth[simulated.truth["channel"] == name]
        assert twitches.size / 20 == pytest.approx(
            scenario.per_channel("rate_per_min")[channel], rel=0.2
        )
        sizes = np.unique(twitches["amplitude_uv"])
        assert sizes.size == 9
        assert np.median(sizes) == pytest.approx(scenario.per_channel("amplitude_uv")[channel])
        np.testing.assert_allclose(
            twitches["snr"], twitches["amplitude_uv"] / scenario.per_channel("noise_uv")[channel]
        )


def test_noise_is_stronger_at_low_frequencies() -> None:
    signal = simulate_recording(SCENARIOS["noise_isolated"], 1).signal_uv
    frequency, power = sps.welch(signal, 1000, nperseg=2000)
    low, high = (
        power[:, (frequency > a) & (frequency < b)].mean() for a, b in ((20, 30), (200, 400))
    )
    assert 1.5 < low / high < 3


def test_bursts_number_partners_only() -> None:
    simulated = simulate_recording(replace(SILENT, minutes=5, doublet_share=0.3), 1)
    twitches = rows(simulated, "fasciculation")
    numbers, sizes = np.unique(twitches["burst"], return_counts=True)
    assert numbers[0] == -1
    assert (sizes[1:] == 2).all()
    for number in numbers[1:]:
        pair = twitches[twitches["burst"] == number]
        assert np.ptp(pair["peak_time"]) == pytest.approx(0.005, abs=0.0015)
        assert pair["unit"][0] == pair["unit"][1]
        assert pair["channel"][0] == pair["channel"][1]


@pytest.mark.parametrize("name", ["all_nuisances", "cramp", "motion", "saturation", "crosstalk"])
def test_twitches_keep_clear_of_what_hides_them(name: str) -> None:
    simulated = simulate_recording(replace(SCENARIOS[name], rate_per_min=120, minutes=5), 4)
    truth = simulated.truth
    twitches = truth[is_twitch(truth)]
    for row in truth[~is_twitch(truth)]:
        if row["reason"] == "glitch":
            continue
        clear = 0.25 if row["reason"] == "pop" else 0.5
        times = twitches["peak_time"][twitches["channel"] == row["channel"]]
        near = (times > row["onset"] - clear) & (times < row["onset"] + row["duration"] + clear)
        assert not near.any(), row


def test_glitches_and_mains_exclude_no_twitch() -> None:
    plain = rows(simulate_recording(SCENARIOS["isolated"], 1), "fasciculation")
    for name in ("glitches", "mains_50"):
        found = rows(simulate_recording(SCENARIOS[name], 1), "fasciculation")
        np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize(
    ("name", "trial_type", "loud_uv"),
    [
        ("voluntary_single_unit", "contraction", 5),
        ("voluntary_few_units", "contraction", 10),
        ("voluntary_interference", "contraction", 30),
        ("cramp", "cramp", 30),
        ("motion", "artifact", 20),
        ("lift_off", "artifact", 300),
    ],
)
def test_disturbances_are_where_the_truth_says(name: str, trial_type: str, loud_uv: float) -> None:
    simulated = simulate_recording(replace(SCENARIOS[name], noise_uv=0, rate_per_min=0), 1)
    found = rows(simulated, trial_type)
    assert found.size
    for channel, label in enumerate(simulated.ch_names):
        within = inside(simulated, found, label)
        around = np.convolve(within, np.ones(401), "same") > 0
        signal = simulated.signal_uv[channel]
        if within.any():
            assert signal[within].std() > loud_uv
        assert np.abs(signal[~around]).max(initial=0) < 1e-3 * np.abs(signal).max(initial=1)


def test_contractions_begin_and_end_with_a_spike() -> None:
    scenario = replace(SCENARIOS["voluntary_few_units"], noise_uv=0, rate_per_min=0)
    simulated = simulate_recording(scenario, 1)
    for row in rows(simulated, "contraction"):
        signal = simulated.signal_uv[simulated.ch_names.index(str(row["channel"]))]
        for edge in (row["onset"], row["onset"] + row["duration"]):
            index = round(edge * 1000)
            assert np.ptp(signal[index - 15 : index + 15]) > 20
        outside = round(row["onset"] * 1000)
        assert np.ptp(signal[outside - 200 : outside - 60]) < 1


def test_motion_lies_below_20_hz() -> None:
    scenario = replace(SCENARIOS["motion"], noise_uv=0, rate_per_min=0)
    signal = simulate_recording(scenario, 1).signal_uv
    frequency, power = sps.welch(signal, 1000, nperseg=4000)
    assert power[:, frequency < 20].sum() > 0.9 * power.sum()


def test_pops_are_steps_that_decay_with_the_ac_coupling() -> None:
    scenario = replace(SCENARIOS["pops"], noise_uv=0, rate_per_min=0)
    simulated = simulate_recording(scenario, 1)
    for row in rows(simulated, "pop"):
        signal = np.abs(simulated.signal_uv[simulated.ch_names.index(str(row["channel"]))])
        step = int(np.ceil(row["onset"] * 1000))
        assert signal[step - 1] < 0.02 * signal[step]
        decay_ms = 1000 / (2 * np.pi * 10)
        later = signal[step + round(decay_ms)] / signal[step]
        assert later == pytest.approx(np.exp(-1), abs=0.1)


def test_glitches_are_common_and_short() -> None:
    scenario = replace(SCENARIOS["glitches"], noise_uv=0, rate_per_min=0)
    simulated = simulate_recording(scenario, 1)
    left, right = simulated.signal_uv
    np.testing.assert_array_equal(left != 0, right != 0)
    np.testing.assert_array_equal(left != 0, inside(simulated, rows(simulated, "glitch"), "calf_L"))
    hit = left != 0
    np.testing.assert_allclose(left[hit], right[hit], rtol=0.25)
    assert set(np.rint(rows(simulated, "glitch")["duration"] * 1000)) == {1, 2}


@pytest.mark.parametrize(
    ("name", "hz", "swing_hz"), [("mains_50", 50, 0.05), ("mains_60_drifting", 60, 0.3)]
)
def test_mains_has_odd_harmonics_and_drifts(name: str, hz: float, swing_hz: float) -> None:
    scenario = replace(SCENARIOS[name], noise_uv=0, rate_per_min=0)
    signal = simulate_recording(scenario, 1).signal_uv[0]
    frequency, power = sps.periodogram(signal[:8000], 1000)
    near = {k: power[np.abs(frequency - k * hz) < 3].sum() for k in (1, 2, 3, 4, 5)}
    assert near[1] > near[3] > near[5] > 100 * max(near[2], near[4])
    slow = sps.sosfiltfilt(
        sps.butter(2, (hz - 5, hz + 5), "bandpass", fs=1000, output="sos"), signal
    )
    instant = np.diff(np.unwrap(np.angle(sps.hilbert(slow)))) * 1000 / (2 * np.pi)
    instant = np.convolve(instant, np.ones(500) / 500, "valid")[2000:-2000]
    assert 0.7 * swing_hz < np.abs(instant - hz).max() < 1.1 * swing_hz
    assert np.sqrt(2) * slow.std() == pytest.approx(scenario.mains_uv, rel=0.1)


def test_the_heart_is_regular_and_everywhere_at_once() -> None:
    scenario = replace(SCENARIOS["ecg"], noise_uv=0, rate_per_min=0)
    simulated = simulate_recording(scenario, 1)
    left, right = simulated.signal_uv
    assert np.corrcoef(left, right)[0, 1] > 0.999
    beats = sps.find_peaks(left, height=0.6 * left.max(), distance=300)[0]
    gaps = np.diff(beats) / 1000
    assert 60 <= 60 / gaps.mean() <= 100
    assert gaps.std() / gaps.mean() < 0.08
    assert simulated.truth.size == 0


def test_a_vibration_is_one_tone_that_comes_and_goes() -> None:
    scenario = replace(SCENARIOS["vibration"], noise_uv=0, rate_per_min=0)
    simulated = simulate_recording(scenario, 1)
    assert simulated.truth.size == 0
    for signal in simulated.signal_uv:
        rms = signal.reshape(-1, 1000).std(axis=1)
        assert 0.2 < np.mean(rms > 1) < 0.8
        assert 0.4 * scenario.vibration_uv < np.sqrt(2) * rms.max() < 1.05 * scenario.vibration_uv
        spectrum = np.abs(np.fft.rfft(signal)) ** 2
        hz = np.fft.rfftfreq(signal.size, 1e-3)
        peak = hz[spectrum.argmax()]
        assert 20 <= peak <= 45
        assert spectrum[np.abs(hz - peak) < 2].sum() > 0.9 * spectrum.sum()


def test_a_recording_can_start_in_the_middle_of_a_contraction() -> None:
    scenario = replace(SCENARIOS["starts_contracted"], noise_uv=0, rate_per_min=0)
    simulated = simulate_recording(scenario, 1)
    for channel, signal in zip(simulated.ch_names, simulated.signal_uv, strict=True):
        first = simulated.truth[simulated.truth["channel"] == channel][0]
        assert first["trial_type"] == "contraction"
        assert 0 <= first["onset"] < 0.1
        assert np.ptp(signal[:500]) > scenario.contraction_uv


def test_crosstalk_is_6_to_17_per_cent_within_a_leg_and_no_twitch_of_the_other() -> None:
    names = ("GM_L", "SOL_L", "GM_R")
    scenario = replace(SILENT, ch_names=names, crosstalk=(0.06, 0.17), rate_per_min=(20, 0, 0))
    simulated = simulate_recording(scenario, 1)
    left, soleus, right = simulated.signal_uv
    ratio = soleus.std() / left.std()
    assert 0.06 <= ratio <= 0.17
    np.testing.assert_allclose(soleus, ratio * left, atol=1e-9)
    np.testing.assert_array_equal(right, 0)
    assert set(simulated.truth["channel"]) == {"GM_L"}


def test_noise_steps_change_the_local_snr() -> None:
    simulated = simulate_recording(replace(SCENARIOS["noise_steps"], rate_per_min=60), 1)
    twitches = rows(simulated, "fasciculation")
    twitches = twitches[twitches["channel"] == "calf_R"]
    noise_uv = twitches["amplitude_uv"] / twitches["snr"]
    assert noise_uv.max() > 1.3 * noise_uv.min()
    background = banded(simulated.background_uv[1], 1000)
    for time, expected in zip(twitches["peak_time"], noise_uv, strict=True):
        first = max(int(1000 * time) - 1000, 0)
        assert background[first : first + 2000].std() == pytest.approx(expected, rel=0.35)


def test_gaps_are_missing_on_all_channels() -> None:
    simulated = simulate_recording(SCENARIOS["gaps"], 1)
    missing = np.isnan(simulated.signal_uv)
    gaps = rows(simulated, "gap")
    assert gaps.size
    for channel, name in enumerate(simulated.ch_names):
        np.testing.assert_array_equal(missing[channel], inside(simulated, gaps, name))


def test_saturation_is_at_the_limit_of_the_converter() -> None:
    simulated = simulate_recording(SCENARIOS["saturation"], 1)
    lsb_uv = 3.3e6 / (2**12 * 200)
    found = rows(simulated, "saturation")
    assert found.size >= 8
    for channel, name in enumerate(simulated.ch_names):
        signal = simulated.signal_uv[channel]
        assert -2048 * lsb_uv <= signal.min() < signal.max() <= 2047 * lsb_uv
        clipped = (signal == -2048 * lsb_uv) | (signal == 2047 * lsb_uv)
        np.testing.assert_array_equal(clipped, inside(simulated, found, name) & clipped)
        for row in found[found["channel"] == name]:
            first = round(row["onset"] * 1000)
            assert clipped[first]
            assert clipped[first + round(row["duration"] * 1000) - 1]


@pytest.mark.parametrize(
    ("name", "lsb_uv"),
    [
        ("uno_10bit", 24.41),
        ("myoware_12bit", 4.03),
        ("myoware_14bit_2khz", 1.53),
        ("openbci_200hz", 0.02235),
    ],
)
def test_the_converter_makes_whole_steps(name: str, lsb_uv: float) -> None:
    simulated = simulate_recording(replace(SCENARIOS[name], minutes=1.0), 1)
    assert simulated.lsb_uv == pytest.approx(lsb_uv, rel=3e-3)
    codes = simulated.signal_uv / simulated.lsb_uv
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-6)


def test_a_baseline_on_a_code_sticks_and_one_between_two_toggles() -> None:
    def share_at_rest(baseline_codes: float) -> float:
        front_end = myoware(10, 5.0, baseline_codes)
        scenario = Scenario(minutes=1, rate_per_min=0, front_end=front_end)
        return float(np.mean(simulate_recording(scenario, 1).signal_uv == 0))

    assert share_at_rest(0) > 0.98
    assert share_at_rest(0.5) == pytest.approx(0.5, abs=0.05)


def test_a_fast_clock_stretches_the_times_of_the_file() -> None:
    plain, fast = (
        rows(simulate_recording(replace(SILENT, clock_error_ppm=ppm), 1), "fasciculation")
        for ppm in (0, 5000)
    )
    count = min(plain.size, fast.size)
    np.testing.assert_allclose(
        fast["peak_time"][: count // 2], 1.005 * plain["peak_time"][: count // 2], rtol=2e-3
    )


def test_the_myoware_band_is_first_order() -> None:
    response = np.abs(myoware(12, 3.3).response(np.array([2.08, 20.8, 100.0, 498.4, 4984.0]), 1000))
    np.testing.assert_allclose(response, [0.0995, 0.7065, 0.96, 0.7065, 0.0995], atol=0.005)
    assert FrontEnd(highpass_hz=0).response(np.array([0.0]), 1000)[0] == 1


def test_every_step_is_announced() -> None:
    scenario = replace(SCENARIOS["eight_channels"], minutes=0.1)
    calls: list[int] = []
    simulate_recording(scenario, 1, on_step=lambda: calls.append(1))
    assert len(calls) == steps(scenario)


@pytest.mark.parametrize("minutes", [1 / 60, 0.2])
def test_even_a_second_can_be_simulated(minutes: float) -> None:
    for name in ("all_nuisances", "motion", "neuronal"):
        simulated = simulate_recording(replace(SCENARIOS[name], minutes=minutes), 1)
        assert simulated.signal_uv.shape[1] == round(60_000 * minutes)


def test_64_channels_at_4_khz() -> None:
    names = tuple(f"grid_{index}" for index in range(64))
    simulated = simulate_recording(Scenario(minutes=0.05, sfreq=4000, ch_names=names), 1)
    assert simulated.signal_uv.shape == (64, 12000)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sfreq": 100}, "100 Hz"),
        ({"ch_names": ()}, "0 channels"),
        ({"ch_names": ("a", "a")}, "a, a"),
        ({"minutes": 0.01}, "0.01 minutes"),
        ({"units": 0}, "0 units"),
        ({"noise_uv": (1.0, 2.0, 3.0)}, "3 values for 2"),
        ({"rate_per_min": -1}, "-1"),
        ({"overloads_per_min": 1}, "bits"),
    ],
)
def test_what_cannot_be_simulated_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Scenario(**fields)


def test_no_two_intervals_of_a_kind_overlap() -> None:
    truth = simulate_recording(SCENARIOS["all_nuisances"], 1).truth
    for kind in (*SUSTAINED, "motion", "lift-off"):
        for channel in ("calf_L", "calf_R"):
            chosen = ((truth["trial_type"] == kind) | (truth["reason"] == kind)) & (
                truth["channel"] == channel
            )
            for before, after in pairwise(truth[chosen]):
                assert before["onset"] + before["duration"] < after["onset"]
