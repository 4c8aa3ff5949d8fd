"""Plans: which index answers each read, however large the tables are."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from notifications import selectors, services
from notifications.event_types import UntypedEvent
from notifications.models import Event, Notification
from notifications.selectors.staff.notification_list.criteria import Criteria
from notifications.selectors.staff.notification_list.keyset_pages import read_page
from notifications.selectors.staff.notification_list.meaning import conditions_of
from tests.helpers.factories import send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crowd(ada: User) -> list[User]:
    """An inbox of 3,000 among 200 others, and statistics about them."""
    User.objects.bulk_create([User(username=f"many{number}") for number in range(200)])
    users = list(User.objects.order_by("pk"))
    for number in range(10):
        services.notify_many(
            users, UntypedEvent(type_name="a.b", fields={}), title="t", topic=f"topic:{number}"
        )
    event = Event.objects.create(type="a.b", title="t")
    Notification.objects.bulk_create([Notification(recipient=ada, event=event) for _ in range(3_000)])
    services.sweep()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return users


def statements_of(call: Any) -> list[tuple[str, Any]]:
    """What a call asks of the database, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        rest = list(params or ())
        for part in sql.split("; "):  # several that are sent together
            count = part.count("%s")
            seen.append((part, rest[:count] if isinstance(params, (list, tuple)) else params))
            rest = rest[count:]
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        call()
    return seen


def explained(sql: str, params: Any) -> Any:
    """How the database would do a statement, as text."""
    explain = "EXPLAIN (FORMAT JSON)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", params)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def plans_of(call: Any) -> list[str]:
    """How the database would do each statement of a call."""
    return [
        explained(sql, params)
        for sql, params in statements_of(call)
        if sql.strip().startswith(("WITH", "SELECT", "INSERT", "UPDATE", "(SELECT"))
    ]


def plan(read: Any) -> str:
    """How the database would do the one statement of a read."""
    [text] = plans_of(read)
    return text


def assert_scans_no_table(text: str) -> None:
    """No plan reads the notifications from end to end."""
    assert "SCAN notification_hub_notification" not in text
    assert not re.search(r"'Seq Scan'[^{}]*'Relation Name': 'notification_hub_notification'", text)


def test_list__of_any_depth__walks_its_index_and_costs_the_same(ada: User, crowd: list[User]) -> None:
    plans = [
        plan(lambda before=before: selectors.list_page(ada.pk, before=before)) for before in (None, 3_000, 50)
    ]
    for text in plans:
        assert "notif_list" in text
        assert (
            "Seq Scan', 'Parallel Aware': False, 'Async Capable': False, 'Relation Name': "
            "'notification_hub_notif" not in text
        )
        assert "SCAN notification_hub_notification" not in text


@pytest.mark.shape("production")
def test_list__of_any_depth__reads_no_more_rows_than_the_page(ada: User, crowd: list[User]) -> None:
    for before in (None, 3_000, 1_500, 50):
        [(page, params)] = statements_of(lambda before=before: selectors.list_page(ada.pk, before=before))
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {page}", params)
            [root] = cursor.fetchone()[0]
        assert max(_rows_of(root["Plan"], "notification_hub_notification")) <= 26


@pytest.mark.shape("production")
def test_list__of_one_whose_newest_are_archived__steps_over_none_of_them(
    ada: User, crowd: list[User]
) -> None:
    rows = (
        Notification.objects.filter(recipient=ada).order_by("-position").values_list("public_id", flat=True)
    )
    services.archive(ada, rows[:2_000])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for archived in (False, True):
        read = lambda archived=archived: selectors.list_page(ada.pk, archived=archived)  # noqa: E731
        [(page, params)] = statements_of(read)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {page}", params)
            [root] = cursor.fetchone()[0]
        assert max(_rows_of(root["Plan"], "notification_hub_notification")) <= 26


def _rows_of(node: dict[str, Any], table: str) -> list[int]:
    """How many rows each scan of a table gave and threw away."""
    own = (
        [node["Actual Rows"] + node.get("Rows Removed by Filter", 0)]
        if node.get("Relation Name") == table
        else []
    )
    return own + [count for child in node.get("Plans", []) for count in _rows_of(child, table)]


