"""What tests of the API share."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.helpers.api import Api


@pytest.fixture
def api(ada: User) -> Api:
    """The API as `ada` uses it, logged in."""
    return Api(ada)
