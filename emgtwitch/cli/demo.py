"""``emgtwitch demo``: the bundled sample study, end to end."""

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.cli import rate_table
from emgtwitch.errors import InputError, SignalWarning

if TYPE_CHECKING:
    from emgtwitch.comparison.occasions import Occasion
    from emgtwitch.detection.detections import Detections
    from emgtwitch.evaluation import Score
    from emgtwitch.reports.view import Source
    from emgtwitch.sample_study import Study, StudyRecording

_EPILOG = """\
The sample study is simulated: one person, both calves, eight recordings of three minutes over four
months, at rest and after exercise, with a treatment in between. Every twitch in it is known, so
that the last line can tell how well they were counted.

DIR gets the report of the study (report.html, to be opened in a browser), and for each recording an
event table (.tsv), its settings and account of time (.json) and a picture (.png).

examples:
  emgtwitch demo
  emgtwitch demo --output look_here"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("emgtwitch-demo"),
        help="folder to write (default: emgtwitch-demo)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Analyse the study, and print what was found and how that compares with the truth."""
    from tqdm import tqdm

    from emgtwitch.comparison.occasions import occasions_of
    from emgtwitch.evaluation import Score
    from emgtwitch.reports.answer import answer, changes
    from emgtwitch.reports.limits import LIMITS
    from emgtwitch.reports.report import write_report
    from emgtwitch.reports.view import view_of
    from emgtwitch.sample_study import read_study, sample_folder

    study, output = read_study(sample_folder()), arguments.output
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: no folder can be made there: {error.strerror}") from error
    occasions = occasions_of([recording.path for recording in study.recordings])
    pairs = list(zip(study.recordings, occasions, strict=True))
    results = [
        _analyse(recording, occasion, output)
        for recording, occasion in tqdm(pairs, desc="analysing", disable=None, leave=False)
    ]
    view = view_of([source for source, _ in results], "Simulated calf twitches")
    report = output / "report.html"
    write_report(
        report, view, progress=lambda n: tqdm(n, desc="drawing", disable=None, leave=False)
    )
    print("Sample study (simulated): one person, both calves\n")
    print("\n".join(_table(study, [source.entry.found for source, _ in results])))
    print(f"\n{rate_table.LEGEND}\n")
    print("\n".join([answer(view), *changes(view)]))
    print(f"\nReport: {report} (open it in a browser)\nPictures and event tables: {output}")
    total = sum((score for _, score in results), Score())
    true = total.true_positives + total.missed
    print(f"\n{LIMITS}\n")
    print(
        f"Against the truth of this simulation: {total.true_positives} of {true} twitches found "
        f"(recall {total.recall:.0%}), {total.false_alarms_per_hour:.1f} false alarms per "
        "channel and hour."
    )
    return 0


def _analyse(
    recording: "StudyRecording", occasion: "Occasion", output: Path
) -> "tuple[Source, Score]":
    """Detect, write table and picture, and judge the events by the truth."""
    from emgtwitch.comparison.occasions import RecordingEntry
    from emgtwitch.detection.files import detect
    from emgtwitch.evaluation import evaluate
    from emgtwitch.event_table import read_event_table
    from emgtwitch.recording import channel_muscles
    from emgtwitch.recording.read import read_recording
    from emgtwitch.reports.overview import save_overview
    from emgtwitch.reports.view import Source
    from emgtwitch.reports.waveforms import waveforms_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)  # what disturbs was put in on purpose
        raw = read_recording(recording.path)
    found = detect(raw)
    stem = recording.path.stem.removesuffix("_emg")
    found.save(output / f"{stem}_events.tsv")
    assert found.start is not None
    picture = output / f"{stem}_overview.png"
    save_overview(picture, raw, found, title=recording.title(found.start))
    hours = {account.channel: account.valid_s / 3600 for account in found.accounts}
    scores = evaluate(found.events, read_event_table(recording.truth), hours=hours)
    muscles = {name: muscle for name, muscle in channel_muscles(raw).items() if muscle}
    entry = RecordingEntry(found, stem, occasion, muscles)
    return Source(entry, waveforms_of(raw, found)), scores.total


def _table(study: "Study", detections: "list[Detections]") -> list[str]:
    """Return the lines: two for each recording, and one for the treatment."""
    rows = [["date", "condition", "side", *rate_table.HEADER]]
    first_after = None
    for recording, found in zip(study.recordings, detections, strict=True):
        assert found.start is not None
        if first_after is None and found.start.date() > study.treatment_date:
            first_after = len(rows)
        about = [f"{found.start:%Y-%m-%d}", recording.condition]
        for rate in found.rates():
            rows.append([*about, rate.side or rate.channel, *rate_table.cells(rate)])
            about = ["", ""]
    lines = rate_table.aligned(rows, left=3)
    if first_after is not None:
        lines.insert(first_after, f"{study.treatment_date}  {study.treatment} ".ljust(60, "-"))
    return lines
