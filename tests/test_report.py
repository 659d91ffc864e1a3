"""The report: every odd study, hostile texts, the same file twice, the command, the numbers."""

import json
import re
import shutil
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from report_studies import HOSTILE, source, studies

from emgtwitch import detect
from emgtwitch.cli import main
from emgtwitch.comparison.intervals import Estimate
from emgtwitch.comparison.occasions import Treatment, table_of
from emgtwitch.detection.detections import Detections
from emgtwitch.detection.settings import PRESETS
from emgtwitch.recording.bids import find_recordings
from emgtwitch.recording.read import read_recording
from emgtwitch.reports import pdf
from emgtwitch.reports.answer import answer, changes
from emgtwitch.reports.body_map import body_map, roots_of
from emgtwitch.reports.figures_study import _places, _symptoms
from emgtwitch.reports.limits import LIMITS
from emgtwitch.reports.numbers import numbers_json, write_tables
from emgtwitch.reports.page_answer import page_answer, quality
from emgtwitch.reports.page_methods import page_methods
from emgtwitch.reports.page_recording import page_recording
from emgtwitch.reports.page_recordings import page_recordings
from emgtwitch.reports.pieces import shortened
from emgtwitch.reports.report import is_report, write_report
from emgtwitch.reports.view import view_of
from emgtwitch.reports.waveforms import waveforms_of
from emgtwitch.reports.words import estimated, number, plain
from emgtwitch.review.files import open_review, reviewed_path, save_review
from emgtwitch.sample_study import sample_folder

LIMITS_LINE = " ".join(LIMITS.split())
VOID = {"img", "meta", "link", "br", "input", "hr"}
# What no page may say, be it about a person or a number.
JUDGEMENTS = re.compile(
    r"\b(ab)?normal\b|\bALS\b|sclerosis|\bBFS\b|\bMND\b|radiculopathy|neuropathy|disease|patient",
    re.IGNORECASE,
)


class Page(HTMLParser):
    """What a page consists of; elements are closed in their order, but for one of the template."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.images, self.texts = [], [], [], [], []
        self._open = []
        self._unclosed = []
        self.feed(text)
        assert self._open == []
        assert self._unclosed in ([], ["div"])

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.tags.append(tag)
        if "id" in told:
            self.ids.append(told["id"])
        if tag == "a":
            self.links.append(told["href"])
        if tag == "img":
            self.images.append(told)
        for name in ("src", "href"):
            value = told.get(name, "#")
            assert value.startswith(("#", "data:image/", "https://mne.tools")), value
        assert not any(name.startswith("on") for name in told), told
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        while tag not in VOID and (opened := self._open.pop()) != tag:
            self._unclosed.append(opened)

    def handle_data(self, data):
        if not self._open or self._open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def views():
    return {name: view_of(sources) for name, sources in studies().items()}


@pytest.fixture(scope="module")
def pages(views, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name, view in views.items():
        write_report(folder / "report.html", view)
        found[name] = Page((folder / "report.html").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Return a copy of two of the sample study's days, without event tables."""
    folder = tmp_path_factory.mktemp("data") / "study"
    shutil.copytree(sample_folder(), folder)
    for day in ("20260112", "20260126", "20260309", "20260406"):
        shutil.rmtree(folder / "sub-01" / f"ses-{day}")
    for path in (folder / "sub-01").rglob("*postexercise*"):
        path.unlink()
    for path in (folder / "sub-01").rglob("*_scans.tsv"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "postexercise" not in line))
    return folder


@pytest.mark.parametrize("name", studies())
def test_every_study_gives_a_whole_report(name, pages, views):
    page, view = pages[name], views[name]
    text = page.text
    assert page.tags.count("h1") == 1
    n = len(view.recordings)
    assert {f"recording-{k + 1}" for k in range(n)} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    inside = [link[1:] for link in page.links if link.startswith("#") and len(link) > 1]
    assert set(inside) <= set(page.ids)
    assert text.count(LIMITS_LINE) == 2
    assert text.index(LIMITS_LINE) < text.index("Can the recordings be trusted?")
    assert all(image["alt"] for image in page.images)
    assert not JUDGEMENTS.search(text.replace(HOSTILE, ""))
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text.replace("recording None", ""))
    assert "default" in text
    assert "Matplotlib" in text


