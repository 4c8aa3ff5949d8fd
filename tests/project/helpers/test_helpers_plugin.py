"""The pytest plugin: each shape runs on its own servers, a test for the other one is left out, and CI skips
nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.plugin import runs_in

# Each starts a pytest of its own.
pytestmark = [pytest.mark.shape("embedded")]

ROOT = Path(__file__).resolve().parents[3]

SAMPLE = """
import os
import pytest
from django.conf import settings
from django.db import connection

@pytest.mark.shape("embedded")
@pytest.mark.django_db
def test_embedded():
    assert connection.vendor == "sqlite"
    assert connection.settings_dict["NAME"].startswith(os.environ["TEST_FOLDER"] + "/test.sqlite3")
    assert not settings.REDIS_URL

@pytest.mark.shape("production")
@pytest.mark.django_db
def test_production():
    assert connection.vendor == "postgresql"
    assert connection.settings_dict["NAME"].startswith("test_hub")
    import redis
    assert redis.Redis.from_url(settings.REDIS_URL).ping()

def test_both():
    print("folder", os.environ.get("TEST_FOLDER"))
"""


def run(tmp_path: Path, sample: str, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own on a file with `sample`."""
    file = tmp_path / "test_sample.py"
    file.write_text(sample)
    outer = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CI", "TEST_"))
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "no:cacheprovider",
        *options,
        str(file),
    ]
    return subprocess.run(
        command, cwd=ROOT, env={**outer, **env}, capture_output=True, text=True, check=False
    )


def test_embedded__run__is_on_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    outcome = run(tmp_path, SAMPLE, "-s")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "2 passed, 1 deselected" in outcome.stdout
    [folder] = re.findall(r"folder (\S+)", outcome.stdout)
    assert not Path(folder).exists()


def test_production__run_by_two_workers__is_on_postgresql_and_redis(tmp_path: Path) -> None:
    outcome = run(tmp_path, SAMPLE, "--shape=production", "-n", "2", "-v")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "2 passed" in outcome.stdout
    assert "::test_production" in outcome.stdout
    assert "::test_embedded" not in outcome.stdout


def test_skip__in_ci__fails_the_run_and_is_named(tmp_path: Path) -> None:
    sample = "import pytest\ndef test_part():\n    pytest.skip('missing')\n"
    outcome = run(tmp_path, sample, CI="true")
    assert outcome.returncode == 1
    assert "skipped, which CI does not allow" in outcome.stdout
    assert "::test_part" in outcome.stdout


def test_shape__misspelt__is_a_usage_error(request: pytest.FixtureRequest) -> None:
    assert runs_in("embedded", request.node)
    assert not runs_in("production", request.node)
    request.node.add_marker(pytest.mark.shape("prod"), append=False)
    with pytest.raises(pytest.UsageError, match="wants one of embedded, production, or both"):
        runs_in("embedded", request.node)
