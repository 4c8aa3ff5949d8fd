"""Run the project's checks, all of them whatever fails, and end with a summary.

Those that read the code run first, two at a time, then the tests.

check.py                linters, types, system checks, migrations and the embedded tests
check.py --everything   the production tests (PostgreSQL and Redis) too
check.py --only NAME    one group of them: lint, types, django, embedded or production
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
# Variables of this machine that must not influence the checks, or slow them down.
FOREIGN = {
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_POOL_SIZE",
    "DATABASE_URL",
    "DEBUG",
    "DJANGO_SETTINGS_MODULE",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "PLAIN_HTTP",
    "PORT",
    # The tests start hundreds of Python processes: none of them should have to compile the project anew.
    "PYTHONDONTWRITEBYTECODE",
    "REDIS_URL",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "WEB_CONCURRENCY",
}


@dataclass
class Step:
    """One command of one group; the steps of tests also count how many passed and failed."""

    group: str
    name: str
    command: list[str]
    report: Path | None = None
    seconds: float = 0
    ok: bool = False
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def run(self) -> None:
        """Run it and show its output: at once for tests, otherwise only when it fails."""
        print(f"── {self.name}", flush=True)
        started = time.monotonic()
        env = {
            name: value
            for name, value in os.environ.items()
            if name not in FOREIGN and not name.startswith("HUB_")
        }
        outcome = subprocess.run(
            self.command,
            cwd=ROOT,
            env=env | {"DEBUG": "1"},
            stdin=subprocess.DEVNULL,
            stdout=None if self.report else subprocess.PIPE,
            stderr=None if self.report else subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.seconds = time.monotonic() - started
        self.ok = outcome.returncode == 0
        if self.report is not None:
            self.count(self.report)
        elif not self.ok:
            print(f"── {self.name} FAILED\n{outcome.stdout}", flush=True)

    def count(self, report: Path) -> None:
        """Read the number of tests from pytest's JUnit file; a run that wrote none has failed."""
        if not report.exists():
            self.ok = False
            return
        for suite in ElementTree.parse(report).iter("testsuite"):
            number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
            self.failed += number["failures"] + number["errors"]
            self.skipped += number["skipped"]
            self.passed += number["tests"] - number["failures"] - number["errors"] - number["skipped"]

    def line(self) -> str:
        """Return its line of the summary."""
        tests = f"  {self.passed} passed, {self.failed} failed, {self.skipped} skipped" if self.report else ""
        return f"  {'ok' if self.ok else 'FAILED':8}{self.name:34}{self.seconds:7.1f} s{tests}"


def steps(results: Path) -> Iterator[Step]:
    """Yield all steps; of those that run in parallel, the longest comes first."""
    yield Step("types", "mypy", [PYTHON, "-m", "mypy"])
    yield Step("lint", "ruff", [PYTHON, "-m", "ruff", "check"])
    yield Step("lint", "format", [PYTHON, "-m", "ruff", "format", "--check"])
    yield Step("lint", "layers (import-linter)", [str(Path(PYTHON).with_name("lint-imports"))])
    yield Step("lint", "templates (djlint)", [PYTHON, "-m", "djlint", "--quiet", "--lint", "templates"])
    manage = [PYTHON, "-W", "error", "manage.py"]
    yield Step("django", "system checks", [*manage, "check", "--fail-level", "WARNING"])
    yield Step("django", "missing migrations", [*manage, "makemigrations", "--check", "--dry-run"])
    for shape, what in (("embedded", "SQLite"), ("production", "PostgreSQL + Redis")):
        report = results / f"{shape}.xml"
        pytest = [
            PYTHON,
            "-m",
            "pytest",
            "-q",
            "-n",
            "4",  # also on two cores: much of a test's time is waiting for processes and pages
            "--dist",
            "worksteal",
            f"--shape={shape}",
            f"--junit-xml={report}",
        ]
        yield Step(shape, f"tests on {what}", pytest, report=report)


def is_wanted(step: Step, options: argparse.Namespace) -> bool:
    """Return whether the options ask for this step."""
    if options.only:
        return bool(step.group == options.only)
    return options.everything or step.group != "production"


def main() -> int:
    """Run the selected steps; return 0 when all of them passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--everything", action="store_true")
    parser.add_argument("--only", choices=["lint", "types", "django", "embedded", "production"])
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hub-check-") as folder:
        done = [step for step in steps(Path(folder)) if is_wanted(step, options)]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Step.run, [step for step in done if not step.report]))
        for step in done:
            if step.report:
                step.run()
    print("\nSummary")
    for step in done:
        print(step.line())
    print(f"  {time.monotonic() - started:50.1f} s\n")
    failed = [step.name for step in done if not step.ok]
    print(f"FAILED: {', '.join(failed)}" if failed else "All is well.")
    if any(step.report for step in done):
        print(f"{sum(step.passed for step in done)} passed, {sum(step.failed for step in done)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
