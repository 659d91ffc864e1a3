"""Matching and scores, against brute force and against cases worked by hand."""

import json
import time
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emgtwitch.cli import main
from emgtwitch.errors import InputError
from emgtwitch.evaluation import Agreement, Score, agreement, evaluate, match_times
from emgtwitch.event_table import Event, event_array, write_event_table

TOLERANCE_S = 0.025
# Crowded on purpose: several candidates for every event, and many ties.
TIMES_MS = st.lists(st.integers(0, 120), max_size=6)


def twitch(time_s, channel="calf_L", **more):
    return Event(time_s - 0.005, 0.01, "fasciculation", channel, peak_time=time_s, **more)


def nuisance(kind, start_s, stop_s, channel="calf_L"):
    return Event(start_s, stop_s - start_s, kind, channel)


def total(detected, truth, **options):
    return evaluate(event_array(detected), event_array(truth), **options).total


def best_by_brute_force(detected, true):
    """Most pairs, then least summed error, over every one-to-one pairing."""
    best = (0, 0)
    for size in range(1, min(len(detected), len(true)) + 1):
        for chosen in combinations(detected, size):
            for partners in permutations(true, size):
                errors = [abs(a - b) for a, b in zip(chosen, partners, strict=True)]
                if max(errors) <= 25:
                    best = max(best, (size, -sum(errors)))
    return best


@settings(deadline=None, derandomize=True)
@given(TIMES_MS, TIMES_MS)
def test_matching_is_the_best_of_all_pairings(detected_ms, true_ms):
    detected, true = np.array(detected_ms) / 1000, np.array(true_ms) / 1000
    i, j = match_times(detected, true, TOLERANCE_S)
    errors = np.abs(detected[i] - true[j])
    assert len(set(i)) == len(i) == len(set(j)) == len(j)
    assert (errors <= TOLERANCE_S + 2e-6).all()
    pairs, summed = best_by_brute_force(detected_ms, true_ms)
    assert len(i) == pairs
    assert errors.sum() * 1000 == pytest.approx(-summed, abs=1e-6)


@settings(deadline=None, derandomize=True)
@given(TIMES_MS, TIMES_MS)
def test_matching_is_symmetric(detected_ms, true_ms):
    detected, true = np.array(detected_ms) / 1000, np.array(true_ms) / 1000
    i, j = match_times(detected, true, TOLERANCE_S)
    k, m = match_times(true, detected, TOLERANCE_S)
    assert len(i) == len(k)
    assert np.abs(detected[i] - true[j]).sum() == pytest.approx(np.abs(true[k] - detected[m]).sum())


def test_many_events_are_matched_quickly():
    rng = np.random.default_rng(0)
    detected, true = rng.uniform(0, 1500, (2, 50_000))
    started = time.perf_counter()
    i, _ = match_times(detected, true, TOLERANCE_S)
    assert time.perf_counter() - started < 5
    assert 25_000 < len(i) < 50_000


def test_a_boundary_of_25_ms_counts_as_within():
    for start in np.arange(0, 100, 0.1):
        assert len(match_times(np.array([start + 0.025]), np.array([start]), TOLERANCE_S)[0]) == 1
    assert len(match_times(np.array([0.02501]), np.array([0.0]), TOLERANCE_S)[0]) == 0


def test_two_detections_of_one_twitch_count_once():
    score = total([twitch(10.0), twitch(10.01)], [twitch(10.005)])
    assert (score.true_positives, score.false_alarms, score.missed) == (1, 1, 0)
    assert score.precision == 0.5
    assert score.recall == 1.0


