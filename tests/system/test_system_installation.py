"""What tells this installation from any other: read from the database, the same in every process, remembered
once it is known.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from notifications import selectors
from notifications.selectors import identity as reading
from notifications.streaming.hints import publisher as hints
from notifications.streaming.hints.publish_queue import Batch
from notifications.streaming.metrics import METRICS
from tests.helpers.processes import current_database_url, manage
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

SHOW = "from notifications import selectors; print(selectors.installation().name)"


@pytest.fixture(autouse=True)
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not asked yet."""
    monkeypatch.setattr(reading, "_known", None)


@contextmanager
def database_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def gone(*args: Any) -> Any:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patching:
        patching.setattr(BaseDatabaseWrapper, "cursor", gone)
        yield


def other_way_to_the_database(folder: Path) -> str:
    """Its address in other words."""
    url = current_database_url()
    if connection.vendor == "sqlite":
        folder.joinpath("link").symlink_to(Path(connection.settings_dict["NAME"]).parent)
        return url.replace(
            str(Path(connection.settings_dict["NAME"]).parent), f"{folder}/../{folder.name}/link"
        )
    return f"{url}?application_name=another&connect_timeout=30".replace("127.0.0.1", "127.1")


def test_processes__by_whatever_way_they_reach_the_database__agree(tmp_path: Path) -> None:
    url = other_way_to_the_database(tmp_path)
    assert url != current_database_url()
    assert manage("shell", "--no-imports", "-c", SHOW, env={"DATABASE_URL": url}).split() == [
        selectors.installation().name
    ]


def test_installation__is_asked_once__by_few_statements() -> None:
    with CaptureQueriesContext(connection) as statements:
        first = selectors.installation()
    assert len(statements) <= 2
    with CaptureQueriesContext(connection) as statements:
        assert selectors.installation() is first
    assert not statements.captured_queries


def test_thread_that_needs_the_database_for_nothing_else__keeps_no_connection() -> None:
    left: list[Any] = []

    def ask() -> None:
        selectors.installation()
        left.append(connection.connection)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert left == [None]


def test_database_away__nothing_is_guessed__and_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    known = selectors.installation()
    monkeypatch.setattr(reading, "_known", None)
    with database_away(monkeypatch):
        for _ in range(2):
            with pytest.raises(DatabaseError):
                selectors.installation()
    assert selectors.installation() == known


def test_publisher__while_the_database_is_away__drops_and_counts__then_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[Batch] = []

    async def note(layer: Any, seal: Any, batch: Batch) -> None:
        sent.append(batch)

    monkeypatch.setattr(hints, "send_batch", note)
    monkeypatch.setattr(hints, "BREAKER_SECONDS", 0.0)
    before = METRICS.hints["dropped"]
    publisher = hints.ThreadPublisher()
    with database_away(monkeypatch):
        publisher.put(Batch(heads={"7": 1}))
        assert publisher.flush(PATIENCE_SECONDS)
    assert (sent, METRICS.hints["dropped"] - before) == ([], 1)
    publisher.put(Batch(heads={"7": 2}))
    assert publisher.flush(PATIENCE_SECONDS)
    assert sent[-1] == Batch(heads={"7": 2}, events=[])


@override_settings(NOTIFICATION_HUB={"installation": "production"})
def test_name_of_ones_own__overrides_the_database__but_not_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with database_away(monkeypatch):
        named = selectors.installation()
        with override_settings(NOTIFICATION_HUB={"installation": "staging"}):
            assert selectors.installation() != named
        with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
            assert selectors.installation().current != named.current
            assert selectors.installation().former == (named.current,)
        assert selectors.installation() == named


@pytest.mark.shape("embedded")
def test_file_copied_or_put_in_its_place__is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identities = set()
    for name, content in (("a", b""), ("b", b""), ("a", b"")):
        path = tmp_path / name
        path.with_suffix(".new").write_bytes(content)
        path.with_suffix(".new").rename(path)
        monkeypatch.setattr(reading, "_row", lambda statement, path=path: (0, "main", str(path)))
        identities.add(selectors.database_identity().text)
        if name == "b":
            os.link(tmp_path / "a", tmp_path / "kept")  # so that its inode is not given again
    assert len(identities) == 3


@pytest.mark.shape("production")
def test_schema_of_the_same_database__is_another() -> None:
    ours = selectors.database_identity()
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA staging; CREATE TABLE staging.notification_hub_inbox (id int)")
        cursor.execute("SET search_path TO staging")
        try:
            theirs = selectors.database_identity()
            cursor.execute("DROP TABLE staging.notification_hub_inbox")
            with pytest.raises(DatabaseError, match="migrate"):
                selectors.database_identity()
        finally:
            cursor.execute("SET search_path TO DEFAULT; DROP SCHEMA staging CASCADE")
    assert ours.text != theirs.text
    assert selectors.database_identity() == ours


@pytest.mark.shape("production")
def test_role_that_may_not_ask_the_cluster__still_agrees_with_itself_and_says_that_it_is_not_certain() -> (
    None
):
    certain = selectors.database_identity()
    with connection.cursor() as cursor:
        cursor.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        cursor.execute("CREATE ROLE hub_without_rights; SET ROLE hub_without_rights")
        try:
            found = selectors.database_identity()
            assert selectors.database_identity() == found
        finally:
            cursor.execute("RESET ROLE; DROP ROLE hub_without_rights")
            cursor.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
    assert (certain.is_certain, found.is_certain) == (True, False)
    assert found.text != certain.text
