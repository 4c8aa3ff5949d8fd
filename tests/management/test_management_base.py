"""What all commands of the hub's have in common: without their tables they say what to do, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings

from notifications.management.base import HubCommand
from tests.helpers.processes import manage

# Those two look at the database before anything else, and say themselves what they find.
OWN_WORDS = {"serve", "doctor"}
WITHOUT_DATABASE = {"list_event_types"}
COMMANDS = (
    {name for name, app in get_commands().items() if app.startswith("notifications")}
    - OWN_WORDS
    - WITHOUT_DATABASE
)
ARGUMENTS = {
    "create_producer": ["shop"],
    "create_token": ["ada", "--scope", "read"],
    "new_epoch": ["--yes"],
    "send_notification": ["ada", "a.b", "--title", "t"],
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(COMMANDS))
@override_settings(NOTIFICATION_HUB={"retention_days": 1}, DEBUG=True)
def test_command__database_away__one_line_that_says_where_to_look(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> Any:
        raise OperationalError("connection refused\n  is it running?")

    assert isinstance(load_command_class(get_commands()[name], name), HubCommand)
    with monkeypatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "cursor", away)
        with pytest.raises(CommandError) as failed:
            call_command(name, *ARGUMENTS.get(name, []))
    assert str(failed.value).endswith("check DATABASE_URL: connection refused is it running?")


@pytest.mark.shape("embedded")
def test_command__database_without_tables__says_to_migrate(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as failed:
        manage(
            "create_token",
            "ada",
            "--scope",
            "read",
            env={"DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3"},
        )
    assert "are not applied yet; run: manage.py migrate" in str(failed.value)
    assert "Traceback" not in str(failed.value)
