"""``scripts/environment``, run with a stand-in for uv that notes what it was given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.shape("embedded")

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = f"""#!/bin/sh
env >>"$NOTED"
if [ "$1" = venv ]; then mkdir -p .venv/bin && ln -s "{sys.executable}" .venv/bin/python; fi
"""


def noted(tmp_path: Path, **variables: str) -> set[str]:
    """The environment in which uv was called."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "environment", tmp_path / "scripts")
    uv = tmp_path / ".tools" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(STAND_IN)
    uv.chmod(0o755)
    with (
        (tmp_path / "requirements" / "tools.txt").open() as pins,
        (tmp_path / ".tools" / "stamp").open("w") as stamp,
    ):
        subprocess.run(["cksum"], stdin=pins, stdout=stamp, check=True)
    known = {"PATH": os.environ["PATH"], "NOTED": str(tmp_path / "noted"), "PYTHON": sys.executable}
    subprocess.run([str(tmp_path / "scripts" / "environment"), "base"], env=known | variables, check=True)
    return set((tmp_path / "noted").read_text().splitlines())


def test_environment__certificates__are_those_that_the_system_trusts(tmp_path: Path) -> None:
    assert "UV_SYSTEM_CERTS=1" in noted(tmp_path)


def test_environment__what_the_caller_says_of_certificates__holds(tmp_path: Path) -> None:
    given = noted(tmp_path, UV_SYSTEM_CERTS="0", PIP_CERT="/etc/ssl/private-ca.pem")
    assert {"UV_SYSTEM_CERTS=0", "SSL_CERT_FILE=/etc/ssl/private-ca.pem"} <= given
