"""The tests of a module are found by the room and the name of the module."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.helpers.processes import ROOT

pytestmark = pytest.mark.shape("embedded")

SOURCES = ROOT / "notifications"
TESTS = ROOT / "tests"
MAX_MODULES = 15
# Folders of tests without a counterpart in `notifications/`: the docstring of `tests` says what the first
# three have, and the last is a part of a room.
BESIDE = {"hub", "project", "project/helpers", "rest/publish"}
TEST_FILES = sorted(TESTS.rglob("test_*.py"))


def rooms() -> set[str]:
    """The folders of `notifications/` that hold modules, `.` for itself."""
    modules = (path for path in SOURCES.rglob("*.py") if path.name != "__init__.py")
    return {
        path.parent.relative_to(SOURCES).as_posix() for path in modules if path.parent.name != "migrations"
    }


def is_named_after_its_room(path: Path) -> bool:
    """Whether the name begins with the room's; beside the hub's own root, with that of a module there."""
    names = [path.parent.name] if path.parent != TESTS else [module.stem for module in SOURCES.glob("*.py")]
    return any(f"{path.stem}_".startswith(f"test_{name}_") for name in names)


def test_rooms__each_of_the_hub__has_its_tests() -> None:
    tested = {path.parent.relative_to(TESTS).as_posix() for path in TEST_FILES}
    assert rooms() - tested == set()
    assert tested - rooms() == BESIDE


def test_files__each__is_named_after_its_room__and_no_two_alike() -> None:
    assert [path.name for path in TEST_FILES if not is_named_after_its_room(path)] == []
    assert [name for name, count in Counter(path.name for path in TEST_FILES).items() if count > 1] == []


@pytest.mark.parametrize("tree", [SOURCES, TESTS], ids=["notifications", "tests"])
def test_folders__none__holds_more_modules_than_a_reader_takes_in(tree: Path) -> None:
    modules = [path for path in tree.rglob("*.py") if path.name != "__init__.py"]
    counts = Counter(path.parent.relative_to(tree).as_posix() for path in modules)
    assert {name: count for name, count in counts.items() if count > MAX_MODULES} == {}


def test_files__that_code_and_documentation_refer_to__exist() -> None:
    pages = [ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *SOURCES.rglob("*.py")]
    named = {name for page in pages for name in re.findall(r"\btest_\w+\.py\b", page.read_text("utf-8"))}
    assert named - {path.name for path in TEST_FILES} == set()
