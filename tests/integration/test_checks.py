"""The system checks refuse what could not work, each under its own id."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connection

from notifications import checks
from notifications.event_types import EventType, registry


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
