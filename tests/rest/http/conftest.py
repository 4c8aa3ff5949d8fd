"""What tests of requests to the API share."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.contrib.auth.models import User

from tests.helpers.factories import send


@pytest.fixture
def public_id(ada: User) -> UUID:
    """A notification of `ada`'s."""
    return send(ada)
