"""Recordings of a person compared: statistics across them, reading a data set, odd studies."""

import json
import shutil
import time
from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import linregress, ttest_1samp, ttest_ind

from emgtwitch.comparison.export import as_json, as_table
from emgtwitch.comparison.occasions import (
    Occasion,
    RecordingEntry,
    Treatment,
    occasions_of,
    read_study,
    table_of,
)
from emgtwitch.comparison.plan import plan
from emgtwitch.comparison.recordings import ABOVE_BOTH, ABOVE_STUDY, ALL, COUNTED, LEG
from emgtwitch.comparison.sessions import (
    change,
    detectable_change,
    log_rates,
    quasi_poisson,
    trend,
    typical,
)
from emgtwitch.comparison.summary import summarise
from emgtwitch.detection.account import ChannelAccount
from emgtwitch.detection.detections import Detections
from emgtwitch.errors import InputError
from emgtwitch.event_table import Event, event_array
from emgtwitch.sample_study import sample_folder

START = datetime(2026, 1, 1, 22, 0)


def detections(counts, *, seconds=600.0, floors_uv=None, excluded=(), size_uv=60.0, seed=0):
    """Return twitches at random: channel → how many; `excluded` are (channel, start, stop)."""
    rng = np.random.default_rng(seed)
    events, accounts = [], []
    for channel, count in counts.items():
        gaps = [(start, stop) for name, start, stop in excluded if name == channel]
        events += [Event(start, stop - start, "contraction", channel) for start, stop in gaps]
        lost = sum(stop - start for start, stop in gaps)
        first = max([stop for _, stop in gaps], default=0.0)
        floor = (floors_uv or {}).get(channel, 20.0)
        valid = seconds - lost
        noise = floor / 5 if valid else np.nan
        for peak in rng.uniform(first, seconds, count):
            size = size_uv * np.exp(rng.normal() / 2)
            events.append(
                Event(
                    *(peak - 0.005, 0.01, "fasciculation", channel, peak, size, size / noise, 0),
                )
            )
        account = ChannelAccount(
            channel, seconds, valid, {"contraction": lost}, noise, floor if valid else np.nan
        )
        accounts.append(account)
    sides = [{"L": "left", "R": "right"}.get(name[-1]) for name in counts]
    return Detections(event_array(events), tuple(accounts), tuple(sides), {})


def entry(counts, day=None, condition="rest", **settings):
    start = None if day is None else START + timedelta(days=day)
    told = {key: settings.pop(key) for key in ("session", "treatments") if key in settings}
    found = detections(counts, seed=len(counts) + int(day or 0), **settings)
    muscles = {name: name.split("_")[0] for name in counts}
    return RecordingEntry(
        found, f"day {day}", Occasion("01", start=start, condition=condition, **told), muscles
    )


def across(summary, counted=ALL, condition="rest", muscle=None):
    muscle = muscle or summary.muscles[0]
    return next(
        row
        for row in summary.across
        if (row.muscle, row.condition, row.counted) == (muscle, condition, counted)
    )


def checked(summary):
    """Return a summary of which JSON and tables can be made."""
    text = json.dumps(as_json(summary), allow_nan=False)
    assert json.loads(text)["subject"] == summary.subject
    for rows in (summary.across, summary.contrasts, summary.plans):
        columns, cells = as_table(rows)
        assert all(len(row) == len(columns) for row in cells)
        assert not any("\n" in cell or "\t" in cell for row in cells for cell in row)
    return summary


COUNTS, MINUTES = np.array([5.0, 9, 20, 14, 30]), np.array([10.0, 12, 9, 30, 25])
LOGS = log_rates(COUNTS, MINUTES)
OTHERS = log_rates(np.array([40.0, 33, 60]), np.array([10.0, 10, 20]))


