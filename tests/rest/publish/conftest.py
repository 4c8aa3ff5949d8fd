"""What tests of publishing share: a producer, and the API as it uses it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.helpers.api import Api, producer_api
from tests.helpers.factories import make_producer


@pytest.fixture
def shop(transactional_db: None) -> User:
    """A producer: it may send to anybody."""
    return make_producer()


@pytest.fixture
def api(shop: User) -> Api:
    """The API as `shop` uses it, by a token."""
    return producer_api(shop)
