"""Review by a person: what marks decide, where it is kept, and the window without a screen."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from bids_validator import bids_errors
from hypothesis import given, settings
from hypothesis import strategies as st

import emgtwitch
from emgtwitch import Detections
from emgtwitch.cli import main
from emgtwitch.detection.account import ChannelAccount
from emgtwitch.errors import InputError
from emgtwitch.event_table import Event, event_array, is_twitch, read_event_table
from emgtwitch.recording.bdf import write_bdf
from emgtwitch.review.decisions import (
    ACCEPTED,
    ADDED,
    BY_REVIEWER,
    CONFIRMED,
    MARK_S,
    MOVED,
    REJECTED,
    Mark,
    decide,
    marks_of,
    start_review,
)
from emgtwitch.review.files import (
    is_reviewed,
    load_reviewed,
    open_review,
    reviewed_path,
    reviewed_paths,
    save_review,
)
from emgtwitch.review.measure import measure_in
from emgtwitch.review.window import Window, need_screen, scale_uv

ALL = [(0.0, 100.0)]
DATE = datetime(2026, 5, 18, 9, 30)


def twitch(time, channel="calf_L", **more):
    return Event(time - 0.005, 0.01, "fasciculation", channel, time, 50.0, 9.0, **more)


def rejected(time, channel="calf_L", reason="motion"):
    return Event(time - 0.005, 0.01, "artifact", channel, time, 80.0, 12.0, reason=reason)


def detections(*events):
    accounts = tuple(
        ChannelAccount(name, 100.0, 80.0, {"contraction": 20.0}, 4.0, 20.0)
        for name in ("calf_L", "calf_R")
    )
    return Detections(
        event_array(list(events)), accounts, ("left", "right"), {"mains": "auto"}, "calves.bdf"
    )


EVENTS = (
    twitch(1.0, unit=0, burst=1),
    twitch(1.1, unit=0, burst=1),
    twitch(5.0, unit=1),
    twitch(5.0, "calf_R"),
    rejected(8.0),
    rejected(8.05, reason="pop"),
    rejected(9.0, "calf_R", "crosstalk"),
    Event(20.0, 20.0, "contraction", "calf_L"),
    rejected(25.0, reason="contraction"),
    Event(0.0, 0.7, "artifact", "calf_R", reason="warm-up"),
)


def nothing(*_):
    return None


def found_at(time):
    def measure(channel, start_s, stop_s, others):
        assert start_s <= time <= stop_s
        return twitch(time, channel)

    return measure


@pytest.fixture
def review():
    return start_review(detections(*EVENTS), "AB", "calves_events.tsv", "0")


def without(review, time, channel="calf_L"):
    marks = marks_of(review)
    kept = [
        m for m in marks if not (m.label == f"twitch {channel}" and m.start_s < time < m.stop_s)
    ]
    assert len(kept) == len(marks) - 1
    return kept


def said(review):
    """Return time, channel, whether it counts, and the two columns, of all candidates."""
    return [
        (round(row.peak_s, 6), row.event.channel, row.is_twitch, row.automatic, row.review)
        for row in review.rows
        if row.is_candidate
    ]


def same(one, other):
    for name in one.dtype.names:
        np.testing.assert_array_equal(one[name], other[name])


def rounded(marks, decimals=6):
    return [(round(m.start_s, decimals), round(m.stop_s, decimals), m.label) for m in marks]


# What is shown


def test_marks_are_on_twitches_candidates_and_excluded_time(review):
    assert rounded(marks_of(review), 3) == [
        (0.0, 0.7, "warm-up calf_R"),
        (0.97, 1.03, "twitch calf_L"),
        (1.07, 1.13, "twitch calf_L"),
        (4.97, 5.03, "twitch calf_L"),
        (4.97, 5.03, "twitch calf_R"),
        (7.97, 8.03, "rejected calf_L: motion"),
        (8.02, 8.08, "rejected calf_L: pop"),
        (8.97, 9.03, "rejected calf_R: crosstalk"),
        (20.0, 40.0, "contraction calf_L"),
    ]


def test_marks_end_with_the_recording():
    review = start_review(detections(twitch(0.01), twitch(99.99)), "AB", "", "")
    assert [(mark.start_s, mark.stop_s) for mark in marks_of(review)] == [
        (0.0, pytest.approx(0.04)),
        (pytest.approx(99.96), 100.0),
    ]


# What marks decide


def test_marks_as_they_were_confirm_everything_and_change_nothing(review):
    after, unused = decide(review, marks_of(review), ALL, nothing)
    same(after.found.events, review.found.events)
    assert unused == []
    assert [state for *_, state in said(after)] == [CONFIRMED] * 7 + ["n/a"]  # excluded time
    assert after.counts[CONFIRMED] == after.n_reviewed == 7
    assert [row.review for row in after.rows if not row.is_candidate] == ["n/a", "n/a"]


def test_what_was_not_on_the_screen_is_not_reviewed(review):
    after, _ = decide(review, marks_of(review), [(0.0, 5.0), (4.9, 6.0)], nothing)
    assert [row[4] for row in said(after)] == [CONFIRMED] * 4 + ["n/a"] * 4
    assert (after.n_reviewed, after.counts["n/a"]) == (4, 3)
    assert after.seen_s.tolist() == [[0.0, 6.0]]
    again, _ = decide(after, marks_of(after), [(8.9, 9.1)], nothing)
    assert [row[4] for row in said(again)] == [CONFIRMED] * 4 + ["n/a"] * 2 + [CONFIRMED, "n/a"]
    assert again.seen_s.tolist() == [[0.0, 6.0], [8.9, 9.1]]


def test_a_mark_taken_away_rejects(review):
    after, _ = decide(review, without(review, 5.0, "calf_R"), ALL, nothing)
    changed = [row for row in said(after) if row[4] not in (CONFIRMED, "n/a")]
    assert changed == [(5.0, "calf_R", False, "twitch", REJECTED)]
    row = after.found.events[after.found.events["reason"] == BY_REVIEWER]
    assert (row["trial_type"].item(), row["amplitude_uv"].item()) == ("fasciculation", 50.0)
    assert [rate.count for rate in after.found.rates()] == [3, 0]


def test_bursts_are_numbered_anew_where_a_twitch_went(review):
    after, _ = decide(review, without(review, 1.1), ALL, nothing)
    assert after.found.twitches("calf_L")["burst"].tolist() == [-1, -1]
    marks = [*marks_of(review), Mark(4.8, 4.9, "add calf_L")]
    after, _ = decide(review, marks, ALL, found_at(4.85))
    assert after.found.twitches("calf_L")["burst"].tolist() == [1, 1, 2, 2]


def test_a_mark_on_rejected_candidates_accepts_them(review):
    marks = [*marks_of(review), Mark(7.99, 8.01, "add calf_L")]
    after, _ = decide(review, marks, ALL, nothing)
    assert [row for row in said(after) if row[4] not in (CONFIRMED, "n/a")] == [
        (8.0, "calf_L", True, "motion", ACCEPTED)
    ]
    assert is_twitch(after.found.events).sum() == 5
    marks = [*marks_of(review), Mark(7.9, 8.1, "twitch calf_L")]
    after, _ = decide(review, marks, ALL, nothing)
    assert [row[3] for row in said(after) if row[4] == ACCEPTED] == ["motion", "pop"]


def test_a_mark_on_nothing_adds_what_is_measured_there(review):
    marks = [*marks_of(review), Mark(6.0, 6.1, "add calf_R")]
    after, _ = decide(review, marks, [], found_at(6.05))
    assert [row for row in said(after) if row[4] != "n/a"] == [(6.05, "calf_R", True, "n/a", ADDED)]
    assert [rate.count for rate in after.found.rates()] == [3, 2]


def test_a_twitch_drawn_elsewhere_is_moved(review):
    marks = [*without(review, 5.0), Mark(5.1, 5.2, "twitch calf_L")]
    after, _ = decide(review, marks, [], found_at(5.15))
    assert [row for row in said(after) if row[4] != "n/a"] == [
        (5.15, "calf_L", True, "twitch", MOVED)
    ]
    marks = [*without(review, 5.0), Mark(6.1, 6.2, "add calf_L")]  # too far to be the same
    after, _ = decide(review, marks, [], found_at(6.15))
    assert [row[4] for row in said(after) if row[4] != "n/a"] == [REJECTED, ADDED]


def test_the_edges_of_a_mark_can_be_dragged(review):
    marks = [*without(review, 5.0), Mark(4.9, 5.3, "twitch calf_L")]
    after, unused = decide(review, marks, ALL, nothing)
    same(after.found.events, review.found.events)
    assert unused == []


def test_marks_that_mne_merged_keep_both_twitches(review):
    marks = [m for m in without(review, 1.0) if not m.start_s < 1.1 < m.stop_s]
    after, _ = decide(review, [*marks, Mark(0.97, 1.13, "twitch calf_L")], ALL, nothing)
    same(after.found.events, review.found.events)


def test_the_mark_of_a_twitch_does_not_accept_its_neighbour():
    review = start_review(detections(twitch(1.0), rejected(1.02)), "AB", "", "")
    after, _ = decide(review, marks_of(review), ALL, nothing)
    assert [row[2] for row in said(after)] == [True, False]


def test_a_twitch_taken_away_and_drawn_again_is_there(review):
    after, _ = decide(review, [*without(review, 5.0), Mark(4.9, 5.1, "add calf_L")], ALL, nothing)
    same(after.found.events, review.found.events)


def test_nothing_is_counted_in_excluded_time(review):
    here = Mark(24.9, 25.1, "add calf_L")
    after, unused = decide(review, [*marks_of(review), here], ALL, found_at(25.0))
    same(after.found.events, review.found.events)
    assert unused == [here]
    other_leg = Mark(24.9, 25.1, "add calf_R")
    after, unused = decide(review, [*marks_of(review), other_leg], ALL, found_at(25.0))
    assert (after.counts[ADDED], unused) == (1, [])


def test_a_mark_with_nothing_in_it_is_told(review):
    here = Mark(50.0, 50.1, "add calf_L")
    _, unused = decide(review, [*marks_of(review), here], ALL, nothing)
    assert unused == [here]


def test_other_marks_do_nothing(review):
    marks = [mark for mark in marks_of(review) if mark.label.startswith("twitch")]
    marks += [Mark(3, 4, "BAD_"), Mark(3, 4, "twitch other"), Mark(3, 4, "cramp")]
    after, unused = decide(review, marks, ALL, nothing)
    same(after.found.events, review.found.events)
    assert unused == []


def test_everything_can_be_taken_back(review):
    marks = [*without(review, 5.0), Mark(7.99, 8.01, "add calf_L"), Mark(6, 6.1, "add calf_R")]
    first, _ = decide(review, marks, ALL, found_at(6.05))
    assert first.counts == {
        CONFIRMED: 5, ACCEPTED: 1, REJECTED: 1, ADDED: 1, MOVED: 0, "n/a": 0
    }  # fmt: skip
    marks = [m for m in without(first, 8.0) if m.label != "twitch calf_R" or m.stop_s < 6]
    second, _ = decide(first, [*marks, Mark(4.99, 5.01, "add calf_L")], ALL, nothing)
    same(second.found.events, review.found.events)
    assert second.counts[CONFIRMED] == 7


def test_a_moved_twitch_stays_moved_and_can_be_rejected(review):
    marks = [*without(review, 5.0), Mark(5.1, 5.2, "add calf_L")]
    moved, _ = decide(review, marks, ALL, found_at(5.15))
    again, _ = decide(moved, marks_of(moved), ALL, nothing)
    assert again.counts == moved.counts
    gone, _ = decide(moved, without(moved, 5.15), ALL, nothing)
    assert (5.15, "calf_L", False, "twitch", REJECTED) in said(gone)


def test_a_table_without_events():
    review = start_review(detections(), "AB", "", "")
    after, _ = decide(review, [Mark(1, 2, "add calf_L")], ALL, found_at(1.5))
    assert said(after) == [(1.5, "calf_L", True, "n/a", ADDED)]
    assert marks_of(review) == []


TIMES = st.lists(st.integers(1, 99_000), unique=True, max_size=30)


@settings(max_examples=60, deadline=None)
@given(TIMES, TIMES, st.lists(st.booleans(), min_size=30, max_size=30), TIMES)
def test_for_any_table_the_marks_decide(twitches, others, keep, added):
    others = [time for time in others if time not in twitches]
    events = [twitch(time / 1000) for time in twitches]
    events += [rejected(time / 1000) for time in others]
    review = start_review(detections(*events), "AB", "", "")
    shown = marks_of(review)
    marks = [mark for mark, kept in zip(shown, keep * 3, strict=False) if kept]
    marks += [Mark(time / 1000, time / 1000 + 0.02, "add calf_L") for time in added]
    after, _ = decide(review, marks, ALL, lambda channel, a, b, _: twitch((a + b) / 2, channel))
    times = [row.peak_s for row in after.rows]
    same(after.found.events, event_array([row.event for row in after.rows]))
    counted = {round(row.peak_s, 6) for row in after.rows if row.is_twitch}
    on_twitches = [mark for mark in marks if mark.label == "twitch calf_L"]
    for time in twitches:
        if any(mark.start_s <= time / 1000 <= mark.stop_s for mark in on_twitches):
            assert time / 1000 in counted
    assert not any(row.review == "n/a" for row in after.rows)
    assert sum(after.counts.values()) == len(times)
    again, _ = decide(after, marks_of(after), ALL, nothing)
    same(again.found.events, after.found.events)
    assert again.counts == after.counts


# Files


@pytest.fixture
def table(tmp_path, review):
    path = tmp_path / "calves_events.tsv"
    review.found.save(path)
    return path


def test_names_of_reviewed_tables(tmp_path):
    assert reviewed_path("a/calves_events.tsv", "ab") == Path("a/calves_desc-reviewedAB_events.tsv")
    assert reviewed_path("x.tsv", "C1").name == "x_desc-reviewedC1_events.tsv"
    for name in ("", "A B", "../x", "Ä", "ABCDEFGHI"):
        with pytest.raises(InputError, match="give initials"):
            reviewed_path("a_events.tsv", name)


def test_a_review_is_kept_beside_the_automatic_table(table):
    before = table.read_bytes()
    review = open_review(table, "ab")
    marks = [*without(review, 5.0), Mark(6, 6.1, "add calf_R")]
    after, _ = decide(review, marks, [(0.0, 8.5)], found_at(6.05))
    path = reviewed_path(table, "ab")
    save_review(path, after, DATE)
    assert table.read_bytes() == before
    assert is_reviewed(path) and not is_reviewed(table)
    assert reviewed_paths(table) == [path]
    loaded = load_reviewed(path)
    same(loaded.found.events, after.found.events)
    assert said(loaded) == said(after)
    assert loaded.counts == after.counts
    assert (loaded.reviewer, loaded.date, loaded.table) == ("AB", DATE, table.name)
    assert loaded.seen_s.tolist() == [[0.0, 8.5]]
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert about["reviewed"]["counts"] == after.counts
    assert set(about["review"]["Levels"]) == {CONFIRMED, ACCEPTED, REJECTED, ADDED, MOVED}
    assert about["settings"] == {"mains": "auto"}
    # The table is an event table like any other.
    same(Detections.load(path).events, read_event_table(path))
    assert [rate.count for rate in Detections.load(path).rates()] == [2, 2]


def test_a_second_review_goes_on_where_the_first_ended(table):
    first, _ = decide(open_review(table, "AB"), without(open_review(table, "AB"), 5.0), [], nothing)
    save_review(reviewed_path(table, "AB"), first, DATE)
    again = open_review(table, "AB")
    assert said(again) == said(first)
    after, _ = decide(again, marks_of(again), ALL, nothing)
    save_review(reviewed_path(table, "AB"), after, DATE)
    assert load_reviewed(reviewed_path(table, "AB")).counts[REJECTED] == 1
    assert open_review(table, "CD").counts["n/a"] == 7


def test_a_review_of_another_version_of_the_table_is_refused(table):
    save_review(reviewed_path(table, "AB"), open_review(table, "AB"), DATE)
    detections(*EVENTS[1:]).save(table)
    with pytest.raises(InputError, match="reviews an earlier version of calves_events"):
        open_review(table, "AB")


def test_what_is_no_reviewed_table(table, tmp_path):
    with pytest.raises(InputError, match="no event table yet; first run emgtwitch detect"):
        open_review(tmp_path / "none_events.tsv", "AB")
    path = reviewed_path(table, "AB")
    shutil.copy(table, path)
    shutil.copy(table.with_suffix(".json"), path.with_suffix(".json"))
    for call in (load_reviewed, lambda path: save_review(path, open_review(table, "CD"), DATE)):
        with pytest.raises(InputError, match="no table by emgtwitch review"):
            call(path)
    with pytest.raises(InputError, match="give the automatic one"):
        open_review(path, "AB")
    path.unlink()
    with pytest.raises(InputError, match="cannot be written"):
        save_review(tmp_path / "no folder" / path.name, open_review(table, "CD"), DATE)


def test_the_validator_takes_no_offence(tmp_path, review):
    root = tmp_path / "derivatives" / "emgtwitch"
    folder = root / "sub-01" / "emg"
    folder.mkdir(parents=True)
    about = {"Name": "x", "BIDSVersion": "1.11.1", "DatasetType": "derivative"}
    about["GeneratedBy"] = [{"Name": "emgtwitch"}]
    (root / "dataset_description.json").write_text(json.dumps(about))
    (root / ".bidsignore").write_text("mine.txt")
    table = folder / "sub-01_task-rest_events.tsv"
    review.found.save(table)
    for _ in range(2):
        save_review(reviewed_path(table, "AB"), open_review(table, "AB"), DATE)
    assert (root / ".bidsignore").read_text() == "mine.txt\n*desc-reviewed*\n"
    assert bids_errors(root) == []


# Measuring, and the window


SFREQ = 1000
PEAKS_S = (3.6, 3.8, 4.5, 9.0)  # after the warm-up; the last beyond the first five seconds


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Twelve seconds of noise and hum, with alike potentials of 100 µV."""
    path = tmp_path_factory.mktemp("recording") / "calves.bdf"
    times = np.arange(12 * SFREQ) / SFREQ
    signal_uv = np.random.default_rng(7).normal(scale=3.0, size=(2, len(times)))
    signal_uv += 10 * np.sin(2 * np.pi * 50 * times)
    for peak in PEAKS_S:
        phase = (times - peak) / 0.004
        signal_uv[0] += 60 * (1 - phase**2) * np.exp(-(phase**2) / 2)
    counts = np.rint(signal_uv / 0.1).astype(int) + 40_000  # far from the middle
    write_bdf(
        path, counts, sfreq=SFREQ, ch_names=["calf_R", "calf_L"][::-1], uv_per_count=0.1,
        start=datetime(2026, 5, 17, 22, 30), annotations=[(4.0, 0.0, "cramp")],
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def raw(recording):
    return emgtwitch.read_recording(recording)


@pytest.fixture(scope="module")
def found(raw):
    return emgtwitch.detect(raw)


def test_a_twitch_is_measured_as_the_detector_does(raw, found):
    measure = measure_in(raw, found)
    twitches = found.twitches("calf_L")
    np.testing.assert_allclose(twitches["peak_time"], PEAKS_S, atol=2e-3)
    for row in twitches[1:]:  # before the first one there is little to learn the hum from
        event = measure("calf_L", row["peak_time"] - 0.04, row["peak_time"] + 0.03, np.array([]))
        assert event.peak_time == pytest.approx(row["peak_time"], abs=5e-4)
        assert event.amplitude_uv == pytest.approx(row["amplitude_uv"], rel=0.05)
        assert event.onset == pytest.approx(row["onset"], abs=3e-3)
        assert event.snr == pytest.approx(event.amplitude_uv / found.accounts[0].noise_uv, abs=0.01)


def test_other_twitches_and_the_ends_are_left_alone(raw, found):
    measure = measure_in(raw, found)
    event = measure("calf_L", 3.7, 3.9, np.array([3.8]))
    assert abs(event.peak_time - 3.8) > 0.01
    assert measure("calf_L", 3.795, 3.805, np.array([3.8])) is None
    assert measure("calf_L", 11.99, 12.0, np.array([])) is None
    assert measure("calf_L", 0.0, 0.05, np.array([])) is None
    assert measure("calf_L", 30.0, 31.0, np.array([])) is None


@pytest.fixture
def window(raw, found):
    matplotlib.use("agg")
    review = start_review(found, "AB", "calves_events.tsv", "0")
    made = Window(raw, found, marks_of(review), "calves.bdf")
    yield made
    made.close()


def browser(window):
    window._figure.canvas.draw()
    return window._figure.mne


def annotate(window, label):
    """Begin to annotate as the key does, with a label."""
    window._figure._fake_keypress("a")
    labels = [
        text.get_text() for text in browser(window).fig_annotation.mne.radio_ax.buttons.labels
    ]
    browser(window).fig_annotation._set_active_button(labels.index(label))


def click(window, time, button):
    window._figure._fake_click((time, 0.5), xform="data", button=button)


def drag(window, start, stop):
    window._figure._fake_click(
        (start, 0.5), add_points=[(stop, 0.5)], xform="data", button=1, kind="drag"
    )


def test_the_window_shows_every_mark_and_gives_them_back(window, raw, found):
    review = start_review(found, "AB", "", "")
    wanted = [*marks_of(review), Mark(4.0, 4.0, "cramp")]
    shown = sorted(window.marks(), key=lambda mark: (mark.start_s, mark.label))
    wanted.sort(key=lambda mark: (mark.start_s, mark.label))
    assert [mark.label for mark in shown] == [mark.label for mark in wanted]
    for name in ("start_s", "stop_s"):  # the last sample is not the end
        np.testing.assert_allclose(
            [getattr(mark, name) for mark in shown],
            [getattr(mark, name) for mark in wanted],
            atol=1.01 / SFREQ,
        )
    assert raw.get_channel_types() == ["emg", "emg"]
    assert len(raw.annotations) == 1
    named = window._raw.annotations.ch_names[window._raw.annotations.description == "twitch calf_L"]
    assert set(named) == {("calf_L",)}


def test_the_window_shows_left_above_right_filtered_at_the_height_of_a_twitch(window, found):
    shown = browser(window)
    assert shown.ch_names[shown.picks].tolist() == ["calf_L", "calf_R"]
    height = scale_uv(found)
    assert 30 < height < 80
    samples = shown.data[0] * 2 * height  # half a slot is one scale
    at = np.searchsorted(shown.times, PEAKS_S[0])
    assert 30 < np.abs(samples[at - 5 : at + 6]).max() < 120
    assert abs(np.median(samples)) < 2


def test_what_was_on_the_screen_is_known(window):
    browser(window)
    window._figure._fake_keypress("shift+right")
    browser(window)
    assert min(start for start, _ in window.seen_s) == 0
    assert max(stop for _, stop in window.seen_s) == pytest.approx(10, abs=0.01)


def test_a_review_by_mouse(window, found, raw):
    review = start_review(found, "AB", "", "")
    annotate(window, "add calf_R")
    click(window, PEAKS_S[2], 3)
    drag(window, 4.10, 4.13)
    after, unused = decide(review, window.marks(), window.seen_s, measure_in(raw, found))
    assert unused == []
    changed = [(row.event.channel, row.review) for row in after.rows if row.review != "n/a"]
    assert changed.count(("calf_L", REJECTED)) == changed.count(("calf_R", ADDED)) == 1
    assert after.counts[CONFIRMED] == 2  # the last lies beyond the five seconds shown
    (added,) = (row.event for row in after.rows if row.review == ADDED)
    assert 4.1 <= added.peak_time <= 4.13


def test_a_mark_can_be_dragged_by_its_edge(window, found):
    review = start_review(found, "AB", "", "")
    before = window.marks()
    annotate(window, "twitch calf_L")
    window._figure._fake_keypress("p")
    edge = PEAKS_S[2] + MARK_S
    (mark,) = [m for m in before if m.start_s < PEAKS_S[2] < m.stop_s]
    window._figure._modify_annotation(mark.stop_s, mark.stop_s + 0.2)
    after, _ = decide(review, window.marks(), [], nothing)
    assert edge < max(m.stop_s for m in window.marks() if m.start_s == mark.start_s)
    same(after.found.events, found.events)


def test_labels_for_new_marks_are_offered_on_every_channel(window):
    annotate(window, "add calf_L")
    buttons = browser(window).fig_annotation.mne.radio_ax.buttons
    labels = {text.get_text() for text in buttons.labels}
    assert {"add calf_L", "add calf_R", "twitch calf_L", "twitch calf_R"} <= labels


def test_a_part_shows_only_its_marks_and_keeps_the_others(raw, found):
    matplotlib.use("agg")
    review = start_review(found, "AB", "", "")
    window = Window(raw, found, marks_of(review), "part", (4.2, 6.0))
    browser(window)
    shown = set(window._raw.annotations.description)
    assert "marks not shown here" in shown
    assert np.sum(window._raw.annotations.description == "twitch calf_L") == 1
    assert window.seen_s[0] == (4.2, 6.0)
    after, _ = decide(review, window.marks(), window.seen_s, nothing)
    same(after.found.events, found.events)
    assert after.counts[CONFIRMED] == 1
    window.close()


def test_a_recording_that_begins_later_and_has_the_words_of_marks(raw, found):
    matplotlib.use("agg")
    later = raw.copy().crop(1.0)
    later.annotations.append(2.0, 0.1, "twitch calf_L")
    window = Window(later, found, [Mark(3.0, 3.1, "twitch calf_R")], "later")
    marks = [mark for mark in window.marks() if mark.label != "cramp"]
    assert rounded(marks) == [(3.0, 3.1, "twitch calf_R")]
    window.close()


def test_a_window_without_any_twitch(raw, found):
    matplotlib.use("agg")
    none = replace(found, events=found.events[:0])
    window = Window(raw, none, [], "none")
    assert scale_uv(none) == 50
    annotate(window, "add calf_L")
    window.close()


# The command


@pytest.fixture
def detected(recording, tmp_path):
    path = Path(shutil.copy(recording, tmp_path))
    assert main(["detect", str(path), "--quiet"]) == 0
    return path


@pytest.fixture
def at_the_screen(monkeypatch):
    """Let a person be there, who does something with the window and closes it."""
    matplotlib.use("agg")

    def act(do):
        def wait(window):
            browser(window)
            do(window)
            window.close()

        monkeypatch.setattr("emgtwitch.review.window.need_screen", lambda: None)
        monkeypatch.setattr(Window, "wait", wait)

    return act


def test_the_command_writes_what_the_person_decided(detected, at_the_screen, capsys):
    def do(window):
        annotate(window, "add calf_L")
        click(window, PEAKS_S[0], 3)

    at_the_screen(do)
    assert main(["review", str(detected), "--reviewer", "ab"]) == 0
    printed = capsys.readouterr().out
    assert "2 confirmed, 0 accepted, 1 rejected" in printed
    table = detected.with_name("calves_events.tsv")
    review = load_reviewed(reviewed_path(table, "AB"))
    assert review.counts[REJECTED] == 1
    at_the_screen(lambda window: window._figure._fake_keypress("shift+right"))
    assert main(["review", str(detected), "--reviewer", "AB", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["counts"][REJECTED], told["counts"]["n/a"]) == (1, 0)
    assert told["n_reviewed"] == 4
    assert main(["evaluate", str(table), told["reviewed"], "--json"]) == 0
    agreed = json.loads(capsys.readouterr().out)["total"]["agreement"]
    assert agreed["candidates"] == 4
    words = ["evaluate", str(table), told["reviewed"]]
    assert main(words) == 0
    assert "4 candidates" in capsys.readouterr().out


def test_the_command_tells_of_marks_without_effect(detected, at_the_screen, capsys):
    def do(window):
        window._raw.annotations.append(0.2, 0.1, "add calf_L")

    at_the_screen(do)
    assert main(["review", str(detected), "--reviewer", "AB", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert "add calf_L, at 0.200 s, changes nothing" in printed.err


def test_leaving_by_ctrl_c_saves_nothing(detected, at_the_screen, capsys):
    def do(_):
        raise KeyboardInterrupt

    at_the_screen(do)
    assert main(["review", str(detected), "--reviewer", "AB"]) == 130
    assert reviewed_paths(detected.with_name("calves_events.tsv")) == []
    matplotlib.pyplot.close("all")


def test_what_the_command_refuses(detected, at_the_screen, capsys, tmp_path, monkeypatch):
    at_the_screen(lambda window: None)
    table = detected.with_name("calves_events.tsv")

    def refused(*words):
        assert main(["review", *map(str, words)]) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        return line

    assert "give initials" in refused(detected, "--reviewer", "A-B")
    assert "give minutes" in refused(detected, "--reviewer", "AB", "--part", "5-3")
    missing = ("--reviewer", "AB", "--events", tmp_path / "no.tsv")
    assert "first run emgtwitch detect" in refused(detected, *missing)
    writable, allowed = os.W_OK, os.access  # root may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: mode != writable and allowed(path, mode))
    assert "the folder is read-only" in refused(detected, "--reviewer", "AB")
    found = Detections.load(table)
    longer = [replace(account, recorded_s=99.0) for account in found.accounts]
    replace(found, accounts=tuple(longer)).save(table)
    assert "it lasts 12 s" in refused(detected, "--reviewer", "AB")
    others = [replace(account, channel="x") for account in found.accounts]
    replace(found, accounts=tuple(others), events=found.events[:0]).save(table)
    assert "no channel x" in refused(detected, "--reviewer", "AB")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="screens are told otherwise")
@pytest.mark.parametrize("backend", [None, "TkAgg"])
def test_without_a_screen_it_says_what_to_do(detected, backend):
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if backend:
        environment["MPLBACKEND"] = backend
    words = [sys.executable, "-m", "emgtwitch", "review", detected, "--reviewer", "AB"]
    result = subprocess.run(
        words, capture_output=True, text=True, encoding="utf-8", env=environment
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "a review needs a window" in result.stderr
    assert "apt install python3-tk" in result.stderr


def test_a_review_in_a_real_window(detected):
    pytest.importorskip("PySide6")
    result = subprocess.run(
        [sys.executable, "-c", _AT_THE_SCREEN.format(detected)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "MPLBACKEND": "QtAgg", "QT_QPA_PLATFORM": "offscreen",
             "_MNE_FAKE_HOME_DIR": str(detected.parent)},
        timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "2 confirmed, 0 accepted, 1 rejected" in result.stdout
    assert len(reviewed_paths(detected.with_name("calves_events.tsv"))) == 1


_AT_THE_SCREEN = """
import sys
from PySide6 import QtCore, QtWidgets
application = QtWidgets.QApplication([])  # matplotlib takes it for a screen
from matplotlib import pyplot
from emgtwitch.cli import main

def step():
    figure = next(f for f in map(pyplot.figure, pyplot.get_fignums()) if hasattr(f, "mne"))
    act = next(steps, None)
    if act is None:
        timer.stop()
        figure.canvas.manager.window.close()
    else:
        act(figure)

steps = iter([
    lambda figure: figure._fake_keypress("a"),
    lambda figure: figure._fake_click((3.6, 0.5), xform="data", button=3),
])
timer = QtCore.QTimer()
timer.timeout.connect(step)
timer.start(500)
sys.exit(main(["review", r"{}", "--reviewer", "AB"]))
"""


def test_a_backend_without_windows_is_refused():
    matplotlib.use("agg")
    with pytest.raises(InputError, match="backend of matplotlib is agg"):
        need_screen()
