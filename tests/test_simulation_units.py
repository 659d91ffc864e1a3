"""Motor units: the shapes of their potentials and when they fire."""

from typing import Literal

import numpy as np
import pytest

from emgtwitch.simulation.activity import contraction_trains, cramp_trains, cramps
from emgtwitch.simulation.firing import Firings, regular_train, twitch_firings
from emgtwitch.simulation.front_end import IDEAL, FrontEnd, myoware
from emgtwitch.simulation.potentials import GRID_HZ, band_gain, recorded_potentials
from emgtwitch.simulation.scenario import Scenario

HOUR_S = 3600.0


def intervals(firings: Firings) -> np.ndarray:
    """Intervals within the units, s."""
    return np.concatenate(
        [np.diff(firings.times_s[firings.unit == unit]) for unit in np.unique(firings.unit)]
    )


@pytest.mark.parametrize("front_end", [IDEAL, myoware(12, 3.3)])
def test_potentials_last_13_ms_and_have_their_median_frequency_at_85_hz(
    front_end: FrontEnd,
) -> None:
    potentials = recorded_potentials(np.random.default_rng(0), np.full(200, 50.0), front_end, 1000)
    duration_ms = 1000 * (potentials.end_s - potentials.onset_s)
    assert np.median(duration_ms) == pytest.approx(13, abs=1)
    assert 2.8 < duration_ms.min() < duration_ms.max() < 37.4  # range of needle recordings
    spectrum = np.fft.rfft(potentials.waveforms_uv, 2**14)
    frequency = np.fft.rfftfreq(2**14, 1 / GRID_HZ)
    power = np.cumsum(np.abs(spectrum * band_gain(frequency, 1000)) ** 2, axis=1)
    median_hz = frequency[(power > power[:, -1:] / 2).argmax(axis=1)]
    assert np.median(median_hz) == pytest.approx(85, abs=5)


def test_potentials_differ_in_shape_and_polarity() -> None:
    potentials = recorded_potentials(np.random.default_rng(0), np.full(8, 50.0), IDEAL, 1000)
    templates, peak = potentials.sampled(1000)
    main = templates[:, peak]
    np.testing.assert_allclose(np.abs(main), np.abs(templates).max(axis=1), rtol=0.05)
    assert (main > 0).any()
    assert (main < 0).any()
    unlike = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    assert np.median(np.abs(unlike @ unlike.T)[np.triu_indices(8, 1)]) < 0.95


def test_a_potential_is_placed_between_samples() -> None:
    potentials = recorded_potentials(np.random.default_rng(0), np.full(1, 50.0), IDEAL, 1000)
    early, late = (potentials.train(0, np.array([at]), 1000, 200) for at in (0.1, 0.1004))
    shift = np.exp(-2j * np.pi * np.fft.rfftfreq(200) * 0.4)
    np.testing.assert_allclose(late, np.fft.irfft(np.fft.rfft(early) * shift), atol=0.1)


def test_axonal_units_are_poisson_with_a_refractory_time() -> None:
    firings = twitch_firings(np.random.default_rng(1), 20 * HOUR_S, 60, 6, "axonal")
    assert firings.times_s.size == pytest.approx(20 * 3600, rel=0.02)
    for unit in range(6):
        gaps = np.diff(firings.times_s[firings.unit == unit])
        assert gaps.min() > 0.003
        assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.04)
    shares = np.bincount(firings.unit)
    assert shares.max() > 1.3 * shares.min()
    np.testing.assert_array_equal(firings.times_s, np.sort(firings.times_s))


def test_doublets_at_5_ms_and_f_waves_at_32_to_35_ms() -> None:
    firings = twitch_firings(
        np.random.default_rng(1), HOUR_S, 60, 6, "axonal", doublet_share=0.2, f_wave_share=0.1
    )
    gaps = intervals(firings)
    starts = np.unique(firings.group).size
    doublets = gaps[gaps < 0.010]
    assert doublets.size / starts == pytest.approx(0.2, abs=0.03)
    assert doublets.mean() == pytest.approx(0.005, abs=0.0002)
    alone = twitch_firings(np.random.default_rng(1), HOUR_S, 60, 6, "axonal", f_wave_share=0.1)
    f_waves = intervals(alone)
    f_waves = f_waves[(f_waves > 0.020) & (f_waves < 0.045)]
    assert np.mean((f_waves > 0.032) & (f_waves < 0.035)) > 0.95
    assert f_waves.size / np.unique(alone.group).size == pytest.approx(0.1, abs=0.03)