def test_intervals_across_recordings_are_those_of_t_on_logarithms():
    found = typical(LOGS)
    expected = ttest_1samp(LOGS.values, 0).confidence_interval()
    assert_allclose(np.log([found.low, found.high]), expected)
    assert found.about == "across recordings"
    found = change(LOGS, OTHERS)
    expected = ttest_ind(OTHERS.values, LOGS.values, equal_var=False).confidence_interval()
    assert_allclose(np.log([found.low, found.high]), expected)
    two = np.array([True, True, False, False, False])
    found = change(LOGS[two], OTHERS[two[:3]])
    expected = ttest_ind(OTHERS.values[:2], LOGS.values[:2]).confidence_interval()
    assert_allclose(np.log([found.low, found.high]), expected)
    days = np.array([0, 20, 35, 50, 90.0])
    found, line = trend(LOGS, days), linregress(days / 30.44, LOGS.values)
    assert found.value == pytest.approx(np.exp(line.slope))
    half = line.stderr * 3.18244630528371  # t, 3 degrees of freedom
    assert_allclose(np.log([found.low, found.high]), [line.slope - half, line.slope + half])


def test_too_few_recordings_give_no_interval():
    few = LOGS[np.array([0, 1])]
    assert typical(few) is None
    assert trend(few, np.array([0.0, 10])) is None
    assert trend(LOGS, np.full(5, 3.0)) is None
    assert change(LOGS, few[np.array([0])]) is None
    assert detectable_change(few) is None
    assert detectable_change(few, few) is not None
    assert quasi_poisson(*np.array([[3.0], [4], [10], [10]])) is None


def test_recordings_that_agree_by_luck_are_not_certain():
    alike = log_rates(np.full(4, 10.0), np.full(4, 10.0))
    found = typical(alike)
    assert np.log(found.high / found.value) == pytest.approx(np.sqrt(1 / 10.5 / 4))
    assert change(alike, alike).high > 1.2
    assert detectable_change(alike).factor > 1.2


def test_the_minimal_detectable_change_is_that_of_the_formula():
    sd = LOGS.values.std(ddof=1)
    found = detectable_change(LOGS)
    t = 2.7764451051977987  # 4 degrees of freedom
    assert found.factor == pytest.approx(np.exp(t * np.sqrt(2) * sd))
    assert found.next_high == pytest.approx(np.exp(LOGS.values.mean() + t * sd * np.sqrt(1.2)))
    shifted = np.concatenate((LOGS.values, LOGS.values + 5))
    apart = detectable_change(LOGS, type(LOGS)(LOGS.values + 5, LOGS.variances))
    assert apart.log_sd == pytest.approx(sd)
    assert apart.log_sd < shifted.std(ddof=1)


def test_quasi_poisson_with_equal_minutes_is_the_ratio_of_the_sums():
    left, right, same = np.array([5.0, 8, 30]), np.array([10.0, 9, 70]), np.full(3, 10.0)
    found = quasi_poisson(left, right, same, same)
    assert found.ratio == pytest.approx(43 / 89)
    share, total = 43 / 132, left + right
    pearson = (left - total * share) ** 2 / (total * share * (1 - share))
    assert found.dispersion == pytest.approx(pearson.sum() / 2)
    assert quasi_poisson(left, right, 2 * same, same).ratio == pytest.approx(43 / 89 / 2)
    assert quasi_poisson(left, 0 * right, same, same) is None


def test_the_plan_is_that_of_the_reference():
    """Twitches on the lower side for 80 % power: 80 at a ratio of 1.5, 25 at 2."""
    plans = plan(2.0, log_sd=0.5)
    assert [found.twitches for found in plans] == [80, 25, 9]
    assert plans[0].one_recording_min == pytest.approx(39.8, abs=0.1)
    for found in plans:
        assert list(found.recordings) == sorted(found.recordings, reverse=True)
    assert plan(2.0, log_sd=0.5, dispersion=3.0)[1].twitches == 74
    nothing = plan(0.0, log_sd=0.5)[0]
    assert nothing.one_recording_min == np.inf
    assert nothing.recordings == (None,) * 4
    rng = np.random.default_rng(3)
    n, hits = plan(1e6, log_sd=0.5, ratios=(2.0,))[0].recordings[0], 0
    for _ in range(1000):
        logs = rng.normal(np.log(2), 0.5, n)
        hits += typical(type(LOGS)(logs, np.zeros(n))).low > 1
    assert 0.77 < hits / 1000 < 0.9


