"""What the papers of the project say is so: links lead somewhere, versions agree."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from emgtwitch import __version__
from emgtwitch.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(paper):
    text = paper.read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and ":" not in target]
    assert [target for target in local if not (paper.parent / target).exists()] == []


def test_the_readme_has_its_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^python3 -m venv .*$", text, flags=re.MULTILINE)
    assert first.endswith("emgtwitch demo")
    assert '-e ".[test]"' in first + second
    assert second.endswith("pytest")


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_no_command_is_named_that_does_not_exist(paper):
    code = re.findall(r"```.*?```|`[^`]+`", paper.read_text(encoding="utf-8"), re.DOTALL)
    named = re.findall(r"(?:^|`)emgtwitch ([a-z]+)", "\n".join(code), re.MULTILINE)
    assert set(named) <= set(COMMANDS)


def test_the_lowest_versions_are_the_lower_bounds():
    needed = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    bounds = dict(entry.split(">=") for entry in needed if "[" not in entry)
    lines = (ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    lowest = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert sorted(lowest) == sorted(bounds)
    assert [name for name, version in bounds.items() if not lowest[name].startswith(version)] == []


def test_the_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in text