def test_a_hostile_text_is_a_text(pages):
    page, tame = pages["hostile"], pages["no dates"]
    assert page.tags.count("script") == tame.tags.count("script")
    assert not {"b", "i", "s", "u"} & set(page.tags)
    assert "<script>alert('x')</script> \"quoted\" & 'so' new line $x^2$ long" in page.text
    assert max(len(part) for part in page.texts) < 1500
    assert "…" in page.text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("treated", "After stretching (25 January 2026), the left twitched"),
        ("no twitch", "No twitch of the calf was found in 20.0 valid minutes on the left"),
        ("none on the left", "none counted on the left, typically"),
        ("one side", "the left was not recorded, typically"),
        ("one channel, no side", "Which side was recorded is not told"),
        ("three muscles", "the left and right leg showed no clear difference"),
        ("one recording", "That is this recording: 5 January 2026, 21:30, at rest."),
        ("two recordings", "Whether it changes cannot be told yet"),
        ("no dates", "Without a date, so shown last and in no trend: 3 recordings."),
        ("no valid time", "No rate can be told"),
        ("some without valid time", "Less than a valid minute, so hardly a rate"),
        ("short", "It rests on less than a valid minute."),
    ],
)
def test_what_page_one_says(name, told, views, pages):
    view = views[name]
    assert told in " ".join([answer(view), *changes(view), *quality(view)])
    assert told in pages[name].text


def test_no_state_is_told_that_was_at_no_time(views):
    view = views["treated"]
    told = answer(view)
    assert told.startswith(
        "At rest, before stretching, the right calf twitched 1.79 times as often"
    )
    assert "left 1.01 times right (95 % interval 0.53 to 1.93, which includes no difference" in told
    divided = view.divided()
    text = Page(page_answer(view)).text
    for which in ("earlier", "later"):
        left, right = (getattr(divided, f"{side}_{which}") for side in ("left", "right"))
        assert f"{number(left.value)} left, {number(right.value)} right" in told
        name = getattr(divided, which)
        assert f"At rest, {name} 3 {estimated(left)} {estimated(right)}" in text
    assert "twitches from 30 µV on per minute: 4.4 left" in told
    assert "At rest, all sessions together 6" in text
    assert "Left over right 0.56 is right 1.79 times left." in text
    assert "(1.00 to 1.65, which includes no change)" in changes(view)[0]
    assert "that is, more twitches on the left for each on the right" in changes(view)[0]


@pytest.mark.parametrize(
    ("n", "began", "told"),
    [
        (4, [2], "That is the last recording"),
        (4, [3], "; after it, there is 1 session, too few to tell."),
        (6, [3], "; after it, 1.97 times (1.73 to 2.25; 2.9 left, 5.7 right)."),
        (6, [1, 3], "Before that there were other treatments; see the table."),
        (6, [6], "Typical twitches"),
    ],
)
def test_treatments_between_few_or_many_sessions(n, began, told):
    """A treatment began on the day before each of these recordings, counted from 0."""
    days = [(source({"calf_L": 1}, 7 * k - 1).entry.occasion.start.date(), k) for k in began]
    treatments = tuple(Treatment(day, f"treatment {k}") for day, k in days)
    made = [
        source({"calf_L": 30, "calf_R": 60}, 7 * k, treatments=treatments, seed=k) for k in range(n)
    ]
    assert told in answer(view_of(made))


def test_a_treatment_that_has_just_begun_takes_no_answer_away():
    days = [source({"calf_L": 1}, n).entry.occasion.start.date() for n in (20, 90)]
    treatments = (Treatment(days[0], "stretching"), Treatment(days[1], "injection"))
    made = [
        source({"calf_L": 30, "calf_R": 60}, 7 * k, treatments=treatments, seed=k) for k in range(6)
    ]
    view = view_of(made)
    assert "After stretching (" in changes(view)[0]
    page = str(page_answer(view))
    assert "Dotted: begun stretching (" in page
    assert "injection (" not in page.split("Dotted:")[1]


def test_a_side_without_a_twitch_has_no_typical_rate(views):
    view = views["none on the left"]
    across = view.across()
    assert across.left.typical is None
    assert across.ratio.typical is None
    assert across.right.typical is not None
    assert not view.contrasts


def test_no_trend_from_days(views):
    assert all(q.trend is None for q in (views["three muscles"].across().ratio,))
    assert views["treated"].across().ratio.trend is not None


def test_the_same_study_gives_the_same_file(tmp_path, views):
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, views["one recording"])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert is_report(tmp_path / "a.html")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.html", "b.html"]