def test_a_study_of_six_nights():
    nights = [
        entry({"calf_L": 20, "calf_R": 60 - 5 * k}, 14 * k, floors_uv={"calf_R": 20 + 2 * k})
        for k in range(6)
    ]
    summary = checked(summarise(nights[::-1]))
    assert [recording.name for recording in summary.recordings][:2] == ["day 0", "day 14"]
    assert (summary.muscles, summary.floor_uv, summary.floor_of) == (("calf",), 30, "day 70")
    found = across(summary)
    assert found.ratio.n == 6
    ratios = [20.5 / (60.5 - 5 * k) for k in range(6)]
    assert found.ratio.typical.value == pytest.approx(np.exp(np.mean(np.log(ratios))))
    assert found.ratio.trend.low > 1
    assert found.left.trend.value == pytest.approx(1)
    assert found.left.typical.value == pytest.approx(2.05)
    assert found.check.ratio == pytest.approx(120 / 285, rel=0.01)
    rows = {counted: summary.recordings[0].left_right("calf", counted) for counted in COUNTED}
    assert (rows[ALL].cut_uv, rows[ABOVE_BOTH].cut_uv, rows[ABOVE_STUDY].cut_uv) == (0, 30, 45)
    counts = [rows[counted].right.count for counted in COUNTED]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 60 > counts[2]
    assert summary.plan_basis.log_sd_of.startswith("6 sessions (rest)")


def test_before_and_after_a_treatment_and_after_exercise():
    told = {"treatments": (Treatment((START + timedelta(days=30)).date(), "stretching"),)}
    nights = [
        entry({"calf_L": 30, "calf_R": 60 // (1 + (day > 30))}, day, session=str(day), **told)
        for day in (0, 10, 20, 30, 40, 50, 60)
    ]
    nights += [
        entry({"calf_L": 60, "calf_R": 120}, day, "post-exercise", session=str(int(day)), **told)
        for day in (0.02, 10.02, 40.02)
    ]
    summary = checked(summarise(nights))
    contrasts = [row for row in summary.contrasts if row.counted == ALL]
    rest, exercise = (
        [row for row in contrasts if row.condition == "rest"],
        [row for row in contrasts if row.later == "post-exercise"],
    )
    assert [(row.later, row.n_later, row.n_earlier) for row in rest] == [("after stretching", 3, 3)]
    assert rest[0].right.value == pytest.approx(30.5 / 60.5)
    assert rest[0].left_over_right.low > 1
    assert rest[0].ratio_earlier.value < rest[0].ratio_later.value
    assert [row.session for row in exercise] == ["0", "10", "40", ""]
    assert exercise[0].left.about == "these two recordings"
    assert exercise[0].left.value == pytest.approx(2)
    assert exercise[-1].n_later == 3
    assert exercise[-1].left.low > 1
    assert exercise[-1].left.about == "across recordings"
    assert across(summary).right.change.factor < 2  # the treatment does not count as scatter
    single = summarise([nights[0], nights[-1]])
    (contrast,) = (row for row in single.contrasts if row.counted == ALL)
    assert contrast.left.value == pytest.approx(60 / 30)


def test_recordings_of_one_session_are_one():
    runs = [entry({"calf_L": 10, "calf_R": 20}, day, session="a") for day in (0, 0.1, 0.2)]
    assert across(summarise(runs)).ratio.n == 1
    undated = [entry({"calf_L": 10, "calf_R": 20}) for _ in range(4)]
    found = across(checked(summarise(undated)))
    assert found.ratio.n == 4
    assert found.ratio.typical is not None
    assert found.ratio.trend is None


def test_three_muscles_per_leg_are_compared_in_pairs_and_added_up():
    counts = {f"{muscle}_{side}": 10 for muscle in ("GM", "GL", "SOL") for side in "RL"}
    counts["TA_L"] = 7
    excluded = [("SOL_L", 0, 300)]
    summary = checked(summarise([entry(counts, 0, excluded=excluded)]))
    assert summary.muscles == (LEG, "GL", "GM", "SOL", "TA")
    leg = summary.recordings[0].left_right(LEG, ALL)
    assert leg.right.count == 30
    assert 10 <= leg.left.count < 30
    assert (leg.left.valid_min, leg.right.valid_min) == (5, 10)
    assert summary.recordings[0].left_right("TA", ALL).why == "not recorded on the right"
    assert len(summary.recordings[0].both_at_once) == 3
    other = entry({"GM_L": 4, "GM_R": 9}, 3)
    assert summarise([entry(counts, 0), other]).muscles[0] == "GM"


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ({"calf_L": 0, "calf_R": 0}, "no twitch on either side"),
        ({"calf_L": 0, "calf_R": 12}, ""),
        ({"calf_R": 12}, "not recorded on the left"),
    ],
)
def test_zero_twitches_or_one_side_only(counts, why):
    summary = checked(summarise([entry(counts, day) for day in range(4)]))
    row = summary.recordings[0].left_right("calf", ALL)
    assert row.why == why
    assert (row.ratio is None) == bool(why)
    found = across(summary)
    assert (found.ratio.typical is None) == bool(why)
    assert found.right.typical.low > 0
    if why == "":
        assert row.ratio.ratio.low == 0
        assert found.ratio.typical.high < 0.5


