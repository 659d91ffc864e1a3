"""The clock of a board, from simulated arrivals with the truth known."""

from datetime import UTC, datetime

import numpy as np
import pytest

from firmware_bridge.clock import N_WINDOWS, TRUSTED_AFTER_S, ClockEstimator

FS = 1000.0
PER_FRAME = 10
WALL_NS = 1_700_000_000_000_000_000
DELAY_S = 0.001


def arrivals(seconds, ppm, *, wander_ppm=0.0, lump_s=0.004096, stalls=(), seed=1):
    """Return the last scans of frames, when they were sampled, and when they arrived (s).

    The bridge chip hands bytes on every `lump_s`; a stall of the computer lets them wait.
    """
    rng = np.random.default_rng(seed)
    scans = np.arange(PER_FRAME - 1, seconds * FS, PER_FRAME)
    nominal = scans / FS
    period = 600 / (2 * np.pi)
    sampled = nominal / (1 + ppm * 1e-6)
    sampled -= wander_ppm * 1e-6 * period * (1 - np.cos(nominal / period))
    sent = sampled + DELAY_S + rng.exponential(0.0003, scans.size)
    arrived = np.ceil(sent / lump_s) * lump_s + rng.exponential(0.0003, scans.size)
    for start, length in stalls:
        waits = (arrived > start) & (arrived < start + length)
        arrived[waits] = start + length
    return scans, sampled, np.maximum.accumulate(arrived)


def followed(scans, arrived, every_s=1.0):
    """Yield the fit and the newest scan each second."""
    estimator = ClockEstimator(FS, 0, WALL_NS)
    due = every_s
    for index, (scan, moment) in enumerate(zip(scans, arrived, strict=True)):
        estimator.add(scan, round(moment * 1e9))
        if moment >= due:
            due += every_s
            yield index, estimator.fit()


@pytest.mark.parametrize("lump_s", [0.004096, 0.016])
def test_rate_of_a_bad_resonator_within_a_minute(lump_s):
    stalls = [(20.0, 0.3)]
    for seed in range(5):
        scans, _, arrived = arrivals(60, -5000, lump_s=lump_s, stalls=stalls, seed=seed)
        fits = [fit for _, fit in followed(scans, arrived)]
        assert not fits[3].trusted
        assert fits[-1].trusted
        assert all(abs(fit.deviation_ppm + 5000) < 100 for fit in fits if fit.trusted)
        assert abs(fits[-1].deviation_ppm + 5000) < 10
        assert fits[-1].residual_s < 0.001


@pytest.mark.parametrize(("lump_s", "spread_s"), [(0.004096, 0.12e-3), (0.016, 0.15e-3)])
def test_ten_minutes_of_a_wandering_clock_with_stalls(lump_s, spread_s):
    stalls = [(start, 0.3) for start in (30, 100, 180, 260, 400, 520)]
    scans, sampled, arrived = arrivals(600, -2000, wander_ppm=30, lump_s=lump_s, stalls=stalls)
    late = np.array(
        [fit.monotonic_ns_of(scans[i]) * 1e-9 - sampled[i] for i, fit in followed(scans, arrived)]
    )[int(TRUSTED_AFTER_S) :]
    assert DELAY_S < late.mean() < DELAY_S + 0.001
    assert late.std() < spread_s
    assert np.abs(late - late.mean()).max() < 0.001


def test_rate_since_the_start_and_times_of_any_scan():
    scans, sampled, arrived = arrivals(300, 4000)
    *_, (_, fit) = followed(scans, arrived)
    assert fit.mean_sfreq_hz == pytest.approx(FS * 1.004, rel=5e-6)
    for i in (0, 100, scans.size // 2, scans.size - 1):
        moment = fit.monotonic_ns_of(scans[i])
        assert moment * 1e-9 == pytest.approx(sampled[i] + DELAY_S, abs=0.001)
        assert fit.scan_at(moment) == pytest.approx(scans[i], abs=0.01)
        wall = datetime.fromtimestamp(WALL_NS * 1e-9 + moment * 1e-9, UTC)
        assert abs((fit.wall_time_of(scans[i]) - wall).total_seconds()) < 1e-5
    assert fit.latency_s is None


def test_round_trips_take_out_the_constant_delay():
    scans, sampled, arrived = arrivals(30, -1000)
    rng = np.random.default_rng(2)
    estimator = ClockEstimator(FS, 0, WALL_NS)
    for scan, moment in zip(scans, arrived, strict=True):
        estimator.add(scan, round(moment * 1e9))
    for start in np.arange(1.0, 29.0):
        there, back = 0.001 + rng.exponential(0.003, 2)
        scan = (start + there) * FS * 0.999
        estimator.add_pong(scan, round(start * 1e9), round((start + there + back) * 1e9))
    fit = estimator.fit()
    late = fit.monotonic_ns_of(scans[-1]) * 1e-9 - sampled[-1]
    assert abs(late) < fit.latency_error_s
    assert 0.0005 < fit.latency_s < 0.0025


def test_after_a_restart_the_rate_is_known_and_the_offset_new():
    scans, sampled, arrived = arrivals(30, -3000)
    later = 31.5
    estimator = ClockEstimator(FS, 0, WALL_NS)
    for scan, moment in zip(scans, arrived, strict=True):
        estimator.add(scan, round(moment * 1e9))
    start = estimator.fit().start_ns
    estimator.restart()
    assert estimator.fit() is None
    first = round(later * FS * 0.997)  # by the computer's clock, some scans wrong
    for scan, moment in zip(scans[:50] + first + 4, arrived[:50] + later, strict=True):
        estimator.add(scan, round(moment * 1e9))
    fit = estimator.fit()
    assert fit.trusted
    assert fit.start_ns == start
    assert fit.deviation_ppm == pytest.approx(-3000, abs=30)
    moment = fit.monotonic_ns_of(scans[49] + first + 4) * 1e-9
    assert moment == pytest.approx(sampled[49] + later + DELAY_S, abs=0.001)


def test_memory_does_not_grow():
    estimator = ClockEstimator(FS, 0, WALL_NS)
    for i in range(30_000):
        estimator.add(100 * i, 100_000_000 * i + (i * i) % 7_000_000)
        estimator.add_pong(100 * i, 100_000_000 * i, 100_000_000 * i + 1000)
    assert len(estimator._windows) == N_WINDOWS
    assert sum(len(window.hull) for window in estimator._windows) <= 20 * N_WINDOWS
    assert len(estimator._pongs) == 60


def test_first_scans_give_the_nominal_rate():
    estimator = ClockEstimator(250.0, 1_000, WALL_NS)
    assert estimator.fit() is None
    estimator.add(24, 1_000 + 100_000_000)
    fit = estimator.fit()
    assert (fit.sfreq_hz, fit.trusted, fit.deviation_ppm) == (250.0, False, 0.0)
    assert fit.start_ns == pytest.approx(1_000 + 4_000_000, abs=1)
