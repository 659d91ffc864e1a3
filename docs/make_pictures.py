"""Make the pictures of README.md again: ``python docs/make_pictures.py``.

They are from the sample study, those of the live page from a virtual board. What Chromium or Chrome
shows is in some of them, so one of them must be there.
"""

import base64
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageChops

import emgtwitch
from emgtwitch.cli import main as emgtwitch_command
from emgtwitch.reports.overview import COLOURS, MARKERS, save_overview
from emgtwitch.reports.pdf import browser_command, find_browser
from emgtwitch.sample_study import read_study, sample_folder

FOLDER = Path(__file__).parent
sys.path.append(str(FOLDER.parent / "tests"))
START_S, STOP_S = 44.0, 50.0  # of the stretch that the second picture enlarges
SHOWN_S = 0.030  # before and after the peak of a twitch
SIDE, CHANNEL = "right", "calf_R"
WATCHED_S = 100.0  # before the live page is pictured
BOARD = ("--bits", "14", "--seed", "3")


def close_up(raw, found) -> Figure:
    """Draw a few seconds with their twitches, and every twitch of the channel, peak on peak."""
    filtered = raw.copy().load_data(verbose="error").filter(20, None, picks="emg", verbose="error")
    trace_uv = filtered.get_data(picks=[CHANNEL], units="uV")[0]
    peaks_s = found.twitches(CHANNEL)["peak_time"]
    shown_s = peaks_s[(peaks_s > START_S) & (peaks_s < STOP_S)]
    figure = Figure(figsize=(12, 3.4), dpi=130, layout="constrained")
    stretch, twitches = figure.subplots(1, 2, width_ratios=[3, 1], sharey=True)
    inside = (raw.times >= START_S) & (raw.times <= STOP_S)
    stretch.plot(raw.times[inside], trace_uv[inside], color=COLOURS[SIDE], linewidth=0.8)
    stretch.plot(
        shown_s,
        np.full(len(shown_s), 1.25 * np.abs(trace_uv[inside]).max()),
        MARKERS[SIDE],
        color=COLOURS[SIDE],
        markeredgecolor="black",
    )
    stretch.set(xlabel="Time from the start of the recording (s)", ylabel="µV")
    about = f"{STOP_S - START_S:g} seconds of {CHANNEL}, simulated"
    stretch.set(title=f"{about}: each mark is a detected twitch")
    offsets_s = np.arange(-SHOWN_S, SHOWN_S, 0.25 / raw.info["sfreq"])
    for peak_s in peaks_s:
        around_uv = np.interp(peak_s + offsets_s, raw.times, trace_uv)
        twitches.plot(1000 * offsets_s, around_uv, color=COLOURS[SIDE], linewidth=0.6, alpha=0.4)
    twitches.set(xlabel="Time from the peak (ms)", title=f"All {len(peaks_s)} twitches")
    for axes in (stretch, twitches):
        axes.margins(x=0)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def page_one(folder: Path) -> Image.Image:
    """Return page 1 of the report of the sample study as a browser shows it."""
    browser = find_browser()
    if browser is None:
        raise SystemExit("the picture of the report needs Chromium or Chrome")
    assert emgtwitch_command(["demo", "--output", str(folder)]) == 0
    report = folder / "report.html"
    only = "<style>.accordion-item:not(:first-child),footer{display:none!important}</style>"
    report.write_text(report.read_text("utf-8") + only, "utf-8")
    shot = folder / "shot.png"
    command = browser_command(browser, str(folder / "profile"))
    size = ["--hide-scrollbars", "--window-size=1200,2600", "--virtual-time-budget=5000"]
    subprocess.run(
        [*command, *size, f"--screenshot={shot}", report.absolute().as_uri()],
        check=True,
        capture_output=True,
    )
    picture = Image.open(shot).convert("RGB")
    written = ImageChops.difference(picture, Image.new("RGB", picture.size, "white")).getbbox()
    return picture.crop((0, 0, picture.width, written[3] + 20)).quantize(128)


def live_pages(folder: Path) -> None:
    """Picture the live page while a virtual board is recorded: on a desk, and on a phone, dark."""
    from chromium import chromium

    command = [sys.executable, "-m", "emgtwitch"]
    board = folder / "board"
    device = subprocess.Popen(
        [*command, "simulate", "device", *BOARD, "--link", str(board)], stdout=subprocess.PIPE
    )
    device.stdout.readline()  # it is there
    words = ["--port", str(board), "--format", "emgt", "--subject", "01", "--view", "--quiet"]
    record = subprocess.Popen(
        [*command, "record", *words, "--dataset", str(folder / "emg")],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = record.stderr.readline().split()[-1]
    with chromium() as page:
        page.open(url, 1280, 800)
        time.sleep(WATCHED_S)
        for name, width, height, scheme in (
            ("live-page", 1280, 800, "light"),
            ("live-phone", 390, 800, "dark"),
        ):
            page.resize(width, height)
            page.prefer(color_scheme=scheme)
            time.sleep(1.0)
            shot = page.send("Page.captureScreenshot", format="png")["data"]
            (FOLDER / f"{name}.png").write_bytes(base64.b64decode(shot))
    for process in (record, device):
        process.terminate()
        process.wait()


def main() -> None:
    """Write the pictures beside this file."""
    recording = next(
        recording
        for recording in read_study(sample_folder()).recordings
        if recording.condition == "after exercise"
    )
    raw = emgtwitch.read_recording(recording.path)
    found = emgtwitch.detect(raw)
    save_overview(FOLDER / "overview.png", raw, found, title=recording.title(found.start))
    close_up(raw, found).savefig(FOLDER / "close-up.png")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page_one(Path(folder)).save(FOLDER / "report-page1.png", optimize=True)
        live_pages(Path(folder))


if __name__ == "__main__":
    main()