def test_every_number_as_json_and_tables(tmp_path, views):
    for view in views.values():
        told = json.loads(json.dumps(numbers_json(view), allow_nan=False))
        assert told["limits"] == LIMITS_LINE
        assert len(told["study"]["recordings"]) == len(view.recordings)
        for path in write_tables(tmp_path, view):
            first, header, *rows = path.read_text(encoding="utf-8").splitlines()
            assert first == f"# {LIMITS_LINE}"
            assert {len(row.split("\t")) for row in rows} <= {len(header.split("\t"))}
    write_tables(tmp_path, views["treated"])
    lines = (tmp_path / "left_right.tsv").read_text().splitlines()[1:]
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
    mine = [row for row in rows if row["counted"] == views["treated"].counted]
    values = [r.left_right("calf", views["treated"].counted) for r in views["treated"].recordings]
    got = [float(row["ratio.ratio.value"]) for row in mine]
    np.testing.assert_allclose(got, [row.ratio.ratio.value for row in values], rtol=1e-5)


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (0.0512, "0.051"), (0.5, "0.50"), (1.996, "2.0"), (15.62, "15.6"), (123.4, "123"),
     (np.nan, "–"), (np.inf, "∞"), (1e9, "over 10 000")],
)  # fmt: skip
def test_numbers_in_words(value, told):
    assert number(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [(1000.0, "1000"), (1258.9, "1260"), (10_000.0, "10\u00a0000"), (125_893.0, "126\u00a0000"),
     (3.16, "3.16"), (0.00012345, "0.000123"), (0.0, "0"), (20.0, "20")],
)  # fmt: skip
def test_numbers_without_powers_of_ten(value, told):
    assert plain(value) == told


def test_no_page_has_a_power_of_ten(pages):
    for page in pages.values():
        assert not re.search(r"\de[+-]?\d\d", page.text)


def test_intervals_in_words():
    assert estimated(None) == "–"
    assert estimated(Estimate(4.2, 1.853, 9.44, "")) == "4.2 (1.9 to 9.4)"
    assert estimated(Estimate(np.inf, 3.1, np.inf, "")) == "∞ (3.1 or more)"
    assert estimated(Estimate(0.0, 0.0, 0.31, "")) == "0 (0.00 to 0.31)"


def test_texts_are_shortened_on_one_line():
    assert shortened("a\n\tb\x00 c") == "a b c"
    assert len(shortened(HOSTILE, 50)) <= 50
    assert shortened("x" * 10, 10) == "x" * 10


def test_the_body_map_is_anatomy(views):
    assert roots_of("soleus") == roots_of("gastrocnemius medialis") == "S1, S2"
    assert roots_of("tibialis anterior") == "L4, L5"
    assert roots_of("hamstrings") == "L5 to S2"
    assert roots_of("<b>") == ""
    drawn = body_map(views["three muscles"].recordings)
    assert "tibialis anterior, left and right, supplied by L4, L5" in drawn
    assert "<s>" not in body_map(views["hostile"].recordings)


def test_scatter_is_told_with_what_it_does_to_the_interval(views):
    view = views["one recording"]
    recording = view.recordings[0]
    text = Page(page_recording(view, 0)).text
    for channel in recording.channels:
        rate, scatter = channel.rate, channel.dispersion
        at = len(scatter.bin_s) - 1
        assert f"Scatter of counts in {scatter.bin_s[at]} s" in text
        chance = f"{number(scatter.fano_low[at])} to {number(scatter.fano_high[at])}"
        assert f"{channel.channel} {number(scatter.fano[at])} {chance}" in text
        assert "chance alone" in text
        assert f"{rate.count / rate.widening:.0f} of {rate.count}" in text
        assert f"{number(rate.exact_low)} to {number(rate.exact_high)}" in text
    assert "Fano factor" in Page(page_methods(view)).text
    assert "Do they come evenly" not in Page(page_recording(views["no twitch"], 0)).text


def test_days_without_a_recording_are_drawn(views):
    view = views["diary"]
    assert [one.felt for one in view.study.days] == [
        {"twitching_felt": value} for value in (9.0, 2.0, 4.0, 6.0, 7.0)
    ]
    places = _places(view.recordings)
    drawn = _symptoms(view, places)["twitching_felt"]
    assert drawn.at.tolist() == [-3.0, 0.0, 2.0, 5.0, 9.0, 10.0, 14.0]
    assert drawn.values.tolist() == [2.0, 3.0, 4.0, 3.0, 6.0, 7.0, 3.0]
    assert drawn.recorded.tolist() == [False, True, False, True, False, False, True]
    page = Page(page_answer(view)).text
    assert "small ones on days without" in page
    assert "1 day far from the recordings: only in the table." in page
    assert "15 January 2026, no recording" in page
    assert "small ones" not in Page(page_answer(views["one recording"])).text