@pytest.mark.shape("production")
def test_staffs_list__of_any_filter__walks_an_index(ada: User) -> None:
    User.objects.bulk_create([User(username=f"many{number}") for number in range(99)])
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO notification_hub_event
                (type, category, topic, level, title, producer_id, created_at)
            SELECT 't' || n %% 700 || '.b.c', 'c' || n %% 700, 'topic:' || n / 10,
                   CASE WHEN n %% 900 = 0 THEN 'error' ELSE 'info' END, 'Number ' || n,
                   CASE WHEN n %% 1100 = 0 THEN %s::int END, now() - make_interval(secs => 20000 - n)
            FROM generate_series(1, 20000) AS n""",
            [ada.pk],
        )
        cursor.execute(
            """INSERT INTO notification_hub_notification (public_id, recipient_id, event_id)
            SELECT gen_random_uuid(), %s + id %% 100, id FROM notification_hub_event""",
            [ada.pk],
        )
        cursor.execute("SELECT gin_clean_pending_list('event_words')")  # as a vacuum does
        cursor.execute("ANALYZE")
    before = Notification.objects.order_by("pk")[10_000]
    by_event = f"{int(before.event.created_at.timestamp()) * 10**6}.{before.event_id}.0"
    walks = {
        "notification_hub_notification_pkey": ({}, str(before.pk)),
        "notif_recipient": ({"recipient": "ada", "state": "unread"}, str(before.pk)),
        "notif_event": ({"event": str(before.event_id)}, ""),
        "event_time": ({"sent_from": "2000-01-01"}, by_event),
        "event_type_time": ({"type": "t1.b.c"}, by_event),
        "event_category_time": ({"category": "c1"}, by_event),
        "event_segment_time": ({"type": "t1.b.*"}, by_event),
        "event_level_time": ({"level": "error"}, by_event),
        "event_producer": ({"producer": "ada"}, by_event),
        "event_topic": ({"topic": "topic:77"}, ""),
        "event_words": ({"q": "number 777"}, ""),
    }
    for index, (parameters, place) in walks.items():
        criteria = Criteria.from_parameters(parameters)
        wanted = conditions_of(criteria, may_search_content=True)
        texts = plans_of(lambda wanted=wanted, place=place: read_page(wanted, before=place, limit=50))
        texts += plans_of(lambda criteria=criteria: conditions_of(criteria, may_search_content=True))
        assert any(f"'{index}'" in text for text in texts), index
        for text in texts:
            assert not re.search(r"'Seq Scan'[^{}]*'Relation Name': 'notifications_", text), (index, text)


def test_sweepers_reads__in_a_large_table__go_by_their_indexes(ada: User, crowd: list[User]) -> None:
    now = timezone.now()
    staged = plan(lambda: selectors.recipients_with_staged(now, limit=500))
    assert "notif_staged" in staged
    assert re.search("notif_(due|scheduled)", staged)
    assert "notif_expiry" in plan(lambda: selectors.recipients_with_expired(now, limit=500))


def test_changes__in_a_large_log__go_by_their_index(ada: User, crowd: list[User]) -> None:
    index = (
        "change_log" if connection.vendor == "postgresql" else "(inbox_id=? AND position>? AND position<?)"
    )
    assert index in plan(lambda: selectors.changes_after(ada.pk, after=2_000, up_to=3_010, limit=100))
    assert index in plan(lambda: selectors.changes_since({user.pk: 9 for user in crowd[:3]}, limit=100))


def test_changes__compacted__look_at_one_index_for_each_change_of_the_stretch(
    ada: User, crowd: list[User]
) -> None:
    text = plan(
        lambda: selectors.changes_after(ada.pk, after=500, up_to=2_500, limit=200, compacted_to=3_010)
    )
    assert "change_superseded" in text
    assert ("SCAN" if connection.vendor == "sqlite" else "Seq Scan") not in text


def test_sequencer__sending_to_a_large_inbox__reads_only_what_is_staged(ada: User, crowd: list[User]) -> None:
    plans = plans_of(lambda: send(ada))
    reads = [text for text in plans if "notif_staged" in text]
    assert len(reads) == 1
    for text in reads:
        assert "notif_scheduled" in text or "notif_due" in text
    for text in plans:
        assert "notif_recipient" not in text
        assert_scans_no_table(text)


@pytest.mark.shape("production")
def test_search__for_a_rare_word__goes_by_its_index_and_for_a_common_one_walks_the_list(
    ada: User, crowd: list[User]
) -> None:
    Event.objects.bulk_create(Event(type="a.b", title=f"common {number}") for number in range(3_000))
    staged = Notification.objects.bulk_create(
        Notification(recipient=ada, event=event) for event in Event.objects.filter(title__startswith="common")
    )
    services.sweep()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    assert len(staged) == 3_000
    rare = plan(lambda: selectors.list_page(ada.pk, words={"1234"}))
    assert "event_words" in rare
    assert_scans_no_table(rare)
    common = plan(lambda: selectors.list_page(ada.pk, words={"common"}))
    assert "notif_list" in common
    assert "event_words" not in common
