"""The stages of the detector, each against a signal of which the answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from emgtwitch.detection.block_filter import BlockFilter
from emgtwitch.detection.calibration import threshold
from emgtwitch.detection.candidates import Candidate, Ruler, likeness, maxima
from emgtwitch.detection.codes import GAP, VALID
from emgtwitch.detection.decision import HALF_SECOND, MARGIN
from emgtwitch.detection.front_end import FrontEnd, band_pass, remove_glitches
from emgtwitch.detection.gaps import GapBridge, without_short_gaps
from emgtwitch.detection.gates import train_span
from emgtwitch.detection.grid import TILE_BLOCKS, make_grid
from emgtwitch.detection.noise import NoiseFloor
from emgtwitch.detection.settings import PRESETS
from emgtwitch.detection.statistic import make_bank, spread_bank, statistic, whitened_bank
from emgtwitch.detection.units import FiringUnits
from emgtwitch.detection.validity import Validity

SFREQ = 1000.0


def potential(sfreq=SFREQ, width_s=0.002, height_uv=100.0, n=101):
    """A triphasic potential, its negative main peak in the middle."""
    u = (np.arange(n) - n // 2) / sfreq / width_s
    return -height_uv * (1 - u**2) * np.exp(-(u**2) / 2)


@given(sfreq=st.floats(200, 20_000))
@settings(derandomize=True)
def test_decisions_are_possible_within_a_second_at_any_rate(sfreq):
    grid = make_grid(sfreq)
    assert grid.ahead >= HALF_SECOND + MARGIN
    assert (grid.ahead + TILE_BLOCKS) * grid.block_s + 0.0061 <= 1.0
    assert grid.n_tile % grid.step == 0
    assert grid.n_block % grid.hop == 0


def test_gap_is_held_and_leaves_no_step():
    signal = np.array([[5.0, 6, np.nan, np.nan, 106, 107], [1, 1, 1, 1, 1, np.nan]])
    expected = [[0, 1, 1, 1, 1, 2], [0, 0, 0, 0, 0, 0]]
    for n in range(1, 7):
        gaps, bridged = GapBridge(2), signal.copy()
        gaps.bridge(bridged, n)
        np.testing.assert_array_equal(bridged, expected)
        if n < 6:
            later = signal[:, n:].copy()
            gaps.bridge(later, 6 - n)
            np.testing.assert_array_equal(later, np.array(expected)[:, n:])


@pytest.mark.parametrize(("sfreq", "longest"), [(700.0, 1), (1000.0, 1), (4000.0, 4)])
def test_short_gaps_are_filled_and_long_or_close_ones_stay(sfreq, longest):
    at = np.arange(200)
    whole = (1 + 0.1 * at - 0.01 * at**2 + 1e-4 * at**3)[None]
    lossy = whole.copy()
    lossy[0, 50 : 50 + longest] = np.nan
    np.testing.assert_allclose(without_short_gaps(lossy, sfreq), whole, atol=1e-9)
    apart = longest + 1
    for kept in (slice(0, 1), slice(1 - apart, None), slice(60, 61 + longest), slice(100, 140, 2)):
        lossy = whole.copy()
        lossy[0, kept] = np.nan
        np.testing.assert_array_equal(without_short_gaps(lossy, sfreq), lossy)
    np.testing.assert_array_equal(without_short_gaps(lossy, 250.0), lossy)  # a sample is 4 ms


@pytest.mark.parametrize("length", [1, 2])
def test_glitch_is_removed_and_potential_is_not(length):
    rng = np.random.default_rng(1)
    signal = rng.standard_normal((1, 212))
    signal[0, 50:151] += potential(height_uv=40)
    clean = signal.copy()
    signal[0, 170 : 170 + length] += 60
    mended, glitches = remove_glitches(signal, np.array([1.0]), 6, 2)
    assert [(g.channel, g.sample) for g in glitches] == [(0, 164)]
    assert np.abs(mended - clean).max() < 5
    np.testing.assert_array_equal(mended[0, :165], clean[0, :165])


@pytest.mark.parametrize("width_s", [0.0012, 0.0015, 0.002])
def test_a_sharp_potential_is_no_glitch(width_s):
    rng = np.random.default_rng(9)
    for shift in range(4):
        signal = rng.standard_normal((1, 212))
        u = (np.arange(212) - 100 - shift / 4) / SFREQ / width_s
        signal += 60 * u * (u**2 - 3) * np.exp(-(u**2) / 2)  # the third derivative of a Gaussian
        assert remove_glitches(signal, np.array([1.0]), 6, 2)[1] == []


@pytest.mark.parametrize("sfreq", [200.0, 1000.0, 2000.0, 100_000.0])
def test_filter_in_blocks_is_the_filter(sfreq):
    grid, sos = make_grid(sfreq), band_pass(sfreq)
    signal = 1e4 + np.random.default_rng(4).standard_normal((2, 7 * grid.n_tile))
    expected = sosfilt(sos, signal)[:, :: grid.step]
    filters = BlockFilter(sos, 2, grid)
    parts = [filters.filter(part) for part in np.split(signal, [grid.n_tile * 4], axis=1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-3, rtol=1e-6)
    filters = BlockFilter(sos, 2, grid)
    n = 5 * grid.step
    early = filters.filter(signal[:, :n], keep=False)
    np.testing.assert_array_equal(early, filters.filter(signal)[:, :5])


def cleaned(signal, sd):
    """A signal behind glitch removal and mains canceller, and the canceller."""
    grid = make_grid(SFREQ)
    front = FrontEnd(len(signal), grid, "auto")
    ends = range(grid.n_tile, signal.shape[1] - front.look_ahead, grid.n_tile)
    ahead = front.look_ahead
    room = np.zeros((len(signal), ahead))
    parts = []
    for end in ends:
        part = np.concatenate([room, signal[:, end - grid.n_tile : end + ahead]], axis=1)
        parts.append(front.process(part, np.array(sd))[0])
    return np.concatenate(parts, axis=1) + signal[:, :1], front.mains


@pytest.mark.parametrize(("hz", "drift_hz"), [(50.0, 0.0), (49.7, 0.02), (60.3, -0.02)])
def test_mains_is_found_and_subtracted(hz, drift_hz):
    rng = np.random.default_rng(2)
    time = np.arange(30_000) / SFREQ
    phase = 2 * np.pi * (hz * time + drift_hz * time**2 / 2)
    noise = 4 * rng.standard_normal((1, len(time)))
    hum = 30 * np.sin(phase) + 10 * np.sin(3 * phase + 1)
    left, canceller = cleaned(noise + hum, [4.0])
    residual = (left - noise[:, : left.shape[1]])[:, 10_000:]
    assert residual.std() < 0.8  # of 22 µV
    base = int(hz > 55)
    assert canceller.mains_hz[0, base] == pytest.approx(hz + drift_hz * 30, abs=0.1)


def test_mains_is_held_through_a_gap_and_left_when_it_ends():
    rng = np.random.default_rng(8)
    n_tile = make_grid(SFREQ).n_tile
    start, stop, end = 75 * n_tile, 90 * n_tile, 120 * n_tile
    noise = 4 * rng.standard_normal((1, 30_000))
    hum = 40 * np.sin(2 * np.pi * 50.1 * np.arange(30_000) / SFREQ)
    hum[end:] = 0
    signal = noise + hum
    signal[:, start:stop] = np.nan
    left, _ = cleaned(signal, [4.0])
    rest = left - noise[:, : left.shape[1]]
    assert rest[:, stop : stop + 300].std() < 6  # of 28 µV
    assert rest[:, end + 300 :].std() < 1


def test_without_mains_nothing_is_subtracted():
    noise = np.random.default_rng(3).standard_normal((2, 20_000))
    left, _ = cleaned(noise, [1.0, 1.0])
    assert np.std(left - noise[:, : left.shape[1]]) < 0.05


def floor_of(signal, n_block=24):
    """The noise floor after a signal that starts with its past."""
    floor = NoiseFloor(np.full((1, 39), 1e-9), SFREQ, n_block)
    windows = np.lib.stride_tricks.sliding_window_view(signal, 39)
    levels = []
    for start in range(40, len(signal) - 6 * n_block, 6 * n_block):
        new = signal[start - 2 : start + 6 * n_block]
        bend = np.diff(new, 2)
        powers = np.square(new[2:]).reshape(1, 6, -1).mean(axis=2)
        high = np.square(bend).reshape(1, 6, -1).mean(axis=2)
        powers, high = powers[:, None], high[:, None]
        quiet = floor.update_level(powers, high, np.ones((1, 1, 6), dtype=bool))
        past = windows[start - 38 : start - 38 + 6 * n_block]
        kept = np.repeat(quiet[0, 0], n_block)
        products = (past[kept, -1] @ past[kept])[::-1] / max(kept.sum(), 1)
        floor.update_shape(quiet, powers, high, products[None, None])
        levels.append(float(floor.level[0]))
    return floor, np.array(levels)


@pytest.mark.parametrize("colour", [0.0, 0.9])
def test_noise_level_is_unbiased_for_any_colour(colour):
    rng = np.random.default_rng(4)
    signal = sosfilt([[1, 0, 0, 1, -colour, 0]], rng.standard_normal(120_000))
    signal = sosfilt(band_pass(SFREQ), signal)
    floor, levels = floor_of(signal)
    assert levels[200:].mean() == pytest.approx(signal.var(), rel=0.03)
    true = np.array([np.mean(signal[lag:] * signal[: len(signal) - lag]) for lag in range(39)])
    measured = floor.autocovariance()[0]
    np.testing.assert_allclose(measured / measured[0], true / true[0], atol=0.06)


def test_noise_level_follows_noise_and_not_a_contraction():
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(60_000)
    louder = sosfilt(band_pass(SFREQ), np.where(np.arange(60_000) < 30_000, 1, 2) * noise)
    _, levels = floor_of(louder)
    assert levels[-1] / levels[180] == pytest.approx(4, rel=0.2)
    muscle = butter(4, [30, 150], "bandpass", fs=SFREQ, output="sos")
    effort = sosfilt(muscle, 40 * noise)
    effort[:30_000] = effort[45_000:] = 0
    _, levels = floor_of(sosfilt(band_pass(SFREQ), noise) + effort)
    assert levels[300] / levels[180] < 4  # the contraction itself is some 400 times stronger
    assert levels[-1] / levels[180] == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("sfreq", [200.0, 1000.0, 4000.0])
def test_whitened_pairs_are_orthonormal_under_the_noise(sfreq):
    grid = make_grid(sfreq)
    bank = make_bank(band_pass(sfreq), sfreq, grid.step)
    n = len(bank.shapes)
    autocovariance = 3.0 * 0.7 ** np.arange(n)
    whitened = whitened_bank(bank, autocovariance[None])[0]
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    for first in range(0, whitened.shape[1], 2):
        pair = whitened[:, first : first + 2]
        np.testing.assert_allclose(pair.T @ autocovariance[lags] @ pair, np.eye(2), atol=1e-9)


def test_statistic_is_blind_to_polarity_and_grows_with_the_square():
    bank = make_bank(band_pass(SFREQ), SFREQ, 1)
    whitened = whitened_bank(bank, np.eye(1, len(bank.shapes)))
    windows = np.random.default_rng(6).standard_normal((1, 50, len(bank.shapes)))
    spread = spread_bank(whitened, 1, 1)
    score = statistic(windows, spread, 1)
    np.testing.assert_allclose(statistic(-3 * windows, spread, 1), 9 * score)
    pairs = (windows[0] @ whitened[0]).reshape(50, -1, 2)
    np.testing.assert_allclose(score[0], np.square(pairs).sum(axis=2).max(axis=1), rtol=1e-5)


def test_statistic_at_several_positions_of_a_piece():
    bank = make_bank(band_pass(SFREQ), SFREQ, 1)
    whitened = whitened_bank(bank, np.eye(1, len(bank.shapes)))
    n = len(bank.shapes)
    piece = np.random.default_rng(6).standard_normal((1, 1, n + 4))
    windows = np.stack([piece[:, 0, start : start + n] for start in (0, 2, 4)], axis=1)
    np.testing.assert_allclose(
        statistic(piece, spread_bank(whitened, 3, 2), 3),
        statistic(windows, spread_bank(whitened, 1, 1), 1),
        rtol=1e-5,
    )


def test_threshold_obeys_the_law():
    levels = [threshold(per_hour, SFREQ) for per_hour in (0.1, 1, 6, 60, 600)]
    assert levels == sorted(levels, reverse=True)
    for per_hour, level in zip((0.1, 1, 6, 60, 600), levels, strict=True):
        assert np.exp(13.75) * np.sqrt(level) * np.exp(-level / 2) == pytest.approx(per_hour)


@given(
    values=st.lists(st.integers(0, 9), min_size=12, max_size=60),
    reach=st.integers(1, 5),
    limit=st.integers(1, 9),
)
@settings(derandomize=True)
def test_maxima_against_the_definition(values, reach, limit):
    score = np.array([values, values[::-1]], dtype=float)
    expected = {
        (c, p)
        for c in range(2)
        for p in range(reach, len(values) - reach)
        if score[c, p] >= limit
        and score[c, p] == score[c, p - reach : p + reach + 1].max()
        and (score[c, p - reach : p] < score[c, p]).all()
    }
    assert set(zip(*(found.tolist() for found in maxima(score, limit, reach)), strict=True)) == (
        expected
    )


@pytest.mark.parametrize("sfreq", [500.0, 1000.0, 4000.0])
def test_measured_amplitude_and_time_are_those_of_the_potential(sfreq):
    ruler = Ruler(band_pass(sfreq), sfreq)
    n = 2 * ruler.reach + 1
    wave = potential(sfreq, width_s=0.0025, n=n)
    candidate = Candidate(0, 0.0, 50.0, 1.0, np.zeros(0, dtype=int))
    ruler.measure(candidate, wave + 300.0, -ruler.reach / sfreq)
    assert candidate.peak_s == pytest.approx(0, abs=2e-4)
    assert candidate.amplitude_uv == pytest.approx(np.ptp(wave), rel=0.08)
    assert candidate.onset_s < -0.003 < 0.003 < candidate.offset_s


def test_slow_swing_that_the_other_leg_shares_is_not_counted():
    ruler = Ruler(band_pass(SFREQ), SFREQ)
    n = 2 * ruler.reach + 1
    swing = 60 * np.sin(np.arange(n) / 30)
    for other, least, most in ((0 * swing, 60, 130), (-0.5 * swing, 0, 10), (0.1 * swing, 40, 130)):
        candidate = Candidate(0, 0.0, 50.0, 1.0, np.zeros(0, dtype=int))
        ruler.measure(candidate, potential(n=n) + swing, 0.0, other[None])
        assert least <= candidate.slow_uv <= most


def test_train_of_a_unit_is_found_and_a_group_of_others_is_not():
    def candidate(time_s, shape):
        found = Candidate(0, time_s, 50.0, 1.0, np.zeros(0, dtype=int))
        found.centre_s, found.shape = time_s, shape
        return found

    def span_of_first(times_s, firing):
        shape = potential(n=21)
        around = [candidate(time_s, shape) for time_s in times_s]
        return train_span(around[0], around, PRESETS["default"], firing)

    firing = FiringUnits()
    regular = np.cumsum([0, 0.14, 0.15, 0.13, 0.14, 0.16, 0.14, 0.15])
    assert span_of_first([0.0, 0.15, 0.3], firing) is None
    assert span_of_first([0.0, 0.04, 0.29, 0.34, 0.6], firing) is None
    assert span_of_first(regular, firing) is not None
    assert span_of_first([0.0, 0.15, 0.3], firing) == (0.0, 0.3)  # it is known now
    assert span_of_first([0.0, 0.4, 0.9], firing) is None
    odd = candidate(0.0, np.array([-9.0, 1.0, 0.0, 0.0, 0.0]))  # unlike itself when shifted
    assert train_span(odd, [odd] * 3, PRESETS["default"], firing) is None


def test_likeness():
    shape = potential(n=21)
    others = np.array([shape, -shape, 3 * shape, np.roll(shape, 1), np.roll(shape, 8)])
    same, opposite, larger, shifted, far = likeness(shape, others)
    assert same == pytest.approx(1)
    assert opposite < 0
    assert larger < 0.7
    assert shifted > 0.9
    assert far < 0.5


@pytest.mark.parametrize("baseline_uv", [0.0, 12_500.0])
def test_gaps_do_not_make_a_signal_in_the_middle_of_the_range_look_saturated(baseline_uv):
    """Readings of an Arduino lie around half of its range, and a coarse step repeats values."""
    grid = make_grid(SFREQ)
    validity = Validity(1, grid, np.array([24.4]))
    rng = np.random.default_rng(3)
    found = []
    for tile in range(200):
        raw = baseline_uv + 24.4 * np.rint(rng.normal(0, 0.3, (1, grid.n_tile)))
        if tile % 60 > 30:  # four and a half seconds are missing
            raw[:] = np.nan
        found.append(validity.next_tiles(raw, np.array([7.0])))
    assert set(np.unique(found)) == {GAP, VALID}