def test_counts_errors_and_rates():
    detected = [
        twitch(1.002, amplitude_uv=110),
        twitch(2.0, amplitude_uv=80),
        twitch(5.0),
        twitch(3.0, "calf_R"),
        twitch(9.0, reason="duration"),
    ]
    truth = [
        twitch(1.0, amplitude_uv=100),
        twitch(2.01, amplitude_uv=100),
        twitch(7.0),
        twitch(9.0),
        twitch(3.0, "calf_L"),
    ]
    scores = evaluate(event_array(detected), event_array(truth), hours={"calf_L": 0.5, "calf_R": 2})
    left, right = scores.channels["calf_L"], scores.channels["calf_R"]
    assert (left.true_positives, left.false_alarms, left.missed) == (2, 1, 3)
    assert (right.true_positives, right.false_alarms, right.missed) == (0, 1, 0)
    assert left.timing_errors_s == pytest.approx((0.002, -0.01))
    assert left.median_timing_error_s == pytest.approx(0.006)
    assert left.p95_timing_error_s == pytest.approx(0.0096)
    assert left.amplitude_error == pytest.approx(0.15)
    assert left.false_alarms_per_hour == 2.0
    assert left.count_bias == pytest.approx(-0.4)
    assert scores.total.false_alarms_per_hour == pytest.approx(2 / 2.5)
    assert scores.total.f1 == pytest.approx(2 * 2 / (2 * 2 + 2 + 3))
    assert np.isnan(right.recall)


def test_a_twitch_below_the_wanted_snr_is_neither_hit_nor_miss():
    truth = [twitch(1.0, snr=12), twitch(2.0, snr=5), twitch(3.0, snr=5), twitch(4.0)]
    score = total([twitch(1.0), twitch(2.0), twitch(4.0), twitch(6.0)], truth, min_snr=8)
    assert (score.true_positives, score.false_alarms, score.missed) == (1, 1, 0)
    assert score.ignored == 2
    assert total([twitch(1.0)], truth).missed == 3


def test_a_small_false_alarm_is_ignored_among_clear_twitches_but_not_otherwise():
    detected = [twitch(1.0, snr=20), twitch(5.0, snr=5), twitch(6.0, snr=9), twitch(7.0)]
    truth = [twitch(1.0, snr=20)]
    among_clear, among_all = total(detected, truth, min_snr=8), total(detected, truth)
    assert (among_clear.false_alarms, among_clear.ignored) == (2, 1)  # no snr is no excuse
    assert (among_all.false_alarms, among_all.ignored) == (3, 0)


def test_a_small_false_alarm_inside_a_nuisance_stays_false():
    truth = [nuisance("contraction", 4, 8)]
    assert total([twitch(5.0, snr=5)], truth, min_snr=8).false_alarms == 1


def test_a_clear_twitch_goes_before_a_nearer_small_one():
    truth = [twitch(1.0, snr=20, amplitude_uv=80), twitch(1.04, snr=5, amplitude_uv=20)]
    score = total([twitch(1.022)], truth, min_snr=8)
    assert (score.true_positives, score.missed, score.ignored) == (1, 0, 0)


@pytest.mark.parametrize("apart_s, judged", [(0.005, 1), (0.029, 1), (0.032, 2)])
def test_potentials_closer_than_30_ms_are_one_wave(apart_s, judged):
    truth = [twitch(1.0, amplitude_uv=50), twitch(1.0 + apart_s, amplitude_uv=80)]
    once = total([twitch(1.0 + apart_s)], truth)
    both = total([twitch(1.0), twitch(1.0 + apart_s)], truth)
    assert (once.true_positives, once.missed) == (1, judged - 1)
    assert (both.true_positives, both.false_alarms, both.ignored) == (judged, 0, 2 - judged)


def test_detections_inside_nuisances_are_false_unless_paired():
    truth = [
        nuisance("contraction", 10, 20),
        nuisance("contraction", 15, 40),
        nuisance("cramp", 40, 70),
        twitch(12.0),
    ]
    detected = [twitch(12.0), twitch(13.0), twitch(18.0), twitch(50.0), twitch(80.0)]
    score = total(detected, truth)
    assert score.nuisance_s["contraction"] == 30
    assert score.nuisance_false_alarms["contraction"] == 2
    assert score.false_alarms_per_minute("contraction") == 4
    assert score.false_alarms_per_minute("contraction", "cramp") == 3
    assert np.isnan(score.false_alarms_per_minute("gap"))
    assert (score.true_positives, score.false_alarms) == (1, 4)


