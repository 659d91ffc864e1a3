"""The report as a browser shows and prints it."""

import re

import pytest
from chromium import chromium
from report_studies import hostile, treated

from emgtwitch.reports.pdf import find_browser, print_pdf
from emgtwitch.reports.report import write_report
from emgtwitch.reports.view import view_of

pytestmark = pytest.mark.skipif(find_browser() is None, reason="needs Chromium or Chrome")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return name → report of a study: one with all there is, and one with hostile texts."""
    folder = tmp_path_factory.mktemp("browser")
    paths = {}
    for name, made in (("treated", treated()[4:]), ("hostile", hostile()[:2])):
        paths[name] = folder / f"{name}.html"
        write_report(paths[name], view_of(made))
    return paths


@pytest.fixture(scope="module")
def page():
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("name", ["treated", "hostile"])
def test_nothing_is_asked_of_a_network_and_nothing_goes_wrong(reports, page, name):
    page.open(reports[name].as_uri())
    asked = [url for url in page.requests if not url.startswith("data:")]
    assert asked[-1:] == [reports[name].as_uri()]
    assert all(url.startswith("file:") for url in asked)
    assert page.complaints == []
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate("document.title") == "Muscle twitches, left against right"


def test_links_and_sections_work(reports, page):
    page.open(reports["treated"].as_uri())
    page.wait_for("document.querySelectorAll('#toc-navbar a').length == 7")
    page.evaluate("document.querySelectorAll('#toc-navbar a')[3].click()")
    page.wait_for("scrollY > 500")
    top = "document.querySelector('#recording-2').getBoundingClientRect().top"
    page.wait_for(f"{top} > 0 && {top} < 200")

    link = "document.querySelector('a[href=\"#recording-1\"]')"
    page.evaluate(f"{link}.closest('details').open = true")
    # The end of the scrolling before may come after a click, and take its place back.
    page.wait_for(f"location.hash == '#recording-1' || ({link}.click(), false)")
    page.wait_for(f"{top.replace('-2', '-1')} < 300")

    button = "document.querySelector('button.accordion-button')"
    assert page.evaluate(f"{button}.textContent").strip().startswith("The answer")
    page.evaluate(f"{button}.click()")
    page.wait_for("!document.querySelector('.accordion-collapse').classList.contains('show')")
    page.evaluate(f"{button}.click()")
    page.wait_for("document.querySelector('.accordion-collapse.collapse.show') != null")
    assert page.complaints == []


@pytest.mark.parametrize("name", ["treated", "hostile"])
@pytest.mark.parametrize("width", [420, 1280])
def test_nothing_is_wider_than_the_window(reports, page, name, width):
    page.open(reports[name].as_uri(), width=width)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    hidden = page.evaluate("getComputedStyle(document.querySelector('#toc')).display == 'none'")
    assert hidden == (width == 420)


@pytest.mark.parametrize("name", ["treated", "hostile"])
def test_on_a_phone_a_table_of_the_answer_is_read_without_scrolling(reports, page, name):
    page.open(reports[name].as_uri(), width=390)
    whole = "[...document.querySelectorAll('table.stacked')].map(t => t.closest('.wide'))"
    assert page.evaluate(f"{whole}.every(w => w.scrollWidth <= w.clientWidth)")
    cells = "[...document.querySelectorAll('.stacked td')]"
    assert page.evaluate(f"{cells}.every(c => c.scrollWidth <= c.clientWidth)")
    assert page.evaluate(f"{cells}.every(c => getComputedStyle(c, '::before').content != 'none')")


def test_what_is_told_can_be_told_without_seeing(reports, page):
    page.open(reports["treated"].as_uri())
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    assert page.evaluate("document.querySelectorAll('[role=main]').length") == 1
    assert page.evaluate(
        "[...document.querySelectorAll('.sheet img')].every(i => i.alt.length > 30)"
    )
    assert page.evaluate("document.querySelectorAll('button a, a button').length") == 0
    finding = page.evaluate("document.querySelector('.sheet img').alt")
    assert "showed no clear difference" in finding or "times as often" in finding
    headers = "[...document.querySelectorAll('th')].map((header) => header.textContent.trim())"
    assert page.evaluate(f"{headers}.includes('')") is False


def test_on_paper_a_page_is_a_page(reports, tmp_path):
    printed = tmp_path / "treated.pdf"
    print_pdf(reports["treated"], printed)
    text = printed.read_bytes()
    assert text.startswith(b"%PDF")
    n_pages = len(re.findall(rb"/Type\s*/Page\b", text))
    assert n_pages in (7, 8)  # the answer, all recordings, four recordings, the methods
    assert [path.name for path in tmp_path.iterdir()] == ["treated.pdf"]
