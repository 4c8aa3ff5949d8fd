"""The demo users, for development only: their passwords are known to everybody."""

from __future__ import annotations

from typing import Final, NamedTuple


class DemoUser(NamedTuple):
    """A user's name, which is also the password, and whether that user is staff and a superuser."""

    name: str
    is_staff: bool = False


DEMO_USERS: Final = (DemoUser("admin", is_staff=True), DemoUser("ada"), DemoUser("grace"))