def test_nothing_to_judge_gives_no_numbers():
    score = total([], [])
    assert score == Score()
    for name in ("precision", "recall", "f1", "false_alarms_per_hour", "amplitude_error"):
        assert np.isnan(getattr(score, name))


def test_pooling_two_recordings_adds_their_counts():
    first = total([twitch(1.0)], [twitch(1.0), nuisance("gap", 0, 30)], hours=1)
    second = total([twitch(1.0)], [twitch(2.0), nuisance("gap", 0, 30)], hours=1)
    pooled = first + second
    assert (pooled.true_positives, pooled.false_alarms, pooled.missed) == (1, 1, 1)
    assert pooled.hours == 2
    assert pooled.false_alarms_per_minute("gap") == 1


def test_an_event_without_a_peak_time_is_placed_at_its_onset():
    assert total([Event(1.0, 0, "fasciculation", "calf_L")], [twitch(1.005)]).true_positives == 1


@pytest.mark.parametrize("options", [{"tolerance_s": 0}, {"tolerance_s": np.nan}, {"hours": -1}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(InputError, match=r"0|-1"):
        total([twitch(1.0)], [twitch(1.0)], **options)


def test_agreement_counts_the_candidates_of_both_tables():
    first = event_array(
        [
            twitch(1.0),
            twitch(2.0),
            twitch(3.0),
            twitch(7.5, reason="contraction"),
            twitch(4.0, reason="motion"),
            twitch(5.0, reason="pop"),
            twitch(6.0, "calf_R"),
            nuisance("contraction", 7.0, 7.9),
        ]
    )
    second = event_array(
        [
            twitch(1.01),
            twitch(2.0, reason="reviewer"),
            twitch(4.0),
            twitch(5.0, reason="pop"),
            twitch(7.5),
            twitch(8.0),
            twitch(6.0, "calf_R"),
        ]
    )
    agreed = agreement(first, second)
    # 3.0 is in the first table only, 8.0 in the second only.
    assert agreed["calf_L"] == Agreement(both=1, only_first=2, only_second=2, neither=1)
    assert agreed["calf_R"] == Agreement(both=1)
    pooled = sum(agreed.values(), start=Agreement())
    assert pooled == Agreement(2, 2, 2, 1)
    assert pooled.candidates == 7
    # Worked by hand: (3/7 - (16 + 9)/49) / (1 - 25/49)
    assert pooled.kappa == pytest.approx(-1 / 6)
    # The second excludes nothing.
    assert agreement(second, first)["calf_L"] == Agreement(1, 3, 2, 1)


def test_a_twitch_agrees_with_a_twitch_though_something_rejected_is_nearer():
    first = event_array([twitch(1.0), twitch(1.004, reason="glitch")])
    assert agreement(first, event_array([twitch(1.005)])) == {"calf_L": Agreement(1, 0, 0, 1)}


def test_kappa_of_the_example_of_a_textbook_table():
    # p_o = 0.7, p_e = 0.6 * 0.5 + 0.4 * 0.5
    assert Agreement(20, 10, 5, 15).kappa == pytest.approx(0.4)
    assert Agreement(5, 0, 0, 5).kappa == 1
    assert Agreement(0, 5, 5, 0).kappa == -1
    assert Agreement(9, 3, 3, 1).kappa == pytest.approx(0)


@pytest.mark.parametrize("none", [Agreement(), Agreement(5), Agreement(0, 0, 0, 7)])
def test_kappa_is_no_number_where_chance_explains_all(none):
    assert np.isnan(none.kappa)


@settings(max_examples=100, deadline=None)
@given(TIMES_MS, TIMES_MS, st.integers(0, 2**12))
def test_agreement_counts_every_candidate_once(ours_ms, theirs_ms, bits):
    tables = []
    for times in (ours_ms, theirs_ms):
        events = []
        for time_ms in times:
            events.append(twitch(time_ms / 1000, reason="n/a" if bits & 1 else "pop"))
            bits >>= 1
        tables.append(event_array(events))
    pooled = sum(agreement(*tables).values(), start=Agreement())
    assert min(pooled.both, pooled.only_first, pooled.only_second, pooled.neither) >= 0
    assert pooled.candidates <= len(ours_ms) + len(theirs_ms)
    with np.errstate(all="raise"):
        assert np.isnan(pooled.kappa) or -1 <= pooled.kappa <= 1


@pytest.fixture
def tables(tmp_path):
    events, truth = tmp_path / "calves_events.tsv", tmp_path / "calves_truth.tsv"
    about = {"channels": {"calf_L": {"recorded_s": 2000, "valid_s": 1800, "excluded_s": {}}}}
    write_event_table(events, event_array([twitch(1.0), twitch(5.0)]), about)
    write_event_table(truth, event_array([twitch(1.001, snr=9), nuisance("contraction", 4, 7)]))
    return events, truth


def command(*words):
    return main(["evaluate", *map(str, words)])


def test_command_prints_tables(tables, capsys):
    assert command(*tables) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:5] == ["calf_L", "1", "1", "0", "1"]
    assert lines[2].split()[9] == "2.0"  # one false alarm in half a valid hour
    assert lines[-3].split() == ["contraction", "0.05", "1", "20.00"]
    assert lines[-1] == (
        "2 candidates: 1 accepted by both tables, 1 by the first only, 0 by the second only, "
        "0 by none; kappa 0.000, which tells nothing where none is rejected by both"
    )


def test_command_prints_json(tables, capsys):
    assert command(*tables, "--json", "--min-snr", "10", "--tolerance-ms", "5") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["total"]["ignored"] == 1
    assert told["total"]["recall"] is None
    assert told["channels"]["calf_L"]["false_alarms_per_hour"] == 2.0
    assert told["channels"]["calf_L"]["nuisances"]["contraction"]["false_alarms"] == 1


def test_command_says_how_many_detections_are_not_judged(tables, capsys):
    assert command(*tables, "--min-snr", "10") == 0
    assert "Neither right nor wrong: 1 detection (see --help)" in capsys.readouterr().out


def test_hours_on_the_command_line_go_before_the_sidecar(tables, capsys):
    assert command(*tables, "--json", "--hours", "4") == 0
    assert json.loads(capsys.readouterr().out)["total"]["false_alarms_per_hour"] == 0.25


def test_without_hours_the_rate_is_not_told(tables, capsys):
    events, truth = tables
    events.with_suffix(".json").unlink()
    assert command(events, truth) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[9] == "n/a"


@pytest.mark.parametrize("text", ["{", '{"channels": {"calf_L": {"valid_s": "long"}}}', "[]"])
def test_a_broken_sidecar_is_bad_input(tables, capsys, text):
    tables[0].with_suffix(".json").write_text(text)
    assert command(*tables) == 2
    assert "calves_events.json" in capsys.readouterr().err


def test_a_table_that_was_cut_off_is_bad_input(tables, capsys):
    sidecar = tables[0].with_suffix(".json")
    about = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**about, "rows": 125}))
    assert command(*tables) == 2
    assert "not 125" in capsys.readouterr().err


@pytest.mark.filterwarnings("always::emgtwitch.errors.SignalWarning")
def test_unknown_trial_types_are_told(tables, capsys):
    tables[0].write_text(tables[0].read_text().replace("fasciculation", "twitch"))
    assert command(*tables) == 0
    assert "do not count: twitch" in capsys.readouterr().err


def test_a_missing_table_is_bad_input(tables, capsys):
    assert command(tables[0], "nowhere.tsv") == 2
    assert "nowhere.tsv" in capsys.readouterr().err


@pytest.mark.filterwarnings("always::emgtwitch.errors.SignalWarning")
def test_tables_of_other_channels_are_doubted(tables, tmp_path, capsys):
    other = tmp_path / "other_truth.tsv"
    write_event_table(other, event_array([twitch(1.0, "EMG1")]))
    assert command(tables[0], other) == 0
    assert "no channel name in common" in capsys.readouterr().err