def test_neuronal_units_prefer_80_ms_in_short_chains() -> None:
    firings = twitch_firings(np.random.default_rng(1), 10 * HOUR_S, 60, 6, "neuronal")
    assert firings.times_s.size == pytest.approx(10 * 3600, rel=0.04)
    gaps = intervals(firings)
    assert 0.017 < gaps.min() < 0.046
    counts, edges = np.histogram(gaps, np.arange(0, 0.4, 0.01))
    assert edges[counts.argmax()] == pytest.approx(0.08, abs=0.0101)
    assert 0.25 < np.mean(gaps < 0.25) < 0.5
    sizes = np.unique(firings.group, return_counts=True)[1]
    assert sizes.mean() < 2
    assert sizes.max() < 13


def test_grouped_units_fire_in_bursts_of_up_to_five() -> None:
    firings = twitch_firings(np.random.default_rng(1), HOUR_S, 60, 6, "grouped")
    assert firings.times_s.size == pytest.approx(3600, rel=0.1)
    sizes = np.unique(firings.group, return_counts=True)[1]
    assert sizes.max() == 5
    assert np.mean(sizes >= 2) > 0.98  # a group may meet the refractory time of another
    assert np.bincount(sizes)[2:].min() > 0.2 * sizes.size


def test_a_drifting_rate_spreads_the_counts_of_minutes_and_keeps_the_mean() -> None:
    def dispersion(log_sd: float) -> float:
        firings = twitch_firings(
            np.random.default_rng(2), 2 * HOUR_S, 60, 6, "axonal", drift_log_sd=log_sd
        )
        assert firings.times_s.size == pytest.approx(7200, rel=0.05)
        counts = np.histogram(firings.times_s, np.arange(0, 2 * HOUR_S + 1, 60))[0]
        return float(counts.var() / counts.mean())

    assert dispersion(0) == pytest.approx(1, abs=0.3)
    assert dispersion(0.8) > 5


def test_a_regular_train_follows_its_rate_and_variation() -> None:
    rate = np.repeat([7.0, 0.0, 14.0], 20_000)
    train = regular_train(np.random.default_rng(0), rate, 0.005, 0.15)
    assert not ((train > 100.3) & (train < 200)).any()
    for begin, end, hz in ((0, 100, 7), (200, 300, 14)):
        gaps = np.diff(train[(train > begin) & (train < end)])
        assert 1 / gaps.mean() == pytest.approx(hz, rel=0.03)
        assert gaps.std() / gaps.mean() == pytest.approx(0.15, abs=0.02)


def test_cramp_units_fire_as_measured() -> None:
    """14.5 +- 5.1 pulses per second, 6-25, interval CV 44.6 %, doublets 4.1 %."""
    rng = np.random.default_rng(0)
    trains = [train for _ in range(20) for train in cramp_trains(rng, 25.0)]
    gaps = [np.diff(train) for train in trains]
    rates = [1 / each.mean() for each in gaps]
    assert np.mean(rates) == pytest.approx(14.5, abs=0.8)
    assert np.std(rates) == pytest.approx(5.1, abs=0.8)
    assert 5 < min(rates) < max(rates) < 27
    assert np.mean([each.std() / each.mean() for each in gaps]) == pytest.approx(0.446, abs=0.03)
    assert np.mean(np.concatenate(gaps) < 0.0051) == pytest.approx(0.041, abs=0.01)
    assert min(each.min() for each in gaps) >= 0.003


def test_cramps_last_as_measured_and_stay_in_one_muscle() -> None:
    """23.6 +- 16 s, here at least 5."""
    signal, rows = cramps(np.random.default_rng(0), Scenario(cramps=12), 1_440_000, 1000.0)
    durations = [row.duration for row in rows]
    assert np.mean(durations) == pytest.approx(23.6, abs=8)
    assert min(durations) > 4
    for row in rows:
        during = slice(int(1000 * row.onset), int(1000 * (row.onset + row.duration)))
        active = signal[:, during].std(axis=1) > 1
        assert active.tolist() == [name == row.channel for name in ("calf_L", "calf_R")]


@pytest.mark.parametrize(
    ("kind", "n_units", "fastest_hz"), [("single_unit", 1, 8), ("few_units", 4, 25)]
)
def test_voluntary_units_fire_regularly_in_order_of_size(
    kind: Literal["single_unit", "few_units"], n_units: int, fastest_hz: float
) -> None:
    rng = np.random.default_rng(0)
    scenario = Scenario(contraction=kind)
    for _ in range(10):
        trains = contraction_trains(rng, scenario, n_units, 20.0)
        starts = [train[0] for train in trains]
        assert starts == sorted(starts)
        gaps = np.diff(trains[0])
        assert 5.5 < 1 / gaps.mean() < fastest_hz + 0.5
        if n_units == 1:
            assert 0.07 < gaps.std() / gaps.mean() < 0.30
