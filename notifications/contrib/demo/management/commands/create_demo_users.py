"""``manage.py create_demo_users``: creates users to try the hub with, in development."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db import transaction

from notifications.contrib.demo.users import DEMO_USERS, DemoUser
from notifications.management.base import HubCommand


class Command(HubCommand):
    """Creates the demo users that are missing, and prints them once."""

    help = (
        "Create the demo users admin (staff), ada and grace; the password of each is its name. Users that "
        "exist are left as they are. Refused when DEBUG is off."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create what is missing; print nothing when nothing is.

        Raises:
            CommandError: DEBUG is off.
        """
        if not settings.DEBUG:
            raise CommandError(
                "Demo users have passwords that everybody knows; they are created only when DEBUG is on."
            )
        with transaction.atomic():
            made = [user for user in DEMO_USERS if _make(user)]
        if made:
            self.stdout.write("Demo users, for development only (name / password):")
        for user in made:
            staff = "  staff, may enter /admin/" if user.is_staff else ""
            self.stdout.write(f"  {user.name} / {user.name}{staff}")


def _make(user: DemoUser) -> bool:
    users = get_user_model()._default_manager
    name_field = get_user_model().USERNAME_FIELD
    if users.filter(**{name_field: user.name}).exists():
        return False
    make = users.create_superuser if user.is_staff else users.create_user
    make(**{name_field: user.name, "password": user.name})
    return True