def test_a_channel_of_no_known_side_and_a_recording_without_valid_time():
    summary = checked(summarise([entry({"EMG1": 5}, 0)]))
    assert summary.muscles == summary.across == summary.plans == ()
    assert summary.recordings[0].channels[0].rate.count == 5
    both = [("calf_L", 0, 600), ("calf_R", 0, 600)]
    empty = entry({"calf_L": 0, "calf_R": 0}, 1, excluded=both)
    summary = checked(summarise([empty]))
    assert summary.recordings[0].left_right("calf", ALL).why == (
        "no valid time on the left and the right"
    )
    assert np.isnan(summary.floor_uv)
    assert summary.plan_basis is None
    usual = [entry({"calf_L": 10, "calf_R": 20}, day) for day in (0, 2, 3)]
    summary = checked(summarise([*usual, empty]))
    assert across(summary).ratio.n == 3
    assert across(summary).left.n == 3


def test_names_are_made_out_of_channel_names():
    found = detections({"EMG1_L": 10, "EMG2_R": 20})
    assert summarise([RecordingEntry(found)]).muscles == ("muscle",)
    found = detections({"calf_L": 10, "calf_R": 20})
    assert summarise([RecordingEntry(found)]).muscles == ("calf",)
    found = detections({f"{name}_{side}": 5 for name in ("a", "b") for side in "LR"})
    alike = RecordingEntry(found, muscles=dict.fromkeys(found.ch_names, "calf"))
    assert summarise([alike]).muscles == (LEG, "calf (a)", "calf (b)")


