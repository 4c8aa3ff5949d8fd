"""The pytest plugin: each shape runs on its own servers, a test for the other one is left out, and CI skips nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.shape("embedded")

ROOT = Path(__file__).resolve().parents[2]

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


@pytest.mark.parametrize(("shape", "workers"), [("embedded", "0"), ("production", "2")])
def test_shape__chosen__runs_its_own_tests_and_those_of_both(
    tmp_path: Path, shape: str, workers: str
) -> None:
    outcome = run(tmp_path, SAMPLE, f"--shape={shape}", "-n", workers, "-v")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert re.search(r"2 passed", outcome.stdout)
    assert f"::test_{shape}" in outcome.stdout


def test_embedded__after_the_run__has_left_no_folder(tmp_path: Path) -> None:
    outcome = run(tmp_path, SAMPLE, "-s")
    [folder] = re.findall(r"folder (\S+)", outcome.stdout)
    assert not Path(folder).exists()


def test_skip__in_ci__fails_the_run_and_is_named(tmp_path: Path) -> None:
    sample = "import pytest\ndef test_part():\n    pytest.skip('missing')\n"
    assert run(tmp_path, sample).returncode == 0
    outcome = run(tmp_path, sample, CI="true")
    assert outcome.returncode == 1
    assert "skipped, which CI does not allow" in outcome.stdout
    assert "::test_part" in outcome.stdout


def test_shape__misspelt__is_a_usage_error(tmp_path: Path) -> None:
    outcome = run(tmp_path, "import pytest\n@pytest.mark.shape('prod')\ndef test_part(): pass\n")
    assert outcome.returncode == 4
    assert "wants one of embedded, production" in outcome.stdout + outcome.stderr
