"""The project's own files agree with each other."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.shape("embedded")

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [ROOT / "requirements" / f"{name}.txt" for name in ("tools", "base", "dev")]


def pins(lock: Path) -> dict[str, str]:
    """Each package of a lock file with its version and marker."""
    return dict(re.findall(r"^([a-z0-9.-]+(?:\[\S+\])?)==(.+?) \\$", lock.read_text(), re.MULTILINE))


def test_locks__dev_contains_base__with_the_same_versions() -> None:
    base, dev = pins(LOCKS[1]), pins(LOCKS[2])
    assert {name: dev.get(name) for name in base} == base
    assert "django" in base


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks__every_pin__has_hashes_and_no_file_names_a_registry(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z])", text.split("\n", 2)[2])
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_locks__every_requirement__is_pinned() -> None:
    for lock in LOCKS:
        wanted = re.findall(r"^([A-Za-z][A-Za-z0-9-]*)", lock.with_suffix(".in").read_text(), re.MULTILINE)
        pinned = {re.sub(r"\[.*", "", name) for name in pins(lock)}
        assert set(wanted) - pinned == set()


def test_make__without_a_goal__lists_every_door() -> None:
    outcome = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    doors = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"^  make ([a-z-]+) ", outcome.stdout, re.MULTILINE) == doors
    assert {"run", "run-production", "test", "check", "format", "demo", "lock"} <= set(doors)


def test_ci__runs__exactly_make_test() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith(("exec ", "make "))] == ["exec make test"]


def test_runserver__is_that_of_daphne__which_no_other_command_imports() -> None:
    def manage(*arguments: str) -> str:
        command = [sys.executable, "-X", "importtime", "manage.py", *arguments]
        environment = {**os.environ, "DEBUG": "1"}
        outcome = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        return outcome.stdout + outcome.stderr

    assert "--http_timeout" in manage("runserver", "--help")
    assert "daphne" not in manage("check")


def test_deadlines_of_tests__are_patience_and_no_number_of_their_own() -> None:
    """A number that was enough on an idle machine fails on a busy one: `tests.helpers.waiting` has one for
    what comes at once and one for much work.
    """
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                given = [word.value for word in node.keywords if word.arg == "timeout"]
                is_limit = ast.unparse(node.func).endswith(("asyncio.timeout", "mark.timeout", "settimeout"))
                given += node.args[:1] if is_limit else []
                found += [
                    f"{path.relative_to(ROOT)}:{node.lineno}"
                    for value in given
                    # The tests of the helpers themselves wait for what never comes, in milliseconds.
                    if isinstance(value, ast.Constant)
                    and isinstance(value.value, (int, float))
                    and value.value >= 1
                    if path.name != "test_helpers_browser.py"
                ]
    assert found == []
