"""The system checks refuse what could not work, each under its own id."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from notifications import checks
from notifications.event_types import EventType, registry
from notifications.models import Inbox


def ids(check: Callable[..., Iterable[CheckMessage]]) -> list[str | None]:
    return [message.id for message in check(None)]


@pytest.mark.django_db
def test_checks__the_hubs_own_settings__find_nothing() -> None:
    assert run_checks(databases=["default"]) == []


@pytest.mark.parametrize(
    "values", [{"heartbeat_seconds": 1}, {"heartbeat_seconds": "15"}, {"hartbeat_seconds": 15}]
)
def test_check_config__unknown_or_absurd_value__is_refused_by_name(
    settings: Any, values: dict[str, object]
) -> None:
    settings.NOTIFICATION_HUB = values
    assert ids(checks.check_config) == ["notification_hub.E001"]
    assert next(iter(values)) in next(iter(checks.check_config(None))).msg


def test_check_time_zone__naive_times__are_refused(settings: Any) -> None:
    settings.USE_TZ = False
    assert ids(checks.check_time_zone) == ["notification_hub.E002"]


@pytest.mark.shape("embedded")
def test_check_sqlite__deferred_transactions_and_rollback_journal__are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {})
    assert ids(checks.check_sqlite) == ["notification_hub.E003", "notification_hub.W003"]


@pytest.mark.shape("embedded")
def test_check_sqlite__too_old__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 0))
    assert ids(checks.check_sqlite) == ["notification_hub.E004"]


@pytest.mark.shape("production")
@pytest.mark.django_db
def test_check_postgresql__repeatable_read__is_refused_where_the_database_is_named() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL default_transaction_isolation = 'repeatable read'")
    assert [message.id for message in checks.check_postgresql(None, ["default"])] == ["notification_hub.E005"]
    assert (
        ids(checks.check_postgresql) == []
    )  # nobody has named the database, so it is not asked: it may not be there


def test_check_transactions__atomic_requests__are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert ids(checks.check_transactions) == ["notification_hub.E006"]


def test_check_channel_layer__none__is_warned_of(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}
    assert ids(checks.check_channel_layer) == ["notification_hub.W001"]


@pytest.mark.parametrize("text", ["", "1"])
def test_check_workers__one__may_have_any_shape(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", text)
    assert ids(checks.check_workers) == []


@pytest.mark.shape("embedded")
def test_check_workers__several_on_sqlite_and_memory__are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    assert ids(checks.check_workers) == ["notification_hub.E007", "notification_hub.E007"]


@pytest.mark.shape("production")
def test_check_workers__several__need_a_layer_that_they_share(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    assert ids(checks.check_workers) == []
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    assert ids(checks.check_workers) == ["notification_hub.E007"]


@pytest.mark.parametrize("text", ["0", "-1", "two", "2.0", "257", "\N{SUPERSCRIPT TWO}"])
def test_check_workers__no_number_of_workers__is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", text)
    assert ids(checks.check_workers) == ["notification_hub.E001"]
    assert "WEB_CONCURRENCY" in next(iter(checks.check_workers(None))).msg


def test_check_sessions__that_only_cookies_know__are_warned_of(settings: Any) -> None:
    assert ids(checks.check_sessions) == []
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert ids(checks.check_sessions) == ["notification_hub.W004"]


def test_check_event_types__an_annotation_that_cannot_be_found__is_refused_by_its_class() -> None:
    assert ids(checks.check_event_types) == []

    class Lost(EventType, name="unit.order.lost"):
        order: Nowhere  # type: ignore[name-defined]  # noqa: F821

    try:
        [error] = checks.check_event_types(None)
        assert (error.id, "Lost" in error.msg, "Nowhere" in error.msg) == (
            "notification_hub.E008",
            True,
            True,
        )
    finally:
        registry.remove(Lost)


def test_check_event_types__a_field_without_a_form_in_json__is_refused_by_its_class() -> None:
    class Raw(EventType, name="unit.order.raw"):
        order: bytes

    class Hidden(EventType, name="unit.order.hidden", secret=("number",)):
        number: int

    try:
        by_type = [error.msg for error in checks.check_event_types(None)]
        assert "Hidden" in by_type[0]
        assert "number is secret, so it must be text" in by_type[0]
        assert "JSON has no form for <class 'bytes'>" in by_type[1]
    finally:
        registry.remove(Raw)
        registry.remove(Hidden)


def test_check_import_name__another_module_on_the_path__is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "notifications.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    [message] = checks.check_import_name(None)
    assert (message.id, str(tmp_path) in message.msg) == ("notification_hub.W005", True)


def test_check_import_name__two_distributions_in_one_folder__are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("own-hub-1.0", "their_notifications-1.8"):
        (tmp_path / f"{name}.dist-info").mkdir()
        (tmp_path / f"{name}.dist-info" / "RECORD").write_text(
            "x.py,,\nnotifications/__init__.py,sha256=x,0\n"
        )
    (tmp_path / "unrelated-2.dist-info").mkdir()
    (tmp_path / "unrelated-2.dist-info" / "RECORD").write_text("unrelated/notifications/__init__.py,,\n")
    monkeypatch.setattr(checks, "FOLDER", tmp_path / "notifications")
    message = next(iter(checks.check_import_name(None)))
    assert message.id == "notification_hub.E009"
    assert "own-hub-1.0 and their_notifications-1.8 have" in message.msg


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("label", "moved", "expected"),
    [
        ("notifications", False, "notification_hub.W006"),
        ("notification_hub", True, "notification_hub.E010"),
    ],
)
def test_check_app_label__rows_of_another_app__are_found(
    monkeypatch: pytest.MonkeyPatch, label: str, moved: bool, expected: str
) -> None:
    MigrationRecorder.Migration.objects.create(app=label, name="0001_initial")
    if moved:
        monkeypatch.setattr(Inbox._meta, "db_table", "table_that_is_not_there")
    assert [message.id for message in checks.check_app_label(None, ["default"])] == [expected]
    assert not [*checks.check_app_label(None, None)]