def test_equal_twitching_under_unequal_noise_is_equal_above_the_common_floor():
    rng = np.random.default_rng(12)
    events, accounts = [], []
    for channel, noise in (("calf_L", 3.0), ("calf_R", 7.0)):
        true = 60 * np.exp(rng.normal(0, 0.5, 1500))
        found = true > 5 * noise * np.exp(rng.normal(0, 0.2, 1500))
        peaks = np.sort(rng.uniform(0, 3600, found.sum()))
        sizes = np.sqrt(true[found] ** 2 + 21.5 * noise**2) + 1.2 * noise * rng.normal(
            size=len(peaks)
        )
        events += [
            Event(peak, 0.01, "fasciculation", channel, peak, size, size / noise)
            for peak, size in zip(peaks, sizes, strict=True)
        ]
        accounts.append(ChannelAccount(channel, 3600.0, 3600.0, {}, noise, 5 * noise))
    entry = RecordingEntry(Detections(event_array(events), tuple(accounts), ("left", "right"), {}))
    recording = summarise([entry]).recordings[0]
    assert recording.left_right("calf", ALL).ratio.ratio.low > 1
    above = recording.left_right("calf", ABOVE_BOTH).ratio.ratio
    assert above.value == pytest.approx(1, abs=0.1)
    assert above.low < 1 < above.high


def test_several_people_are_not_compared():
    others = [RecordingEntry(detections({"a_L": 1}), occasion=Occasion(name)) for name in "ab"]
    with pytest.raises(InputError, match=r"recordings of 2 people \(a, b\)"):
        summarise(others)
    with pytest.raises(InputError, match="no recordings"):
        summarise([])


def test_a_hundred_recordings_do_not_take_long():
    nights = [entry({"calf_L": 40, "calf_R": 80}, day) for day in range(100)]
    begin = time.perf_counter()
    summary = summarise(nights)
    assert time.perf_counter() - begin < 30
    assert across(summary).ratio.n == 100


@pytest.fixture
def study(tmp_path):
    """The tables of the sample study, with event tables that nothing was detected for."""
    root = tmp_path / "study"
    shutil.copytree(sample_folder(), root, ignore=shutil.ignore_patterns("derivatives"))
    for recording in sorted(root.rglob("*_emg.bdf")):
        table = table_of(recording)
        table.parent.mkdir(parents=True, exist_ok=True)
        detections({"calf_L": 10, "calf_R": 30}).save(table)
    return root


def test_a_data_set_is_read_with_what_its_tables_say(study):
    entries = read_study([study])
    assert len(entries) == 8
    starts = [entry.occasion.start for entry in entries]
    assert starts == sorted(starts)
    first, exercise = entries[0], entries[3]
    assert first.name == "sub-01_ses-20260112_task-rest"
    assert first.muscles == {"calf_L": "gastrocnemius", "calf_R": "gastrocnemius"}
    assert (first.occasion.subject, first.occasion.session) == ("01", "20260112")
    assert (first.occasion.condition, exercise.occasion.condition) == ("rest", "post-exercise")
    (treatment,) = first.occasion.treatments
    assert (treatment.text, f"{treatment.day}") == ("physiotherapy", "2026-02-20")
    summary = checked(summarise(entries))
    assert across(summary).ratio.n == 6
    contrasts = [row for row in summary.contrasts if row.counted == ALL and not row.session]
    assert [(row.condition, row.n_later, row.n_earlier) for row in contrasts] == [
        ("post-exercise", 1, 1),
        ("rest", 3, 3),
    ]
    one = next(study.rglob("*ses-20260504*rest_emg.bdf"))
    assert [entry.name for entry in read_study([one, one])] == [one.stem.removesuffix("_emg")]


def test_event_tables_are_enough(study):
    for recording in study.rglob("*_emg.bdf"):
        recording.unlink()
    for path in (study, study / "derivatives" / "emgtwitch"):
        entries = read_study([path])
        assert [entry.occasion.condition for entry in entries].count("rest") == 6
        assert entries[0].occasion.treatments
    table = table_of(study / "sub-01/ses-20260504/emg/sub-01_ses-20260504_task-rest_emg.bdf")
    reviewed = table.with_name(table.name.replace("_events", "_desc-reviewedAB_events"))
    shutil.copy(table, reviewed)
    shutil.copy(table.with_suffix(".json"), reviewed.with_suffix(".json"))
    assert len(read_study([study])) == 8
    (entry,) = read_study([reviewed])
    assert (entry.name, entry.occasion.session) == ("sub-01_ses-20260504_task-rest", "20260504")
    assert entry.occasion.start == datetime(2026, 5, 4, 21)