def test_days_between_recordings_that_are_drawn_one_by_one(views):
    day = views["diary"].study.days
    sources = [
        source({"calf_L": 9, "calf_R": 9}, at, seed=k, days=day) for k, at in enumerate((0, 0, 14))
    ]
    view = view_of(sources)
    assert not _places(view.recordings).dated
    drawn = _symptoms(view, _places(view.recordings))["twitching_felt"]
    np.testing.assert_allclose(drawn.at, [-2 / 3, -1 / 3, 1.25, 1.5, 1.75])
    assert not drawn.recorded.any()


def test_recordings_of_the_same_moment_have_labels_of_their_own():
    made = [source({"calf_L": 9, "calf_R": 9}, 0, seed=k) for k in range(3)]
    names = [f"sub-01_ses-20260105_task-rest_run-{k}_emg.bdf" for k in range(3)]
    made = [
        replace(one, entry=replace(one.entry, name=name))
        for one, name in zip(made, names, strict=True)
    ]
    view = view_of([*made, source({"calf_L": 9, "calf_R": 9}, 0.1)])
    for longest in (44, 60, 70):
        labels = [view.label(recording, longest) for recording in view.recordings]
        assert len(set(labels)) == 4
        assert max(map(len, labels)) <= longest
        assert all(label.startswith("5 January 2026, 21:30, at") for label in labels[:3])
        assert labels[0].endswith("-0_emg.bdf")
    assert labels[3] == "5 January 2026, 23:54, at rest"
    page = Page(page_answer(view)).text
    assert all(page.count(label) >= 2 for label in labels)


def test_many_recordings():
    made = [source({"calf_L": 10, "calf_R": 30}, day, seconds=300.0) for day in range(100)]
    view = view_of(made)
    first = Page(page_answer(view))
    assert "100 recordings in 100 sessions" in first.text
    assert len(first.text.partition("Can the recordings")[0]) < 12_000
    rows = Page(page_recordings(view))
    assert rows.links == [f"#recording-{k + 1}" for k in range(100)]
    assert len(rows.images) == 1


def test_examples_come_from_the_recording():
    path = find_recordings(sample_folder())[0]
    raw = read_recording(path)
    found = detect(raw)
    waveforms = waveforms_of(raw, found)
    assert {example.reason for example in waveforms.counted} == {""}
    assert all(example.reason for example in waveforms.rejected)
    for example in (*waveforms.counted, *waveforms.rejected):
        assert example.signal_uv.shape == example.times_s.shape == (101,)
    for example in waveforms.counted:
        row = found.twitches(example.channel)
        row = row[np.isclose(row["peak_time"], example.peak_s)][0]
        at_peak = np.abs(example.signal_uv[45:56]).max()
        assert at_peak > 0.3 * row["amplitude_uv"]
    for name, shapes in waveforms.shapes.items():
        for shape in shapes:
            units = found.twitches(name)["unit"]
            assert shape.count == (units == shape.unit).sum()


def report(*words):
    return main(["report", *map(str, words)])


def refused(capsys, *words):
    assert report(*words) == 2
    return capsys.readouterr().err


