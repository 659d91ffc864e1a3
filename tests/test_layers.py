"""Imports go one way, down the layers, and what runs beside a device stays light."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEAVES = {"channels", "errors", "event_table"}
# What each part of emgtwitch may import, besides itself and the leaves; the lowest come first.
BELOW: dict[str, set[str]] = {
    "recording": set(),
    "detection": set(),
    "evaluation": set(),
    "simulation": {"recording"},
    "comparison": {"detection", "recording"},
    "review": {"detection", "recording"},
    "sample_study": {"comparison", "recording"},
    "reports": {"comparison", "detection", "recording"},
    "capture": {"detection", "recording"},
    "live": {"capture", "detection", "recording"},
    "cli": {
        "capture",
        "comparison",
        "detection",
        "evaluation",
        "live",
        "recording",
        "reports",
        "review",
        "sample_study",
        "simulation",
    },
}
HEAVY = {"matplotlib", "mne", "pandas"}
# Where detection meets recordings (`emgtwitch.detect`), and objects of other packages.
MAY_ALSO = {
    "emgtwitch/detection/files.py": {"recording"},
    "emgtwitch/detection/detections.py": {"mne", "pandas"},
}


def sources(folder: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


def imported(source: str) -> set[str]:
    """Return the dotted names that a file imports anywhere, except for type checking."""
    tree = ast.parse((ROOT / source).read_text(encoding="utf-8"))
    for_types = {
        inside
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inside in ast.walk(node)
    }
    names = set()
    for node in set(ast.walk(tree)) - for_types:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def packages(source: str) -> set[str]:
    return {name.split(".")[0] for name in imported(source)}


def parts(source: str) -> set[str]:
    """Return the parts of emgtwitch that a file imports."""
    words = [name.split(".") for name in imported(source)]
    return {word[1] for word in words if word[0] == "emgtwitch"} - {"__version__"}


def test_no_two_layers_import_each_other():
    known: set[str] = set()
    for part, below in BELOW.items():
        assert below <= known
        known.add(part)


@pytest.mark.parametrize("source", sources("emgtwitch"))
def test_imports_go_down(source):
    part = source.split("/")[1].removesuffix(".py")
    allowed = LEAVES | MAY_ALSO.get(source, set())
    if part not in LEAVES:
        allowed |= BELOW.get(part, {"cli"} if part == "__main__" else set()) | {part}
    assert parts(source) <= allowed


@pytest.mark.parametrize("source", sources("emgtwitch/detection") + sources("firmware_bridge"))
def test_what_runs_beside_a_device_is_light(source):
    not_wanted = HEAVY - MAY_ALSO.get(source, set())
    if source.startswith("firmware_bridge"):
        not_wanted.add("emgtwitch")
    assert not packages(source) & not_wanted
