"""The report on paper: printed to PDF by a browser of the Chromium family, where there is one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
    "microsoft-edge", "microsoft-edge-stable", "brave-browser",
)  # fmt: skip
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
_LONGEST_S = 300


class PrintError(Exception):
    """There is no browser that can print, or it did not."""


def find_browser() -> str | None:
    """Return the path of a browser that can print by itself, or None."""
    found = filter(None, map(shutil.which, _NAMES))
    there = (place for place in _PLACES if Path(place).is_file())
    return next(found, None) or next(there, None)


def browser_command(browser: str, profile: str) -> list[str]:
    """Return how to run a browser without a window, a network and the user's own profile."""
    command = [
        browser,
        "--headless",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-default-browser-check",
        f"--user-data-dir={profile}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")  # without it, Chromium refuses to run as root
    return command


def print_pdf(report: Path, pdf: Path) -> None:
    """Print a report.

    Parameters
    ----------
    report
        HTML file.
    pdf
        File to write, whole or not at all.

    Raises
    ------
    PrintError
        With what to do instead.
    """
    by_hand = f"open {report} in a browser and print it, to PDF or paper"
    browser = find_browser()
    if browser is None:
        raise PrintError(
            f"no PDF: Chromium, Chrome or Edge is not installed; install one, or {by_hand}"
        )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        printed = Path(folder) / "report.pdf"
        command = [
            *browser_command(browser, str(Path(folder) / "profile")),
            "--no-pdf-header-footer",
            f"--print-to-pdf={printed}",
            report.absolute().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_LONGEST_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PrintError(f"no PDF: {browser} failed ({error}); {by_hand}") from error
        if not printed.is_file():
            told = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise PrintError(f"no PDF: {browser} failed ({' '.join(told)}); {by_hand}")
        partial = pdf.with_name(f".{pdf.name}.{os.getpid()}.part")
        try:
            shutil.copyfile(printed, partial)
            partial.replace(pdf)
        finally:
            partial.unlink(missing_ok=True)