def test_the_command_detects_once_and_tells_the_answer(sample, tmp_path, capsys):
    output = tmp_path / "r.html"
    assert report(sample, "--output", output, "--tables", tmp_path / "numbers") == 0
    printed = capsys.readouterr().out
    assert "gastrocnemius" in printed
    assert f"Report: {output}" in printed
    assert LIMITS in printed
    tables = [table_of(recording) for recording in find_recordings(sample)]
    before = [table.stat().st_mtime_ns for table in tables]
    page = Page(output.read_text(encoding="utf-8"))
    assert "Simulated calf twitches" in page.text
    assert "Mean shapes and examples need the recording itself" not in page.text
    assert (tmp_path / "numbers" / "shapes.tsv").read_text().count("\n") > 100

    assert report(sample / "sub-01", "--output", output, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(output)
    assert told["shown_first"]["muscle"] == "gastrocnemius"
    assert [table.stat().st_mtime_ns for table in tables] == before

    assert report(tables[0], "--output", output, "--quiet") == 0
    assert capsys.readouterr().out == ""
    assert "only its event table was at hand" in Page(output.read_text(encoding="utf-8")).text

    for number_of, table in enumerate(tables):  # by another version: made again as it was
        found = replace(Detections.load(table), version="0.0.1")
        found = replace(found, settings={**found.settings, "preset": "specific"})
        if number_of == 0:
            found.save(table)
    assert report(sample, "--output", output, "--quiet") == 0
    again = Detections.load(tables[0])
    assert again.settings["preset"] == "specific"
    assert again.version != "0.0.1"
    assert tables[1].stat().st_mtime_ns == before[1]
    assert (
        "not all recordings were searched with the same settings"
        in Page(output.read_text(encoding="utf-8")).text.lower()
    )


def test_an_option_that_the_table_does_not_hold_makes_a_new_search(tmp_path):
    signal = np.random.default_rng(3).normal(scale=4.0, size=(20_000, 2))
    recording, output = tmp_path / "log.csv", tmp_path / "r.html"
    np.savetxt(recording, signal, "%.3f", ",", header="calf_L,calf_R", comments="")
    assert main(["detect", str(recording), "--sfreq", "1000", "--unit", "uV", "--quiet"]) == 0
    table = table_of(recording)

    def settings(*words):
        assert report(recording, "--output", output, "--quiet", *words) == 0
        return Detections.load(table).settings, table.stat().st_mtime_ns

    first, written = settings("--sfreq", "1000")  # and the unit as detect was told
    assert first["reading"] == {"sfreq": 1000.0, "unit": "uV"}
    corrected, again = settings("--unit", "mV", "--false-alarms-per-hour", "3")
    assert corrected["reading"] == {"sfreq": 1000.0, "unit": "mV"}
    assert again > written
    assert min(account.noise_uv for account in Detections.load(table).accounts) > 1000
    kept, _ = settings("--mains", "50", "--sfreq", "2000")
    assert (kept["sampling_frequency_hz"], kept["false_alarms_per_hour"]) == (2000, 3)
    sidecar = table.with_suffix(".json")  # what cannot be is not taken from it
    sidecar.write_text(sidecar.read_text().replace('"unit": "mV"', '"unit": 7'))
    assert settings("--unit", "uV")[0]["reading"] == {"sfreq": 2000.0, "unit": "uV"}
    specific, written = settings("--preset", "specific")
    assert specific["false_alarms_per_hour"] == PRESETS["specific"].false_alarms_per_hour
    assert settings("--preset", "specific")[1] == written


def test_what_the_command_refuses(tmp_path, capsys):
    table = tmp_path / "calves_events.tsv"
    source({"calf_L": 3, "calf_R": 4}, 0).entry.found.save(table)
    mine = tmp_path / "mine.html"
    mine.write_text("my page")
    assert "no report by emgtwitch" in refused(capsys, table, "--output", mine)
    assert mine.read_text() == "my page"
    assert "must end in .html" in refused(capsys, table, "--output", tmp_path / "r.txt")
    assert "there is no folder" in refused(capsys, table, "--output", tmp_path / "no" / "r.html")
    assert "no such file" in refused(
        capsys, tmp_path / "nothing.bdf", "--output", mine.with_name("r.html")
    )
    people = tmp_path / "people"
    for who in ("01", "02"):
        folder = people / "derivatives" / "emgtwitch" / f"sub-{who}" / "emg"
        folder.mkdir(parents=True)
        shutil.copy(table, folder / f"sub-{who}_task-rest_events.tsv")
        shutil.copy(table.with_suffix(".json"), folder / f"sub-{who}_task-rest_events.json")
    assert "recordings of 2 people (sub-01, sub-02)" in refused(
        capsys, people, "--output", tmp_path / "r.html"
    )
    assert not (tmp_path / "r.html").exists()


def test_without_a_browser_the_report_is_there_and_a_hint(tmp_path, capsys, monkeypatch):
    table = tmp_path / "calves_events.tsv"
    source({"calf_L": 3, "calf_R": 4}, 0).entry.found.save(table)
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    output = tmp_path / "r.html"
    assert report(table, "--output", output, "--pdf", "--quiet") == 1
    assert "no PDF: Chromium, Chrome or Edge is not installed" in capsys.readouterr().err
    assert is_report(output)
    assert not output.with_suffix(".pdf").exists()


def test_a_review_is_used_when_told(tmp_path):
    table = tmp_path / "calves_events.tsv"
    source({"calf_L": 30, "calf_R": 40}, 0).entry.found.save(table)
    review = open_review(table, "ab")
    save_review(reviewed_path(table, "ab"), review, datetime(2026, 2, 1))
    output = tmp_path / "r.html"
    assert report(table, "--output", output, "--quiet") == 0
    assert "no person has looked" in Page(output.read_text(encoding="utf-8")).text
    assert report(table, "--output", output, "--quiet", "--reviewer", "AB") == 0
    text = Page(output.read_text(encoding="utf-8")).text
    assert "then by a person in 1 of 1 recordings" in text
    assert "AB, 2026-02-01" in text