def test_what_a_person_writes_into_the_tables(study):
    folder = study / "sub-01"
    (study / "participants.tsv").write_text("participant_id\nsub-01\n", encoding="utf-8")
    rows = [
        "session_id\tacq_time\ttreatment\tnotes\tstiffness",
        "ses-20260112\t2026-01-12T21:00:00\tn/a\t<script>\t7",
        "ses-20260126\t2026-01-26T21:00:00\tstretching\tn/a\tn/a",
        "ses-20260209\t2026-02-09T21:00:00\tstretching; injection on 2026-02-01\tn/a\tn/a",
    ]
    (folder / "sub-01_sessions.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    scans = folder / "ses-20260112" / "sub-01_ses-20260112_scans.tsv"
    scans.write_text(
        "filename\tacq_time\tcondition\tposture\tnotes\n"
        "emg/sub-01_ses-20260112_task-rest_emg.bdf\tn/a\tafter work\tprone\ttired\n",
        encoding="utf-8",
    )
    (occasion,) = occasions_of(sorted(folder.rglob("*ses-20260112*_emg.bdf")))
    assert (occasion.condition, occasion.posture) == ("after work", "prone")
    assert occasion.notes == "<script>; tired"
    assert occasion.more == {"stiffness": "7"}
    assert occasion.start == datetime(2026, 1, 12, 21)
    assert [(f"{t.day}", t.text) for t in occasion.treatments] == [
        ("2026-01-26", "stretching"),
        ("2026-02-01", "injection"),
    ]
    scans.write_text("filename\tacq_time\nemg/sub-01_ses-20260112_task-rest_emg.bdf\tsoon\n")
    with pytest.raises(InputError, match="acq_time is no date"):
        read_study([study])


def test_a_date_that_contradicts_before_and_after_is_refused(study):
    people = study / "participants.tsv"
    people.write_text(people.read_text(encoding="utf-8").replace("2026-02-20", "2030-01-01"))
    with pytest.raises(InputError, match="after physiotherapy, which began on 2030-01-01"):
        read_study([study])


def test_what_was_not_detected_yet_is_told(study):
    table_of(next(study.rglob("*_emg.bdf"))).unlink()
    with pytest.raises(InputError, match="no event table yet; first run emgtwitch detect"):
        read_study([study])
    with pytest.raises(InputError, match="no such file"):
        read_study([study / "nowhere"])


def test_a_folder_without_a_data_set(tmp_path):
    recording = tmp_path / "calves.bdf"
    shutil.copy(next(sample_folder().rglob("*_emg.bdf")), recording)
    found = detections({"calf_L": 5, "calf_R": 9})
    found.save(tmp_path / "calves_events.tsv")
    (entry,) = read_study([recording])
    assert (entry.name, entry.occasion.subject, entry.occasion.condition) == ("calves", "", "")
    assert entry.muscles == {"calf_L": "calf", "calf_R": "calf"}
    summary = checked(summarise([entry]))
    assert summary.across[0].condition == "not told"


def test_tables_have_the_columns_of_what_is_inside():
    summary = summarise([entry({"calf_L": 12, "calf_R": 20}, day) for day in range(2)])
    columns, rows = as_table(summary.recordings[0].sides)
    assert "left.per_min.low" in columns
    assert "ratio.ratio.value" in columns
    assert len(rows) == 3
    columns, rows = as_table(summary.across)
    assert "ratio.typical" in columns  # None in all
    assert as_table([]) == ([], [])
    assert as_json({"bound": np.inf, "n": np.int64(3)}) == {"bound": None, "n": 3}
