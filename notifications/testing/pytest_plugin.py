"""``capture_notifications`` as a pytest fixture."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from notifications import testing


@pytest.fixture
def capture_notifications(
    db: None,
) -> Callable[[], AbstractContextManager[list[testing.SentNotification]]]:
    """Return ``notifications.testing.capture_notifications``, with the database that it needs."""
    return testing.capture_notifications
