"""What tests of the admin's jobs share."""

from __future__ import annotations

import pytest

from notifications.admin.jobs import job_admin
from tests.helpers.waiting import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is small is done within the request, however busy the machine is."""
    monkeypatch.setattr(job_admin, "INLINE_SECONDS", PATIENCE_SECONDS)
