"""What tests of the admin share: somebody who may do everything there."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.helpers.factories import make_user
from tests.helpers.staff import client_of


@pytest.fixture
def root(transactional_db: None) -> User:
    """A superuser."""
    return make_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def staff(root: User) -> Client:
    """The browser of a superuser."""
    return client_of(root)
