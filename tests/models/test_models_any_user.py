"""Any user model and primary key: the master test again, in projects whose users have other keys."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.helpers.processes import ROOT
from tests.helpers.waiting import LONG_SECONDS

pytestmark = [pytest.mark.system]


@pytest.mark.parametrize("project", ["uuid_users", "text_users"])
def test_services__users_of_another_key__do_all_that_they_do_for_djangos(project: str, shape: str) -> None:
    arguments = [
        "-q",
        "-p",
        "no:cacheprovider",
        f"--shape={shape}",
        f"--ds=tests.projects.{project}.settings",
    ]
    files = ["tests/projects/any_user.py", "tests/services/test_services_convergence.py"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    if shape == "production":
        # A database of its own in the servers that run already.
        database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{project}").geturl()
        env |= {"TEST_DATABASE_URL": database, "TEST_REDIS_URL": os.environ["REDIS_URL"]}
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *files, "-k", "not in-small-pieces"],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONG_SECONDS,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert " passed" in outcome.stdout
